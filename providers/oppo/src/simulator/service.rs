//! OPPO's services: who may call them, and what each path does.
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::{Method, Request};
use push_core::Clock;
use push_testkit::{
    Faults, Reply, counters,
    simulator::{AccessTokens, Receipts, form, random},
};
use serde_json::{Value, json};

use super::{
    APP, Options,
    check::{Notification, Refusal},
    owed::Owed,
    phone::Phone,
    quota::Quota,
};

/// The largest body that is read, in bytes: a thousand messages are most of it.
pub(super) const MAX_BODY: usize = 16 * 1024 * 1024;

/// How far the timestamp of a signature may be from now.
const WINDOW: i64 = 10 * 60 * 1000;

/// How long an auth token is valid.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// The most dead ids in one answer.
const DEAD_IDS: usize = 500;

const INVALID_TOKEN: i64 = 11;
const NO_SUCH_METHOD: i64 = 12;
const NO_TOKEN: i64 = 29;

counters! {
    /// What the simulator counted.
    pub struct Counters of Numbers {
        /// Requests to send.
        requests,
        /// Messages that OPPO took over for a phone.
        accepted,
        /// Messages that were saved.
        saved,
        /// Auth tokens that were granted.
        granted,
    }
}

/// The two regions, each with auth tokens and ids of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Region {
    Mainland,
    Overseas,
}

pub(super) struct Service {
    pub(super) faults: Faults,
    pub(super) options: Options,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) phones: Mutex<HashMap<String, Phone>>,
    pub(super) saved: Mutex<HashMap<String, Notification>>,
    pub(super) quota: Mutex<Quota>,
    /// Ids that were found not to be valid, until they are fetched.
    pub(super) dead: Mutex<VecDeque<String>>,
    owed: Arc<Owed>,
    access: [AccessTokens<()>; 2],
    numbers: Numbers,
}

impl Service {
    pub(super) fn new(options: Options) -> Self {
        Self {
            faults: Faults::new(),
            clock: Arc::clone(&options.base.clock),
            options,
            phones: Mutex::default(),
            saved: Mutex::default(),
            quota: Mutex::default(),
            dead: Mutex::default(),
            owed: Arc::default(),
            access: [AccessTokens::default(), AccessTokens::default()],
            numbers: Numbers::default(),
        }
    }

    pub(super) fn install(&self, region: &str) -> Phone {
        let phone = Phone::new(
            &format!("{region}_{}", hex::<16>()),
            &self.clock,
            &self.owed,
        );
        lock(&self.phones).insert(phone.token().to_owned(), phone.clone());
        phone
    }

    pub(super) fn counters(&self) -> Counters {
        self.numbers.read()
    }

    pub(super) fn receipts(&self) -> BTreeMap<String, Arc<Receipts>> {
        self.owed.all()
    }

    pub(super) fn forget_auth_tokens(&self) {
        self.access.iter().for_each(AccessTokens::forget);
    }

    pub(super) fn handle(&self, request: &Request<Bytes>) -> Reply {
        let path = request.uri().path();
        let (region, path) = match path.strip_prefix("/intl/") {
            Some(rest) => (Region::Overseas, rest),
            None => {
                let prefixes = ["/cn/", "/feedback/", "/"];
                let rest = prefixes.iter().find_map(|prefix| path.strip_prefix(prefix));
                (Region::Mainland, rest.unwrap_or_default())
            }
        };
        let Some(path) = path.strip_prefix("server/v1/") else {
            return Reply::new(404);
        };
        let answered = match path {
            "auth" => self.auth(region, request),
            "message/notification/unicast" => self.of_app(region, request, Self::unicast),
            "message/notification/unicast_batch" => {
                self.of_app(region, request, Self::unicast_batch)
            }
            "message/notification/save_message_content" => self.of_app(region, request, Self::save),
            "message/notification/broadcast" => self.of_app(region, request, Self::broadcast),
            "feedback/fetch_invalid_regidList" => self.asked(request, Self::dead_ids),
            "feedback/fetch_push_permit" => self.asked(request, Self::permit),
            _ => return Reply::new(404),
        };
        answered.unwrap_or_else(|(code, words)| refusal(code, &words))
    }

