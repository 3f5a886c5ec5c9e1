//! Bounds, and what is no call.
use http::Method;

use super::{IngressKit, Outcome};

/// The largest body that the gateway lets in by default, in bytes.
const LARGEST: usize = 8 * 1024 * 1024;

/// How deep a body is nested that no parser may follow to its end.
const DEPTH: usize = 100_000;

/// How many bytes of a call are changed, spread over it.
const CHANGED: usize = 200;

/// The caller must change it, so it is not to be repeated.
pub async fn what_is_no_call_is_refused_and_does_nothing(kit: IngressKit) {
    let mut bodies = kit.driver.malformed();
    assert!(!bodies.is_empty(), "`malformed` returns one body at least");
    bodies.extend([Vec::new(), vec![0xFF, 0xFE, 0x00]]);
    for body in bodies {
        let shown: String = String::from_utf8_lossy(&body).chars().take(200).collect();
        let outcome = kit.send_body(body).await;
        assert_eq!(outcome, Outcome::Refused, "the body `{shown}`");
        kit.untouched(&format!("the body `{shown}`"));
    }
}

/// A connection may end in the middle of a body.
pub async fn a_part_of_a_call_does_nothing(kit: IngressKit) {
    let call = kit.driver.call(1);
    for length in [1, call.len() / 3, call.len() / 2, call.len() - 1] {
        let outcome = kit.send_body(&call[..length]).await;
        assert_eq!(
            outcome,
            Outcome::Refused,
            "the first {length} bytes of a call"
        );
        kit.untouched(&format!("the first {length} bytes of a call"));
    }
}

/// Neither exhausts the memory or the stack.
pub async fn a_body_of_eight_mebibytes_or_of_deep_nesting_is_refused(kit: IngressKit) {
    let nested = |open: &str| open.repeat(DEPTH).into_bytes();
    for (what, body) in [
        ("8 MiB", vec![b'a'; LARGEST]),
        ("nested arrays", nested("[")),
        ("nested objects", nested("{\"a\":")),
        ("nested elements", nested("<a>")),
    ] {
        let outcome = kit.send_body(body).await;
        assert_eq!(outcome, Outcome::Refused, "a body of {what}");
        kit.untouched(&format!("a body of {what}"));
    }
}

/// A changed call may be another call or none; neither is a failure of the ingress.
pub async fn no_changed_byte_of_a_call_makes_the_ingress_fail(kit: IngressKit) {
    let call = kit.driver.call(1);
    let step = call.len().div_ceil(CHANGED).max(1);
    for position in (0..call.len()).step_by(step) {
        for byte in [b'\0', b'"', b'{', b']', b'9', b'-', b'%', 0xC3, 0xFF] {
            let mut changed = call.clone();
            changed[position] = byte;
            let before = kit.gateway.asked().len();
            let outcome = kit.send_body(changed).await;
            let did = kit.gateway.asked().len() > before;
            let what = format!("a call whose byte {position} is {byte:#04x}");
            assert_ne!(outcome, Outcome::Unavailable, "the answer to {what}");
            assert_eq!(did, outcome == Outcome::Accepted, "the gateway and {what}");
        }
    }
}

/// Everything below the prefix reaches the ingress.
pub async fn another_path_is_refused(kit: IngressKit) {
    let mut request = kit.driver.request(kit.driver.call(1), kit.now());
    let path = format!("{}/no/such/path", kit.ingress.prefix());
    let query = request.uri().query();
    let target = query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
    *request.uri_mut() = target.parse().expect("the prefix is a path");
    let outcome = kit.send(request).await.0;
    assert_eq!(outcome, Outcome::Refused, "a request to {path}");
    kit.untouched(&format!("a request to {path}"));
}

/// Every method reaches the ingress.
pub async fn another_method_is_refused(kit: IngressKit) {
    for method in [Method::DELETE, Method::PATCH, Method::TRACE] {
        let mut request = kit.driver.request(kit.driver.call(1), kit.now());
        *request.method_mut() = method.clone();
        let outcome = kit.send(request).await.0;
        assert_eq!(outcome, Outcome::Refused, "the method {method}");
        kit.untouched(&format!("the method {method}"));
    }
}
