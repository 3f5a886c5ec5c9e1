//! Answer to verdict.
//!
//! The codes are those of Tencent's page of server error codes (tencentyun/intlcloud-documents) and of other clients, read
//! November 2026. A code that is not here follows the rule of [`VerdictKind`].
use std::collections::HashSet;

use bytes::Bytes;
use http::{Response, StatusCode};
use push_core::{Scope, Timestamp, Verdict, VerdictKind};
use push_kit::{
    answer::{json, number, text},
    scrub::{identifier, vendor_answer},
    verdict::{not_the_vendors, unconfirmed, unknown_code, with_retry_after},
};
use serde_json::Value;

const OK: i64 = 0;

/// Some of a list failed; the list of results says which.
const PARTLY: i64 = 1_008_026;

/// What TPNS answered to one request.
pub(crate) struct Answer {
    whole: Verdict,
    /// The verdicts on the targets, in their order; empty if `whole` is the verdict on each.
    each: Vec<Verdict>,
}

impl Answer {
    /// Reads `response` to a request for `tokens`, received at `now`. Nothing of `private` remains in the verdicts.
    pub(crate) fn read(
        response: &Response<Bytes>,
        tokens: &[&str],
        private: &[&str],
        now: Timestamp,
    ) -> Self {
        let (status, headers) = (response.status(), response.headers());
        let json = json(response.body());
        let of_all = |whole| Self {
            whole,
            each: Vec::new(),
        };
        let code = match number(&json["ret_code"]) {
            // A success is one with its status, too.
            Some(code) if status.is_success() || code != OK => code,
            _ => return of_all(not_the_vendors(status, headers, now)),
        };
        let words = [&json["err_msg"], &json["err_msg_zh"]].map(Value::as_str);
        let words = words.into_iter().flatten().find(|words| !words.is_empty());
        let id = push_id(&json["push_id"]);
        let answer = vendor_answer(
            status,
            &code.to_string(),
            words.unwrap_or_default(),
            private,
        )
        .with_request_id(identifier(&id, private));
        let alone = tokens.len() == 1;
        let verdict = |kind| with_retry_after(Verdict::new(kind, answer.clone()), headers, now);
        let whole = verdict(kind(status, code, alone));
        let has_id = !identifier(&id, &[]).is_empty();
        let results = results(&json["result"]);
        let is_partly = code == PARTLY && has_id && results.len() == tokens.len();
        if code != OK && !is_partly {
            return of_all(whole);
        }
        // TPNS names each push that it took. What accepts a push or costs a token is not believed without that.
        if !has_id {
            let why = "the answer has no `push_id`";
            return of_all(unconfirmed(answer, why));
        }
        let invalid: HashSet<&str> = texts(&json["invalid_targe_list"]).collect();
        let dead = || {
            let said = answer
                .clone()
                .with_text("the token is in `invalid_targe_list`");
            Verdict::new(VerdictKind::TokenDead { since: None }, said)
        };
        let one = |code: i64| {
            let said = answer.clone().with_code(code.to_string());
            with_retry_after(Verdict::new(kind_of_one(code), said), headers, now)
        };
        // A result for each token, or for each that was not left out as invalid.
        let left = tokens.iter().filter(|token| !invalid.contains(*token));
        let results_skip = results.len() != tokens.len();
        let rest = if results.is_empty() || results.iter().all(|code| *code == OK) {
            whole.clone()
        } else if results_skip && results.len() != left.count() {
            let why = "the results are as many as neither the tokens nor the valid ones among them";
            unconfirmed(answer.clone(), why)
        } else {
            let mut results = results.iter();
            let each = tokens.iter().map(|token| {
                let is_invalid = invalid.contains(token);
                let result = (!(results_skip && is_invalid)).then(|| results.next());
                match result.flatten() {
                    _ if is_invalid => dead(),
                    Some(code) => one(*code),
                    None => whole.clone(),
                }
            });
            return Self {
                each: each.collect(),
                whole,
            };
        };
        let each = tokens.iter().map(|token| match invalid.contains(token) {
            true => dead(),
            false => rest.clone(),
        });
        Self {
            each: each.collect(),
            whole,
        }
    }

    /// The verdict on the target at `position`.
    pub(crate) fn of(&self, position: usize) -> Verdict {
        self.each.get(position).unwrap_or(&self.whole).clone()
    }
}

/// The id of the push: a text, a number, or an array of them for pushes that are repeated. Empty if there is none.
fn push_id(value: &Value) -> String {
    let id = match value {
        Value::Array(ids) => ids.first().map(text).unwrap_or_default(),
        other => text(other),
    };
    if id == "0" { String::new() } else { id }
}

/// The codes of the targets: an array, usually written as text. Empty if there is none, or something else.
fn results(value: &Value) -> Vec<i64> {
    let inner = value.as_str().map(|text| json(text.as_bytes()));
    let codes = inner.as_ref().unwrap_or(value).as_array();
    let codes = codes.map(|codes| codes.iter().map(number).collect::<Option<Vec<_>>>());
    codes.flatten().unwrap_or_default()
}

/// The texts of an array that may be absent or null.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// What a code says of the whole request; `alone` if it was for one token.
fn kind(status: StatusCode, code: i64, alone: bool) -> VerdictKind {
    match code {
        OK => VerdictKind::Accepted,
        // The same push to all or to a tag was accepted before.
        10_010_018 if status.is_success() => VerdictKind::Accepted,
        1_008_004 => VerdictKind::Unavailable(Scope::Credential),
        1_008_028 => VerdictKind::RateLimited(Scope::Credential),
        // The server fails: the code accuses no one.
        _ if status.is_server_error() => VerdictKind::Unavailable(Scope::Credential),
        // An unknown token. Which of several it is, smaller batches show.
        1_008_006 | 1_008_029 | 10_010_005 if !alone => VerdictKind::Unavailable(Scope::Token),
        1_008_006 | 1_008_029 | 10_010_005 => VerdictKind::TokenDead { since: None },
        // Id and key, the access point, the iOS certificate, what was bought.
        10_101
        | 1_008_003
        | 1_008_021..=1_008_023
        | 1_008_030
        | 1_008_031
        | 1_008_035
        | 1_010_001
        | 10_030_002 => VerdictKind::CredentialRefused,
        // Parameters, uploads, ids and dates, the review of the content.
        1_008_001
        | 1_008_002
        | 1_008_007
        | 1_008_011..=1_008_013
        | 1_008_015
        | 1_008_016
        | 1_008_019
        | 1_008_020
        | 1_008_025..=1_008_027
        | 10_010_012 => VerdictKind::PayloadRefused,
        _ => unknown_code(status),
    }
}

/// What a code says of one token among the results of a request that was accepted: neither of the credential nor of the content.
fn kind_of_one(code: i64) -> VerdictKind {
    match kind(StatusCode::OK, code, true) {
        VerdictKind::CredentialRefused | VerdictKind::PayloadRefused => VerdictKind::TargetRefused,
        VerdictKind::RateLimited(_) => VerdictKind::RateLimited(Scope::Token),
        VerdictKind::Unavailable(_) => VerdictKind::Unavailable(Scope::Token),
        kind => kind,
    }
}

#[cfg(test)]
mod tests;
