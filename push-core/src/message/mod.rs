//! What an IM server submits: messages and the push settings that come with them.
mod element;
mod push_info;

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, Serialize};

pub use self::{
    element::Element,
    push_info::{BadgeMode, OfflinePushInfo, Overrides},
};
use crate::{
    Audience, Class, Error, ErrorKind, GroupId, MessageId, Timestamp, UserId, mend_surrogates,
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
// Closed: a message belongs to a conversation or to none.
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
#[non_exhaustive]
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

impl Sender {
    /// A sender without nickname and picture.
    pub const fn new(user: UserId) -> Self {
        Self {
            user,
            nickname: String::new(),
            face_url: String::new(),
        }
    }

    crate::setters! {
        with_nickname(nickname: impl Into<String>);
        with_face_url(face_url: impl Into<String>);
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.user, f)
    }
}

/// The group a message was written in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Group {
    /// The group.
    pub id: GroupId,
    /// Its title; empty if unknown.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
}

impl Group {
    /// A group with this name; empty for none.
    pub fn new(id: GroupId, name: impl Into<String>) -> Self {
        Self {
            id,
            name: name.into(),
        }
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.id, f)
    }
}

/// `ext` with U+FFFD for halves of surrogate pairs: not every phone reads those.
fn mended(ext: String) -> String {
    match mend_surrogates(&ext) {
        Cow::Borrowed(_) => ext,
        Cow::Owned(mended) => mended,
    }
}
