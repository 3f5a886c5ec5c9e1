//! What Huawei's answers mean.
//!
//! The code in the body decides: Huawei sends most codes with status 200 and some with the matching 4xx. The status counts only
//! for codes that are not known.
use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use push_core::{DeviceToken, Timestamp, VendorAnswer, Verdict, VerdictKind};
pub(crate) use push_kit::answer::text;
use push_kit::{
    answer::json,
    scrub::{identifier, vendor_answer},
    verdict::{not_the_vendors, unconfirmed, unknown_code, with_retry_after},
};
use serde_json::Value;

use self::codes::{DEAD, PARTIAL, explain, known};

mod codes;

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

fn illegal_tokens(inner: &Value) -> Option<HashSet<String>> {
    inner["illegal_tokens"]
        .as_array()?
        .iter()
        .map(|token| token.as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests;
