//! A phone with the app on it: what arrives, what its screen shows, and what the app gets when a person taps.
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use push_core::{
    CertificateId, Channel, Clock, DeviceToken, Environment, Platform, Slot, Timestamp,
    api::RegistrationBody, payload::Payload,
};
use push_testkit::simulator::{Arrives, Inbox};
use serde_json::{Value, json};

use super::{World, kinds::Kind, random_hex};
use crate::PushType;

/// How long the service keeps a push that says nothing of it. Apple does not publish its own policy.
const KEPT_BY_DEFAULT: Duration = Duration::from_secs(28 * 24 * 60 * 60);

/// A phone with one app on it. Clones are the same phone.
#[derive(Clone)]
pub struct Phone {
    pub(super) inner: Arc<Inner>,
    world: Arc<World>,
}

pub(super) struct Inner {
    topic: String,
    environment: Environment,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    pub(super) inbox: Inbox<Arrival>,
}

#[derive(Default)]
struct State {
    gone_since: Option<Timestamp>,
    /// Tokens by the suffix of their topic.
    tokens: HashMap<&'static str, String>,
}

/// One push as the phone got it.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Arrival {
    /// `apns-id`: the delivery's id.
    pub apns_id: String,
    /// `apns-push-type`.
    pub push_type: PushType,
    /// `apns-topic`, or the channel's id of a broadcast.
    pub topic: String,
    /// `apns-priority`.
    pub priority: u8,
    /// `apns-collapse-id`, if there is one.
    pub collapse_id: Option<String>,
    /// The payload.
    pub payload: Value,
    /// When it reached the phone.
    pub at: Timestamp,
}

impl Arrival {
    fn alert(&self, key: &str) -> Option<&str> {
        self.payload["aps"]["alert"][key].as_str()
    }

    /// The first line.
    pub fn title(&self) -> Option<&str> {
        self.alert("title")
    }

    /// The second line.
    pub fn subtitle(&self) -> Option<&str> {
        self.alert("subtitle")
    }

    /// The text.
    pub fn body(&self) -> Option<&str> {
        self.alert("body")
            .or_else(|| self.payload["aps"]["alert"].as_str())
    }

    /// The number for the icon.
    pub fn badge(&self) -> Option<u64> {
        self.payload["aps"]["badge"].as_u64()
    }

    /// What is heard.
    pub fn sound(&self) -> Option<&str> {
        let sound = &self.payload["aps"]["sound"];
        sound.as_str().or_else(|| sound["name"].as_str())
    }

    /// The `ext` string beside `aps`.
    pub fn ext(&self) -> Option<&str> {
        self.payload["ext"].as_str()
    }
}

impl Arrives for Arrival {
    fn is_shown(&self) -> bool {
        self.push_type == PushType::Alert && !self.payload["aps"]["alert"].is_null()
    }

    fn replaces(&self, earlier: &Self) -> bool {
        self.collapse_id.is_some() && self.collapse_id == earlier.collapse_id
    }

    fn badge_after(&self, now: u32) -> u32 {
        self.badge()
            .map_or(now, |badge| u32::try_from(badge).unwrap_or(u32::MAX))
    }

    fn to_json(&self) -> Value {
        json!({
            "apns_id": self.apns_id,
            "push_type": self.push_type,
            "topic": self.topic,
            "priority": self.priority,
            "collapse_id": self.collapse_id,
            "payload": self.payload,
            "at": self.at.unix_millis(),
        })
    }

    fn click_payload(&self) -> Option<Payload> {
        Some(Payload::apns(self.payload.clone()))
    }
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrival")
            .field("apns_id", &self.apns_id)
            .field("push_type", &self.push_type)
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

impl Phone {
    pub(super) fn new(world: Arc<World>, topic: String, environment: Environment) -> Self {
        let inner = Inner {
            topic,
            environment,
            clock: Arc::clone(&world.clock),
            state: Mutex::default(),
            inbox: Inbox::default(),
        };
        Self {
            inner: Arc::new(inner),
            world,
        }
    }

    /// The app's bundle id.
    pub fn topic(&self) -> &str {
        &self.inner.topic
    }

    /// Which build of the app it is.
    pub fn environment(&self) -> Environment {
        self.inner.environment
    }

    /// The device token: 64 hexadecimal digits.
    pub fn token(&self) -> String {
        self.token_for(PushType::Alert)
    }

    /// Returns what the app half reports to the gateway of the device token: that it belongs to the credential
    /// `certificate`, which the app's `certificate_id!` names.
    pub fn registration(&self, certificate: CertificateId) -> RegistrationBody {
        let token = DeviceToken::new(self.token()).expect("hexadecimal digits are a token");
        let mut body = RegistrationBody::new(Channel::APNS, certificate, self.environment(), token);
        body.facts.platform = Some(Platform::Ios);
        body
    }

