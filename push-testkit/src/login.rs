//! What every [`LoginBridge`] must do: [`login_conformance!`](crate::login_conformance).
use std::{future::Future, sync::Arc};

use push_core::{Account, AppId, LoginBridge, Result, Secret, SessionHandle, UserId, async_trait};
use tokio::task::JoinHandle;

mod logins;
mod logouts;
mod recorder;

pub use recorder::{Reported, SessionRecorder};

/// The cases by name, for the macro.
#[doc(hidden)]
pub mod cases {
    pub use super::{logins::*, logouts::*};
}

/// Ends a logout that was begun before: see [`LoginDriver::begin_logout`].
pub type EndLogout = Box<dyn FnOnce() + Send>;

/// A login system that a test can drive, and the bridge under test that observes it. Each driver is a system of its own.
#[async_trait]
pub trait LoginDriver: Send + Sync + 'static {
    /// The bridge.
    fn bridge(&self) -> Arc<dyn LoginBridge>;
    /// Logs `account` in, successfully.
    async fn login(&self, account: Account);
    /// Logs the current user out, successfully.
    async fn logout(&self);
    /// Begins to log the current user out. The login system informs the bridge only when the returned function is called,
    /// even if another user has logged in by then.
    async fn begin_logout(&self) -> EndLogout;
    /// Another device takes the login over.
    async fn kick(&self);
    /// What proves the login expires.
    async fn expire(&self);
}

/// A driver whose bridge is observing on behalf of a recorder.
pub struct LoginKit {
    driver: Arc<dyn LoginDriver>,
    session: SessionRecorder,
    run: Option<JoinHandle<Result<()>>>,
}

impl std::fmt::Debug for LoginKit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginKit")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

impl LoginKit {
    /// Starts the bridge.
    async fn run(&mut self) {
        let bridge = self.driver.bridge();
        let session = SessionHandle::new(Arc::new(self.session.clone()));
        self.run = Some(tokio::spawn(async move { bridge.run(session).await }));
        crate::until_idle().await;
    }

    /// Waits until this number of reports has arrived, and until none can follow.
    async fn reports(&self, count: usize) -> Vec<Reported> {
        crate::until(|| self.session.reports().len() >= count).await;
        crate::until_idle().await;
        self.session.reports()
    }
}

/// Runs one case against the driver that `make` builds.
///
/// # Panics
/// If the bridge breaks the contract, or does not come to an end.
pub fn check<D: LoginDriver, F: Future<Output = ()>>(
    make: impl FnOnce() -> D,
    case: impl FnOnce(LoginKit) -> F,
) {
    crate::block_on(async {
        let kit = LoginKit {
            driver: Arc::new(make()),
            session: SessionRecorder::new(),
            run: None,
        };
        case(kit).await;
    });
}

/// An account of a user, with a credential made from the name.
pub fn account(user: &str) -> Account {
    Account::new(
        AppId::new("1400000001").expect("a good app id"),
        UserId::new(user).expect("a good user id"),
        Secret::new(format!("ticket-of-{user}")),
    )
}

/// Expands to one test for each rule of [`LoginBridge`].
///
/// The argument builds a [`LoginDriver`](crate::login::LoginDriver): `login_conformance!(Driver::new)`. It is called once for
/// each test, inside a tokio runtime with one thread.
#[macro_export]
macro_rules! login_conformance {
    ($make:expr) => {
        $crate::login_conformance! { @each ($make)
            // Logins.
            nothing_is_registered_before_the_first_login
            a_login_is_registered
            a_login_from_before_the_bridge_ran_is_registered
            a_repeated_login_keeps_its_generation
            a_renewed_credential_reaches_the_session
            another_user_takes_the_device_over_without_a_logout
            a_login_that_the_session_refuses_does_not_end_the_bridge
            both_of_two_sessions_get_the_report
            // Logouts.
            a_logout_ends_its_own_generation
            logins_and_logouts_come_in_their_order
            a_late_logout_never_undoes_another_users_login
            a_late_logout_never_undoes_the_same_users_new_login
            being_kicked_ends_the_login_with_that_cause
            an_expired_login_ends_with_that_cause
            a_logout_without_a_login_is_ignored
            a_bridge_that_falls_behind_ends_where_the_login_system_is
            a_closed_session_ends_the_bridge
            nothing_is_reported_after_the_session_has_closed
        }
    };
    (@each ($make:expr) $($case:ident)*) => {$(
        #[test]
        fn $case() {
            $crate::login::check($make, $crate::login::cases::$case);
        }
    )*};
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_case_is_in_the_macro() {
        let list = include_str!("login.rs");
        for source in [
            include_str!("login/logins.rs"),
            include_str!("login/logouts.rs"),
        ] {
            for line in source.lines() {
                let Some(rest) = line.strip_prefix("pub async fn ") else {
                    continue;
                };
                let name = rest.split('(').next().unwrap();
                assert!(
                    list.lines().any(|it| it.trim() == name),
                    "{name} is not in login_conformance!"
                );
            }
        }
    }
}
