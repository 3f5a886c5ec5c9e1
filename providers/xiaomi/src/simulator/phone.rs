//! Phones of Xiaomi.
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use push_core::{Clock, Timestamp, payload::Payload};
use push_kit::intent::IntentUri;
use push_testkit::simulator::{Arrives, Inbox, Receipts};
use serde_json::{Map, Value, json};

use super::{
    PACKAGE,
    check::{Kind, Message, day},
};

/// The scheme, host and path of the activity that the app's intent filter names.
const ACTIVITY: &str = "push://im/chat";

/// Receipt types, which are the bits of `callback.type`.
pub(super) const DELIVERED: u32 = 1;
const CLICKED: u32 = 2;
const INVALID: u32 = 16;
const SWITCHED_OFF: u32 = 32;
const FILTERED: u32 = 64;
const OVER_QUOTA: u32 = 128;
const EXPIRED: u32 = 1024;
const ALL: u32 = DELIVERED | CLICKED | INVALID | SWITCHED_OFF | FILTERED | OVER_QUOTA | EXPIRED;

/// What Xiaomi finds out after it accepted a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Undeliverable {
    /// The registration id is invalid: receipt 16.
    Invalid,
    /// The app switched push off: receipt 32.
    SwitchedOff,
    /// The phone does not meet a condition of the message: receipt 64.
    Filtered,
}

/// A phone with the app. Clones are one phone.
#[derive(Clone, Debug)]
pub struct Phone {
    token: String,
    clock: Arc<dyn Clock>,
    receipts: Arc<Receipts>,
    gone: Arc<AtomicBool>,
    undeliverable: Arc<Mutex<Option<Undeliverable>>>,
    /// How many messages it got on a day, by kind of channel.
    counted: Arc<Mutex<HashMap<Kind, (i64, u64)>>>,
    pub(super) inbox: Inbox<Arrival>,
}

/// A message that reached a phone.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    message: Arc<Message>,
    id: String,
    until: Timestamp,
}

impl Phone {
    pub(super) fn new(token: &str, clock: &Arc<dyn Clock>, receipts: &Arc<Receipts>) -> Self {
        Self {
            token: token.to_owned(),
            clock: Arc::clone(clock),
            receipts: Arc::clone(receipts),
            gone: Arc::default(),
            undeliverable: Arc::default(),
            counted: Arc::default(),
            inbox: Inbox::default(),
        }
    }

    /// Its registration id.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The messages that reached it, oldest first.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.inbox.arrivals()
    }

    /// The notifications on its screen, oldest first.
    pub fn screen(&self) -> Vec<Arrival> {
        self.inbox.screen()
    }

    /// The number on the app's icon.
    pub fn badge(&self) -> u32 {
        self.inbox.badge()
    }

    /// Deletes the app; its registration id is invalid, and Xiaomi knows.
    pub fn uninstall(&self) {
        self.gone.store(true, SeqCst);
    }

    /// Makes Xiaomi accept what is sent to it, and find out later that it cannot be delivered; `None`: no longer.
    pub fn set_undeliverable(&self, why: Option<Undeliverable>) {
        *self
            .undeliverable
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Switches it on or off. While it is off, Xiaomi keeps what is sent, as long as the message lives.
    pub fn set_power(&self, on: bool) {
        if !on {
            return self.inbox.switch_off();
        }
        let mut kept = Vec::new();
        while let Some(arrival) = self.inbox.drop_oldest() {
            kept.push(arrival);
        }
        let now = self.clock.now();
        self.inbox.switch_on(now);
        for arrival in kept {
            let kind = if self.is_gone() {
                INVALID
            } else if arrival.until <= now {
                EXPIRED
            } else {
                self.inbox.receive(arrival.clone());
                DELIVERED
            };
            self.owe(&arrival, kind);
        }
    }

    /// Clicks on the newest notification, and returns what the app gets.
    pub fn click(&self) -> Option<Arrival> {
        let clicked = self.inbox.tap(|_| true)?;
        self.owe(&clicked, CLICKED);
        Some(clicked)
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(SeqCst)
    }

    /// Takes a message over and returns the type of the receipt that it has now; `None` if Xiaomi keeps it.
    pub(super) fn take(&self, arrival: &Arrival) -> Option<u32> {
        let undeliverable = *self
            .undeliverable
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match undeliverable {
            Some(Undeliverable::Invalid) => return Some(INVALID),
            Some(Undeliverable::SwitchedOff) => return Some(SWITCHED_OFF),
            Some(Undeliverable::Filtered) => return Some(FILTERED),
            None => {}
        }
        let kind = arrival.message.kind;
        if kind.daily().is_some_and(|most| self.count(kind) > most) {
            return Some(OVER_QUOTA);
        }
        if self.inbox.is_off() {
            self.inbox.keep(arrival.clone(), arrival.until, |_| false);
            return None;
        }
        self.inbox.receive(arrival.clone());
        Some(DELIVERED)
    }

    /// Counts a message of this kind and returns the number of today's.
    fn count(&self, kind: Kind) -> u64 {
        let today = day(self.clock.now());
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, number) = counted.entry(kind).or_insert((today, 0));
        if *of != today {
            (*of, *number) = (today, 0);
        }
        *number += 1;
        *number
    }

    fn owe(&self, arrival: &Arrival, kind: u32) {
        arrival.owe(kind, &self.token, self.clock.now(), &self.receipts);
    }
}

