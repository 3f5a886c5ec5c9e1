//! What FCM is sent (`projects.messages.send`).
use std::time::Duration;

use bytes::Bytes;
use push_core::{
    Badge, Content, Notification, NotificationKind, Target, Timestamp, Verdict,
    api::{DELIVERY_KEY, RECEIVER_KEY},
};
use push_kit::overlay::merge;
use serde_json::{Map, Value, json};

pub(crate) use self::android::AndroidForm;

mod android;
mod apple;
pub(crate) mod fields;
mod forms;
mod size;
mod web;

/// The most bytes of notification and data together.
pub(crate) const MAX_PAYLOAD: usize = 4096;

/// The longest that FCM keeps a message for an absent phone.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(28 * 24 * 60 * 60);

/// The topic that a dry run names: valid, and without subscribers.
const DRY_RUN_TOPIC: &str = "offline-push-verify";

/// What the operator set for every message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Style {
    pub(crate) channel_id: String,
    pub(crate) click_action: String,
    /// The page that a click opens in a browser; empty for none.
    pub(crate) web_link: String,
    pub(crate) android: AndroidForm,
}

/// The message for one content, without what differs by target.
pub(crate) struct Rendered {
    /// An object, without `apns`.
    message: Value,
    effect: Effect,
    android: AndroidForm,
    /// `apns` of every target, and the message's own fields that are laid over it.
    apple: (Map<String, Value>, Map<String, Value>),
    /// The most bytes for one platform.
    max: usize,
}

/// What a message does on a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// It shows something.
    Shows,
    /// It only sets the number on the icon. Android has no such message, iPhones have.
    SetsNumber,
    /// It wakes the app, which alone sees it.
    Wakes,
    /// It reports a call to the app.
    Calls,
}

impl Rendered {
    /// Renders `content` as of `now`.
    ///
    /// # Errors
    /// The verdict on every target, if it cannot be sent to any.
    pub(crate) fn new(content: &Content, style: &Style, now: Timestamp) -> Result<Self, Verdict> {
        let notification = &content.notification;
        let is_alert = notification.kind == NotificationKind::Alert;
        let mut message = Map::new();
        // Any other kind is data that the app handles by itself.
        if is_alert {
            message.insert("notification".into(), shown(notification).into());
        }
        let android = android::config(content, style, now);
        message.insert(style.android.key().into(), android.into());
        message.insert("webpush".into(), web::config(content, style, now).into());
        let mut data = Map::new();
        put(&mut data, "ext", &notification.ext);
        message.insert("data".into(), data.into());
        fields::check(&notification.vendor, style.android)
            .map_err(|error| Verdict::payload_refused("vendor-field", error.to_string()))?;
        fields::overlay(style.android).lay(&notification.vendor, &mut message)?;
        // What a `null` in it unsets is not there yet.
        message.remove("apns");
        let own = notification.vendor.get("apns").and_then(Value::as_object);
        let mut message = Value::Object(message);
        let effect = match notification.kind {
            NotificationKind::Alert if style.android.shows(&message) => Effect::Shows,
            NotificationKind::Alert if notification.wakes_app => Effect::Wakes,
            NotificationKind::Alert => Effect::SetsNumber,
            NotificationKind::Background => Effect::Wakes,
            _ => Effect::Calls,
        };
        if effect != Effect::Shows
            && let Some(all) = object(&mut message, "")
        {
            // Fields for every message of a class must not make a background push a shown one, and Android shows a
            // notification without text as an empty one.
            all.remove("notification");
            if effect == Effect::SetsNumber {
                // With data the app would be woken for nothing. A browser's icon has no number.
                if !notification.vendor.contains_key("data") {
                    all.remove("data");
                }
                all.remove("webpush");
            }
            if let Some(web) = object(&mut message, "/webpush") {
                web.remove("notification");
            }
            style.android.silence(&mut message, effect, notification);
        }
        Ok(Self {
            message,
            effect,
            android: style.android,
            apple: (
                apple::config(content, effect, now),
                own.cloned().unwrap_or_default(),
            ),
            max: MAX_PAYLOAD,
        })
    }

