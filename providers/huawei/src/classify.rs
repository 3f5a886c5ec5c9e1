//! What Huawei's answers mean.
//!
//! The code in the body decides: Huawei sends most codes with status 200 and some with the matching 4xx. The status counts only
//! for codes that are not known.
use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use push_core::{DeviceToken, Scope, Timestamp, VendorAnswer, Verdict, VerdictKind};
pub(crate) use push_kit::answer::text;
use push_kit::{
    answer::json,
    scrub::{identifier, vendor_answer},
    verdict::{not_the_vendors, unconfirmed, unknown_code, with_retry_after},
};
use serde_json::Value;

/// An answer of the push service, as far as it can be read.
pub(crate) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    /// Empty if the body is not Huawei's JSON.
    code: String,
    /// Huawei's message; for code 80100000 the text of another JSON object.
    msg: String,
    request_id: String,
}

/// The verdicts that an answer holds.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// One for every target.
    All(Verdict),
    /// Some tokens are dead, and one verdict for every other target.
    Some {
        /// The dead tokens, as Huawei names them: they need not be ours.
        dead: HashSet<String>,
        /// On each of the dead.
        of_the_dead: Verdict,
        /// On all others.
        of_the_others: Verdict,
    },
}

impl Outcome {
    /// The verdict on `token`.
    pub(crate) fn verdict(&self, token: &DeviceToken) -> Verdict {
        match self {
            Self::All(verdict) => verdict,
            Self::Some {
                dead, of_the_dead, ..
            } if dead.contains(token.expose()) => of_the_dead,
            Self::Some { of_the_others, .. } => of_the_others,
        }
        .clone()
    }
}

impl Answer {
    /// Reads an answer.
    pub(crate) fn read(response: &Response<Bytes>) -> Self {
        let body = json(response.body());
        let code = text(&body["code"]);
        let has_envelope = !body["msg"].is_null() || !body["requestId"].is_null();
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            code: if is_huaweis(&code, has_envelope) {
                code
            } else {
                String::new()
            },
            msg: match &body["msg"] {
                // Documented as text that holds JSON; an object is accepted, too.
                object @ Value::Object(_) => object.to_string(),
                other => text(other),
            },
            request_id: text(&body["requestId"]),
        }
    }

    /// Whether the access token was refused for its age, or is unknown with a 401: then another one may be accepted.
    pub(crate) fn is_access_refused(&self) -> bool {
        match self.code.as_str() {
            "80200003" | "80200005" => true,
            "80200001" => self.status == StatusCode::UNAUTHORIZED,
            _ => false,
        }
    }

    /// What the answer, received at `now`, says of a request to `tokens`. `private` is what else the request held.
    pub(crate) fn outcome(
        &self,
        tokens: &[&DeviceToken],
        private: &[&str],
        now: Timestamp,
    ) -> Outcome {
        let private: Vec<&str> = private
            .iter()
            .copied()
            .chain(tokens.iter().map(|token| token.expose()))
            .collect();
        if identifier(&self.code, &private).is_empty() {
            return Outcome::All(not_the_vendors(self.status, &self.headers, now));
        }
        let kind = known(&self.code).unwrap_or_else(|| unknown_code(self.status));
        // Each answer of Huawei's has an id. What accepts a push or costs a token is not believed without it.
        let has_id = !identifier(&self.request_id, &[]).is_empty();
        match kind {
            VerdictKind::TokenDead { .. } if !has_id => {
                return Outcome::All(not_the_vendors(self.status, &self.headers, now));
            }
            _ if !has_id && (self.code == PARTIAL || kind == VerdictKind::Accepted) => {
                let why = "the answer has no `requestId`";
                return Outcome::All(unconfirmed(self.answer("", &private), why));
            }
            _ if self.code == PARTIAL => return self.partial(tokens, &private),
            _ => {}
        }
        let verdict = Verdict::new(kind, self.answer(&self.words(), &private));
        Outcome::All(with_retry_after(verdict, &self.headers, now))
    }

    /// Code 80100000: `msg` is JSON with counts and the dead tokens.
    fn partial(&self, tokens: &[&DeviceToken], private: &[&str]) -> Outcome {
        let answer = |text: &str| Arc::new(self.answer(text, private));
        let inner: Value = serde_json::from_str(&self.msg).unwrap_or_default();
        let Some(dead) = illegal_tokens(&inner) else {
            return Outcome::All(Verdict::new(
                VerdictKind::Unknown,
                answer("some tokens failed, but the answer does not say which"),
            ));
        };
        let alive = tokens
            .iter()
            .filter(|token| !dead.contains(token.expose()))
            .count();
        // Each token that is not named should have succeeded. If fewer did, it is not known which.
        let succeeded: Option<u64> = text(&inner["success"]).parse().ok();
        let of_the_others = if succeeded.is_some_and(|count| count < alive as u64) {
            Verdict::new(
                VerdictKind::Unknown,
                answer("more tokens failed than the answer names"),
            )
        } else {
            Verdict::accepted(answer(""))
        };
        Outcome::Some {
            dead,
            of_the_dead: Verdict::new(DEAD, answer("named in illegal_tokens")),
            of_the_others,
        }
    }

    fn answer(&self, words: &str, private: &[&str]) -> VendorAnswer {
        vendor_answer(self.status, &self.code, words, private)
            .with_request_id(identifier(&self.request_id, private))
    }

    /// Huawei's message and what its code means. Braces are a part of the request's own JSON.
    fn words(&self) -> String {
        let msg = if self.msg.contains('{') {
            ""
        } else {
            &self.msg
        };
        match (msg, explain(&self.code)) {
            (msg, "") => msg.to_owned(),
            ("", meaning) => meaning.to_owned(),
            (msg, meaning) => format!("{meaning} ({msg})"),
        }
    }
}

