//! What Push Kit answers: to a message, and to a recall.
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, header::CONTENT_TYPE};
use push_core::{Clock, Timestamp};
use push_testkit::{
    Faults, Reply, counters,
    simulator::{Receipts, random_text},
};
use serde_json::{Map, Value, json};

use super::{
    CLIENT, Options, PROJECT,
    access::Access,
    check::{Message, Refusal},
    phone::{Arrival, Phone},
    quota::Daily,
};

/// How many test messages a project sends in a day, and how many requests with them in a second.
const TESTS: (u32, u32) = (1000, 10);

/// No limit of a quota.
const UNLIMITED: u32 = u32::MAX;

counters! {
    /// What was counted since the start.
    pub struct Counters of Numbers {
        /// Requests to send.
        requests,
        /// Tokens to which Push Kit took over a message.
        accepted,
        /// Tokens that were illegal.
        illegal,
        /// Requests to recall.
        recalls,
    }
}

pub(super) struct Service {
    pub(super) faults: Faults,
    pub(super) receipts: Arc<Receipts>,
    access: Access,
    clock: Arc<dyn Clock>,
    options: Options,
    state: Mutex<State>,
    numbers: Numbers,
}

#[derive(Default)]
struct State {
    phones: HashMap<String, Phone>,
    messages: u64,
    tests: Daily,
    tests_of_second: Daily,
}

