//! How often something may be done, in bounded memory.
use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use push_core::Timestamp;

const MINUTE: f64 = 60.0;

/// Allows each key a number of events a minute, all at once or one after the other. Of keys it keeps a keyed hash, and of those
/// that were not used lately nothing.
pub(super) struct Rate {
    per_minute: f64,
    /// The most keys that are remembered; half of them may be forgotten at once.
    keys: usize,
    hasher: RandomState,
    buckets: Mutex<Buckets>,
}

#[derive(Default)]
struct Buckets {
    young: HashMap<u64, Bucket>,
    old: HashMap<u64, Bucket>,
}

#[derive(Clone, Copy)]
struct Bucket {
    left: f64,
    at: Timestamp,
    /// How many events were counted in all.
    count: u32,
    /// Whether the key is one that [`Rate::trust`] named.
    trusted: bool,
}

/// How a key stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Standing {
    /// How long until the next event is allowed; `None` if it is now.
    pub(super) wait: Option<Duration>,
    /// How many events were counted since the key was seen first.
    pub(super) count: u32,
    /// Whether the key is trusted.
    pub(super) trusted: bool,
}

impl Rate {
    pub(super) fn new(per_minute: u32, keys: usize) -> Self {
        Self {
            per_minute: per_minute.into(),
            keys: keys.max(2),
            hasher: RandomState::new(),
            buckets: Mutex::default(),
        }
    }

    /// Counts an event, if it is allowed.
    pub(super) fn take(&self, key: impl Hash, now: Timestamp) -> Standing {
        self.with(key, now, |bucket| {
            if bucket.left >= 1.0 {
                bucket.left -= 1.0;
                bucket.count = bucket.count.saturating_add(1);
                return None;
            }
            Some(())
        })
    }

    /// Looks a key up without counting.
    pub(super) fn look(&self, key: impl Hash, now: Timestamp) -> Standing {
        self.with(key, now, |bucket| (bucket.left < 1.0).then_some(()))
    }

    /// Remembers that a key may be trusted.
    pub(super) fn trust(&self, key: impl Hash, now: Timestamp) {
        self.with(key, now, |bucket| {
            bucket.trusted = true;
            None
        });
    }

    fn with(
        &self,
        key: impl Hash,
        now: Timestamp,
        act: impl FnOnce(&mut Bucket) -> Option<()>,
    ) -> Standing {
        let key = self.hasher.hash_one(key);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.bucket(key, self.per_minute, now, self.keys / 2);
        let passed = now.since(bucket.at).as_secs_f64();
        bucket.left = (bucket.left + passed * self.per_minute / MINUTE).min(self.per_minute);
        // A clock that was set back gives nothing and takes nothing.
        bucket.at = now;
        let spent = act(bucket);
        let wait = spent.map(|()| {
            Duration::from_secs_f64((1.0 - bucket.left).max(0.0) * MINUTE / self.per_minute)
        });
        Standing {
            wait,
            count: bucket.count,
            trusted: bucket.trusted,
        }
    }
}

impl Buckets {
    fn bucket(&mut self, key: u64, full: f64, now: Timestamp, half: usize) -> &mut Bucket {
        if !self.young.contains_key(&key) && self.young.len() >= half {
            self.old = std::mem::take(&mut self.young);
        }
        let old = &mut self.old;
        self.young.entry(key).or_insert_with(|| {
            old.remove(&key).unwrap_or(Bucket {
                left: full,
                at: now,
                count: 0,
                trusted: false,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_760_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_minutes_worth_is_allowed_at_once_and_then_one_by_one() {
        let rate = Rate::new(60, 100);
        for count in 1..=60 {
            let standing = rate.take("alice", NOW);
            assert_eq!((standing.wait, standing.count), (None, count));
        }
        assert_eq!(rate.take("alice", NOW).wait, Some(SECOND));
        assert_eq!(rate.take("bob", NOW).wait, None, "each key has its own");
        assert_eq!(rate.take("alice", NOW + SECOND).wait, None);
        assert_eq!(rate.take("alice", NOW + SECOND).wait, Some(SECOND));
        assert_eq!(rate.look("alice", NOW + 2 * SECOND).wait, None);
        let later = NOW + 600 * SECOND;
        let allowed = (0..100).filter(|_| rate.take("alice", later).wait.is_none());
        assert_eq!(
            allowed.count(),
            60,
            "more than a minute's worth is not saved"
        );
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing_for_long() {
        let rate = Rate::new(60, 100);
        for _ in 0..61 {
            rate.take("alice", NOW);
        }
        let back = NOW - 3600 * SECOND;
        assert_eq!(rate.take("alice", back).wait, Some(SECOND));
        assert_eq!(rate.take("alice", back + SECOND).wait, None);
    }

    #[test]
    fn any_number_of_keys_takes_bounded_memory() {
        let rate = Rate::new(1, 100);
        rate.take("first", NOW);
        for number in 0..10_000 {
            rate.take(number, NOW);
            // What is used stays.
            assert!(rate.take("first", NOW).wait.is_some(), "{number}");
        }
        let buckets = rate.buckets.lock().unwrap();
        assert!(buckets.young.len() + buckets.old.len() <= 100);
    }
}
