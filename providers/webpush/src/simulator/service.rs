//! What the vendor checks, and what it answers.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use aws_lc_rs::hmac;
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use push_core::Clock;
use push_testkit::{
    Faults, Reply, counters,
    simulator::{Options, random_text},
};
use serde_json::{Map, Value, json};

use super::{APP_ID, APP_SECRET, Phone};

/// The largest body that is read, in bytes.
pub(super) const MAX_BODY: usize = 1024 * 1024;
/// The most tokens in one request.
const MOST_TOKENS: usize = 1;
/// The largest message without id and tokens, in bytes.
const LARGEST_MESSAGE: usize = 4096;
/// The longest title, in UTF-16 code units.
const LONGEST_TITLE: usize = 50;
/// The longest text, in UTF-16 code units.
const LONGEST_TEXT: usize = 200;
/// The bounds of the time to live, in seconds.
const TTL: std::ops::RangeInclusive<u64> = 60..=604_800;
/// The time to live of a message that names none, in seconds.
const DEFAULT_TTL: u64 = 86_400;
/// The fields of a message.
const FIELDS: [&str; 10] = [
    "id", "to", "title", "text", "data", "badge", "ttl", "replaces", "category", "style",
];
/// How far the clock of a client may be from the vendor's.
const CLOCK_SKEW: Duration = Duration::from_secs(600);

counters! {
    /// What was counted since the start.
    pub struct Counters of Numbers {
        /// Requests to send.
        requests,
        /// Messages that a phone got or that wait for it.
        delivered,
    }
}

pub(super) struct Service {
    pub(super) faults: Faults,
    clock: Arc<dyn Clock>,
    any_token: bool,
    phones: Mutex<HashMap<String, Phone>>,
    numbers: Numbers,
}

impl Service {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            faults: Faults::new(),
            clock: Arc::clone(&options.clock),
            any_token: options.any_token,
            phones: Mutex::default(),
            numbers: Numbers::default(),
        }
    }

    pub(super) fn install(&self) -> Phone {
        let token = format!("webpush-{}", random_text(18));
        let phone = Phone::new(token.clone(), Arc::clone(&self.clock));
        self.phones().insert(token, phone.clone());
        phone
    }

    pub(super) fn counters(&self) -> Counters {
        self.numbers.read()
    }

    pub(super) fn answer(&self, request: &Request<Bytes>) -> Reply {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/v1/app") => self.checked(request.headers(), || success(&[])),
            (&Method::POST, "/v1/messages") => {
                self.numbers.requests.fetch_add(1, Ordering::Relaxed);
                self.checked(request.headers(), || {
                    self.send(request.body()).unwrap_or_else(|reply| reply)
                })
            }
            _ => error("40400"),
        }
    }

    /// The answer of `then`, if the signature is right and not old.
    fn checked(&self, headers: &HeaderMap, then: impl FnOnce() -> Reply) -> Reply {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (Some(app), Some(millis), Some(sign)) =
            (text("x-app-id"), text("x-timestamp"), text("x-sign"))
        else {
            return error("40100");
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, APP_SECRET.as_bytes());
        let tag = hmac::sign(&key, format!("{app}{millis}").as_bytes());
        let digits: String = tag
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let now = self.clock.now().unix_millis();
        let skew = millis.parse::<i64>().map(|millis| now.abs_diff(millis));
        let is_near = skew.is_ok_and(|skew| u128::from(skew) <= CLOCK_SKEW.as_millis());
        if app != APP_ID || sign != digits || !is_near {
            return error("40100");
        }
        then()
    }

    fn send(&self, body: &[u8]) -> Result<Reply, Reply> {
        let wrong = || error("40003");
        let mut message: Map<String, Value> = serde_json::from_slice(body).map_err(|_| wrong())?;
        let to = message.remove("to").ok_or_else(wrong)?;
        let tokens: Vec<String> = serde_json::from_value(to).map_err(|_| wrong())?;
        let id = message.remove("id");
        let is_id = id.is_some_and(|id| id.as_str().is_some_and(|id| !id.is_empty()));
        if !is_id || !(1..=MOST_TOKENS).contains(&tokens.len()) || !is_valid(&message) {
            return Err(wrong());
        }
        let scripted = tokens.iter().find_map(|token| self.faults.take(token));
        if let Some(reply) = scripted {
            return Err(reply);
        }
        let ttl = message.get("ttl").and_then(Value::as_u64);
        let until = self.clock.now() + Duration::from_secs(ttl.unwrap_or(DEFAULT_TTL));
        let phones = self.phones();
        let mut gone = Vec::new();
        for token in &tokens {
            match phones.get(token).filter(|phone| phone.is_installed()) {
                Some(phone) => phone.deliver(Value::Object(message.clone()), until),
                None if self.any_token => {}
                None => {
                    gone.push(token.as_str());
                    continue;
                }
            }
            self.numbers.delivered.fetch_add(1, Ordering::Relaxed);
        }
        if gone.len() == tokens.len() {
            return Err(error("40001"));
        }
        Ok(success(&gone))
    }

    fn phones(&self) -> MutexGuard<'_, HashMap<String, Phone>> {
        self.phones.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the vendor takes this message, which is without id and tokens.
fn is_valid(message: &Map<String, Value>) -> bool {
    let size = Value::Object(message.clone()).to_string().len();
    let text = |key: &str, longest: usize| {
        let text = message.get(key).and_then(Value::as_str);
        text.is_some_and(|text| text.encode_utf16().count() <= longest)
    };
    let optional =
        |key: &str, is_right: &dyn Fn(&Value) -> bool| message.get(key).is_none_or(is_right);
    size <= LARGEST_MESSAGE
        && message.keys().all(|key| FIELDS.contains(&key.as_str()))
        && text("title", LONGEST_TITLE)
        && text("text", LONGEST_TEXT)
        && optional("data", &Value::is_object)
        && optional("badge", &Value::is_u64)
        && optional("ttl", &|ttl| {
            ttl.as_u64().is_some_and(|ttl| TTL.contains(&ttl))
        })
        && optional("replaces", &Value::is_string)
        && optional("category", &Value::is_string)
        && optional("style", &Value::is_object)
}

fn success(gone: &[&str]) -> Reply {
    let id = random_text(9);
    Reply::new(200).json(json!({ "code": 0, "message": "ok", "request_id": id, "gone": gone }))
}

/// The answer with this code; the status is the code's first three digits.
pub(super) fn error(code: &str) -> Reply {
    let status = code.get(..3).and_then(|digits| digits.parse().ok());
    let status = status
        .filter(|status| (200..600).contains(status))
        .unwrap_or(400);
    let code: i64 = code.parse().unwrap_or(-1);
    let id = random_text(9);
    Reply::new(status).json(json!({ "code": code, "message": "refused", "request_id": id }))
}
