//! Firebase Cloud Messaging for offline push, by its HTTP v1 interface.
//!
//! [`FcmProvider`] holds one service account (`config`). Its access token is fetched and shared (`auth`), a message is rendered
//! once for each content (`render`) and sent to each target of a batch (`provider`), and Google's answer becomes a verdict
//! (`classify`). A message has a part for each platform (`render::android`, `render::apple`, `render::web`), because a token does not
//! say which one it is of; which fields a caller may set is in `render::fields`, and their forms in `render::forms`.
//! [`FcmProvider::subscribe`] and [`FcmProvider::publish`] are for programs that use topics: the gateway has none. With the feature `simulator`, [`simulator`] is Google's side and
//! the phones behind it.
//!
//! The data of a message name its delivery and its receiver beside `ext`: the app acknowledges the delivery, and opens a click
//! only in that receiver's session.
//!
//! Source: the Firebase documentation of `projects.messages` and of `ErrorCode`, and RFC 7523 for the access token.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod auth;
mod classify;
mod config;
mod provider;
mod render;
#[cfg(feature = "simulator")]
#[cfg_attr(docsrs, doc(cfg(feature = "simulator")))]
pub mod simulator;

pub use crate::{
    config::{FcmConfig, ServiceAccount},
    provider::{Audience, Fcm, FcmProvider},
};

push_core::register_plugin!(Fcm);

/// The entry points of the fuzz targets `fcm_answer` and `fcm_subscription`.
#[doc(hidden)]
pub mod fuzz {
    pub fn subscription(
        response: &http::Response<bytes::Bytes>,
        token: &push_core::DeviceToken,
    ) -> push_core::Verdict {
        let now = push_core::Timestamp::from_unix_millis(0);
        crate::classify::changed(response, &[token.expose()], now)
    }

    pub fn answer(
        response: &http::Response<bytes::Bytes>,
        token: &push_core::DeviceToken,
    ) -> push_core::Verdict {
        let now = push_core::Timestamp::from_unix_millis(0);
        crate::classify::answered(response, "demo-project", &[token.expose()], now)
    }
}
