//! Phones of OPPO.
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicI64, Ordering::SeqCst},
};

use push_core::{Clock, Timestamp, payload::Payload};
use push_testkit::simulator::{Arrives, Inbox};
use serde_json::{Map, Value, json};

use super::{ACTIVITY, APP_ID, PRIVATE_CHANNEL, PUBLIC_CHANNEL, check::Notification, owed::Owed};

/// A phone with the app. Clones are one phone.
#[derive(Clone, Debug)]
pub struct Phone {
    id: String,
    clock: Arc<dyn Clock>,
    owed: Arc<Owed>,
    gone: Arc<AtomicBool>,
    /// Uninstalled, and OPPO does not know it.
    unnoticed: Arc<AtomicBool>,
    code: Arc<AtomicI64>,
    last: Arc<Mutex<Option<String>>>,
    pub(super) inbox: Inbox<Arrival>,
}

/// A message that reached a phone.
#[derive(Clone, Debug)]
pub struct Arrival {
    notification: Notification,
    message_id: String,
    task_id: String,
}

impl Phone {
    pub(super) fn new(id: &str, clock: &Arc<dyn Clock>, owed: &Arc<Owed>) -> Self {
        Self {
            id: id.to_owned(),
            clock: Arc::clone(clock),
            owed: Arc::clone(owed),
            gone: Arc::default(),
            unnoticed: Arc::default(),
            code: Arc::default(),
            last: Arc::default(),
            inbox: Inbox::default(),
        }
    }

    /// Its registration id.
    pub fn token(&self) -> &str {
        &self.id
    }

    /// The messages that reached it, oldest first.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.inbox.arrivals()
    }

    /// The notifications on its screen, oldest first.
    pub fn screen(&self) -> Vec<Arrival> {
        self.inbox.screen()
    }

    /// The number on the app's icon. From 100 on, phones show `99+`.
    pub fn badge(&self) -> u32 {
        self.inbox.badge()
    }

    /// Deletes the app; OPPO knows it, and the id is not valid any more.
    pub fn uninstall(&self) {
        self.gone.store(true, SeqCst);
    }

    /// Deletes the app without OPPO noticing: the next message is accepted, and a receipt says then that the id is not valid.
    pub fn uninstall_unnoticed(&self) {
        self.unnoticed.store(true, SeqCst);
    }

    /// Makes OPPO refuse what is sent to it with this code; 0 ends that.
    pub fn refuse_with(&self, code: i64) {
        self.code.store(code, SeqCst);
    }

    /// Switches it on or off. While it is off, OPPO keeps what is sent.
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

    pub(super) fn code(&self) -> i64 {
        self.code.load(SeqCst)
    }

    /// The id of the last message that OPPO took over for it.
    pub fn last_message(&self) -> Option<String> {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Takes a message over, which is one too many for today if it is not `allowed`.
    pub(super) fn take(&self, arrival: Arrival, allowed: bool) {
        let id = arrival.message_id.clone();
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
        if self.unnoticed.load(SeqCst) {
            self.uninstall();
            return self.owe(&arrival, "regid_invalid");
        }
        if !allowed {
            return self.owe(&arrival, "user_daily_limit");
        }
        if !self.inbox.is_off() {
            return self.arrive(arrival);
        }
        let until: Timestamp = self.clock.now() + arrival.notification.ttl;
        if arrival.notification.ttl.is_zero() {
            return;
        }
        let newer = arrival.clone();
        self.inbox.keep(arrival, until, |kept| newer.replaces(kept));
    }

    fn arrive(&self, arrival: Arrival) {
        self.owe(&arrival, "push_arrive");
        self.inbox.receive(arrival);
    }

    /// Owes a receipt, if the message asks for one.
    fn owe(&self, arrival: &Arrival, kind: &str) {
        let shown = &arrival.notification;
        let receipt = json!({
            "messageId": arrival.message_id,
            "appId": APP_ID,
            "taskId": arrival.task_id,
            "registrationIds": self.id,
            "eventTime": self.clock.now().unix_millis(),
            "param": shown.text("call_back_parameter"),
            "eventType": kind,
        });
        self.owed.owe(shown.text("call_back_url"), receipt);
    }
}

impl Arrival {
    pub(super) fn new(notification: &Notification, message_id: &str, task_id: &str) -> Self {
        Self {
            notification: notification.clone(),
            message_id: message_id.to_owned(),
            task_id: task_id.to_owned(),
        }
    }

    /// The title on the screen.
    pub fn title(&self) -> &str {
        &self.notification.shown[0]
    }

    /// The text on the screen.
    pub fn body(&self) -> &str {
        &self.notification.shown[1]
    }

    /// A field of the notification; `null` if there is none.
    pub fn field(&self, key: &str) -> &Value {
        self.notification.fields.get(key).unwrap_or(&Value::Null)
    }

    /// Whether a click starts an activity of the app.
    pub fn opens(&self) -> bool {
        let name = self.notification.text("click_action_activity");
        match self.field("click_action_type").as_i64() {
            None | Some(0) => true,
            Some(1) => name == ACTIVITY[1],
            Some(4) => name == ACTIVITY[0],
            _ => false,
        }
    }

    /// The extras of the intent that a click starts: the members of `action_parameters`, each as a string.
    pub fn extras(&self) -> Map<String, Value> {
        let text = self.notification.text("action_parameters");
        let members: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
        let members = members.into_iter().filter(|_| self.opens());
        members
            .map(|(key, value)| match value {
                Value::String(_) => (key, value),
                other => (key, other.to_string().into()),
            })
            .collect()
    }

    /// One of the extras.
    pub fn extra(&self, name: &str) -> Option<String> {
        self.extras().get(name)?.as_str().map(str::to_owned)
    }
}

impl Arrives for Arrival {
    /// Without a channel, OPPO's own shows it.
    fn is_shown(&self) -> bool {
        matches!(
            self.notification.text("channel_id"),
            "" | PRIVATE_CHANNEL | PUBLIC_CHANNEL
        )
    }

    fn replaces(&self, earlier: &Self) -> bool {
        let number = |arrival: &Self| arrival.field("notify_id").as_i64();
        number(self).is_some() && number(self) == number(earlier)
    }

    fn badge_after(&self, now: u32) -> u32 {
        let count = self.field("badge_message_count").as_u64();
        let count = count.and_then(|count| u32::try_from(count).ok());
        match (self.field("badge_operation_type").as_i64(), count) {
            (Some(0), Some(count)) => count,
            (Some(1), count) => now.saturating_add(count.unwrap_or(1)),
            _ => now,
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "notification": self.notification.fields,
            "title": self.title(),
            "body": self.body(),
            "opens": self.opens(),
            "extras": self.extras(),
        })
    }

    fn click_payload(&self) -> Option<Payload> {
        self.opens().then(|| Payload::oppo(self.extras()))
    }
}
