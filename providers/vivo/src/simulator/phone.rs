//! Phones of vivo.
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, Ordering::SeqCst},
};

use push_core::{Clock, Timestamp, payload::Payload};
use push_kit::intent::IntentUri;
use push_testkit::simulator::{Arrives, Inbox, Receipts};
use serde_json::{Map, Value, json};

use super::{
    ACTIVITY,
    check::{Message, Skip},
};

/// What vivo knows of a target that it cannot send to, as the `status` of an `invalidUser`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// The id is registered.
    Registered,
    /// The app was deleted or unsubscribed, its data were cleared, or its notifications are off (2).
    Unsubscribed,
    /// The phone was not connected for 90 days (3).
    Inactive,
}

/// A phone with the app. Clones are one phone.
#[derive(Clone, Debug)]
pub struct Phone {
    token: String,
    clock: Arc<dyn Clock>,
    receipts: Arc<Owed>,
    status: Arc<AtomicI64>,
    tester: Arc<AtomicBool>,
    pub(super) inbox: Inbox<Arrival>,
}

/// The receipts of both kinds.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// To the address in the push.
    pub(super) called_back: Receipts,
    /// To the address that is registered in the console.
    pub(super) registered: Receipts,
}

/// A message that reached a phone.
#[derive(Clone, Debug)]
pub struct Arrival {
    message: Arc<Message>,
    task: String,
    extras: Option<Map<String, Value>>,
    /// Whether receipts of the older kind are posted for it.
    is_called_back: bool,
}

impl Phone {
    pub(super) fn new(token: &str, clock: &Arc<dyn Clock>, receipts: &Arc<Owed>) -> Self {
        Self {
            token: token.to_owned(),
            clock: Arc::clone(clock),
            receipts: Arc::clone(receipts),
            status: Arc::default(),
            tester: Arc::default(),
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

    /// Changes what vivo knows of it.
    pub fn set_standing(&self, standing: Standing) {
        let status = match standing {
            Standing::Registered => 0,
            Standing::Unsubscribed => 2,
            Standing::Inactive => 3,
        };
        self.status.store(status, SeqCst);
    }

    /// Registers it as a test device, or no longer.
    pub fn set_tester(&self, tester: bool) {
        self.tester.store(tester, SeqCst);
    }

    /// Switches it on or off. While it is off, vivo keeps what is sent.
    pub fn set_power(&self, on: bool) {
        if !on {
            return self.inbox.switch_off();
        }
        let kept = self.inbox.switch_on(self.clock.now());
        if self.status.load(SeqCst) == 0 {
            kept.into_iter().for_each(|arrival| self.arrive(arrival));
        }
    }

    /// The status with which vivo refuses it; 0 if it is valid.
    pub(super) fn status(&self, is_test: bool) -> i64 {
        match self.status.load(SeqCst) {
            0 if is_test && !self.tester.load(SeqCst) => 4,
            status => status,
        }
    }

    /// Takes a message over; vivo keeps it until `until` if the phone is off.
    pub(super) fn take(&self, arrival: &Arrival, until: Timestamp) {
        if self.inbox.is_off() {
            let same = |kept: &Arrival| arrival.replaces(kept);
            self.inbox.keep(arrival.clone(), until, same);
        } else {
            self.arrive(arrival.clone());
        }
    }

    /// A message reaches the phone, and vivo owes its receipt.
    fn arrive(&self, arrival: Arrival) {
        let extra = |key: &str| arrival.message.extra.get(key).cloned();
        let mut receipt = json!({
            "task": arrival.task,
            "param": extra("callback.param").unwrap_or(Value::Null),
            "target": self.token,
        });
        match (extra("callback.id"), extra("callback")) {
            (Some(_), _) => {
                receipt["at"] = self.clock.now().unix_millis().into();
                self.receipts.registered.owe(receipt);
            }
            (None, Some(url)) if arrival.is_called_back => {
                receipt["url"] = url;
                self.receipts.called_back.owe(receipt);
            }
            _ => {}
        }
        self.inbox.receive(arrival);
    }
}

impl Arrival {
    /// A message as a phone gets it.
    pub(super) fn new(message: &Arc<Message>, task: &str, is_called_back: bool) -> Self {
        let extras = match &message.skip {
            Skip::App => Some(message.custom.clone()),
            Skip::Nothing => None,
            Skip::Activity(intent) => started(intent, &message.custom),
        };
        Self {
            message: Arc::clone(message),
            task: task.to_owned(),
            extras,
            is_called_back,
        }
    }

    /// The title.
    pub fn title(&self) -> &str {
        &self.message.title
    }

    /// The text.
    pub fn content(&self) -> &str {
        &self.message.content
    }

    /// The category; empty if there is none.
    pub fn category(&self) -> &str {
        &self.message.category
    }

    /// Whether it is a system message.
    pub fn is_system(&self) -> bool {
        self.message.is_system
    }

    /// How the phone draws attention: 1 not at all, 2 by its ring, 3 by vibration, 4 by both.
    pub fn notify_type(&self) -> i64 {
        self.message.notify_type
    }

    /// Whether a click opens the app.
    pub fn opens(&self) -> bool {
        self.extras.is_some()
    }

    /// What the activity reads that a click starts, as in `ext`.
    pub fn extra(&self, name: &str) -> Option<&str> {
        self.extras.as_ref()?.get(name)?.as_str()
    }
}

/// What an activity of the app reads of the intent that starts it: the pairs of the message, and the intent's own extras. `None`
/// if the intent starts none.
fn started(intent: &IntentUri, custom: &Map<String, Value>) -> Option<Map<String, Value>> {
    let resolves = match intent.get("component") {
        Some(component) => component == ACTIVITY.0,
        None => intent.data().split('?').next() == Some(ACTIVITY.1),
    };
    let own = ["ext", "delivery", "receiver"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), intent.extra(name)?.into())));
    resolves.then(|| custom.clone().into_iter().chain(own).collect())
}

impl Arrives for Arrival {
    fn is_shown(&self) -> bool {
        true
    }

    fn replaces(&self, earlier: &Self) -> bool {
        let id = self.message.notify_id;
        id.is_some() && id == earlier.message.notify_id
    }

    fn badge_after(&self, now: u32) -> u32 {
        now.saturating_add(self.message.adds_badge.into())
    }

    fn to_json(&self) -> Value {
        json!({
            "task_id": self.task,
            "title": self.message.title,
            "content": self.message.content,
            "category": self.message.category,
            "classification": u8::from(self.message.is_system),
            "notify_type": self.message.notify_type,
            "notify_id": self.message.notify_id,
            "extras": self.extras,
        })
    }

    fn click_payload(&self) -> Option<Payload> {
        self.extras.clone().map(Payload::intent_extras)
    }
}
