//! What an IM server submits: messages and the push settings that come with them.
use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::{
    Audience, Channel, Class, Error, ErrorKind, GroupId, Interruption, MessageId, Priority, Sound,
    Timestamp, UserId, mend_surrogates,
};

/// One IM message, or a push without a message.
///
/// In JSON the audience is either `"audience"`, or `"receivers"` with a list of users. `null` means absent everywhere.
///
/// `Debug` shows sizes, never the text.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "MessageJson")]
#[non_exhaustive]
pub struct Message {
    /// The message's id in the IM system. The same id twice is one message (S79).
    pub id: MessageId,
    /// Whether people wrote it to each other, or a server pushes it.
    pub kind: MessageKind,
    /// Its class; `None` derives it: `call` for a call, `chat` for [`MessageKind::Chat`], `notice` for [`MessageKind::Push`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// The author; `None` for a pure push.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<Sender>,
    /// The group it was written in; `None` for one-to-one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// Whom it is for. The sender, if among them, gets no push (S85).
    pub audience: Audience,
    /// What it consists of, in order.
    pub elements: Vec<Element>,
    /// Push settings that came with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push: Option<OfflinePushInfo>,
    /// Only for receivers who are connected: never pushed (S81).
    pub online_only: bool,
    /// When it was sent; `None` for now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
}

impl Message {
    /// A chat message without elements.
    pub const fn new(id: MessageId, audience: Audience) -> Self {
        Self {
            id,
            kind: MessageKind::Chat,
            class: None,
            sender: None,
            group: None,
            audience,
            elements: Vec::new(),
            push: None,
            online_only: false,
            sent_at: None,
        }
    }

    /// Sets whether it is a chat message or a pure push.
    #[must_use]
    pub const fn with_kind(mut self, kind: MessageKind) -> Self {
        self.kind = kind;
        self
    }

    /// Sets the author.
    #[must_use]
    pub fn with_sender(mut self, sender: Sender) -> Self {
        self.sender = Some(sender);
        self
    }

    /// Sets the group it was written in.
    #[must_use]
    pub fn with_group(mut self, group: Group) -> Self {
        self.group = Some(group);
        self
    }

    /// Adds a text element.
    #[must_use]
    pub fn with_text(self, text: impl Into<String>) -> Self {
        self.with_element(Element::Text { text: text.into() })
    }

    /// Adds an element.
    #[must_use]
    pub fn with_element(mut self, element: Element) -> Self {
        self.elements.push(element);
        self
    }

    /// Sets the push settings.
    #[must_use]
    pub fn with_push(mut self, push: OfflinePushInfo) -> Self {
        self.push = Some(push);
        self
    }

    /// Sets the class.
    #[must_use]
    pub fn with_class(mut self, class: Class) -> Self {
        self.class = Some(class);
        self
    }

    /// The class that it has or that follows from its kind and settings.
    pub fn effective_class(&self) -> Class {
        match (&self.class, &self.push, self.kind) {
            (Some(class), ..) => class.clone(),
            (None, Some(push), _) if push.is_call() => Class::CALL,
            (None, _, MessageKind::Chat) => Class::CHAT,
            (None, _, MessageKind::Push) => Class::NOTICE,
        }
    }
}

/// A message as it is spelled in JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageJson {
    id: MessageId,
    #[serde(default, deserialize_with = "null_as_default")]
    kind: MessageKind,
    #[serde(default)]
    class: Option<Class>,
    #[serde(default)]
    sender: Option<Sender>,
    #[serde(default)]
    group: Option<Group>,
    #[serde(default)]
    receivers: Option<Vec<UserId>>,
    #[serde(default)]
    audience: Option<Audience>,
    #[serde(default, deserialize_with = "null_as_default")]
    elements: Vec<Element>,
    #[serde(default)]
    push: Option<OfflinePushInfo>,
    #[serde(default, deserialize_with = "null_as_default")]
    online_only: bool,
    #[serde(default, deserialize_with = "crate::time::written")]
    sent_at: Option<Timestamp>,
}

impl TryFrom<MessageJson> for Message {
    type Error = Error;
    fn try_from(json: MessageJson) -> Result<Self, Error> {
        let audience = match (json.audience, json.receivers) {
            (Some(audience), None) => audience,
            (None, Some(receivers)) => Audience::Users(receivers),
            (Some(_), Some(_)) => {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    "a message has either `audience` or `receivers`, not both",
                ));
            }
            (None, None) => {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    "the message has neither `audience` nor `receivers`",
                ));
            }
        };
        Ok(Self {
            id: json.id,
            kind: json.kind,
            class: json.class,
            sender: json.sender,
            group: json.group,
            audience,
            elements: json.elements,
            push: json.push,
            online_only: json.online_only,
            sent_at: json.sent_at,
        })
    }
}

