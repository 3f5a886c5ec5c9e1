//! The errors of a token, and the state of a slot.
use std::fmt;

use push_core::{Timestamp, api::Warning};

/// Why a token is not at the gateway. Where the vendor's SDK has a number for it, [`TokenError::code`] is that number (S52).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// No user is logged in; the token is stored for the next login (S46).
    NotLoggedIn,
    /// The app has no certificate id for it, or the gateway has no credential with that id.
    NoCertificate(String),
    /// The gateway could not be reached, and why; the client retries.
    Network(String),
    /// The platform returned an empty token.
    Empty,
    /// The token is longer than allowed: its length and the limit, in bytes.
    TooLong(usize, usize),
    /// The account's credential is longer than allowed: its length, in bytes. The limit is [`MAX_LOGIN_DATA_BYTES`].
    LoginDataTooLong(usize),
    /// The gateway asked to retry later; the client does.
    TooFrequent,
    /// The token has characters that are not allowed in tokens.
    Malformed,
    /// The gateway refused the ticket: it is wrong or has expired.
    TicketRefused,
    /// The platform returned no token, and why.
    NoToken(String),
    /// The gateway refused the token: its error code and text.
    Refused(String, String),
    /// The gateway has removed the token because the vendor reported it as dead; the client requests a new one from the phone.
    Forgotten,
    /// The gateway has quarantined the token and does not push to it: the code of the reason, and its text.
    Quarantined(String, String),
}

/// The longest credential of an [`Account`](push_core::Account), in bytes (the SDK's limit, 22005).
pub const MAX_LOGIN_DATA_BYTES: usize = 1024;

impl TokenError {
    /// Returns the SDK's number, where it has one.
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
            | Self::Quarantined(..) => return None,
        })
    }

    /// Returns `true` if the client resolves it by retrying.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Network(_) | Self::TooFrequent)
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoggedIn => {
                f.write_str(
                    "no user is logged in: log in at the login center, or call register_service after the app's own login; \
                     until then no token is requested, and a token that arrives is stored",
                )
            }
            Self::NoCertificate(why) => write!(f, "the token has no credential: {why}"),
            Self::Network(why) => {
                write!(f, "the gateway cannot be reached; the client will retry: {why}")
            }
            Self::Empty => f.write_str("the platform returned an empty token; it is not uploaded"),
            Self::TooLong(length, limit) => {
                write!(f, "the token has {length} bytes, more than the {limit} allowed")
            }
            Self::LoginDataTooLong(length) => write!(
                f,
                "the account's credential has {length} bytes, more than the {MAX_LOGIN_DATA_BYTES} allowed; pass the ticket alone"
            ),
            Self::TooFrequent => {
                f.write_str("the gateway asked to retry later; the token will be uploaded then")
            }
            Self::Malformed => f.write_str("the token has characters that are not allowed in tokens"),
            Self::TicketRefused => f.write_str(
                "the gateway refused the ticket; get a new one from the IM server and log in with it",
            ),
            Self::NoToken(why) => write!(f, "the platform returned no token: {why}"),
            Self::Refused(code, why) => write!(f, "the gateway refused the token ({code}): {why}"),
            Self::Forgotten => f.write_str(
                "the vendor reported the token as dead and the gateway has removed it; a new one is requested from the phone",
            ),
            Self::Quarantined(code, why) => {
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
    /// A user is logged in, and the platform has not returned a token yet.
    NoToken,
    /// The token is not at the gateway, and why.
    Waiting(TokenError),
    /// The token is being uploaded.
    Uploading,
    /// The gateway has the token.
    Uploaded {
        /// When the gateway confirmed it.
        at: Timestamp,
        /// Why pushes to it will fail nevertheless, as the gateway reports (S57).
        warning: Option<Warning>,
    },
}
