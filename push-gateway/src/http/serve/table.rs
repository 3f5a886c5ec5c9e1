//! The open connections of a listener, and which of them is closed when there are too many.
use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
};

use futures_util::task::AtomicWaker;
use tokio::{sync::Notify, time::Instant};

/// Requests that a connection closes to make room for another one.
#[derive(Default)]
pub(super) struct Eviction {
    requested: AtomicBool,
    waker: AtomicWaker,
}

impl Eviction {
    fn request(&self) {
        self.requested.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Returns `true` if the connection is to close.
    pub(super) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Acquire)
    }

    /// Withdraws the request, because the connection received a request first.
    pub(super) fn withdraw(&self) {
        self.requested.store(false, Ordering::Release);
    }

    /// Wakes the connection's task.
    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    /// Registers the connection's task.
    pub(super) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }
}

/// Orders the connections that answer no request: those without an API key first, and of these the one that has been idle
/// longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    is_servers: bool,
    since: Instant,
    number: u64,
}

impl Key {
    pub(super) const fn new(is_servers: bool, since: Instant, number: u64) -> Self {
        Self {
            is_servers,
            since,
            number,
        }
    }
}

#[derive(Default)]
struct State {
    evictions: HashMap<u64, Arc<Eviction>>,
    waiting: BTreeSet<Key>,
}

/// The open connections of a listener.
#[derive(Default)]
pub(super) struct Table {
    state: Mutex<State>,
    /// Notified when a connection has answered its last request and could make room.
    pub(super) idle: Notify,
}

impl Table {
    pub(super) fn add(&self, number: u64, eviction: &Arc<Eviction>, key: Key) {
        let mut state = self.state();
        state.evictions.insert(number, Arc::clone(eviction));
        state.waiting.insert(key);
    }

    pub(super) fn change(&self, before: Option<Key>, after: Option<Key>) {
        if before == after {
            return;
        }
        let mut state = self.state();
        if let Some(before) = before {
            state.waiting.remove(&before);
        }
        // A connection that was removed is not added again.
        if let Some(after) = after.filter(|after| state.evictions.contains_key(&after.number)) {
            state.waiting.insert(after);
            drop(state);
            self.idle.notify_waiters();
        }
    }

    pub(super) fn remove(&self, number: u64, key: Option<Key>) {
        let mut state = self.state();
        state.evictions.remove(&number);
        if let Some(key) = key {
            state.waiting.remove(&key);
        }
    }

    /// Requests that the first connection in the order of [`Key`] closes. Returns `false` if all answer requests.
    pub(super) fn evict_one(&self) -> bool {
        let mut state = self.state();
        while let Some(key) = state.waiting.pop_first() {
            if let Some(eviction) = state.evictions.get(&key.number) {
                eviction.request();
                return true;
            }
        }
        false
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
