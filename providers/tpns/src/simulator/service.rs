//! TPNS's API.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use push_core::{Clock, Environment, Timestamp};
use push_testkit::{
    Faults, Reply, counters,
    simulator::{Options, random_text},
};
use serde_json::{Value, json};

use super::{
    APPS, SECRET_KEY,
    check::{Audience, Push},
    phone::{Phone, Route},
};

/// The largest body that is read, in bytes: a thousand tokens are most of it.
pub(super) const MAX_BODY: usize = 1024 * 1024;

const LONGEST_TOKEN: usize = 36;

/// How far the clock of a client may be from TPNS's. Not documented.
const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

/// How long the same push to many is a repetition.
const REPEATED_WITHIN: Duration = Duration::from_secs(3600);

const UNAUTHENTICATED: i64 = 1_008_003;
const TOO_FAST: i64 = 1_008_028;
const INVALID_TOKEN: i64 = 1_008_029;
const NO_SUCH_APP: i64 = 1_008_035;
const REPEATED: i64 = 10_010_018;

counters! {
    /// What the simulator counted.
    pub struct Counters of Numbers {
        /// Requests to send.
        requests,
        /// Pushes that TPNS took over for a phone.
        accepted,
        /// Pushes that a vendor's channel did not pass on.
        dropped,
    }
}

pub(super) struct Service {
    pub(super) faults: Faults,
    pub(super) results: Faults<i64>,
    clock: Arc<dyn Clock>,
    any_token: bool,
    phones: Mutex<HashMap<String, Phone>>,
    /// The last push to many.
    last: Mutex<Option<(Timestamp, Value)>>,
    numbers: Numbers,
}

