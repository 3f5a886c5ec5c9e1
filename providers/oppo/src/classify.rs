//! Answer to verdict, by OPPO's pages "调用地址，公共参数和返回码" (11235) and "单点推送" (11236), read in copies in November 2026.
//!
//! Every answer is an envelope: `code`, `message`, and `data` where there is something to say. Failures come with HTTP 200.
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use push_core::{Retry, Scope, Timestamp, TokenFault, VendorAnswer, Verdict, VerdictKind};
use push_kit::{
    answer::{json, number, text},
    quota::{CHINA, until_midnight},
    scrub::{identifier, vendor_answer},
    verdict::{not_the_vendors, unconfirmed, unknown_code, with_retry_after},
};
use serde_json::Value;

/// The registration id is malformed, or no phone has it.
const NO_SUCH_ID: i64 = 10_000;

/// The private texts of the target at a position of the request: none of them stays in its verdict.
pub(crate) type Private<'a> = dyn Fn(usize) -> Vec<&'a str> + 'a;

/// An answer in OPPO's form.
pub(crate) struct Envelope {
    pub(crate) code: i64,
    pub(crate) data: Value,
    /// Whether the message says that a registration id is at fault.
    names_id: bool,
    answer: Arc<VendorAnswer>,
    status: StatusCode,
    headers: HeaderMap,
    now: Timestamp,
}

impl Envelope {
    /// Reads `response`, received at `now`. Nothing of `private` stays in the verdicts.
    ///
    /// # Errors
    /// The verdict on everything in the request, if the answer is not OPPO's.
    pub(crate) fn read(
        response: &Response<Bytes>,
        private: &[&str],
        now: Timestamp,
    ) -> Result<Self, Verdict> {
        let (status, headers) = (response.status(), response.headers());
        let mut json = json(response.body());
        // Some clients met JSON that was written as text within JSON.
        if let Value::String(inner) = &json {
            json = push_kit::answer::json(inner.as_bytes());
        }
        let message = json["message"].as_str();
        let (Some(code), Some(message)) = (code(&json["code"]), message) else {
            return Err(not_the_vendors(status, headers, now));
        };
        // Many servers answer with a `code` that repeats the status; OPPO has none of these numbers.
        if (100..600).contains(&code) && json["data"].is_null() {
            return Err(not_the_vendors(status, headers, now));
        }
        Ok(Self {
            code,
            names_id: names_id(message),
            answer: vendor_answer(status, &code.to_string(), message, private).into(),
            data: json["data"].take(),
            status,
            headers: headers.clone(),
            now,
        })
    }

    /// Whether another auth token may be accepted.
    pub(crate) const fn wants_access(&self) -> bool {
        self.code == 11
    }

    /// Returns the verdict that the code gives on everything in the request. A success confirms nothing by itself.
    pub(crate) fn verdict(&self) -> Verdict {
        let kind = match self.code {
            NO_SUCH_ID if self.names_id => VerdictKind::TokenDead { since: None },
            // OPPO's present host was seen to answer so for an id that it does not know. It is what OPPO answers for any wrong
            // argument, too, so the id is suspect and not dead.
            41 if self.names_id => VerdictKind::TokenUnusable(TokenFault::App),
            code => kind(code, self.status),
        };
        self.judge(kind, self.code, Arc::clone(&self.answer))
    }

    /// The verdict on the message of a `unicast`. The message id is kept unless it holds something of `private`.
    pub(crate) fn of_one(&self, private: &[&str]) -> Verdict {
        let verdict = self.verdict();
        if verdict.kind == VerdictKind::Accepted && self.code == 0 {
            return self.confirmed(&self.data, &self.answer, private);
        }
        verdict
    }

    /// The verdicts on the messages of a `unicast_batch` to `ids`, in their order. `alike` says that all have one content.
    pub(crate) fn of_each(&self, ids: &[&str], alike: bool, private: &Private<'_>) -> Vec<Verdict> {
        // One phone may have several messages in the request: its entries are in their order.
        let mut entries: HashMap<&str, VecDeque<&Value>> = HashMap::new();
        for entry in self.data.as_array().into_iter().flatten() {
            if let Some(id) = entry["registrationId"].as_str() {
                entries.entry(id.trim()).or_default().push_back(entry);
            }
        }
        let mut sent: HashMap<&str, usize> = HashMap::new();
        for id in ids {
            *sent.entry(id).or_default() += 1;
        }
        // An answer with more or fewer entries than messages does not say which is whose.
        entries.retain(|id, entries| sent.get(id) == Some(&entries.len()));
        let rest = self.of_several(ids.len(), alike);
        ids.iter()
            .enumerate()
            .map(
                |(at, id)| match entries.get_mut(id).and_then(VecDeque::pop_front) {
                    Some(entry) => self.of_entry(entry, &private(at)),
                    None => rest.clone(),
                },
            )
            .collect()
    }

