//! Both services: access tokens, messages, and the phones behind them.
use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::{constant_time, rand};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, Request, header};
use percent_encoding::percent_decode;
use push_core::{Clock, Secret, Timestamp};
use push_testkit::{Faults, Reply};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    App, Options,
    check::{self, Refusal},
    device::{Device, Install},
    phone::Arrival,
};

/// The path of the token service, and its key in [`super::Simulator::faults`].
pub const TOKEN_KEY: &str = "/oauth2/v3/token";

/// How many receipts wait to be posted.
const RECEIPTS: usize = 100_000;

/// What was counted since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests to the token service.
    pub token_requests: u64,
    /// Access tokens handed out.
    pub tokens_issued: u64,
    /// Requests to the push service.
    pub send_requests: u64,
    /// Tokens that were sent to, over all requests that were not refused as a whole.
    pub accepted: u64,
    /// Tokens that were illegal.
    pub illegal: u64,
    /// Messages that were checked only.
    pub validated: u64,
    /// Answers of the push service, by code; 503 of flow control as `503`.
    pub answers: BTreeMap<String, u64>,
}

struct AccessToken {
    app_id: String,
    expires_at: Timestamp,
}

#[derive(Default)]
struct State {
    access: HashMap<String, AccessToken>,
    devices: HashMap<String, Device>,
    receipts: VecDeque<Value>,
    burst: usize,
    burst_retry_after: Option<Duration>,
    counters: Counters,
    secrets: HashMap<String, Secret>,
}

impl State {
    /// Puts receipts among those that are due.
    fn owe(&mut self, app_id: &str, token: &str, receipts: Vec<(Arrival, i32)>, now: Timestamp) {
        for (arrival, status) in receipts {
            self.receipts.push_back(json!({
                "biTag": arrival.android["bi_tag"].as_str().unwrap_or_default(),
                "appid": app_id,
                "token": token,
                "status": status,
                "timestamp": now.unix_millis(),
                "requestId": arrival.request_id,
            }));
            if self.receipts.len() > RECEIPTS {
                self.receipts.pop_front();
            }
        }
    }
}

pub(super) struct Service {
    pub(super) faults: Faults,
    apps: Vec<App>,
    token_lifetime: Duration,
    codes_with_200: bool,
    delay: Duration,
    any_token: bool,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    arrivals: watch::Sender<u64>,
}

impl Service {
    pub(super) fn new(options: Options) -> Self {
        let secrets = options
            .apps
            .iter()
            .map(|it| (it.id.clone(), it.secret.clone()))
            .collect();
        Self {
            faults: Faults::new(),
            apps: options.apps,
            token_lifetime: options.token_lifetime,
            codes_with_200: options.codes_with_200,
            delay: options.delay,
            any_token: options.any_token,
            clock: options.clock,
            state: Mutex::new(State {
                secrets,
                ..State::default()
            }),
            arrivals: watch::Sender::new(0),
        }
    }

    /// The first app.
    pub(super) fn app(&self) -> &App {
        &self.apps[0]
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn counters(&self) -> Counters {
        self.lock().counters.clone()
    }

    pub(super) fn burst(&self, requests: usize, retry_after: Option<Duration>) {
        let mut state = self.lock();
        state.burst = requests;
        state.burst_retry_after = retry_after;
    }

    pub(super) fn forget_access_tokens(&self) {
        self.lock().access.clear();
    }

    pub(super) fn expire_access_tokens(&self) {
        let now = self.now();
        for token in self.lock().access.values_mut() {
            token.expires_at = now;
        }
    }

    pub(super) fn reset_secret(&self, app_id: &str, secret: Secret) {
        self.lock().secrets.insert(app_id.to_owned(), secret);
    }

    pub(super) fn install(&self, app_id: &str, token: &str) {
        let mut state = self.lock();
        let device = state.devices.entry(token.to_owned()).or_default();
        app_id.clone_into(&mut device.app_id);
        device.install = Install::There;
    }

    pub(super) fn device<T: Default>(&self, token: &str, act: impl FnOnce(&mut Device) -> T) -> T {
        self.lock()
            .devices
            .get_mut(token)
            .map(act)
            .unwrap_or_default()
    }

    pub(super) fn switch_on(&self, token: &str) {
        let now = self.now();
        let mut state = self.lock();
        if let Some(device) = state.devices.get_mut(token) {
            let app_id = device.app_id.clone();
            let receipts = device.switch_on(now);
            state.owe(&app_id, token, receipts, now);
        }
        drop(state);
        self.arrivals.send_modify(|it| *it += 1);
    }

    /// Changes whenever a push arrives somewhere.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.arrivals.subscribe()
    }

