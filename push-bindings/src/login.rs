//! The automatic bridge.
use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use push_core::{Account, AppId, Secret, UserId};

use crate::{ErrorKind, PushError};

/// The place where the app logs in and out: the automatic bridge, whose push registration follows the app's logins as with the
/// IM kit's login. Returned by `PushClient.login_center`.
///
/// The app calls it after its IM library has logged in or out. An app that cannot do so uses `PushClient.register_service` and
/// `PushClient.unregister_service` instead; using both is allowed.
#[derive(Debug, uniffi::Object)]
pub struct LoginCenter {
    pub(crate) app: AppId,
    pub(crate) center: push_login_auto::LoginCenter,
}

impl LoginCenter {
    pub(crate) fn new(app: AppId) -> Arc<Self> {
        Arc::new(Self {
            app,
            center: push_login_auto::LoginCenter::new(),
        })
    }
}

#[uniffi::export]
impl LoginCenter {
    /// Reports that `user` has logged in with the `ticket` that the IM server got for this user from the gateway. For the user who
    /// is logged in already it replaces the ticket; another user replaces the current one.
    ///
    /// # Errors
    /// If the user's id is invalid.
    pub fn login(&self, user: String, ticket: String) -> Result<(), PushError> {
        let account = account(&self.app, &user, ticket)?;
        at_once(self.center.login(account))
    }

    /// Reports that only the local store of `user` was opened, without the network and so without push. A `login` follows later.
    ///
    /// # Errors
    /// If the user's id is invalid.
    pub fn login_local_only(&self, user: String, ticket: String) -> Result<(), PushError> {
        let account = account(&self.app, &user, ticket)?;
        at_once(self.center.login_local_only(account))
    }

    /// Reports a logout: no user gets pushes on this device any more. That includes the user of the app's last process who has not
    /// logged in again. Does nothing if there is none.
    ///
    /// # Errors
    /// None today.
    pub fn logout(&self) -> Result<(), PushError> {
        at_once(self.center.logout())
    }

    /// Reports that another device has logged in, which ends the login here.
    pub fn kicked_offline(&self) {
        self.center.kicked_offline();
    }

    /// Reports that the userSig has expired, which ends the login.
    pub fn user_sig_expired(&self) {
        self.center.user_sig_expired();
    }

    /// Returns the user who is logged in, also only locally.
    pub fn user(&self) -> Option<String> {
        self.center.user().map(|it| it.as_str().to_owned())
    }
}

pub(crate) fn account(app: &AppId, user: &str, ticket: String) -> Result<Account, PushError> {
    Ok(Account::new(
        app.clone(),
        UserId::new(user).map_err(|error| error.at("user"))?,
        Secret::new(ticket),
    ))
}

/// Polls a future of the center once. The center waits only for its login system, and this one has none, so the future is ready
/// at the first poll. Polled without a runtime, because the caller may be inside a callback.
fn at_once(
    future: impl Future<Output = Result<(), push_login_auto::LoginFault>>,
) -> Result<(), PushError> {
    let mut context = Context::from_waker(Waker::noop());
    let failed = |what: String| {
        PushError::new(
            ErrorKind::Internal,
            "login center",
            what,
            "report this; use register_service and unregister_service meanwhile",
        )
    };
    match pin!(future).poll(&mut context) {
        Poll::Ready(Ok(())) => Ok(()),
        Poll::Ready(Err(fault)) => Err(failed(fault.to_string())),
        Poll::Pending => Err(failed("the login system did not answer at once".to_owned())),
    }
}
