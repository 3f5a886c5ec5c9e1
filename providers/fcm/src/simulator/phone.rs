//! The phone: what arrives, what is shown, and what the app gets when a person taps.
use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use push_core::Timestamp;
use push_testkit::serde_json::Value;

use super::{World, random, schema};

/// Arrivals that a phone remembers.
const KEPT: usize = 1024;

/// Messages that FCM keeps for an absent phone; with one more it drops them all.
const WAITING: usize = 100;

/// How long FCM keeps a message that names no time to live.
const DEFAULT_TTL: Duration = crate::render::MAX_TTL;

/// A phone with the app on it. Clones are the same phone.
#[derive(Clone)]
pub struct Phone {
    token: String,
    world: Weak<World>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    off: bool,
    waiting: Vec<Waiting>,
    arrivals: VecDeque<Arrival>,
    arrived: u64,
    screen: Vec<Arrival>,
    badge: u32,
}

struct Waiting {
    arrival: Arrival,
    until: Timestamp,
}

/// One message as the phone got it. `Debug` shows its id only.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Arrival {
    /// Google's id of the message.
    pub id: String,
    /// Whether it was to wake the phone.
    pub high_priority: bool,
    /// What replaces a message that still waits; empty if nothing does.
    pub collapse_key: String,
    /// What the system shows; `None` for a message that only the app sees.
    pub notification: Option<Value>,
    /// What the app gets.
    pub data: BTreeMap<String, String>,
}

impl Arrival {
    fn read(message: &Value, id: &str) -> Self {
        let android = &message["android"];
        let mut data = text_map(&message["data"]);
        // What is said for Android replaces what is said for all.
        data.extend(text_map(&android["data"]));
        let mut shown = message["notification"].as_object().cloned();
        if let Some(own) = android["notification"].as_object() {
            shown.get_or_insert_default().extend(own.clone());
        }
        Self {
            id: id.to_owned(),
            high_priority: android["priority"] == "HIGH",
            collapse_key: text(&android["collapse_key"]),
            notification: shown.filter(|it| !it.is_empty()).map(Value::from),
            data,
        }
    }

    fn shown(&self, key: &str) -> Option<&str> {
        self.notification.as_ref()?[key].as_str()
    }

    /// The first line.
    pub fn title(&self) -> Option<&str> {
        self.shown("title")
    }

    /// The text.
    pub fn body(&self) -> Option<&str> {
        self.shown("body")
    }

    /// What is heard: `default`, or a resource of the app; `None` for silence.
    pub fn sound(&self) -> Option<&str> {
        self.shown("sound")
    }

    /// The notification channel of the app.
    pub fn channel_id(&self) -> Option<&str> {
        self.shown("channel_id")
    }

    /// The number for the icon.
    pub fn badge(&self) -> Option<u64> {
        self.notification.as_ref()?["notification_count"].as_u64()
    }

    /// The `ext` string in the data.
    pub fn ext(&self) -> Option<&str> {
        self.data.get("ext").map(String::as_str)
    }
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arrival({})", self.id)
    }
}

/// What a tap starts.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Tapped {
    /// The action of the intent, from `click_action`; `None` starts the launcher activity.
    pub action: Option<String>,
    /// The extras of the intent: the data, and what FCM adds.
    pub extras: BTreeMap<String, String>,
}

impl fmt::Debug for Tapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tapped({:?}, {:?})", self.action, self.extras.keys())
    }
}

impl Phone {
    pub(super) fn install(world: &Arc<World>) -> Self {
        let phone = Self {
            token: format!("{}:APA91b{}", random(16), random(96)),
            world: Arc::downgrade(world),
            state: Arc::default(),
        };
        world.phones().insert(phone.token.clone(), phone.clone());
        phone
    }

    /// The registration token.
    pub fn token(&self) -> String {
        self.token.clone()
    }

