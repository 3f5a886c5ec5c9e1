//! The facade: what an app calls.
use std::{collections::BTreeMap, sync::Arc, time::Duration};

use push_core::{
    DeviceId, Error, LoginBridge, Presence, Result, SessionHandle, Slot, UserId, payload::Payload,
};
use tokio::{
    sync::broadcast,
    task::{JoinHandle, JoinSet},
};

use crate::{
    Completed, Completion, Door, Event, HostEvent, HostObserver, SlotState, Token, TokenError,
    session::ClientSession, shared::Shared,
};

/// How long a bridge may take to return when the client closes.
const BRIDGE_GRACE: Duration = Duration::from_secs(2);

/// The app half: registers this device with login and logout, and opens what a click names.
///
/// Built by [`PushClient::builder`] or [`PushClient::linked`]. The methods may be called from any thread and return at once;
/// what they cause happens on the runtime. Clones are the same client; when the last one is dropped, it closes.
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
        tasks.spawn_on(Arc::clone(&shared).help_extension(), &runtime);
        for (name, bridge) in bridges {
            tasks.spawn_on(observe(Arc::clone(&shared), name, bridge), &runtime);
        }
        let tasks = runtime.spawn(async move {
            while let Some(done) = tasks.join_next().await {
                if let Err(error) = done {
                    tracing::error!(target: "push_client", "a part of the push client has failed: {error}");
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

    /// The session, for a login bridge that the app runs itself.
    pub fn session(&self) -> SessionHandle {
        SessionHandle::new(Arc::new(ClientSession(Arc::clone(&self.0.shared))))
    }

    /// This installation's id. It survives restarts, and token rotation.
    pub fn device(&self) -> DeviceId {
        self.0.shared.state().device.clone()
    }

    /// Who is logged in.
    pub fn user(&self) -> Option<UserId> {
        let state = self.0.shared.state();
        state.current.as_ref().map(|it| it.account.user.clone())
    }

    /// How far the token of `slot` has come: the first thing to look at when no push arrives.
    pub fn slot(&self, slot: Slot) -> SlotState {
        let parts = &self.0.shared.parts;
        let state = self.0.shared.state();
        state.slot_state(slot, &parts.certificates, parts.device_kind)
    }

    /// Everything that happens from now on. A subscriber who falls 256 events behind misses the oldest.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.shared.subscribe()
    }

    /// How often each kind of [`Event`] happened, by [`Event::name`].
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0.shared.counts()
    }

    /// The client as an observer of the operating system's callbacks, for a [`HostHooks`](crate::HostHooks) that
    /// [`Builder::hooks`] was not given.
    pub fn observer(&self) -> Arc<dyn HostObserver> {
        Arc::clone(&self.0.observer) as _
    }

    /// The app was started by a click on a notification.
    pub fn launched(&self, payload: Payload) {
        self.clicked(Door::Launch, payload, Completion::none());
    }

    /// A person clicked on a notification. The completion is called exactly once, by the first of: the app, the client
    /// after its work, or the time-out (S34).
    pub fn clicked(&self, door: Door, payload: Payload, completion: Completion) {
        self.0.shared.clicked(door, payload, &completion);
    }

    /// A push arrived without anybody clicking: it is counted and reported, and opens nothing (S31).
    pub fn arrived(&self, payload: Payload, completion: Completion) {
        self.0.shared.arrived(payload, &completion);
    }

    /// The app can open things now: a click that a handler was not ready for is tried again (S30).
    pub fn ready(&self) {
        self.0.shared.ready();
    }

    /// A token came from the platform without being asked for, or anew. Kept while no user is logged in (S46), uploaded at
    /// the next login (S53).
    ///
    /// # Errors
    /// If it is not one that can be uploaded (S52); [`PushClient::slot`] then says so too.
    pub fn token_received(&self, slot: Slot, token: Token) -> Result<(), TokenError> {
        self.0.shared.token_received(slot, token)
    }

    /// The platform has no token for `slot`, and why.
    pub fn token_failed(&self, slot: Slot, why: impl Into<String>) {
        self.0.shared.token_failed(slot, why.into());
    }

    /// The token of `slot` is no longer valid, as when a Live Activity ended: the gateway forgets it.
    pub fn token_removed(&self, slot: Slot) {
        let shared = &self.0.shared;
        shared.state().tokens.remove(&slot);
        shared.changed();
        shared.registrations.tell();
    }

    /// Switches push on or off for this device (S56). Off takes its tokens from the gateway and keeps them for later; it
    /// survives restarts and logins.
    pub fn set_push(&self, on: bool) {
        let shared = &self.0.shared;
        let generation = {
            let mut state = shared.state();
            if state.is_push_on == on {
                return;
            }
            state.is_push_on = on;
            state.current.as_mut().map(|it| {
                it.unbinding_refused = false;
                it.generation
            })
        };
        shared.changed();
        shared.tell(Event::PushSwitched(on));
        if let Some(generation) = generation.filter(|_| on) {
            shared.ask_phone(generation);
        }
        shared.login_changed();
    }

    /// The app is in foreground. What failed is tried again at once, and the gateway says which tokens it has no longer.
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

    /// An Android activity started: the first one means foreground.
    pub fn activity_started(&self) {
        let is_first = {
            let mut state = self.0.shared.state();
            state.activities += 1;
            state.whereabouts.map(|it| it.body.presence) != Some(Presence::Online)
        };
        if is_first {
            self.foreground();
        }
    }

    /// An Android activity stopped: the last one means background, unless it is only being made anew because the screen was
    /// turned or a language chosen (`isChangingConfigurations`, S66).
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

    /// The number of unread messages: shown on the app's icon, and reported when the app goes to background (S65).
    pub fn set_unread(&self, unread: u32) {
        self.0.shared.state().unread = Some(unread);
        self.0.shared.parts.phone.set_badge(unread);
    }

    /// Ends bridges and uploads, and waits until the state is saved. Reports that are still pending are sent after the next
    /// start.
    pub async fn close(&self) {
        self.0.shared.close();
        let tasks = self
            .0
            .tasks
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        if let Some(tasks) = tasks {
            // It catches the failures of what it waits for, so it has none of its own.
            drop(tasks.await);
        }
    }
}

async fn observe(shared: Arc<Shared>, name: String, bridge: Arc<dyn LoginBridge>) {
    let session = SessionHandle::new(Arc::new(ClientSession(Arc::clone(&shared))));
    // In a task of its own, so that a bridge that panics is reported like one that fails.
    let run = shared
        .parts
        .runtime
        .spawn(async move { bridge.run(session).await });
    let abort = run.abort_handle();
    let finished = tokio::select! {
        finished = run => finished,
        () = late(&shared) => {
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
        shared.tell(Event::BridgeEnded {
            name,
            error: error.map(Arc::new),
        });
    }
}

/// Completes when a bridge has had its time to return after the client closed.
async fn late(shared: &Shared) {
    shared.closed().await;
    shared.parts.clock.sleep(BRIDGE_GRACE).await;
}

/// The client behind [`HostHooks`](crate::HostHooks): holds no [`PushClient`], so that hooks do not keep it open.
#[derive(Debug)]
pub(crate) struct Observer(pub(crate) Arc<Shared>);

impl HostObserver for Observer {
    fn heard(&self, event: &HostEvent) {
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
                shared.clicked(Door::Launch, payload.clone(), &Completion::none());
            }
            HostEvent::Clicked(payload, completion) => {
                shared.clicked(Door::Response, payload.clone(), completion);
            }
            HostEvent::Arrived(payload, completion) => {
                shared.arrived(payload.clone(), completion);
            }
            HostEvent::TokenArrived(slot, token) => {
                // Its fault has been reported.
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
        self.state().told(presence, now);
        if presence == Presence::Online {
            self.wake();
        } else {
            self.presence.tell();
        }
    }
}
