//! How long to wait before another attempt.
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use push_core::LONGEST_WAIT;

/// Exponential back-off with full jitter: a random time from a tenth of the base up to `base * 2^(step - 1)`, at most `max`.
#[derive(Debug)]
pub(crate) struct Backoff {
    base: Duration,
    max: Duration,
    state: AtomicU64,
}

impl Backoff {
    pub(crate) const fn new(base: Duration, max: Duration, seed: u64) -> Self {
        Self {
            base,
            max,
            state: AtomicU64::new(seed),
        }
    }

    /// The wait before attempt `step + 1`; `step` counts from 1.
    pub(crate) fn delay(&self, step: u32) -> Duration {
        let bound = self.bound(step);
        let floor = (self.base / 10).min(bound);
        floor + (bound - floor).mul_f64(self.share())
    }

    /// The wait before attempt `step + 1` of a push that may have been sent already. As [`Backoff::delay`], but beyond the
    /// longest wait it goes on doubling, up to [`LONGEST_WAIT`]: repeats are bounded in number, and must not be used up long
    /// before the push's life ends.
    pub(crate) fn delay_of_repeat(&self, step: u32) -> Duration {
        let bound = self.doubled(step).min(LONGEST_WAIT);
        if bound <= self.max {
            return self.delay(step);
        }
        bound / 2 + (bound / 2).mul_f64(self.share())
    }

    /// The longest wait before attempt `step + 1`.
    pub(crate) fn bound(&self, step: u32) -> Duration {
        self.doubled(step).min(self.max)
    }

    fn doubled(&self, step: u32) -> Duration {
        let doublings = step.saturating_sub(1).min(31);
        self.base.saturating_mul(1_u32 << doublings)
    }

    /// A random number from 0 to 1.
    fn share(&self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// SplitMix64: enough to spread load, and repeatable from a seed.
    fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut mixed = self
            .state
            .fetch_add(STEP, Ordering::Relaxed)
            .wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_secs(1);
    const MAX: Duration = Duration::from_secs(600);

    #[test]
    fn waits_double_up_to_the_bound_and_stay_within_it() {
        let backoff = Backoff::new(BASE, MAX, 7);
        for step in 1..=200 {
            let bound = backoff.bound(step);
            for _ in 0..50 {
                let delay = backoff.delay(step);
                assert!(delay >= BASE / 10 && delay <= bound, "{delay:?}");
            }
        }
        assert_eq!(backoff.bound(1), BASE);
        assert_eq!(backoff.bound(4), 8 * BASE);
        assert_eq!(backoff.bound(200), MAX);
    }

    /// Thirty attempts, the default, last for a push that lives a week.
    #[test]
    fn repeats_of_what_may_have_been_sent_last_for_a_week() {
        const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
        for seed in 0..50 {
            let backoff = Backoff::new(BASE, MAX, seed);
            let waits: Vec<_> = (1..30).map(|step| backoff.delay_of_repeat(step)).collect();
            assert!(waits.iter().sum::<Duration>() > WEEK, "{waits:?}");
            assert!(waits[..10].iter().all(|wait| *wait <= MAX));
            assert!(waits.iter().all(|wait| *wait <= LONGEST_WAIT));
        }
    }

    #[test]
    fn waits_are_spread_and_repeat_with_the_seed() {
        let draw = |seed| {
            let backoff = Backoff::new(BASE, MAX, seed);
            (0..100).map(|_| backoff.delay(9)).collect::<Vec<_>>()
        };
        let delays = draw(1);
        assert_eq!(delays, draw(1));
        assert_ne!(delays, draw(2));
        let early = delays.iter().filter(|it| **it < backoff_half()).count();
        assert!((25..75).contains(&early), "{early}");
    }

    fn backoff_half() -> Duration {
        Backoff::new(BASE, MAX, 0).bound(9) / 2
    }
}