    fn auth(&self, region: Region, request: &Request<Bytes>) -> Result<Reply, Refusal> {
        let refused = |code: i64, words: &str| Err((code, words.to_owned()));
        if request.method() != Method::POST {
            return refused(NO_SUCH_METHOD, "HTTP Method Not Support");
        }
        let fields = form(request.body());
        let [key, millis, sign] = ["app_key", "timestamp", "sign"]
            .map(|name| fields.get(name).map_or("", String::as_str));
        let now = self.clock.now().unix_millis();
        let is_near = |at: i64| (at - now).abs() <= WINDOW;
        let signed = digest(&SHA256, format!("{key}{millis}{}", APP[1]).as_bytes());
        let wanted: String = signed
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        match (key, millis.parse(), sign) {
            ("", ..) => refused(15, "Missing App Key"),
            (key, ..) if key != APP[0] => refused(14, "Invalid App Key"),
            (_, Err(_), _) if millis.is_empty() => refused(18, "Missing Timestamp"),
            (_, Err(_), _) => refused(19, "Invalid Timestamp"),
            (_, Ok(at), _) if millis.len() != 13 || !is_near(at) => {
                refused(19, "Invalid Timestamp")
            }
            (.., "") => refused(17, "Missing Signature"),
            (.., sign) if sign != wanted => refused(16, "Invalid Signature"),
            _ => {
                let token = hex::<12>();
                self.tokens(region)
                    .grant(&token, (), self.clock.now(), LIFE);
                self.numbers.granted.fetch_add(1, Relaxed);
                Ok(success(&json!({ "auth_token": token, "create_time": now })))
            }
        }
    }

    fn tokens(&self, region: Region) -> &AccessTokens<()> {
        match region {
            Region::Mainland => &self.access[0],
            Region::Overseas => &self.access[1],
        }
    }

    /// Checks the auth token, which the body has, or a header as older pages say.
    fn check(
        &self,
        region: Region,
        token: Option<&str>,
        request: &Request<Bytes>,
    ) -> Result<(), Refusal> {
        let header = request.headers().get("auth_token");
        let header = header.and_then(|value| value.to_str().ok());
        let Some(token) = token.or(header) else {
            return Err((NO_TOKEN, "Missing Auth Token".to_owned()));
        };
        let holder = self.tokens(region).holder(token, self.clock.now());
        holder.map_err(|_| (INVALID_TOKEN, "Invalid AuthToken".to_owned()))
    }

    /// Performs a request that sends or saves.
    fn of_app(
        &self,
        region: Region,
        request: &Request<Bytes>,
        perform: impl Fn(&Self, Region, &HashMap<String, String>) -> Result<Reply, Refusal>,
    ) -> Result<Reply, Refusal> {
        if request.method() != Method::POST {
            return Err((NO_SUCH_METHOD, "HTTP Method Not Support".to_owned()));
        }
        let fields = form(request.body());
        self.check(
            region,
            fields.get("auth_token").map(String::as_str),
            request,
        )?;
        perform(self, region, &fields)
    }

    /// Answers a question of the feedback service.
    fn asked(
        &self,
        request: &Request<Bytes>,
        answer: impl Fn(&Self) -> Value,
    ) -> Result<Reply, Refusal> {
        if request.method() != Method::GET {
            return Err((NO_SUCH_METHOD, "HTTP Method Not Support".to_owned()));
        }
        if let Some(reply) = self.faults.take_for("feedback") {
            return Ok(reply);
        }
        let fields = form(request.uri().query().unwrap_or_default().as_bytes());
        let token = fields.get("auth_token").map(String::as_str);
        self.check(Region::Mainland, token, request)?;
        Ok(success(&answer(self)))
    }

    fn dead_ids(&self) -> Value {
        let mut dead = lock(&self.dead);
        let count = dead.len().min(DEAD_IDS);
        let ids: Vec<String> = dead.drain(..count).collect();
        json!({ "totalCount": ids.len(), "registration_ids": ids })
    }

    fn permit(&self) -> Value {
        let sent = lock(&self.quota).public(self.clock.now());
        let total = self.options.public_quota;
        json!({ "total_count": total, "push_count": sent, "remain_count": total.saturating_sub(sent) })
    }

    pub(super) fn count_request(&self) {
        self.numbers.requests.fetch_add(1, Relaxed);
    }

    pub(super) fn count_accepted(&self) {
        self.numbers.accepted.fetch_add(1, Relaxed);
    }

    pub(super) fn count_saved(&self) {
        self.numbers.saved.fetch_add(1, Relaxed);
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Service")
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `N` random bytes in hexadecimal.
pub(super) fn hex<const N: usize>() -> String {
    random::<N>()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

pub(super) fn success(data: &Value) -> Reply {
    Reply::new(200).json(json!({ "code": 0, "message": "success", "data": data }))
}

/// An answer that refuses the whole request.
pub(super) fn refusal(code: i64, words: &str) -> Reply {
    Reply::new(200).json(json!({ "code": code, "message": words }))
}

/// OPPO's words for a code about a registration id; for the others, that it was scripted.
pub(super) fn words(code: i64) -> &'static str {
    match code {
        10_000 => "registration_id格式不正确",
        41 => "Illegal argument: registration_id",
        _ => "scripted",
    }
}
