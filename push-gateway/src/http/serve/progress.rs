//! How much of an answer its client has read.
use std::time::Duration;

use tokio::time::Instant;

/// How many bytes a second a client must read of an answer.
const LEAST_RATE: u64 = 1024;

/// An answer that is being written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    since: Instant,
    /// When something was written last.
    last: Instant,
    written: u64,
}

impl Progress {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            since: now,
            last: now,
            written: 0,
        }
    }

    /// Records that `bytes` of it were written.
    pub(super) fn wrote(&mut self, bytes: usize, now: Instant) {
        self.last = now;
        self.written = self.written.saturating_add(bytes as u64);
    }

    /// Returns when the client is too slow if it reads no more: it has read nothing for `patience`, or, after that time, less than
    /// [`LEAST_RATE`] since the answer began.
    pub(super) fn due(&self, patience: Duration) -> Instant {
        let earned = Duration::from_millis(self.written.saturating_mul(1000) / LEAST_RATE);
        let steadily = self.since + patience + earned;
        steadily.min(self.last + patience)
    }
}
