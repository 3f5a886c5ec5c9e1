//! What FCM is sent (`projects.messages.send`).
use std::time::Duration;

use bytes::Bytes;
use push_core::{
    Badge, Content, Notification, NotificationKind, Priority, Sound, Target, Timestamp, Verdict,
    api::{DELIVERY_KEY, RECEIVER_KEY},
};
use push_kit::{overlay::merge, payload::fit};
use serde_json::{Map, Value, json};

use self::fields::{DATA, OVERLAY};

pub(crate) mod fields;

/// The most bytes of notification and data together.
pub(crate) const MAX_PAYLOAD: usize = 4096;

/// The longest that FCM keeps a message for an absent phone.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(28 * 24 * 60 * 60);

/// The topic that a dry run names: valid, and without subscribers.
const DRY_RUN_TOPIC: &str = "offline-push-verify";

/// The texts that are cut where a message is too large, in this order.
const TEXTS: [&str; 4] = [
    "/notification/body",
    "/android/notification/body",
    "/notification/title",
    "/android/notification/title",
];

/// What the operator set for every message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Style {
    pub(crate) channel_id: String,
    pub(crate) click_action: String,
}

/// Where a message says what Android shows, beyond the text of `notification`.
const SHOWN: [&str; 9] = [
    "/notification/title",
    "/notification/body",
    "/notification/image",
    "/android/notification/title",
    "/android/notification/body",
    "/android/notification/image",
    "/android/notification/title_loc_key",
    "/android/notification/body_loc_key",
    "/android/notification/ticker",
];

