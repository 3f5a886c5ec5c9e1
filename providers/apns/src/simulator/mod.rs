//! Apple's service on 127.0.0.1, as strict as the real one, with phones that it delivers to.
//!
//! ```no_run
//! # async fn f() -> std::io::Result<()> {
//! use push_core::Environment;
//! use push_provider_apns::simulator::{Options, Simulator};
//!
//! let apple = Simulator::start(Options::default()).await?;
//! let phone = apple.install("com.example.chat", Environment::Production);
//! println!("[http]\nextra_ca_pem = '''{}'''", apple.ca_pem());
//! println!("endpoint = \"{}\"", apple.endpoint(Environment::Production));
//! println!("token: {}", phone.token());
//! # Ok(()) }
//! ```
//!
//! What it does: HTTP/2 over TLS only, by ALPN or by the client's preface; provider tokens with their signatures and age
//! rules, on a clock of your own; related keys; client certificates; one stream until a credential was accepted, then a
//! thousand, fewer while a client errs; every header and payload rule; tokens bound to a topic and an environment; 410 with
//! its timestamp; one stored push for each topic of an absent phone; broadcast channels.
//!
//! # What Apple does not document, and what the simulator does
//!
//! - The order of the checks: see `checks.rs`.
//! - A device push whose body is no JSON object, or lacks what its push type needs: 400 `BadRequestPayload`, which Apple
//!   lists for broadcasts only. An alert needs `aps`; calls, complications, file providers, locations and push-to-talk need
//!   nothing: there the payload is the app's own.
//! - A header given twice: 400 `DuplicateHeaders` for every name but `cookie`, which HTTP/2 itself may split.
//! - A push without `apns-push-type`: taken as the kind that its topic's suffix names, else as an alert.
//! - A background push without `apns-priority`: 400 `BadPriority`, because Apple documents 10 as the default and as an error
//!   for this type. Clients that send none are in use, so the service may take it.
//! - A provider token whose `iat` is text: read as a number, because a client that sends it so is in use.
//! - `content-changed` of a widget or control as the number 1: taken as true, because a client that sends it so is in use.
//! - `apns-topic` on a broadcast, where Apple's table has none: ignored.
//! - A provider token dated more than an hour ahead, or of another team than the connection's: 403 `InvalidProviderToken`.
//! - A second team-scoped key of the same environment on one connection: accepted, because Apple's list of unrelated keys
//!   does not name it. The 20-minute rule counts for each key and connection by itself; the service may count wider.
//! - A key of the other environment: 403 `BadEnvironmentKeyInToken`, as the service was seen to spell it; Apple's page has
//!   `BadEnvironmentKeyIdInToken`.
//! - How many pushes are stored for an absent phone: one for each topic. Two of Apple's pages differ.
//! - When a connection is slowed down after errors: [`Options::slow_after`].
mod auth;
mod certificates;
mod channels;
mod checks;
mod kinds;
mod options;
mod outcome;
mod phone;
mod refusal;
mod running;
mod server;
mod tap;

