//! Google's side on 127.0.0.1: the token endpoint, FCM, and the phones behind it.
//!
//! It is as strict as the service where the service is known to be: it checks the assertion's signature, audience, dates and
//! scope, refuses access tokens that expired, refuses every field that the interface does not have, and delivers only to
//! tokens of an app that is installed. What it accepts can be seen on the [`Phone`], and tapped there.
//!
//! ```no_run
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! use push_provider_fcm::simulator::{Options, Simulator, error};
//! let google = Simulator::start(Options::default()).await?;
//! let phone = google.install();
//! google.on(&phone.token(), error("QUOTA_EXCEEDED").header("retry-after", "60"));
//! # Ok(()) }
//! ```

mod oauth;
mod phone;
mod schema;

use std::{
    collections::HashMap,
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Method, Request, header};
use push_core::Clock;
use push_http::TokioClock;
use push_testkit::{
    Authority, Faults, HttpServer, LOOPBACK, Log, Reply, ServerOptions, fixtures, json,
    serde_json::Value,
};

use self::oauth::Accounts;
pub use self::phone::{Arrival, Phone, Tapped};

/// The project whose messages are taken.
pub const PROJECT: &str = "demo-project";

/// How the service listens and behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Where it listens. Default: a free port of 127.0.0.1.
    pub address: SocketAddr,
    /// What dates are compared with and delays wait on. Default: real time.
    pub clock: Arc<dyn Clock>,
    /// How long every answer takes. Default: none.
    pub delay: Duration,
    /// How long an access token is good. Default: 3,599 s, as Google's are.
    pub access: Duration,
    /// Whether every well-formed token belongs to a phone that takes everything: for load. Default: false.
    pub any_token: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: LOOPBACK,
            clock: Arc::new(TokioClock),
            delay: Duration::ZERO,
            access: Duration::from_secs(3599),
            any_token: false,
        }
    }
}

impl Options {
    /// Compares dates with this clock, and waits on it.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Answers after this long.
    #[must_use]
    pub fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Grants access tokens that are good for so long.
    #[must_use]
    pub fn with_access(mut self, life: Duration) -> Self {
        self.access = life;
        self
    }

    /// Delivers to every well-formed token.
    #[must_use]
    pub fn with_any_token(mut self) -> Self {
        self.any_token = true;
        self
    }

    /// Listens on this port of 127.0.0.1.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.address = SocketAddr::new(LOOPBACK.ip(), port);
        self
    }
}

/// Google: token endpoint and FCM on one port. When it drops, everything closes.
pub struct Simulator {
    server: HttpServer,
    world: Arc<World>,
    ca_pem: String,
}

/// What all connections and phones share.
struct World {
    clock: Arc<dyn Clock>,
    any_token: bool,
    accounts: Accounts,
    phones: Mutex<HashMap<String, Phone>>,
    faults: Faults,
    numbers: Numbers,
}

#[derive(Default)]
struct Numbers {
    token_requests: AtomicU64,
    granted: AtomicU64,
    sends: AtomicU64,
    accepted: AtomicU64,
    dry_runs: AtomicU64,
    messages: AtomicU64,
}

/// What happened since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections that were accepted.
    pub connections: u64,
    /// Requests to the token endpoint.
    pub token_requests: u64,
    /// Access tokens that were granted.
    pub granted: u64,
    /// Messages that were sent, dry runs included.
    pub sends: u64,
    /// Messages that were accepted, dry runs excluded.
    pub accepted: u64,
    /// Dry runs that were accepted.
    pub dry_runs: u64,
}

