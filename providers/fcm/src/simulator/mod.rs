//! Google's side on 127.0.0.1: the token endpoint, FCM, and the phones behind it.
//!
//! It is as strict as the service where the service is known to be: it checks the assertion's signature, audience, dates and
//! scope, refuses access tokens that expired and other projects, refuses every field that the interface does not have, and
//! delivers only to tokens and installation ids (`fid`) of an app that is installed. What it accepts can be seen on the
//! [`Phone`], and tapped there.
//!
//! # What Google does not document, and what the simulator does
//!
//! - `android.data` beside `message.data`: the phone gets `android.data` alone, the plain reading of "overrides".
//! - A field given in both spellings (`collapseKey` and `collapse_key`): refused. A JSON key given twice: the last counts.
//! - Reserved keys of `data`: both of Google's lists are refused, that is `from`, `message_type`, `gcm`, and what begins with
//!   `google` or `gcm.notification.`.
//! - An assertion without `kid` is taken, as Google's own library for Node.js sends it; one that names another key is not.
//! - Access that has expired: 401 with `ErrorInfo` and the reason `ACCESS_TOKEN_EXPIRED`; any other wrong access: 401 alone.
//! - An enumeration's number that has no name: refused.
//! - A condition has five topics at most.
//! - A registration has 2,000 topics at most, as before the interface of 2026; pages of subscriptions have 100 at most.
//! - `android_v2` is shown as `android` is: whether a phone has an old client library is not simulated.
//! - A message to an iPhone or a browser is not counted as Apple or the push service would count it: see `schema`.
//! - Rates are counted only with [`Options::with_quotas`]: 240 messages a minute and 5,000 an hour for a device, 20 at once with a
//!   collapse key and one more in three minutes, 600,000 a minute for the project. The minute begins with its first message.
//!
//! ```no_run
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! use push_provider_fcm::simulator::{Options, Simulator, error};
//! let google = Simulator::start(Options::default()).await?;
//! let phone = google.install();
//! google.on(&phone.token(), error("QUOTA_EXCEEDED").header("retry-after", "60"));
//! # Ok(()) }
//! ```

mod arrival;
mod oauth;
mod phone;
mod quota;
mod rules;
mod running;
mod schema;
mod topics;

use std::{
    collections::HashMap,
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, header};
use push_core::Clock;
use push_testkit::{
    Faults, Log, Reply, counters, fixtures, json,
    serde_json::Value,
    simulator::{self, NotGranted, Service, bearer},
    simulator_options,
};

pub use self::{
    arrival::{Arrival, Platform, Tapped},
    phone::Phone,
};
use self::{oauth::Accounts, quota::Quotas, topics::Place};

/// The project whose messages are taken.
pub const PROJECT: &str = "demo-project";

/// The project's number, which the interface takes for its name.
const PROJECT_NUMBER: &str = "100000000001";

/// The largest body of a request, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// How the service listens and behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// What every simulator has.
    pub base: simulator::Options,
    /// How long an access token is good. Default: 3,599 s, as Google's are.
    pub access: Duration,
    /// Whether rates are limited as the service limits them. Default: `false`.
    pub quotas: bool,
}

impl Default for Options {
    fn default() -> Self {
        simulator::Options::default().into()
    }
}

impl From<simulator::Options> for Options {
    fn from(base: simulator::Options) -> Self {
        Self {
            base,
            access: Duration::from_secs(3599),
            quotas: false,
        }
    }
}

simulator_options!(Options);

impl Options {
    /// Grants access tokens that are good for this long.
    #[must_use]
    pub fn with_access(mut self, life: Duration) -> Self {
        self.access = life;
        self
    }

    /// Limits the rate of a device and of the project.
    #[must_use]
    pub const fn with_quotas(mut self) -> Self {
        self.quotas = true;
        self
    }
}

/// Google: token endpoint and FCM on one port. When it drops, everything closes.
pub struct Simulator {
    service: Service,
    world: Arc<World>,
}