    /// Everything that arrived, oldest first: the last 1,024.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.lock().arrivals.iter().cloned().collect()
    }

    /// How many messages arrived since the app was installed.
    pub fn arrived(&self) -> u64 {
        self.lock().arrived
    }

    /// What the system shows, oldest first: what a later one replaced (`tag`) or a person tapped is not there.
    pub fn screen(&self) -> Vec<Arrival> {
        self.lock().screen.clone()
    }

    /// The number on the icon.
    pub fn badge(&self) -> u32 {
        self.lock().badge
    }

    /// A person taps `arrival`: it leaves the screen, and the app is started. `None` if it is not on the screen.
    pub fn tap(&self, arrival: &Arrival) -> Option<Tapped> {
        let mut state = self.lock();
        let at = state.screen.iter().position(|it| it == arrival)?;
        let arrival = state.screen.remove(at);
        let mut extras = arrival.data.clone();
        extras.insert("google.message_id".into(), arrival.id.clone());
        extras.insert("from".into(), "100000000001".into());
        if !arrival.collapse_key.is_empty() {
            extras.insert("collapse_key".into(), arrival.collapse_key.clone());
        }
        Some(Tapped {
            action: arrival.shown("click_action").map(str::to_owned),
            extras,
        })
    }

    /// A person taps the newest notification on the screen. See [`Phone::tap`].
    pub fn tap_newest(&self) -> Option<Tapped> {
        let newest = self.lock().screen.last().cloned()?;
        self.tap(&newest)
    }

    /// Nothing arrives any more; the service keeps 100 messages for the phone, and with one more drops them all.
    pub fn switch_off(&self) {
        self.lock().off = true;
    }

    /// What the service kept, and whose time is not over, arrives.
    pub fn switch_on(&self) {
        let Some(world) = self.world.upgrade() else {
            return;
        };
        let now = world.clock.now();
        let mut state = self.lock();
        state.off = false;
        for it in std::mem::take(&mut state.waiting) {
            if now < it.until {
                state.show(it.arrival);
            }
        }
    }

    /// The app is deleted: from now on the service answers `UNREGISTERED`.
    pub fn uninstall(&self) {
        if let Some(world) = self.world.upgrade() {
            world.phones().remove(&self.token);
        }
    }

    /// The app is installed again: the old token stays dead, the new phone has another.
    ///
    /// # Panics
    /// If the simulator is gone.
    #[must_use]
    pub fn reinstall(&self) -> Self {
        self.uninstall();
        Self::install(&self.world.upgrade().expect("the simulator is there"))
    }

    /// Takes a message that the service accepted.
    pub(super) fn take(&self, message: &Value, id: &str, now: Timestamp) {
        let arrival = Arrival::read(message, id);
        let mut state = self.lock();
        if !state.off {
            return state.show(arrival);
        }
        let ttl = message["android"]["ttl"]
            .as_str()
            .and_then(schema::seconds)
            .map_or(DEFAULT_TTL, Duration::from_secs_f64);
        if !arrival.collapse_key.is_empty() {
            let key = arrival.collapse_key.clone();
            state.waiting.retain(|it| it.arrival.collapse_key != key);
        }
        if state.waiting.len() == WAITING {
            return state.waiting.clear();
        }
        state.waiting.push(Waiting {
            arrival,
            until: now + ttl,
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn show(&mut self, arrival: Arrival) {
        self.arrived += 1;
        if let Some(count) = arrival.badge() {
            self.badge = u32::try_from(count).unwrap_or(u32::MAX);
        }
        if arrival.notification.is_some() {
            if let Some(tag) = arrival.shown("tag") {
                self.screen.retain(|it| it.shown("tag") != Some(tag));
            }
            if self.screen.len() == KEPT {
                self.screen.remove(0);
            }
            self.screen.push(arrival.clone());
        }
        if self.arrivals.len() == KEPT {
            self.arrivals.pop_front();
        }
        self.arrivals.push_back(arrival);
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Phone")
            .field("arrived", &state.arrived)
            .field("screen", &state.screen.len())
            .finish_non_exhaustive()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn text_map(value: &Value) -> BTreeMap<String, String> {
    let map = value.as_object().into_iter().flatten();
    map.map(|(key, it)| (key.clone(), text(it))).collect()
}
