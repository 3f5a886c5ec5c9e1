//! What a click opens.
use super::{Action, ChatType, Entity, Ext, NoTarget, Profile};
use crate::{GroupId, UserId};

/// What a click on a notification opens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
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
#[non_exhaustive]
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
