use proptest::prelude::*;
use push_testkit::sample::NOW;
use serde_json::json;

use super::*;

const DEAD: VerdictKind = VerdictKind::TokenDead { since: None };
const DOWN: VerdictKind = VerdictKind::Unavailable(Scope::Credential);
const LIMITED: VerdictKind = VerdictKind::RateLimited(Scope::Credential);

fn verdict(status: u16, body: Value) -> Verdict {
    let response = Response::builder()
        .status(status)
        .body(Bytes::from(body.to_string()))
        .expect("a response");
    answered(&response, "demo", &["dJ7x:APA91b-of-a-test"], NOW)
}

fn plain(status: u16, word: &str) -> Value {
    json!({"error": {"code": status, "status": word, "message": "…"}})
}

fn error(status: u16, word: &str, code: &str) -> Value {
    let fcm = "type.googleapis.com/google.firebase.fcm.v1.FcmError";
    with_detail(
        plain(status, word),
        json!({"@type": fcm, "errorCode": code}),
    )
}

fn with_detail(mut body: Value, detail: Value) -> Value {
    match &mut body["error"]["details"] {
        Value::Array(details) => details.push(detail),
        none => *none = json!([detail]),
    }
    body
}

#[test]
fn every_documented_code_has_its_verdict() {
    for (status, word, code, kind) in [
        (404, "NOT_FOUND", "UNREGISTERED", DEAD),
        (
            400,
            "INVALID_ARGUMENT",
            "INVALID_ARGUMENT",
            VerdictKind::PayloadRefused,
        ),
        (
            403,
            "PERMISSION_DENIED",
            "SENDER_ID_MISMATCH",
            VerdictKind::TokenUnusable(TokenFault::App),
        ),
        (429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", LIMITED),
        (503, "UNAVAILABLE", "UNAVAILABLE", DOWN),
        (500, "INTERNAL", "INTERNAL", DOWN),
        (
            401,
            "UNAUTHENTICATED",
            "THIRD_PARTY_AUTH_ERROR",
            VerdictKind::TargetRefused,
        ),
        (
            401,
            "UNAUTHENTICATED",
            "APNS_AUTH_ERROR",
            VerdictKind::TargetRefused,
        ),
        (
            500,
            "UNKNOWN",
            "UNSPECIFIED_ERROR",
            VerdictKind::Unavailable(Scope::Token),
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "UNSPECIFIED_ERROR",
            VerdictKind::Unavailable(Scope::Token),
        ),
    ] {
        let verdict = verdict(status, error(status, word, code));
        assert_eq!(verdict.kind, kind, "{code}");
        assert_eq!(verdict.answer.code, code);
        assert_eq!(verdict.answer.status, Some(status));
    }
}

#[test]
fn an_answer_without_a_code_is_judged_by_its_status_word() {
    for (status, word, kind) in [
        (400, "INVALID_ARGUMENT", VerdictKind::PayloadRefused),
        (401, "UNAUTHENTICATED", VerdictKind::CredentialRefused),
        (429, "RESOURCE_EXHAUSTED", LIMITED),
        (503, "UNAVAILABLE", DOWN),
        (409, "ABORTED", VerdictKind::TargetRefused),
    ] {
        let verdict = verdict(status, plain(status, word));
        assert_eq!(verdict.kind, kind, "{word}");
        assert_eq!(verdict.answer.code, word);
    }
}

#[test]
fn a_bare_403_or_404_for_one_token_does_not_refuse_the_credential() {
    for (status, word) in [(403, "PERMISSION_DENIED"), (404, "NOT_FOUND")] {
        let verdict = verdict(status, plain(status, word));
        assert_eq!(verdict.kind, VerdictKind::TargetRefused, "{word}");
    }
}

#[test]
fn a_403_that_names_the_project_or_the_missing_role_refuses_the_credential() {
    let disabled = with_detail(
        plain(403, "PERMISSION_DENIED"),
        json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "SERVICE_DISABLED",
            "domain": "googleapis.com",
        }),
    );
    assert_eq!(verdict(403, disabled).kind, VerdictKind::CredentialRefused);
    let mut body = plain(403, "PERMISSION_DENIED");
    body["error"]["message"] =
        "Permission 'cloudmessaging.messages.create' denied on resource".into();
    assert_eq!(verdict(403, body).kind, VerdictKind::CredentialRefused);
}

#[test]
fn a_wrong_apns_key_of_the_firebase_project_concerns_one_target() {
    let case: Value =
        serde_json::from_str(include_str!("../../tests/fixtures/third_party_auth.json"))
            .expect("the fixture is JSON");
    let answer = &case["the_answer_to_one_token_only"];
    let body = answer["body"].clone();
    let verdict = verdict(401, body.clone());
    assert_eq!(verdict.kind, VerdictKind::TargetRefused);
    assert_eq!(verdict.answer.code, "THIRD_PARTY_AUTH_ERROR");
    let response = Response::builder().status(401);
    let response = response.body(Bytes::from(body.to_string())).unwrap();
    assert!(!is_access_refused(&response));
}

#[test]
fn an_invalid_argument_costs_a_token_only_if_it_is_about_the_token_alone() {
    let with = |fields: &[&str]| {
        let violations: Vec<_> = fields.iter().map(|field| json!({"field": field})).collect();
        let body = with_detail(
            error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
            json!({
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": violations,
            }),
        );
        verdict(400, body).kind
    };
    let refused = VerdictKind::PayloadRefused;
    assert_eq!(with(&["message.token"]), DEAD);
    assert_eq!(with(&["message.token", "message.data[0].value"]), refused);
    assert_eq!(with(&["message.android.ttl"]), refused);
    assert_eq!(with(&[]), refused);
    let mut body = error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT");
    body["error"]["message"] =
        "The registration token is not a valid FCM registration token".into();
    assert_eq!(verdict(400, body).kind, DEAD);
}

