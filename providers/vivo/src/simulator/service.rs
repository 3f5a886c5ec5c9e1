//! vivo's service: access tokens, single pushes, saved messages and list pushes.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request};
use push_core::{Clock, Timestamp};
use push_kit::{answer::number, md5};
use push_testkit::{
    Faults, Reply, counters,
    simulator::{AccessTokens, random_text},
};
use serde_json::{Value, json};

use super::{
    APP_ID, APP_KEY, APP_SECRET, Options,
    check::{Body, List, Message, Refusal},
    phone::{Arrival, Owed, Phone},
    quota::Quotas,
};

/// The largest body that is read, in bytes: a thousand registration ids are most of it.
pub(super) const MAX_BODY: usize = 1024 * 1024;

/// How far the clock of a client may be from vivo's.
const CLOCK_SKEW: Duration = Duration::from_secs(600);

/// How long an access token is valid.
const ACCESS_LIFE: Duration = Duration::from_secs(24 * 3600);

/// How many saved messages, and how many answers by the id of their request, are remembered.
const REMEMBERED: usize = 10_000;

counters! {
    /// What the simulator counted.
    pub struct Counters of Numbers {
        /// Requests to send, to one target or to a list.
        requests,
        /// Messages that were saved for list pushes.
        saved,
        /// Messages that vivo took over for a phone.
        accepted,
        /// Requests that were recognised as repeated, and answered as before.
        repeated,
        /// Messages that a phone's daily limit of operation messages kept back.
        controlled,
        /// Access tokens that were granted.
        granted,
    }
}

pub(super) struct Service {
    pub(super) faults: Faults,
    pub(super) receipts: Arc<Owed>,
    clock: Arc<dyn Clock>,
    any_token: bool,
    refuses_trial_texts: bool,
    access: AccessTokens<()>,
    state: Mutex<State>,
    numbers: Numbers,
}

struct State {
    phones: HashMap<String, Phone>,
    /// Saved messages by task id.
    saved: HashMap<String, Arc<Message>>,
    /// Answers to requests that sent something, by `requestId`.
    answered: HashMap<String, Value>,
    quotas: Quotas,
}

