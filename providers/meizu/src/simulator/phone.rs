//! Phones with Flyme.
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use push_core::{Clock, Timestamp, payload::Payload};
use push_testkit::simulator::{Arrives, Inbox, Receipts, random};
use serde_json::{Map, Value, json};

use super::{ACTIVITY, check::Message, limits::Window};

/// A phone with the app. Clones are one phone.
#[derive(Clone, Debug)]
pub struct Phone {
    push_id: String,
    clock: Arc<dyn Clock>,
    receipts: Arc<Receipts>,
    gone: Arc<AtomicBool>,
    muted: Arc<AtomicBool>,
    pub(super) inbox: Inbox<Arrival>,
    /// The pushes of the last minute, and the public messages of the day.
    pub(super) received: Arc<Mutex<(Window, Window)>>,
}

/// A notification that reached a phone.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    message: Message,
    message_id: String,
}

impl Phone {
    pub(super) fn new(clock: &Arc<dyn Clock>, receipts: &Arc<Receipts>) -> Self {
        let digits = random::<21>().map(|byte| format!("{byte:02x}")).concat();
        Self {
            push_id: format!("RA50{digits}"),
            clock: Arc::clone(clock),
            receipts: Arc::clone(receipts),
            gone: Arc::default(),
            muted: Arc::default(),
            inbox: Inbox::default(),
            received: Arc::default(),
        }
    }

    /// Its push id.
    pub fn token(&self) -> &str {
        &self.push_id
    }

    /// The notifications that reached it, oldest first.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.inbox.arrivals()
    }

    /// The notifications on its screen, oldest first.
    pub fn screen(&self) -> Vec<Arrival> {
        self.inbox.screen()
    }

    /// Clicks the newest notification on its screen.
    pub fn click(&self) -> Option<Arrival> {
        let clicked = self.inbox.tap(|_| true)?;
        self.owe(&clicked, 2);
        Some(clicked)
    }

    /// Deletes the app; its push id is no longer subscribed.
    pub fn uninstall(&self) {
        self.gone.store(true, SeqCst);
    }

    /// Switches the notifications of the app off or on.
    pub fn set_muted(&self, muted: bool) {
        self.muted.store(muted, SeqCst);
    }

    /// Switches it on or off. While it is off, Meizu keeps what is sent.
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

    pub(super) fn is_muted(&self) -> bool {
        self.muted.load(SeqCst)
    }

    /// Counts a push at `now`, and whether it `is_public`. Returns the code under which Meizu names the phone instead.
    pub(super) fn count(
        &self,
        is_public: bool,
        most: (u64, u64),
        now: Timestamp,
    ) -> Option<&'static str> {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        let (minute, day) = &mut *received;
        if is_public && !day.takes_of_day(1, most.1, now) {
            Some("110011")
        } else if !minute.takes(1, most.0, now) {
            Some("520")
        } else {
            None
        }
    }

    /// Takes a message over; Meizu keeps it for a while if the phone is off.
    pub(super) fn take(&self, message: &Message, message_id: &str) {
        let arrival = Arrival {
            message: message.clone(),
            message_id: message_id.to_owned(),
        };
        if !self.inbox.is_off() {
            self.arrive(arrival);
        } else if let Some(kept) = message.kept {
            let same = |kept: &Arrival| arrival.replaces(kept);
            self.inbox
                .keep(arrival.clone(), self.clock.now() + kept, same);
        }
    }

    fn arrive(&self, arrival: Arrival) {
        self.owe(&arrival, 1);
        self.inbox.receive(arrival);
    }

    /// A receipt of this type is due, if the message asks for it.
    fn owe(&self, arrival: &Arrival, kind: u32) {
        let Some(callback) = &arrival.message.callback else {
            return;
        };
        if (kind == 1 && callback.delivered) || (kind == 2 && callback.clicked) {
            self.receipts.owe(json!({
                "key": format!("{}-{kind}", arrival.message_id),
                "callback": callback.url,
                "param": callback.param,
                "type": kind,
                "target": self.push_id,
            }));
        }
    }
}

impl Arrival {
    /// A text of the notification, as in `title`; empty if there is none.
    pub fn text(&self, key: &str) -> &str {
        self.message.json["noticeBarInfo"][key]
            .as_str()
            .unwrap_or_default()
    }

    /// The message as it was sent.
    pub fn message(&self) -> &Value {
        &self.message.json
    }

    /// A text extra of the intent that a click starts, as in `ext`. `None` if there is none, or the click starts no activity of the app.
    pub fn extra(&self, name: &str) -> Option<&str> {
        self.extras()?.get(name)?.as_str()
    }

    fn extras(&self) -> Option<&Map<String, Value>> {
        let click = &self.message.json["clickTypeInfo"];
        let opens = match click["clickType"].as_u64() {
            None | Some(0) => true,
            Some(1) => click["activity"] == ACTIVITY,
            Some(_) => false,
        };
        click["parameters"].as_object().filter(|_| opens)
    }
}

impl Arrives for Arrival {
    fn is_shown(&self) -> bool {
        true
    }

    fn replaces(&self, earlier: &Self) -> bool {
        let key = |arrival: &Self| arrival.message.json["advanceInfo"]["notifyKey"].clone();
        let (new, old) = (key(self), key(earlier));
        new.as_str().is_some_and(|key| !key.is_empty()) && new == old
    }

    /// A push cannot change it.
    fn badge_after(&self, now: u32) -> u32 {
        now
    }

    fn to_json(&self) -> Value {
        json!({ "msg_id": self.message_id, "message": self.message.json, "extras": self.extras() })
    }

    fn click_payload(&self) -> Option<Payload> {
        Some(Payload::intent_extras(self.extras()?.clone()))
    }
}
