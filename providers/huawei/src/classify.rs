//! What Huawei's answers mean.
//!
//! The body decides: Huawei sends most business codes with status 200 and some with the matching 4xx. Only where the body
//! has no code, or one that nobody knows, does the status speak.
use std::{borrow::Cow, collections::HashSet};

use bytes::Bytes;
use http::Response;
use push_core::{
    DeviceToken, Notification, Retry, Scope, Timestamp, VendorAnswer, Verdict, VerdictKind,
};
use serde_json::Value;

/// Longer is no code and no id, but something repeated to us.
const MAX_NAME: usize = 64;

/// An answer of the push service, as far as it can be read.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Empty if the body is not Huawei's JSON.
    pub(crate) code: String,
    /// Huawei's words; for code 80100000 the text of another JSON object.
    msg: String,
    request_id: String,
    retry_after: Option<Retry>,
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
                dead,
                of_the_dead,
                of_the_others,
            } => {
                if dead.contains(token.expose()) {
                    of_the_dead
                } else {
                    of_the_others
                }
            }
        }
        .clone()
    }
}

impl Answer {
    /// Reads an answer that came at `now`.
    pub(crate) fn read(response: &Response<Bytes>, now: Timestamp) -> Self {
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        Self {
            status: response.status().as_u16(),
            code: name(&body["code"]),
            msg: match &body["msg"] {
                // Documented as text that holds JSON; taken as it is, too.
                object @ Value::Object(_) => object.to_string(),
                other => text(other),
            },
            request_id: name(&body["requestId"]),
            retry_after: Retry::from_headers(response.headers(), now),
        }
    }

    /// Whether the access token was refused for its age, or for no known reason: then another one may pass.
    pub(crate) fn wants_another_token(&self) -> bool {
        match self.code.as_str() {
            "80200003" | "80200005" => true,
            // A missing or foreign token, or no code at all.
            "80200001" => self.status == 401,
            code => self.status == 401 && known(code).is_none(),
        }
    }

    /// What the answer says of a request that sent `notification` to `tokens`.
    pub(crate) fn outcome(&self, notification: &Notification, tokens: &[&DeviceToken]) -> Outcome {
        if self.code == "80100000" {
            return self.partial(tokens);
        }
        let kind = known(&self.code).unwrap_or_else(|| by_status(self.status));
        let answer = self.answer().with_text(self.words(notification, tokens));
        let mut verdict = Verdict::new(kind, answer);
        if let (Retry::Backoff, Some(pause)) = (verdict.retry, self.retry_after) {
            verdict.retry = pause;
        }
        Outcome::All(verdict)
    }

    /// Code 80100000: `msg` is JSON that counts, and names the dead.
    fn partial(&self, tokens: &[&DeviceToken]) -> Outcome {
        let answer = |text: &str| self.answer().with_text(text);
        let Some(dead) = illegal_tokens(&self.msg) else {
            return Outcome::All(Verdict::new(
                VerdictKind::Unknown,
                answer("some tokens failed, but the answer does not say readably which"),
            ));
        };
        let mut of_the_others = Verdict::accepted(answer(""));
        let alive = tokens
            .iter()
            .filter(|it| !dead.contains(it.expose()))
            .count();
        // Each token that is not named should have succeeded. If fewer did, nobody can say which.
        if success_count(&self.msg).is_some_and(|it| it < alive as u64) {
            of_the_others = Verdict::new(
                VerdictKind::Unknown,
                answer("more tokens failed than the answer names"),
            );
        }
        Outcome::Some {
            dead,
            of_the_dead: Verdict::new(
                VerdictKind::TokenDead { since: None },
                answer("named in illegal_tokens"),
            ),
            of_the_others,
        }
    }

    fn answer(&self) -> VendorAnswer {
        VendorAnswer::new(self.status, &self.code).with_request_id(&self.request_id)
    }

    /// Huawei's words without what they may repeat of ours.
    fn words(&self, notification: &Notification, tokens: &[&DeviceToken]) -> String {
        // Huawei's own words are a sentence; braces are a piece of somebody's JSON.
        if self.msg.contains('{') {
            return String::new();
        }
        let texts = [&notification.title, &notification.body].map(String::as_str);
        let private = texts
            .into_iter()
            .filter(|it| it.len() > 3)
            .chain(tokens.iter().map(|it| it.expose()));
        // Before it is shortened: of a token that is cut in two nobody would recognise the rest.
        let mut words = Cow::Borrowed(self.msg.as_str());
        for it in private {
            if words.contains(it) {
                words = words.replace(it, "…").into();
            }
        }
        words.into_owned()
    }
}