/// The message for one content, without what differs by target.
pub(crate) struct Rendered {
    /// An object.
    message: Value,
    effect: Effect,
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
        let mut message = Map::new();
        let mut android = android(content, now);
        // Any other kind is data that the app handles by itself.
        if notification.kind == NotificationKind::Alert {
            message.insert("notification".into(), shown(notification).into());
            android.insert(
                "notification".into(),
                shown_on_android(content, style).into(),
            );
        }
        message.insert("android".into(), android.into());
        let mut data = Map::new();
        put(&mut data, "ext", &notification.ext);
        message.insert("data".into(), data.into());
        fields::check(&notification.vendor)
            .map_err(|error| Verdict::payload_refused("vendor-field", error.to_string()))?;
        OVERLAY.lay(&notification.vendor, &mut message)?;
        let mut message = Value::Object(message);
        let shows = SHOWN.iter().any(|at| message.pointer(at).is_some());
        let effect = match notification.kind {
            NotificationKind::Alert if shows => Effect::Shows,
            NotificationKind::Alert if notification.wakes_app => Effect::Wakes,
            NotificationKind::Alert => Effect::SetsNumber,
            NotificationKind::Background => Effect::Wakes,
            _ => Effect::Calls,
        };
        if effect != Effect::Shows {
            // Fields for every message of a class must not make a background push a shown one, and Android shows a
            // notification without text as an empty one.
            for parent in ["", "/android"] {
                if let Some(parent) = object(&mut message, parent) {
                    parent.remove("notification");
                }
            }
        }
        if effect == Effect::SetsNumber {
            // With data the app would be woken for nothing.
            if let Some(all) = object(&mut message, "")
                && !notification.vendor.contains_key("data")
            {
                all.remove("data");
            }
            if let Some(android) = object(&mut message, "/android") {
                android.insert("priority".into(), "NORMAL".into());
            }
        }
        Ok(Self { message, effect })
    }

    /// The request body for `target`.
    ///
    /// # Errors
    /// The verdict on it, if the message is too large and has too little text to cut.
    pub(crate) fn body(&self, target: &Target) -> Result<Bytes, Verdict> {
        let mut message = self.message.clone();
        if let Badge::Set(count) = target.badge
            && let Some(shown) = object(&mut message, "/android/notification")
            && !shown.contains_key("notification_count")
        {
            shown.insert(
                "notification_count".into(),
                count.min(i32::MAX as u32).into(),
            );
        }
        let mut apns = for_iphones(self.effect, target.badge);
        // The message's own fields are laid over it.
        if let Some(Value::Object(own)) = message.get("apns") {
            merge(&mut apns, own);
        }
        if !apns.is_empty() {
            message["apns"] = apns.into();
        }
        if let Some(data) = object(&mut message, "/data") {
            data.insert(DELIVERY_KEY.into(), target.delivery.to_string().into());
            if let Some(receiver) = &target.receiver {
                data.insert(RECEIVER_KEY.into(), receiver.as_str().into());
            }
        }
        complete_data(&mut message);
        if size_of(&message) > MAX_PAYLOAD {
            message = cut(message)?;
        }
        let token = target.token.expose();
        let kind = if is_installation_id(token) {
            "fid"
        } else {
            "token"
        };
        message[kind] = token.into();
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

fn shown_on_android(content: &Content, style: &Style) -> Map<String, Value> {
    let mut shown = Map::new();
    // The tag replaces what is shown.
    put(&mut shown, "tag", &collapse(content));
    put(&mut shown, "channel_id", &style.channel_id);
    put(&mut shown, "click_action", &style.click_action);
    match &content.notification.sound {
        Sound::Default => put(&mut shown, "sound", "default"),
        Sound::Silent => {}
        // A resource of the app is found by its name, which has no suffix.
        Sound::Named(file) => {
            let name = file
                .rsplit_once('.')
                .map_or(file.as_str(), |(name, _)| name);
            put(&mut shown, "sound", name);
        }
    }
    shown
}

/// How the message travels.
fn android(content: &Content, now: Timestamp) -> Map<String, Value> {
    let notification = &content.notification;
    let mut android = Map::new();
    let priority = match notification.priority {
        Priority::High => "HIGH",
        Priority::Normal | Priority::Low => "NORMAL",
    };
    put(&mut android, "priority", priority);
    if let Some(at) = notification.expires_at {
        let ttl = at.since(now).min(MAX_TTL).as_secs();
        put(&mut android, "ttl", &format!("{ttl}s"));
    }
    // FCM keeps four such keys for a device and slows down messages that have one: a key for every message would lose messages.
    if notification.collapse_waiting {
        put(&mut android, "collapse_key", &collapse(content));
    }
    android
}

/// What an iPhone that is reached through FCM needs beside `notification` and `data`: the number on the icon, and for a push
/// that shows nothing the priority and the push type that Apple asks for.
fn for_iphones(effect: Effect, badge: Badge) -> Map<String, Value> {
    let mut aps = Map::new();
    let has_badge = if let Badge::Set(count) = badge {
        aps.insert("badge".into(), count.into());
        true
    } else {
        false
    };
    if effect == Effect::Wakes {
        aps.insert("content-available".into(), 1.into());
    }
    let mut apns = Map::new();
    if effect == Effect::Wakes || (effect == Effect::SetsNumber && has_badge) {
        // A background push cannot set the number.
        let push_type = if has_badge { "alert" } else { "background" };
        apns.insert(
            "headers".into(),
            json!({ "apns-priority": "5", "apns-push-type": push_type }),
        );
    }
    if !aps.is_empty() && effect != Effect::Calls {
        apns.insert("payload".into(), json!({ "aps": aps }));
    }
    apns
}

/// The key by which a later notification replaces this one on the phone; every message has one.
fn collapse(content: &Content) -> String {
    match content.notification.collapse.as_str() {
        "" => content.id.to_string(),
        key => key.to_owned(),
    }
}

/// Puts the message's data into `android.data` and `webpush.data`, where they are given: the service sends those instead.
fn complete_data(message: &mut Value) {
    let common = message["data"].as_object().cloned().unwrap_or_default();
    for pointer in &DATA[1..] {
        if let Some(data) = object(message, pointer) {
            for (key, value) in &common {
                data.entry(key).or_insert_with(|| value.clone());
            }
        }
    }
}

/// Cuts the texts of a message that is too large. Where that is not enough the delivery goes, too: a receipt is worth less
/// than the message.
fn cut(mut message: Value) -> Result<Value, Verdict> {
    let whole = message.clone();
    if fit(&mut message, MAX_PAYLOAD, &TEXTS, size_of).is_ok() {
        return Ok(message);
    }
    message = whole;
    for pointer in DATA {
        if let Some(data) = object(&mut message, pointer) {
            data.remove(DELIVERY_KEY);
        }
    }
    fit(&mut message, MAX_PAYLOAD, &TEXTS, size_of).map_err(too_large)?;
    Ok(message)
}

/// How many bytes of [`MAX_PAYLOAD`] a message takes. Counts JSON, which is a little more than FCM counts.
fn size_of(message: &Value) -> usize {
    ["/notification", "/android/notification"]
        .into_iter()
        .chain(DATA)
        .filter_map(|pointer| message.pointer(pointer))
        .map(|part| part.to_string().len())
        .sum()
}

fn too_large(excess: usize) -> Verdict {
    Verdict::payload_refused(
        "payload-too-large",
        format!(
            "notification and data take {excess} bytes more than the {MAX_PAYLOAD} that FCM accepts, \
             and there is too little text to cut; shorten `ext` or the vendor fields"
        ),
    )
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