    pub(super) fn take_receipts(&self, most: usize) -> Vec<Value> {
        let mut state = self.lock();
        let count = most.min(state.receipts.len());
        state.receipts.drain(..count).collect()
    }

    pub(super) fn put_back(&self, receipts: Vec<Value>) {
        let mut state = self.lock();
        for receipt in receipts.into_iter().rev() {
            state.receipts.push_front(receipt);
        }
    }

    pub(super) fn receipts_due(&self) -> usize {
        self.lock().receipts.len()
    }

    pub(super) fn answer(&self, request: &Request<Bytes>) -> Reply {
        let path = request.uri().path();
        if path == TOKEN_KEY {
            self.lock().counters.token_requests += 1;
            return self
                .faults
                .take(TOKEN_KEY)
                .unwrap_or_else(|| self.grant(request));
        }
        let Some(owner) = owner(path) else {
            return Reply::new(404).json(json!({"code": "404", "msg": "no such path"}));
        };
        if request.method() != Method::POST {
            return Reply::new(405);
        }
        self.lock().counters.send_requests += 1;
        if let Some(reply) = self.faults.take(path).or_else(|| self.flow_control()) {
            return reply;
        }
        let request_id = random(12);
        let (status, code, msg) = match self.push(request, &owner, &request_id) {
            Ok((code, msg)) => (200, code, msg),
            Err(Refusal { code, msg }) => (self.status(code), code, msg),
        };
        let answers = &mut self.lock().counters.answers;
        *answers.entry(code.to_owned()).or_default() += 1;
        Reply::new(status)
            .json(json!({"code": code, "msg": msg, "requestId": request_id}))
            .after(self.delay)
    }

    /// The answer to one request of a burst.
    fn flow_control(&self) -> Option<Reply> {
        let mut state = self.lock();
        state.burst = state.burst.checked_sub(1)?;
        *state.counters.answers.entry("503".into()).or_default() += 1;
        Some(match state.burst_retry_after {
            Some(pause) => Reply::new(503).header("retry-after", &pause.as_secs().to_string()),
            None => Reply::new(503),
        })
    }

    fn status(&self, code: &str) -> u16 {
        match code {
            _ if self.codes_with_200 => 200,
            "80200001" | "80200003" | "80300002" => 401,
            // All tokens invalid is an answer, not a complaint.
            "80300007" => 200,
            _ => 400,
        }
    }

    /// The token service: `grant_type=client_credentials`.
    fn grant(&self, request: &Request<Bytes>) -> Reply {
        let refuse = |status: u16, error: u32, sub: u32, why: &str| {
            Reply::new(status).json(json!({
                "error": error, "sub_error": sub, "error_description": why,
            }))
        };
        let form = content_type(request) == "application/x-www-form-urlencoded";
        if request.method() != Method::POST || !form {
            return refuse(400, 1101, 20001, "post a form");
        }
        let fields = form_fields(request.body());
        let field = |name: &str| fields.get(name).map_or("", String::as_str);
        if field("grant_type") != "client_credentials" {
            return refuse(400, 1101, 20001, "grant_type is not client_credentials");
        }
        let mut state = self.lock();
        let Some(secret) = state.secrets.get(field("client_id")) else {
            return refuse(401, 1101, 20041, "client_id is not known");
        };
        let same = constant_time::verify_slices_are_equal(
            secret.expose().as_bytes(),
            field("client_secret").as_bytes(),
        );
        if same.is_err() {
            return refuse(401, 1101, 20042, "client_secret is wrong");
        }
        let token = random(48);
        let expires_at = self.clock.now() + self.token_lifetime;
        let app_id = field("client_id").to_owned();
        state.counters.tokens_issued += 1;
        let access = AccessToken { app_id, expires_at };
        state.access.insert(token.clone(), access);
        // As the real service writes it: every slash escaped.
        let body = json!({
            "access_token": token,
            "expires_in": self.token_lifetime.as_secs(),
            "token_type": "Bearer",
        });
        Reply::new(200)
            .header("content-type", "application/json; charset=UTF-8")
            .body(body.to_string().replace('/', "\\/"))
    }

