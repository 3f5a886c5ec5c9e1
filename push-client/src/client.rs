//! The client's public interface.
use std::{collections::BTreeMap, sync::Arc, time::Duration};

use push_core::{
    DeviceId, Error, LoginBridge, Presence, Result, SessionHandle, Slot, UserId, payload::Payload,
};
use tokio::{
    sync::broadcast,
    task::{JoinHandle, JoinSet},
};

use crate::{
    ClickSource, Completed, Completion, Event, HostEvent, HostObserver, SlotState, Token,
    TokenError, session::ClientSession, shared::Shared,
};

/// The time that a bridge has to return after the client has closed.
const BRIDGE_GRACE: Duration = Duration::from_secs(2);

/// The app half: registers this device at login, unregisters it at logout, and opens the target of a click.
///
/// Built by [`PushClient::builder`] or [`PushClient::linked`]. The methods may be called from any thread and return at once; the
/// work is done on the runtime. Clones share one client, which closes when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct PushClient(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    observer: Arc<Observer>,
    tasks: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl PushClient {
    pub(crate) fn run(shared: Arc<Shared>, bridges: Vec<(String, Arc<dyn LoginBridge>)>) -> Self {
        let runtime = shared.parts.runtime.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn_on(Arc::clone(&shared).keep_saved(), &runtime);
        tasks.spawn_on(Arc::clone(&shared).upload(), &runtime);
        tasks.spawn_on(Arc::clone(&shared).report_presence(), &runtime);
        tasks.spawn_on(Arc::clone(&shared).report_receipts(), &runtime);
        tasks.spawn_on(Arc::clone(&shared).serve_extension(), &runtime);
        for (name, bridge) in bridges {
            tasks.spawn_on(observe(Arc::clone(&shared), name, bridge), &runtime);
        }
        let tasks = runtime.spawn(async move {
            while let Some(done) = tasks.join_next().await {
                if let Err(error) = done {
                    tracing::error!(target: "push_client", "a task of the push client has failed: {error}");
                }
            }
        });
        let observer = Arc::new(Observer(Arc::clone(&shared)));
        Self(Arc::new(Handle {
            shared,
            observer,
            tasks: std::sync::Mutex::new(Some(tasks)),
        }))
    }

    /// Returns the session, for a login bridge that the app runs itself.
    pub fn session(&self) -> SessionHandle {
        SessionHandle::new(Arc::new(ClientSession(Arc::clone(&self.0.shared))))
    }

    /// Returns this installation's id. It stays the same over restarts and token changes.
    pub fn device(&self) -> DeviceId {
        self.0.shared.state().device.clone()
    }

    /// Returns the user who is logged in.
    pub fn user(&self) -> Option<UserId> {
        let state = self.0.shared.state();
        let login = state.current.as_ref();
        login.map(|login| login.account.user.clone())
    }

    /// Returns how far the token of `slot` has come. Check this first when no push arrives.
    pub fn slot(&self, slot: Slot) -> SlotState {
        let parts = &self.0.shared.parts;
        let state = self.0.shared.state();
        state.slot_state(slot, &parts.certificates, parts.device_kind)
    }

    /// Returns the events from now on. A subscriber that falls 256 events behind misses the oldest ones.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.shared.subscribe()
    }

    /// Returns how often each kind of [`Event`] happened, by [`Event::name`].
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0.shared.counts()
    }

    /// Returns the client's observer of the operating system's callbacks, for a [`HostHooks`](crate::HostHooks) that was not
    /// passed to [`Builder::hooks`](crate::Builder::hooks).
    pub fn observer(&self) -> Arc<dyn HostObserver> {
        Arc::clone(&self.0.observer) as _
    }

    /// Reports that the app was started by a click on a notification.
    pub fn launched(&self, payload: Payload) {
        self.clicked(ClickSource::Launch, payload, Completion::none());
    }

    /// Reports a click on a notification. The completion is called exactly once: by the app, by the client after its work, or
    /// by the time-out, whichever comes first (S34).
    pub fn clicked(&self, source: ClickSource, payload: Payload, completion: Completion) {
        self.0.shared.clicked(source, payload, &completion);
    }

    /// Reports that a push arrived and was not clicked. It is counted and acknowledged, and opens nothing (S31).
    pub fn arrived(&self, payload: Payload, completion: Completion) {
        self.0.shared.arrived(payload, &completion);
    }

    /// Reports that the app can open targets now. A click for which a handler was not ready is routed again (S30).
    pub fn ready(&self) {
        self.0.shared.ready();
    }

    /// Reports a token that the platform returned without a request, or a changed one. It is stored while no user is logged in
    /// (S46), and uploaded at the next login (S53).
    ///
    /// # Errors
    /// If the token cannot be uploaded (S52); [`PushClient::slot`] then reports the same.
    pub fn token_received(&self, slot: Slot, token: Token) -> Result<(), TokenError> {
        self.0.shared.token_received(slot, token)
    }

    /// Reports that the platform has no token for `slot`, and why.
    pub fn token_failed(&self, slot: Slot, why: impl Into<String>) {
        self.0.shared.token_failed(slot, why.into());
    }

    /// Reports that the token of `slot` is no longer valid, for example because a Live Activity has ended. The client removes it
    /// from the gateway.
    pub fn token_removed(&self, slot: Slot) {
        let shared = &self.0.shared;
        shared.state().tokens.remove(&slot);
        shared.changed();
        shared.registrations.notify();
    }

    /// Switches push on or off for this device (S56). Switching it off removes its tokens from the gateway and keeps them in the
    /// app. The setting stays over restarts and logins.
    pub fn set_push(&self, on: bool) {
        let shared = &self.0.shared;
        let generation = {
            let mut state = shared.state();
            if state.is_push_on == on {
                return;
            }
            state.is_push_on = on;
            state.current.as_mut().map(|login| {
                login.unbinding_refused = false;
                login.generation
            })
        };
        shared.changed();
        shared.emit(Event::PushSwitched(on));
        if let Some(generation) = generation.filter(|_| on) {
            shared.ask_phone(generation);
        }
        shared.login_changed();
    }

    /// Reports that the app is in foreground. The client retries failed requests at once, and the gateway answers which tokens
    /// it has forgotten.
    pub fn foreground(&self) {
        self.presence(Presence::Online);
    }

    /// Reports that the app is in background, with this number of unread messages; `None` for the number given to
    /// [`PushClient::set_unread`].
    pub fn background(&self, unread: Option<u32>) {
        if unread.is_some() {
            self.0.shared.state().unread = unread;
        }
        self.presence(Presence::Background);
    }

    fn presence(&self, presence: Presence) {
        self.0.shared.set_presence(presence);
    }

    /// Reports that an Android activity started. The first one means foreground.
    pub fn activity_started(&self) {
        let is_first = {
            let mut state = self.0.shared.state();
            state.activities += 1;
            state.presence.map(|report| report.body.presence) != Some(Presence::Online)
        };
        if is_first {
            self.foreground();
        }
    }

    /// Reports that an Android activity stopped. The last one means background, unless the activity is only recreated after a
    /// rotation or a change of language (`isChangingConfigurations`, S66).
    pub fn activity_stopped(&self, is_changing_configuration: bool) {
        let is_last = {
            let mut state = self.0.shared.state();
            state.activities = state.activities.saturating_sub(1);
            state.activities == 0
        };
        if is_last && !is_changing_configuration {
            self.background(None);
        }
    }

    /// Sets the number of unread messages. It is shown on the app's icon, and reported when the app goes to background (S65).
    pub fn set_unread(&self, unread: u32) {
        self.0.shared.state().unread = Some(unread);
        self.0.shared.parts.phone.set_badge(unread);
    }

    /// Stops bridges and uploads, and waits until the state is saved. Pending reports are sent after the next start.
    pub async fn close(&self) {
        self.0.shared.close();
        let tasks = self
            .0
            .tasks
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        if let Some(tasks) = tasks {
            // The task logs the failures of the tasks that it joins, and cannot fail itself.
            drop(tasks.await);
        }
    }
}