/// Reads `null` as the default of an optional member.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("class", &self.class)
            .field("sender", &self.sender.as_ref().map(|sender| &sender.user))
            .field("group", &self.group.as_ref().map(|group| &group.id))
            .field("receivers", &self.audience.listed())
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

/// The author of a message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    /// The user.
    pub user: UserId,
    /// The name to show: group name card or nickname; empty if unknown.
    #[serde(default, deserialize_with = "null_as_default")]
    pub nickname: String,
    /// The address of the user's picture; empty if unknown.
    #[serde(default, deserialize_with = "null_as_default")]
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
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.id, f)
    }
}

/// A part of a message. `Debug` shows the kind only.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    deny_unknown_fields,
    try_from = "ElementJson"
)]
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
    /// A video.
    Video {},
    /// A file.
    File {},
    /// An emoticon.
    Face {},
    /// A location.
    Location {},
    /// Messages forwarded together.
    Relay {},
    /// Content that only the app understands: pushed only with a `desc`, here or in [`OfflinePushInfo`] (S90).
    Custom {
        /// What to show; empty for none.
        desc: String,
        /// The `ext` to send; empty for none. Ignored if [`OfflinePushInfo`] is there (S91).
        ext: String,
        /// The sound to play; empty for the default. Ignored if [`OfflinePushInfo`] is there (S91).
        sound: String,
    },
}

/// An element as it is spelled in JSON. A struct, so that an error names the member.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ElementJson {
    #[serde(rename = "type")]
    kind: ElementKind,
    text: Option<String>,
    desc: Option<String>,
    ext: Option<String>,
    sound: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ElementKind {
    Text,
    Image,
    Sound,
    Video,
    File,
    Face,
    Location,
    Relay,
    Custom,
}

impl TryFrom<ElementJson> for Element {
    type Error = Error;
    fn try_from(json: ElementJson) -> Result<Self, Error> {
        let ElementJson {
            kind,
            text,
            desc,
            ext,
            sound,
        } = json;
        let is_custom = kind == ElementKind::Custom;
        for (member, is_there, belongs) in [
            ("text", text.is_some(), kind == ElementKind::Text),
            ("desc", desc.is_some(), is_custom),
            ("ext", ext.is_some(), is_custom),
            ("sound", sound.is_some(), is_custom),
        ] {
            if is_there && !belongs {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    format!("an element of this `type` has no member `{member}`"),
                ));
            }
        }
        Ok(match kind {
            ElementKind::Text => Self::Text {
                text: text.ok_or_else(|| {
                    Error::new(
                        ErrorKind::Invalid,
                        "an element of the type `text` needs the member `text`",
                    )
                })?,
            },
            ElementKind::Image => Self::Image {},
            ElementKind::Sound => Self::Sound {},
            ElementKind::Video => Self::Video {},
            ElementKind::File => Self::File {},
            ElementKind::Face => Self::Face {},
            ElementKind::Location => Self::Location {},
            ElementKind::Relay => Self::Relay {},
            ElementKind::Custom => Self::Custom {
                desc: desc.unwrap_or_default(),
                ext: mended(ext.unwrap_or_default()),
                sound: sound.unwrap_or_default(),
            },
        })
    }
}

/// `ext` with U+FFFD for halves of surrogate pairs: not every phone reads those.
fn mended(ext: String) -> String {
    match mend_surrogates(&ext) {
        Cow::Borrowed(_) => ext,
        Cow::Owned(mended) => mended,
    }
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
/// An empty string and an absent field mean the same: not set. In JSON the overrides of a channel are under `channels`; its
/// vendor fields may also be under `vendor`, and those of `apns` in the spelling of Tencent's `ApnsInfo` under `apns`
/// (`ContentAvailable`, `VoIP` and so on). `null` means absent everywhere.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "OfflinePushInfoJson")]
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
    /// Whether this message counts on the icon; `None` for the default of its [`MessageKind`] (S94).
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
    channels: BTreeMap<Channel, Overrides>,
    apns: Option<ApnsInfo>,
    #[serde(deserialize_with = "null_as_default")]
    vendor: BTreeMap<Channel, Map<String, Value>>,
}

impl From<OfflinePushInfoJson> for OfflinePushInfo {
    fn from(json: OfflinePushInfoJson) -> Self {
        let mut per_channel = json.channels;
        if let Some(apns) = json.apns {
            let overrides = per_channel.entry(Channel::APNS).or_default();
            apns.fill(overrides);
        }
        for (channel, fields) in json.vendor {
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
