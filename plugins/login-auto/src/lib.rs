//! The login bridge `auto`: observes the app's logins, and registers and unregisters push.
//!
//! It observes a [`LoginSubject`]. This crate has one, [`LoginCenter`], an in-process login that behaves as the IM kit's
//! `TUILogin`; the plugin that the linker keeps observes [`LoginCenter::shared`].
//!
//! | event | push |
//! |---|---|
//! | [`LoginEvent::LoginSuccess`], also a repeated one | register (S35, S38) |
//! | [`LoginEvent::LogoutSuccess`] | unregister |
//! | [`LoginEvent::KickedOffline`], [`LoginEvent::UserSigExpired`] | unregister, with that cause (S41) |
//! | [`LoginEvent::NoUser`], a logout before any login of this process | unregister the user of the last process |
//! | [`LoginEvent::LoginFail`], [`LoginEvent::LogoutFail`], `InitSdk…`, `Connect…` | nothing (S35, S39) |
//!
//! Every login has a number, and an event that ends a login names it: the late success of an earlier logout does not end a
//! later login (S43), even of the same user.

mod bridge;
mod center;
mod subject;

use std::sync::Arc;

use push_core::{BuildContext, Describe, LoginBridge, LoginKind, Plugin, Result, register_plugin};

pub use crate::{
    bridge::AutoLogin,
    center::{LoginCenter, LoginSystem},
    subject::{LoginEvent, LoginFault, LoginNumber, LoginSubject, Subscription},
};

/// The plugin.
#[derive(Debug)]
pub struct Auto;

/// The bridge has nothing to configure.
#[derive(Debug, serde::Deserialize, Describe)]
#[serde(deny_unknown_fields)]
pub struct AutoConfig {}

impl Plugin for Auto {
    type Kind = LoginKind;
    type Config = AutoConfig;
    const NAME: &'static str = "auto";

    fn build(_: AutoConfig, _: &BuildContext) -> Result<Arc<dyn LoginBridge>> {
        Ok(Arc::new(AutoLogin::new(LoginCenter::shared())))
    }
}

register_plugin!(Auto);
