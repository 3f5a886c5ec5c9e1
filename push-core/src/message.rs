//! What an IM server tells the gateway: messages and the push settings that come with them.
use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Channel, GroupId, Interruption, MessageId, Priority, Timestamp, UserId};

/// One IM message to one user or to the members of a group.
///
/// `Debug` shows who and how much, never the text.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The message's id in the IM system. The same id twice is one message (S79).
    pub id: MessageId,
    /// Whether people wrote it to each other, or a server pushes it.
    #[serde(default)]
    pub kind: MessageKind,
    /// Who wrote it; `None` for a pure push.
    #[serde(default)]
    pub sender: Option<Sender>,
    /// The group it was written in; `None` for one-to-one.
    #[serde(default)]
    pub group: Option<Group>,
    /// Whom it is for. The sender, if among them, gets no push (S85).
    pub receivers: Vec<UserId>,
    /// What it consists of, in order.
    #[serde(default)]
    pub elements: Vec<Element>,
    /// Push settings that came with it.
    #[serde(default)]
    pub push: Option<OfflinePushInfo>,
    /// Only for receivers who are connected: never pushed (S81).
    #[serde(default)]
    pub online_only: bool,
    /// When it was sent; `None` for now.
    #[serde(default)]
    pub sent_at: Option<Timestamp>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("sender", &self.sender.as_ref().map(|it| &it.user))
            .field("group", &self.group.as_ref().map(|it| &it.id))
            .field("receivers", &self.receivers.len())
            .field("elements", &self.elements.len())
            .field("online_only", &self.online_only)
            .finish_non_exhaustive()
    }
}

/// Whether people wrote a message to each other, or a server pushes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessageKind {
    /// A chat message: counts on the badge by default (S94).
    #[default]
    Chat,
    /// A pure push: leaves the badge alone by default (S94).
    Push,
}

/// Who wrote a message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    /// The user.
    pub user: UserId,
    /// The name to show: group name card or nickname; empty if unknown.
    #[serde(default)]
    pub nickname: String,
    /// The address of the user's picture; empty if unknown.
    #[serde(default)]
    pub face_url: String,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.user, f)
    }
}

/// The group a message was written in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The group.
    pub id: GroupId,
    /// Its title; empty if unknown.
    #[serde(default)]
    pub name: String,
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.id, f)
    }
}

/// A part of a message. `Debug` shows the kind only.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Element {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// A picture.
    Image {},
    /// A voice message.
    Sound {},
    /// A film.
    Video {},
    /// A file.
    File {},
    /// An emoticon.
    Face {},
    /// A place.
    Location {},
    /// Messages forwarded together.
    Relay {},
    /// Something only the app understands: pushed only with a `desc`, here or in [`OfflinePushInfo`] (S90).
    Custom {
        /// What to show; empty for none.
        #[serde(default)]
        desc: String,
        /// The `ext` to send; empty for none. Ignored if [`OfflinePushInfo`] is there (S91).
        #[serde(default)]
        ext: String,
        /// The sound to play; empty for the default. Ignored if [`OfflinePushInfo`] is there (S91).
        #[serde(default)]
        sound: String,
    },
}

impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text { .. } => "Text",
            Self::Image {} => "Image",
            Self::Sound {} => "Sound",
            Self::Video {} => "Video",
            Self::File {} => "File",
            Self::Face {} => "Face",
            Self::Location {} => "Location",
            Self::Relay {} => "Relay",
            Self::Custom { .. } => "Custom",
        })
    }
}

/// The push settings that come with a message; the counterpart of Tencent's `OfflinePushInfo`.
///
/// An empty string and an absent field mean the same: not set.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OfflinePushInfo {
    /// No offline push for this message (`PushFlag` 1, S92).
    pub disabled: bool,
    /// The title.
    pub title: String,
    /// The text; beats the text derived from the elements (S91).
    pub desc: String,
    /// The `ext` string to pass through; must be a JSON object. Empty: the gateway writes one that names the chat.
    pub ext: String,
    /// How long it is worth delivering, in seconds; `None` for the gateway's default.
    pub ttl_seconds: Option<u32>,
    /// The number to show on the icon, 0 to 999; beats `badge_add` (S94).
    pub badge_set: Option<u32>,
    /// How much to add to the number on the icon, 1 to 99; beats `badge_mode` (S94).
    pub badge_add: Option<u32>,
    /// Whether this message counts on the icon; `None` for the default of its [`MessageKind`] (S94).
    pub badge_mode: Option<BadgeMode>,
    /// How urgently the phone should wake.
    pub priority: Priority,
    /// Replaces an earlier notification with the same key; at most 64 bytes. Empty: each message stands for itself.
    pub collapse: String,
    /// Settings for Apple devices only.
    pub apns: ApnsInfo,
    /// Fields of one vendor, by channel, merged into that vendor's payload as they are.
    pub vendor: BTreeMap<Channel, Value>,
}

impl fmt::Debug for OfflinePushInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfflinePushInfo")
            .field("disabled", &self.disabled)
            .field("title_bytes", &self.title.len())
            .field("desc_bytes", &self.desc.len())
            .field("ext_bytes", &self.ext.len())
            .finish_non_exhaustive()
    }
}

/// Whether a message counts on the icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BadgeMode {
    /// One more (`BadgeMode` 0).
    Count,
    /// As it is (`BadgeMode` 1, `ignoreIOSBadge`; S95).
    Ignore,
}

/// Push settings for Apple devices only; the counterpart of Tencent's `ApnsInfo` (S96, S97).
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApnsInfo {
    /// Beats [`OfflinePushInfo::title`] (S91).
    pub title: String,
    /// A second line.
    pub subtitle: String,
    /// The address of a picture; sent under the key `image`, and makes the notification mutable.
    pub image: String,
    /// Lets the app's extension change the notification.
    pub mutable_content: bool,
    /// `kIOSOfflinePushNoSound` for none, `kIOSOfflinePushDefaultSound` or empty for the default, else a file name (S97).
    pub sound: String,
    /// How much it may interrupt.
    pub interruption: Option<Interruption>,
    /// A background push: wakes the app, shows nothing (`ContentAvailable` 1).
    pub content_available: bool,
    /// Sent to the VoIP token if the device has one, else as a normal alert (S60).
    pub voip: bool,
}

impl fmt::Debug for ApnsInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApnsInfo")
            .field("interruption", &self.interruption)
            .field("content_available", &self.content_available)
            .field("voip", &self.voip)
            .finish_non_exhaustive()
    }
}