use std::{
    collections::{HashMap, HashSet},
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use push_core::{Clock, Environment, Timestamp};
use push_testkit::{
    Alpn, Authority, ClientAuth, Connection, Faults, HttpServer, Listener, ServerOptions, counters,
    simulator::Delay,
};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use uuid::Uuid;

use self::{auth::Verified, certificates::Issued, channels::Channels, server::Line};
pub use self::{
    certificates::{CertificateRequest, PushCertificate},
    options::Options,
    outcome::Outcome,
    phone::{Arrival, Phone},
};
use crate::ApnsConfig;

/// Ids of requests that are counted one by one; more are counted in total only.
const COUNTED_IDS: usize = 1 << 20;

/// The service: both environments and their channels. When it drops, everything closes.
pub struct Simulator {
    world: Arc<World>,
    listeners: [Listener; 2],
    channels: [HttpServer; 2],
}

impl Simulator {
    /// Begins to listen. Needs a tokio runtime.
    ///
    /// # Errors
    /// If an address cannot be bound.
    pub async fn start(options: Options) -> io::Result<Self> {
        let base = options.base.clone();
        let world = Arc::new(World::new(options));
        let identity = world.authority.server(&["localhost", "127.0.0.1"]);
        let tls = push_testkit::tls::server_config(
            &identity,
            Alpn::H2,
            ClientAuth::Optional(&world.authority),
        );
        let listen = async |environment: Environment, address| {
            let (world, tls) = (Arc::clone(&world), Arc::clone(&tls));
            Listener::start(address, Some(tls), move |connection: Connection| {
                server::serve(Arc::clone(&world), environment, connection)
            })
            .await
        };
        let manage = async |environment: Environment, address| {
            let (world, tls) = (Arc::clone(&world), Some(Arc::clone(&tls)));
            let options = ServerOptions::default().with_address(address).with_tls(tls);
            HttpServer::start(options, move |request| {
                std::future::ready(channels::manage(&world, environment, &request))
            })
            .await
        };
        Ok(Self {
            listeners: [
                listen(Environment::Production, base.address_of(0)).await?,
                listen(Environment::Sandbox, base.address_of(1)).await?,
            ],
            channels: [
                manage(Environment::Production, base.address_of(2)).await?,
                manage(Environment::Sandbox, base.address_of(3)).await?,
            ],
            world,
        })
    }

    /// Where to send to: the value of `endpoint` in the provider's configuration.
    pub fn endpoint(&self, environment: Environment) -> String {
        format!(
            "https://localhost:{}",
            self.listener(environment).address().port()
        )
    }

    /// Where channels are managed.
    pub fn channels_endpoint(&self, environment: Environment) -> String {
        self.channels[index(environment)].url()
    }

    /// The authority of the service's certificates, as PEM: the value of `http.extra_ca_pem`.
    pub fn ca_pem(&self) -> String {
        self.world.authority.pem()
    }

    /// Makes the service know a key of its own, and returns the configuration of a credential with it, for the app with the
    /// bundle id `topic`: what [`Upload::of`](https://docs.rs/push-gateway/latest/push_gateway/struct.Upload.html#method.of)
    /// takes. The key is the same at every call.
    ///
    /// # Panics
    /// Never: the key is one.
    pub fn credential(&self, topic: impl Into<String>, environment: Environment) -> ApnsConfig {
        let key = push_testkit::fixtures::apns_key(1);
        self.register_key(running::KEY_ID, running::TEAM_ID, &key)
            .expect("the fixture is a P-256 key");
        let (key_id, team_id) = (running::KEY_ID, running::TEAM_ID);
        let mut config = ApnsConfig::of_key(key, key_id, team_id, topic, environment);
        config.endpoint = Some(self.endpoint(environment));
        config.http.extra_ca_pem = Some(self.ca_pem());
        config
    }

    /// Makes the service know a key of a team, for both environments and all topics. `pem` is the text of the `.p8` file.
    ///
    /// # Errors
    /// [`push_core::ErrorKind::Invalid`] if it is no P-256 key.
    pub fn register_key(&self, key_id: &str, team_id: &str, pem: &str) -> push_core::Result<()> {
        self.register_key_for(key_id, team_id, pem, None, &[])
    }

    /// The same for one environment only, or for these topics only.
    ///
    /// # Errors
    /// [`push_core::ErrorKind::Invalid`] if it is no P-256 key.
    pub fn register_key_for(
        &self,
        key_id: &str,
        team_id: &str,
        pem: &str,
        environment: Option<Environment>,
        topics: &[&str],
    ) -> push_core::Result<()> {
        let pair = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
            .ok()
            .and_then(|der| {
                let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
                EcdsaKeyPair::from_pkcs8(curve, der.secret_pkcs8_der()).ok()
            })
            .ok_or_else(|| {
                push_core::Error::new(
                    push_core::ErrorKind::Invalid,
                    format!("the key {key_id} is not a P-256 key in PKCS#8 PEM"),
                )
            })?;
        let key = Key {
            team_id: team_id.to_owned(),
            public: pair.public_key().as_ref().to_vec(),
            environment,
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            related: None,
        };
        write(&self.world.keys).insert(key_id.to_owned(), key);
        Ok(())
    }

    /// Makes two topic-specific keys related: a connection that showed one accepts the other. A key has one related key.
    pub fn relate_keys(&self, one: &str, other: &str) {
        let mut keys = write(&self.world.keys);
        for (key, related) in [(one, other), (other, one)] {
            if let Some(key) = keys.get_mut(key) {
                key.related = Some(related.to_owned());
            }
        }
    }

    /// Makes the service forget a key, as when it is revoked.
    pub fn revoke_key(&self, key_id: &str) {
        write(&self.world.keys).remove(key_id);
        write(&self.world.verified).clear();
    }

    /// Issues a push certificate, as Apple would.
    pub fn issue_certificate(&self, request: &CertificateRequest) -> PushCertificate {
        let (certificate, issued) = certificates::issue(&self.world.authority, request);
        write(&self.world.issued).insert(certificate.der(), Arc::new(issued));
        certificate
    }

    /// Puts an app on a new phone: a debug build for the sandbox, a released one for production.
    pub fn install(&self, topic: &str, environment: Environment) -> Phone {
        let phone = Phone::new(Arc::clone(&self.world), topic.to_owned(), environment);
        // The app asks for it at its first start.
        phone.token();
        phone
    }

    /// Scripts the outcome of every later request to `token`.
    pub fn on(&self, token: &str, outcome: Outcome) {
        self.world.faults.on(token, outcome);
    }

    /// Scripts the outcome of the next request to `token`; several queue up.
    pub fn once(&self, token: &str, outcome: Outcome) {
        self.world.faults.times(token, 1, outcome);
    }

    /// Scripts the outcome of the next `times` requests to any token.
    pub fn next(&self, times: usize, outcome: &Outcome) {
        self.world.faults.next_times(times as u64, outcome.clone());
    }

    /// Forgets every scripted outcome.
    pub fn heal(&self) {
        self.world.faults.clear();
    }

    /// The scripted outcomes, by token.
    pub fn faults(&self) -> &Faults<Outcome> {
        &self.world.faults
    }

    /// Changes how long every answer takes.
    pub fn set_delay(&self, delay: Duration) {
        self.world.delay.set(delay);
    }

    /// The time on the service's clock.
    pub fn now(&self) -> Timestamp {
        self.world.now()
    }

    /// How many streams a connection gets at its next accepted request.
    pub fn set_max_streams(&self, streams: u32) {
        self.world.max_streams.store(streams, Ordering::Relaxed);
    }

    /// Says GOAWAY with `{"reason": …}` on every connection to `environment`: what it has begun is answered, the rest is
    /// left alone, then the connections close.
    pub fn go_away(&self, environment: Environment, reason: &str) {
        let mut lines = lock(&self.world.environment(environment).lines);
        lines.retain(|line| line.upgrade().is_some_and(|it| it.go_away(reason)));
    }

    /// Cuts every connection to `environment` without a word.
    pub fn cut_connections(&self, environment: Environment) {
        self.listener(environment).cut_connections();
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        Counters {
            connections: self.listeners.iter().map(Listener::accepted).sum(),
            provider_tokens: lock(&self.world.counted).tokens.len() as u64,
            ..self.world.numbers.read()
        }
    }

    /// How many requests had this `apns-id`: more than one were retries.
    pub fn requests_of(&self, apns_id: Uuid) -> u32 {
        lock(&self.world.counted)
            .ids
            .get(&apns_id)
            .copied()
            .unwrap_or(0)
    }

    /// How often each `apns-id` was taken: more than once and a phone rang twice.
    pub fn accepted_of(&self, apns_id: Uuid) -> u32 {
        lock(&self.world.counted)
            .accepted
            .get(&apns_id)
            .copied()
            .unwrap_or(0)
    }

    /// How many connections are open now.
    pub fn open_connections(&self) -> usize {
        self.listeners.iter().map(Listener::open).sum()
    }

    fn listener(&self, environment: Environment) -> &Listener {
        &self.listeners[index(environment)]
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator")
            .field("production", &self.endpoint(Environment::Production))
            .field("sandbox", &self.endpoint(Environment::Sandbox))
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

counters! {
    /// What happened since the start, in both environments.
    pub struct Counters of Numbers {
        /// Connections that were accepted.
        connections,
        /// Requests that were read.
        requests,
        /// Requests that were answered with 200.
        accepted,
        /// Pushes that were handed to a phone, or kept for it.
        delivered,
        /// Different provider tokens that were shown.
        provider_tokens,
        /// The most streams that were open on one connection.
        max_concurrent_streams,
    }
}

const fn index(environment: Environment) -> usize {
    match environment {
        Environment::Production => 0,
        Environment::Sandbox => 1,
    }
}

/// Everything that all connections share.
struct World {
    clock: Arc<dyn Clock>,
    authority: Arc<Authority>,
    delay: Delay,
    max_streams: AtomicU32,
    slow_after: u32,
    any_token: bool,
    keys: RwLock<HashMap<String, Key>>,
    /// The certificates it issued, in DER, and what it wrote into them.
    issued: RwLock<HashMap<Vec<u8>, Arc<Issued>>>,
    /// Tokens whose signature was found good.
    verified: RwLock<HashMap<String, Verified>>,
    environments: [EnvironmentState; 2],
    faults: Faults<Outcome>,
    numbers: Numbers,
    counted: Mutex<Counted>,
}

struct Key {
    team_id: String,
    public: Vec<u8>,
    environment: Option<Environment>,
    /// Empty: all topics of the team.
    topics: Vec<String>,
    /// The id of the one related key of a topic-specific key.
    related: Option<String>,
}

#[derive(Default)]
struct EnvironmentState {
    devices: RwLock<HashMap<String, Device>>,
    channels: Mutex<Channels>,
    lines: Mutex<Vec<std::sync::Weak<Line>>>,
}

/// Whose a token is.
#[derive(Clone)]
struct Device {
    topic: String,
    phone: Arc<phone::Inner>,
}

#[derive(Default)]
struct Counted {
    ids: HashMap<Uuid, u32>,
    accepted: HashMap<Uuid, u32>,
    tokens: HashSet<String>,
}

impl Counted {
    fn count(map: &mut HashMap<Uuid, u32>, id: Uuid) {
        if map.len() < COUNTED_IDS || map.contains_key(&id) {
            *map.entry(id).or_default() += 1;
        }
    }
}

impl World {
    fn new(options: Options) -> Self {
        Self {
            authority: options.base.authority(),
            delay: Delay::new(options.base.delay),
            any_token: options.base.any_token,
            clock: options.base.clock,
            max_streams: AtomicU32::new(options.max_streams),
            slow_after: options.slow_after,
            keys: RwLock::default(),
            issued: RwLock::default(),
            verified: RwLock::default(),
            environments: Default::default(),
            faults: Faults::new(),
            numbers: Numbers::default(),
            counted: Mutex::default(),
        }
    }

    fn environment(&self, environment: Environment) -> &EnvironmentState {
        &self.environments[index(environment)]
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl EnvironmentState {
    fn issue(&self, token: &str, topic: String, phone: Arc<phone::Inner>) {
        write(&self.devices).insert(token.to_owned(), Device { topic, phone });
    }

    fn device(&self, token: &str) -> Option<Device> {
        read(&self.devices)
            .get(&token.to_ascii_lowercase())
            .cloned()
    }

    fn listen(&self, channel: &str, phone: Arc<phone::Inner>) {
        lock(&self.channels).listen(channel, phone);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// `N` random bytes as hexadecimal digits.
fn random_hex<const N: usize>() -> String {
    push_testkit::simulator::random::<N>()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
