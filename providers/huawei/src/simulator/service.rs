//! Both services: access tokens, messages, and the phones behind them.
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::{constant_time, rand};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, Request, header};
use push_core::{Clock, Secret, Timestamp};
use push_testkit::{
    Faults, Reply,
    simulator::{AccessTokens, Inbox, NotGranted, Receipts, bearer, form},
};
use serde_json::{Value, json};

use super::{
    App, Options,
    arrival::Arrival,
    check::{self, Refusal},
    device::{Device, Install},
};

/// The path of the token service, and its key in [`super::Simulator::faults`].
pub const TOKEN_KEY: &str = "/oauth2/v3/token";

/// The older path of the token service, which clients still use.
const OLD_TOKEN_PATH: &str = "/oauth2/v2/token";

/// What was counted since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Requests to the token service.
    pub token_requests: u64,
    /// Access tokens handed out.
    pub tokens_issued: u64,
    /// Requests to the push service.
    pub send_requests: u64,
    /// Tokens that were accepted, over all requests.
    pub accepted: u64,
    /// Tokens that were illegal.
    pub illegal: u64,
    /// Messages that were checked only.
    pub validated: u64,
    /// Answers of the push service, by code; 503 of flow control as `503`.
    pub answers: BTreeMap<String, u64>,
}

impl Counters {
    /// The counters as a JSON object.
    pub fn to_json(&self) -> Value {
        json!({
            "token_requests": self.token_requests,
            "tokens_issued": self.tokens_issued,
            "send_requests": self.send_requests,
            "accepted": self.accepted,
            "illegal": self.illegal,
            "validated": self.validated,
            "answers": self.answers,
        })
    }
}

#[derive(Default)]
struct State {
    devices: HashMap<String, Device>,
    burst: usize,
    burst_retry_after: Option<Duration>,
    counters: Counters,
    secrets: HashMap<String, Secret>,
}

