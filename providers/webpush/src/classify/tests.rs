//! Each answer of each push service.
use serde_json::json;

use super::*;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);
const BELIEVED: Trust = Trust {
    statuses: false,
    accusations: true,
};

fn of(status: u16, headers: &[(&str, &str)], body: &str, trust: Trust) -> Verdict {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    let response = response
        .body(Bytes::from(body.to_owned()))
        .expect("an answer");
    classify(&response, &[], trust, NOW).verdict
}

fn errno(status: u16, number: i64, message: &str) -> VerdictKind {
    let body = json!({
        "code": status, "errno": number, "error": "words", "message": message, "more_info": "http://a",
    });
    of(status, &[], &body.to_string(), BELIEVED).kind
}

fn reason(status: u16, reason: &str) -> VerdictKind {
    let body = json!({ "reason": reason }).to_string();
    of(status, &[], &body, BELIEVED).kind
}

fn line(status: u16, line: &str) -> VerdictKind {
    let headers = [("content-type", "text/plain; charset=utf-8")];
    of(status, &headers, &format!("{line}\n"), BELIEVED).kind
}

#[test]
fn every_number_of_mozilla_has_its_verdict() {
    use VerdictKind::{CredentialRefused, PayloadRefused, TargetRefused};
    for (status, number, kind) in [
        (400, 101, PayloadRefused),
        (404, 102, GONE),
        (404, 103, GONE),
        (410, 103, GONE),
        (413, 104, PayloadRefused),
        (410, 105, GONE),
        (410, 106, GONE),
        (400, 108, TargetRefused),
        (401, 109, CredentialRefused),
        (400, 110, PayloadRefused),
        (400, 111, PayloadRefused),
        (400, 112, PayloadRefused),
        (400, 113, PayloadRefused),
        (400, 114, PayloadRefused),
        (503, 201, DOWN),
        (503, 202, DOWN),
        (502, 900, DOWN),
        (502, 901, DOWN),
        (502, 902, DOWN),
        (502, 903, DOWN),
        (500, 999, DOWN),
        (429, 7, VerdictKind::RateLimited(Scope::Origin)),
    ] {
        assert_eq!(errno(status, number, "words"), kind, "{number}");
    }
    assert_eq!(errno(401, 109, "VAPID public key mismatch"), MISMATCH);
    // A number that does not fit its status ends no token and accuses no credential.
    assert_eq!(errno(400, 106, ""), TargetRefused);
    assert_eq!(errno(500, 106, ""), DOWN);
    assert_eq!(errno(403, 109, ""), TargetRefused);
    let null = json!({ "code": 404, "errno": null, "message": "" }).to_string();
    assert_eq!(of(404, &[], &null, BELIEVED).kind, TargetRefused);
    let wait = of(
        503,
        &[("retry-after", "120")],
        &json!({ "code": 503, "errno": 201 }).to_string(),
        BELIEVED,
    );
    assert_eq!(
        wait.retry,
        Retry::After(std::time::Duration::from_secs(120))
    );
}

#[test]
fn every_reason_of_apple_has_its_verdict() {
    use VerdictKind::{CredentialRefused, PayloadRefused, TargetRefused};
    for (status, word, kind) in [
        (400, "BadTtl", PayloadRefused),
        (400, "BadUrgency", PayloadRefused),
        (400, "BadWebPushRequest", PayloadRefused),
        (400, "BadWebPushTopic", PayloadRefused),
        (400, "VapidPkHashMismatch", MISMATCH),
        (403, "VapidPkHashMismatch", MISMATCH),
        (400, "IdleTimeout", DOWN),
        (403, "BadAuthorizationHeader", CredentialRefused),
        (403, "BadJwtToken", CredentialRefused),
        (403, "BadVapidPublicKey", CredentialRefused),
        (404, "BadPath", GONE),
        (405, "MethodNotAllowed", PayloadRefused),
        (410, "Unregistered", GONE),
        (413, "PayloadTooLarge", PayloadRefused),
        (
            429,
            "TooManyRequests",
            VerdictKind::RateLimited(Scope::Token),
        ),
        (500, "InternalServerError", DOWN),
        (503, "ServiceUnavailable", DOWN),
        (503, "Shutdown", DOWN),
        (410, "BadJwtToken", TargetRefused),
        (400, "Unregistered", TargetRefused),
        (410, "New", TargetRefused),
    ] {
        assert_eq!(reason(status, word), kind, "{status} {word}");
    }
}

#[test]
fn every_line_of_google_has_its_verdict() {
    use VerdictKind::CredentialRefused;
    for (status, words, kind) in [
        (410, "push subscription has unsubscribed or expired.", GONE),
        (
            404,
            "A valid push subscription endpoint should be specified in the URL as such: https://fcm.googleapis.com/wp/dHIoDxE7Hdg:APA91bH1Zj0kNa...",
            GONE,
        ),
        (
            403,
            "the VAPID credentials in the authorization header do not correspond to the credentials used to create the subscriptions.",
            MISMATCH,
        ),
        (403, "sender is not authenticated.", CredentialRefused),
        (403, "invalid JWT provided", CredentialRefused),
        (403, "invalid aud claim", CredentialRefused),
        (
            403,
            "aud claim in the token MUST include the origin of the push resource URL",
            CredentialRefused,
        ),
        (
            403,
            "exp claim MUST NOT be more than 24 hours from the time of the request",
            CredentialRefused,
        ),
        (403, "token has expired", CredentialRefused),
        (403, "exp claim is missing", CredentialRefused),
        (403, "public key must be 65 bytes long", CredentialRefused),
        (403, "something else", DOWN),
        (500, "push subscription has unsubscribed or expired.", DOWN),
        (404, "push subscription has unsubscribed or expired.", DOWN),
        (
            410,
            "<html>push subscription has unsubscribed or expired.</html>",
            DOWN,
        ),
    ] {
        assert_eq!(line(status, words), kind, "{status} {words}");
    }
}

