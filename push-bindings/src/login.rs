//! The automatic bridge.
use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use push_core::{Account, AppId, Secret, UserId};

use crate::{ErrorKind, PushError};

/// The one place where the app logs in and out, so that push follows by itself: the automatic bridge, in the manner of the IM
/// kit's own login. Got from `PushClient.login_center`.
///
/// The app tells it what its IM library has done, after it succeeded. An app that cannot uses `PushClient.register_service` and
/// `PushClient.unregister_service` instead; both together do no harm.
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
    /// `user` has logged in; `ticket` is what the IM server got for them from the gateway. Again for the same user it renews the
    /// ticket; for another one it takes the device over.
    ///
    /// # Errors
    /// If the user's id is not one.
    pub fn login(&self, user: String, ticket: String) -> Result<(), PushError> {
        let account = account(&self.app, &user, ticket)?;
        at_once(self.center.login(account))
    }

    /// Only the local store of `user` was opened, without the network: no push. A `login` of the same user follows later.
    ///
    /// # Errors
    /// If the user's id is not one.
    pub fn login_local_only(&self, user: String, ticket: String) -> Result<(), PushError> {
        let account = account(&self.app, &user, ticket)?;
        at_once(self.center.login_local_only(account))
    }

    /// Whoever was logged in has logged out: nobody receives push on this device, nor does who was logged in when the app ended
    /// and has not logged in again. Fine if nobody was.
    ///
    /// # Errors
    /// None today.
    pub fn logout(&self) -> Result<(), PushError> {
        at_once(self.center.logout())
    }

    /// The IM library says that another device took over.
    pub fn kicked_offline(&self) {
        self.center.kicked_offline();
    }

    /// The IM library says that the userSig has expired.
    pub fn user_sig_expired(&self) {
        self.center.user_sig_expired();
    }

    /// Who is logged in, also if only locally.
    pub fn user(&self) -> Option<String> {
        self.center.user().map(|it| it.as_str().to_owned())
    }
}

pub(crate) fn account(app: &AppId, user: &str, ticket: String) -> Result<Account, PushError> {
    Ok(Account {
        app: app.clone(),
        user: UserId::new(user).map_err(|error| error.at("user"))?,
        credential: Secret::new(ticket),
    })
}

/// The center waits for its login system alone, and this one has none: the future has its value when it is asked first. Asked
/// without a runtime, because a callback may be the caller.
fn at_once(
    future: impl Future<Output = Result<(), push_login_auto::LoginFault>>,
) -> Result<(), PushError> {
    let mut context = Context::from_waker(Waker::noop());
    let failed = |what: String| {
        PushError::new(
            ErrorKind::Internal,
            "login center",
            what,
            "report this; register_service and unregister_service work meanwhile",
        )
    };
    match pin!(future).poll(&mut context) {
        Poll::Ready(Ok(())) => Ok(()),
        Poll::Ready(Err(fault)) => Err(failed(fault.to_string())),
        Poll::Pending => Err(failed("it waits for somebody".to_owned())),
    }
}
