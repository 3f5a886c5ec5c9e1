//! What can be wrong with a token, and how far it has come.
use std::fmt;

use push_core::{Timestamp, api::Warning};

/// Why a token is not at the gateway. Where the vendor's SDK has a number for it, [`TokenError::code`] is that number (S52).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// Nobody is logged in: the token is kept for the next login (S46).
    NotLoggedIn,
    /// There is no certificate id for it in the app, or the gateway has no credential of that id.
    NoCertificate(String),
    /// The gateway could not be reached, and why; it will be tried again.
    Network(String),
    /// The platform gave a token without content.
    Empty,
    /// The token is longer than allowed: its length and the limit, in bytes.
    TooLong(usize, usize),
    /// What proves the login is longer than allowed: its length, in bytes. The limit is [`MAX_LOGIN_DATA_BYTES`].
    LoginDataTooLong(usize),
    /// The gateway asks to come back later; it will be tried again.
    TooFrequent,
    /// The token has characters that no token has.
    Malformed,
    /// The gateway does not believe that this user is logged in: the ticket is wrong or has expired.
    TicketRefused,
    /// The platform gave no token, and why.
    NoToken(String),
    /// The gateway refused it with a code of its own, and its words.
    Refused(String, String),
    /// The gateway had the token and has it no longer, because the vendor called it dead; the phone is asked for a new one.
    Forgotten,
    /// The gateway keeps the token but does not push to it, with the code of a reason, and its words.
    SetAside(String, String),
}

/// The longest credential of an [`Account`](push_core::Account), in bytes (the SDK's limit, 22005).
pub const MAX_LOGIN_DATA_BYTES: usize = 1024;

impl TokenError {
    /// The SDK's number, where it has one.
    pub const fn code(&self) -> Option<u32> {
        Some(match self {
            Self::NotLoggedIn => 21005,
            Self::NoCertificate(_) => 22001,
            Self::Network(_) => 22002,
            Self::Empty => 22003,
            Self::TooLong(..) => 22004,
            Self::LoginDataTooLong(_) => 22005,
            Self::TooFrequent => 22006,
            Self::TicketRefused => 70001,
            Self::Malformed
            | Self::NoToken(_)
            | Self::Refused(..)
            | Self::Forgotten
            | Self::SetAside(..) => return None,
        })
    }

    /// Whether it goes away without anybody doing anything.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Network(_) | Self::TooFrequent)
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoggedIn => {
                f.write_str(
                    "nobody is logged in: log in at the login center, or call register_service after the app's own login; \
                     until then no token is asked for, and one that comes is kept",
                )
            }
            Self::NoCertificate(why) => write!(f, "the token has no credential: {why}"),
            Self::Network(why) => {
                write!(f, "the gateway cannot be reached and will be tried again: {why}")
            }
            Self::Empty => f.write_str("the platform gave an empty token; it is not uploaded"),
            Self::TooLong(length, limit) => {
                write!(f, "the token has {length} bytes, more than the {limit} allowed")
            }
            Self::LoginDataTooLong(length) => write!(
                f,
                "the account's credential has {length} bytes, more than the {MAX_LOGIN_DATA_BYTES} allowed; pass the ticket alone"
            ),
            Self::TooFrequent => {
                f.write_str("the gateway asks to come back later; the token will be uploaded then")
            }
            Self::Malformed => f.write_str("the token has characters that no token has"),
            Self::TicketRefused => f.write_str(
                "the gateway refuses the ticket; get a new one from the IM server and log in with it",
            ),
            Self::NoToken(why) => write!(f, "the platform gives no token: {why}"),
            Self::Refused(code, why) => write!(f, "the gateway refuses the token ({code}): {why}"),
            Self::Forgotten => f.write_str(
                "the vendor called the token dead and the gateway has forgotten it; the phone is asked for a new one",
            ),
            Self::SetAside(code, why) => {
                write!(f, "the gateway does not push to the token ({code}): {why}")
            }
        }?;
        match self.code() {
            Some(code) => write!(f, " [{code}]"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for TokenError {}

/// How far the token of a slot has come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlotState {
    /// Push is switched off for this device (S56).
    Off,
    /// Somebody is logged in, and the platform has not given a token yet.
    NoToken,
    /// The token is not at the gateway, and why.
    Waiting(TokenError),
    /// The token is on its way to the gateway.
    Uploading,
    /// The gateway has the token.
    Uploaded {
        /// Since when.
        at: Timestamp,
        /// What will keep it from working nevertheless, as the gateway sees it (S57).
        warning: Option<Warning>,
    },
}