#[test]
fn a_quota_of_one_device_stops_no_other() {
    let with = |subject: &str| {
        let body = with_detail(
            error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"),
            json!({
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{"subject": subject, "description": "Quota exceeded"}],
            }),
        );
        verdict(429, body)
    };
    let of_one = with("Device message rate");
    assert_eq!(of_one.kind, VerdictKind::RateLimited(Scope::Token));
    assert_eq!(with("project:demo").kind, LIMITED);
    assert_eq!(with("project:demo").retry, Retry::After(QUOTA_PAUSE));
}

#[test]
fn an_unknown_code_costs_no_token_and_no_credential_and_is_kept() {
    for status in [400, 401, 403, 404, 409, 410, 418, 429, 500, 503] {
        let verdict = verdict(status, error(status, "NOT_FOUND", "BRAND_NEW"));
        let kind = unknown_code(StatusCode::from_u16(status).unwrap());
        assert_eq!(verdict.kind, kind, "{status}");
        assert_eq!(verdict.answer.code, "BRAND_NEW");
    }
}

#[test]
fn an_answer_that_is_not_googles_is_an_outage_of_the_path() {
    for status in [200, 301, 400, 401, 403, 404, 407, 429, 502] {
        for body in [
            json!("blocked"),
            Value::Null,
            json!({"error": "x"}),
            json!({}),
            json!({"error": {"code": status, "message": "blocked by policy"}}),
            json!({"error": {"code": status, "status": "Access denied"}}),
        ] {
            assert_eq!(verdict(status, body.clone()).kind, DOWN, "{status} {body}");
        }
    }
}

#[test]
fn an_accepted_message_keeps_googles_id_of_it() {
    let accepted = verdict(200, json!({"name": "projects/demo/messages/0:17%ab"}));
    assert_eq!(accepted.kind, VerdictKind::Accepted);
    assert_eq!(accepted.answer.request_id, "0:17%ab");
    // The same project, by its number.
    let accepted = verdict(200, json!({"name": "projects/123456/messages/1"}));
    assert_eq!(accepted.kind, VerdictKind::Accepted);
}

#[test]
fn a_success_that_names_no_message_of_the_project_is_unknown() {
    for name in [
        "",
        "1",
        "projects/demo/messages/",
        "projects/demo/messages/1/2",
        "projects/demo/messages/two words",
        "projects/other/messages/1",
        "projects//messages/1",
        "projects/demo/1",
    ] {
        let verdict = verdict(200, json!({"name": name}));
        assert_eq!(verdict.kind, VerdictKind::Unknown, "{name}");
        assert_eq!(verdict.retry, Retry::Backoff);
    }
}

#[test]
fn a_number_that_is_too_large_hides_no_error() {
    let body = error(404, "NOT_FOUND", "UNREGISTERED").to_string();
    let body = body.replacen('{', r#"{"at":1e400,"#, 1);
    let response = Response::builder().status(404).body(Bytes::from(body));
    let verdict = answered(&response.unwrap(), "demo", &[], NOW);
    assert_eq!(verdict.kind, DEAD);
}

#[test]
fn what_apple_said_is_shown_where_fcm_passes_it_on() {
    let body = with_detail(
        error(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"),
        json!({
            "@type": "type.googleapis.com/google.firebase.fcm.v1.ApnsError",
            "statusCode": 403,
            "reason": "InvalidProviderToken",
        }),
    );
    let verdict = verdict(401, body);
    assert_eq!(verdict.kind, VerdictKind::TargetRefused);
    assert!(
        verdict.answer.text.contains("InvalidProviderToken"),
        "{verdict:?}"
    );
}

#[test]
fn a_subscription_that_is_there_already_is_a_success() {
    let change = |status: u16, body: Value| {
        let response = Response::builder().status(status);
        let response = response.body(Bytes::from(body.to_string())).unwrap();
        changed(&response, &[], NOW).kind
    };
    for (status, body, kind) in [
        (200, json!({}), VerdictKind::Accepted),
        (
            200,
            json!({"name": "projects/demo/registrations/x/topicSubscriptions/news"}),
            VerdictKind::Accepted,
        ),
        (409, plain(409, "ALREADY_EXISTS"), VerdictKind::Accepted),
        (409, plain(409, "ABORTED"), VerdictKind::TargetRefused),
        (404, error(404, "NOT_FOUND", "UNREGISTERED"), DEAD),
        (
            429,
            error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"),
            LIMITED,
        ),
        (200, json!("welcome"), DOWN),
        (200, json!({"error": "x"}), DOWN),
        (502, Value::Null, DOWN),
    ] {
        assert_eq!(change(status, body.clone()), kind, "{status} {body}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_cost_no_token(status in 100u16..1000, body in any::<Vec<u8>>()) {
        let response = Response::builder().status(status).body(Bytes::from(body)).unwrap();
        let verdict = answered(&response, "demo", &[], NOW);
        let costs = matches!(
            verdict.kind,
            VerdictKind::TokenDead { .. } | VerdictKind::TokenUnusable(_) | VerdictKind::Accepted
        );
        prop_assert!(!costs, "{verdict:?}");
    }
}
