//! The events of a login system.
use std::fmt;

use push_core::{Account, AppId, UserId};
use tokio::sync::broadcast;

/// A login system that reports its events.
pub trait LoginSubject: fmt::Debug + Send + Sync + 'static {
    /// Returns the current login and the events from now on, without a gap in between.
    fn subscribe(&self) -> Subscription;
}

/// The current login of a subject, and its further events.
#[derive(Debug)]
#[non_exhaustive]
pub struct Subscription {
    /// The current login; `None` also for a local-only one (S40).
    pub current: Option<(LoginNumber, Account)>,
    /// The events from now on. An observer that falls too far behind misses the oldest events and has to subscribe again.
    pub events: broadcast::Receiver<LoginEvent>,
}

/// The number of a login. It increases with each login that does not repeat the current one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoginNumber(pub u64);

/// An error of the login system.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoginFault {
    /// Its code, such as 6206 for an expired userSig.
    pub code: i32,
    /// Its text, without secrets.
    pub text: String,
}

impl LoginFault {
    /// Returns an error with this code and text.
    pub fn new(code: i32, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }
}

impl fmt::Display for LoginFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text, self.code)
    }
}

impl std::error::Error for LoginFault {}

/// An event of a login system.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoginEvent {
    /// The IM library is ready for this app.
    InitSdkSuccess(AppId),
    /// The IM library cannot serve this app.
    InitSdkFail(AppId, LoginFault),
    /// A user is logged in; also sent for a login that repeats the current one, with its number.
    LoginSuccess(LoginNumber, Account),
    /// A login failed; nothing has changed.
    LoginFail(UserId, LoginFault),
    /// A logout has finished. It may arrive after the next login.
    LogoutSuccess(LoginNumber),
    /// A logout failed: the server still holds the login (S39).
    LogoutFail(LoginNumber, LoginFault),
    /// Another device has logged in.
    KickedOffline(LoginNumber),
    /// The userSig has expired.
    UserSigExpired(LoginNumber),
    /// A logout, a kick or an expired userSig while no user is logged in. It ends the login of the app's last process.
    /// Sent again to observers that subscribe later.
    NoUser,
    /// The connection is being established.
    Connecting,
    /// The connection is established.
    Connected,
    /// The connection failed.
    ConnectFailed(LoginFault),
}
