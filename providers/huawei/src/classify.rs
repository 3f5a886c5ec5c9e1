//! What Huawei's answers mean.
//!
//! The body decides: Huawei sends most business codes with status 200 and some with the matching 4xx. Only where the body
//! has no code, or one that nobody knows, does the status speak.
use std::{
    collections::HashSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{Response, header};
use push_core::{DeviceToken, Retry, Scope, Timestamp, VendorAnswer, Verdict, VerdictKind};
use serde_json::Value;

/// The longest pause that is believed.
const MAX_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// An answer of the push service, as far as it can be read.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Empty if the body is not Huawei's JSON.
    pub(crate) code: String,
    /// Huawei's words; for code 80100000 the text of another JSON object.
    msg: String,
    request_id: String,
    retry_after: Option<Duration>,
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
            code: text(&body["code"]),
            msg: match &body["msg"] {
                // Documented as text that holds JSON; taken as it is, too.
                object @ Value::Object(_) => object.to_string(),
                other => text(other),
            },
            request_id: text(&body["requestId"]),
            retry_after: retry_after(response, now),
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

    /// What the answer says of a request that named `tokens`.
    pub(crate) fn outcome(&self, tokens: &[&DeviceToken]) -> Outcome {
        if self.code == "80100000" {
            return self.partial(tokens);
        }
        let kind = known(&self.code).unwrap_or_else(|| by_status(self.status));
        let mut verdict = Verdict::new(kind, self.vendor_answer(tokens));
        if let (Retry::Backoff, Some(pause)) = (verdict.retry, self.retry_after) {
            verdict.retry = Retry::After(pause);
        }
        Outcome::All(verdict)
    }

    /// Code 80100000: `msg` is JSON that counts, and names the dead.
    fn partial(&self, tokens: &[&DeviceToken]) -> Outcome {
        let answer = |text: &str| {
            VendorAnswer::new(self.status, &self.code)
                .with_text(text)
                .with_request_id(&self.request_id)
        };
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

    fn vendor_answer(&self, tokens: &[&DeviceToken]) -> VendorAnswer {
        // Before it is shortened: of a token that is cut in two nobody would recognise the rest.
        let words = tokens.iter().fold(self.msg.clone(), |words, token| {
            if words.contains(token.expose()) {
                words.replace(token.expose(), "…")
            } else {
                words
            }
        });
        VendorAnswer::new(self.status, &self.code)
            .with_text(words)
            .with_request_id(&self.request_id)
    }
}

/// What a code means, of those that Huawei documents and those seen in the wild. `None` for a code that nobody knows.
pub(crate) fn known(code: &str) -> Option<VerdictKind> {
    Some(match code {
        "80000000" => VerdictKind::Accepted,
        // Every token is invalid. A wrong app looks the same, which is why the pipeline forgets nothing by it alone.
        "80300007" => VerdictKind::TokenDead { since: None },
        // Token foreign, expired or of another app; no permission; receipt address wrong; data location not chosen or
        // not matching.
        "80200001" | "80200003" | "80200005" | "80300002" | "80300013" | "82000012"
        | "82000013" => VerdictKind::CredentialRefused,
        // Parameters, structure, time, collapse_key, sensitive words, review signature; size, count; the right to high
        // urgency, which only the messages lack that ask for it; device groups and topics.
        "80100001" | "80100002" | "80100003" | "80100004" | "80100013" | "80100016"
        | "80100018" | "80300008" | "80300010" | "80300011" | "82000001" | "82000002"
        | "82000003" | "82000004" | "82000005" | "82000006" | "82000007" | "82000008"
        | "82000009" | "82000010" | "82000011" => VerdictKind::PayloadRefused,
        // The second is seen in third-party code only.
        "80100017" | "80300006" => VerdictKind::RateLimited(Scope::Credential),
        // Huawei's own token service failed; system error.
        "80600003" | "81000001" => VerdictKind::Unavailable,
        _ => return None,
    })
}

/// What the status means where the body does not help.
pub(crate) const fn by_status(status: u16) -> VerdictKind {
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

/// `Retry-After` in seconds or as a date. Huawei does not document it; its gateways may send it.
pub(crate) fn retry_after(response: &Response<Bytes>, now: Timestamp) -> Option<Duration> {
    let value = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    let pause = match value.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = httpdate::parse_http_date(value.trim()).ok()?;
            let now = UNIX_EPOCH + Duration::from_millis(now.unix_millis().max(0).unsigned_abs());
            at.duration_since(SystemTime::min(now, at)).ok()?
        }
    };
    Some(pause.min(MAX_PAUSE))
}

/// A string, or a number as text: the codes are documented as strings and seen as numbers.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
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
