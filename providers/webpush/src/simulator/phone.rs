//! A phone, and what arrives on it.
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use push_core::{Clock, Timestamp, payload::Payload};
use push_testkit::simulator::{Arrives, Inbox};
use serde_json::Value;

/// The app on one phone. Clones are the same phone.
#[derive(Clone, Debug)]
pub struct Phone {
    token: String,
    clock: Arc<dyn Clock>,
    installed: Arc<AtomicBool>,
    pub(super) inbox: Inbox<Arrival>,
}

/// A push as the phone got it.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival(Value);

impl Phone {
    pub(super) fn new(token: String, clock: Arc<dyn Clock>) -> Self {
        Self {
            token,
            clock,
            installed: Arc::new(AtomicBool::new(true)),
            inbox: Inbox::default(),
        }
    }

    /// The token that the app got.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// What arrived, oldest first.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.inbox.arrivals()
    }

    /// The number on the app's icon.
    pub fn badge(&self) -> u32 {
        self.inbox.badge()
    }

    /// Deletes the app: its token is gone for good.
    pub fn uninstall(&self) {
        self.installed.store(false, Ordering::SeqCst);
    }

    /// Hands a message over, or keeps it until `until` while the phone is off.
    pub(super) fn deliver(&self, message: Value, until: Timestamp) {
        let arrival = Arrival(message);
        if self.inbox.is_off() {
            let newer = arrival.clone();
            self.inbox.keep(arrival, until, |kept| newer.replaces(kept));
        } else {
            self.inbox.receive(arrival);
        }
    }

    /// Switches the phone off, or on: then what was kept arrives.
    pub(super) fn power(&self, on: bool) {
        if on {
            for arrival in self.inbox.switch_on(self.clock.now()) {
                self.inbox.receive(arrival);
            }
        } else {
            self.inbox.switch_off();
        }
    }

    pub(super) fn is_installed(&self) -> bool {
        self.installed.load(Ordering::SeqCst)
    }
}

impl Arrival {
    /// The title.
    pub fn title(&self) -> &str {
        self.0["title"].as_str().unwrap_or_default()
    }

    /// The text.
    pub fn text(&self) -> &str {
        self.0["text"].as_str().unwrap_or_default()
    }

    /// What the app gets with a click.
    pub fn data(&self) -> &Value {
        &self.0["data"]
    }
}

impl Arrives for Arrival {
    fn is_shown(&self) -> bool {
        true
    }

    fn replaces(&self, earlier: &Self) -> bool {
        self.0["replaces"].is_string() && self.0["replaces"] == earlier.0["replaces"]
    }

    fn badge_after(&self, now: u32) -> u32 {
        let badge = self.0["badge"].as_u64();
        badge
            .and_then(|badge| u32::try_from(badge).ok())
            .unwrap_or(now)
    }

    fn to_json(&self) -> Value {
        self.0.clone()
    }

    fn click_payload(&self) -> Option<Payload> {
        Some(Payload::intent_extras(self.data().clone()))
    }
}
