//! Whether a vendor is down or throttles, judged from several deliveries, and how long to leave it alone.
use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use push_core::{DeviceToken, Reason, Timestamp};

use super::backoff::Backoff;
use crate::{decision::reasons, lane_status::LaneStatus};

/// From how many distinct tokens without an answer in between on a vendor counts as down. One token that always fails, or a few
/// failures among many answers, delay only the deliveries concerned.
const OUTAGE: usize = 3;

/// The evidence of a credential or of one of its classes.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    until: Option<Timestamp>,
    /// How often in a row it was backed off, and when last.
    step: u32,
    backed_off_at: Timestamp,
    reason: Option<Reason>,
    answer: String,
    /// Tokens that failed since the last answer.
    failed: HashSet<u64>,
    hasher: RandomState,
}

impl Evidence {
    /// The vendor answered: it is not down.
    pub(super) fn answered(&mut self) {
        self.failed.clear();
    }

    /// The vendor accepted a push: the next back-off starts small again.
    pub(super) fn accepted(&mut self) {
        self.step = 0;
        self.failed.clear();
    }

    /// A push to `token` got no answer, or the answer that the vendor is down. Returns `true` if enough tokens failed for an
    /// outage.
    pub(super) fn failed(&mut self, token: &DeviceToken) -> bool {
        if self.failed.len() < OUTAGE {
            self.failed.insert(self.hasher.hash_one(token));
        }
        self.failed.len() >= OUTAGE
    }

    /// Nothing is sent for a while. `began` is when the attempt that showed the reason began: attempts from before the last
    /// back-off do not lengthen it, but `floor`, the vendor's `Retry-After`, always holds.
    pub(super) fn back_off(
        &mut self,
        reason: Reason,
        answer: &str,
        now: Timestamp,
        began: Timestamp,
        floor: Duration,
        backoff: &Backoff,
    ) -> Timestamp {
        let mut until = now + floor;
        if self.step == 0 || began >= self.backed_off_at {
            self.step = self.step.saturating_add(1);
            self.backed_off_at = now;
            until = until.max(now + backoff.delay(self.step));
            tracing::warn!(
                reason = reason.code,
                evidence = answer,
                wait_ms = until.since(now).as_millis() as u64,
                "deliveries wait: {}",
                reason.text
            );
        }
        let until = self.until.map_or(until, |earlier| earlier.max(until));
        self.until = Some(until);
        self.reason = Some(reason);
        answer.clone_into(&mut self.answer);
        until
    }

    /// Until when nothing may be sent; `None` if it may.
    pub(super) fn until(&mut self, now: Timestamp) -> Option<Timestamp> {
        // No wait that this made is longer: the clock was set back meanwhile.
        let longest = now + push_core::Retry::MAX_AFTER;
        self.until = self.until.filter(|until| *until > now && *until <= longest);
        self.until
    }

    pub(super) fn status(&self, now: Timestamp) -> LaneStatus {
        match (self.until, self.reason) {
            (Some(until), Some(reason)) if until > now => LaneStatus::BackingOff {
                until,
                reason: reason.code,
                evidence: self.answer.clone(),
            },
            _ => LaneStatus::Open,
        }
    }

    /// The reason for an outage or a throttle.
    pub(super) const fn reason(limited: bool) -> Reason {
        if limited {
            reasons::RATE_LIMITED
        } else {
            reasons::VENDOR_UNAVAILABLE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    fn token(number: usize) -> DeviceToken {
        DeviceToken::new(format!("token-{number}")).expect("a token")
    }

    #[test]
    fn one_token_that_fails_often_is_no_outage() {
        let mut evidence = Evidence::default();
        for _ in 0..100 {
            assert!(!evidence.failed(&token(1)));
        }
        assert!(!evidence.failed(&token(2)));
        assert!(evidence.failed(&token(3)));
    }

    #[test]
    fn failures_among_answers_are_no_outage() {
        let mut evidence = Evidence::default();
        for number in 0..100 {
            assert!(!evidence.failed(&token(number)));
            evidence.answered();
        }
    }

    #[test]
    fn a_wait_that_lies_too_far_ahead_after_a_clock_step_ends() {
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60), 1);
        let mut evidence = Evidence::default();
        evidence.back_off(
            reasons::RATE_LIMITED,
            "",
            NOW,
            NOW,
            Duration::ZERO,
            &backoff,
        );
        assert!(evidence.until(NOW).is_some());
        let earlier = NOW - Duration::from_secs(3 * 24 * 60 * 60);
        assert!(evidence.until(earlier).is_none());
    }
}