    /// The verdicts on the targets of a `broadcast` of the saved message `message_id` to `ids`, in their order.
    pub(crate) fn of_broadcast(&self, ids: &[&str], message_id: &str) -> Vec<Verdict> {
        let is_ours = self.data["message_id"] == message_id;
        let task = text(&self.data["task_id"]);
        let rest = match self.verdict() {
            verdict if verdict.kind != VerdictKind::Accepted || self.code != 0 => {
                self.of_several(ids.len(), true)
            }
            _ if !is_ours || identifier(&task, &[]).is_empty() => {
                let why = "the answer has no `task_id`, or not the `message_id` of the request";
                unconfirmed((*self.answer).clone(), why)
            }
            verdict => {
                let answer = (*verdict.answer).clone();
                Verdict::accepted(answer.with_request_id(identifier(&task, ids)))
            }
        };
        let mut listed: HashMap<&str, Verdict> = HashMap::new();
        let data = self.data.as_object().filter(|_| is_ours);
        for (key, list) in data.into_iter().flatten() {
            let Some(code) = key.parse().ok().filter(|_| is_digits(key)) else {
                continue;
            };
            let answer = VendorAnswer::new(self.status.as_u16(), key);
            // All have one content, so that it is the id that OPPO does not accept.
            let verdict = self.judge(of_target(code, self.status, true), code, answer.into());
            for id in list_of(list) {
                listed.insert(id, verdict.clone());
            }
        }
        ids.iter()
            .map(|id| listed.get(id).unwrap_or(&rest).clone())
            .collect()
    }

    /// Returns the id of the message that `save_message_content` saved.
    ///
    /// # Errors
    /// The verdict on what was to be sent with it. Nothing was sent, so that it is never [`VerdictKind::Unknown`].
    pub(crate) fn saved(&self) -> Result<String, Verdict> {
        let id = text(&self.data["message_id"]);
        match self.verdict() {
            // No phone was named: none of those that the message was for is to blame.
            verdict
                if matches!(
                    verdict.kind,
                    VerdictKind::TokenDead { .. } | VerdictKind::TokenUnusable(_)
                ) =>
            {
                Err(Verdict::new(VerdictKind::TargetRefused, verdict.answer))
            }
            verdict if verdict.kind != VerdictKind::Accepted => Err(verdict),
            _ if !identifier(&id, &[]).is_empty() => Ok(id),
            _ => {
                let answer = (*self.answer).clone();
                let why = "OPPO saved the message and named no `message_id`";
                let kind = VerdictKind::Unavailable(Scope::Credential);
                Err(Verdict::new(kind, answer.with_text(why)))
            }
        }
    }

    /// Returns how many public messages of today are sent, and how many can be.
    ///
    /// # Errors
    /// The verdict on the question.
    pub(crate) fn permit(&self) -> Result<(i64, i64), Verdict> {
        let count = |key: &str| number(&self.data[key]).filter(|count| *count >= 0);
        match self.verdict() {
            verdict if verdict.kind != VerdictKind::Accepted || self.code != 0 => Err(verdict),
            _ => count("push_count")
                .zip(count("total_count"))
                .ok_or_else(|| {
                    let why = "the answer has no `push_count` or `total_count`";
                    unconfirmed((*self.answer).clone(), why)
                }),
        }
    }

    /// The verdict on each of `count` messages for which there is no answer of their own.
    fn of_several(&self, count: usize, alike: bool) -> Verdict {
        let verdict = self.verdict();
        match verdict.kind {
            VerdictKind::Accepted => {
                let why = "the answer does not name this registration id";
                unconfirmed((*self.answer).clone(), why)
            }
            VerdictKind::PayloadRefused if alike => verdict,
            // One of them spoiled the request. Smaller requests find out which.
            VerdictKind::PayloadRefused
            | VerdictKind::TargetRefused
            | VerdictKind::TokenDead { .. }
            | VerdictKind::TokenUnusable(_)
                if count > 1 =>
            {
                Verdict::new(VerdictKind::Unavailable(Scope::Token), verdict.answer)
            }
            _ => verdict,
        }
    }

