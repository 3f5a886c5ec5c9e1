//! `entity`: the chat or call of a notification.
use std::fmt;

use serde_json::Value;

use super::json::{self, Object};

/// The kind of chat an entity is about: `chatType` on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
// Closed: `Other` holds every other number.
pub enum ChatType {
    /// 1: one-to-one; `sender` is the other user.
    User,
    /// 2: a group; `sender` is the group.
    Group,
    /// A number without a meaning here: it opens nothing.
    Other(i32),
}

impl ChatType {
    /// Returns the kind with the code `number`.
    pub const fn from_wire(number: i32) -> Self {
        match number {
            1 => Self::User,
            2 => Self::Group,
            other => Self::Other(other),
        }
    }

    /// The number on the wire.
    pub const fn wire(self) -> i32 {
        match self {
            Self::User => 1,
            Self::Group => 2,
            Self::Other(number) => number,
        }
    }
}

/// What a click shall do: `action` on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
// Closed: `Other` holds every other number.
pub enum Action {
    /// 1: open the chat.
    Chat,
    /// 2: go to the incoming call.
    Call,
    /// A number without a meaning here: it does nothing.
    Other(i32),
}

impl Action {
    /// Returns the action with the code `number`.
    pub const fn from_wire(number: i32) -> Self {
        match number {
            1 => Self::Chat,
            2 => Self::Call,
            other => Self::Other(other),
        }
    }

    /// The number on the wire.
    pub const fn wire(self) -> i32 {
        match self {
            Self::Chat => 1,
            Self::Call => 2,
            Self::Other(number) => number,
        }
    }
}

/// The object `entity` in `ext`: which chat a click opens, and what a client may show of it.
///
/// Read leniently: integers may be text (`"1"`; text without leading digits is 0), a `null` counts as missing, unknown keys are
/// ignored. `Debug` shows ids and lengths, never what a person wrote.
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Entity {
    /// `version`: the revision of this object, [`Entity::VERSION`]; a missing one reads as that, as Android's clients do.
    pub version: i32,
    /// `chatType`; `None` if the key is missing, which opens nothing. Written as 0 then.
    pub chat_type: Option<ChatType>,
    /// `action`; `None` if the key is missing, which opens nothing. Written as 0 then.
    pub action: Option<Action>,
    /// `sender`: the user id of the sender, or for a group **the group id**.
    pub sender: String,
    /// `nickname`: the name of the sender, or for a group the title of the chat.
    pub nickname: String,
    /// `faceUrl`: the sender's avatar, also for a group.
    pub face_url: String,
    /// `content`: the text on display; for a call, the call's own JSON.
    pub content: String,
    /// `sendTime`: server time of sending in seconds since 1970, or 0 for none. Android clients measure a call's age by it.
    pub send_time: i64,
    /// `customData`: the app's own bytes, an array of numbers on the wire (−128 to 127 or 0 to 255); unreadable ones are dropped.
    pub custom_data: Option<Vec<u8>>,
}

impl Entity {
    /// The revision written, and the only one the Android profile accepts.
    pub const VERSION: i32 = 1;

    /// The entity of a one-to-one message: `sender_id` is who wrote it, whose id also stands in for an empty `nickname`.
    ///
    /// Pass the empty string for what is not known; it is left out of the wire form.
    pub fn for_user_message(
        sender_id: impl Into<String>,
        nickname: impl Into<String>,
        face_url: impl Into<String>,
        content: impl Into<String>,
    ) -> Self {
        Self::for_message(ChatType::User, sender_id, nickname, face_url, content)
    }

    /// The entity of a group message: `group_id` goes where a one-to-one message has its sender, and also stands in for an
    /// empty `title`. `face_url` is the avatar of the member who wrote.
    pub fn for_group_message(
        group_id: impl Into<String>,
        title: impl Into<String>,
        face_url: impl Into<String>,
        content: impl Into<String>,
    ) -> Self {
        Self::for_message(ChatType::Group, group_id, title, face_url, content)
    }

    fn for_message(
        chat_type: ChatType,
        sender: impl Into<String>,
        name: impl Into<String>,
        face_url: impl Into<String>,
        content: impl Into<String>,
    ) -> Self {
        let sender = sender.into();
        let mut nickname = name.into();
        if nickname.is_empty() {
            nickname.clone_from(&sender);
        }
        Self {
            version: Self::VERSION,
            chat_type: Some(chat_type),
            action: Some(Action::Chat),
            sender,
            nickname,
            face_url: face_url.into(),
            content: content.into(),
            send_time: 0,
            custom_data: None,
        }
    }

    /// The same entity for an incoming call: a click goes to the call handler and never opens a chat.
    #[must_use]
    pub fn calling(mut self) -> Self {
        self.action = Some(Action::Call);
        self
    }

    pub(super) fn read(object: &Object) -> Self {
        let int = |key| json::member(object, key).map(json::int);
        let text = |key| {
            json::member(object, key)
                .map(json::text)
                .unwrap_or_default()
        };
        Self {
            version: int("version").unwrap_or(Self::VERSION),
            chat_type: int("chatType").map(ChatType::from_wire),
            action: int("action").map(Action::from_wire),
            sender: text("sender"),
            nickname: text("nickname"),
            face_url: text("faceUrl"),
            content: text("content"),
            send_time: json::member(object, "sendTime").map_or(0, json::long),
            custom_data: json::member(object, "customData").and_then(json::bytes),
        }
    }

    pub(super) fn write(&self) -> Object {
        let mut object = Object::new();
        let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
        put("version", self.version.into());
        put("chatType", self.chat_type.map_or(0, ChatType::wire).into());
        put("action", self.action.map_or(0, Action::wire).into());
        for (key, text) in [
            ("sender", &self.sender),
            ("nickname", &self.nickname),
            ("faceUrl", &self.face_url),
            ("content", &self.content),
        ] {
            if !text.is_empty() {
                put(key, text.as_str().into());
            }
        }
        if self.send_time != 0 {
            put("sendTime", self.send_time.into());
        }
        if let Some(bytes) = &self.custom_data {
            put("customData", json::byte_array(bytes));
        }
        object
    }

    crate::setters! {
        with_version(version: i32);
        with_chat_type(chat_type: impl Into<Option<ChatType>>);
        with_action(action: impl Into<Option<Action>>);
        with_sender(sender: impl Into<String>);
        with_nickname(nickname: impl Into<String>);
        with_face_url(face_url: impl Into<String>);
        with_content(content: impl Into<String>);
        with_send_time(send_time: i64);
        with_custom_data(custom_data: impl Into<Option<Vec<u8>>>);
    }
}

impl fmt::Debug for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entity")
            .field("version", &self.version)
            .field("chat_type", &self.chat_type)
            .field("action", &self.action)
            .field("sender", &self.sender)
            .field("nickname_bytes", &self.nickname.len())
            .field("face_url_bytes", &self.face_url.len())
            .field("content_bytes", &self.content.len())
            .field("send_time", &self.send_time)
            .field(
                "custom_data_bytes",
                &self.custom_data.as_ref().map(Vec::len),
            )
            .finish()
    }
}
