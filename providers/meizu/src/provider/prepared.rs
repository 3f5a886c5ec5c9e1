//! What Meizu stored before a push, so that it is not stored again for each.
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use push_core::Timestamp;

/// How many entries there are at most; the next one takes the place of all.
const MOST: usize = 512;

/// What was prepared, by what it was prepared for, each until a time.
#[derive(Default)]
pub(super) struct Prepared(Mutex<HashMap<String, (String, Timestamp)>>);

impl Prepared {
    /// Returns what was prepared for `key`, unless it is over at `now`.
    pub(super) fn get(&self, key: &str, now: Timestamp) -> Option<String> {
        let known = self.lock().get(key).cloned();
        known
            .filter(|(_, until)| now < *until)
            .map(|(value, _)| value)
    }

    /// Keeps `value` for `life` from `now`.
    pub(super) fn put(&self, key: &str, value: &str, now: Timestamp, life: Duration) {
        let mut entries = self.lock();
        if entries.len() >= MOST {
            entries.retain(|_, (_, until)| now < *until);
        }
        if entries.len() >= MOST {
            entries.clear();
        }
        entries.insert(key.to_owned(), (value.to_owned(), now + life));
    }

    pub(super) fn forget(&self, key: &str) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (String, Timestamp)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_ends_and_there_are_never_too_many() {
        let (prepared, now) = (Prepared::default(), Timestamp::from_unix_seconds(1));
        let life = Duration::from_secs(60);
        for number in 0..=MOST {
            prepared.put(&number.to_string(), "value", now, life);
        }
        assert_eq!(prepared.lock().len(), 1);
        let last = MOST.to_string();
        assert_eq!(prepared.get(&last, now).as_deref(), Some("value"));
        assert_eq!(prepared.get(&last, now + life), None);
        prepared.forget(&last);
        assert_eq!(prepared.get(&last, now), None);
    }
}
