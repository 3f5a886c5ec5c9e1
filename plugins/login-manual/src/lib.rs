//! The login bridge `manual`: the app reports its logins and logouts itself.
//!
//! Needed only by apps whose login `login-auto` cannot observe (S44). It corresponds to the pair `registerService` and
//! `unregisterService` of TUIOfflinePush's guide:
//!
//! ```
//! use push_core::{Account, AppId, Secret, UserId};
//! use push_login_manual::ManualLogin;
//!
//! fn on_login_success(app: AppId, user: UserId, ticket: Secret) {
//!     ManualLogin::shared().register_service(Account::new(app, user, ticket));
//! }
//!
//! fn on_logout_success() {
//!     ManualLogin::shared().unregister_service();
//! }
//! ```
//!
//! Both may be called from any thread, at any time and repeatedly, also before the push client has started. The bridge that
//! the linker keeps observes [`ManualLogin::shared`]. Together with `login-auto`, neither bridge switches the other off,
//! and `unregister_service` ends the current login, also one that `login-auto` reported (S45).

mod bridge;
mod handle;

use std::sync::Arc;

use push_core::{BuildContext, Describe, LoginBridge, LoginKind, Plugin, Result, register_plugin};

pub use crate::handle::{ManualLogin, Service};

/// The plugin.
#[derive(Debug)]
pub struct Manual;

/// The bridge has nothing to configure.
#[derive(Debug, serde::Deserialize, Describe)]
#[serde(deny_unknown_fields)]
pub struct ManualConfig {}

impl Plugin for Manual {
    type Kind = LoginKind;
    type Config = ManualConfig;
    const NAME: &'static str = "manual";

    fn build(_: ManualConfig, _: &BuildContext) -> Result<Arc<dyn LoginBridge>> {
        Ok(Arc::new(ManualLogin::shared()))
    }
}

register_plugin!(Manual);