impl Service {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            faults: Faults::new(),
            results: Faults::new(),
            clock: Arc::clone(&options.clock),
            any_token: options.any_token,
            phones: Mutex::default(),
            last: Mutex::default(),
            numbers: Numbers::default(),
        }
    }

    /// A phone with the app of this number.
    pub(super) fn install(&self, app: usize, route: Route, environment: Environment) -> Phone {
        let mut token = format!("{:02}{}", app, random_text(25));
        token.truncate(LONGEST_TOKEN);
        let phone = Phone::new(&token, route, environment, &self.clock);
        self.phones().insert(token, phone.clone());
        phone
    }

    pub(super) fn counters(&self) -> Counters {
        self.numbers.read()
    }

    pub(super) fn handle(&self, request: &Request<Bytes>) -> Reply {
        if request.method() != Method::POST || request.uri().path() != "/v3/push/app" {
            return Reply::new(404);
        }
        self.numbers.requests.fetch_add(1, Relaxed);
        let body = request.body();
        let app = match self.app(request.headers(), body) {
            Ok(app) => app,
            Err(code) => return coded(&code.into(), "authentication failed"),
        };
        match Push::read(body, app == 1) {
            Ok(push) => self.send(&push, app == 1),
            Err((code, what)) => coded(&code.into(), &what),
        }
    }

    /// The number of the app that signed `body`, or whose key was sent.
    fn app(&self, headers: &HeaderMap, body: &[u8]) -> Result<usize, i64> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let find = |id: &str| {
            let app = APPS.iter().position(|app| *app == id);
            app.ok_or(NO_SUCH_APP)
        };
        if let Some(pair) = header("authorization") {
            let pair = pair
                .strip_prefix("Basic ")
                .and_then(|pair| STANDARD.decode(pair).ok());
            let pair = pair.and_then(|pair| String::from_utf8(pair).ok());
            let (id, key) = pair
                .as_deref()
                .and_then(|pair| pair.split_once(':'))
                .ok_or(UNAUTHENTICATED)?;
            let app = find(id)?;
            return if key == SECRET_KEY {
                Ok(app)
            } else {
                Err(UNAUTHENTICATED)
            };
        }
        let [Some(id), Some(at), Some(sign)] = ["AccessId", "TimeStamp", "Sign"].map(header) else {
            return Err(UNAUTHENTICATED);
        };
        let app = find(id)?;
        let seconds: i64 = at.parse().map_err(|_| UNAUTHENTICATED)?;
        let skew = self
            .clock
            .now()
            .unix_millis()
            .abs_diff(seconds.saturating_mul(1000));
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET_KEY.as_bytes());
        let tag = hmac::sign(&key, &[at.as_bytes(), id.as_bytes(), body].concat());
        let digits = tag.as_ref().iter().map(|byte| format!("{byte:02x}"));
        let is_right = sign == STANDARD.encode(digits.collect::<String>());
        if is_right && Duration::from_millis(skew) < CLOCK_SKEW {
            Ok(app)
        } else {
            Err(UNAUTHENTICATED)
        }
    }

    fn send(&self, push: &Push, is_ios: bool) -> Reply {
        let until = self.clock.now() + Duration::from_secs(push.kept);
        match &push.audience {
            Audience::Tokens(tokens) => self.send_to(push, tokens, is_ios, until),
            Audience::Others => done(push, "{}", &[]),
            Audience::All | Audience::Tags => {
                if let Err(code) = self.to_many(push) {
                    return coded(&code.into(), "refused");
                }
                if push.audience == Audience::All {
                    let phones = self.phones();
                    let all = phones.values().filter(|phone| {
                        is_ios == (phone.route() == Route::Apns)
                            && phone.is_known(&push.environment)
                    });
                    all.for_each(|phone| self.pass_on(push, phone, until));
                }
                done(push, "{}", &[])
            }
        }
    }

    /// One push to many in a second, and none twice in an hour.
    fn to_many(&self, push: &Push) -> Result<(), i64> {
        let now = self.clock.now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, message)) = &*last {
            if now.since(*at) < Duration::from_secs(1) {
                return Err(TOO_FAST);
            }
            if now.since(*at) < REPEATED_WITHIN && *message == push.message {
                return Err(REPEATED);
            }
        }
        *last = Some((now, push.message.clone()));
        Ok(())
    }

    fn send_to(&self, push: &Push, tokens: &[String], is_ios: bool, until: Timestamp) -> Reply {
        let mut scripted = tokens.iter().filter_map(|token| self.faults.take(token));
        if let Some(reply) = scripted.next() {
            return reply;
        }
        let phones = self.phones();
        let known = |token: &str| {
            let phone = phones.get(token)?;
            let is_of_app = is_ios == (phone.route() == Route::Apns);
            (is_of_app && phone.is_known(&push.environment)).then_some(phone)
        };
        let is_valid = |token: &&String| {
            token.len() <= LONGEST_TOKEN && (known(token).is_some() || self.any_token)
        };
        let (valid, invalid): (Vec<&String>, Vec<&String>) = tokens.iter().partition(is_valid);
        if valid.is_empty() || !(invalid.is_empty() || push.ignores_invalid) {
            return coded(&INVALID_TOKEN.into(), "invalid token");
        }
        let results = valid.iter().map(|token| {
            let code = self.results.take_for(token).unwrap_or(0);
            if let (0, Some(phone)) = (code, known(token)) {
                self.pass_on(push, phone, until);
            }
            code
        });
        let results: Vec<i64> = results.collect();
        done(push, &json!(results).to_string(), &invalid)
    }

    fn pass_on(&self, push: &Push, phone: &Phone, until: Timestamp) {
        if phone.route().takes(push) {
            phone.take(push, until);
            self.numbers.accepted.fetch_add(1, Relaxed);
        } else {
            self.numbers.dropped.fetch_add(1, Relaxed);
        }
    }

    fn phones(&self) -> MutexGuard<'_, HashMap<String, Phone>> {
        self.phones.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn done(push: &Push, result: &str, invalid: &[&String]) -> Reply {
    let mut answer = json!({
        "seq": push.seq,
        "push_id": random_number(),
        "ret_code": 0,
        "environment": push.environment,
        "err_msg": "",
        "result": result,
    });
    if !invalid.is_empty() {
        answer["invalid_targe_list"] = json!(invalid);
    }
    Reply::new(200).json(answer)
}

/// A number of nine digits, as TPNS's ids are.
fn random_number() -> String {
    let [a, b, c, d] = push_testkit::simulator::random();
    (100_000_000 + u32::from_be_bytes([a, b, c, d]) % 900_000_000).to_string()
}

/// An answer with this code, which confirms no push.
pub(super) fn coded(code: &Value, words: &str) -> Reply {
    Reply::new(200).json(json!({ "seq": 0, "ret_code": code, "environment": "", "err_msg": words }))
}
