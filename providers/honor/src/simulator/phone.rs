//! Phones of Honor.
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use push_core::{Clock, Timestamp, payload::Payload};
use push_kit::intent::IntentUri;
use push_testkit::simulator::{Arrives, Inbox, Receipts, form};
use serde_json::{Map, Value, json};

use super::{ACTIVITY, APP, check::Message};

/// Receipt codes.
const DELIVERED: u32 = 40_000_002;
const NOT_SHOWN: u32 = 40_000_015;

/// A phone with the app. Clones are one phone.
#[derive(Clone, Debug)]
pub struct Phone {
    token: String,
    clock: Arc<dyn Clock>,
    receipts: Arc<Receipts>,
    gone: Arc<AtomicBool>,
    failing: Arc<AtomicBool>,
    pub(super) inbox: Inbox<Arrival>,
}

/// A message that reached a phone.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    notification: Option<Value>,
    data: Option<String>,
    extras: Map<String, Value>,
    /// Whether the click starts an activity of the app; if not, the phone shows nothing.
    opens: bool,
    tag: Option<String>,
    request_id: String,
}

impl Phone {
    pub(super) fn new(token: &str, clock: &Arc<dyn Clock>, receipts: &Arc<Receipts>) -> Self {
        Self {
            token: token.to_owned(),
            clock: Arc::clone(clock),
            receipts: Arc::clone(receipts),
            gone: Arc::default(),
            failing: Arc::default(),
            inbox: Inbox::default(),
        }
    }

    /// Its push token.
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

    /// Deletes the app; its token has expired.
    pub fn uninstall(&self) {
        self.gone.store(true, SeqCst);
    }

    /// Makes Honor fail to send to it (`failTokens`), or no longer.
    pub fn set_failing(&self, failing: bool) {
        self.failing.store(failing, SeqCst);
    }

    /// Switches it on or off. While it is off, Honor keeps what is sent.
    pub fn set_power(&self, on: bool) {
        if !on {
            return self.inbox.switch_off();
        }
        let kept = self.inbox.switch_on(self.clock.now());
        if !self.is_gone() {
            kept.into_iter().for_each(|arrival| self.arrive(arrival));
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(SeqCst)
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(SeqCst)
    }

    /// Takes a message over; Honor keeps it until `until` if the phone is off.
    pub(super) fn take(&self, arrival: &Arrival, until: Timestamp) {
        if self.inbox.is_off() {
            let same = |kept: &Arrival| arrival.replaces(kept);
            self.inbox.keep(arrival.clone(), until, same);
        } else {
            self.arrive(arrival.clone());
        }
    }

    /// A message reaches the phone, which owes a receipt if the message has a tag.
    fn arrive(&self, arrival: Arrival) {
        if let Some(tag) = &arrival.tag {
            self.receipts.owe(json!({
                "biTag": tag,
                "appid": APP[0],
                "token": self.token,
                "status": if arrival.opens { DELIVERED } else { NOT_SHOWN },
                "timestamp": self.clock.now().unix_millis(),
                "requestId": arrival.request_id,
            }));
        }
        if arrival.opens {
            self.inbox.receive(arrival);
        }
    }
}

impl Arrival {
    /// A message as the app gets it.
    pub(super) fn new(message: &Message, request_id: &str) -> Self {
        let shown = message.notification.as_ref();
        let click = shown.map(|shown| &shown["clickAction"]);
        let intent = click.and_then(|click| click["intent"].as_str());
        let extras = match intent {
            Some(uri) => IntentUri::parse(uri)
                .ok()
                .and_then(|intent| started(&intent)),
            None => {
                let data = message.data.as_deref();
                Some(
                    data.and_then(|data| serde_json::from_str(data).ok())
                        .unwrap_or_default(),
                )
            }
        };
        Self {
            opens: extras.is_some(),
            extras: extras.unwrap_or_default(),
            notification: message.notification.clone(),
            data: message.data.clone(),
            tag: message.tag.clone(),
            request_id: request_id.to_owned(),
        }
    }

    /// A text of the notification, as in `title`; empty if there is none.
    pub fn text(&self, key: &str) -> &str {
        let shown = self.notification.as_ref();
        shown
            .and_then(|shown| shown[key].as_str())
            .unwrap_or_default()
    }

    /// `data` as the app gets it with a pass-through message, of any form.
    pub fn data(&self) -> Option<&str> {
        self.data.as_deref()
    }

    /// What the app reads when it is clicked, or when a pass-through message arrives, as in `ext`.
    pub fn extra(&self, name: &str) -> Option<&str> {
        self.extras.get(name)?.as_str()
    }
}

/// What an activity of the app reads of the intent that starts it: the query of its URI, and its extras. `None` if the intent
/// starts none.
fn started(intent: &IntentUri) -> Option<Map<String, Value>> {
    // Older phones do not read a component, and find nothing then.
    let (data, query) = match intent.data().split_once('?') {
        Some((data, query)) => (data, query),
        None => (intent.data(), ""),
    };
    let resolves = intent.get("component").is_none() && data == ACTIVITY;
    let extras = ["ext", "delivery", "receiver"].into_iter();
    resolves.then(|| {
        let query = form(query.as_bytes()).into_iter();
        query
            .map(|(name, value)| (name, value.into()))
            .chain(extras.filter_map(|name| Some((name.to_owned(), intent.extra(name)?.into()))))
            .collect()
    })
}

impl Arrives for Arrival {
    fn is_shown(&self) -> bool {
        self.notification.is_some()
    }

    fn replaces(&self, earlier: &Self) -> bool {
        let (Some(new), Some(old)) = (&self.notification, &earlier.notification) else {
            return false;
        };
        let same_tag = new["tag"].is_string() && new["tag"] == old["tag"];
        let id = new["notifyId"].as_i64().filter(|id| *id >= 0);
        same_tag || id.is_some() && id == old["notifyId"].as_i64()
    }

    fn badge_after(&self, now: u32) -> u32 {
        let badge = self.notification.as_ref().map(|shown| &shown["badge"]);
        let number = |key: &str| u32::try_from(badge?[key].as_u64()?).ok();
        match (number("setNum"), number("addNum")) {
            (Some(number), _) => number,
            (None, Some(more)) => now.saturating_add(more),
            (None, None) => now,
        }
    }

    fn to_json(&self) -> Value {
        json!({ "notification": self.notification, "data": self.data, "extras": self.extras })
    }

    fn click_payload(&self) -> Option<Payload> {
        Some(Payload::intent_extras(self.extras.clone()))
    }
}