    fn push(
        &self,
        request: &Request<Bytes>,
        owner: &Owner<'_>,
        request_id: &str,
    ) -> Result<(&'static str, String), Refusal> {
        let refuse = |code, msg: &str| Refusal {
            code,
            msg: msg.to_owned(),
        };
        let mut state = self.lock();
        let access = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|it| it.to_str().ok()?.strip_prefix("Bearer "))
            .and_then(|it| state.access.get(it))
            .ok_or_else(|| refuse("80200001", "OAuth authentication error"))?;
        if self.clock.now() >= access.expires_at {
            return Err(refuse("80200003", "OAuth token expired"));
        }
        let app = self
            .apps
            .iter()
            .find(|it| it.id == access.app_id)
            .filter(|it| owner.is(it))
            .ok_or_else(|| refuse("80300002", "no permission to send messages to this app"))?;
        if !content_type(request).starts_with("application/json") {
            return Err(refuse("80100001", "content-type is not application/json"));
        }
        let accepted = check::check(request.body(), app.high_urgency)?;
        let state = &mut *state;
        let mut seen = HashSet::new();
        let tokens = accepted.tokens.iter().filter(|it| seen.insert(*it));
        let legal = |it: &Device| it.app_id == app.id && it.install != Install::Gone;
        let (alive, illegal): (Vec<_>, Vec<_>) =
            tokens.partition(|it| state.devices.get(*it).map_or(self.any_token, legal));
        if accepted.validate_only {
            state.counters.validated += 1;
        } else {
            state.counters.accepted += alive.len() as u64;
            state.counters.illegal += illegal.len() as u64;
            let arrival = Arrival::new(request_id, &accepted.message);
            let now = self.clock.now();
            for token in &alive {
                if let Some(device) = state.devices.get_mut(*token) {
                    let receipts = device.take(arrival.clone(), now);
                    state.owe(&app.id, token, receipts, now);
                }
            }
            self.arrivals.send_modify(|it| *it += 1);
        }
        match (alive.len(), illegal.len()) {
            (_, 0) => Ok(("80000000", "Success".to_owned())),
            (0, _) => Err(refuse("80300007", "All tokens are invalid")),
            (success, failure) => {
                let inner = json!({
                    "success": success, "failure": failure, "illegal_tokens": illegal,
                });
                Ok(("80100000", inner.to_string()))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

/// Whose messages a path is for.
enum Owner<'a> {
    App(&'a str),
    Project(&'a str),
}

impl Owner<'_> {
    fn is(&self, app: &App) -> bool {
        match self {
            Self::App(id) => *id == app.id,
            Self::Project(id) => *id == app.project,
        }
    }
}

/// `/v1/{app}/messages:send` or `/v2/{project}/messages:send`.
fn owner(path: &str) -> Option<Owner<'_>> {
    let id = path.strip_suffix("/messages:send")?;
    match id.strip_prefix('/')?.split_once('/')? {
        ("v1", id) if !id.is_empty() => Some(Owner::App(id)),
        ("v2", id) if !id.is_empty() => Some(Owner::Project(id)),
        _ => None,
    }
}

fn content_type(request: &Request<Bytes>) -> &str {
    request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|it| it.to_str().ok())
        .unwrap_or_default()
}

fn form_fields(body: &[u8]) -> HashMap<String, String> {
    let decode = |it: &[u8]| {
        let spaced: Vec<u8> = it
            .iter()
            .map(|it| if *it == b'+' { b' ' } else { *it })
            .collect();
        percent_decode(&spaced).decode_utf8_lossy().into_owned()
    };
    body.split(|it| *it == b'&')
        .filter_map(|pair| {
            let equals = pair.iter().position(|it| *it == b'=')?;
            Some((decode(&pair[..equals]), decode(&pair[equals + 1..])))
        })
        .collect()
}

/// A new phone's token, as long as the real ones.
pub(super) fn device_token() -> String {
    format!("IQAAAACy{}", random(90))
}

/// Random text with slashes in it now and then.
fn random(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    rand::fill(&mut random).expect("the system has random numbers");
    STANDARD.encode(random)
}
