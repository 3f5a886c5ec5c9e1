//! What a click opens, or why it opens nothing.
use std::fmt;

use super::{Action, ChatType, Entity, Ext};
use crate::{GroupId, UserId};

/// Whose rules decide what a payload means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// The iOS client: any `version`; missing features are 0.
    Ios,
    /// The Android client: only `version` 1 and an `action` it knows; missing features are unset.
    Android,
}

/// What a click on a notification opens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClickTarget {
    /// The one-to-one chat with this user.
    User(UserId),
    /// The chat of this group.
    Group(GroupId),
    /// An incoming call, for a call handler: it never opens a chat.
    Call(Box<CallTarget>),
}

/// An incoming call that was clicked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CallTarget {
    /// Who calls, if it is a one-to-one call that says so.
    pub user: Option<UserId>,
    /// Which group is called, if it is a group call that says so.
    pub group: Option<GroupId>,
    /// Everything the push said; `content` and `custom_data` hold the call's own data.
    pub entity: Entity,
}

impl ClickTarget {
    /// The pair (user id, group id) that a `navigateToTUIChatViewController` handler is called with: one of them is empty.
    /// `None` for a call, which no such handler gets.
    pub fn navigate_ids(&self) -> Option<(&str, &str)> {
        match self {
            Self::User(user) => Some((user.as_str(), "")),
            Self::Group(group) => Some(("", group.as_str())),
            Self::Call(_) => None,
        }
    }

    /// The chat that such a pair means: a non-empty group id wins, then a non-empty user id.
    ///
    /// # Errors
    /// [`NoTarget::EmptySender`] if both are empty, [`NoTarget::BadSender`] if the one that counts is no acceptable id.
    pub fn from_navigate_ids(user_id: &str, group_id: &str) -> Result<Self, NoTarget> {
        if group_id.is_empty() {
            user(user_id)
        } else {
            group(group_id)
        }
    }
}

fn user(id: &str) -> Result<ClickTarget, NoTarget> {
    match id {
        "" => Err(NoTarget::EmptySender),
        id => UserId::new(id)
            .map(ClickTarget::User)
            .map_err(|_| NoTarget::BadSender),
    }
}

fn group(id: &str) -> Result<ClickTarget, NoTarget> {
    match id {
        "" => Err(NoTarget::EmptySender),
        id => GroupId::new(id)
            .map(ClickTarget::Group)
            .map_err(|_| NoTarget::BadSender),
    }
}

impl Ext {
    /// What a click on this opens, by the rules of `profile`.
    ///
    /// # Errors
    /// [`NoTarget::NoEntity`] and those of [`Entity::target`].
    pub fn target(&self, profile: Profile) -> Result<ClickTarget, NoTarget> {
        self.entity
            .as_ref()
            .ok_or(NoTarget::NoEntity)?
            .target(profile)
    }
}

impl Entity {
    /// What a click on this opens, by the rules of `profile`.
    ///
    /// # Errors
    /// In this order: [`NoTarget::NoAction`], [`NoTarget::NoChatType`], [`NoTarget::VersionTooLow`] (Android only),
    /// [`NoTarget::UnknownAction`], and for a chat [`NoTarget::UnknownChatType`], [`NoTarget::EmptySender`],
    /// [`NoTarget::BadSender`].
    pub fn target(&self, profile: Profile) -> Result<ClickTarget, NoTarget> {
        let action = self.action.ok_or(NoTarget::NoAction)?;
        let chat_type = self.chat_type.ok_or(NoTarget::NoChatType)?;
        let understood = self.version == Self::VERSION && !matches!(action, Action::Other(_));
        if profile == Profile::Android && !understood {
            return Err(NoTarget::VersionTooLow);
        }
        match (action, chat_type) {
            (Action::Chat, ChatType::User) => user(&self.sender),
            (Action::Chat, ChatType::Group) => group(&self.sender),
            (Action::Chat, ChatType::Other(number)) => Err(NoTarget::UnknownChatType(number)),
            (Action::Call, _) => Ok(ClickTarget::Call(Box::new(self.call(chat_type)))),
            (Action::Other(number), _) => Err(NoTarget::UnknownAction(number)),
        }
    }

    fn call(&self, chat_type: ChatType) -> CallTarget {
        let is = |it| chat_type == it && !self.sender.is_empty();
        CallTarget {
            user: is(ChatType::User)
                .then(|| UserId::new(&self.sender).ok())
                .flatten(),
            group: is(ChatType::Group)
                .then(|| GroupId::new(&self.sender).ok())
                .flatten(),
            entity: self.clone(),
        }
    }
}

/// Why a payload names nothing to open. Never a fault of the app: pushes of other kinds arrive through the same doors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoTarget {
    /// There is no `ext`, or it is empty.
    NoExt,
    /// `ext` is there but not a string.
    ExtNotString,
    /// The text is not JSON, or nests too deeply.
    NotJson,
    /// It is JSON but not an object.
    NotObject,
    /// `ext` holds no object `entity`.
    NoEntity,
    /// The entity has no `action`.
    NoAction,
    /// The entity has no `chatType`.
    NoChatType,
    /// The iOS profile does not know this `action`.
    UnknownAction(i32),
    /// This `chatType` is neither one-to-one nor group.
    UnknownChatType(i32),
    /// The Android profile does not know this `version` or `action`: the app is older than the sender.
    VersionTooLow,
    /// `sender` is missing or empty.
    EmptySender,
    /// `sender` is not acceptable as a user or group id.
    BadSender,
    /// The payload is larger than [`MAX_BYTES`](super::MAX_BYTES) or nests deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    TooLarge,
}

impl NoTarget {
    /// A stable word for statistics and traces: lower case with underscores, without the number.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoExt => "no_ext",
            Self::ExtNotString => "ext_not_string",
            Self::NotJson => "not_json",
            Self::NotObject => "not_object",
            Self::NoEntity => "no_entity",
            Self::NoAction => "no_action",
            Self::NoChatType => "no_chat_type",
            Self::UnknownAction(_) => "unknown_action",
            Self::UnknownChatType(_) => "unknown_chat_type",
            Self::VersionTooLow => "version_too_low",
            Self::EmptySender => "empty_sender",
            Self::BadSender => "bad_sender",
            Self::TooLarge => "too_large",
        }
    }
}

impl fmt::Display for NoTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoExt => "there is no ext",
            Self::ExtNotString => "ext is not a string",
            Self::NotJson => "it is not JSON",
            Self::NotObject => "it is not a JSON object",
            Self::NoEntity => "ext has no entity",
            Self::NoAction => "the entity has no action",
            Self::NoChatType => "the entity has no chatType",
            Self::UnknownAction(number) => return write!(f, "the action {number} is not known"),
            Self::UnknownChatType(number) => {
                return write!(f, "the chatType {number} is not known");
            }
            Self::VersionTooLow => "this app is too old for the entity's version or action",
            Self::EmptySender => "the entity has no sender",
            Self::BadSender => "the entity's sender is not an acceptable id",
            Self::TooLarge => "it is larger than 64 KiB or nests too deeply",
        })
    }
}

impl std::error::Error for NoTarget {}