impl Service {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            faults: Faults::new(),
            receipts: Arc::default(),
            clock: Arc::clone(&options.base.clock),
            any_token: options.base.any_token,
            refuses_trial_texts: options.refuses_trial_texts,
            access: AccessTokens::default(),
            state: Mutex::new(State {
                phones: HashMap::new(),
                saved: HashMap::new(),
                answered: HashMap::new(),
                quotas: Quotas::new(options),
            }),
            numbers: Numbers::default(),
        }
    }

    pub(super) fn install(&self) -> Phone {
        let token = format!("v2-{}", random_text(42));
        let phone = Phone::new(&token, &self.clock, &self.receipts);
        self.lock().phones.insert(token, phone.clone());
        phone
    }

    pub(super) fn counters(&self) -> Counters {
        self.numbers.read()
    }

    pub(super) fn expire_access(&self) {
        self.access.expire(self.clock.now());
    }

    pub(super) fn handle(&self, request: &Request<Bytes>) -> Reply {
        let path = request.uri().path();
        if request.method() != Method::POST {
            return Reply::new(405);
        }
        let body = request.body();
        let done = match path {
            "/message/auth" => match self.faults.take_for(path) {
                Some(reply) => return reply,
                None => self.grant(body),
            },
            "/message/send" => {
                self.numbers.requests.fetch_add(1, Relaxed);
                let token = target(body);
                match self.faults.take(&token) {
                    Some(reply) => return reply,
                    None => self.allowed(request).and_then(|()| self.single(body)),
                }
            }
            "/message/saveListPayload" => match self.faults.take_for(path) {
                Some(reply) => return reply,
                None => self.allowed(request).and_then(|()| self.save(body)),
            },
            "/message/pushToList" => {
                self.numbers.requests.fetch_add(1, Relaxed);
                match self.faults.take(path) {
                    Some(reply) => return reply,
                    None => self.allowed(request).and_then(|()| self.list(body)),
                }
            }
            _ => return Reply::new(404),
        };
        Reply::new(200).json(done.unwrap_or_else(|(code, words)| coded(&json!(code), &words)))
    }

    fn grant(&self, body: &[u8]) -> Result<Value, Refusal> {
        let wrong = |code: i64, what: &str| Err((code, what.to_owned()));
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        let now = self.clock.now();
        if !self.lock().quotas.take_auth(now) {
            return wrong(10250, "too many calls");
        }
        let text = |key: &str| json[key].as_str().unwrap_or_default();
        let (id, timestamp) = (number(&json["appId"]), number(&json["timestamp"]));
        let (Some(id), Some(timestamp)) = (id, timestamp) else {
            return wrong(if id.is_none() { 10200 } else { 10203 }, "empty");
        };
        if text("appKey").is_empty() {
            return wrong(10201, "appKey is empty");
        }
        if text("sign").is_empty() {
            return wrong(10204, "sign is empty");
        }
        let at = Timestamp::from_unix_millis(timestamp);
        if u64::try_from(id) != Ok(APP_ID) {
            return wrong(10205, "appId does not exist");
        }
        if text("appKey") != APP_KEY {
            return wrong(10202, "appKey is not valid");
        }
        if at.since(now).max(now.since(at)) > CLOCK_SKEW {
            return wrong(10207, "timestamp is not valid");
        }
        let right = md5::hex([&*format!("{APP_ID}{APP_KEY}{timestamp}{APP_SECRET}")]);
        if text("sign") != right {
            return wrong(10206, "sign is wrong");
        }
        let token = random_text(32);
        self.access.grant(&token, (), now, ACCESS_LIFE);
        self.numbers.granted.fetch_add(1, Relaxed);
        Ok(json!({ "result": 0, "desc": "请求成功", "authToken": token }))
    }

    fn allowed(&self, request: &Request<Bytes>) -> Result<(), Refusal> {
        let token = request.headers().get("authtoken");
        let token = token.and_then(|token| token.to_str().ok());
        let holder = self
            .access
            .holder(token.unwrap_or_default(), self.clock.now());
        holder.map_err(|_| (10000, "authToken is not valid".to_owned()))
    }

    fn single(&self, body: &[u8]) -> Result<Value, Refusal> {
        let body = Body::read(body, APP_ID)?;
        let (target, id, is_test) = (body.target()?, body.request_id()?, body.is_test()?);
        let message = body.message(self.refuses_trial_texts && !is_test)?;
        let mut state = self.lock();
        if let Some(answer) = state.answered.get(&id) {
            self.numbers.repeated.fetch_add(1, Relaxed);
            return Ok(answer.clone());
        }
        let status = self.status(&state, &target, is_test);
        if status != 0 {
            return Ok(json!({
                "result": 10302,
                "desc": "regId不合法",
                "invalidUser": { "status": status, "userid": target },
            }));
        }
        let now = self.clock.now();
        state.quotas.take(message.is_system, is_test, 1, now)?;
        let task = task_id();
        self.deliver(
            &mut state,
            &Arc::new(message),
            &task,
            &[target],
            is_test,
            true,
        );
        let answer = json!({ "result": 0, "desc": "请求成功", "taskId": task });
        remember(&mut state.answered, id, answer.clone());
        Ok(answer)
    }

    fn save(&self, body: &[u8]) -> Result<Value, Refusal> {
        let body = Body::read(body, APP_ID)?;
        body.request_id()?;
        let message = body.message(self.refuses_trial_texts)?;
        let mut state = self.lock();
        state.quotas.take_list(self.clock.now())?;
        let task = task_id();
        remember(&mut state.saved, task.clone(), Arc::new(message));
        self.numbers.saved.fetch_add(1, Relaxed);
        Ok(json!({ "result": 0, "desc": "请求成功", "taskId": task }))
    }

    fn list(&self, body: &[u8]) -> Result<Value, Refusal> {
        let List {
            targets,
            task,
            request_id,
            is_test,
        } = Body::read(body, APP_ID)?.list()?;
        let mut state = self.lock();
        if let Some(answer) = state.answered.get(&request_id) {
            self.numbers.repeated.fetch_add(1, Relaxed);
            return Ok(answer.clone());
        }
        let message = state.saved.get(&task).map(Arc::clone);
        let message = message.ok_or_else(|| (10353, "no such taskId".to_owned()))?;
        let (mut valid, mut invalid) = (Vec::new(), Vec::new());
        for target in targets {
            let scripted = self.faults.take_for(&target).is_some();
            match self.status(&state, &target, is_test) {
                0 if !scripted => valid.push(target),
                status => invalid.push(json!({ "status": status.max(1), "userid": target })),
            }
        }
        let now = self.clock.now();
        state
            .quotas
            .take(message.is_system, is_test, valid.len() as u64, now)?;
        self.deliver(&mut state, &message, &task, &valid, is_test, false);
        let answer = json!({
            "result": 0,
            "desc": "请求成功",
            "requestId": request_id,
            "invalidUsers": invalid,
        });
        remember(&mut state.answered, request_id, answer.clone());
        Ok(answer)
    }

    /// The status with which a target is refused; 0 if it is valid.
    fn status(&self, state: &State, target: &str, is_test: bool) -> i64 {
        match state.phones.get(target) {
            Some(phone) => phone.status(is_test),
            None if self.any_token => 0,
            None => 1,
        }
    }

    fn deliver(
        &self,
        state: &mut State,
        message: &Arc<Message>,
        task: &str,
        targets: &[String],
        is_test: bool,
        is_single: bool,
    ) {
        let now = self.clock.now();
        let arrival = Arrival::new(message, task, is_single && !is_test);
        for target in targets {
            self.numbers.accepted.fetch_add(1, Relaxed);
            let Some(phone) = state.phones.get(target) else {
                continue;
            };
            if message.is_system || state.quotas.take_phone(target, now) {
                phone.take(&arrival, now + message.ttl);
            } else {
                self.numbers.controlled.fetch_add(1, Relaxed);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The target of a single push, for the script.
fn target(body: &[u8]) -> String {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    json["regId"].as_str().unwrap_or_default().to_owned()
}

/// A task id has digits only.
fn task_id() -> String {
    u32::from_be_bytes(push_testkit::simulator::random()).to_string()
}

fn remember<T>(all: &mut HashMap<String, T>, key: String, value: T) {
    if all.len() >= REMEMBERED {
        all.clear();
    }
    all.insert(key, value);
}

/// An answer with a scripted code. 500 is vivo's page for an error of its own.
pub(super) fn scripted(code: &str) -> Reply {
    match code.parse::<i64>() {
        Ok(500) => Reply::new(500).body("Internet server error!"),
        Ok(code) => Reply::new(200).json(coded(&json!(code), "scripted")),
        Err(_) => Reply::new(200).json(coded(&json!(code), "scripted")),
    }
}

fn coded(code: &Value, words: &str) -> Value {
    json!({ "result": code, "desc": words })
}
