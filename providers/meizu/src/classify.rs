//! Answer to verdict: Meizu's two tables of codes, on its page (version of April 2025) and in its SDK 1.2.11, read November 2026.
//!
//! One code concerns the whole request, mostly with HTTP 200. If it is 200, `value` maps further codes to the push ids that did not
//! get the push for this reason; the same number may mean something else there. A code that is in no table follows the rule of
//! [`VerdictKind`].
use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Response, StatusCode};
use push_core::{Retry, Scope, Timestamp, TokenFault, VendorAnswer, Verdict, VerdictKind};
use push_kit::{
    answer::{json, text},
    quota::{CHINA, until_midnight},
    scrub::{identifier, vendor_answer},
    verdict::{not_the_vendors, unconfirmed, unknown_code, with_retry_after},
};
use serde_json::Value;

/// The request is done; `value` says for whom not.
const OK: &str = "200";

/// The request is to be repeated at `redirect`.
const REDIRECT: &str = "300";

/// There is no task of this id.
const NO_TASK: &str = "110032";

/// How long a phone folds notifications after the fifth of a minute.
const FOLDED: Duration = Duration::from_secs(60);

/// An answer in Meizu's format.
pub(crate) struct Answer {
    /// The verdict on the whole request; [`VerdictKind::Accepted`] only says that it was done.
    pub(crate) whole: Verdict,
    /// What it returned, of any type.
    pub(crate) value: Value,
    /// Where to repeat the request, if it was not done.
    pub(crate) redirect: Option<String>,
    has_message_id: bool,
    now: Timestamp,
}

impl Answer {
    /// Reads `response`, received at `now`. Nothing of `private` remains in the verdicts.
    ///
    /// # Errors
    /// The verdict on every target, if the answer is not Meizu's: a proxy's page, for instance.
    pub(crate) fn read(
        response: &Response<Bytes>,
        private: &[&str],
        now: Timestamp,
    ) -> Result<Self, Verdict> {
        let (status, headers) = (response.status(), response.headers());
        let mut json = json(response.body());
        let code = text(&json["code"]);
        // `value` is always there. Many servers answer with a `code` that repeats the status.
        let is_meizus = is_code(&code)
            && (code.len() > 3 || [OK, REDIRECT, "500"].contains(&code.as_str()))
            && !json["value"].is_null()
            && (code != OK || status.is_success());
        if !is_meizus {
            return Err(not_the_vendors(status, headers, now));
        }
        let words = json["message"].as_str().unwrap_or_default();
        let message_id = json["msgId"].as_str().unwrap_or_default();
        let answer = vendor_answer(status, &code, words, private)
            .with_request_id(identifier(message_id, private));
        let mut whole = with_retry_after(Verdict::new(kind(status, &code), answer), headers, now);
        if code == "110019" && whole.retry == Retry::Backoff {
            // The pushes of a day.
            whole.retry = Retry::After(until_midnight(now, CHINA));
        }
        let redirect = json["redirect"].as_str();
        Ok(Self {
            redirect: redirect.filter(|_| code == REDIRECT).map(str::to_owned),
            // Part of it may be private by chance: a text of four digits.
            has_message_id: !identifier(message_id, &[]).is_empty(),
            whole,
            value: json["value"].take(),
            now,
        })
    }

    /// Whether the task by which a message was to be sent does not exist.
    pub(crate) fn has_no_task(&self) -> bool {
        self.whole.answer.code == NO_TASK
    }

    /// The verdict on a request that only prepares a push, with `found` in its value: nothing was sent to a phone, so that it can
    /// neither be unknown nor cost a token.
    ///
    /// # Errors
    /// The verdict on every target, if it was not done or there is no such value.
    pub(crate) fn prepared(&self, what: &str, found: &str) -> Result<String, Verdict> {
        match self.whole.kind {
            VerdictKind::Accepted => match text(&self.value[found]) {
                value if value.is_empty() => {
                    let text = format!(
                        "{what}, but the answer has no `{found}`; check proxy and endpoint"
                    );
                    let answer = VendorAnswer::clone(&self.whole.answer).with_text(text);
                    Err(Verdict::new(
                        VerdictKind::Unavailable(Scope::Credential),
                        answer,
                    ))
                }
                value => Ok(value),
            },
            VerdictKind::TokenDead { .. } => {
                let answer = Arc::clone(&self.whole.answer);
                Err(Verdict::new(VerdictKind::TargetRefused, answer))
            }
            _ => Err(self.whole.clone()),
        }
    }

