//! Answer to verdict.
//!
//! vivo answers with HTTP 200 and a number in `result`, whether it accepts or refuses. The numbers are those of its API document
//! 2.9.2 and of clients that quote its pages (November 2026); their meaning is marked in the README where only one source has it.
//! A number that is not here follows the rule of [`VerdictKind`].
use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use push_core::{Retry, Scope, Timestamp, TokenFault, VendorAnswer, Verdict, VerdictKind};
use push_kit::{
    answer::{json, number, text},
    quota::{CHINA, until_midnight},
    scrub::{identifier, vendor_answer},
    verdict::{not_the_vendors, unconfirmed, unknown_code, with_retry_after},
};
use serde_json::Value;

/// The content type that vivo's own SDK sends.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json;charset=UTF-8");

/// The access token is not valid, or no longer.
const ACCESS: i64 = 10000;

/// The time of day, in China, at which operation messages may be sent again.
const MORNING: Duration = Duration::from_secs(7 * 3600);

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// To send to one target.
    Single,
    /// To save a message: nothing is sent to a phone.
    Save,
    /// To send a saved message to several targets.
    List,
}

/// What vivo answered to one request.
pub(crate) struct Answer {
    /// The access token was refused: another one may be accepted.
    pub(crate) wants_access: bool,
    /// The verdict on each target that is not named.
    rest: Verdict,
    /// The targets that vivo names, each with its status.
    invalid: HashMap<String, i64>,
    task: String,
}

impl Answer {
    /// Reads `response` to `call`, received at `now`. Nothing of `private` remains in the verdicts.
    pub(crate) fn read(
        response: &Response<Bytes>,
        call: Call,
        private: &[&str],
        now: Timestamp,
    ) -> Self {
        let (status, headers) = (response.status(), response.headers());
        let json = json(response.body());
        let of_all = |rest: Verdict| Self {
            wants_access: false,
            rest,
            invalid: HashMap::new(),
            task: String::new(),
        };
        let Some(code) = result(&json) else {
            return of_all(not_the_vendors(status, headers, now));
        };
        // Texts of a push may be part of an id by chance: these count, and are not kept.
        let id = |key: &str| identifier(&text(&json[key]), &[]).to_owned();
        let (task, request) = (id("taskId"), id("requestId"));
        let words = json["desc"].as_str().unwrap_or_default();
        let answer = vendor_answer(status, &code.to_string(), words, private).with_request_id(
            identifier(if task.is_empty() { &request } else { &task }, private),
        );
        if status.is_server_error() {
            // The server fails: the code accuses no one.
            let verdict = Verdict::new(VerdictKind::Unavailable(Scope::Credential), answer);
            return of_all(with_retry_after(verdict, headers, now));
        }
        if code != 0 {
            let verdict = refusal(code, status, answer, now);
            return Self {
                wants_access: code == ACCESS,
                invalid: invalid(&json),
                ..of_all(with_retry_after(verdict, headers, now))
            };
        }
        // vivo gives a task id to what it takes, and the id of the request to a list. What accepts a push or costs a token is not
        // believed without it.
        let is_confirmed = !task.is_empty() || call == Call::List && !request.is_empty();
        match (status.is_success(), is_confirmed, call) {
            (false, ..) => of_all(not_the_vendors(status, headers, now)),
            (true, false, Call::Save) => of_all(Verdict::unavailable(
                "the message was saved without a `taskId`, so that it cannot be sent; check proxy and endpoint",
            )),
            (true, false, Call::Single) => {
                of_all(unconfirmed(answer, "the answer has no `taskId`"))
            }
            (true, false, Call::List) => {
                of_all(unconfirmed(answer, "the answer has no `requestId`"))
            }
            (true, true, _) => Self {
                invalid: invalid(&json),
                task,
                ..of_all(Verdict::accepted(answer))
            },
        }
    }

    /// Returns `true` if vivo names `token` as one that it cannot send to.
    pub(crate) fn names(&self, token: &str) -> bool {
        self.invalid.contains_key(token)
    }

    /// The verdict on the whole request.
    pub(crate) fn whole(&self) -> &Verdict {
        &self.rest
    }

    /// The id of the message that was saved.
    ///
    /// # Errors
    /// The verdict on every target, if it was not.
    pub(crate) fn saved(&self) -> Result<&str, Verdict> {
        match self.rest.kind {
            VerdictKind::Accepted => Ok(&self.task),
            _ => Err(self.rest.clone()),
        }
    }

    /// The verdict on the target with this token.
    pub(crate) fn of(&self, token: &str) -> Verdict {
        let Some(status) = self.invalid.get(token) else {
            return self.rest.clone();
        };
        let (kind, words) = match status {
            1 => (
                VerdictKind::TokenDead { since: None },
                "vivo knows no such registration id",
            ),
            // One status for what ends and what may come back: the token stays, until the app registers it again.
            2 => (
                VerdictKind::TokenUnusable(TokenFault::Muted),
                "the app is not installed, or notifications are switched off, or its data were cleared",
            ),
            3 => (
                VerdictKind::TokenUnusable(TokenFault::Inactive),
                "the phone has not connected for more than 90 days",
            ),
            4 => (
                VerdictKind::TokenUnusable(TokenFault::NotATester),
                "a test message, and the phone is not among the test devices",
            ),
            _ => (
                VerdictKind::TargetRefused,
                "the target is not valid, with a status that is not known",
            ),
        };
        let whole: &Arc<VendorAnswer> = &self.rest.answer;
        let mut answer = VendorAnswer::none(words).with_code(format!("invalidUser-{status}"));
        answer.status = whole.status;
        Verdict::new(kind, answer.with_request_id(&whole.request_id))
    }
}