/// An answer of the push service that is no refusal.
enum Answer {
    Code(&'static str, String),
    Scripted(Reply),
}

pub(super) struct Service {
    pub(super) faults: Faults,
    apps: Vec<App>,
    token_lifetime: Duration,
    codes_with_200: bool,
    any_token: bool,
    quotas: bool,
    clock: Arc<dyn Clock>,
    /// Each with the id of the app that it was granted to.
    access: AccessTokens<String>,
    pub(super) receipts: Receipts,
    state: Mutex<State>,
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
            any_token: options.base.any_token,
            quotas: options.quotas,
            clock: options.base.clock,
            access: AccessTokens::default(),
            receipts: Receipts::default(),
            state: Mutex::new(State {
                secrets,
                ..State::default()
            }),
        }
    }

    /// The first app.
    pub(super) fn app(&self) -> &App {
        &self.apps[0]
    }

    pub(super) fn knows(&self, app_id: &str) -> bool {
        self.apps.iter().any(|app| app.id == app_id)
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
        self.access.forget();
    }

    pub(super) fn expire_access_tokens(&self) {
        self.access.expire(self.now());
    }

    pub(super) fn reset_secret(&self, app_id: &str, secret: Secret) {
        self.lock().secrets.insert(app_id.to_owned(), secret);
    }

    pub(super) fn install(&self, app_id: &str, token: &str) -> Inbox<Arrival> {
        let mut state = self.lock();
        let device = state.devices.entry(token.to_owned()).or_default();
        app_id.clone_into(&mut device.app_id);
        device.install = Install::There;
        device.inbox.clone()
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
            let receipts = device.switch_on(now);
            self.owe(&device.app_id, token, receipts, now);
        }
    }

    /// Hands over what waits on the phone itself.
    pub(super) fn wake(&self, token: &str) {
        let now = self.now();
        let mut state = self.lock();
        if let Some(device) = state.devices.get_mut(token) {
            let receipts = device.wake();
            self.owe(&device.app_id, token, receipts, now);
        }
    }

    /// Adds receipts to those that wait to be posted.
    fn owe(&self, app_id: &str, token: &str, receipts: Vec<(Arrival, i32)>, now: Timestamp) {
        for (arrival, status) in receipts {
            self.receipts.owe(json!({
                "biTag": arrival.android["bi_tag"].as_str().unwrap_or_default(),
                "appid": app_id,
                "token": token,
                "status": status,
                "timestamp": now.unix_millis(),
                "requestId": arrival.request_id,
            }));
        }
    }

    pub(super) fn answer(&self, request: &Request<Bytes>) -> Reply {
        let path = request.uri().path();
        if path == TOKEN_KEY || path == OLD_TOKEN_PATH {
            self.lock().counters.token_requests += 1;
            return self
                .faults
                .take_for(TOKEN_KEY)
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
            Ok(Answer::Scripted(reply)) => return reply,
            Ok(Answer::Code(code, msg)) => (200, code, msg),
            Err(Refusal { code, msg }) => (self.status(code), code, msg),
        };
        let answers = &mut self.lock().counters.answers;
        *answers.entry(code.to_owned()).or_default() += 1;
        Reply::new(status).json(json!({"code": code, "msg": msg, "requestId": request_id}))
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
        if self.codes_with_200 {
            200
        } else {
            status_of(code)
        }
    }

    /// The token service: `grant_type=client_credentials`.
    fn grant(&self, request: &Request<Bytes>) -> Reply {
        // The account server's pages: 400 with error 1101, and a sub_error.
        let refuse = |sub: u32, why: &str| {
            Reply::new(400).json(json!({
                "error": 1101, "sub_error": sub, "error_description": why,
            }))
        };
        if request.method() != Method::POST {
            return Reply::new(405);
        }
        let is_form = content_type(request).starts_with("application/x-www-form-urlencoded");
        let fields = form(request.body());
        let field = |name: &str| fields.get(name).map_or("", String::as_str);
        if !is_form || field("grant_type") != "client_credentials" {
            return refuse(20182, "grant_type is not client_credentials");
        }
        let id = field("client_id");
        if !(1..=64).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            return refuse(20002, "client_id is not 1 to 64 digits");
        }
        let mut state = self.lock();
        let Some(secret) = state.secrets.get(id) else {
            return refuse(12304, "client_id is not known");
        };
        let same = constant_time::verify_slices_are_equal(
            secret.expose().as_bytes(),
            field("client_secret").as_bytes(),
        );
        if same.is_err() {
            return refuse(12304, "client_secret is wrong");
        }
        let token = random(48);
        state.counters.tokens_issued += 1;
        let (now, life) = (self.clock.now(), self.token_lifetime);
        self.access.grant(&token, id.to_owned(), now, life);
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
    ) -> Result<Answer, Refusal> {
        let refuse = |code, msg: &str| Refusal {
            code,
            msg: msg.to_owned(),
        };
        let token = bearer(request.headers())
            .ok_or_else(|| refuse("80200001", "OAuth authentication error"))?;
        let app_id = self
            .access
            .holder(token, self.clock.now())
            .map_err(|why| match why {
                NotGranted::Expired => refuse("80200003", "OAuth token expired"),
                NotGranted::Unknown => refuse("80200003", "OAuth token is damaged"),
            })?;
        let app = self
            .apps
            .iter()
            .find(|app| app.id == app_id)
            .filter(|app| owner.is(app))
            .ok_or_else(|| refuse("80300002", "no permission to send messages to this app"))?;
        if !content_type(request).starts_with("application/json") {
            return Err(refuse("80100001", "content-type is not application/json"));
        }
        let accepted = check::check(request.body(), app.high_urgency)?;
        let scripted = |token: &String| self.faults.take_for(token);
        if !accepted.validate_only
            && let Some(reply) = accepted.tokens.iter().find_map(scripted)
        {
            return Ok(Answer::Scripted(reply));
        }
        let mut state = self.lock();
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
                    let receipts = device.take(arrival.clone(), now, self.quotas);
                    self.owe(&app.id, token, receipts, now);
                }
            }
        }
        match (alive.len(), illegal.len()) {
            (_, 0) => Ok(Answer::Code("80000000", "Success".to_owned())),
            (0, _) => Err(refuse("80300007", "All the tokens are invalid")),
            (success, failure) => {
                let inner = json!({
                    "success": success, "failure": failure, "illegal_tokens": illegal,
                });
                Ok(Answer::Code("80100000", inner.to_string()))
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

/// The HTTP status of a code. Huawei documents 400 for parameters, 401 for authentication and 503 for flow control, and
/// answers with 200 as well.
fn status_of(code: &str) -> u16 {
    match code {
        "80200001" | "80200003" | "80200005" | "80300002" => 401,
        // That all tokens are invalid is an answer.
        "80000000" | "80100000" | "80300007" => 200,
        "81000001" | "80600003" => 500,
        _ => 400,
    }
}

/// An answer of the push service with this code; `503` is flow control, which has none.
pub(super) fn error(code: &str) -> Reply {
    if code == "503" {
        return Reply::new(503);
    }
    Reply::new(status_of(code))
        .json(json!({"code": code, "msg": "scripted", "requestId": random(12)}))
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