impl Simulator {
    /// Begins to listen. Needs a tokio runtime.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn start(options: Options) -> io::Result<Self> {
        let authority = Authority::new();
        let mut serving = ServerOptions::tls(&authority).with_clock(Arc::clone(&options.clock));
        serving.address = options.address;
        let world = Arc::new(World {
            accounts: Accounts::new(options.access),
            clock: options.clock,
            any_token: options.any_token,
            phones: Mutex::default(),
            faults: Faults::new(),
            numbers: Numbers::default(),
        });
        let (google, delay) = (Arc::clone(&world), options.delay);
        let server = HttpServer::start(serving, move |request| {
            let reply = google.answer(&request);
            async move {
                if delay.is_zero() {
                    reply
                } else {
                    reply.after(delay)
                }
            }
        })
        .await?;
        world.accounts.listen_at(&server.url());
        Ok(Self {
            server,
            world,
            ca_pem: authority.pem(),
        })
    }

    /// Where to send to: the value of `endpoint` in the provider's configuration.
    pub fn endpoint(&self) -> String {
        self.server.url()
    }

    /// The authority of the service's certificate, as PEM: the value of `http.extra_ca_pem`.
    pub fn ca_pem(&self) -> String {
        self.ca_pem.clone()
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
            "token_uri": format!("{}/token", self.server.url()),
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

    /// Puts the app on a new phone.
    pub fn install(&self) -> Phone {
        Phone::install(&self.world)
    }

    /// Answers every message to `token` so from now on, if it is well formed. See [`error`].
    pub fn on(&self, token: &str, reply: impl Into<Reply>) {
        self.world.faults.on(token, reply);
    }

    /// Answers the next well-formed message so, whomever it is for; several queue up.
    pub fn next(&self, reply: impl Into<Reply>) {
        self.world.faults.next(reply);
    }

    /// Forgets every answer that was ordered.
    pub fn heal(&self) {
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
        self.server.listener().cut_connections();
    }

    /// The requests themselves.
    pub fn log(&self) -> &Log {
        self.server.log()
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        let read = |it: &AtomicU64| it.load(Ordering::Relaxed);
        let numbers = &self.world.numbers;
        Counters {
            connections: self.server.listener().accepted(),
            token_requests: read(&numbers.token_requests),
            granted: read(&numbers.granted),
            sends: read(&numbers.sends),
            accepted: read(&numbers.accepted),
            dry_runs: read(&numbers.dry_runs),
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
    let detail = json!({
        "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError",
        "errorCode": code,
    });
    failure(status, word, "scripted", &[detail])
}

/// An error of any Google interface (`google.rpc.Status`).
fn failure(status: u16, word: &str, message: &str, details: &[Value]) -> Reply {
    let mut error = json!({ "code": status, "message": message, "status": word });
    if !details.is_empty() {
        error["details"] = details.into();
    }
    Reply::new(status).json(json!({ "error": error }))
}

/// An argument that FCM itself refuses.
fn invalid(field: &str, message: &str) -> Reply {
    failure(
        400,
        "INVALID_ARGUMENT",
        message,
        &[
            json!({
                "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError",
                "errorCode": "INVALID_ARGUMENT",
            }),
            json!({
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [{ "field": field, "description": message }],
            }),
        ],
    )
}

impl World {
    fn answer(&self, request: &Request<Bytes>) -> Reply {
        if request.uri().path() == "/token" {
            self.numbers.token_requests.fetch_add(1, Ordering::Relaxed);
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
        let path = format!("/v1/projects/{PROJECT}/messages:send");
        if request.uri().path() != path || request.method() != Method::POST {
            let message = "Requested entity was not found.";
            return Err(failure(404, "NOT_FOUND", message, &[]));
        }
        let bearer = header(header::AUTHORIZATION).strip_prefix("Bearer ");
        if !bearer.is_some_and(|it| self.accounts.admits(it, self.clock.now())) {
            let message = "Request had invalid authentication credentials.";
            return Err(failure(401, "UNAUTHENTICATED", message, &[]));
        }
        if !header(header::CONTENT_TYPE).starts_with("application/json") {
            let message = "Invalid JSON payload received.";
            return Err(failure(400, "INVALID_ARGUMENT", message, &[]));
        }
        let body = schema::read(request.body())?;
        let message = &body["message"];
        let token = message["token"].as_str().unwrap_or_default();
        if let Some(reply) = self.faults.take(token) {
            return Err(reply);
        }
        let phone = if token.is_empty() {
            None
        } else {
            self.find(token)?
        };
        if body["validate_only"] == true {
            self.numbers.dry_runs.fetch_add(1, Ordering::Relaxed);
            let name = format!("projects/{PROJECT}/messages/fake_message_id");
            return Ok(Reply::new(200).json(json!({ "name": name })));
        }
        let number = self.numbers.messages.fetch_add(1, Ordering::Relaxed);
        let id = format!("0:{}%{number:016x}", self.clock.now().unix_millis() * 1000);
        if let Some(phone) = phone {
            phone.take(message, &id, self.clock.now());
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
            let words = "The registration token is not a valid FCM registration token";
            return Err(invalid("message.token", words));
        }
        if self.any_token {
            return Ok(None);
        }
        let detail = json!({
            "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError",
            "errorCode": "UNREGISTERED",
        });
        let message = "Requested entity was not found.";
        Err(failure(404, "NOT_FOUND", message, &[detail]))
    }

    fn phones(&self) -> MutexGuard<'_, HashMap<String, Phone>> {
        self.phones.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Text that cannot be guessed.
fn random(bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    rand::fill(&mut buffer).expect("the system has randomness");
    URL_SAFE_NO_PAD.encode(buffer)
}
