//! What FCM's answers mean (Firebase documentation, `ErrorCode`).
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use push_core::{
    DeviceToken, Mismatch, Retry, Scope, Timestamp, VendorAnswer, Verdict, VerdictKind,
};
use push_http::{HttpError, HttpErrorKind, Processed};
use serde_json::Value;

/// How long to wait after a quota was exceeded, if FCM does not say.
const QUOTA_PAUSE: Duration = Duration::from_secs(60);

/// An error as FCM writes it (`google.rpc.Status`). Every field may be missing: proxies answer, too.
struct Failure<'a> {
    /// Whether there is an `error` object at all.
    is_googles: bool,
    /// `details[].errorCode` of the detail that is FCM's own.
    code: &'a str,
    /// `error.status`.
    status: &'a str,
    message: &'a str,
    details: &'a [Value],
}

impl<'a> Failure<'a> {
    fn read(json: &'a Value) -> Self {
        let error = &json["error"];
        let text = |key: &str| error[key].as_str().unwrap_or_default();
        let details = error["details"].as_array().map_or(&[][..], Vec::as_slice);
        Self {
            is_googles: error.is_object() && error["code"].is_u64(),
            code: of_type(details, "FcmError")
                .find_map(|it| it["errorCode"].as_str())
                .unwrap_or_default(),
            status: text("status"),
            message: text("message"),
            details,
        }
    }

    /// Whether the complaint is about the token and about nothing else.
    fn is_about_token(&self) -> bool {
        let mut fields = of_type(self.details, "BadRequest")
            .filter_map(|it| it["fieldViolations"].as_array())
            .flatten()
            .map(|it| it["field"].as_str().unwrap_or_default())
            .peekable();
        if fields.peek().is_some() {
            fields.all(|it| it == "message.token")
        } else {
            self.message
                .contains("registration token is not a valid FCM registration token")
        }
    }

    /// How far an exceeded quota reaches.
    fn quota(&self) -> Scope {
        let mut violations = of_type(self.details, "QuotaFailure")
            .filter_map(|it| it["violations"].as_array())
            .flatten();
        let of_one_device = violations.any(|it| {
            ["subject", "description"].into_iter().any(|key| {
                let text = it[key].as_str().unwrap_or_default();
                text.to_ascii_lowercase().contains("device")
            })
        });
        if of_one_device {
            Scope::Token
        } else {
            Scope::Credential
        }
    }
}

fn of_type<'a>(details: &'a [Value], name: &'static str) -> impl Iterator<Item = &'a Value> {
    details.iter().filter(move |it| {
        let full = it["@type"].as_str().unwrap_or_default();
        full.rsplit(['.', '/']).next() == Some(name)
    })
}

/// Whether `response` says that the access token is no longer good. A 401 with a code of FCM's own says something else.
pub(crate) fn wants_other_access(response: &Response<Bytes>) -> bool {
    response.status().as_u16() == 401 && {
        let json = serde_json::from_slice(response.body()).unwrap_or_default();
        Failure::read(&json).code.is_empty()
    }
}

/// The verdict on a message to `token` that was answered with `response` at `now`.
pub(crate) fn answered(
    response: &Response<Bytes>,
    token: Option<&DeviceToken>,
    now: Timestamp,
) -> Verdict {
    let mut verdict = judge(response, now);
    if let Some(token) = token {
        verdict.answer = verdict.answer.without(token);
    }
    verdict
}

fn judge(response: &Response<Bytes>, now: Timestamp) -> Verdict {
    let status = response.status().as_u16();
    let json: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    if status == 200 {
        return match json["name"].as_str() {
            Some(name) => {
                let id = name.rsplit('/').next().unwrap_or(name);
                Verdict::accepted(VendorAnswer::new(status, "").with_request_id(id))
            }
            None => Verdict::new(
                VerdictKind::Unknown,
                VendorAnswer::new(status, "").with_text("accepted without naming a message"),
            ),
        };
    }
    let failure = Failure::read(&json);
    let code = if failure.code.is_empty() {
        failure.status
    } else {
        failure.code
    };
    let answer = VendorAnswer::new(status, code).with_text(failure.message);
    let kind = match failure.code {
        "" => by_status(status, &failure),
        known => by_code(known, &failure).unwrap_or_else(|| by_severity(status)),
    };
    let verdict = Verdict::new(kind, answer);
    let asked = Retry::from_headers(response.headers(), now);
    match kind {
        VerdictKind::RateLimited(_) => {
            verdict.with_retry(asked.unwrap_or(Retry::After(QUOTA_PAUSE)))
        }
        VerdictKind::Unavailable => verdict.with_retry(asked.unwrap_or(Retry::Backoff)),
        _ => verdict,
    }
}

