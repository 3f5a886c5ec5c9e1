//! Honor's two services.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request};
use push_core::Clock;
use push_testkit::{
    Faults, Reply, counters,
    simulator::{AccessTokens, Receipts, bearer, form, random_text},
};
use serde_json::{Value, json};

use super::{
    APP, Options,
    check::Message,
    phone::{Arrival, Phone},
};

/// Where access tokens are granted: the address of the guides of 2024 and later, and the one of 2023.
const TOKEN_PATHS: [&str; 2] = [
    "/auth/token",
    "/auth/realms/developer/protocol/openid-connect/token",
];

/// The largest body that is read, in bytes: a thousand tokens are most of it.
pub(super) const MAX_BODY: usize = 4 * 1024 * 1024;

counters! {
    /// What the simulator counted.
    pub struct Counters of Numbers {
        /// Requests to send.
        requests,
        /// Messages that Honor took over for a phone.
        accepted,
        /// Access tokens that were granted.
        granted,
    }
}

pub(super) struct Service {
    pub(super) faults: Faults,
    pub(super) receipts: Arc<Receipts>,
    clock: Arc<dyn Clock>,
    any_token: bool,
    requires_timestamp: bool,
    access_life: Duration,
    access: AccessTokens<()>,
    phones: Mutex<HashMap<String, Phone>>,
    numbers: Numbers,
    /// What the account service answers instead of its own.
    failing: Mutex<Option<Reply>>,
}

impl Service {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            faults: Faults::new(),
            receipts: Arc::default(),
            clock: Arc::clone(&options.base.clock),
            any_token: options.base.any_token,
            requires_timestamp: options.requires_timestamp,
            access_life: options.access_life,
            access: AccessTokens::default(),
            phones: Mutex::default(),
            numbers: Numbers::default(),
            failing: Mutex::default(),
        }
    }

    pub(super) fn install(&self) -> Phone {
        let token = format!("BAEAAAAAB.{}", random_text(24));
        let phone = Phone::new(&token, &self.clock, &self.receipts);
        self.lock().insert(phone.token().to_owned(), phone.clone());
        phone
    }

    pub(super) fn counters(&self) -> Counters {
        self.numbers.read()
    }

    pub(super) fn fail_grants(&self, reply: Option<Reply>) {
        *self.failing_grants() = reply;
    }

    fn failing_grants(&self) -> MutexGuard<'_, Option<Reply>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forget_access(&self) {
        self.access.forget();
    }

    pub(super) fn handle(&self, request: &Request<Bytes>) -> Reply {
        if request.method() != Method::POST {
            return refusal(404, "only POST is known");
        }
        let path = request.uri().path();
        if TOKEN_PATHS.contains(&path) {
            let failing = self.failing_grants().clone();
            return failing.unwrap_or_else(|| self.grant(request.body()));
        }
        let app = path
            .strip_prefix("/api/v1/")
            .and_then(|rest| rest.strip_suffix("/sendMessage"));
        let Some(app) = app else {
            return refusal(404, "no such path");
        };
        self.numbers.requests.fetch_add(1, Relaxed);
        let token = bearer(request.headers()).unwrap_or_default();
        if self.access.holder(token, self.clock.now()).is_err() {
            return refusal(401, "accesstoken invalid");
        }
        if app != APP[0] {
            return refusal(403, "no permission");
        }
        let timestamp = request.headers().get("timestamp");
        let millis = timestamp.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if self.requires_timestamp && millis.is_none() {
            return refusal(400, "timestamp: milliseconds, mandatory");
        }
        match Message::read(request.body()) {
            Ok(message) => self.send(&message),
            Err(fault) => refusal(400, &fault),
        }
    }

    fn grant(&self, body: &[u8]) -> Reply {
        let fields = form(body);
        let given = ["grant_type", "client_id", "client_secret"]
            .map(|name| fields.get(name).map_or("", String::as_str));
        if given != ["client_credentials", APP[1], APP[2]] {
            return Reply::new(401).json(json!({
                "error": "invalid_client",
                "error_description": "Invalid client or Invalid client credentials",
            }));
        }
        let token = random_text(32);
        self.access
            .grant(&token, (), self.clock.now(), self.access_life);
        self.numbers.granted.fetch_add(1, Relaxed);
        Reply::new(200).json(json!({
            "access_token": token,
            "expires_in": self.access_life.as_secs(),
            "token_type": "Bearer",
        }))
    }

    fn send(&self, message: &Message) -> Reply {
        let mut scripted = message
            .tokens
            .iter()
            .filter_map(|token| self.faults.take(token));
        if let Some(reply) = scripted.next() {
            return reply;
        }
        let request_id = random_text(12);
        let arrival = Arrival::new(message, &request_id);
        let until = self.clock.now() + message.ttl;
        let (mut failed, mut expired) = (Vec::new(), Vec::new());
        let phones = self.lock();
        for token in &message.tokens {
            match phones.get(token) {
                Some(phone) if phone.is_gone() => expired.push(token),
                Some(phone) if phone.is_failing() => failed.push(token),
                Some(phone) => phone.take(&arrival, until),
                None if self.any_token => {}
                None => expired.push(token),
            }
        }
        let accepted = message.tokens.len() - failed.len() - expired.len();
        self.numbers.accepted.fetch_add(accepted as u64, Relaxed);
        Reply::new(200).json(json!({ "code": 200, "message": "success", "data": {
            "sendResult": accepted > 0,
            "requestId": request_id,
            "failTokens": failed,
            "expireTokens": expired,
        }}))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Phone>> {
        self.phones.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer with this status, and the same number as its code.
pub(super) fn refusal(status: u16, words: &str) -> Reply {
    coded(status, &json!(status), words)
}

/// An answer with a scripted code: numbers from 400 to 599 are its status, too.
pub(super) fn scripted(code: &str) -> Reply {
    match code.parse() {
        Ok(status @ 400..=599) => refusal(status, "scripted"),
        _ => coded(200, &json!(code), "scripted"),
    }
}

fn coded(status: u16, code: &Value, words: &str) -> Reply {
    Reply::new(status).json(json!({ "code": code, "message": words, "data": null }))
}
