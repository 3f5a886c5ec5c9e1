//! Phones with HarmonyOS.
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use push_core::{Clock, Timestamp, payload::Payload};
use push_testkit::simulator::{Arrives, Inbox, Receipts};
use serde_json::{Map, Value, json};

use super::{check::Message, quota::Daily};

/// How long a phone knows the `appMessageId` of a message.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// The app on the phone, as its package is called.
const PACKAGE: &str = "com.example.im";

/// What a page of the app can be opened by.
const PAGE: [(&str, &str); 2] = [
    ("action", "com.example.im.OPEN_CHAT"),
    ("uri", "push://im/chat"),
];

/// A phone with the app. Clones are one phone.
#[derive(Clone)]
pub struct Phone {
    token: String,
    clock: Arc<dyn Clock>,
    receipts: Arc<Receipts>,
    state: Arc<Mutex<State>>,
    pub(super) inbox: Inbox<Arrival>,
}

#[derive(Default)]
struct State {
    /// The reason for which Push Kit calls the token illegal.
    illegal: Option<String>,
    is_gone: bool,
    is_muted: bool,
    is_in_front: bool,
    /// Each with the time until which it is known.
    seen: HashMap<String, Timestamp>,
    /// By `notifyId`: the number of the last message that was recalled.
    revoked: HashMap<u64, u64>,
    messages: Daily,
    marketing: Daily,
}

/// A message on its way to a phone, or there.
#[derive(Clone, PartialEq)]
pub struct Arrival {
    push_type: u8,
    payload: Value,
    tag: String,
    request_id: String,
    /// Counts the messages of Push Kit.
    number: u64,
    group: Option<i64>,
    is_shown: bool,
}

/// What a click starts an ability with, as `onCreate` or `onNewWant` gets it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Want {
    /// The action of the page; `None` for the app's home.
    pub action: Option<String>,
    /// The URI of the page.
    pub uri: Option<String>,
    /// The keys of `clickAction.data`.
    pub parameters: Map<String, Value>,
}

impl Want {
    /// A parameter that is text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.parameters.get(key)?.as_str()
    }
}

impl Phone {
    pub(super) fn new(token: &str, clock: &Arc<dyn Clock>, receipts: &Arc<Receipts>) -> Self {
        Self {
            token: token.to_owned(),
            clock: Arc::clone(clock),
            receipts: Arc::clone(receipts),
            state: Arc::default(),
            inbox: Inbox::default(),
        }
    }

