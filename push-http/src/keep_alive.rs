//! Detecting that a peer is gone, and that a connection is no longer used.
use std::{
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use h2::{Ping, PingPong};
use push_core::{Clock, Sleep};

use crate::{connection::Connection, settings::Settings};

/// Sends PINGs to a silent peer.
///
/// Only the clock's timers are used and never its time of day, so silence is counted in whole intervals.
pub(crate) struct KeepAlive {
    clock: Arc<dyn Clock>,
    interval: Duration,
    timeout: Duration,
    idle_interval: Duration,
    timer: Sleep,
    /// What had been received when the timer was set.
    heard: u64,
    /// How long nothing has been received, in whole intervals.
    quiet: Duration,
    /// A PING was sent or queued, and something must be received before the timer ends.
    probing: bool,
    /// A PING has not been answered yet: there can be only one at a time.
    unanswered: bool,
}

impl KeepAlive {
    pub(crate) fn new(connection: &Connection, settings: &Settings) -> Self {
        let config = &settings.config;
        let interval = config.ping_interval.min(config.idle_ping_interval);
        Self {
            clock: Arc::clone(&settings.clock),
            interval,
            timeout: config.ping_timeout,
            idle_interval: config.idle_ping_interval,
            timer: settings.clock.sleep(interval),
            heard: connection.wire().heard(),
            quiet: Duration::ZERO,
            probing: false,
            unanswered: false,
        }
    }

    /// Ready when the peer did not answer a PING in time.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        connection: &Connection,
        ping: &mut PingPong,
    ) -> Poll<()> {
        loop {
            if self.unanswered && ping.poll_pong(cx).is_ready() {
                self.unanswered = false;
            }
            let heard = connection.wire().heard();
            // The first request after a silence does not wait for the next tick to learn that the peer is gone.
            let is_silent = !self.quiet.is_zero() && self.heard == heard;
            if !self.probing
                && is_silent
                && (connection.load() > 0 || self.quiet >= self.idle_interval)
            {
                self.unanswered = self.unanswered || ping.send_ping(Ping::opaque()).is_ok();
                self.probing = true;
                self.timer = self.clock.sleep(self.timeout);
            }
            ready!(self.timer.as_mut().poll(cx));
            if heard != self.heard {
                self.quiet = Duration::ZERO;
            } else if self.probing {
                return Poll::Ready(());
            } else {
                self.quiet += self.interval;
            }
            self.probing = false;
            self.heard = heard;
            self.timer = self.clock.sleep(self.interval);
        }
    }
}

/// Detects that a connection had no request for at least the timeout; at most twice the timeout passes first.
pub(crate) struct Idle {
    clock: Arc<dyn Clock>,
    timeout: Duration,
    timer: Sleep,
    leased: u64,
}

impl Idle {
    pub(crate) fn new(connection: &Connection, settings: &Settings, timeout: Duration) -> Self {
        Self {
            clock: Arc::clone(&settings.clock),
            timeout,
            timer: settings.clock.sleep(timeout),
            leased: connection.leases(),
        }
    }

    /// Ready when the connection is to be closed.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, connection: &Connection) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let leased = connection.leases();
            let idle = leased == self.leased && connection.load() == 0;
            self.leased = leased;
            self.timer = self.clock.sleep(self.timeout);
            if idle {
                return Poll::Ready(());
            }
        }
    }
}
