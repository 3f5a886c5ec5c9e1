//! The state of one lane that its two tasks share.
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use push_core::{Channel, Lane};
use tokio::sync::Notify;

use super::{control::Control, credential::CredentialCell, steady::Moment};

/// What a lane's two tasks share.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) lane: Lane,
    pub(super) credential: Arc<CredentialCell>,
    control: Mutex<Control>,
    changed: Notify,
    in_flight: AtomicUsize,
}

impl Cell {
    pub(super) fn new(lane: Lane, credential: Arc<CredentialCell>, control: Control) -> Self {
        Self {
            lane,
            credential,
            control: Mutex::new(control),
            changed: Notify::new(),
            in_flight: AtomicUsize::new(0),
        }
    }

    pub(super) fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The channel of its credential; `None` until a provider was built.
    pub(super) fn channel(&self) -> Option<Channel> {
        self.credential.state().channel.clone()
    }

    /// Deliveries are due after `after`.
    pub(super) fn wake(&self, after: Duration, now: Moment) {
        self.control().due_after(now, after);
        self.changed.notify_one();
    }

    /// The control was changed.
    pub(super) fn look(&self) {
        self.changed.notify_one();
    }

    /// Completes after the next change.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// How many deliveries are leased and not settled.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Deliveries were leased.
    pub(super) fn leased(&self, count: usize) {
        self.in_flight.fetch_add(count, Ordering::Relaxed);
    }

    /// Leased deliveries were settled or returned.
    pub(super) fn landed(&self, count: usize) {
        self.in_flight.fetch_sub(count, Ordering::Relaxed);
        self.changed.notify_one();
    }
}
