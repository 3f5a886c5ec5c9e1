//! Answer to verdict.
//!
//! Honor's page of answer codes could not be read; the codes come from its guide (200) and from other clients (the rest), as of
//! November 2026. A code that is not here follows the rule of [`VerdictKind`].
use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use http::{Response, StatusCode};
use push_core::{Scope, Timestamp, VendorAnswer, Verdict, VerdictKind};
use push_kit::{
    answer::json,
    scrub::{identifier, vendor_answer},
    verdict::{not_the_vendors, unconfirmed, unknown_code, with_retry_after},
};
use serde_json::Value;

/// What Honor answered to one request.
pub(crate) struct Answer {
    /// The access token was refused: another one may be accepted.
    pub(crate) wants_access: bool,
    /// The verdict on each target that is in no list.
    rest: Verdict,
    /// `failTokens`: not sent, may be sent again.
    failed: HashSet<String>,
    /// `expireTokens`: dead.
    expired: HashSet<String>,
}

impl Answer {
    /// Reads `response`, received at `now`. `success` are the codes that accept; nothing of `private` remains in the verdicts.
    pub(crate) fn read(
        response: &Response<Bytes>,
        success: &[i64],
        private: &[&str],
        now: Timestamp,
    ) -> Self {
        let (status, headers) = (response.status(), response.headers());
        let json = json(response.body());
        // The form of the body that comes with these statuses is not documented.
        let by_status = json.is_object() && matches!(status.as_u16(), 401 | 403);
        let wants_access = |code: i64| matches!(code, 401 | 403 | 80_200_001 | 80_200_003);
        let of_all = |verdict: Verdict, wants_access: bool| Self {
            wants_access: by_status || wants_access,
            rest: verdict,
            failed: HashSet::new(),
            expired: HashSet::new(),
        };
        let Some(code) = number(&json["code"]).filter(|code| is_honors(*code, &json)) else {
            return of_all(not_the_vendors(status, headers, now), false);
        };
        let data = &json["data"];
        let words = json["message"].as_str().unwrap_or_default();
        let id = data["requestId"].as_str().unwrap_or_default();
        let answer = vendor_answer(status, &code.to_string(), words, private)
            .with_request_id(identifier(id, private));
        let sent = match &data["sendResult"] {
            Value::Null => Some(true),
            sent => sent.as_bool(),
        };
        let kind = kind(status, code, success, sent == Some(true));
        let verdict = with_retry_after(Verdict::new(kind, answer.clone()), headers, now);
        if !(success.contains(&code) || code == PARTIAL) || !status.is_success() {
            return of_all(verdict, wants_access(code));
        }
        // Honor's answer to what it sent has an id. What accepts a push or costs a token is not believed without it.
        if sent.is_none() || identifier(id, &[]).is_empty() {
            let why = "the answer has no `requestId` or no `sendResult`";
            return of_all(unconfirmed(answer, why), false);
        }
        Self {
            wants_access: by_status,
            rest: verdict,
            failed: tokens(&data["failTokens"]),
            expired: tokens(&data["expireTokens"]),
        }
    }

    /// Returns `true` if Honor names `token` as one that it cannot send to.
    pub(crate) fn names(&self, token: &str) -> bool {
        self.expired.contains(token) || self.failed.contains(token)
    }

    /// Returns the verdict on the whole request.
    pub(crate) fn whole(&self) -> &Verdict {
        &self.rest
    }

    /// The verdict on the target with this token.
    pub(crate) fn of(&self, token: &str) -> Verdict {
        let kind = if self.expired.contains(token) {
            VerdictKind::TokenDead { since: None }
        } else if self.failed.contains(token) {
            VerdictKind::Unavailable(Scope::Token)
        } else {
            return self.rest.clone();
        };
        let answer: Arc<VendorAnswer> = Arc::clone(&self.rest.answer);
        Verdict::new(kind, answer)
    }
}

/// Partial success: lists say whom the push did not reach.
const PARTIAL: i64 = 80_100_000;

/// Whether `code` is one of Honor's: a number of eight digits, or any number in Honor's envelope, which has a member `data`. Many
/// servers answer with a `code` that repeats the status.
fn is_honors(code: i64, json: &Value) -> bool {
    (10_000_000..100_000_000).contains(&code) || json.get("data").is_some()
}

/// Status and code as a verdict. 400 to 503 are Honor's by other clients' accounts; the numbers of eight digits are Huawei's, and
/// no source shows Honor sending one.
fn kind(status: StatusCode, code: i64, success: &[i64], sent: bool) -> VerdictKind {
    match code {
        code if success.contains(&code) && status.is_success() => {
            if sent {
                VerdictKind::Accepted
            } else {
                VerdictKind::TargetRefused
            }
        }
        // A parameter, the path or App ID, the structure, the size, the number of tokens.
        400 | 404 | 80_100_003 | 80_300_008 | 80_300_010 => VerdictKind::PayloadRefused,
        // The access token, the right to push.
        401 | 403 | 80_200_001 | 80_200_003 | 80_300_002 => VerdictKind::CredentialRefused,
        429 => VerdictKind::RateLimited(Scope::Credential),
        500..600 | 81_000_001 => VerdictKind::Unavailable(Scope::Credential),
        PARTIAL if status.is_success() => VerdictKind::Accepted,
        // All tokens are invalid, as Huawei means it: not trusted before Honor was seen sending it.
        80_300_007 => VerdictKind::TargetRefused,
        _ => unknown_code(status),
    }
}

/// A number, also where it is written as text.
pub(crate) fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// The texts of an array that may be absent or null.
fn tokens(value: &Value) -> HashSet<String> {
    let list = value.as_array().into_iter().flatten();
    list.filter_map(|token| Some(token.as_str()?.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use push_testkit::sample;

    use super::*;

    #[test]
    fn every_answer_on_record_gives_each_token_its_verdict() {
        let vectors: Value = serde_json::from_str(include_str!("../tests/fixtures/vectors.json"))
            .expect("the vectors are JSON");
        let cases = vectors["answers"].as_array().expect("an array");
        assert_eq!(cases.len(), 5);
        for case in cases {
            let body = case["body"].as_str().expect("text").to_owned();
            let response = Response::new(Bytes::from(body));
            let answer = Answer::read(&response, &[200, 80_000_000], &[], sample::NOW);
            let kind = |token: &Value| answer.of(token.as_str().expect("text")).kind;
            for dead in case["dead"].as_array().expect("an array") {
                assert_eq!(kind(dead), VerdictKind::TokenDead { since: None }, "{case}");
            }
            for failed in case["retry"].as_array().expect("an array") {
                assert_eq!(
                    kind(failed),
                    VerdictKind::Unavailable(Scope::Token),
                    "{case}"
                );
            }
            let other = if case["ok"] == 0 {
                VerdictKind::TargetRefused
            } else {
                VerdictKind::Accepted
            };
            assert_eq!(answer.of("t0").kind, other, "{case}");
        }
    }
}