async fn observe(shared: Arc<Shared>, name: String, bridge: Arc<dyn LoginBridge>) {
    let session = SessionHandle::new(Arc::new(ClientSession(Arc::clone(&shared))));
    // In its own task, so that a panic of the bridge is reported like an error.
    let run = shared
        .parts
        .runtime
        .spawn(async move { bridge.run(session).await });
    let abort = run.abort_handle();
    let finished = tokio::select! {
        finished = run => finished,
        () = bridge_timeout(&shared) => {
            abort.abort();
            return;
        }
    };
    let error = match finished {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error),
        Err(panic) => {
            Some(Error::new(push_core::ErrorKind::Internal, "the bridge failed").because(panic))
        }
    };
    if !shared.is_closed() {
        shared.emit(Event::BridgeEnded {
            name,
            error: error.map(Arc::new),
        });
    }
}

/// Completes [`BRIDGE_GRACE`] after the client has closed.
async fn bridge_timeout(shared: &Shared) {
    shared.closed().await;
    shared.parts.clock.sleep(BRIDGE_GRACE).await;
}

/// The client's observer in [`HostHooks`](crate::HostHooks). It holds no [`PushClient`], so hooks do not keep a client open.
#[derive(Debug)]
pub(crate) struct Observer(pub(crate) Arc<Shared>);

impl HostObserver for Observer {
    fn on_event(&self, event: &HostEvent) {
        let shared = &self.0;
        if shared.is_closed() {
            if let HostEvent::Clicked(_, completion) | HostEvent::Arrived(_, completion) = event {
                completion.complete_unless_deferred(Completed::NoData);
            }
            return;
        }
        match event {
            HostEvent::Launched(None) => {}
            HostEvent::Launched(Some(payload)) => {
                shared.clicked(ClickSource::Launch, payload.clone(), &Completion::none());
            }
            HostEvent::Clicked(payload, completion) => {
                shared.clicked(ClickSource::Response, payload.clone(), completion);
            }
            HostEvent::Arrived(payload, completion) => {
                shared.arrived(payload.clone(), completion);
            }
            HostEvent::TokenArrived(slot, token) => {
                // An error has been emitted as an event.
                drop(shared.token_received(*slot, token.clone()));
            }
            HostEvent::TokenFailed(slot, why) => shared.token_failed(*slot, why.clone()),
            HostEvent::Foreground => shared.set_presence(Presence::Online),
            HostEvent::Background => shared.set_presence(Presence::Background),
        }
    }
}

impl Shared {
    pub(crate) fn set_presence(&self, presence: Presence) {
        let now = self.parts.clock.now();
        self.state().set_presence(presence, now);
        if presence == Presence::Online {
            self.wake();
        } else {
            self.presence.notify();
        }
    }
}
