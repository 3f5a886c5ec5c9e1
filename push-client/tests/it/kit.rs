//! A client on a scripted phone.
use std::{sync::Arc, time::Duration};

use push_client::{
    Builder, Event, GatewayError, GatewayErrorKind, MemoryState, Permission, PushClient,
    testing::{Asked, ScriptedGateway, ScriptedPhone},
};
use push_core::{
    Account, AppId, CertificateEntry, CertificateIds, Generation, LogoutCause, ManualClock, Secret,
    SessionHandle, Slot, Timestamp, UserId,
    payload::{Entity, Ext, Payload},
};
use serde_json::json;
use tokio::sync::broadcast;

use push_testkit::patience;
pub(crate) use push_testkit::{block_on, until, until_idle};

pub(crate) const TOKEN: &str = "00fc13adff785122";
pub(crate) const VOIP_TOKEN: &str = "11fc13adff785122";

pub(crate) struct Kit {
    pub(crate) client: PushClient,
    pub(crate) phone: ScriptedPhone,
    pub(crate) gateway: ScriptedGateway,
    pub(crate) clock: ManualClock,
    pub(crate) state: Arc<MemoryState>,
    pub(crate) events: broadcast::Receiver<Event>,
}

/// The parts of a client, before it starts.
pub(crate) struct Parts {
    pub(crate) phone: ScriptedPhone,
    pub(crate) gateway: ScriptedGateway,
    pub(crate) clock: ManualClock,
    pub(crate) state: Arc<MemoryState>,
}

impl Parts {
    /// An iPhone that grants permission and returns both tokens at once.
    pub(crate) fn new() -> Self {
        Self {
            phone: ScriptedPhone::iphone(&[Slot::Alert, Slot::Voip])
                .permitting(Permission::Granted)
                .giving(Slot::Alert, TOKEN)
                .giving(Slot::Voip, VOIP_TOKEN),
            gateway: ScriptedGateway::new(),
            clock: ManualClock::new(Timestamp::from_unix_seconds(1_700_000_000)),
            state: Arc::new(MemoryState::new()),
        }
    }

    pub(crate) fn with_phone(phone: ScriptedPhone) -> Self {
        Self {
            phone,
            ..Self::new()
        }
    }

    pub(crate) fn builder(&self) -> Builder {
        PushClient::builder(Arc::new(self.phone.clone()), Arc::new(self.gateway.clone()))
            .certificates(certificates())
            .clock(Arc::new(self.clock.clone()))
            .shared_state(Arc::clone(&self.state) as _)
    }

    pub(crate) async fn start(self, with: impl FnOnce(Builder) -> Builder) -> Kit {
        let client = with(self.builder().without_bridge())
            .start()
            .await
            .expect("the client starts");
        Kit {
            events: client.subscribe(),
            client,
            phone: self.phone,
            gateway: self.gateway,
            clock: self.clock,
            state: self.state,
        }
    }
}

impl Kit {
    pub(crate) async fn new() -> Self {
        Parts::new().start(|it| it).await
    }

    pub(crate) fn session(&self) -> SessionHandle {
        self.client.session()
    }

    pub(crate) async fn log_in(&self, user: &str) -> Generation {
        self.session()
            .register(account(user), "test")
            .await
            .expect("the login is accepted")
    }

    pub(crate) async fn log_out(&self, generation: Generation) {
        self.session()
            .unregister(generation, LogoutCause::Logout, "test")
            .await
            .expect("the logout is accepted");
    }

    /// Starts a client and logs `user` in, until every token is at the gateway.
    pub(crate) async fn logged_in(user: &str) -> (Self, Generation) {
        let kit = Self::new().await;
        let generation = kit.log_in(user).await;
        kit.uploaded(user, &[Slot::Alert, Slot::Voip]).await;
        (kit, generation)
    }

    /// Waits until the gateway has exactly these tokens of `user`, and the client has got the answers.
    pub(crate) async fn uploaded(&self, user: &str, slots: &[Slot]) {
        let device = self.client.device();
        until(|| {
            self.gateway.device(&device).is_some_and(|(who, tokens)| {
                who.as_str() == user && tokens.keys().copied().eq(slots.iter().copied())
            })
        })
        .await;
        until_idle().await;
    }

    pub(crate) fn uploads(&self) -> usize {
        let asked = self.gateway.asked();
        asked
            .iter()
            .filter(|it| matches!(it, Asked::Register(..)))
            .count()
    }

    /// The events since the last call of this.
    pub(crate) fn new_events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }

    pub(crate) fn new_event_names(&mut self) -> Vec<&'static str> {
        self.new_events().iter().map(Event::name).collect()
    }

    /// Waits for an event of this name.
    pub(crate) async fn event(&mut self, name: &str) -> Event {
        let wanted = async {
            loop {
                let event = self.events.recv().await.expect("no event is missed");
                if event.name() == name {
                    return event;
                }
            }
        };
        let event = tokio::time::timeout(patience(), wanted).await;
        event.unwrap_or_else(|_| panic!("waited {:?} in vain for the event {name}", patience()))
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        self.client.counts().get(name).copied().unwrap_or_default()
    }

    /// Advances the clock by `time` once there are `sleepers` sleepers.
    pub(crate) async fn pass(&self, sleepers: usize, time: Duration) {
        until(|| self.clock.sleepers() >= sleepers).await;
        self.clock.advance(time);
        until_idle().await;
    }

    /// Ends this client as at the end of a process, and starts the next one on the same phone.
    pub(crate) async fn restarted(self, with: impl FnOnce(Builder) -> Builder) -> Self {
        self.client.close().await;
        Parts {
            phone: self.phone,
            gateway: self.gateway,
            clock: self.clock,
            state: self.state,
        }
        .start(with)
        .await
    }
}

pub(crate) fn user(user: &str) -> UserId {
    UserId::new(user).expect("a good user id")
}

pub(crate) fn account(user: &str) -> Account {
    Account::new(
        AppId::new("1400000001").expect("a good app id"),
        self::user(user),
        Secret::new(format!("ticket-of-{user}")),
    )
}

pub(crate) fn entry(slot: Slot, id: i64) -> CertificateEntry {
    CertificateEntry::new("apns", slot, id, true, ("app/src/main.rs", 7))
}

/// As a debug build: 31287 for alerts, 31290 for calls, 31300 for Live Activities.
pub(crate) fn certificates() -> CertificateIds {
    CertificateIds::new([
        entry(Slot::Alert, 31287),
        entry(Slot::Voip, 31290),
        entry(Slot::LiveActivity, 31300),
    ])
    .expect("good certificate ids")
}

/// Returns a push for a message from `sender`, with a unique text.
pub(crate) fn message(sender: &str, text: &str) -> Payload {
    pushed(&Entity::for_user_message(sender, "", "", text))
}

pub(crate) fn group_message(group: &str, text: &str) -> Payload {
    pushed(&Entity::for_group_message(group, "", "", text))
}

pub(crate) fn pushed(entity: &Entity) -> Payload {
    let ext = Ext::new(entity.clone()).to_json_string();
    Payload::apns(json!({ "aps": { "alert": "hi" }, "ext": ext }))
}

pub(crate) fn unavailable() -> GatewayError {
    GatewayError::new(GatewayErrorKind::Unavailable, "", "no answer")
}
