//! The contract of login bridges: what turns login and logout of some login system into register and unregister.
use std::{fmt, sync::Arc};

use crate::{AppId, Result, UserId, async_trait};

/// A plugin that observes a login system, or is called by hand, and keeps the session's push registration in step.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a login bridge",
    note = "implement `LoginBridge` for it, with `#[async_trait]` above the `impl`",
    note = "an app that reports logins itself needs none: the features `login-auto` and `login-manual` bring one"
)]
#[async_trait]
pub trait LoginBridge: fmt::Debug + Send + Sync + 'static {
    /// Reports every login and logout to `session`, in order, until the session closes.
    ///
    /// Uses neither the platform nor the network before the first login (S36).
    ///
    /// # Errors
    /// If the login system cannot be observed at all.
    async fn run(&self, session: SessionHandle) -> Result<()>;
}

/// The account that is logged in, with the ticket that proves it to the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Account {
    /// The IM application.
    pub app: AppId,
    /// The user.
    pub user: UserId,
    /// What proves to the gateway that this user is logged in (userSig, ticket); never printed.
    pub credential: crate::Secret,
}

impl Account {
    /// `user` of `app`, with the ticket that proves it.
    pub const fn new(app: AppId, user: UserId, credential: crate::Secret) -> Self {
        Self {
            app,
            user,
            credential,
        }
    }

    crate::setters! {
        with_credential(credential: crate::Secret);
    }
}

/// The number of a login within a session. Every register begins a new generation, and only a logout of the same generation ends it (S43).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

/// Why a login ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogoutCause {
    /// The user logged out.
    Logout,
    /// Another device took over.
    KickedOffline,
    /// What proved the login has expired.
    CredentialExpired,
    /// Another account logged in, and could not be registered in its place.
    OtherAccount,
}

/// What a login bridge does to the app's push session.
#[async_trait]
pub trait Session: fmt::Debug + Send + Sync + 'static {
    /// A user has logged in: the device's tokens belong to this account from now on.
    ///
    /// Idempotent: the account that is registered already keeps its generation and nothing is uploaded again (S38, S45).
    /// `by` names the bridge for reports.
    ///
    /// # Errors
    /// If the account's credential cannot be one, or the session is closed. Another account that was registered is not any
    /// more: another user has the device now (S42).
    async fn register(&self, account: Account, by: &'static str) -> Result<Generation>;

    /// The login of `generation` has ended. Anything but the current generation is ignored (S43).
    async fn unregister(
        &self,
        generation: Generation,
        cause: LogoutCause,
        by: &'static str,
    ) -> Result<()>;

    /// The login system knows that no user is logged in: a user who was when the last process of the app ended is not any more.
    /// Ignored if a user is registered.
    async fn no_user(&self, _by: &'static str) -> Result<()> {
        Ok(())
    }

    /// The current login, whichever bridge reported it; `None` if no user is logged in.
    fn current_login(&self) -> Option<Generation>;

    /// Completes when the session has been closed and bridges should return.
    async fn closed(&self);
}

/// A session behind a pointer.
#[derive(Clone, Debug)]
pub struct SessionHandle(Arc<dyn Session>);

impl SessionHandle {
    /// Wraps `session`.
    pub fn new(session: Arc<dyn Session>) -> Self {
        Self(session)
    }
}

impl std::ops::Deref for SessionHandle {
    type Target = dyn Session;
    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}
