//! Why a payload opens nothing.
use std::fmt;

/// Why a payload names nothing to open. Never a fault of the app: pushes of other kinds arrive in the same places.
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