    /// Limits the message to `max` bytes for one platform.
    pub(crate) const fn with_max(mut self, max: usize) -> Self {
        self.max = max;
        self
    }

    /// The request body for `target`.
    ///
    /// # Errors
    /// The verdict on it, if the message is too large and has too little text to cut.
    pub(crate) fn body(&self, target: &Target) -> Result<Bytes, Verdict> {
        let mut message = self.complete(target.badge);
        if let Some(data) = object(&mut message, "/data") {
            data.insert(DELIVERY_KEY.into(), target.delivery.to_string().into());
            if let Some(receiver) = &target.receiver {
                data.insert(RECEIVER_KEY.into(), receiver.as_str().into());
            }
        }
        let token = target.token.expose();
        let kind = if is_installation_id(token) {
            "fid"
        } else {
            "token"
        };
        self.addressed(message, kind, token)
    }

    /// The request body for everybody who subscribed to a topic, or for whom a condition holds. It names no delivery and no
    /// receiver, and leaves the number on the icon alone.
    ///
    /// # Errors
    /// The verdict on it, if the message is too large and has too little text to cut.
    pub(crate) fn body_for(&self, kind: &str, audience: &str) -> Result<Bytes, Verdict> {
        self.addressed(self.complete(Badge::Leave), kind, audience)
    }

    /// The message with the number on the icon, and with what iPhones need.
    fn complete(&self, badge: Badge) -> Value {
        let mut message = self.message.clone();
        if let Badge::Set(count) = badge
            && self.effect == Effect::Shows
            && let Some(shown) = object(&mut message, self.android.shown())
            && !shown.contains_key("notification_count")
        {
            shown.insert(
                "notification_count".into(),
                count.min(i32::MAX as u32).into(),
            );
        }
        let (common, own) = &self.apple;
        let mut apns = apple::with_badge(common.clone(), self.effect, badge);
        merge(&mut apns, own);
        if !apns.is_empty() {
            message["apns"] = apns.into();
        }
        message
    }

    fn addressed(&self, mut message: Value, kind: &str, to: &str) -> Result<Bytes, Verdict> {
        complete_data(&mut message, self.android);
        let mut message = size::fitted(message, self.android, self.max)?;
        message[kind] = to.into();
        Ok(json!({ "message": message }).to_string().into())
    }
}

/// The body of a message that FCM checks and sends to no phone.
pub(crate) fn dry_run() -> Bytes {
    json!({ "validate_only": true, "message": { "topic": DRY_RUN_TOPIC } })
        .to_string()
        .into()
}

/// What the system shows on every platform.
fn shown(notification: &Notification) -> Map<String, Value> {
    let mut shown = Map::new();
    put(&mut shown, "title", &notification.title);
    put(&mut shown, "body", &notification.body);
    put(&mut shown, "image", &notification.image);
    shown
}

/// The key by which a later notification replaces this one on the phone; every message has one.
fn collapse(content: &Content) -> String {
    match content.notification.collapse.as_str() {
        "" => content.id.to_string(),
        key => key.to_owned(),
    }
}

/// Puts the message's data into that of Android and of browsers, where they have their own: the service sends those instead.
fn complete_data(message: &mut Value, android: AndroidForm) {
    let common = message["data"].as_object().cloned().unwrap_or_default();
    for pointer in [android.data(), "/webpush/data"] {
        if let Some(data) = object(message, pointer) {
            for (key, value) in &common {
                data.entry(key).or_insert_with(|| value.clone());
            }
        }
    }
}

/// Whether `token` is a Firebase installation id and not a registration token, which is longer and has a `:`.
fn is_installation_id(token: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    token.len() == 22 && token.starts_with(['c', 'd', 'e', 'f']) && token.bytes().all(plain)
}

fn put(map: &mut Map<String, Value>, key: &str, text: &str) {
    if !text.is_empty() {
        map.insert(key.to_owned(), text.into());
    }
}

fn object<'a>(message: &'a mut Value, pointer: &str) -> Option<&'a mut Map<String, Value>> {
    message.pointer_mut(pointer)?.as_object_mut()
}

#[cfg(test)]
mod tests;
