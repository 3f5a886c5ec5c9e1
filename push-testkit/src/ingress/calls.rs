//! Calls that are accepted, and what the caller hears of the gateway's errors.
use std::sync::Arc;

use push_core::ErrorKind;

use super::{IngressKit, Outcome};
use crate::{until, until_idle};

/// The gateway mounts the ingress below its prefix.
pub async fn the_prefix_is_a_path(kit: IngressKit) {
    let prefix = kit.ingress.prefix();
    let is_path = prefix.len() > 1
        && prefix.starts_with('/')
        && !prefix.ends_with('/')
        && !prefix.contains(['{', '}', '*', '?', '#', ' ']);
    assert!(is_path, "`{prefix}` is no path: write it like `/tencent`");
    kit.call(1).await;
    assert_eq!(kit.ingress.prefix(), prefix, "the prefix stays the same");
}

/// What the call is about is handed to the gateway.
pub async fn a_call_reaches_the_gateway_and_is_accepted(kit: IngressKit) {
    assert_eq!(kit.call(1).await, Outcome::Accepted, "the answer to a call");
    let asked = kit.gateway.asked().len();
    assert_eq!(asked, 1, "a call asks the gateway for one thing");
}

/// Who hears that a call was accepted does not repeat it: by then it must be durable.
pub async fn a_call_is_answered_after_the_gateway_has_accepted_it(kit: IngressKit) {
    kit.gateway.hold(true);
    let kit = Arc::new(kit);
    let calling = Arc::clone(&kit);
    let call = tokio::spawn(async move { calling.call(1).await });
    until_idle().await;
    assert!(
        !call.is_finished(),
        "the call was answered before the gateway had accepted it"
    );
    kit.gateway.hold(false);
    until(|| call.is_finished()).await;
    let outcome = call.await.expect("the call does not panic");
    assert_eq!(outcome, Outcome::Accepted, "the answer to a call");
}

/// An error that passes by is no refusal, and certainly no success.
pub async fn a_call_that_the_gateway_cannot_accept_now_may_be_repeated(kit: IngressKit) {
    for kind in [ErrorKind::Busy, ErrorKind::Unavailable, ErrorKind::Internal] {
        kit.gateway.refuse(Some(kind));
        let outcome = kit.call(1).await;
        assert_eq!(
            outcome,
            Outcome::Unavailable,
            "the answer when the gateway's error is {}",
            kind.as_str()
        );
    }
    kit.gateway.refuse(None);
    assert_eq!(kit.call(1).await, Outcome::Accepted, "the repeated call");
    assert_eq!(
        kit.gateway.asked().len(),
        1,
        "the repeated call is one call"
    );
}

/// A call that cannot succeed is not to be repeated for ever.
pub async fn a_call_that_the_gateway_refuses_is_refused(kit: IngressKit) {
    for kind in [ErrorKind::Invalid, ErrorKind::Denied] {
        kit.gateway.refuse(Some(kind));
        let outcome = kit.call(1).await;
        assert_eq!(
            outcome,
            Outcome::Refused,
            "the answer when the gateway's error is {}",
            kind.as_str()
        );
    }
}
