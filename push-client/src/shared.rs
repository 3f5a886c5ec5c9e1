//! The part of the client that the session, the workers, the router and the public interface share.
use std::{
    collections::BTreeMap,
    fmt,
    hash::{DefaultHasher, Hasher},
    panic::Location,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use push_core::{CertificateIds, Channel, Clock, Interceptor, RouteHandler};
use tokio::{
    runtime::Handle,
    sync::{broadcast, watch},
};

use crate::{Event, GatewayApi, Phone, Settings, StateStore, outbox::SharedFolder, state::State};

/// The number of events that are kept for a slow subscriber.
const EVENTS: usize = 256;

/// A handler or interceptor, with its name and order.
pub(crate) struct Named<T: ?Sized> {
    pub(crate) name: String,
    pub(crate) order: i32,
    pub(crate) hook: Arc<T>,
    pub(crate) place: &'static Location<'static>,
}

/// The parts that the client was built from, without the state.
pub(crate) struct Parts {
    pub(crate) phone: Arc<dyn Phone>,
    pub(crate) channel: Channel,
    pub(crate) slots: Vec<push_core::Slot>,
    pub(crate) device_kind: Option<push_core::Platform>,
    pub(crate) gateway: Arc<dyn GatewayApi>,
    pub(crate) certificates: CertificateIds,
    pub(crate) routes: Vec<Named<dyn RouteHandler>>,
    pub(crate) interceptors: Vec<Named<dyn Interceptor>>,
    pub(crate) store: Arc<dyn StateStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
    /// The folder that is shared with the extension.
    pub(crate) folder: Option<SharedFolder>,
    pub(crate) runtime: Handle,
}

/// Wakes a worker that may have work to do.
#[derive(Default)]
pub(crate) struct Signal(watch::Sender<()>);

impl Signal {
    pub(crate) fn notify(&self) {
        self.0.send_replace(());
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}

pub(crate) struct Shared {
    pub(crate) parts: Parts,
    state: Mutex<State>,
    events: broadcast::Sender<Event>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    closed: watch::Sender<bool>,
    /// The version of the state in memory.
    wanted: watch::Sender<u64>,
    /// The version of the state on disk.
    saved: watch::Sender<u64>,
    /// Notified at every login and logout.
    pub(crate) logins: Signal,
    pub(crate) registrations: Signal,
    pub(crate) presence: Signal,
    pub(crate) receipts: Signal,
    /// Held while one login or logout is processed.
    pub(crate) asking: tokio::sync::Mutex<()>,
    /// A number that differs between devices, so that their retries are spread over time.
    pub(crate) spread: u64,
}

impl Shared {
    pub(crate) fn new(parts: Parts, state: State) -> Arc<Self> {
        let mut spread = DefaultHasher::new();
        spread.write(state.device.as_str().as_bytes());
        Arc::new(Self {
            parts,
            state: Mutex::new(state),
            events: broadcast::Sender::new(EVENTS),
            counts: Mutex::default(),
            closed: watch::Sender::new(false),
            wanted: watch::Sender::new(0),
            saved: watch::Sender::new(0),
            logins: Signal::default(),
            registrations: Signal::default(),
            presence: Signal::default(),
            receipts: Signal::default(),
            asking: tokio::sync::Mutex::default(),
            spread: spread.finish(),
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends `event` to subscribers, counters and the log. Must not be called while the state is locked.
    pub(crate) fn emit(&self, event: Event) {
        if event.needs_attention() {
            tracing::warn!(target: "push_client", event = event.name(), "{event:?}");
        } else {
            tracing::debug!(target: "push_client", event = event.name(), "{event:?}");
        }
        *self
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(event.name())
            .or_default() += 1;
        // Sending fails if there is no subscriber.
        drop(self.events.send(event));
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }

    pub(crate) async fn closed(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        drop(self.closed.subscribe().wait_for(|closed| *closed).await);
    }

    /// Marks the saved part of the state as changed.
    pub(crate) fn changed(&self) {
        self.wanted.send_modify(|version| *version += 1);
    }

    /// Waits until every change so far is on disk, or could not be saved.
    pub(crate) async fn persisted(&self) {
        let wanted = *self.wanted.borrow();
        let mut saved = self.saved.subscribe();
        drop(saved.wait_for(|version| *version >= wanted).await);
    }

    /// Wakes all workers after a login or logout.
    pub(crate) fn login_changed(&self) {
        self.logins.notify();
        self.wake();
    }

    /// Retries failed requests at once, except those that the gateway asked to delay.
    pub(crate) fn wake(&self) {
        self.registrations.notify();
        self.presence.notify();
        self.receipts.notify();
    }

    /// Saves the state after every change until the client closes, and once more then.
    pub(crate) async fn keep_saved(self: Arc<Self>) {
        let mut wanted = self.wanted.subscribe();
        loop {
            let open = tokio::select! {
                changed = wanted.wait_for(|version| *version > *self.saved.borrow()) => changed.is_ok(),
                () = self.closed() => false,
            };
            self.save().await;
            if !open {
                return;
            }
        }
    }

    async fn save(&self) {
        let version = *self.wanted.borrow();
        if version == *self.saved.borrow() {
            return;
        }
        let bytes = crate::state::save(&self.state());
        let store = Arc::clone(&self.parts.store);
        let result = match bytes {
            Ok(bytes) => tokio::task::spawn_blocking(move || store.save(&bytes))
                .await
                .unwrap_or_else(|error| {
                    Err(push_core::Error::new(
                        push_core::ErrorKind::Internal,
                        "the state store failed",
                    )
                    .because(error))
                }),
            Err(error) => Err(error),
        };
        // Marked as saved also after an error: a full disk must not block the upload of a token.
        self.saved.send_replace(version);
        if let Err(error) = result {
            self.emit(Event::StateNotSaved(Arc::new(error)));
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushClient")
            .field("channel", &self.parts.channel)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
