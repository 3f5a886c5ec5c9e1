//! What can be observed: a login system's events.
use std::fmt;

use push_core::{Account, AppId, UserId};
use tokio::sync::broadcast;

/// A login system that reports its events.
pub trait LoginSubject: fmt::Debug + Send + Sync + 'static {
    /// Who is logged in now, and every event from now on: nothing in between is missed.
    fn subscribe(&self) -> Subscription;
}

/// An event of a subject.
#[derive(Debug)]
pub struct Subscription {
    /// The login that is there; `None` also for one that was local only (S40).
    pub current: Option<(LoginNumber, Account)>,
    /// What happens from now on. Who falls too far behind misses the oldest events and subscribes anew.
    pub events: broadcast::Receiver<LoginEvent>,
}

/// Which login of a subject: each one that does not repeat the current has a higher number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoginNumber(pub u64);

/// Why something failed, in the login system's own terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginFault {
    /// Its code, such as 6206 for an expired userSig.
    pub code: i32,
    /// Its words. Nothing secret.
    pub text: String,
}

impl LoginFault {
    /// A fault with this code and these words.
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

/// What happens to a login system. Posted after the caller of the operation has its result.
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
    /// A logout failed: the server still takes the user for logged in (S39).
    LogoutFail(LoginNumber, LoginFault),
    /// Another device took over.
    KickedOffline(LoginNumber),
    /// What proved the login has expired.
    UserSigExpired(LoginNumber),
    /// A logout, a kick or an expired userSig while no user is logged in: it also ends the login of the app's last process.
    /// Sent again to observers that subscribe later.
    Nobody,
    /// The connection is being made.
    Connecting,
    /// The connection is there.
    Connected,
    /// The connection cannot be made.
    ConnectFailed(LoginFault),
}
