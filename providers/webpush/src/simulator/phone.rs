//! Browsers with a subscription, and the service worker of `examples/web` in them.
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use push_core::{Clock, payload::Payload};
use push_testkit::simulator::{Arrives, Inbox};
use serde_json::{Value, json};

use super::{Browser, Keys, check::Accepted};

/// How many pushes that show nothing Safari forgives before it withdraws the permission.
const FORGIVEN: u32 = 2;

/// A browser that subscribed to pushes of the web page. Clones are one browser.
#[derive(Clone, Debug)]
pub struct Phone {
    browser: Browser,
    token: String,
    key: String,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    gone: Arc<AtomicBool>,
    silent: Arc<AtomicU32>,
    deleted: Arc<Mutex<HashSet<String>>>,
    pub(super) inbox: Inbox<Arrival>,
}

/// A message that reached a browser.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    /// The JSON that the service worker reads; `null` if the browser cannot decrypt the body.
    payload: Value,
    padding: usize,
    topic: Option<String>,
    urgency: String,
    /// The id in the URL of the message.
    id: String,
}

impl Phone {
    pub(super) fn new(browser: Browser, endpoint: &str, key: &str, clock: &Arc<dyn Clock>) -> Self {
        let keys = Keys::generate();
        Self {
            browser,
            token: keys.subscription(endpoint),
            key: key.to_owned(),
            keys: Arc::new(keys),
            clock: Arc::clone(clock),
            gone: Arc::default(),
            silent: Arc::default(),
            deleted: Arc::default(),
            inbox: Inbox::default(),
        }
    }

    /// Its subscription, which is the device token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The messages that reached it, oldest first.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.inbox.arrivals()
    }

    /// The notifications that it shows, oldest first.
    pub fn screen(&self) -> Vec<Arrival> {
        self.inbox.screen()
    }

    /// The number that `navigator.setAppBadge` was called with.
    pub fn badge(&self) -> u32 {
        self.inbox.badge()
    }

    /// Ends the subscription.
    pub fn unsubscribe(&self) {
        self.gone.store(true, SeqCst);
    }

    /// Disconnects it or connects it again. While it is disconnected, the push service keeps what is sent.
    pub fn set_power(&self, on: bool) {
        if !on {
            return self.inbox.switch_off();
        }
        let kept = self.inbox.switch_on(self.clock.now());
        let deleted =
            std::mem::take(&mut *self.deleted.lock().unwrap_or_else(PoisonError::into_inner));
        let whole = kept.into_iter().filter(|kept| !deleted.contains(&kept.id));
        whole.for_each(|arrival| self.arrive(arrival));
    }

    /// The `applicationServerKey` that it subscribed with.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(SeqCst)
    }

    /// Takes a message over; the push service keeps it until its end if the browser is disconnected.
    pub(super) fn take(&self, accepted: Accepted, body: &[u8], id: &str) {
        let opened = self.keys.open(body);
        let payload = opened
            .as_ref()
            .and_then(|opened| serde_json::from_slice(&opened.text).ok());
        let arrival = Arrival {
            payload: payload.unwrap_or_default(),
            padding: opened.map_or(0, |opened| opened.padding),
            topic: accepted.topic,
            urgency: accepted.urgency,
            id: id.to_owned(),
        };
        if self.inbox.is_off() {
            let until = self.clock.now() + Duration::from_secs(accepted.ttl);
            let same = |kept: &Arrival| arrival.topic.is_some() && arrival.topic == kept.topic;
            self.inbox.keep(arrival.clone(), until, same);
        } else {
            self.arrive(arrival);
        }
    }

    /// Deletes a message; nothing happens if it has arrived.
    pub(super) fn delete(&self, id: &str) {
        let mut deleted = self.deleted.lock().unwrap_or_else(PoisonError::into_inner);
        deleted.insert(id.to_owned());
    }

    fn arrive(&self, arrival: Arrival) {
        if self.browser == Browser::Safari
            && !arrival.is_shown()
            && self.silent.fetch_add(1, SeqCst) >= FORGIVEN
        {
            self.unsubscribe();
        }
        self.inbox.receive(arrival);
    }
}

impl Arrival {
    /// A text of the JSON, as in `title` or `ext`; empty if there is none.
    pub fn text(&self, key: &str) -> &str {
        self.payload[key].as_str().unwrap_or_default()
    }

    /// The JSON.
    pub fn payload(&self) -> &Value {
        &self.payload
    }

    /// The bytes of padding behind the JSON.
    pub fn padding(&self) -> usize {
        self.padding
    }

    /// The header `Topic`.
    pub fn topic(&self) -> Option<&str> {
        self.topic.as_deref()
    }

    /// The header `Urgency`.
    pub fn urgency(&self) -> &str {
        &self.urgency
    }
}

impl Arrives for Arrival {
    fn is_shown(&self) -> bool {
        !self.payload.is_null() && self.payload["background"] != true
    }

    fn replaces(&self, earlier: &Self) -> bool {
        !self.text("tag").is_empty() && self.text("tag") == earlier.text("tag")
    }

    fn badge_after(&self, now: u32) -> u32 {
        let number = self.payload["badge"].as_u64();
        number.map_or(now, |number| u32::try_from(number).unwrap_or(u32::MAX))
    }

    fn to_json(&self) -> Value {
        json!({ "payload": self.payload, "topic": self.topic, "urgency": self.urgency })
    }

    /// What the service worker passes to the page: the JSON, with `ext` as the text that it is.
    fn click_payload(&self) -> Option<Payload> {
        self.is_shown()
            .then(|| Payload::intent_extras(self.payload.clone()))
    }
}