/// Whether `code` is one of Huawei's: a known one, or a number in Huawei's envelope of `code`, `msg` and `requestId`. Other
/// servers answer in JSON with a `code`, too.
fn is_huaweis(code: &str, has_envelope: bool) -> bool {
    let is_number =
        (5..=12).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit());
    code == PARTIAL || known(code).is_some() || (is_number && has_envelope)
}

/// Part of the tokens failed.
const PARTIAL: &str = "80100000";

/// Every code that Huawei documents, and those seen in other people's code: what it means, also in words for an operator.
const CODES: &[(&str, VerdictKind, &str)] = &[
    ("80000000", VerdictKind::Accepted, "accepted"),
    ("80100001", REFUSED, "a parameter is wrong"),
    ("80100002", REFUSED, "such a message takes one token"),
    ("80100003", REFUSED, "the message's structure is wrong"),
    ("80100004", REFUSED, "its time is over"),
    ("80100013", REFUSED, "collapse_key is wrong"),
    ("80100016", REFUSED, "sensitive words"),
    ("80100017", LIMITED, "too many topic messages at once"),
    ("80100018", REFUSED, "the review's signature is wrong"),
    (
        "80200001",
        CREDENTIAL,
        "the access token is missing or not Huawei's",
    ),
    ("80200003", CREDENTIAL, "the access token has expired"),
    ("80200005", CREDENTIAL, "the JWT has expired"),
    (
        "80300002",
        CREDENTIAL,
        "the app may not send, or app_id or project_id is not the secret's",
    ),
    // Seen in third-party code only.
    ("80300006", LIMITED, "too many messages"),
    // A wrong app looks the same, which is why the pipeline does not act on it alone.
    ("80300007", DEAD, "every token is invalid"),
    ("80300008", REFUSED, "the body is larger than 4096 bytes"),
    ("80300010", REFUSED, "no token or too many"),
    // Only messages that ask for it are affected.
    ("80300011", REFUSED, "the app has no right to high urgency"),
    ("80300013", CREDENTIAL, "the receipt address is wrong"),
    ("80600003", DOWN, "Huawei's own token service fails"),
    ("81000001", DOWN, "system error"),
    (
        "82000001",
        REFUSED,
        "device group: the key or name is wrong",
    ),
    (
        "82000002",
        REFUSED,
        "device group: key and name do not match",
    ),
    ("82000003", REFUSED, "device group: there is no token"),
    (
        "82000004",
        REFUSED,
        "device group: there is none of that name",
    ),
    ("82000005", REFUSED, "device group: it is not this app's"),
    ("82000006", REFUSED, "device group: too many"),
    ("82000007", REFUSED, "topic: its name is wrong"),
    (
        "82000008",
        REFUSED,
        "topic: there is no token, or there are too many",
    ),
    ("82000009", REFUSED, "topic: too many"),
    ("82000010", REFUSED, "topic: some tokens are wrong"),
    ("82000011", REFUSED, "topic: there is no token"),
    (
        "82000012",
        CREDENTIAL,
        "no data storage location is chosen in AppGallery Connect",
    ),
    (
        "82000013",
        CREDENTIAL,
        "the data storage location does not match",
    ),
];