/// What a code of FCM's own means; `None` if nobody knows it yet.
fn by_code(code: &str, failure: &Failure<'_>) -> Option<VerdictKind> {
    Some(match code {
        "UNREGISTERED" => VerdictKind::TokenDead { since: None },
        "INVALID_ARGUMENT" => invalid_argument(failure),
        "SENDER_ID_MISMATCH" => VerdictKind::TokenMismatch(Mismatch::App),
        "QUOTA_EXCEEDED" => VerdictKind::RateLimited(failure.quota()),
        "UNAVAILABLE" | "INTERNAL" => VerdictKind::Unavailable,
        // What is wrong is in the Firebase console: APNs key or Web Push key.
        "THIRD_PARTY_AUTH_ERROR" | "APNS_AUTH_ERROR" => VerdictKind::CredentialRefused,
        "UNSPECIFIED_ERROR" => VerdictKind::Unknown,
        _ => return None,
    })
}

/// What Google's general status means, where FCM adds no code.
fn by_status(status: u16, failure: &Failure<'_>) -> VerdictKind {
    match (status, failure.status) {
        (400, "INVALID_ARGUMENT") => invalid_argument(failure),
        (401, _) => VerdictKind::CredentialRefused,
        // The interface is not enabled, a role is missing, or there is no such project: nothing about the token.
        (403 | 404, _) if failure.is_googles => VerdictKind::CredentialRefused,
        _ => by_severity(status),
    }
}

/// What the HTTP status alone tells. It never costs a token.
fn by_severity(status: u16) -> VerdictKind {
    match status {
        413 => VerdictKind::PayloadRefused,
        429 => VerdictKind::RateLimited(Scope::Credential),
        500.. => VerdictKind::Unavailable,
        _ => VerdictKind::Unknown,
    }
}

fn invalid_argument(failure: &Failure<'_>) -> VerdictKind {
    if failure.is_about_token() {
        VerdictKind::TokenDead { since: None }
    } else {
        VerdictKind::PayloadRefused
    }
}