    /// The token for what a gateway calls a slot.
    pub fn token_of(&self, slot: Slot) -> String {
        self.token_for(match slot {
            Slot::Voip => PushType::Voip,
            Slot::LiveActivity => PushType::LiveActivity,
            _ => PushType::Alert,
        })
    }

    /// The token for pushes of this kind. Kinds with the same topic share one; those of Live Activities are longer.
    pub fn token_for(&self, push_type: PushType) -> String {
        let suffix = Kind::of(push_type).suffix;
        let mut state = self.inner.lock();
        if let Some(token) = state.tokens.get(suffix) {
            return token.clone();
        }
        let token = if push_type == PushType::LiveActivity {
            random_hex::<80>()
        } else {
            random_hex::<32>()
        };
        state.tokens.insert(suffix, token.clone());
        drop(state);
        let topic = format!("{}{suffix}", self.inner.topic);
        self.world.environment(self.inner.environment).issue(
            &token,
            topic,
            Arc::clone(&self.inner),
        );
        token
    }

    /// Everything that arrived, oldest first: the last 1,024.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.inner.inbox.arrivals()
    }

    /// What the notification centre shows, oldest first: what a later push replaced (`apns-collapse-id`) or a person
    /// tapped is not there.
    pub fn screen(&self) -> Vec<Arrival> {
        self.inner.inbox.screen()
    }

    /// The number on the icon.
    pub fn badge(&self) -> u32 {
        self.inner.inbox.badge()
    }

    /// How many pushes arrived since the app was installed.
    pub fn arrived(&self) -> u64 {
        self.inner.inbox.arrived()
    }

    /// Completes when at least `count` pushes have arrived since the app was installed, and returns the last.
    pub async fn wait_for(&self, count: u64) -> Option<Arrival> {
        self.inner.inbox.wait_for(count).await
    }

    /// A person taps `arrival`: it leaves the screen, and the app gets the whole payload (`userInfo`). `None` if it is not
    /// on the screen.
    pub fn tap(&self, arrival: &Arrival) -> Option<Value> {
        let tapped = self
            .inner
            .inbox
            .tap(|shown| shown.apns_id == arrival.apns_id)?;
        Some(tapped.payload)
    }

    /// A person taps the newest notification on the screen. See [`Phone::tap`].
    pub fn tap_newest(&self) -> Option<Value> {
        self.inner.inbox.tap(|_| true).map(|tapped| tapped.payload)
    }

    /// Nothing arrives any more; the service keeps one push for each topic.
    pub fn switch_off(&self) {
        self.inner.inbox.switch_off();
    }

    /// What the service kept, and whose time is not over, arrives.
    pub fn switch_on(&self) {
        let now = self.inner.clock.now();
        for arrival in self.inner.inbox.switch_on(now) {
            self.inner.inbox.receive(Arrival { at: now, ..arrival });
        }
    }

    /// The app is deleted: from now on the service answers 410 with this moment.
    pub fn uninstall(&self) {
        let now = self.inner.clock.now();
        self.inner.lock().gone_since.get_or_insert(now);
        self.inner.inbox.clear(false);
    }

    /// The app is installed again on the same phone: the old tokens stay dead, new ones are given on demand.
    #[must_use]
    pub fn reinstall(&self) -> Self {
        self.uninstall();
        Self::new(
            Arc::clone(&self.world),
            self.inner.topic.clone(),
            self.inner.environment,
        )
    }

    /// Listens to a broadcast channel, as the app's Live Activity does.
    pub fn listen_to(&self, channel: &str) {
        self.world
            .environment(self.inner.environment)
            .listen(channel, Arc::clone(&self.inner));
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phone")
            .field("topic", &self.inner.topic)
            .field("environment", &self.inner.environment)
            .field("arrived", &self.arrived())
            .finish_non_exhaustive()
    }
}

/// What the service knows of how long it keeps a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// No `apns-expiration`.
    ByDefault,
    /// `apns-expiration: 0`, or a moment that is over.
    Never,
    Until(Timestamp),
}

impl Inner {
    pub(super) fn gone_since(&self) -> Option<Timestamp> {
        self.lock().gone_since
    }

    /// The service hands a push over, or keeps it while the phone is off.
    pub(super) fn deliver(&self, arrival: Arrival, keep: Keep) {
        if !self.inbox.is_off() {
            return self.inbox.receive(arrival);
        }
        let until = match keep {
            Keep::Never => return,
            Keep::ByDefault => arrival.at + KEPT_BY_DEFAULT,
            Keep::Until(at) => at,
        };
        let topic = arrival.topic.clone();
        // One push is stored for each topic.
        self.inbox
            .keep(arrival, until, |stored| stored.topic == topic);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