impl Arrival {
    pub(super) fn new(message: Message, id: &str, now: Timestamp) -> Self {
        Self {
            until: now + message.ttl,
            message: Arc::new(message),
            id: id.to_owned(),
        }
    }

    /// The message's id.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Adds the receipt of this type for `targets`, if the message asks for it. A sum with a bit that does not exist asks for none.
    pub(super) fn owe(&self, kind: u32, targets: &str, now: Timestamp, receipts: &Receipts) {
        let extra = &self.message.extra;
        let asked = extra.get("callback.type");
        let asked: u32 = asked.map_or(Some(3), |sum| sum.parse().ok()).unwrap_or(0);
        let Some(url) = extra.get("callback").filter(|_| asked & !ALL == 0) else {
            return;
        };
        if asked & kind == 0 {
            return;
        }
        let mut entry = json!({
            "param": extra.get("callback.param"),
            "type": kind,
            "targets": targets,
            "jobkey": extra.get("jobkey"),
            "barStatus": "Enable",
            "timestamp": now.unix_millis(),
        });
        if kind == OVER_QUOTA {
            let most = self.message.kind.daily().map(|most| most.to_string());
            entry["extra"] = json!({ "ack": most, "quota": most });
        }
        let id = &self.id;
        receipts.owe(json!({ "url": url, "body": { id.as_str(): entry } }));
    }

    /// The title of the notification; empty for a data message.
    pub fn title(&self) -> &str {
        self.message.shown.as_ref().map_or("", |(title, _)| title)
    }

    /// The text of the notification; empty for a data message.
    pub fn description(&self) -> &str {
        self.message.shown.as_ref().map_or("", |(_, text)| text)
    }

    /// What is heard, felt and seen: -1, or a sum of 1, 2 and 4.
    pub fn notify_type(&self) -> i64 {
        self.message.notify_type
    }

    /// `MiPushMessage.getContent()`.
    pub fn content(&self) -> &str {
        &self.message.payload
    }

    /// One of `MiPushMessage.getExtra()`.
    pub fn extra(&self, name: &str) -> Option<&str> {
        self.message.extra.get(name).map(String::as_str)
    }

    /// `MiPushMessage.getExtra()`.
    pub fn extras(&self) -> Map<String, Value> {
        let extras = self.message.extra.iter();
        extras
            .map(|(key, value)| (key.clone(), value.as_str().into()))
            .collect()
    }

    /// Whether a click, or the arrival of a data message, calls the app's receiver; otherwise a click starts an activity.
    pub fn calls_receiver(&self) -> bool {
        self.extra("notify_effect").is_none()
    }

    /// The extra of the intent with which a click starts an activity of the app. `key_message` is the message as JSON. `None` also if
    /// the click starts none.
    pub fn started_with(&self, name: &str) -> Option<String> {
        let intent = match self.extra("notify_effect")? {
            "1" => None,
            "2" => {
                let intent = IntentUri::parse(self.extra("intent_uri")?).ok()?;
                let is_own = |component: &str| component.starts_with(&format!("{PACKAGE}/"));
                let resolves = match intent.get("component") {
                    Some(component) => is_own(component),
                    None => intent.data() == ACTIVITY,
                };
                Some(resolves.then_some(intent)?)
            }
            _ => return None,
        };
        match name {
            "key_message" => Some(self.to_json().to_string()),
            name => Some(intent?.extra(name)?.to_owned()),
        }
    }
}

impl Arrives for Arrival {
    fn is_shown(&self) -> bool {
        self.message.shown.is_some()
    }

    fn replaces(&self, earlier: &Self) -> bool {
        let id = self.message.notify_id;
        id.is_some() && id == earlier.message.notify_id
    }

    fn badge_after(&self, now: u32) -> u32 {
        let badge = self.extra("badge").and_then(|badge| badge.parse().ok());
        badge.unwrap_or(now)
    }

    fn to_json(&self) -> Value {
        json!({
            "title": self.message.shown.as_ref().map(|(title, _)| title),
            "description": self.message.shown.as_ref().map(|(_, text)| text),
            "content": self.message.payload,
            "extra": self.message.extra,
            "notify_id": self.message.notify_id,
            "notify_type": self.message.notify_type,
        })
    }

    fn click_payload(&self) -> Option<Payload> {
        let reaches_app = self.calls_receiver() || self.started_with("key_message").is_some();
        reaches_app.then(|| Payload::xiaomi(self.extras()))
    }
}