    /// Its token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The last 1,024 messages that arrived, oldest first.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.inbox.arrivals()
    }

    /// What is on the screen, oldest first.
    pub fn screen(&self) -> Vec<Arrival> {
        self.inbox.screen()
    }

    /// The number on the icon.
    pub fn badge(&self) -> u32 {
        self.inbox.badge()
    }

    /// Completes when at least `count` messages have arrived, and returns the last.
    pub async fn wait_for(&self, count: u64) -> Option<Arrival> {
        self.inbox.wait_for(count).await
    }

    /// Taps the newest notification on the screen. `None` if there is none, or it opens nothing.
    pub fn tap(&self) -> Option<Want> {
        self.inbox.tap(|_| true)?.want()
    }

    /// Switches the phone off or on. Messages wait for their time to live while it is off.
    pub fn set_power(&self, on: bool) {
        if !on {
            return self.inbox.switch_off();
        }
        for arrival in self.inbox.switch_on(self.clock.now()) {
            let mut state = self.lock();
            let revoked = state.revoked.get(&arrival.notify_id());
            if revoked.is_none_or(|last| *last < arrival.number) {
                self.show(&mut state, arrival);
            }
        }
    }

    /// Switches the app's notifications off or on (receipt 6).
    pub fn set_muted(&self, is_muted: bool) {
        self.lock().is_muted = is_muted;
    }

    /// Brings the app to the front, or back.
    pub fn set_in_front(&self, is_in_front: bool) {
        self.lock().is_in_front = is_in_front;
    }

    /// Deletes the app: Push Kit calls the token illegal.
    pub fn uninstall(&self) {
        self.set_illegal("tokenFormatError");
    }

    /// Deletes the app while the phone is out of reach: Push Kit accepts the next message, and then posts receipt 2.
    pub fn uninstall_unnoticed(&self) {
        self.lock().is_gone = true;
    }

    pub(super) fn set_illegal(&self, reason: &str) {
        self.lock().illegal = Some(reason.to_owned());
    }

    pub(super) fn illegal(&self) -> Option<String> {
        self.lock().illegal.clone()
    }

    /// Takes a message that Push Kit accepted. `limits` are those of all messages and of marketing, the second if it is one.
    pub(super) fn take(&self, arrival: Arrival, ttl: Duration, limits: (u32, Option<u32>)) {
        let now = self.clock.now();
        let mut state = self.lock();
        let id = &arrival.payload["notification"]["appMessageId"];
        state.seen.retain(|_, until| *until > now);
        if let Some(id) = id.as_str()
            && state.seen.insert(id.to_owned(), now + REMEMBERED).is_some()
        {
            return;
        }
        if state.is_gone {
            self.owe(&arrival, 2);
            state.illegal = Some("tokenFormatError".to_owned());
        } else if !state.messages.count(now, limits.0) {
            self.owe(&arrival, 102);
        } else if limits
            .1
            .is_some_and(|limit| !state.marketing.count(now, limit))
        {
            self.owe(&arrival, 256);
        } else if self.inbox.is_off() {
            let (group, until) = (arrival.group, now + ttl);
            let covers = |kept: &Arrival| group.is_some() && kept.group == group;
            for covered in self.inbox.keep(arrival, until, covers) {
                self.owe(&covered, 15);
            }
        } else {
            self.show(&mut state, arrival);
        }
    }

    fn show(&self, state: &mut State, mut arrival: Arrival) {
        let is_notification = arrival.payload["notification"].is_object();
        let is_hidden =
            state.is_in_front && arrival.payload["notification"]["foregroundShow"] == false;
        arrival.is_shown = is_notification && !state.is_muted && !is_hidden;
        self.owe(
            &arrival,
            if is_notification && state.is_muted {
                6
            } else {
                0
            },
        );
        self.inbox.receive(arrival);
    }

    /// Recalls what was sent with this `notifyId` up to the message `last`.
    pub(super) fn revoke(&self, notify_id: u64, last: u64) {
        self.lock().revoked.insert(notify_id, last);
        while self
            .inbox
            .tap(|shown| shown.notify_id() == notify_id)
            .is_some()
        {}
    }

    /// Owes the receipt of a message that Push Kit accepted and does not deliver, or of one that arrived.
    pub(super) fn owe(&self, arrival: &Arrival, result: u16) {
        let mut receipt = json!({
            "token": self.token,
            "pushType": arrival.push_type,
            "appPackageName": PACKAGE,
            "biTag": arrival.tag,
            "requestId": arrival.request_id,
        });
        let mut status = json!({ "result": result, "timestamp": self.clock.now().unix_millis() });
        if arrival.push_type == 1 {
            status["formId"] = arrival.payload["formId"].clone();
            receipt["formStatus"] = status;
        } else {
            receipt["deliveryStatus"] = status;
        }
        self.receipts.owe(receipt);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arrival {
    pub(super) fn new(message: &Message, request_id: &str, number: u64) -> Self {
        Self {
            push_type: message.push_type,
            payload: message.payload.clone(),
            tag: message.tag.clone(),
            request_id: request_id.to_owned(),
            number,
            group: message.group,
            is_shown: false,
        }
    }

    /// The `push-type` that it was sent with.
    pub const fn push_type(&self) -> u8 {
        self.push_type
    }

    /// A text of the notification; empty if there is none.
    pub fn text(&self, key: &str) -> &str {
        self.payload["notification"][key]
            .as_str()
            .unwrap_or_default()
    }

    /// What the app's extension, its background task or its call gets: `extraData`, read as JSON.
    pub fn extra(&self) -> Option<Value> {
        serde_json::from_str(self.payload["extraData"].as_str()?).ok()
    }

    /// What a tap opens; `None` if it opens nothing, or a page that the app does not have.
    pub fn want(&self) -> Option<Want> {
        let click = &self.payload["notification"]["clickAction"];
        let [action, uri] = PAGE.map(|(key, own)| click[key].as_str().map(|text| (text, own)));
        let has_page = [action, uri]
            .into_iter()
            .flatten()
            .all(|(text, own)| text == own);
        let page = |part: Option<(&str, &str)>| Some(part?.0.to_owned());
        let parameters = click["data"].as_object().cloned().unwrap_or_default();
        match click["actionType"].as_u64()? {
            0 => Some(Want {
                parameters,
                ..Want::default()
            }),
            1 if has_page => Some(Want {
                action: page(action),
                uri: page(uri),
                parameters,
            }),
            _ => None,
        }
    }

    /// −1 and an absent id are those of no other notification.
    fn notify_id(&self) -> u64 {
        let id = self.payload["notification"]["notifyId"].as_u64();
        id.unwrap_or(u64::MAX - self.number)
    }
}

impl Arrives for Arrival {
    fn is_shown(&self) -> bool {
        self.is_shown
    }

    fn replaces(&self, earlier: &Self) -> bool {
        self.notify_id() == earlier.notify_id()
    }

    /// Of both numbers `setNum` counts.
    fn badge_after(&self, now: u32) -> u32 {
        let badge = &self.payload["notification"]["badge"];
        let number = |key: &str| {
            badge[key]
                .as_u64()
                .and_then(|number| u32::try_from(number).ok())
        };
        let added = number("addNum").map(|more| now.saturating_add(more));
        number("setNum").or(added).unwrap_or(now)
    }

    fn to_json(&self) -> Value {
        json!({
            "push_type": self.push_type,
            "payload": self.payload,
            "shown": self.is_shown,
            "request_id": self.request_id,
        })
    }

    fn click_payload(&self) -> Option<Payload> {
        Some(Payload::intent_extras(self.want()?.parameters))
    }
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrival")
            .field("push_type", &self.push_type)
            .field("request_id", &self.request_id)
            .field("is_shown", &self.is_shown)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phone")
            .field("inbox", &self.inbox)
            .finish_non_exhaustive()
    }
}