    /// The verdict on one message of several.
    fn of_entry(&self, entry: &Value, private: &[&str]) -> Verdict {
        let error = &entry["errorCode"];
        let message = entry["errorMessage"].as_str().unwrap_or_default();
        let code = if error.is_null() {
            Some(0)
        } else {
            code(error)
        };
        match code {
            None => unconfirmed((*self.answer).clone(), "the `errorCode` is not a number"),
            Some(0) => self.confirmed(entry, &self.answer, private),
            Some(code) => {
                let answer = vendor_answer(self.status, &code.to_string(), message, private);
                let kind = of_target(code, self.status, names_id(message));
                self.judge(kind, code, answer.into())
            }
        }
    }

    /// A success is believed if it names the message.
    fn confirmed(&self, data: &Value, answer: &VendorAnswer, private: &[&str]) -> Verdict {
        let id = text(&data["messageId"]);
        if !self.status.is_success() || identifier(&id, &[]).is_empty() {
            return unconfirmed(answer.clone(), "the answer has no `messageId`");
        }
        Verdict::accepted(answer.clone().with_request_id(identifier(&id, private)))
    }

    /// Adds when another attempt may help: as the answer says, and for a daily limit at OPPO's midnight.
    fn judge(&self, kind: VerdictKind, code: i64, answer: Arc<VendorAnswer>) -> Verdict {
        let verdict = with_retry_after(Verdict::new(kind, answer), &self.headers, self.now);
        match (verdict.retry, code) {
            (Retry::Backoff, 33 | 34) => {
                verdict.with_retry(Retry::After(until_midnight(self.now, CHINA)))
            }
            _ => verdict,
        }
    }
}

/// What a code means for everything in a request.
fn kind(code: i64, status: StatusCode) -> VerdictKind {
    match code {
        // 32: a message with this id was sent before, which happens only if the outcome of the attempt before is unknown.
        0 | 32 if status.is_success() => VerdictKind::Accepted,
        // Flow control, too many calls, too often.
        -2 | 13 | 55 => VerdictKind::RateLimited(Scope::Credential),
        // The daily limit of messages, which private channels do not have; that of pictures.
        33 | 34 => VerdictKind::RateLimited(Scope::Class),
        -1 => VerdictKind::Unavailable(Scope::Credential),
        // Auth token, app key, signature, timestamp, address of the caller, rights.
        11 | 14..=19 | 26..=28 | 30 | 59 => VerdictKind::CredentialRefused,
        // Method, version, encoding, absent data, arguments, picture, private template, category.
        12 | 20..=25 | 29 | 31 | 40 | 41 | 51 | 54 | 67 => VerdictKind::PayloadRefused,
        _ => unknown_code(status),
    }
}

/// What a code means that OPPO gives for one target of several.
fn of_target(code: i64, status: StatusCode, is_about_id: bool) -> VerdictKind {
    match code {
        NO_SUCH_ID if status.is_success() => VerdictKind::TokenDead { since: None },
        41 if is_about_id => VerdictKind::TokenUnusable(TokenFault::App),
        code => match kind(code, status) {
            VerdictKind::RateLimited(_) => VerdictKind::RateLimited(Scope::Token),
            VerdictKind::Unavailable(_) => VerdictKind::Unavailable(Scope::Token),
            // The credential was good enough for the others.
            VerdictKind::CredentialRefused => VerdictKind::TargetRefused,
            kind => kind,
        },
    }
}

/// A code, also where it is written as text.
fn code(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn names_id(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("registration") || message.contains("regid")
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The ids of a list: an array of texts, in each of which there may be several, or one such text.
fn list_of(list: &Value) -> impl Iterator<Item = &str> {
    let texts = match list {
        Value::Array(texts) => texts.as_slice(),
        one => std::slice::from_ref(one),
    };
    let texts = texts.iter().filter_map(Value::as_str);
    texts.flat_map(ids)
}

/// The ids in a text, which separates them by comma or semicolon, perhaps with blanks.
pub(crate) fn ids(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split([',', ';']).map(str::trim);
    parts.filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests;
