//! Firebase Cloud Messaging for offline push, by its HTTP v1 interface.
//!
//! [`FcmProvider`] holds one service account (`config`). Its access token is fetched and shared (`auth`), a message is rendered
//! once for each content (`render`) and sent to each target of a batch (`provider`), and Google's answer becomes a verdict
//! (`classify`). Which fields a caller may set is in `render::fields`. With the feature `simulator`, [`simulator`] is Google's side and
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
    provider::{Fcm, FcmProvider},
};

push_core::register_plugin!(Fcm);

/// The entry point of the fuzz target `fcm_answer`.
#[doc(hidden)]
pub mod fuzz {
    pub fn answer(
        response: &http::Response<bytes::Bytes>,
        token: &push_core::DeviceToken,
    ) -> push_core::Verdict {
        let now = push_core::Timestamp::from_unix_millis(0);
        crate::classify::answered(response, "demo-project", &[token.expose()], now)
    }
}
