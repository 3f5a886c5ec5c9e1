//! Keeps the latest rendered contents.
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use push_core::{Content, ContentId, Slot};

use super::{Context, Refusal, Rendered};

/// Contents that are kept. With payloads of at most 5 KiB and their sources this is a few MiB.
const CAPACITY: usize = 256;

/// What a rendering depends on, for one credential.
type Key = (ContentId, Slot, bool);

/// The latest rendered contents, oldest discarded first: one content goes to many targets, in batches that follow each other.
#[derive(Default)]
pub(crate) struct Cache(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    rendered: HashMap<Key, Arc<Rendered>>,
    order: VecDeque<Key>,
}

impl Cache {
    /// Returns `content` rendered for `slot`, from the cache if it is there.
    ///
    /// # Errors
    /// As [`Rendered::new`].
    pub(crate) fn get(
        &self,
        content: &Content,
        slot: Slot,
        has_badge: bool,
        context: Context<'_>,
    ) -> Result<Arc<Rendered>, Refusal> {
        let key = (content.id, slot, has_badge);
        if let Some(rendered) = self.lock().rendered.get(&key) {
            return Ok(Arc::clone(rendered));
        }
        // Rendered outside the lock: two sends may do it twice, neither waits.
        let rendered = Arc::new(Rendered::new(content, slot, has_badge, context)?);
        let mut entries = self.lock();
        if entries
            .rendered
            .insert(key, Arc::clone(&rendered))
            .is_none()
        {
            entries.order.push_back(key);
            if entries.order.len() > CAPACITY
                && let Some(oldest) = entries.order.pop_front()
            {
                entries.rendered.remove(&oldest);
            }
        }
        Ok(rendered)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cache({} contents)", self.lock().order.len())
    }
}

#[cfg(test)]
mod tests {
    use push_core::Timestamp;
    use push_testkit::sample;

    use super::*;

    const CONTEXT: Context<'_> = Context {
        topic: "com.example.chat",
        by_certificate: false,
    };

    #[test]
    fn a_content_is_rendered_once_and_the_oldest_is_discarded() {
        let cache = Cache::default();
        let mut content = (*sample::content(sample::notification())).clone();
        let first = cache.get(&content, Slot::Alert, true, CONTEXT).unwrap();
        let again = cache.get(&content, Slot::Alert, true, CONTEXT).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let without_badge = cache.get(&content, Slot::Alert, false, CONTEXT).unwrap();
        assert!(!Arc::ptr_eq(&first, &without_badge));
        for _ in 0..CAPACITY * 2 {
            content.id = ContentId::new(Timestamp::from_unix_seconds(1_700_000_000));
            cache.get(&content, Slot::Alert, true, CONTEXT).unwrap();
        }
        let entries = cache.lock();
        assert_eq!(entries.order.len(), CAPACITY);
        assert_eq!(entries.rendered.len(), CAPACITY);
    }
}