/// Every code that Huawei documents, and those seen in the wild: what it means, and in words for an operator.
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
    // A wrong app looks the same, which is why the pipeline forgets nothing by it alone.
    ("80300007", DEAD, "every token is invalid"),
    ("80300008", REFUSED, "the body is larger than 4096 bytes"),
    ("80300010", REFUSED, "too many tokens"),
    // Only the messages that ask for it suffer.
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
const DOWN: VerdictKind = VerdictKind::Unavailable;

/// What a code means. `None` for one that nobody knows.
fn known(code: &str) -> Option<VerdictKind> {
    CODES.iter().find(|it| it.0 == code).map(|it| it.1)
}

/// What a code means, in words. Empty for one that nobody knows.
pub(crate) fn explain(code: &str) -> &'static str {
    CODES.iter().find(|it| it.0 == code).map_or("", |it| it.2)
}

/// What the status means where the body does not help.
const fn by_status(status: u16) -> VerdictKind {
    match status {
        400 | 413 | 422 => VerdictKind::PayloadRefused,
        // 404 is a wrong app id or endpoint: nothing goes through until an operator acts.
        401 | 403 | 404 => VerdictKind::CredentialRefused,
        // Huawei's flow control is 503.
        429 | 503 => VerdictKind::RateLimited(Scope::Credential),
        500 => VerdictKind::Unavailable,
        // 200 with a code that nobody knows; 502 and 504 from a proxy, behind which it may have been sent.
        _ => VerdictKind::Unknown,
    }
}

/// A string, or a number as text: the codes are documented as strings and seen as numbers.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// A code or an id; empty if it cannot be one.
pub(crate) fn name(value: &Value) -> String {
    let text = text(value);
    let plain =
        text.len() <= MAX_NAME && text.bytes().all(|it| it.is_ascii_graphic() && it != b'{');
    if plain { text } else { String::new() }
}

fn illegal_tokens(msg: &str) -> Option<HashSet<String>> {
    let inner: Value = serde_json::from_str(msg).ok()?;
    inner["illegal_tokens"]
        .as_array()?
        .iter()
        .map(|it| it.as_str().map(str::to_owned))
        .collect()
}