/// The verdict on a message that got no answer.
pub(crate) fn unanswered(error: &HttpError) -> Verdict {
    let text = error.to_string();
    match (error.kind(), error.processed()) {
        (HttpErrorKind::InvalidRequest, _) => Verdict::payload_refused("invalid-request", text),
        (_, Processed::Never) => Verdict::unavailable(text),
        (_, Processed::Unknown) => Verdict::unknown(text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use push_testkit::sample::NOW;
    use serde_json::json;

    use super::*;

    fn verdict(status: u16, body: Value) -> Verdict {
        let response = Response::builder()
            .status(status)
            .body(Bytes::from(body.to_string()))
            .expect("a response");
        let token = DeviceToken::new("dJ7x:APA91b-of-a-test").expect("a token");
        answered(&response, Some(&token), NOW)
    }

    fn error(status: u16, word: &str, code: &str) -> Value {
        json!({"error": {"code": status, "status": word, "message": "…", "details": [
            {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code},
        ]}})
    }

    #[test]
    fn every_code_of_the_manual_has_its_verdict() {
        let dead = VerdictKind::TokenDead { since: None };
        for (status, word, code, kind) in [
            (404, "NOT_FOUND", "UNREGISTERED", dead),
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
                VerdictKind::TokenMismatch(Mismatch::App),
            ),
            (
                429,
                "RESOURCE_EXHAUSTED",
                "QUOTA_EXCEEDED",
                VerdictKind::RateLimited(Scope::Credential),
            ),
            (503, "UNAVAILABLE", "UNAVAILABLE", VerdictKind::Unavailable),
            (500, "INTERNAL", "INTERNAL", VerdictKind::Unavailable),
            (
                401,
                "UNAUTHENTICATED",
                "THIRD_PARTY_AUTH_ERROR",
                VerdictKind::CredentialRefused,
            ),
            (
                401,
                "UNAUTHENTICATED",
                "APNS_AUTH_ERROR",
                VerdictKind::CredentialRefused,
            ),
            (500, "UNKNOWN", "UNSPECIFIED_ERROR", VerdictKind::Unknown),
        ] {
            let verdict = verdict(status, error(status, word, code));
            assert_eq!(verdict.kind, kind, "{code}");
            assert_eq!(verdict.answer.code, code);
            assert_eq!(verdict.answer.status, Some(status));
        }
    }

    #[test]
    fn without_a_code_the_status_decides() {
        for (status, word, kind) in [
            (400, "INVALID_ARGUMENT", VerdictKind::PayloadRefused),
            (401, "UNAUTHENTICATED", VerdictKind::CredentialRefused),
            (403, "PERMISSION_DENIED", VerdictKind::CredentialRefused),
            (404, "NOT_FOUND", VerdictKind::CredentialRefused),
            (
                429,
                "RESOURCE_EXHAUSTED",
                VerdictKind::RateLimited(Scope::Credential),
            ),
            (503, "UNAVAILABLE", VerdictKind::Unavailable),
            (409, "ABORTED", VerdictKind::Unknown),
        ] {
            let body = json!({"error": {"code": status, "status": word, "message": "…"}});
            let verdict = verdict(status, body);
            assert_eq!(verdict.kind, kind, "{word}");
            assert_eq!(verdict.answer.code, word);
        }
    }

    #[test]
    fn an_invalid_argument_costs_a_token_only_if_it_is_about_the_token_alone() {
        let with = |fields: &[&str]| {
            let violations: Vec<_> = fields.iter().map(|it| json!({"field": it})).collect();
            let mut body = error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT");
            if let Some(details) = body["error"]["details"].as_array_mut() {
                details.push(json!({
                    "@type": "type.googleapis.com/google.rpc.BadRequest",
                    "fieldViolations": violations,
                }));
            }
            verdict(400, body).kind
        };
        let dead = VerdictKind::TokenDead { since: None };
        assert_eq!(with(&["message.token"]), dead);
        assert_eq!(
            with(&["message.token", "message.data[0].value"]),
            VerdictKind::PayloadRefused
        );
        assert_eq!(with(&["message.android.ttl"]), VerdictKind::PayloadRefused);
        assert_eq!(with(&[]), VerdictKind::PayloadRefused);
        let mut body = error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT");
        body["error"]["message"] =
            "The registration token is not a valid FCM registration token".into();
        assert_eq!(verdict(400, body).kind, dead);
    }

    #[test]
    fn a_quota_of_one_device_stops_no_other() {
        let with = |subject: &str| {
            let mut body = error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED");
            if let Some(details) = body["error"]["details"].as_array_mut() {
                details.push(json!({
                    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                    "violations": [{"subject": subject, "description": "Quota exceeded"}],
                }));
            }
            verdict(429, body)
        };
        assert_eq!(
            with("Device message rate").kind,
            VerdictKind::RateLimited(Scope::Token)
        );
        assert_eq!(
            with("project:demo").kind,
            VerdictKind::RateLimited(Scope::Credential)
        );
        assert_eq!(with("project:demo").retry, Retry::After(QUOTA_PAUSE));
    }

    #[test]
    fn a_code_that_nobody_knows_costs_no_token_whatever_comes_with_it() {
        for status in [400, 401, 403, 404, 409, 410, 418, 429, 500, 503] {
            let verdict = verdict(status, error(status, "NOT_FOUND", "BRAND_NEW"));
            let safe = matches!(
                verdict.kind,
                VerdictKind::Unknown | VerdictKind::Unavailable | VerdictKind::RateLimited(_)
            );
            assert!(safe, "{status}: {verdict:?}");
            assert_eq!(verdict.answer.code, "BRAND_NEW");
        }
    }

    #[test]
    fn a_page_of_a_proxy_says_nothing_about_credential_or_token() {
        for status in [301, 400, 403, 404, 407] {
            assert_eq!(
                verdict(status, json!("blocked")).kind,
                VerdictKind::Unknown,
                "{status}"
            );
        }
        assert_eq!(
            verdict(502, json!("bad gateway")).kind,
            VerdictKind::Unavailable
        );
        assert_eq!(verdict(200, json!("hello")).kind, VerdictKind::Unknown);
    }

    #[test]
    fn an_accepted_message_keeps_googles_id_of_it() {
        let verdict = verdict(200, json!({"name": "projects/demo/messages/0:17%ab"}));
        assert_eq!(verdict.kind, VerdictKind::Accepted);
        assert_eq!(verdict.answer.request_id, "0:17%ab");
    }

    proptest! {
        #[test]
        fn bytes_that_say_nothing_cost_no_token(status in 100u16..1000, body in any::<Vec<u8>>()) {
            let response = Response::builder().status(status).body(Bytes::from(body)).unwrap();
            let verdict = answered(&response, None, NOW);
            let costs = matches!(
                verdict.kind,
                VerdictKind::TokenDead { .. } | VerdictKind::TokenMismatch(_) | VerdictKind::Accepted
            );
            prop_assert!(!costs, "{verdict:?}");
        }
    }
}