#[test]
fn the_headers_of_microsoft_confirm_an_answer_without_a_body() {
    fn word(word: &str) -> [(&str, &str); 2] {
        [("x-wns-msg-id", "4D1862580BFBB38D"), ("x-wns-status", word)]
    }
    let id = word("dropped");
    let kind = |status, headers: &[(&str, &str)], body| of(status, headers, body, BELIEVED).kind;
    for success in [200, 201] {
        let of = |text: &str| kind(success, &word(text), "");
        assert_eq!(of("received"), VerdictKind::Accepted);
        assert_eq!(of("dropped"), VerdictKind::TargetRefused);
        let throttled = VerdictKind::RateLimited(Scope::Token);
        assert_eq!(of("channelthrottled"), throttled);
    }
    assert_eq!(kind(201, &id[..1], ""), VerdictKind::Accepted);
    for (status, wanted) in [
        (400, VerdictKind::PayloadRefused),
        (401, VerdictKind::TargetRefused),
        (403, VerdictKind::TargetRefused),
        (404, GONE),
        (406, VerdictKind::RateLimited(Scope::Origin)),
        (410, GONE),
        (413, VerdictKind::PayloadRefused),
        (429, VerdictKind::RateLimited(Scope::Origin)),
        (500, DOWN),
    ] {
        assert_eq!(kind(status, &id, ""), wanted, "{status}");
        assert!(kind(status, &[], "") == DOWN || status == 429, "{status}");
        assert!(
            kind(status, &id, "<html>") == DOWN || status == 429,
            "{status}"
        );
    }
}

#[test]
fn a_page_of_any_status_neither_accepts_a_push_nor_ends_a_subscription() {
    for status in [
        200, 201, 202, 204, 301, 307, 400, 401, 403, 404, 410, 413, 500, 503,
    ] {
        for body in [
            "",
            "Gone",
            "<html>push subscription has unsubscribed or expired.</html>",
            r#"{"code":410,"message":"gone"}"#,
            r#"{"code":410,"errno":"106","message":"gone"}"#,
            r#"{"code":410,"errno":[106]}"#,
            r#"{"reason":"Unregistered","type":"about:blank"}"#,
            r#"{"reason":410}"#,
            r#"[{"reason":"Unregistered"}]"#,
            r#"{"errno":106}"#,
        ] {
            let verdict = of(status, &[("retry-after", "86400")], body, BELIEVED);
            assert_eq!(verdict.kind, DOWN, "{status} {body}");
            let most = std::time::Duration::from_secs(60);
            assert!(matches!(verdict.retry, Retry::After(wait) if wait <= most));
        }
    }
    for wrong in ["", "/", "relative", "https://a", "ftp://a/b"] {
        let verdict = of(201, &[("location", wrong)], "", BELIEVED);
        let is_taken = verdict.kind == VerdictKind::Accepted;
        assert!(!is_taken, "{wrong:?}");
    }
    for right in ["https://a/m/1", "/m/1"] {
        for status in [200, 201, 202] {
            let verdict = of(status, &[("location", right)], "", BELIEVED);
            assert_eq!(verdict.kind, VerdictKind::Accepted);
        }
        let moved = of(307, &[("location", right)], "", BELIEVED);
        assert_eq!(moved.kind, DOWN);
    }
}

#[test]
fn an_unknown_service_accuses_no_credential() {
    let unknown = Trust {
        statuses: false,
        accusations: false,
    };
    for body in [
        json!({ "code": 401, "errno": 109, "message": "" }),
        json!({ "code": 401, "errno": 109, "message": "VAPID public key mismatch" }),
    ] {
        let verdict = of(401, &[], &body.to_string(), unknown);
        assert_eq!(verdict.kind, VerdictKind::TargetRefused);
    }
    let gone = json!({ "code": 410, "errno": 106 }).to_string();
    assert_eq!(of(410, &[], &gone, unknown).kind, GONE);
}

#[test]
fn where_statuses_are_trusted_they_alone_count() {
    let trusting = Trust {
        statuses: true,
        accusations: true,
    };
    for (status, kind) in [
        (200, VerdictKind::Accepted),
        (201, VerdictKind::Accepted),
        (202, VerdictKind::Accepted),
        (204, VerdictKind::TargetRefused),
        (307, DOWN),
        (400, VerdictKind::PayloadRefused),
        (401, VerdictKind::TargetRefused),
        (403, VerdictKind::TargetRefused),
        (404, GONE),
        (410, GONE),
        (413, VerdictKind::PayloadRefused),
        (429, VerdictKind::RateLimited(Scope::Origin)),
        (503, DOWN),
    ] {
        assert_eq!(of(status, &[], "any", trusting).kind, kind, "{status}");
    }
}
