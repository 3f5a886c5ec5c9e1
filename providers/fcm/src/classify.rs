//! What FCM's answers mean (Firebase documentation, `ErrorCode`).
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode, header::CONTENT_TYPE};
use push_core::{Retry, Scope, Timestamp, TokenFault, VendorAnswer, Verdict, VerdictKind};
use push_http::HttpError;
use push_kit::{
    answer,
    scrub::{identifier, vendor_answer},
    verdict::{self, not_the_vendors, unconfirmed, unknown_code, with_retry_after},
};
use serde_json::Value;

/// How long to wait after a quota was exceeded, if FCM does not say.
const QUOTA_PAUSE: Duration = Duration::from_secs(60);

/// An error as Google writes it (`google.rpc.Status`).
struct Failure<'a> {
    /// `details[].errorCode` of FCM's own detail; empty if there is none.
    code: &'a str,
    /// `error.status`.
    status: &'a str,
    message: &'a str,
    details: &'a [Value],
}

impl<'a> Failure<'a> {
    /// Reads `json`; `None` if it is not Google's error, which always has a number and a general status.
    fn read(json: &'a Value) -> Option<Self> {
        let error = &json["error"];
        error["code"].as_u64()?;
        let status = error["status"].as_str()?;
        if status.is_empty()
            || !status
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        {
            return None;
        }
        let text = |key: &str| error[key].as_str().unwrap_or_default();
        let details = error["details"].as_array().map_or(&[][..], Vec::as_slice);
        Some(Self {
            code: of_type(details, "FcmError")
                .find_map(|detail| detail["errorCode"].as_str())
                .unwrap_or_default(),
            status,
            message: text("message"),
            details,
        })
    }

