//! The push services of Mozilla, Apple and Google, and browsers with a subscription, on 127.0.0.1.
//!
//! The services check what RFC 8030, 8188 and 8292 and their own documents say; the browsers decrypt with keys of their own
//! (RFC 8291). Limits are read a second time and not taken from the provider. The path of an endpoint shows whose service it is.
//!
//! Assumed, because no source says it (November 2026):
//!
//! | what | here |
//! |---|---|
//! | `TTL: 0` at Apple | `BadTtl`: it is not positive |
//! | the status of `VapidPkHashMismatch` | 400 |
//! | Apple's answer for an ended subscription | 410 with `Unregistered`, as its service for apps |
//! | how many pushes without a notification Safari forgives | two |
//! | an unknown `Urgency` at Mozilla | 400 with `errno` null |
//! | Google's words for wrong headers and for a body that is too large | invented |
//! | Google's `sub` | not checked |
//! | limits of requests | none; 429 can be scripted |
//! | `DELETE` of a message that has arrived, or of none | 204 |
//! | a body that a browser cannot decrypt | accepted; the service worker is not started |
mod answers;
mod check;
mod keys;
mod phone;
mod running;
mod service;

use std::{fmt, io, sync::Arc};

use bytes::Bytes;
use http::Request;
use push_testkit::{Faults, Log, simulator, simulator_options};
use serde_json::{Value, json};

use self::service::Service;
pub use self::{
    keys::{Keys, Opened},
    phone::{Arrival, Phone},
    service::Counters,
};

/// The key pair of the only application server: private and public, in base64url.
const KEYS: [&str; 2] = [
    "Fu-1S7TkL8oI0FMVdllcOHwf7qcEks-8H8qJKcqr3zA",
    "BJ5e4UjtKtT-1LyuZkIKvxjro_NdSwqT2MLfojYWqcHCdmzR5q48ASmHwVeLkk-xz2Hes7UB-UmA9Wvi6bmRY-0",
];

/// A browser, each with a push service of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Browser {
    /// Google's service: lines of text.
    Chrome,
    /// Mozilla's service: `errno` in JSON.
    Firefox,
    /// Apple's service: `reason` in JSON, and the strictest checks.
    Safari,
}

impl Browser {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Chrome, Self::Firefox, Self::Safari];

    /// Its name in the control API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chrome => "chrome",
            Self::Firefox => "firefox",
            Self::Safari => "safari",
        }
    }

    /// The beginning of the paths of its service.
    const fn path(self) -> &'static str {
        match self {
            Self::Chrome => "/fcm/send/",
            Self::Firefox => "/wpush/v2/",
            Self::Safari => "/Q",
        }
    }
}

/// How a [`Simulator`] listens and behaves.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// What every simulator has.
    pub base: simulator::Options,
}

impl From<simulator::Options> for Options {
    fn from(base: simulator::Options) -> Self {
        Self { base }
    }
}

simulator_options!(Options);

/// The push services. They stop when it drops.
pub struct Simulator {
    listener: simulator::Service,
    service: Arc<Service>,
}

impl Simulator {
    /// Listens, with TLS.
    ///
    /// # Errors
    /// The address is taken or not this machine's.
    pub async fn start(options: Options) -> io::Result<Self> {
        let service = Arc::new(Service::new(&options));
        let own = Arc::clone(&service);
        let handler = move |request: &Request<Bytes>| own.handle(request);
        let listener = options.base.serve(service::MAX_BODY, handler).await?;
        Ok(Self { listener, service })
    }

    /// A credential of the provider `webpush` with the key pair that browsers subscribe with.
    pub fn config(&self) -> Value {
        json!({
            "private_key": KEYS[0],
            "public_key": KEYS[1],
            "subject": "mailto:ops@example.com",
            "origins": [self.listener.server().url()],
            "http": { "extra_ca_pem": self.listener.ca_pem(), "only_extra_ca": true },
        })
    }

    /// A new browser that subscribed.
    pub fn install(&self, browser: Browser) -> Phone {
        self.subscribe(browser, KEYS[1])
    }

    /// A new browser that subscribed with this `applicationServerKey`.
    pub fn subscribe(&self, browser: Browser, key: &str) -> Phone {
        let url = self.listener.server().url();
        self.service.install(browser, &url, key)
    }

    /// Scripted answers, by token.
    pub fn faults(&self) -> &Faults {
        &self.service.faults
    }

    /// The requests so far.
    pub fn log(&self) -> &Log {
        self.listener.server().log()
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.service.counters()
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator")
            .field("listener", &self.listener)
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}