const DEAD: VerdictKind = VerdictKind::TokenDead { since: None };
const REFUSED: VerdictKind = VerdictKind::PayloadRefused;
const CREDENTIAL: VerdictKind = VerdictKind::CredentialRefused;
const LIMITED: VerdictKind = VerdictKind::RateLimited(Scope::Credential);
const DOWN: VerdictKind = VerdictKind::Unavailable(Scope::Credential);

/// What a code means; `None` for an unknown one.
fn known(code: &str) -> Option<VerdictKind> {
    CODES
        .iter()
        .find(|entry| entry.0 == code)
        .map(|entry| entry.1)
}

/// What a code means, in words; empty for an unknown one.
fn explain(code: &str) -> &'static str {
    CODES
        .iter()
        .find(|entry| entry.0 == code)
        .map_or("", |entry| entry.2)
}

fn illegal_tokens(inner: &Value) -> Option<HashSet<String>> {
    inner["illegal_tokens"]
        .as_array()?
        .iter()
        .map(|token| token.as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use push_core::Retry;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    fn answer(status: u16, body: &str) -> Answer {
        let response = Response::builder()
            .status(status)
            .body(Bytes::copy_from_slice(body.as_bytes()))
            .expect("a response");
        Answer::read(&response)
    }

    fn tokens(names: &[&str]) -> Vec<DeviceToken> {
        names
            .iter()
            .map(|name| DeviceToken::new(*name).expect("a token"))
            .collect()
    }

    fn kinds(answer: &Answer, names: &[&str]) -> Vec<VerdictKind> {
        let tokens = tokens(names);
        let refs: Vec<_> = tokens.iter().collect();
        let outcome = answer.outcome(&refs, &[], NOW);
        tokens
            .iter()
            .map(|token| outcome.verdict(token).kind)
            .collect()
    }

    fn partial(inner: &str) -> Answer {
        let body = serde_json::json!({ "code": "80100000", "msg": inner, "requestId": "r" });
        answer(200, &body.to_string())
    }

    /// Written apart from the table that it checks: each code with its class.
    const DOCUMENTED: &str = "\
        80000000 ok|80100001 req|80100002 req|80100003 req|80100004 req|80100013 req|80100016 req|80100017 rate|\
        80100018 req|80200001 cred|80200003 cred|80200005 cred|80300002 cred|80300006 rate|80300007 dead|80300008 req|\
        80300010 req|80300011 req|80300013 cred|80600003 retry|81000001 retry|82000001 req|82000002 req|82000003 req|\
        82000004 req|82000005 req|82000006 req|82000007 req|82000008 req|82000009 req|82000010 req|82000011 req|\
        82000012 cred|82000013 cred";

    #[test]
    fn every_documented_code_has_its_class_with_any_status_and_as_a_number() {
        let codes: Vec<_> = DOCUMENTED.split('|').collect();
        assert_eq!(codes.len(), CODES.len());
        for entry in codes {
            let (code, class) = entry.split_once(' ').unwrap();
            let expected = match class {
                "ok" => VerdictKind::Accepted,
                "dead" => VerdictKind::TokenDead { since: None },
                "req" => VerdictKind::PayloadRefused,
                "cred" => VerdictKind::CredentialRefused,
                "rate" => VerdictKind::RateLimited(Scope::Credential),
                "retry" => DOWN,
                other => panic!("{other}"),
            };
            for status in [200, 400, 401, 500, 503] {
                let text = format!(r#"{{"code":"{code}","msg":"m","requestId":"r"}}"#);
                let text = answer(status, &text);
                let number = format!(r#"{{"code":{code},"msg":"m","requestId":7}}"#);
                let number = answer(status, &number);
                assert_eq!(kinds(&text, &["a"]), [expected], "{code} {status}");
                assert_eq!(kinds(&number, &["a"]), [expected], "{code} {status}");
            }
        }
    }

    #[test]
    fn an_unknown_code_is_kept_and_judged_by_its_status() {
        for status in [200, 400, 401, 404, 408, 429, 500, 502, 503] {
            let body = r#"{"code":"87654321","msg":"news","requestId":"r1"}"#;
            let tokens = tokens(&["a"]);
            let verdict = answer(status, body)
                .outcome(&[&tokens[0]], &[], NOW)
                .verdict(&tokens[0]);
            let kind = unknown_code(StatusCode::from_u16(status).unwrap());
            assert_eq!(verdict.kind, kind, "{status}");
            assert_eq!(verdict.answer.code, "87654321");
            assert_eq!(verdict.answer.text, "news");
            assert_eq!(verdict.answer.request_id, "r1");
            assert_eq!(verdict.answer.status, Some(status));
        }
    }

    #[test]
    fn an_answer_that_is_not_huaweis_is_an_outage_of_the_path() {
        for status in [200, 400, 401, 403, 404, 429, 502, 503] {
            for body in [
                "",
                "<html>",
                "null",
                "{}",
                r#"{"code":{}}"#,
                r#"{"code":"two words"}"#,
                r#"{"code":"AccessDenied","msg":"blocked"}"#,
                r#"{"code":403,"msg":"blocked","requestId":"r"}"#,
                r#"{"code":"87654321","message":"blocked"}"#,
            ] {
                assert_eq!(
                    kinds(&answer(status, body), &["a"]),
                    [DOWN],
                    "{status} {body}"
                );
            }
        }
    }

    #[test]
    fn another_access_token_is_tried_where_one_may_help() {
        for (status, code, wanted) in [
            (200, "80200003", true),
            (401, "80200003", true),
            (200, "80200005", true),
            (401, "80200001", true),
            (200, "80200001", false),
            (401, "", false),
            (401, "87654321", false),
            (401, "80300002", false),
            (403, "", false),
            (200, "80000000", false),
        ] {
            let answer = answer(status, &format!(r#"{{"code":"{code}"}}"#));
            assert_eq!(answer.is_access_refused(), wanted, "{status} {code}");
        }
    }

    #[test]
    fn a_partial_answer_names_the_dead_in_json_inside_json() {
        let dead = VerdictKind::TokenDead { since: None };
        let ok = VerdictKind::Accepted;
        let names = ["a", "b", "c", "b"];
        for inner in [
            r#"{"success":2,"failure":1,"illegal_tokens":["b"]}"#,
            r#"{"success":"2","failure":"1","illegal_tokens":["b"]}"#,
            r#"{"illegal_tokens":["b"]}"#,
            // A token of another request changes nothing.
            r#"{"success":3,"failure":2,"illegal_tokens":["b","x"]}"#,
        ] {
            assert_eq!(
                kinds(&partial(inner), &names),
                [ok, dead, ok, dead],
                "{inner}"
            );
        }
        // Not encoded twice, which is not documented.
        let plain = r#"{"code":"80100000","msg":{"success":2,"failure":1,"illegal_tokens":["b"]},"requestId":"r"}"#;
        assert_eq!(kinds(&answer(200, plain), &names), [ok, dead, ok, dead]);
    }

    #[test]
    fn a_partial_answer_that_cannot_be_read_leaves_every_target_unknown() {
        for inner in [
            "",
            "Success",
            "[]",
            "{",
            r#"{"success":1,"failure":1}"#,
            r#"{"success":1,"failure":1,"illegal_tokens":"a"}"#,
            r#"{"success":1,"failure":1,"illegal_tokens":["a",7]}"#,
            r#"{"success":1,"failure":1,"illegal_tokens":{"a":1}}"#,
        ] {
            let answer = partial(inner);
            assert_eq!(
                kinds(&answer, &["a", "b"]),
                [VerdictKind::Unknown; 2],
                "{inner}"
            );
        }
    }

    #[test]
    fn an_answer_without_an_id_neither_accepts_a_push_nor_costs_a_token() {
        let partial = r#"{\"success\":1,\"failure\":1,\"illegal_tokens\":[\"a\"]}"#;
        for (code, msg, kind) in [
            ("80000000", "Success", VerdictKind::Unknown),
            ("80100000", partial, VerdictKind::Unknown),
            ("80300007", "All tokens are invalid", DOWN),
        ] {
            for id in [
                "",
                r#","requestId":"""#,
                r#","requestId":null"#,
                r#","requestId":"a b""#,
            ] {
                let body = format!(r#"{{"code":"{code}","msg":"{msg}"{id}}}"#);
                assert_eq!(kinds(&answer(200, &body), &["a"]), [kind], "{body}");
            }
        }
    }

    #[test]
    fn where_more_failed_than_are_named_the_unnamed_are_unknown() {
        let dead = VerdictKind::TokenDead { since: None };
        let answer = partial(r#"{"success":1,"failure":2,"illegal_tokens":["a"]}"#);
        let unknown = VerdictKind::Unknown;
        assert_eq!(kinds(&answer, &["a", "b", "c"]), [dead, unknown, unknown]);
    }

    #[test]
    fn tokens_and_texts_that_huawei_repeats_are_removed() {
        let (title, text) = ("Ann \"Tester\"", "lunch?");
        let tokens = tokens(&["token-one", "token-two"]);
        let refs: Vec<_> = tokens.iter().collect();
        let long = "x".repeat(VendorAnswer::MAX_BYTES - 4);
        for msg in [
            "token-two is no token".to_owned(),
            "Ann \"Tester\" says lunch? to token-one".to_owned(),
            format!("{long}token-one"),
            r#"{"token":["token-one"],"title":"Ann \"Tester\""}"#.to_owned(),
        ] {
            let body = serde_json::json!({ "code": msg, "msg": msg, "requestId": msg });
            let coded = serde_json::json!({ "code": "80100003", "msg": msg, "requestId": msg });
            for body in [body, coded] {
                let answer = answer(400, &body.to_string());
                let shown = format!("{:?}", answer.outcome(&refs, &[title, text], NOW));
                for private in ["token-", "Tester", "lunch?"] {
                    assert!(!shown.contains(private), "{shown}");
                }
            }
        }
    }

    #[test]
    fn retry_after_is_obeyed_only_where_another_attempt_makes_sense() {
        for (code, retry) in [
            ("80100017", Retry::After(Duration::from_secs(9))),
            ("81000001", Retry::After(Duration::from_secs(9))),
            ("80100003", Retry::Never),
            ("80000000", Retry::Never),
        ] {
            let response = Response::builder()
                .header("retry-after", "9")
                .body(Bytes::from(format!(
                    r#"{{"code":"{code}","requestId":"r"}}"#
                )))
                .expect("a response");
            let tokens = tokens(&["a"]);
            let outcome = Answer::read(&response).outcome(&[&tokens[0]], &[], NOW);
            assert_eq!(outcome.verdict(&tokens[0]).retry, retry, "{code}");
        }
    }
}
