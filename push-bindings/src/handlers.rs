//! The app's handlers and interceptor.
use std::{fmt, sync::Arc};

use push_core::{
    Click, Handled,
    payload::{ClickTarget, Payload},
};

use crate::{AppError, faults::Faults};

/// A handler's result for a click.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Opened {
    /// The target is open.
    Done,
    /// The app cannot open anything yet, for example because it is starting. The click waits until `PushClient.ready`.
    NotReady,
    /// The target cannot be opened.
    Failed {
        /// Why.
        why: String,
    },
}

impl From<Opened> for push_core::Opened {
    fn from(it: Opened) -> Self {
        match it {
            Opened::Done => Self::Done,
            Opened::NotReady => Self::NotReady,
            Opened::Failed { why } => Self::Failed(why),
        }
    }
}

/// The object `entity` of a push: the chat that a click opens, and the texts that the app may show.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
pub struct Entity {
    /// The revision of the object, 1 today.
    pub version: i32,
    /// 1 for a one-to-one chat, 2 for a group; none if it is missing.
    pub chat_type: Option<i32>,
    /// 1 for a chat, 2 for a call; none if it is missing.
    pub action: Option<i32>,
    /// The user id of the sender, or for a group the group id.
    pub sender: String,
    /// The name of the sender, or for a group the title of the chat.
    pub nickname: String,
    /// The sender's avatar.
    pub face_url: String,
    /// The text on display; for a call, the call's own JSON.
    pub content: String,
    /// Server time of sending in seconds since 1970, or 0 for none.
    pub send_time: i64,
    /// The app's own bytes.
    pub custom_data: Option<Vec<u8>>,
}

impl From<push_core::payload::Entity> for Entity {
    fn from(it: push_core::payload::Entity) -> Self {
        Self {
            version: it.version,
            chat_type: it.chat_type.map(push_core::payload::ChatType::wire),
            action: it.action.map(push_core::payload::Action::wire),
            sender: it.sender,
            nickname: it.nickname,
            face_url: it.face_url,
            content: it.content,
            send_time: it.send_time,
            custom_data: it.custom_data,
        }
    }
}

impl fmt::Debug for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the message text.
        f.debug_struct("Entity")
            .field("version", &self.version)
            .field("chat_type", &self.chat_type)
            .field("action", &self.action)
            .field("sender", &self.sender)
            .finish_non_exhaustive()
    }
}

/// An incoming call that was clicked.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Call {
    /// The caller, if the push of a one-to-one call names one.
    pub user_id: Option<String>,
    /// The group, if the push of a group call names one.
    pub group_id: Option<String>,
    /// The entity of the push.
    pub entity: Entity,
}

/// The app's function that opens a chat. The app implements it.
#[uniffi::export(with_foreign)]
pub trait RouteHandler: Send + Sync {
    /// Opens the chat with the user `user_id`, or of the group `group_id`: exactly one of the two is not empty. Not called for a
    /// call, and not before its account is logged in.
    ///
    /// # Errors
    /// Counts as `Opened.Failed`.
    fn navigate_to_chat(&self, user_id: String, group_id: String) -> Result<Opened, AppError>;
}

/// The app's function that opens an incoming call. Optional; the app implements it if it has calls.
#[uniffi::export(with_foreign)]
pub trait CallHandler: Send + Sync {
    /// Opens the call.
    ///
    /// # Errors
    /// Counts as `Opened.Failed`.
    fn answer_call(&self, call: Call) -> Result<Opened, AppError>;
}

/// An interceptor that gets every clicked push before it is routed. Optional; the app implements it.
#[uniffi::export(with_foreign)]
pub trait Interceptor: Send + Sync {
    /// Gets a clicked push: the whole `payload` as JSON, and its `entity`, if it has one. Returns `true` if the app handles the
    /// click itself, so that nothing is opened.
    ///
    /// # Errors
    /// Counts as `false`.
    fn process_notification(
        &self,
        payload: String,
        entity: Option<Entity>,
    ) -> Result<bool, AppError>;
}

pub(crate) struct Chats(pub(crate) Arc<dyn RouteHandler>, pub(crate) Faults);

impl push_core::RouteHandler for Chats {
    fn matches(&self, target: &ClickTarget) -> bool {
        target.navigate_ids().is_some()
    }

    fn open(&self, click: &Click) -> push_core::Opened {
        let (user, group) = click.target.navigate_ids().unwrap_or_default();
        opened(
            &self.1,
            "navigate_to_chat",
            self.0.navigate_to_chat(user.to_owned(), group.to_owned()),
        )
    }
}

pub(crate) struct Calls(pub(crate) Arc<dyn CallHandler>, pub(crate) Faults);

impl push_core::RouteHandler for Calls {
    fn matches(&self, target: &ClickTarget) -> bool {
        matches!(target, ClickTarget::Call(_))
    }

    fn open(&self, click: &Click) -> push_core::Opened {
        let ClickTarget::Call(call) = &click.target else {
            return push_core::Opened::Failed("a chat is not a call".to_owned());
        };
        let call = Call {
            user_id: call.user.as_ref().map(|it| it.as_str().to_owned()),
            group_id: call.group.as_ref().map(|it| it.as_str().to_owned()),
            entity: call.entity.clone().into(),
        };
        opened(&self.1, "answer_call", self.0.answer_call(call))
    }
}

fn opened(faults: &Faults, callback: &str, outcome: Result<Opened, AppError>) -> push_core::Opened {
    match outcome {
        Ok(opened) => opened.into(),
        Err(error) => push_core::Opened::Failed(faults.report(callback, error, "not opened")),
    }
}

pub(crate) struct First(pub(crate) Arc<dyn Interceptor>, pub(crate) Faults);

impl push_core::Interceptor for First {
    fn intercept(&self, payload: &Payload) -> Handled {
        let raw = serde_json::to_string(payload.raw()).unwrap_or_default();
        let entity = payload.entity(payload.shape().profile()).ok();
        match self.0.process_notification(raw, entity.map(Into::into)) {
            Ok(true) => Handled::Yes,
            Ok(false) => Handled::No,
            Err(error) => {
                self.1
                    .report("process_notification", error, "not handled by the app");
                Handled::No
            }
        }
    }
}

macro_rules! debug_as_name {
    ($($name:ident)*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )*};
}
debug_as_name!(Chats Calls First);
