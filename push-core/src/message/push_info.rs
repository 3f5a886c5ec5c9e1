//! The push settings that come with a message.
use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{mended, null_as_default};
use crate::{Channel, Interruption, Priority, Sound};

/// The push settings that come with a message; the counterpart of Tencent's `OfflinePushInfo`.
///
/// An empty string and an absent field mean the same: not set. In JSON the overrides of a channel are under `channels`; its
/// vendor fields may also be under `vendor`, and those of `apns` in the spelling of Tencent's `ApnsInfo` under `apns`
/// (`ContentAvailable`, `VoIP` and so on). `null` means absent everywhere but inside of vendor fields, which are the vendor's.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "OfflinePushInfoJson")]
#[non_exhaustive]
pub struct OfflinePushInfo {
    /// No offline push for this message (`PushFlag` 1, S92).
    pub disabled: bool,
    /// The title.
    pub title: String,
    /// A second line, where the vendor has one.
    pub subtitle: String,
    /// The text; takes precedence over the text derived from the elements (S91).
    pub desc: String,
    /// The address of a picture, https.
    pub image: String,
    /// The sound: `none`, `default`, or the name of a file in the app ([`Sound::from_name`]).
    pub sound: String,
    /// How much it may interrupt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interruption: Option<Interruption>,
    /// Lets the app change the notification before it is shown (S96).
    pub mutable: bool,
    /// A background push: wakes the app, shows nothing.
    pub background: bool,
    /// An incoming call: sent to the VoIP token if the device has one, else as a normal alert (S60).
    pub call: bool,
    /// The `ext` string to pass through; must be a JSON object. Empty: the gateway writes one that names the chat.
    pub ext: String,
    /// How long it is worth delivering, in seconds; `None` for the gateway's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u32>,
    /// The number to show on the icon, 0 to 999; takes precedence over `badge_add` (S94).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub badge_set: Option<u32>,
    /// How much to add to the number on the icon, 1 to 99; takes precedence over `badge_mode` (S94).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub badge_add: Option<u32>,
    /// Whether this message counts on the icon; `None` for the default of its [`MessageKind`](crate::MessageKind) (S94).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub badge_mode: Option<BadgeMode>,
    /// How urgently the phone should wake.
    pub priority: Priority,
    /// Replaces an earlier notification with the same key; at most 64 bytes. Empty: each message has a key of its own.
    pub collapse: String,
    /// What differs for one channel.
    #[serde(rename = "channels")]
    pub per_channel: BTreeMap<Channel, Overrides>,
}

impl OfflinePushInfo {
    /// Whether it is a call for any channel.
    pub fn is_call(&self) -> bool {
        self.call
            || self
                .per_channel
                .values()
                .any(|overrides| overrides.call == Some(true))
    }

    /// What differs for `channel`; nothing if the message says nothing of it.
    pub fn overrides(&self, channel: &Channel) -> Option<&Overrides> {
        self.per_channel.get(channel)
    }

    crate::setters! {
        with_disabled(disabled: bool);
        with_title(title: impl Into<String>);
        with_subtitle(subtitle: impl Into<String>);
        with_desc(desc: impl Into<String>);
        with_image(image: impl Into<String>);
        with_sound(sound: impl Into<String>);
        with_interruption(interruption: impl Into<Option<Interruption>>);
        with_mutable(mutable: bool);
        with_background(background: bool);
        with_call(call: bool);
        with_ext(ext: impl Into<String>);
        with_ttl_seconds(ttl_seconds: impl Into<Option<u32>>);
        with_badge_set(badge_set: impl Into<Option<u32>>);
        with_badge_add(badge_add: impl Into<Option<u32>>);
        with_badge_mode(badge_mode: impl Into<Option<BadgeMode>>);
        with_priority(priority: Priority);
        with_collapse(collapse: impl Into<String>);
        with_per_channel(per_channel: BTreeMap<Channel, Overrides>);
    }
}

impl fmt::Debug for OfflinePushInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfflinePushInfo")
            .field("disabled", &self.disabled)
            .field("title_bytes", &self.title.len())
            .field("desc_bytes", &self.desc.len())
            .field("ext_bytes", &self.ext.len())
            .field("channels", &self.per_channel.keys())
            .finish_non_exhaustive()
    }
}

/// What differs for one channel from [`OfflinePushInfo`]. What is empty or `None` is as there.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Overrides {
    /// The title.
    #[serde(deserialize_with = "null_as_default")]
    pub title: String,
    /// A second line.
    #[serde(deserialize_with = "null_as_default")]
    pub subtitle: String,
    /// The text.
    #[serde(deserialize_with = "null_as_default")]
    pub desc: String,
    /// The address of a picture, https.
    #[serde(deserialize_with = "null_as_default")]
    pub image: String,
    /// The sound.
    #[serde(deserialize_with = "null_as_default")]
    pub sound: String,
    /// How much it may interrupt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interruption: Option<Interruption>,
    /// Lets the app change the notification before it is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mutable: Option<bool>,
    /// A background push.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background: Option<bool>,
    /// An incoming call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<bool>,
    /// Fields in the vendor's own format, laid over the rendered payload.
    #[serde(deserialize_with = "null_as_default")]
    pub fields: Map<String, Value>,
}

impl Overrides {
    /// Only vendor fields.
    pub fn of_fields(fields: Map<String, Value>) -> Self {
        Self {
            fields,
            ..Self::default()
        }
    }