fn success_count(msg: &str) -> Option<u64> {
    let inner: Value = serde_json::from_str(msg).ok()?;
    text(&inner["success"]).parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    fn answer(status: u16, body: &str) -> Answer {
        let response = Response::builder()
            .status(status)
            .body(Bytes::copy_from_slice(body.as_bytes()))
            .expect("a response");
        Answer::read(&response, NOW)
    }

    fn tokens(names: &[&str]) -> Vec<DeviceToken> {
        names
            .iter()
            .map(|it| DeviceToken::new(*it).expect("a token"))
            .collect()
    }

    fn kinds(answer: &Answer, names: &[&str]) -> Vec<VerdictKind> {
        let tokens = tokens(names);
        let refs: Vec<_> = tokens.iter().collect();
        let outcome = answer.outcome(&Notification::default(), &refs);
        tokens.iter().map(|it| outcome.verdict(it).kind).collect()
    }

    fn partial(inner: &str) -> Answer {
        let body = serde_json::json!({ "code": "80100000", "msg": inner, "requestId": "r" });
        answer(200, &body.to_string())
    }

    /// Written apart from the table it checks: code, and the class it has in the protocol notes.
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
                "retry" => VerdictKind::Unavailable,
                other => panic!("{other}"),
            };
            for status in [200, 400, 401, 500, 503] {
                let text = answer(status, &format!(r#"{{"code":"{code}","msg":"m"}}"#));
                let number = answer(status, &format!(r#"{{"code":{code},"msg":"m"}}"#));
                assert_eq!(kinds(&text, &["a"]), [expected], "{code} {status}");
                assert_eq!(kinds(&number, &["a"]), [expected], "{code} {status}");
            }
        }
    }

    #[test]
    fn an_unknown_code_is_kept_and_judged_by_its_status() {
        for (status, kind) in [
            (200, VerdictKind::Unknown),
            (400, VerdictKind::PayloadRefused),
            (401, VerdictKind::CredentialRefused),
            (404, VerdictKind::CredentialRefused),
            (429, VerdictKind::RateLimited(Scope::Credential)),
            (500, VerdictKind::Unavailable),
            (502, VerdictKind::Unknown),
            (503, VerdictKind::RateLimited(Scope::Credential)),
            (504, VerdictKind::Unknown),
        ] {
            let answer = answer(
                status,
                r#"{"code":"87654321","msg":"news","requestId":"r1"}"#,
            );
            let tokens = tokens(&["a"]);
            let outcome = answer.outcome(&Notification::default(), &[&tokens[0]]);
            let verdict = outcome.verdict(&tokens[0]);
            assert_eq!(verdict.kind, kind, "{status}");
            assert_eq!(verdict.answer.code, "87654321");
            assert_eq!(verdict.answer.text, "news");
            assert_eq!(verdict.answer.request_id, "r1");
            assert_eq!(verdict.answer.status, Some(status));
        }
    }

    #[test]
    fn another_access_token_is_wanted_where_one_may_help() {
        for (status, code, wanted) in [
            (200, "80200003", true),
            (401, "80200003", true),
            (200, "80200005", true),
            (401, "80200001", true),
            (200, "80200001", false),
            (401, "", true),
            (401, "87654321", true),
            (401, "80300002", false),
            (403, "", false),
            (200, "80000000", false),
            (503, "", false),
        ] {
            let answer = answer(status, &format!(r#"{{"code":"{code}"}}"#));
            assert_eq!(answer.wants_another_token(), wanted, "{status} {code}");
        }
        assert!(answer(401, "<html>").wants_another_token());
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
            // A token that is none of ours changes nothing.
            r#"{"success":3,"failure":2,"illegal_tokens":["b","x"]}"#,
        ] {
            assert_eq!(
                kinds(&partial(inner), &names),
                [ok, dead, ok, dead],
                "{inner}"
            );
        }
        // Not encoded twice, as nobody documents it.
        let plain = r#"{"code":"80100000","msg":{"success":2,"failure":1,"illegal_tokens":["b"]}}"#;
        assert_eq!(kinds(&answer(200, plain), &names), [ok, dead, ok, dead]);
    }

    #[test]
    fn a_partial_answer_that_cannot_be_read_leaves_everyone_unknown_and_nobody_dead() {
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
    fn where_more_failed_than_are_named_the_unnamed_are_unknown() {
        let dead = VerdictKind::TokenDead { since: None };
        let answer = partial(r#"{"success":1,"failure":2,"illegal_tokens":["a"]}"#);
        let unknown = VerdictKind::Unknown;
        assert_eq!(kinds(&answer, &["a", "b", "c"]), [dead, unknown, unknown]);
    }

    #[test]
    fn what_the_vendor_repeats_of_ours_is_taken_out() {
        let notification = Notification {
            title: "Ann \"Tester\"".into(),
            body: "lunch?".into(),
            ..Notification::default()
        };
        let tokens = tokens(&["token-one", "token-two"]);
        let refs: Vec<_> = tokens.iter().collect();
        let long = "x".repeat(VendorAnswer::MAX_BYTES - 4);
        for msg in [
            "token-two is no token".to_owned(),
            "Ann \"Tester\" says lunch? to token-one".to_owned(),
            format!("{long}token-one"),
            // Escaped, it is not the same text any more.
            r#"{"token":["token-one"],"title":"Ann \"Tester\""}"#.to_owned(),
        ] {
            let body = serde_json::json!({ "code": msg, "msg": msg, "requestId": msg });
            for status in [200, 400] {
                let answer = answer(status, &body.to_string());
                let shown = format!("{:?}", answer.outcome(&notification, &refs));
                for private in ["token-", "Tester", "lunch?"] {
                    assert!(!shown.contains(private), "{shown}");
                }
            }
        }
    }

    #[test]
    fn a_pause_is_a_floor_for_what_may_be_tried_again_only() {
        for (code, retry) in [
            ("80100017", Retry::After(Duration::from_secs(9))),
            ("81000001", Retry::After(Duration::from_secs(9))),
            ("80100003", Retry::Never),
            ("80000000", Retry::Never),
        ] {
            let response = Response::builder()
                .header("retry-after", "9")
                .body(Bytes::from(format!(r#"{{"code":"{code}"}}"#)))
                .expect("a response");
            let tokens = tokens(&["a"]);
            let outcome =
                Answer::read(&response, NOW).outcome(&Notification::default(), &[&tokens[0]]);
            assert_eq!(outcome.verdict(&tokens[0]).retry, retry, "{code}");
        }
    }
}