    /// FCM's own code, or else Google's general status.
    fn word(&self) -> &'a str {
        match self.code {
            "" => self.status,
            code => code,
        }
    }

    /// Whether the complaint is about the token and about nothing else.
    fn is_about_token(&self) -> bool {
        let mut fields = of_type(self.details, "BadRequest")
            .filter_map(|detail| detail["fieldViolations"].as_array())
            .flatten()
            .map(|violation| violation["field"].as_str().unwrap_or_default())
            .peekable();
        if fields.peek().is_some() {
            fields.all(|field| field == "message.token")
        } else {
            self.message
                .contains("registration token is not a valid FCM registration token")
        }
    }

    /// Whether the complaint is about the project or the service account: the interface is disabled, or a role is missing. A
    /// 403 or 404 that does not say so may concern one token only.
    fn is_about_account(&self) -> bool {
        of_type(self.details, "ErrorInfo").any(|detail| {
            let domain = detail["domain"].as_str().unwrap_or_default();
            domain.ends_with("googleapis.com")
        }) || self.message.contains("cloudmessaging.messages.create")
    }

    /// How far an exceeded quota reaches.
    fn quota(&self) -> Scope {
        let mut violations = of_type(self.details, "QuotaFailure")
            .filter_map(|detail| detail["violations"].as_array())
            .flatten();
        let of_one_device = violations.any(|violation| {
            ["subject", "description"].into_iter().any(|key| {
                let text = violation[key].as_str().unwrap_or_default();
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
    details.iter().filter(move |detail| {
        let full = detail["@type"].as_str().unwrap_or_default();
        full.rsplit(['.', '/']).next() == Some(name)
    })
}

fn json(response: &Response<Bytes>) -> Value {
    answer::json(response.body())
}

/// Returns the id in the name of a message of `project`: `projects/<project>/messages/<id>`. Google names a project by its id or by
/// its number, which the provider does not know.
fn message_id<'a>(name: &'a str, project: &str) -> Option<&'a str> {
    let (named, id) = name.strip_prefix("projects/")?.split_once("/messages/")?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_this = named == project || is_number(named) || is_number(project);
    let is_id = !identifier(id, &[]).is_empty() && !id.contains('/');
    (is_this && is_id && !named.contains('/') && !named.is_empty()).then_some(id)
}

/// Whether `response` refuses the access token. A 401 with a code of FCM's own says something else.
pub(crate) fn is_access_refused(response: &Response<Bytes>) -> bool {
    response.status() == StatusCode::UNAUTHORIZED
        && Failure::read(&json(response)).is_some_and(|failure| failure.word() == "UNAUTHENTICATED")
}

/// The verdict on a message of `project` that was answered with `response` at `now`. `private` is what the request held.
pub(crate) fn answered(
    response: &Response<Bytes>,
    project: &str,
    private: &[&str],
    now: Timestamp,
) -> Verdict {
    let (status, headers, json) = (response.status(), response.headers(), json(response));
    if let (StatusCode::OK, Some(name)) = (status, json["name"].as_str()) {
        let answer = VendorAnswer::new(200, "");
        return match message_id(name, project) {
            Some(id) => Verdict::accepted(answer.with_request_id(identifier(id, private))),
            None => unconfirmed(answer, "the answer names no message of this project"),
        };
    }
    let Some(failure) = Failure::read(&json) else {
        return not_the_vendors(status, headers, now);
    };
    let code = failure.word();
    let answer = vendor_answer(status, code, failure.message, private);
    let kind = known(code, status, &failure).unwrap_or_else(|| unknown_code(status));
    let verdict = with_retry_after(Verdict::new(kind, answer), headers, now);
    match (kind, verdict.retry) {
        (VerdictKind::RateLimited(_), Retry::Backoff) => {
            verdict.with_retry(Retry::After(QUOTA_PAUSE))
        }
        _ => verdict,
    }
}

/// What a code means: FCM's own, or Google's general status where FCM adds none. `None` for any other.
fn known(code: &str, status: StatusCode, failure: &Failure<'_>) -> Option<VerdictKind> {
    Some(match code {
        "UNREGISTERED" => VerdictKind::TokenDead { since: None },
        "INVALID_ARGUMENT" if failure.is_about_token() => VerdictKind::TokenDead { since: None },
        "INVALID_ARGUMENT" => VerdictKind::PayloadRefused,
        "SENDER_ID_MISMATCH" => VerdictKind::TokenUnusable(TokenFault::App),
        "QUOTA_EXCEEDED" | "RESOURCE_EXHAUSTED" => VerdictKind::RateLimited(failure.quota()),
        "UNAVAILABLE" | "INTERNAL" => VerdictKind::Unavailable(Scope::Credential),
        // The APNs key or the Web Push key in the Firebase console is wrong: Android phones are not affected.
        "THIRD_PARTY_AUTH_ERROR" | "APNS_AUTH_ERROR" => VerdictKind::TargetRefused,
        // Again after the access token was renewed.
        "UNAUTHENTICATED" if status == StatusCode::UNAUTHORIZED => VerdictKind::CredentialRefused,
        "PERMISSION_DENIED" | "NOT_FOUND" if failure.is_about_account() => {
            VerdictKind::CredentialRefused
        }
        _ => return None,
    })
}

/// The verdict on a message that got no whole answer. The status 200 of FCM, which answers in JSON, is final even if the body
/// after it was lost; the page of another server says nothing.
pub(crate) fn unanswered(error: &HttpError) -> Verdict {
    let is_accepted = error.response_head().is_some_and(|head| {
        let kind = head.headers.get(CONTENT_TYPE);
        let is_json = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        head.status == StatusCode::OK && is_json
    });
    if is_accepted {
        let answer = VendorAnswer::new(200, "");
        return Verdict::accepted(
            answer.with_text("accepted; the message's id was lost on the way"),
        );
    }
    verdict::unanswered(error)
}

#[cfg(test)]
mod tests {
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
            (500, "UNKNOWN", "UNSPECIFIED_ERROR", DOWN),
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
            serde_json::from_str(include_str!("../tests/fixtures/third_party_auth.json"))
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
}