/// What all connections and phones share.
struct World {
    clock: Arc<dyn Clock>,
    any_token: bool,
    accounts: Accounts,
    /// By token and by installation id.
    phones: Mutex<HashMap<String, Phone>>,
    faults: Faults,
    numbers: Numbers,
    messages: AtomicU64,
    quotas: Option<Quotas>,
    /// What the token endpoint answers instead of its own.
    token_fault: Mutex<Option<Reply>>,
}

counters! {
    /// What happened since the start.
    pub struct Counters of Numbers {
        /// Connections that were accepted.
        connections,
        /// Requests to the token endpoint.
        token_requests,
        /// Access tokens that were granted.
        granted,
        /// Messages that were sent, dry runs included.
        sends,
        /// Messages that were accepted, dry runs excluded.
        accepted,
        /// Dry runs that were accepted.
        dry_runs,
    }
}

impl Simulator {
    /// Begins to listen. Needs a tokio runtime.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn start(options: Options) -> io::Result<Self> {
        let world = Arc::new(World {
            accounts: Accounts::new(options.access),
            clock: Arc::clone(&options.base.clock),
            any_token: options.base.any_token,
            phones: Mutex::default(),
            faults: Faults::new(),
            numbers: Numbers::default(),
            messages: AtomicU64::new(0),
            quotas: options.quotas.then(Quotas::default),
            token_fault: Mutex::default(),
        });
        let google = Arc::clone(&world);
        let service = options
            .base
            .serve(MAX_BODY, move |request| google.answer(request))
            .await?;
        world.accounts.listen_at(&service.server().url());
        Ok(Self { service, world })
    }

    /// Where to send to: the value of `endpoint` in the provider's configuration.
    pub fn endpoint(&self) -> String {
        self.service.server().url()
    }

    /// The authority of the service's certificate, as PEM: the value of `http.extra_ca_pem`.
    pub fn ca_pem(&self) -> String {
        self.service.ca_pem()
    }

    /// The key file of a service account that may send for [`PROJECT`]: the value of `service_account`.
    pub fn service_account(&self) -> String {
        json!({
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": oauth::KEY_ID,
            "private_key": fixtures::rsa_key(),
            "client_email": oauth::EMAIL,
            "client_id": "100000000000000000001",
            "token_uri": format!("{}/token", self.service.server().url()),
        })
        .to_string()
    }

    /// A configuration of the provider that reaches this service.
    pub fn config(&self) -> Value {
        json!({
            "service_account": self.service_account(),
            "endpoint": self.endpoint(),
            "http": { "extra_ca_pem": self.ca_pem() },
        })
    }

    /// Puts the app on a new Android phone.
    pub fn install(&self) -> Phone {
        self.install_on(Platform::Android)
    }

    /// Puts the app on a new phone, or opens it in a new browser.
    pub fn install_on(&self, platform: Platform) -> Phone {
        Phone::install(&self.world, platform)
    }

    /// Answers every message to `token` so from now on, if it is well formed. See [`error`].
    pub fn on(&self, token: &str, reply: impl Into<Reply>) {
        self.world.faults.on(token, reply);
    }

    /// Answers the next well-formed message so, whomever it is for; several queue up.
    pub fn next(&self, reply: impl Into<Reply>) {
        self.world.faults.next(reply);
    }

    /// Answers every request to the token endpoint so from now on; `None` ends that.
    pub fn fail_token_endpoint(&self, reply: Option<Reply>) {
        *self.world.token_fault() = reply;
    }

    /// Forgets every answer that was ordered, those of the token endpoint too.
    pub fn heal(&self) {
        self.fail_token_endpoint(None);
        self.world.faults.clear();
    }

    /// Makes Google forget the service account's key, as when an operator deletes it. Access that was granted stays good.
    pub fn revoke_key(&self) {
        self.world.accounts.revoke_key();
    }

    /// Ends every access that was granted.
    pub fn expire_access(&self) {
        self.world.accounts.expire_access();
    }

    /// Cuts every connection without a word.
    pub fn cut_connections(&self) {
        self.service.disconnect(false);
    }

    /// The requests themselves.
    pub fn log(&self) -> &Log {
        self.service.server().log()
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        Counters {
            connections: self.service.server().listener().accepted(),
            ..self.world.numbers.read()
        }
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator")
            .field("endpoint", &self.endpoint())
            .field("counters", &self.counters())
            .finish()
    }
}

