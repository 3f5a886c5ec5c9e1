//! A phone with the app on it: what arrives, what its screen shows, and what the app gets when a person taps.
use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use push_core::{Clock, Environment, Slot, Timestamp};
use serde_json::Value;
use tokio::sync::watch;

use super::{World, random_hex};
use crate::push_type::PushType;

/// How many arrivals a phone remembers.
const REMEMBERED: usize = 1024;

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
    arrived: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    switched_off: bool,
    gone_since: Option<Timestamp>,
    /// Tokens by the suffix of their topic.
    tokens: HashMap<&'static str, String>,
    /// One push is stored for each topic.
    stored: HashMap<String, (Arrival, Timestamp)>,
    arrivals: VecDeque<Arrival>,
    screen: Vec<Arrival>,
    badge: u32,
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

    fn is_shown(&self) -> bool {
        self.push_type == PushType::Alert && !self.payload["aps"]["alert"].is_null()
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
            arrived: watch::Sender::new(0),
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

    /// The token for what a gateway calls a slot.
    pub fn token_of(&self, slot: Slot) -> String {
        self.token_for(match slot {
            Slot::Alert => PushType::Alert,
            Slot::Voip => PushType::Voip,
            Slot::LiveActivity => PushType::LiveActivity,
        })
    }

    /// The token for pushes of this kind. Kinds with the same topic share one; those of Live Activities are longer.
    pub fn token_for(&self, push_type: PushType) -> String {
        let suffix = push_type.topic_suffix();
        let mut state = self.inner.lock();
        if let Some(token) = state.tokens.get(suffix) {
            return token.clone();
        }
        let bytes = if push_type == PushType::LiveActivity {
            80
        } else {
            32
        };
        let token = random_hex(bytes);
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
        self.inner.lock().arrivals.iter().cloned().collect()
    }

    /// What the notification centre shows, oldest first: what a later push replaced (`apns-collapse-id`) or a person
    /// tapped is not there.
    pub fn screen(&self) -> Vec<Arrival> {
        self.inner.lock().screen.clone()
    }

    /// The number on the icon.
    pub fn badge(&self) -> u32 {
        self.inner.lock().badge
    }

    /// How many pushes arrived since the app was installed.
    pub fn arrived(&self) -> u64 {
        *self.inner.arrived.borrow()
    }

    /// Completes when at least `count` pushes have arrived since the app was installed, and returns the last.
    pub async fn wait_for(&self, count: u64) -> Option<Arrival> {
        let mut arrived = self.inner.arrived.subscribe();
        // The sender lives in `self`.
        arrived
            .wait_for(|it| *it >= count)
            .await
            .map(drop)
            .unwrap_or(());
        self.inner.lock().arrivals.back().cloned()
    }

    /// A person taps `arrival`: it leaves the screen, and the app gets the whole payload (`userInfo`). `None` if it is not
    /// on the screen.
    pub fn tap(&self, arrival: &Arrival) -> Option<Value> {
        let mut state = self.inner.lock();
        let at = state
            .screen
            .iter()
            .position(|it| it.apns_id == arrival.apns_id)?;
        Some(state.screen.remove(at).payload)
    }

    /// A person taps the newest notification on the screen. See [`Phone::tap`].
    pub fn tap_newest(&self) -> Option<Value> {
        self.inner.lock().screen.pop().map(|it| it.payload)
    }

    /// Nothing arrives any more; the service keeps one push for each topic.
    pub fn switch_off(&self) {
        self.inner.lock().switched_off = true;
    }

    /// What the service kept, and whose time is not over, arrives.
    pub fn switch_on(&self) {
        let now = self.inner.clock.now();
        let mut kept: Vec<_> = {
            let mut state = self.inner.lock();
            state.switched_off = false;
            state.stored.drain().map(|(_, it)| it).collect()
        };
        kept.sort_by_key(|(arrival, _)| arrival.at);
        for (arrival, until) in kept {
            if until > now {
                self.inner.show(Arrival { at: now, ..arrival });
            }
        }
    }

    /// The app is deleted: from now on the service answers 410 with this moment.
    pub fn uninstall(&self) {
        let now = self.inner.clock.now();
        let mut state = self.inner.lock();
        state.gone_since.get_or_insert(now);
        state.screen.clear();
        state.stored.clear();
        state.badge = 0;
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
        let mut state = self.lock();
        if state.switched_off {
            let until = match keep {
                Keep::Never => return,
                Keep::ByDefault => arrival.at + KEPT_BY_DEFAULT,
                Keep::Until(at) => at,
            };
            state.stored.insert(arrival.topic.clone(), (arrival, until));
            return;
        }
        drop(state);
        self.show(arrival);
    }

    fn show(&self, arrival: Arrival) {
        let mut state = self.lock();
        if let Some(badge) = arrival.badge() {
            state.badge = u32::try_from(badge).unwrap_or(u32::MAX);
        }
        if arrival.is_shown() {
            if arrival.collapse_id.is_some() {
                state
                    .screen
                    .retain(|it| it.collapse_id != arrival.collapse_id);
            }
            if state.screen.len() == REMEMBERED {
                state.screen.remove(0);
            }
            state.screen.push(arrival.clone());
        }
        if state.arrivals.len() == REMEMBERED {
            state.arrivals.pop_front();
        }
        state.arrivals.push_back(arrival);
        drop(state);
        self.arrived.send_modify(|it| *it += 1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
