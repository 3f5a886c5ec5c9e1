//! Suspecting the credential when most of its tokens are refused.
use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use push_core::DeviceToken;

use super::steady::Moment;

/// Counts distinct tokens that the vendor accepted and refused, over a sliding window of two halves.
#[derive(Debug)]
pub(super) struct Guard {
    half: Duration,
    min: usize,
    share: f64,
    hasher: RandomState,
    began: Moment,
    now: Half,
    before: Half,
}

/// One half of the window.
#[derive(Debug, Default)]
struct Half {
    accepted: Tokens,
    refused: Tokens,
}

/// Distinct tokens of one half.
#[derive(Debug, Default)]
struct Tokens {
    hashes: HashSet<u64>,
    /// How many of them are in the half before, too.
    repeated: usize,
}

impl Tokens {
    fn record(&mut self, hash: u64, before: &Self) {
        if self.hashes.len() < Guard::MAX
            && self.hashes.insert(hash)
            && before.hashes.contains(&hash)
        {
            self.repeated += 1;
        }
    }

    /// How many distinct tokens there are in this half and the one before.
    fn count_with(&self, before: &Self) -> usize {
        self.hashes.len() - self.repeated + before.hashes.len()
    }
}

impl Guard {
    /// The most distinct tokens remembered for each half and outcome.
    const MAX: usize = 32 * 1024;

    pub(super) fn new(window: Duration, min: usize, share: f64) -> Self {
        Self {
            half: window / 2,
            min: min.max(1),
            share,
            hasher: RandomState::new(),
            began: Moment::default(),
            now: Half::default(),
            before: Half::default(),
        }
    }

    /// The vendor accepted, or refused for a reason that a wrong credential would have too.
    pub(super) fn record(&mut self, token: &DeviceToken, accepted: bool, at: Moment) {
        self.turn(at);
        let hash = self.hasher.hash_one(token);
        if accepted {
            self.now.accepted.record(hash, &self.before.accepted);
        } else {
            self.now.refused.record(hash, &self.before.refused);
        }
    }

    /// Whether the credential is more likely the cause than its tokens, by the share that is refused.
    pub(super) fn suspects(&mut self, at: Moment) -> bool {
        self.turn(at);
        let refused = self.now.refused.count_with(&self.before.refused);
        let accepted = self.now.accepted.count_with(&self.before.accepted);
        refused >= self.min && refused as f64 >= self.share * (refused + accepted) as f64
    }

    /// Forgets everything: the credential is a new one.
    pub(super) fn clear(&mut self) {
        self.now = Half::default();
        self.before = Half::default();
    }

    fn turn(&mut self, at: Moment) {
        let age = at.since(self.began);
        if age < self.half {
            return;
        }
        self.began = at;
        self.before = std::mem::take(&mut self.now);
        if age >= 2 * self.half {
            self.before = Half::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(600);
    const START: Moment = Moment::from_millis(1_700_000_000_000);

    fn token(number: usize) -> DeviceToken {
        DeviceToken::new(format!("token-{number}")).unwrap()
    }

    #[test]
    fn one_token_refused_often_is_one_token() {
        let mut guard = Guard::new(WINDOW, 2, 0.8);
        for _ in 0..100 {
            guard.record(&token(1), false, START);
        }
        assert!(!guard.suspects(START));
        guard.record(&token(2), false, START);
        assert!(guard.suspects(START));
    }

    #[test]
    fn one_token_refused_in_both_halves_of_the_window_is_one_token() {
        let mut guard = Guard::new(WINDOW, 3, 0.8);
        for number in 0..2 {
            guard.record(&token(number), false, START);
        }
        let later = START + WINDOW / 2;
        for number in [0, 1, 0, 1] {
            guard.record(&token(number), false, later);
        }
        assert!(!guard.suspects(later), "two tokens were refused");
        guard.record(&token(2), false, later);
        assert!(guard.suspects(later));
        // Tokens that were accepted twice do not count twice either.
        let mut guard = Guard::new(WINDOW, 1, 0.6);
        guard.record(&token(0), true, START);
        guard.record(&token(0), true, later);
        guard.record(&token(1), false, later);
        guard.record(&token(2), false, later);
        assert!(guard.suspects(later), "two of three were refused");
    }

    #[test]
    fn accepted_tokens_speak_for_the_credential() {
        let mut guard = Guard::new(WINDOW, 10, 0.8);
        for number in 0..40 {
            guard.record(&token(number), number % 2 == 0, START);
        }
        assert!(!guard.suspects(START), "half of them were accepted");
        for number in 100..200 {
            guard.record(&token(number), false, START);
        }
        assert!(guard.suspects(START));
        guard.clear();
        assert!(!guard.suspects(START));
    }

    #[test]
    fn what_is_older_than_the_window_counts_no_more() {
        let mut guard = Guard::new(WINDOW, 2, 0.8);
        guard.record(&token(1), false, START);
        guard.record(&token(2), false, START + WINDOW / 2);
        assert!(guard.suspects(START + WINDOW / 2));
        assert!(!guard.suspects(START + WINDOW));
        guard.record(&token(3), false, START + WINDOW * 9);
        assert!(!guard.suspects(START + WINDOW * 9));
    }
}
