//! What a test wants instead of what the service would do.
use std::time::Duration;

use push_core::Timestamp;

/// What becomes of a request, instead of what its contents deserve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub(super) act: Act,
    pub(super) after: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    AsUsual,
    Answer {
        status: u16,
        reason: String,
        timestamp: Option<Timestamp>,
        retry_after: Option<String>,
    },
    Reset,
    Refuse,
    Silence,
    Close,
    GoAway {
        reason: String,
    },
}

impl Outcome {
    const fn new(act: Act) -> Self {
        Self {
            act,
            after: Duration::ZERO,
        }
    }

    /// What the service would do; with [`Outcome::after`] later than usual.
    pub const fn as_usual() -> Self {
        Self::new(Act::AsUsual)
    }

    /// This status with `{"reason": …}`; no body if `reason` is empty.
    pub fn answer(status: u16, reason: impl Into<String>) -> Self {
        Self::new(Act::Answer {
            status,
            reason: reason.into(),
            timestamp: None,
            retry_after: None,
        })
    }

    /// 410 `Unregistered` since this moment.
    pub fn unregistered(since: Timestamp) -> Self {
        Self::answer(410, "Unregistered").with_timestamp(since)
    }

    /// Resets the stream after the request was read, so that the outcome is unknown.
    pub const fn reset() -> Self {
        Self::new(Act::Reset)
    }

    /// Resets the stream with `REFUSED_STREAM`: nothing was done with it.
    pub const fn refuse() -> Self {
        Self::new(Act::Refuse)
    }

    /// Never answers.
    pub const fn silence() -> Self {
        Self::new(Act::Silence)
    }

    /// Closes the whole connection without a word.
    pub const fn close() -> Self {
        Self::new(Act::Close)
    }

    /// Says GOAWAY with `{"reason": …}` and leaves this request and all after it untouched; those before it are answered,
    /// then the connection closes.
    pub fn go_away(reason: impl Into<String>) -> Self {
        Self::new(Act::GoAway {
            reason: reason.into(),
        })
    }

    /// Adds a moment to an answer's body.
    #[must_use]
    pub fn with_timestamp(mut self, at: Timestamp) -> Self {
        if let Act::Answer { timestamp, .. } = &mut self.act {
            *timestamp = Some(at);
        }
        self
    }

    /// Adds a `retry-after` header to an answer.
    #[must_use]
    pub fn with_retry_after(mut self, value: impl Into<String>) -> Self {
        if let Act::Answer { retry_after, .. } = &mut self.act {
            *retry_after = Some(value.into());
        }
        self
    }

    /// Waits first, on the simulator's clock.
    #[must_use]
    pub const fn after(mut self, delay: Duration) -> Self {
        self.after = delay;
        self
    }
}
