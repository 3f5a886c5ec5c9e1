//! Whether a vendor is down or throttles, judged from several deliveries in several batches, and how long to leave it alone.
use std::{
    collections::HashSet,
    hash::{BuildHasher, Hash, RandomState},
    time::Duration,
};

use push_core::{BatchId, DeviceToken, Reason};

use super::{
    backoff::Backoff,
    steady::{Moment, Now},
};
use crate::{decision::reasons, lane_status::LaneStatus};

/// From how many distinct tokens without an answer in between on a vendor counts as down. One token that always fails, or a few
/// failures among many answers, delay only the deliveries concerned.
const OUTAGE: usize = 3;
/// How many distinct tokens must have been throttled within [`RECENT`].
const THROTTLE: usize = 2;
/// From how many batches either must come: one target can spoil the batch that it is in.
const BATCHES: usize = 2;
/// How long an answer that asks to slow down counts. Unlike an outage, it is not refuted by pushes that are accepted.
const RECENT: Duration = Duration::from_secs(60);

/// The evidence of a credential or of one of its classes.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    until: Option<Moment>,
    /// How often in a row it was backed off, and when last.
    step: u32,
    backed_off_at: Moment,
    reason: Option<Reason>,
    answer: String,
    /// Tokens and batches that failed since the last answer.
    failed: Signs,
    /// Tokens and batches that were throttled, since then.
    throttled: Signs,
    throttled_since: Moment,
    hasher: RandomState,
}

/// Distinct tokens and batches that show the same, as many as matter.
#[derive(Debug, Default)]
struct Signs {
    tokens: HashSet<u64>,
    batches: HashSet<u64>,
}

impl Signs {
    fn add(&mut self, token: u64, batch: u64, most: usize) {
        for (signs, sign, most) in [
            (&mut self.tokens, token, most),
            (&mut self.batches, batch, BATCHES),
        ] {
            if signs.len() < most {
                signs.insert(sign);
            }
        }
    }

    fn are(&self, tokens: usize) -> bool {
        self.tokens.len() >= tokens && self.batches.len() >= BATCHES
    }

    fn clear(&mut self) {
        self.tokens.clear();
        self.batches.clear();
    }
}

impl Evidence {
    /// The vendor answered: it is not down.
    pub(super) fn answered(&mut self) {
        self.failed.clear();
    }

    /// The vendor accepted a push: the next back-off starts small again. How long deliveries wait that failed themselves is not
    /// affected.
    pub(super) fn accepted(&mut self) {
        self.step = 0;
        self.failed.clear();
    }

    /// A push to `token` in `batch` got no answer, or the answer that the vendor is down. Returns `true` if enough tokens in
    /// enough batches failed for an outage.
    pub(super) fn failed(&mut self, token: &DeviceToken, batch: BatchId) -> bool {
        let (token, batch) = (self.hash(token), self.hash(&batch));
        self.failed.add(token, batch, OUTAGE);
        self.failed.are(OUTAGE)
    }

    /// The vendor asked to slow down, in its answer to a push to `token` in `batch`. Returns `true` if it did so for enough
    /// tokens in enough batches that it is about all of them.
    pub(super) fn throttled(&mut self, token: &DeviceToken, batch: BatchId, now: Moment) -> bool {
        if now.since(self.throttled_since) >= RECENT {
            self.throttled.clear();
            self.throttled_since = now;
        }
        let (token, batch) = (self.hash(token), self.hash(&batch));
        self.throttled.add(token, batch, THROTTLE);
        self.throttled.are(THROTTLE)
    }

    fn hash(&self, sign: &impl Hash) -> u64 {
        self.hasher.hash_one(sign)
    }

    /// Nothing is sent for a while. `began` is when the attempt that showed the reason began: attempts from before the last
    /// back-off do not lengthen it, but `floor`, the vendor's `Retry-After`, always holds.
    pub(super) fn back_off(
        &mut self,
        reason: Reason,
        answer: &str,
        now: Moment,
        began: Moment,
        floor: Duration,
        backoff: &Backoff,
    ) -> Moment {
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
    pub(super) fn until(&mut self, now: Moment) -> Option<Moment> {
        self.until = self.until.filter(|until| *until > now);
        self.until
    }

    pub(super) fn status(&self, now: Now) -> LaneStatus {
        match (self.until, self.reason) {
            (Some(until), Some(reason)) if until > now.moment => LaneStatus::BackingOff {
                until: now.wall_of(until),
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

    const NOW: Moment = Moment::from_millis(1_700_000_000_000);

    fn token(number: usize) -> DeviceToken {
        DeviceToken::new(format!("token-{number}")).expect("a token")
    }

    fn batch(number: u128) -> BatchId {
        BatchId::from_uuid(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn one_token_that_fails_often_is_no_outage() {
        let mut evidence = Evidence::default();
        for number in 0..100 {
            assert!(!evidence.failed(&token(1), batch(number)));
        }
        assert!(!evidence.failed(&token(2), batch(1)));
        assert!(evidence.failed(&token(3), batch(1)));
    }

    #[test]
    fn one_batch_that_fails_as_a_whole_is_no_outage() {
        let mut evidence = Evidence::default();
        for number in 0..100 {
            assert!(!evidence.failed(&token(number), batch(1)));
        }
        assert!(evidence.failed(&token(1), batch(2)));
    }

    #[test]
    fn failures_among_answers_are_no_outage() {
        let mut evidence = Evidence::default();
        for number in 0..100 {
            assert!(!evidence.failed(&token(number), batch(number as u128)));
            evidence.answered();
        }
    }

    #[test]
    fn a_throttle_shows_in_two_tokens_of_two_batches_within_a_minute() {
        let mut evidence = Evidence::default();
        for number in 0..100 {
            assert!(!evidence.throttled(&token(1), batch(number), NOW));
        }
        evidence = Evidence::default();
        for number in 0..100 {
            assert!(!evidence.throttled(&token(number), batch(1), NOW));
        }
        let late = NOW + RECENT;
        assert!(!evidence.throttled(&token(1), batch(2), late));
        // Pushes that are accepted in between do not refute it.
        evidence.accepted();
        evidence.answered();
        assert!(evidence.throttled(&token(2), batch(3), late + RECENT / 2));
    }

    #[test]
    fn a_wait_ends_when_its_time_has_come() {
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60), 1);
        let mut evidence = Evidence::default();
        let floor = Duration::from_secs(20);
        let until = evidence.back_off(reasons::RATE_LIMITED, "", NOW, NOW, floor, &backoff);
        assert_eq!(until, NOW + floor);
        assert_eq!(evidence.until(NOW), Some(until));
        assert_eq!(evidence.until(until), None);
    }
}