/// The number in `result`, if the answer is in vivo's format: a refusal has a text in `desc`.
pub(crate) fn result(json: &Value) -> Option<i64> {
    let code = number(&json["result"])?;
    (code == 0 || json["desc"].is_string()).then_some(code)
}

/// The targets in `invalidUser`, an object, and in `invalidUsers`, an array.
fn invalid(json: &Value) -> HashMap<String, i64> {
    let list = json["invalidUsers"].as_array().into_iter().flatten();
    list.chain([&json["invalidUser"]])
        .filter_map(|user| Some((text(&user["userid"]), number(&user["status"])?)))
        .collect()
}

/// The verdict of a code on all targets that are not named.
fn refusal(code: i64, status: StatusCode, answer: VendorAnswer, now: Timestamp) -> Verdict {
    let of_today = |scope| {
        let verdict = Verdict::new(VerdictKind::RateLimited(scope), answer.clone());
        verdict.with_retry(Retry::After(until_midnight(now, CHINA)))
    };
    let kind = match code {
        // The access token after it was renewed; the app of the request is not the token's.
        ACCESS | 10094 => VerdictKind::CredentialRefused,
        10040 => VerdictKind::Unavailable(Scope::Credential),
        // Operation messages of the day, system messages of the day, pushes to everybody.
        10070 | 10073 | 10254 => return of_today(Scope::Class),
        // Saved messages of the day: pushes to one target go on.
        10252 => return of_today(Scope::Token),
        // Operation messages from 7:00 to 23:00 only.
        10071 => {
            let opens = until_midnight(now, CHINA.saturating_sub(MORNING));
            let verdict = Verdict::new(VerdictKind::RateLimited(Scope::Class), answer);
            return verdict.with_retry(Retry::After(opens));
        }
        10072 => VerdictKind::RateLimited(Scope::Credential),
        // Category, class, content rules.
        10096 | 10097 | 10085 | 10104 => VerdictKind::PayloadRefused,
        // Checks of single fields, and sensitive words; the numbers are of one reading. 10054 may also be the access token, which
        // is not renewed for it.
        10050..=10060 | 10082 | 10086 | 10089 | 10101..=10103 | 10150..=10159 | 10303 | 10353 => {
            VerdictKind::PayloadRefused
        }
        // The registration id is not valid: believed of the target that the answer names.
        10302 => VerdictKind::TargetRefused,
        _ => unknown_code(status),
    };
    Verdict::new(kind, answer)
}

#[cfg(test)]
mod tests {
    use push_testkit::sample;

    use super::*;

    fn read(call: Call, status: u16, body: &str) -> Answer {
        let response = Response::builder().status(status);
        let response = response.body(Bytes::from(body.to_owned()));
        Answer::read(&response.expect("an answer"), call, &[], sample::NOW)
    }

    #[test]
    fn a_code_with_the_status_of_an_outage_accuses_no_one() {
        for body in [
            r#"{"result":10302,"desc":"x","invalidUser":{"status":1,"userid":"t1"}}"#,
            r#"{"result":10094,"desc":"x"}"#,
        ] {
            let verdict = read(Call::Single, 503, body).of("t1");
            let kind = VerdictKind::Unavailable(Scope::Credential);
            assert_eq!(verdict.kind, kind, "{body}");
        }
    }

    #[test]
    fn a_task_id_that_has_a_text_of_the_push_confirms_it() {
        let body = r#"{"result":0,"desc":"ok","taskId":"121397329"}"#;
        let response = Response::new(Bytes::from(body));
        for call in [Call::Single, Call::Save] {
            let answer = Answer::read(&response, call, &["1213"], sample::NOW);
            assert_eq!(answer.whole().kind, VerdictKind::Accepted);
            assert_eq!(answer.task, "121397329");
            assert_eq!(answer.whole().answer.request_id, "");
        }
    }

