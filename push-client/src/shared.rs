//! What the session, the workers, the router and the facade share.
use std::{
    collections::BTreeMap,
    fmt,
    hash::{DefaultHasher, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use push_core::{CertificateIds, Channel, Clock, Interceptor, RouteHandler};
use tokio::{
    runtime::Handle,
    sync::{broadcast, watch},
};

use crate::{Event, GatewayApi, Phone, Settings, StateStore, outbox::SharedFolder, state::State};

/// How many events wait for a slow subscriber.
const EVENTS: usize = 256;

/// A handler or interceptor, and what it is called.
pub(crate) struct Named<T: ?Sized> {
    pub(crate) name: String,
    pub(crate) order: i32,
    pub(crate) it: Arc<T>,
}

/// Everything but the state that the client was built from.
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
    /// What is shared with the extension.
    pub(crate) folder: Option<SharedFolder>,
    pub(crate) runtime: Handle,
}

/// Tells a worker that there may be something to do.
#[derive(Default)]
pub(crate) struct News(watch::Sender<()>);

impl News {
    pub(crate) fn tell(&self) {
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
    /// The version of the state in memory, and that on disk.
    wanted: watch::Sender<u64>,
    saved: watch::Sender<u64>,
    /// Changes with every login and logout.
    pub(crate) logins: News,
    pub(crate) registrations: News,
    pub(crate) presence: News,
    pub(crate) receipts: News,
    /// One login at a time asks the platform.
    pub(crate) asking: tokio::sync::Mutex<()>,
    /// Different for each device, so that retries spread.
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
            logins: News::default(),
            registrations: News::default(),
            presence: News::default(),
            receipts: News::default(),
            asking: tokio::sync::Mutex::default(),
            spread: spread.finish(),
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells `event` to subscribers, counters and the log. Never while the state is locked: a subscriber may ask for it.
    pub(crate) fn tell(&self, event: Event) {
        if event.is_trouble() {
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
        // Nobody need listen.
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
        drop(self.closed.subscribe().wait_for(|it| *it).await);
    }

    /// Something changed that must survive a restart.
    pub(crate) fn changed(&self) {
        self.wanted.send_modify(|it| *it += 1);
    }

    /// Waits until everything that changed so far is on disk, or could not be brought there.
    pub(crate) async fn persisted(&self) {
        let wanted = *self.wanted.borrow();
        drop(self.saved.subscribe().wait_for(|it| *it >= wanted).await);
    }

    /// Somebody logged in or out: whatever waits is looked at again.
    pub(crate) fn login_changed(&self) {
        self.logins.tell();
        self.wake();
    }

    /// Tries again at once what failed, but for what a gateway asked to put off.
    pub(crate) fn wake(&self) {
        self.registrations.tell();
        self.presence.tell();
        self.receipts.tell();
    }

    /// Saves the state whenever it has changed, until the client closes; then once more.
    pub(crate) async fn keep_saved(self: Arc<Self>) {
        let mut wanted = self.wanted.subscribe();
        loop {
            let open = tokio::select! {
                changed = wanted.wait_for(|it| *it > *self.saved.borrow()) => changed.is_ok(),
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
        // Marked as done in either case: a full disk must not keep a token from the gateway.
        self.saved.send_replace(version);
        if let Err(error) = result {
            self.tell(Event::StateNotSaved(Arc::new(error)));
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
