//! What iPhones that are reached through FCM get beside `notification` and `data`: `apns`, which FCM hands to Apple.
use push_core::{Badge, Content, Interruption, Notification, Priority, Sound, Timestamp};
use push_kit::collapse::collapse_word;
use serde_json::{Map, Value, json};

use super::{Effect, MAX_TTL, collapse, put};

/// The longest `apns-collapse-id`, in bytes.
const MAX_COLLAPSE_ID: usize = 64;

/// `apns` of every target of `content`, without the number on the icon.
///
/// Apple documents a background push as one of priority 5 with `content-available`; FCM passes the headers on.
pub(super) fn config(content: &Content, effect: Effect, now: Timestamp) -> Map<String, Value> {
    let notification = &content.notification;
    let mut headers = Map::new();
    let mut payload = Map::new();
    let mut aps = Map::new();
    let (priority, push_type) = match effect {
        Effect::Shows => {
            aps = alert(notification);
            // Where the app's extension finds the picture.
            put(&mut payload, "image", &notification.image);
            let id = collapse(content);
            put(
                &mut headers,
                "apns-collapse-id",
                &collapse_word(&id, MAX_COLLAPSE_ID),
            );
            (priority(notification.priority), "alert")
        }
        // There is no number yet: see `with_badge`.
        Effect::SetsNumber => return Map::new(),
        Effect::Wakes | Effect::Calls => {
            aps.insert("content-available".into(), 1.into());
            ("5", "background")
        }
    };
    put(&mut headers, "apns-priority", priority);
    put(&mut headers, "apns-push-type", push_type);
    expire(&mut headers, notification, now);
    payload.insert("aps".into(), aps.into());
    let mut apns = Map::new();
    apns.insert("headers".into(), headers.into());
    apns.insert("payload".into(), payload.into());
    apns
}

/// Adds the number on the icon to `apns`. A push that shows nothing becomes an alert with it: a background push cannot set the
/// number. A call leaves it alone.
pub(super) fn with_badge(
    mut apns: Map<String, Value>,
    effect: Effect,
    badge: Badge,
) -> Map<String, Value> {
    let Badge::Set(count) = badge else {
        return apns;
    };
    match effect {
        Effect::Calls => return apns,
        Effect::Shows => {}
        Effect::SetsNumber | Effect::Wakes => {
            let headers = apns.entry("headers").or_insert_with(|| json!({}));
            headers["apns-priority"] = "5".into();
            headers["apns-push-type"] = "alert".into();
        }
    }
    let payload = apns
        .entry("payload")
        .or_insert_with(|| json!({ "aps": {} }));
    payload["aps"]["badge"] = count.into();
    apns
}

/// `aps` of a notification. Title and body stand in `notification`, which FCM writes into the alert; beside an alert of our own
/// they are not used, so that one with a subtitle has all three.
fn alert(notification: &Notification) -> Map<String, Value> {
    let mut aps = Map::new();
    if !notification.subtitle.is_empty() {
        let mut alert = Map::new();
        put(&mut alert, "title", &notification.title);
        put(&mut alert, "subtitle", &notification.subtitle);
        put(&mut alert, "body", &notification.body);
        aps.insert("alert".into(), alert.into());
    }
    let name = match &notification.sound {
        Sound::Silent => None,
        Sound::Default => Some("default"),
        Sound::Named(file) => Some(file.as_str()).filter(|file| !file.is_empty()),
    };
    if let Some(name) = name {
        let is_critical = notification.interruption == Some(Interruption::Critical);
        let sound = if is_critical {
            json!({ "critical": 1, "name": name, "volume": 1.0 })
        } else {
            name.into()
        };
        aps.insert("sound".into(), sound);
    }
    put(&mut aps, "thread-id", &notification.thread);
    if let Some(level) = notification.interruption {
        put(&mut aps, "interruption-level", word(level));
    }
    if notification.wakes_app {
        aps.insert("content-available".into(), 1.into());
    }
    // Without a service extension the picture is not loaded.
    if notification.mutable || !notification.image.is_empty() {
        aps.insert("mutable-content".into(), 1.into());
    }
    aps
}

const fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::High => "10",
        Priority::Normal => "5",
        Priority::Low => "1",
    }
}

const fn word(level: Interruption) -> &'static str {
    match level {
        Interruption::Passive => "passive",
        Interruption::Active => "active",
        Interruption::TimeSensitive => "time-sensitive",
        Interruption::Critical => "critical",
    }
}

/// Until when Apple keeps the push, in seconds since 1970; 0 means that it is tried once.
fn expire(headers: &mut Map<String, Value>, notification: &Notification, now: Timestamp) {
    if let Some(at) = notification.expires_at {
        let until = match at.since(now) {
            left if left.is_zero() => 0,
            left => (now + left.min(MAX_TTL)).unix_seconds(),
        };
        put(headers, "apns-expiration", &until.to_string());
    }
}