    #[test]
    fn every_code_of_the_document_has_its_class() {
        const CLASS: VerdictKind = VerdictKind::RateLimited(Scope::Class);
        const CREDENTIAL: VerdictKind = VerdictKind::RateLimited(Scope::Credential);
        // 06:13:20 in China: the day ends in 17:46:40, and the window opens in 0:46:40.
        let midnight = Retry::After(Duration::from_secs(17 * 3600 + 46 * 60 + 40));
        let seven = Retry::After(Duration::from_secs(46 * 60 + 40));
        let payload = (VerdictKind::PayloadRefused, Retry::Never);
        let mut cases = vec![
            (10000, (VerdictKind::CredentialRefused, Retry::Backoff)),
            (10094, (VerdictKind::CredentialRefused, Retry::Backoff)),
            (
                10040,
                (VerdictKind::Unavailable(Scope::Credential), Retry::Backoff),
            ),
            (10070, (CLASS, midnight)),
            (10071, (CLASS, seven)),
            (10072, (CREDENTIAL, Retry::Backoff)),
            (10073, (CLASS, midnight)),
            (10252, (VerdictKind::RateLimited(Scope::Token), midnight)),
            (10254, (CLASS, midnight)),
            (10302, (VerdictKind::TargetRefused, Retry::Never)),
            (10045, (VerdictKind::TargetRefused, Retry::Never)),
            (10999, (VerdictKind::TargetRefused, Retry::Never)),
            (-1, (VerdictKind::TargetRefused, Retry::Never)),
        ];
        let fields = [
            10082, 10085, 10086, 10089, 10096, 10097, 10104, 10303, 10353,
        ];
        let ranges = (10050..=10060).chain(10101..=10103).chain(10150..=10159);
        cases.extend(ranges.chain(fields).map(|code| (code, payload)));
        for (code, (kind, retry)) in cases {
            let body = format!(r#"{{"result":{code},"desc":"…"}}"#);
            let answer = read(Call::Single, 200, &body);
            let verdict = answer.of("t1");
            assert_eq!((verdict.kind, verdict.retry), (kind, retry), "{code}");
            assert_eq!(answer.wants_access, code == 10000, "{code}");
            let written_as_text = read(
                Call::List,
                200,
                &body.replace(&code.to_string(), &format!("\"{code}\"")),
            );
            assert_eq!(written_as_text.of("t1").kind, kind, "{code}");
        }
    }

    #[test]
    fn a_target_gets_the_verdict_of_its_own_status() {
        let body = r#"{"result":0,"desc":"请求成功","requestId":"r","invalidUsers":[
            {"status":1,"userid":"t1"},{"status":"2","userid":"t2"},{"status":3,"userid":"t3"},
            {"status":4,"userid":"t4"},{"status":5,"userid":"t5"},{"status":null,"userid":"t6"},{"status":1},7]}"#;
        let answer = read(Call::List, 200, body);
        let unusable = VerdictKind::TokenUnusable;
        for (token, kind) in [
            ("t0", VerdictKind::Accepted),
            ("t1", VerdictKind::TokenDead { since: None }),
            ("t2", unusable(TokenFault::Muted)),
            ("t3", unusable(TokenFault::Inactive)),
            ("t4", unusable(TokenFault::NotATester)),
            ("t5", VerdictKind::TargetRefused),
            ("t6", VerdictKind::Accepted),
        ] {
            assert_eq!(answer.of(token).kind, kind, "{token}");
        }
        let one =
            r#"{"result":10302,"desc":"regId不合法","invalidUser":{"status":1,"userid":"t1"}}"#;
        let answer = read(Call::Single, 200, one);
        assert_eq!(answer.of("t1").kind, VerdictKind::TokenDead { since: None });
        // It names another target: an answer to another request.
        assert_eq!(answer.of("t2").kind, VerdictKind::TargetRefused);
        assert_eq!(answer.of("t1").answer.code, "invalidUser-1");
    }

    #[test]
    fn a_success_without_the_vendors_id_accepts_nothing_and_costs_no_token() {
        let users = r#""invalidUsers":[{"status":1,"userid":"t1"}]"#;
        for (call, body, kind) in [
            (
                Call::Single,
                format!(r#"{{"result":0,"desc":"ok",{users}}}"#),
                VerdictKind::Unknown,
            ),
            (
                Call::Single,
                format!(r#"{{"result":0,"requestId":"r",{users}}}"#),
                VerdictKind::Unknown,
            ),
            (
                Call::List,
                format!(r#"{{"result":0,"taskId":{{}},{users}}}"#),
                VerdictKind::Unknown,
            ),
            (
                Call::Save,
                r#"{"result":0,"desc":"ok","requestId":"r"}"#.to_owned(),
                VerdictKind::Unavailable(Scope::Credential),
            ),
        ] {
            let answer = read(call, 200, &body);
            assert_eq!(answer.of("t1").kind, kind, "{call:?} {body}");
            assert!(answer.saved().is_err());
        }
        let down = VerdictKind::Unavailable(Scope::Credential);
        for (status, body) in [
            (500, "Internet server error!"),
            (502, r#"{"result":0,"desc":"ok","taskId":"1"}"#),
            (302, r#"{"result":0,"desc":"ok","taskId":"1"}"#),
            (
                200,
                r#"{"result":10302,"invalidUser":{"status":1,"userid":"t1"}}"#,
            ),
            (200, r#"{"result":null,"desc":"ok","taskId":"1"}"#),
            (200, r#"{"result":1e400,"desc":"ok","taskId":"1"}"#),
            (200, "<html>"),
        ] {
            assert_eq!(
                read(Call::Single, status, body).of("t1").kind,
                down,
                "{body}"
            );
        }
    }
}