/// A code that is no refusal, and its `msg`.
type Done = (&'static str, String);

impl Service {
    pub(super) fn new(options: Options) -> Self {
        Self {
            faults: Faults::new(),
            receipts: Arc::default(),
            access: Access::new(&options.key, options.rs256),
            clock: Arc::clone(&options.base.clock),
            options,
            state: Mutex::default(),
            numbers: Numbers::default(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn counters(&self) -> Counters {
        self.numbers.read()
    }

    pub(super) fn install(&self) -> Phone {
        let phone = Phone::new(
            &format!("IQAAAACy{}", random_text(72)),
            &self.clock,
            &self.receipts,
        );
        let token = phone.token().to_owned();
        self.lock().phones.insert(token, phone.clone());
        phone
    }

    pub(super) fn refuse(&self, token: &str, reason: &str) {
        if let Some(phone) = self.lock().phones.get(token) {
            phone.set_illegal(reason);
        }
    }

    pub(super) fn handle(&self, request: &Request<Bytes>) -> Reply {
        let path = request.uri().path();
        let is_recall = path.ends_with("/messages:revoke");
        if !is_recall && !path.ends_with("/messages:send") {
            return Reply::new(404).json(json!({ "code": "404", "msg": "no such path" }));
        }
        if request.method() != Method::POST {
            return Reply::new(405);
        }
        let counter = if is_recall {
            &self.numbers.recalls
        } else {
            &self.numbers.requests
        };
        counter.fetch_add(1, Relaxed);
        let done = if is_recall {
            self.recall(request)
        } else {
            self.send(request)
        };
        let (status, code, msg) = match done {
            Ok(Ok((code, msg))) => (200, code, msg),
            Ok(Err(scripted)) => return scripted,
            Err(Refusal { code, msg }) if self.options.codes_with_200 => (200, code, msg),
            Err(Refusal { code, msg }) => (status_of(code), code, msg),
        };
        answer(status, code, &msg)
    }

    /// Checks the path, the JWT and the type of the body. Only the accounts of a project may use its path, and only of v3.
    fn admit<'r>(
        &self,
        request: &'r Request<Bytes>,
        path: &str,
    ) -> Result<Option<&'r str>, Refusal> {
        self.access.check(request.headers(), self.clock.now())?;
        if request.uri().path() != path {
            return Err(Refusal::new(
                "80200001",
                "not the account's project, or not its version",
            ));
        }
        let header = |name: &str| {
            request
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        if !header(CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("application/json")) {
            return Err(Refusal::new(
                "80100001",
                "content-type is not application/json",
            ));
        }
        Ok(header("push-type"))
    }

    fn send(&self, request: &Request<Bytes>) -> Result<Result<Done, Reply>, Refusal> {
        let push_type = self.admit(request, &format!("/v3/{PROJECT}/messages:send"))?;
        let message = Message::read(push_type, request.body())?;
        let scripted = |token: &String| self.faults.take(token);
        if let Some(reply) = message.tokens.iter().find_map(scripted) {
            return Ok(Err(reply));
        }
        let now = self.clock.now();
        let mut state = self.lock();
        let second = now + Duration::from_secs(1);
        if message.is_test && !state.tests_of_second.count_until(now, TESTS.1, second) {
            return Err(Refusal::new("80300029", "test messages are sent too fast"));
        }
        state.messages += 1;
        let request_id = random_text(12);
        let arrival = Arrival::new(&message, &request_id, state.messages);
        let mut illegal: HashMap<String, Vec<&str>> = HashMap::new();
        let mut seen = HashSet::new();
        let (mut accepted, mut failed) = (0, 0);
        for token in message.tokens.iter().filter(|token| seen.insert(*token)) {
            let phone = state.phones.get(token).cloned();
            if let Some(reason) = self.reason(&message, phone.as_ref()) {
                illegal.entry(reason).or_default().push(token);
                failed += 1;
                continue;
            }
            accepted += 1;
            let Some(phone) = phone else { continue };
            if message.is_test && !state.tests.count(now, TESTS.0) {
                phone.owe(&arrival, 256);
            } else {
                phone.take(arrival.clone(), message.ttl, self.limits(&message));
            }
        }
        drop(state);
        self.numbers.accepted.fetch_add(accepted, Relaxed);
        self.numbers.illegal.fetch_add(failed, Relaxed);
        Ok(Ok(match (accepted, failed) {
            (_, 0) => ("80000000", "Success".to_owned()),
            // As it was seen: without `success`.
            (0, _) => (
                "80300007",
                json!({ "illegalTokens": illegal, "failure": failed }).to_string(),
            ),
            _ => (
                "80100000",
                json!({ "illegalTokens": illegal, "success": accepted, "failure": failed })
                    .to_string(),
            ),
        }))
    }

    /// Why the token is illegal for this message.
    fn reason(&self, message: &Message, phone: Option<&Phone>) -> Option<String> {
        let push_type = message.push_type;
        let category = &message.payload["notification"]["category"];
        if push_type != 0 && !self.options.push_types.contains(&push_type) {
            Some("noPushTypeRight".to_owned())
        } else if push_type == 0 && category == "PLAY_VOICE" {
            Some("notSupportPlayVoice".to_owned())
        } else if let Some(phone) = phone {
            phone.illegal()
        } else {
            (!self.options.base.any_token).then(|| "tokenFormatError".to_owned())
        }
    }

    /// The limits of a phone's day: of all messages, and of marketing if the message is that. Test messages have neither.
    fn limits(&self, message: &Message) -> (u32, Option<u32>) {
        let category = &message.payload["notification"]["category"];
        let is_marketing =
            category.is_string() && (category == "MARKETING" || !self.options.category_rights);
        match (message.is_test, is_marketing) {
            (true, _) => (UNLIMITED, None),
            (false, false) => (self.options.daily_limit, None),
            (false, true) => (self.options.daily_limit, Some(self.options.marketing_limit)),
        }
    }

    fn recall(&self, request: &Request<Bytes>) -> Result<Result<Done, Reply>, Refusal> {
        let wrong = |what: &str| Refusal::new("80100020", what);
        let is_send_path = request.uri().path().starts_with("/v3/");
        let push_type = match self.admit(request, &format!("/v1/{CLIENT}/messages:revoke")) {
            Err(refusal) if refusal.msg.starts_with("not the account") && !is_send_path => {
                return Err(Refusal::new(
                    "80300028",
                    "not the client id of the tokens' app",
                ));
            }
            other => other?,
        };
        if !matches!(push_type, Some("0" | "2")) {
            let what = "The header does not contain valid push-type";
            return Err(Refusal::new("80100003", what));
        }
        let body = serde_json::from_slice::<Map<String, Value>>(request.body());
        let mut body = body.map_err(|_| wrong("the body is not a JSON object"))?;
        let notify_id = body.remove("notifyId").and_then(|id| id.as_u64());
        let notify_id = notify_id.filter(|id| i32::try_from(*id).is_ok());
        let notify_id = notify_id.ok_or_else(|| wrong("notifyId is mandatory"))?;
        let tokens = body.remove("token").unwrap_or_default();
        let tokens: Vec<String> = serde_json::from_value(tokens).unwrap_or_default();
        if !body.is_empty() || !(1..=1000).contains(&tokens.len()) {
            return Err(wrong("token: 1 to 1000, and no other member"));
        }
        if let Some(reply) = tokens.iter().find_map(|token| self.faults.take(token)) {
            return Ok(Err(reply));
        }
        let state = self.lock();
        let (known, unknown): (Vec<_>, Vec<_>) = tokens
            .iter()
            .partition(|token| state.phones.contains_key(*token));
        for phone in known.iter().filter_map(|token| state.phones.get(*token)) {
            phone.revoke(notify_id, state.messages);
        }
        let illegal = json!({ "tokenFormatError": unknown });
        Ok(Ok(match (known.len(), unknown.len()) {
            (_, 0) => ("80000000", "Success".to_owned()),
            (0, failure) => (
                "80300007",
                json!({ "illegalTokens": illegal, "failure": failure }).to_string(),
            ),
            (success, failure) => (
                "80100000",
                json!({ "illegalTokens": illegal, "success": success, "failure": failure })
                    .to_string(),
            ),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(status: u16, code: &str, msg: &str) -> Reply {
    Reply::new(status).json(json!({ "code": code, "msg": msg, "requestId": random_text(12) }))
}

/// The status of a code. 400 is documented for parameters, 401 for authentication.
fn status_of(code: &str) -> u16 {
    match code {
        "80000000" | "80100000" | "80300007" => 200,
        "80200001" | "80200003" | "80200005" | "80200006" | "80300036" => 401,
        "80000001" | "81000001" => 500,
        _ => 400,
    }
}

/// An answer with this code; `503` is flow control, which has none.
pub(super) fn scripted(code: &str) -> Reply {
    match code {
        "503" => Reply::new(503),
        code => answer(status_of(code), code, "scripted"),
    }
}
