//! What a person will see, before a vendor's format is applied.
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{AppId, Class, ContentId, MessageId, Timestamp};

/// What all deliveries that look the same share: a notification with an identity.
///
/// The number on the icon and the token differ by delivery and are not part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Content {
    /// Equal for equal content of one message: the key of rendered payloads, of messages saved at a vendor and of stored rows.
    pub id: ContentId,
    /// The app it belongs to.
    pub app: AppId,
    /// The message it was made from.
    pub message: MessageId,
    /// The class of the message.
    pub class: Class,
    /// What the person will see.
    pub notification: Notification,
}

impl Content {
    /// The content `notification` of a message.
    pub const fn new(
        id: ContentId,
        app: AppId,
        message: MessageId,
        class: Class,
        notification: Notification,
    ) -> Self {
        Self {
            id,
            app,
            message,
            class,
            notification,
        }
    }
}

/// One notification, vendor-neutral. Providers render it; nothing in it names a device.
///
/// `Debug` shows its shape and sizes, never its text.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Notification {
    /// What kind of push it is.
    pub kind: NotificationKind,
    /// The first line; empty for none.
    pub title: String,
    /// A second line, where the vendor has one; empty for none.
    pub subtitle: String,
    /// The text; empty for none.
    pub body: String,
    /// The `ext` string that names the chat to open, a JSON object as text; empty for none. Never shortened (S98).
    pub ext: String,
    /// What is heard.
    pub sound: Sound,
    /// The address of a picture, https; empty for none.
    pub image: String,
    /// How urgently the phone should wake.
    pub priority: Priority,
    /// How much the notification may interrupt; `None` leaves it to the system.
    pub interruption: Option<Interruption>,
    /// Groups notifications of one conversation; empty for none.
    pub thread: String,
    /// A later notification with the same key replaces an earlier one. The gateway sets one on every push, since a push without
    /// a key cannot be replaced later. At most 64 bytes.
    pub collapse: String,
    /// Whether it also replaces an earlier one that still waits at the vendor for an absent phone: the sender chose the key.
    pub collapse_waiting: bool,
    /// Lets the app change the notification before it is shown (`mutable-content`, S96).
    pub mutable: bool,
    /// Wakes the app in background together with the notification (`content-available`).
    pub wakes_app: bool,
    /// When it is no longer worth delivering; `None` leaves it to the vendor.
    pub expires_at: Option<Timestamp>,
    /// Fields in the format of this channel's vendor, laid over the rendered payload. Message, class policy and credential are
    /// resolved already.
    pub vendor: Map<String, Value>,
}

impl Notification {
    crate::setters! {
        with_kind(kind: NotificationKind);
        with_title(title: impl Into<String>);
        with_subtitle(subtitle: impl Into<String>);
        with_body(body: impl Into<String>);
        with_ext(ext: impl Into<String>);
        with_sound(sound: Sound);
        with_image(image: impl Into<String>);
        with_priority(priority: Priority);
        with_interruption(interruption: impl Into<Option<Interruption>>);
        with_thread(thread: impl Into<String>);
        with_collapse(collapse: impl Into<String>);
        with_collapse_waiting(collapse_waiting: bool);
        with_mutable(mutable: bool);
        with_wakes_app(wakes_app: bool);
        with_expires_at(expires_at: impl Into<Option<Timestamp>>);
        with_vendor(vendor: Map<String, Value>);
    }
}

impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification")
            .field("kind", &self.kind)
            .field("title_bytes", &self.title.len())
            .field("body_bytes", &self.body.len())
            .field("ext_bytes", &self.ext.len())
            .field("priority", &self.priority)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// The kind of a push: what it is for decides how a vendor treats it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NotificationKind {
    /// Shown to a person.
    #[default]
    Alert,
    /// Wakes the app, shows nothing.
    Background,
    /// An incoming call.
    Voip,
    /// A change of a Live Activity.
    LiveActivity,
}

/// What happens to the number on the app's icon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Badge {
    /// It stays as it is.
    #[default]
    Leave,
    /// It becomes this number; 0 clears it and is sent as 0 (S124). For [`BadgeStyle::Set`](crate::BadgeStyle::Set).
    Set(u32),
    /// It becomes this much larger. For [`BadgeStyle::CountUp`](crate::BadgeStyle::CountUp).
    Add(u32),
}

/// What is heard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
// Closed: every provider renders silence, the system's sound and a file.
pub enum Sound {
    /// The system's sound.
    #[default]
    Default,
    /// Nothing.
    Silent,
    /// A file in the app, with its suffix.
    Named(String),
}

/// How urgently the phone should wake.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
// Closed: every provider maps the three levels to those of its vendor.
pub enum Priority {
    /// When the phone is awake anyway.
    Low,
    /// Soon, considerate of its battery.
    Normal,
    /// Now.
    #[default]
    High,
}

/// How much a notification may interrupt (Apple's interruption levels).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
// Closed: a provider that sends levels maps each of them.
pub enum Interruption {
    /// Into the list without lighting up the screen.
    Passive,
    /// As usual.
    Active,
    /// Through scheduled summaries and focus.
    TimeSensitive,
    /// Through the mute switch; needs Apple's permission.
    Critical,
}
