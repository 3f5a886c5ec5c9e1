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
//! What it does: HTTP/2 over TLS only; provider tokens checked to the last bit, with the age rules on a clock of your own;
//! client certificates; one stream until a credential was accepted, then a thousand, fewer while a client errs; every
//! header and payload rule; tokens bound to a topic and an environment; 410 with the moment; one stored push for each topic
//! of an absent phone; broadcast channels. What is not known of the service is decided as in the tables of this module's
//! source, and said there.
mod auth;
mod certificates;
mod channels;
mod checks;
mod options;
mod outcome;
mod phone;
mod server;
mod tap;

use std::{
    collections::{HashMap, HashSet},
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use push_core::{Clock, Environment, Secret, Timestamp};
use push_testkit::{Alpn, Authority, ClientAuth, Connection, HttpServer, Listener, ServerOptions};
use uuid::Uuid;

use self::{auth::Verified, channels::Channels, outcome::Script, server::Line};
pub use self::{
    certificates::{CertificateRequest, PushCertificate},
    options::Options,
    outcome::Outcome,
    phone::{Arrival, Phone},
};
use crate::token::SigningKey;

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
        let addresses = [options.production, options.sandbox];
        let channel_addresses = [options.production_channels, options.sandbox_channels];
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
            let world = Arc::clone(&world);
            let mut options = ServerOptions::tls_with(&world.authority, Alpn::H2);
            options.address = address;
            HttpServer::start(options, move |request| {
                std::future::ready(channels::manage(&world, environment, &request))
            })
            .await
        };
        Ok(Self {
            listeners: [
                listen(Environment::Production, addresses[0]).await?,
                listen(Environment::Sandbox, addresses[1]).await?,
            ],
            channels: [
                manage(Environment::Production, channel_addresses[0]).await?,
                manage(Environment::Sandbox, channel_addresses[1]).await?,
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
        let signing =
            SigningKey::from_pem(&Secret::new(pem), key_id, team_id).map_err(|fault| {
                push_core::Error::new(push_core::ErrorKind::Invalid, format!("the key {fault}"))
            })?;
        let key = Key {
            team_id: team_id.to_owned(),
            public: signing.public_key().to_vec(),
            environment,
            topics: topics.iter().map(|it| (*it).to_owned()).collect(),
        };
        write(&self.world.keys).insert(key_id.to_owned(), key);
        Ok(())
    }

    /// Makes the service forget a key, as when it is revoked.
    pub fn revoke_key(&self, key_id: &str) {
        write(&self.world.keys).remove(key_id);
        write(&self.world.verified).clear();
    }

    /// Issues a push certificate, as Apple would.
    pub fn issue_certificate(&self, request: &CertificateRequest) -> PushCertificate {
        certificates::issue(&self.world.authority, request)
    }

    /// Puts an app on a new phone: a debug build for the sandbox, a released one for production.
    pub fn install(&self, topic: &str, environment: Environment) -> Phone {
        let phone = Phone::new(Arc::clone(&self.world), topic.to_owned(), environment);
        // The app asks for it at its first start.
        phone.token();
        phone
    }

    /// What becomes of every request to `token` from now on.
    pub fn on(&self, token: &str, outcome: Outcome) {
        lock(&self.world.script).on(token, outcome, false);
    }

    /// What becomes of the next request to `token`; several queue up.
    pub fn once(&self, token: &str, outcome: Outcome) {
        lock(&self.world.script).on(token, outcome, true);
    }

    /// What becomes of the next `times` requests, whomever they are for.
    pub fn next(&self, times: usize, outcome: &Outcome) {
        lock(&self.world.script).next(times, outcome);
    }

    /// Forgets every outcome that was ordered.
    pub fn heal(&self) {
        lock(&self.world.script).clear();
    }

    /// How long every answer takes from now on.
    pub fn set_delay(&self, delay: Duration) {
        let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.world.delay.store(millis, Ordering::Relaxed);
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
        let numbers = &self.world.numbers;
        let counted = lock(&self.world.counted);
        Counters {
            connections: self.listeners.iter().map(Listener::accepted).sum(),
            requests: numbers.requests.load(Ordering::Relaxed),
            accepted: numbers.accepted.load(Ordering::Relaxed),
            delivered: numbers.delivered.load(Ordering::Relaxed),
            provider_tokens: counted.tokens.len(),
            max_concurrent_streams: numbers.max_concurrent.load(Ordering::Relaxed),
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

/// What happened since the start, in both environments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections that were accepted.
    pub connections: u64,
    /// Requests that were read.
    pub requests: u64,
    /// Requests that were answered with 200.
    pub accepted: u64,
    /// Pushes that were handed to a phone, or kept for it.
    pub delivered: u64,
    /// Different provider tokens that were shown.
    pub provider_tokens: usize,
    /// The most streams that were open on one connection.
    pub max_concurrent_streams: u64,
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
    authority: Authority,
    delay: AtomicU64,
    max_streams: AtomicU32,
    slow_after: u32,
    any_token: bool,
    keys: RwLock<HashMap<String, Key>>,
    /// Tokens whose signature was found good.
    verified: RwLock<HashMap<String, Verified>>,
    environments: [EnvironmentState; 2],
    script: Mutex<Script>,
    numbers: Numbers,
    counted: Mutex<Counted>,
}

struct Key {
    team_id: String,
    public: Vec<u8>,
    environment: Option<Environment>,
    /// Empty: all.
    topics: Vec<String>,
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
struct Numbers {
    requests: AtomicU64,
    accepted: AtomicU64,
    delivered: AtomicU64,
    max_concurrent: AtomicU64,
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
            clock: options.clock,
            authority: Authority::new(),
            delay: AtomicU64::new(u64::try_from(options.delay.as_millis()).unwrap_or(u64::MAX)),
            max_streams: AtomicU32::new(options.max_streams),
            slow_after: options.slow_after,
            any_token: options.any_token,
            keys: RwLock::default(),
            verified: RwLock::default(),
            environments: Default::default(),
            script: Mutex::default(),
            numbers: Numbers::default(),
            counted: Mutex::default(),
        }
    }

    fn environment(&self, environment: Environment) -> &EnvironmentState {
        &self.environments[index(environment)]
    }

    fn delay(&self) -> Duration {
        Duration::from_millis(self.delay.load(Ordering::Relaxed))
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

fn random_bytes(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system has random numbers");
    bytes
}

fn random_hex(bytes: usize) -> String {
    random_bytes(bytes)
        .iter()
        .map(|it| format!("{it:02x}"))
        .collect()
}
