//! Which messages were pushed to whom lately, so that a retried submission does not count on the badge again.
use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
};

use push_core::{AppId, MessageId, UserId};

/// The last pushes by message and receiver, as 128-bit hashes. Only what is durable in the queue is kept here: a
/// submission that failed may be repeated. The queue remembers longer, and across restarts.
#[derive(Debug)]
pub(crate) struct Recent {
    hashers: [RandomState; 2],
    halves: Mutex<[HashSet<(u64, u64)>; 2]>,
    half: usize,
}

impl Recent {
    /// Remembers at least `half` pushes, at most twice as many (16 bytes each).
    pub(crate) fn new(half: usize) -> Self {
        Self {
            hashers: [RandomState::new(), RandomState::new()],
            halves: Mutex::default(),
            half,
        }
    }

    fn key(&self, app: &AppId, message: &MessageId, user: &UserId) -> (u64, u64) {
        let [one, other] = &self.hashers;
        let names = (app, message, user);
        (one.hash_one(names), other.hash_one(names))
    }

    pub(crate) fn contains(&self, app: &AppId, message: &MessageId, user: &UserId) -> bool {
        let key = self.key(app, message, user);
        let halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        halves.iter().any(|it| it.contains(&key))
    }

    pub(crate) fn insert(&self, app: &AppId, message: &MessageId, user: &UserId) {
        let key = self.key(app, message, user);
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        let [now, before] = &mut *halves;
        now.insert(key);
        if now.len() >= self.half {
            *before = std::mem::take(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pushes_are_known_and_memory_is_bounded() {
        let recent = Recent::new(100);
        let app = AppId::new("app").unwrap();
        let user = UserId::new("user").unwrap();
        let message = |number: u32| MessageId::new(number.to_string()).unwrap();
        for number in 0..1000 {
            assert!(!recent.contains(&app, &message(number), &user));
            recent.insert(&app, &message(number), &user);
            assert!(recent.contains(&app, &message(number), &user));
        }
        let known = (0..1000)
            .filter(|it| recent.contains(&app, &message(*it), &user))
            .count();
        assert!((100..=200).contains(&known), "{known}");
        let other = UserId::new("other").unwrap();
        assert!(!recent.contains(&app, &message(999), &other));
    }
}
