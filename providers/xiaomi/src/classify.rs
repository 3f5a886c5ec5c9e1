//! Answer to verdict, by Xiaomi's table of codes (document 1560 of dev.mi.com, 2024-10-18, read November 2026), with the codes of
//! the older library besides. A code that is not here follows the rule of [`VerdictKind`].
use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use bytes::Bytes;
use http::{Response, StatusCode};
use push_core::{Retry, Scope, Timestamp, VendorAnswer, Verdict, VerdictKind};
use push_kit::{
    answer::json,
    quota::{CHINA, until_midnight},
    scrub::{identifier, vendor_answer},
    verdict::{not_the_vendors, unconfirmed, unknown_code, with_retry_after},
};
use serde_json::Value;

/// A target of a request.
pub(crate) struct Sent<'a> {
    pub(crate) token: &'a str,
    /// Its message's channel; [`NO_CHANNEL`] for the default channel.
    pub(crate) channel: String,
}

/// How an answer names the default channel.
pub(crate) const NO_CHANNEL: &str = "no_channel";

/// How many targets a request has, and whether they have one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// One target.
    One,
    /// One message for several targets.
    Same,
    /// Several messages.
    Different,
}

/// What Xiaomi answered to one request.
pub(crate) struct Answer {
    /// The verdict on each target that is neither invalid nor over a quota.
    rest: Verdict,
    /// `bad_regids`: dead.
    bad: HashSet<String>,
    /// `channel_exceed_quota`: how many messages of each channel were refused.
    refused: Refused,
    /// How long until the quotas are reset.
    until_reset: Duration,
}

enum Refused {
    /// By channel, as counted.
    Counted(BTreeMap<String, usize>),
    /// Some were, but it cannot be read which.
    Unreadable,
}

impl Answer {
    /// Reads `response` to a request for these targets, received at `now`. Nothing of `private` remains in the verdicts.
    pub(crate) fn read(
        response: &Response<Bytes>,
        asked: Asked,
        private: &[&str],
        now: Timestamp,
    ) -> Self {
        let (status, headers) = (response.status(), response.headers());
        let json = json(response.body());
        let until_reset = until_midnight(now, CHINA);
        let of_all = |rest: Verdict| Self {
            rest,
            bad: HashSet::new(),
            refused: Refused::Counted(BTreeMap::new()),
            until_reset,
        };
        // Xiaomi's own answers have `result` and `code`; those that end a push or accuse someone have an id, too.
        let is_ok = match json["result"].as_str() {
            Some("ok") => true,
            Some("error") => false,
            _ => return of_all(not_the_vendors(status, headers, now)),
        };
        // Texts of a push may be part of an id by chance: these count, and are not kept.
        let trace = identifier(text(&json["trace_id"]), &[]);
        let code = match &json["code"] {
            Value::Number(code) => code.as_i64(),
            Value::String(code) => code.parse().ok(),
            _ => None,
        };
        let Some(code) = code.filter(|code| *code == 0 || !trace.is_empty()) else {
            return of_all(not_the_vendors(status, headers, now));
        };
        let data = &json["data"];
        let words = ["reason", "description", "info"].map(|key| text(&json[key]));
        let words = words.into_iter().find(|words| !words.is_empty());
        let id = identifier(text(&data["id"]), &[]);
        let kept = if id.is_empty() { trace } else { id };
        let answer = vendor_answer(
            status,
            &code.to_string(),
            words.unwrap_or_default(),
            private,
        )
        .with_request_id(identifier(kept, private));
        if code != 0 {
            return of_all(refusal(
                status,
                code,
                asked,
                answer,
                until_reset,
                |verdict| with_retry_after(verdict, headers, now),
            ));
        }
        if status != StatusCode::OK {
            return of_all(not_the_vendors(status, headers, now));
        }
        if !is_ok || id.is_empty() {
            let why = "the answer has no `data.id`, or `result` is not \"ok\"";
            return of_all(unconfirmed(answer, why));
        }
        Self {
            rest: Verdict::accepted(answer),
            bad: ids(&data["bad_regids"]),
            refused: refused(&data["channel_exceed_quota"]),
            until_reset,
        }
    }

