//! How the simulated service listens and behaves.
use std::{net::SocketAddr, sync::Arc, time::Duration};

use push_core::Clock;
use push_http::TokioClock;
use push_testkit::LOOPBACK;

/// How the service listens and behaves.
#[derive(Debug)]
#[non_exhaustive]
pub struct Options {
    /// Where production listens. Default: a free port of 127.0.0.1.
    pub production: SocketAddr,
    /// Where the sandbox listens. Default: a free port of 127.0.0.1.
    pub sandbox: SocketAddr,
    /// Where the channels of production are managed. Default: a free port of 127.0.0.1.
    pub production_channels: SocketAddr,
    /// Where the channels of the sandbox are managed. Default: a free port of 127.0.0.1.
    pub sandbox_channels: SocketAddr,
    /// What dates are compared with and delays wait on. Default: real time.
    pub clock: Arc<dyn Clock>,
    /// How long every answer takes. Default: none.
    pub delay: Duration,
    /// Streams on a connection once a credential was accepted. Default: 1,000.
    pub max_streams: u32,
    /// After so many refused requests in a row (410 does not count) a connection gets one stream until the next success;
    /// 0: never. Default: 20.
    pub slow_after: u32,
    /// Whether every well-formed token belongs to a phone that takes everything: for load. Default: false.
    pub any_token: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            production: LOOPBACK,
            sandbox: LOOPBACK,
            production_channels: LOOPBACK,
            sandbox_channels: LOOPBACK,
            clock: Arc::new(TokioClock),
            delay: Duration::ZERO,
            max_streams: 1000,
            slow_after: 20,
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

    /// Gives an accepted client so many streams.
    #[must_use]
    pub fn with_max_streams(mut self, streams: u32) -> Self {
        self.max_streams = streams;
        self
    }

    /// Delivers to every well-formed token.
    #[must_use]
    pub fn with_any_token(mut self) -> Self {
        self.any_token = true;
        self
    }

    /// Listens on this port of 127.0.0.1 for production, and on the three after it for the sandbox and for the channels of
    /// production and sandbox.
    #[must_use]
    pub fn with_ports_from(mut self, first: u16) -> Self {
        let at = |offset| SocketAddr::new(LOOPBACK.ip(), first.saturating_add(offset));
        self.production = at(0);
        self.sandbox = at(1);
        self.production_channels = at(2);
        self.sandbox_channels = at(3);
        self
    }
}
