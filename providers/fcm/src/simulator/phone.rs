//! The phone: what arrives, what is shown, and what the app gets when a person taps.
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use push_core::Timestamp;
use push_testkit::{
    json,
    serde_json::Value,
    simulator::{Arrives, Inbox, random_text},
};

use super::{PROJECT_NUMBER, World, rules};

/// Messages that FCM keeps for an absent phone; with one more it drops them all.
const WAITING: usize = 100;

/// How long FCM keeps a message that names no time to live: four weeks, which is also the longest (`AndroidConfig.ttl`).
const DEFAULT_TTL: Duration = Duration::from_secs(28 * 24 * 60 * 60);

/// A phone with the app on it. Clones are the same phone.
#[derive(Clone)]
pub struct Phone {
    token: String,
    fid: String,
    world: Weak<World>,
    pub(super) inbox: Inbox<Arrival>,
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
        // The settings for Android replace the general ones completely.
        let data = match &android["data"] {
            Value::Null => text_map(&message["data"]),
            own => text_map(own),
        };
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

    fn text_of(&self, key: &str) -> Option<&str> {
        self.notification.as_ref()?[key].as_str()
    }

    /// The first line.
    pub fn title(&self) -> Option<&str> {
        self.text_of("title")
    }

    /// The text.
    pub fn body(&self) -> Option<&str> {
        self.text_of("body")
    }

    /// What is heard: `default`, or a resource of the app; `None` for silence.
    pub fn sound(&self) -> Option<&str> {
        self.text_of("sound")
    }

    /// The notification channel of the app.
    pub fn channel_id(&self) -> Option<&str> {
        self.text_of("channel_id")
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

impl Arrives for Arrival {
    fn is_shown(&self) -> bool {
        self.notification.is_some()
    }

    fn replaces(&self, earlier: &Self) -> bool {
        self.text_of("tag").is_some() && self.text_of("tag") == earlier.text_of("tag")
    }

    fn badge_after(&self, now: u32) -> u32 {
        self.badge()
            .map_or(now, |count| u32::try_from(count).unwrap_or(u32::MAX))
    }

    fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "high_priority": self.high_priority,
            "collapse_key": self.collapse_key,
            "notification": self.notification,
            "data": self.data,
        })
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
            token: format!("{}:APA91b{}", random_text(16), random_text(96)),
            // `[cdef]` and 21 characters more.
            fid: format!("c{}", &random_text(16)[..21]),
            world: Arc::downgrade(world),
            inbox: Inbox::default(),
        };
        let mut phones = world.phones();
        for key in [&phone.token, &phone.fid] {
            phones.insert(key.clone(), phone.clone());
        }
        drop(phones);
        phone
    }

    /// The registration token.
    pub fn token(&self) -> String {
        self.token.clone()
    }

    /// The Firebase installation id.
    pub fn fid(&self) -> String {
        self.fid.clone()
    }

    /// Everything that arrived, oldest first: the last 1,024.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.inbox.arrivals()
    }

    /// How many messages arrived since the app was installed.
    pub fn arrived(&self) -> u64 {
        self.inbox.arrived()
    }

    /// What the system shows, oldest first: what a later one replaced (`tag`) or a person tapped is not there.
    pub fn screen(&self) -> Vec<Arrival> {
        self.inbox.screen()
    }

    /// The number on the icon.
    pub fn badge(&self) -> u32 {
        self.inbox.badge()
    }

    /// A person taps `arrival`: it leaves the screen, and the app is started. `None` if it is not on the screen.
    pub fn tap(&self, arrival: &Arrival) -> Option<Tapped> {
        self.tap_on(|shown| shown == arrival)
    }

    /// A person taps the newest notification on the screen. See [`Phone::tap`].
    pub fn tap_newest(&self) -> Option<Tapped> {
        self.tap_on(|_| true)
    }

    fn tap_on(&self, which: impl Fn(&Arrival) -> bool) -> Option<Tapped> {
        let arrival = self.inbox.tap(which)?;
        let mut extras = arrival.data.clone();
        extras.insert("google.message_id".into(), arrival.id.clone());
        extras.insert("from".into(), PROJECT_NUMBER.into());
        if !arrival.collapse_key.is_empty() {
            extras.insert("collapse_key".into(), arrival.collapse_key.clone());
        }
        Some(Tapped {
            action: arrival.text_of("click_action").map(str::to_owned),
            extras,
        })
    }

    /// Completes when at least `count` messages have arrived since the app was installed, and returns the last.
    pub async fn wait_for(&self, count: u64) -> Option<Arrival> {
        self.inbox.wait_for(count).await
    }

    /// Nothing arrives any more; the service keeps 100 messages for the phone, and with one more drops them all.
    pub fn switch_off(&self) {
        self.inbox.switch_off();
    }

    /// What the service kept, and whose time is not over, arrives.
    pub fn switch_on(&self) {
        let Some(world) = self.world.upgrade() else {
            return;
        };
        for arrival in self.inbox.switch_on(world.clock.now()) {
            self.inbox.receive(arrival);
        }
    }

    /// The app is deleted: from now on the service answers `UNREGISTERED`.
    pub fn uninstall(&self) {
        if let Some(world) = self.world.upgrade() {
            let mut phones = world.phones();
            phones.remove(&self.token);
            phones.remove(&self.fid);
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
        if !self.inbox.is_off() {
            return self.inbox.receive(arrival);
        }
        let ttl = message["android"]["ttl"]
            .as_str()
            .and_then(rules::seconds)
            .map_or(DEFAULT_TTL, Duration::from_secs_f64);
        let key = arrival.collapse_key.clone();
        self.inbox.keep(arrival, now + ttl, |kept| {
            !key.is_empty() && kept.collapse_key == key
        });
        if self.inbox.kept() > WAITING {
            self.inbox.drop_kept();
        }
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phone")
            .field("arrived", &self.arrived())
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