    /// The verdict on each target of the request, in the order of `sent`.
    pub(crate) fn verdicts(&self, sent: &[Sent<'_>]) -> Vec<Verdict> {
        let mut channels: BTreeMap<&str, usize> = BTreeMap::new();
        let live = |target: &&Sent<'_>| !self.bad.contains(target.token);
        for target in sent.iter().filter(live) {
            *channels.entry(&target.channel).or_default() += 1;
        }
        sent.iter()
            .map(|target| {
                if self.bad.contains(target.token) {
                    self.with(VerdictKind::TokenDead { since: None })
                } else {
                    self.of_channel(&target.channel, &channels)
                }
            })
            .collect()
    }

    /// The verdict on a live target whose message is of `channel`; `channels` says how many live targets each channel has.
    fn of_channel(&self, channel: &str, channels: &BTreeMap<&str, usize>) -> Verdict {
        let over = match &self.refused {
            Refused::Unreadable => return self.perhaps_refused(),
            Refused::Counted(over) => over,
        };
        // It cannot be known whose messages those of another channel are.
        if over
            .keys()
            .any(|name| !channels.contains_key(name.as_str()))
        {
            return self.perhaps_refused();
        }
        match (over.get(channel), channels.get(channel)) {
            (None, _) => self.rest.clone(),
            (Some(refused), Some(all)) if refused >= all => self
                .with(VerdictKind::RateLimited(Scope::Class))
                .with_retry(Retry::After(self.until_reset)),
            _ => self.perhaps_refused(),
        }
    }

    /// Some of several messages were refused, and it is not known which: each is sent again when the quota is reset. One that
    /// had arrived is replaced on the screen, because it has the same `notify_id`.
    fn perhaps_refused(&self) -> Verdict {
        self.with(VerdictKind::Unknown)
            .with_retry(Retry::After(self.until_reset))
    }

    fn with(&self, kind: VerdictKind) -> Verdict {
        Verdict::new(kind, std::sync::Arc::clone(&self.rest.answer))
    }
}

/// The verdict on every target of a request that was refused with `code`.
fn refusal(
    status: StatusCode,
    code: i64,
    asked: Asked,
    answer: VendorAnswer,
    until_reset: Duration,
    with_retry_after: impl Fn(Verdict) -> Verdict,
) -> Verdict {
    let kind = match (meaning(code), asked) {
        (Meaning::Rate, _) => VerdictKind::RateLimited(Scope::Credential),
        (Meaning::Quota, _) => VerdictKind::RateLimited(Scope::Class),
        // Xiaomi's own server fails: the code accuses no one.
        _ if status.is_server_error() => VerdictKind::Unavailable(Scope::Credential),
        // One target or message spoils the request, and the code does not name it. Those that fail are sent in ever smaller
        // requests, in the end alone.
        (Meaning::Target(_), Asked::Same | Asked::Different)
        | (Meaning::Message, Asked::Different) => VerdictKind::Unavailable(Scope::Token),
        (Meaning::Target(kind), Asked::One) => kind,
        (Meaning::Message, _) => VerdictKind::PayloadRefused,
        (Meaning::Outage, _) => VerdictKind::Unavailable(Scope::Credential),
        (Meaning::Credential, _) => VerdictKind::CredentialRefused,
        (Meaning::Unknown, _) => unknown_code(status),
    };
    let verdict = with_retry_after(Verdict::new(kind, answer));
    match (code, verdict.retry) {
        (_, Retry::Backoff) if meaning(code) == Meaning::Quota => {
            verdict.with_retry(Retry::After(until_reset))
        }
        (QPS, Retry::Backoff) => verdict.with_retry(Retry::After(Duration::from_secs(1))),
        _ => verdict,
    }
}

/// Requests a second: the next one may already pass.
const QPS: i64 = 200_002;

/// Whom a code blames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// Xiaomi, for a while.
    Outage,
    /// The rate of requests.
    Rate,
    /// The messages of the day.
    Quota,
    /// A target, with the verdict on it.
    Target(VerdictKind),
    /// The credential.
    Credential,
    /// The message.
    Message,
    Unknown,
}

fn meaning(code: i64) -> Meaning {
    match code {
        // Unknown, internal, system, busy, remote, database, request expired; busy, job time-out and RPC of the older library.
        -1 | 1 | 10_001..=10_003 | 10_009..=10_011 | 10_037 | 20_607 | 26_003 | 65_029 => {
            Meaning::Outage
        }
        // Calls, broadcasts, feedback and statistics too often; the older library's limits by address, user and app.
        10_022..=10_024 | 10_027 | 10_028 | 10_030 | 10_032 | 10_039 | 22_101 | 26_004 | QPS => {
            Meaning::Rate
        }
        10_034 | 200_001 => Meaning::Quota,
        // "Send failed", which means that every target is invalid; an illegal device.
        20_301 | 10_029 => Meaning::Target(VerdictKind::TokenDead { since: None }),
        // Usually a phone that is offline.
        65_003 => Meaning::Target(VerdictKind::TargetRefused),
        // Authentication; application, app id, app key, package name; the right to call the interface.
        10_004..=10_006
        | 10_013
        | 10_014
        | 10_026
        | 10_031
        | 10_033
        | 10_036
        | 10_038
        | 21_301..=21_303
        | 22_000..=22_002
        | 22_006..=22_008
        | 22_021
        | 22_022 => Meaning::Credential,
        // Parameters, topics, review; aliases, contents, pairs and callbacks that are too long or missing; the channel (27001).
        100
        | 10_007
        | 10_008
        | 10_012
        | 10_016..=10_018
        | 10_020
        | 10_021
        | 10_025
        | 10_035
        | 20_209
        | 20_215
        | 20_216
        | 20_315
        | 21_305
        | 22_102
        | 26_005
        | 26_006
        | 27_001
        | 65_006..=65_017
        | 65_028
        | 65_030
        | 65_035..=65_038
        | 65_040
        | 65_041
        | 66_108 => Meaning::Message,
        _ => Meaning::Unknown,
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Ids with commas between them, or a list of ids; absent, empty or null for none.
pub(crate) fn ids(value: &Value) -> HashSet<String> {
    let texts: Vec<&str> = match value {
        Value::String(text) => text.split(',').collect(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let ids = texts.into_iter().map(str::trim);
    ids.filter(|id| !id.is_empty()).map(str::to_owned).collect()
}

/// `channel_exceed_quota`: channels with how many of their messages were refused, as in `no_channel:2 a:3`.
fn refused(value: &Value) -> Refused {
    let text = match value {
        Value::Null => return Refused::Counted(BTreeMap::new()),
        Value::String(text) => text,
        _ => return Refused::Unreadable,
    };
    let entries = text
        .split(|character: char| character.is_whitespace() || character == ',')
        .filter(|entry| !entry.is_empty());
    let mut counted = BTreeMap::new();
    for entry in entries {
        let pair = entry.rsplit_once(':');
        let pair = pair.and_then(|(name, count)| Some((name, count.parse::<usize>().ok()?)));
        match pair {
            Some((_, 0)) => {}
            Some((name, count)) => drop(counted.insert(name.to_owned(), count)),
            None => return Refused::Unreadable,
        }
    }
    Refused::Counted(counted)
}
