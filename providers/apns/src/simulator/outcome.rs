//! What a test wants instead of what the service would do.
use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

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

    /// Resets the stream after the request was read: nobody knows what became of it.
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

/// The outcomes that tests ordered.
#[derive(Debug, Default)]
pub(super) struct Script {
    next: VecDeque<Outcome>,
    tokens: HashMap<String, VecDeque<(Outcome, bool)>>,
}

impl Script {
    pub(super) fn next(&mut self, times: usize, outcome: &Outcome) {
        self.next
            .extend(std::iter::repeat_n(outcome, times).cloned());
    }

    /// For every request to `token`, or for the next one only.
    pub(super) fn on(&mut self, token: &str, outcome: Outcome, once: bool) {
        let queue = self.tokens.entry(token.to_owned()).or_default();
        if !once {
            queue.retain(|(_, once)| *once);
        }
        queue.push_back((outcome, once));
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn take(&mut self, token: &str) -> Option<Outcome> {
        if let Some(outcome) = self.next.pop_front() {
            return Some(outcome);
        }
        let queue = self.tokens.get_mut(token)?;
        match queue.front() {
            Some((_, true)) => queue.pop_front().map(|(outcome, _)| outcome),
            Some((outcome, false)) => Some(outcome.clone()),
            None => None,
        }
    }
}