    /// The verdicts on the `targets` of a push.
    pub(crate) fn outcome(&self, targets: usize) -> Outcome {
        let whole = &self.whole;
        let answer = || VendorAnswer::clone(&whole.answer);
        let of_all = |rest: Verdict| Outcome {
            rest,
            named: HashMap::new(),
        };
        match whole.kind {
            VerdictKind::Accepted => {}
            // It does not say which of several.
            VerdictKind::TokenDead { .. } if targets > 1 => {
                return of_all(Verdict::new(
                    VerdictKind::Unavailable(Scope::Token),
                    answer(),
                ));
            }
            _ => return of_all(whole.clone()),
        }
        let mut named = HashMap::new();
        let is_read = match &self.value {
            Value::Object(map) => map.iter().all(|(code, ids)| {
                let verdict = self.of_code(code);
                let Some(ids) = texts(ids) else { return false };
                for id in ids {
                    // One that is named twice keeps what costs it less.
                    named
                        .entry(id.to_owned())
                        .and_modify(|known| milder(known, &verdict))
                        .or_insert_with(|| verdict.clone());
                }
                true
            }),
            // As in answers to what was not done.
            other => other == "",
        };
        // What accepts a push is not believed without Meizu's id of it. What Meizu says of a push id that it names needs none.
        let rest = if !is_read {
            unconfirmed(answer(), "`value` cannot be read")
        } else if self.has_message_id {
            whole.clone()
        } else {
            unconfirmed(answer(), "the answer has no `msgId`")
        };
        Outcome { rest, named }
    }

    /// The verdict on the targets that `value` names under `code`.
    fn of_code(&self, code: &str) -> Verdict {
        // A push id where a code belongs is not kept.
        let code = if is_code(code) { code } else { "" };
        const MUTED: VerdictKind = VerdictKind::TokenUnusable(TokenFault::Muted);
        const LIMITED: VerdictKind = VerdictKind::RateLimited(Scope::Token);
        let (kind, words) = match code {
            "201" => (
                VerdictKind::TokenUnusable(TokenFault::App),
                "no permission for this phone",
            ),
            "501" | "513" => (
                VerdictKind::Unavailable(Scope::Token),
                "Meizu failed to push",
            ),
            "518" => (
                VerdictKind::RateLimited(Scope::Credential),
                "more pushes a second than the app may send",
            ),
            "519" => (
                VerdictKind::Unavailable(Scope::Credential),
                "Meizu is overloaded",
            ),
            "520" => (
                LIMITED,
                "folded: more than five pushes of the app to this phone in a minute",
            ),
            "110002" => (DEAD, "the push id is not subscribed"),
            "110003" => (DEAD, "the push id is not valid"),
            "110010" => (MUTED, "notifications are switched off"),
            "110011" => (LIMITED, "the user's public messages of the day are used up"),
            _ => (
                VerdictKind::TargetRefused,
                "refused with a code that is not known",
            ),
        };
        let whole = &self.whole.answer;
        let answer = VendorAnswer::new(whole.status.unwrap_or_default(), code)
            .with_text(words)
            .with_request_id(&whole.request_id);
        let verdict = Verdict::new(kind, answer);
        match code {
            "520" => verdict.with_retry(Retry::After(FOLDED)),
            "110011" => verdict.with_retry(Retry::After(until_midnight(self.now, CHINA))),
            _ => verdict,
        }
    }
}

/// Whether `text` is a code in the form of Meizu's.
fn is_code(text: &str) -> bool {
    (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The texts of a list, or one text.
fn texts(ids: &Value) -> Option<Vec<&str>> {
    match ids {
        Value::Array(ids) => ids.iter().map(Value::as_str).collect(),
        one => Some(vec![one.as_str()?]),
    }
}

/// Keeps `known` unless it costs the token and `other` does not.
fn milder(known: &mut Verdict, other: &Verdict) {
    let costs = |verdict: &Verdict| {
        matches!(
            verdict.kind,
            VerdictKind::TokenDead { .. } | VerdictKind::TokenUnusable(_)
        )
    };
    if costs(known) && !costs(other) {
        *known = other.clone();
    }
}

/// The verdicts on the targets of one push.
pub(crate) struct Outcome {
    rest: Verdict,
    named: HashMap<String, Verdict>,
}

impl Outcome {
    /// The verdict on the target with this token.
    pub(crate) fn of(&self, token: &str) -> Verdict {
        self.named.get(token).unwrap_or(&self.rest).clone()
    }
}

const DEAD: VerdictKind = VerdictKind::TokenDead { since: None };

/// What the code of a whole request means.
fn kind(status: StatusCode, code: &str) -> VerdictKind {
    match code {
        OK => VerdictKind::Accepted,
        // Others, system, busy. A redirect that was not followed.
        "500" | "1001" | "1003" | REDIRECT => VerdictKind::Unavailable(Scope::Credential),
        // A parameter is wrong, or absent. Pass-through messages are no more.
        "1005" | "110004" | NO_TASK | "110053" => VerdictKind::PayloadRefused,
        // The signature, the App ID, the App Key; the app is blocked; the package, the App Secret.
        "1006" | "110000" | "110001" | "110009" | "110031" | "110033" => {
            VerdictKind::CredentialRefused
        }
        // Not registered, not valid.
        "110002" | "110003" => DEAD,
        // Pushes a second, a day, and in all.
        "110010" | "110019" | "110051" => VerdictKind::RateLimited(Scope::Credential),
        _ => unknown_code(status),
    }
}

#[cfg(test)]
mod tests;