/// An error as FCM answers it, with the status that goes with `code`: `UNREGISTERED`, `QUOTA_EXCEEDED`, `UNAVAILABLE`, … A
/// code of your own invention comes with 400.
pub fn error(code: &str) -> Reply {
    let (status, word) = match code {
        "UNREGISTERED" => (404, "NOT_FOUND"),
        "SENDER_ID_MISMATCH" => (403, "PERMISSION_DENIED"),
        "QUOTA_EXCEEDED" => (429, "RESOURCE_EXHAUSTED"),
        "UNAVAILABLE" => (503, "UNAVAILABLE"),
        "INTERNAL" => (500, "INTERNAL"),
        "THIRD_PARTY_AUTH_ERROR" | "APNS_AUTH_ERROR" => (401, "UNAUTHENTICATED"),
        "UNSPECIFIED_ERROR" => (500, "UNKNOWN"),
        _ => (400, "INVALID_ARGUMENT"),
    };
    failure(status, word, "scripted", &[fcm_error(code)])
}

/// An error of any Google interface (`google.rpc.Status`).
fn failure(status: u16, word: &str, message: &str, details: &[Value]) -> Reply {
    let mut error = json!({ "code": status, "message": message, "status": word });
    if !details.is_empty() {
        error["details"] = details.into();
    }
    Reply::new(status).json(json!({ "error": error }))
}

/// FCM's own detail of an error.
fn fcm_error(code: &str) -> Value {
    json!({
        "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError",
        "errorCode": code,
    })
}

/// An argument that FCM refuses, with the field that is wrong. As in Google's examples there is no `FcmError`.
fn invalid(field: &str, message: &str) -> Reply {
    let detail = json!({
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{ "field": field, "description": message }],
    });
    failure(400, "INVALID_ARGUMENT", message, &[detail])
}

/// Access that was never granted, or has expired. Clients look for the reason of the latter before they ask for new access.
fn unauthenticated(why: NotGranted) -> Reply {
    let message = "Request had invalid authentication credentials.";
    let detail = json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "ACCESS_TOKEN_EXPIRED",
        "domain": "googleapis.com",
        "metadata": { "service": "fcm.googleapis.com" },
    });
    let details = match why {
        NotGranted::Unknown => &[][..],
        NotGranted::Expired => &[detail],
    };
    failure(401, "UNAUTHENTICATED", message, details)
}

/// A registration that is not there any more, or never was.
fn unregistered() -> Reply {
    let message = "Requested entity was not found.";
    failure(404, "NOT_FOUND", message, &[fcm_error("UNREGISTERED")])
}

impl World {
    fn answer(&self, request: &Request<Bytes>) -> Reply {
        // Subscriptions are no messages.
        if Place::read(request.uri().path()).is_some() {
            return self.take(request).unwrap_or_else(|refusal| refusal);
        }
        if request.uri().path() == "/token" {
            self.numbers.token_requests.fetch_add(1, Ordering::Relaxed);
            if let Some(reply) = self.token_fault().clone() {
                return reply;
            }
            let reply = self.accounts.answer(request, self.clock.now());
            if reply.status() == Some(200) {
                self.numbers.granted.fetch_add(1, Ordering::Relaxed);
            }
            return reply;
        }
        self.numbers.sends.fetch_add(1, Ordering::Relaxed);
        self.take(request).unwrap_or_else(|refusal| refusal)
    }

