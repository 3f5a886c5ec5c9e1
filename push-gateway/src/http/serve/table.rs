//! The open connections of a listener, and which of them makes room when there are too many.
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

/// Asks a connection to make room for another one.
#[derive(Default)]
pub(super) struct Bell {
    rung: AtomicBool,
    waker: AtomicWaker,
}

impl Bell {
    fn ring(&self) {
        self.rung.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Returns `true` if the connection is asked to make room.
    pub(super) fn is_rung(&self) -> bool {
        self.rung.load(Ordering::Acquire)
    }

    /// A request came first: the connection stays.
    pub(super) fn ignore(&self) {
        self.rung.store(false, Ordering::Release);
    }

    /// Wakes the connection's task, so that it looks at what it does.
    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    /// Registers the connection's task.
    pub(super) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }
}

/// Orders the connections that answer no request: those of strangers before those of servers, and of each the one that has
/// waited longest first.
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
    bells: HashMap<u64, Arc<Bell>>,
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
    pub(super) fn add(&self, number: u64, bell: &Arc<Bell>, key: Key) {
        let mut state = self.state();
        state.bells.insert(number, Arc::clone(bell));
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
        // One that is over makes no more room.
        if let Some(after) = after.filter(|after| state.bells.contains_key(&after.number)) {
            state.waiting.insert(after);
            drop(state);
            self.idle.notify_waiters();
        }
    }

    pub(super) fn remove(&self, number: u64, key: Option<Key>) {
        let mut state = self.state();
        state.bells.remove(&number);
        if let Some(key) = key {
            state.waiting.remove(&key);
        }
    }

    /// Asks the connection that can best be spared to close. Returns `false` if all answer requests.
    pub(super) fn evict_one(&self) -> bool {
        let mut state = self.state();
        while let Some(key) = state.waiting.pop_first() {
            if let Some(bell) = state.bells.get(&key.number) {
                bell.ring();
                return true;
            }
        }
        false
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
