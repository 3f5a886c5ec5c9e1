//! What an operator can choose about the HTTP API.
use std::time::Duration;

use push_core::{Describe, Faults, Result};
use serde::Deserialize;

use super::key::{ApiKey, digests};
use crate::settings::LEAST;

/// What an operator can choose about the HTTP API.
///
/// What is kept of requests that are not read completely is bounded: `body_memory` bytes for IM servers and operators, the same
/// for ways in and for vendors' receipts, each with a quarter more (at least 1 MiB) for bodies of up to 64 KiB, and `requests` times `body_limit` bytes for phones; and some 64 KiB a connection,
/// 1 MiB for one of HTTP/2.
#[derive(Clone, Debug, Deserialize, Describe)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HttpSettings {
    /// The largest body that is read, in bytes.
    #[describe(min = 1, unit = "bytes")]
    pub body_limit: usize,
    /// How many bytes of bodies that are being read are kept at the same time; more are answered 503. At least `body_limit`.
    ///
    /// An app has at most four fifths of them. Bodies of up to 64 KiB do not count: they have a quarter as much of their own, shared
    /// in the same way.
    #[describe(unit = "bytes")]
    pub body_memory: usize,
    /// How long a request may take, and how long a client may leave an answer unread.
    ///
    /// Of an answer that takes longer, a client must take 1 KiB a second.
    #[serde(with = "push_http::duration")]
    #[describe(min = LEAST)]
    pub timeout: Duration,
    /// How long a client may take to send a request's body.
    #[serde(with = "push_http::duration")]
    #[describe(min = LEAST)]
    pub body_timeout: Duration,
    /// How many requests run at the same time; more are answered 503. Those of phones and vendors do not count.
    #[describe(min = 1)]
    pub requests: usize,
    /// How many of them may belong to one app; more are answered 429.
    #[describe(min = 1)]
    pub requests_of_app: usize,
    /// How many connections are open at the same time.
    ///
    /// For one more, a connection that answers no request is closed, or one whose answer the client does not take, a phone's before an
    /// IM server's; if there is none, it waits.
    #[describe(min = 1)]
    pub connections: usize,
    /// How long a client may take to send the head of a request.
    ///
    /// It is counted from the connection to the end of its first request's head, and from the first byte to the end of a later one's.
    #[serde(with = "push_http::duration")]
    #[describe(min = LEAST)]
    pub head_timeout: Duration,
    /// How long a connection may be without a request. Keep it longer than the proxy in front keeps connections to the gateway.
    ///
    /// Most keep them for 60 to 120 s. A proxy that keeps them longer sends a request just when the gateway closes.
    #[serde(with = "push_http::duration")]
    #[describe(min = LEAST)]
    pub idle_timeout: Duration,
    /// How long a shutdown waits for requests under way.
    #[serde(with = "push_http::duration")]
    pub drain: Duration,
    /// How long a ticket lives if the IM server does not say.
    #[serde(with = "push_http::duration")]
    pub ticket_life: Duration,
    /// How many wrong API keys a minute are looked at of one address, for IPv6 of one /64 network.
    ///
    /// More are answered 429, and so is every key of an address that has not shown a right one.
    #[describe(min = 1)]
    pub wrong_keys: u32,
    /// What is different for phones, which are not trusted.
    pub phones: PhoneSettings,
    /// A key with which a server calls the HTTP API. It belongs to exactly one IM application: each app has keys of its own.
    ///
    /// Without any, only phones with tickets and the ways in of plugins are answered.
    #[describe(shown)]
    pub keys: Vec<ApiKey>,
}

/// What an operator can choose about phones.
#[derive(Clone, Debug, Deserialize, Describe)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PhoneSettings {
    /// The largest body that is read, in bytes. The app half sends as much as the least in one request.
    #[describe(min = Self::LEAST_BODY, unit = "bytes")]
    pub body_limit: usize,
    /// How long a phone may take to send a request's body.
    #[serde(with = "push_http::duration")]
    #[describe(min = LEAST)]
    pub body_timeout: Duration,
    /// How many requests of phones run at the same time; more are answered 503.
    ///
    /// Vendors' receipts have as many places of their own.
    #[describe(min = 1)]
    pub requests: usize,
    /// How many of them may belong to one app; more are answered 429.
    #[describe(min = 1)]
    pub requests_of_app: usize,
    /// How many requests a minute one user's phones may make together; more are answered 429.
    #[describe(min = 1)]
    pub user_rate: u32,
    /// How many requests a minute may show one ticket, or be signed by one device; more are answered 429.
    #[describe(min = 1)]
    pub ticket_rate: u32,
    /// How many devices of a user may be registered at the same time; more are answered 403.
    ///
    /// Devices that were reported offline or logged out do not count.
    #[describe(min = 1)]
    pub devices: usize,
}

impl PhoneSettings {
    /// The smallest [`PhoneSettings::body_limit`]: what the app half may send in one request.
    pub const LEAST_BODY: usize = push_core::api::ReceiptsBody::MAX_BYTES;
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            body_limit: 8 * 1024 * 1024,
            body_memory: 64 * 1024 * 1024,
            timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(20),
            requests: 4096,
            requests_of_app: 2048,
            connections: 16_384,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(150),
            drain: Duration::from_secs(10),
            ticket_life: Duration::from_secs(24 * 60 * 60),
            wrong_keys: 30,
            phones: PhoneSettings::default(),
        }
    }
}

impl Default for PhoneSettings {
    fn default() -> Self {
        Self {
            body_limit: Self::LEAST_BODY,
            body_timeout: Duration::from_secs(10),
            requests: 1024,
            requests_of_app: 512,
            user_rate: 240,
            ticket_rate: 120,
            devices: 32,
        }
    }
}

impl HttpSettings {
    /// Refuses what cannot work.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](push_core::ErrorKind::Config) with everything that is wrong, each with its key.
    pub fn check(&self) -> Result<()> {
        let mut faults = Faults::default();
        self.check_ranges(&mut faults);
        faults.refuse(
            self.body_memory < self.body_limit,
            "body_memory",
            format!(
                "{} bytes have no room for one body of `body_limit`, {} bytes",
                self.body_memory, self.body_limit
            ),
        );
        faults.keep(digests(&self.keys));
        faults.result()
    }

    push_core::setters! {
        with_keys(keys: Vec<ApiKey>);
    }
}