    /// Checks a message in the order in which the service does, and delivers it.
    fn take(&self, request: &Request<Bytes>) -> Result<Reply, Reply> {
        let header = |name| {
            let value = request.headers().get(name);
            value.and_then(|it| it.to_str().ok()).unwrap_or_default()
        };
        let path = request.uri().path();
        let place = Place::read(path);
        let project = path
            .strip_prefix("/v1/projects/")
            .and_then(|rest| rest.strip_suffix("/messages:send"))
            .filter(|project| !project.is_empty() && !project.contains('/'));
        let project = match (&place, project, request.method()) {
            (Some(place), ..) => place.project,
            (None, Some(project), &Method::POST) => project,
            _ => {
                let message = "Requested entity was not found.";
                return Err(failure(404, "NOT_FOUND", message, &[]));
            }
        };
        let access = bearer(request.headers()).ok_or(NotGranted::Unknown);
        if let Err(why) = access.and_then(|token| self.accounts.admits(token, self.clock.now())) {
            return Err(unauthenticated(why));
        }
        if ![PROJECT, PROJECT_NUMBER].contains(&project) {
            let message = "Permission 'cloudmessaging.messages.create' denied on resource, \
                           or it may not exist.";
            return Err(failure(403, "PERMISSION_DENIED", message, &[]));
        }
        if let Some(place) = place {
            return self.subscriptions(request, &place);
        }
        if !header(header::CONTENT_TYPE).starts_with("application/json") {
            let message = "Invalid JSON payload received.";
            return Err(failure(400, "INVALID_ARGUMENT", message, &[]));
        }
        let body = schema::read(request.body())?;
        let message = &body["message"];
        let text = |key: &str| message[key].as_str();
        let target = text("token").or(text("fid")).unwrap_or_default();
        if let Some(reply) = self.faults.take(target) {
            return Err(reply);
        }
        let phones: Vec<Phone> = match (text("token"), text("fid")) {
            (Some(token), _) => self.find(token)?.into_iter().collect(),
            (None, Some(fid)) => self.find_installation(fid)?.into_iter().collect(),
            (None, None) => self.audience(message).unwrap_or_default(),
        };
        if body["validate_only"] == true {
            self.numbers.dry_runs.fetch_add(1, Ordering::Relaxed);
            let name = format!("projects/{PROJECT}/messages/fake_message_id");
            return Ok(Reply::new(200).json(json!({ "name": name })));
        }
        let now = self.clock.now();
        if let Some(quotas) = &self.quotas {
            let is_collapsible = ["android", "android_v2"]
                .into_iter()
                .any(|form| message[form]["collapse_key"].is_string());
            // A device is known by its token; a message to a topic counts for the project alone.
            let device = phones.first().map_or(target.to_owned(), Phone::token);
            let device = Some(device).filter(|_| !target.is_empty());
            quotas.count(device.as_deref(), is_collapsible, now)?;
        }
        let number = self.messages.fetch_add(1, Ordering::Relaxed);
        let id = format!("0:{}%{number:016x}", now.unix_millis() * 1000);
        for phone in phones {
            phone.take(message, &id, now);
        }
        self.numbers.accepted.fetch_add(1, Ordering::Relaxed);
        let name = format!("projects/{PROJECT}/messages/{id}");
        Ok(Reply::new(200).json(json!({ "name": name })))
    }

    /// The phone that `token` reaches; `None` if every token is welcome.
    fn find(&self, token: &str) -> Result<Option<Phone>, Reply> {
        let phone = self.phones().get(token).cloned();
        if phone.is_some() {
            return Ok(phone);
        }
        let well_formed = (20..=4096).contains(&token.len())
            && token
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || matches!(it, b':' | b'-' | b'_'));
        if !well_formed {
            // As in Google's example: FCM's own detail, and no field.
            let words = "The registration token is not a valid FCM registration token";
            let detail = fcm_error("INVALID_ARGUMENT");
            return Err(failure(400, "INVALID_ARGUMENT", words, &[detail]));
        }
        if self.any_token {
            return Ok(None);
        }
        Err(unregistered())
    }

    /// The phone of an installation id. Unlike a token, one that is malformed is unregistered, never an invalid argument.
    fn find_installation(&self, fid: &str) -> Result<Option<Phone>, Reply> {
        match self.phones().get(fid).cloned() {
            Some(phone) => Ok(Some(phone)),
            None if self.any_token && rules::is_fid(fid) => Ok(None),
            None => Err(unregistered()),
        }
    }

    fn token_fault(&self) -> MutexGuard<'_, Option<Reply>> {
        self.token_fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn phones(&self) -> MutexGuard<'_, HashMap<String, Phone>> {
        self.phones.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