    crate::setters! {
        with_title(title: impl Into<String>);
        with_subtitle(subtitle: impl Into<String>);
        with_desc(desc: impl Into<String>);
        with_image(image: impl Into<String>);
        with_sound(sound: impl Into<String>);
        with_interruption(interruption: impl Into<Option<Interruption>>);
        with_mutable(mutable: impl Into<Option<bool>>);
        with_background(background: impl Into<Option<bool>>);
        with_call(call: impl Into<Option<bool>>);
        with_fields(fields: Map<String, Value>);
    }
}

impl fmt::Debug for Overrides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overrides")
            .field("title_bytes", &self.title.len())
            .field("desc_bytes", &self.desc.len())
            .field("fields", &self.fields.keys())
            .finish_non_exhaustive()
    }
}

/// Push settings as they are spelled in JSON.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct OfflinePushInfoJson {
    #[serde(deserialize_with = "null_as_default")]
    disabled: bool,
    #[serde(deserialize_with = "null_as_default")]
    title: String,
    #[serde(deserialize_with = "null_as_default")]
    subtitle: String,
    #[serde(deserialize_with = "null_as_default")]
    desc: String,
    #[serde(deserialize_with = "null_as_default")]
    image: String,
    #[serde(deserialize_with = "null_as_default")]
    sound: String,
    interruption: Option<Interruption>,
    #[serde(deserialize_with = "null_as_default")]
    mutable: bool,
    #[serde(deserialize_with = "null_as_default")]
    background: bool,
    #[serde(deserialize_with = "null_as_default")]
    call: bool,
    #[serde(deserialize_with = "null_as_default")]
    ext: String,
    ttl_seconds: Option<u32>,
    badge_set: Option<u32>,
    badge_add: Option<u32>,
    badge_mode: Option<BadgeMode>,
    #[serde(deserialize_with = "null_as_default")]
    priority: Priority,
    #[serde(deserialize_with = "null_as_default")]
    collapse: String,
    #[serde(deserialize_with = "null_as_default")]
    channels: BTreeMap<Channel, Option<Overrides>>,
    apns: Option<ApnsInfo>,
    #[serde(deserialize_with = "null_as_default")]
    vendor: BTreeMap<Channel, Option<Map<String, Value>>>,
}

impl From<OfflinePushInfoJson> for OfflinePushInfo {
    fn from(json: OfflinePushInfoJson) -> Self {
        let present = |(channel, overrides): (Channel, Option<Overrides>)| {
            overrides.map(|overrides| (channel, overrides))
        };
        let mut per_channel: BTreeMap<_, _> =
            json.channels.into_iter().filter_map(present).collect();
        if let Some(apns) = json.apns {
            let overrides = per_channel.entry(Channel::APNS).or_default();
            apns.fill(overrides);
        }
        for (channel, fields) in json.vendor {
            let Some(fields) = fields else { continue };
            let overrides = per_channel.entry(channel).or_default();
            for (field, value) in fields {
                overrides.fields.entry(field).or_insert(value);
            }
        }
        Self {
            disabled: json.disabled,
            title: json.title,
            subtitle: json.subtitle,
            desc: json.desc,
            image: json.image,
            sound: json.sound,
            interruption: json.interruption,
            mutable: json.mutable,
            background: json.background,
            call: json.call,
            ext: mended(json.ext),
            ttl_seconds: json.ttl_seconds,
            badge_set: json.badge_set,
            badge_add: json.badge_add,
            badge_mode: json.badge_mode,
            priority: json.priority,
            collapse: json.collapse,
            per_channel,
        }
    }
}

/// Whether a message counts on the icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
// Closed: a message counts or does not.
pub enum BadgeMode {
    /// One more (`BadgeMode` 0).
    Count,
    /// As it is (`BadgeMode` 1, `ignoreIOSBadge`; S95).
    Ignore,
}

/// Tencent's spelling of push settings for Apple devices, in JSON under `apns` (S96, S97).
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ApnsInfo {
    #[serde(deserialize_with = "null_as_default")]
    title: String,
    #[serde(deserialize_with = "null_as_default")]
    subtitle: String,
    /// Also makes the notification mutable: an extension of the app loads the picture.
    #[serde(deserialize_with = "null_as_default")]
    image: String,
    #[serde(deserialize_with = "null_as_default")]
    mutable_content: bool,
    #[serde(deserialize_with = "null_as_default")]
    sound: String,
    interruption: Option<Interruption>,
    /// `ContentAvailable` 1.
    #[serde(deserialize_with = "null_as_default")]
    content_available: bool,
    #[serde(deserialize_with = "null_as_default")]
    voip: bool,
}

impl ApnsInfo {
    /// Fills what `overrides` leaves open.
    fn fill(self, overrides: &mut Overrides) {
        let fill = |to: &mut String, from: String| {
            if to.is_empty() {
                *to = from;
            }
        };
        let mutable = self.mutable_content || !self.image.is_empty();
        fill(&mut overrides.title, self.title);
        fill(&mut overrides.subtitle, self.subtitle);
        fill(&mut overrides.image, self.image);
        fill(&mut overrides.sound, self.sound);
        overrides.interruption = overrides.interruption.or(self.interruption);
        overrides.mutable = overrides.mutable.or(mutable.then_some(true));
        overrides.background = overrides
            .background
            .or(self.content_available.then_some(true));
        overrides.call = overrides.call.or(self.voip.then_some(true));
    }
}

impl Sound {
    /// Reads the name of a sound: `none` or `kIOSOfflinePushNoSound` for silence; empty, `default` or
    /// `kIOSOfflinePushDefaultSound` for the system's; else a file in the app (S97).
    pub fn from_name(name: &str) -> Self {
        match name {
            "none" | "kIOSOfflinePushNoSound" => Self::Silent,
            "" | "default" | "kIOSOfflinePushDefaultSound" => Self::Default,
            name => Self::Named(name.to_owned()),
        }
    }
}
