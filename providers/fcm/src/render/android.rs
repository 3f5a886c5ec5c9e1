//! What Android phones get: `android`, or `android_v2` in its place.
use push_core::{Content, Notification, NotificationKind, Priority, Sound, Timestamp};
use serde_json::{Map, Value, json};

use super::{Effect, MAX_TTL, Style, collapse, object, put};

/// Which of FCM's two forms of a message for Android is sent; a message with both is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AndroidForm {
    /// `android`.
    #[default]
    V1,
    /// `android_v2`, a preview of 2026: it has no priority but two kinds, shown at once or whenever it suits the phone.
    V2,
}

impl AndroidForm {
    /// The field of the message.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::V1 => "android",
            Self::V2 => "android_v2",
        }
    }

    /// The field of the other form.
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::V1 => Self::V2,
            Self::V2 => Self::V1,
        }
    }

    /// Where the data stand that replace those of the message.
    pub(super) const fn data(self) -> &'static str {
        match self {
            Self::V1 => "/android/data",
            Self::V2 => "/android_v2/data",
        }
    }

    /// Where the notification stands.
    pub(super) const fn shown(self) -> &'static str {
        match self {
            Self::V1 => "/android/notification",
            Self::V2 => "/android_v2/remote_notification/notification",
        }
    }

    /// Whether `message` shows something.
    pub(super) fn shows(self, message: &Value) -> bool {
        const COMMON: [&str; 3] = ["title", "body", "image"];
        const OWN: [&str; 6] = [
            "title",
            "body",
            "image",
            "title_loc_key",
            "body_loc_key",
            "ticker",
        ];
        let has = |shown: Option<&Value>, keys: &[&str]| {
            shown.is_some_and(|shown| keys.iter().any(|key| shown.get(key).is_some()))
        };
        has(message.get("notification"), &COMMON) || has(message.pointer(self.shown()), &OWN)
    }

    /// Makes `message` one that shows nothing by itself.
    pub(super) fn silence(self, message: &mut Value, effect: Effect, wanted: &Notification) {
        let Some(android) = object(message, &format!("/{}", self.key())) else {
            return;
        };
        match self {
            Self::V1 => {
                android.remove("notification");
                if effect == Effect::SetsNumber {
                    android.insert("priority".into(), "NORMAL".into());
                }
            }
            // A call is urgent, and only this kind is not held back; the app changes what is shown before it is, and old
            // client libraries get the data alone, as with the other form.
            Self::V2 if effect == Effect::Calls => {
                android.remove("background_sync");
                let mut shown = Map::new();
                put(&mut shown, "title", &wanted.title);
                put(&mut shown, "body", &wanted.body);
                android.insert(
                    "remote_notification".into(),
                    json!({
                        "notification": shown, "mutable_content": true, "use_as_v1_data_message": true,
                    }),
                );
            }
            Self::V2 => {
                android.remove("remote_notification");
                android.insert("background_sync".into(), json!({}));
            }
        }
    }
}

/// How the message travels, and what Android shows beyond the texts of `notification`.
pub(super) fn config(content: &Content, style: &Style, now: Timestamp) -> Map<String, Value> {
    let notification = &content.notification;
    let mut android = Map::new();
    if style.android == AndroidForm::V1 {
        let priority = match notification.priority {
            Priority::High => "HIGH",
            Priority::Normal | Priority::Low => "NORMAL",
        };
        put(&mut android, "priority", priority);
    }
    if let Some(at) = notification.expires_at {
        let ttl = at.since(now).min(MAX_TTL).as_secs();
        put(&mut android, "ttl", &format!("{ttl}s"));
    }
    // FCM keeps four such keys for a device and slows down messages that have one: a key for every message would lose messages.
    if notification.collapse_waiting {
        put(&mut android, "collapse_key", &collapse(content));
    }
    if notification.kind != NotificationKind::Alert {
        return android;
    }
    let shown = shown(content, style);
    match style.android {
        AndroidForm::V1 => drop(android.insert("notification".into(), shown.into())),
        AndroidForm::V2 => {
            let mut remote = Map::new();
            remote.insert("notification".into(), shown.into());
            if notification.mutable {
                remote.insert("mutable_content".into(), true.into());
            }
            android.insert("remote_notification".into(), remote.into());
        }
    }
    android
}

fn shown(content: &Content, style: &Style) -> Map<String, Value> {
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
