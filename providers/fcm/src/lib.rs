//! Firebase Cloud Messaging for offline push, by its HTTP v1 interface.
//!
//! [`Fcm`] holds one service account. It fetches one access token and shares it (`auth`), renders a notification
//! once and sends it to each token of a batch (`wire`, `provider`), and says what Google's answer means (`classify`).
//! With the feature `simulator`, [`simulator`] is Google's side of all that, and the phones behind it.
//!
//! What is shown names its delivery in the data, as `delivery` beside `ext`, where it fits without a word of the text: the app
//! acknowledges it by that. `Payload::intent_extras` keeps it, and so does whoever hands all extras of the intent to the app half.
//!
//! Source: the Firebase documentation of `projects.messages` and of `ErrorCode`, and RFC 7523 for the access token.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod auth;
mod classify;
mod config;
mod provider;
#[cfg(feature = "simulator")]
#[cfg_attr(docsrs, doc(cfg(feature = "simulator")))]
pub mod simulator;
mod wire;

pub use crate::{
    config::{FcmConfig, ServiceAccount},
    provider::Fcm,
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
        crate::classify::answered(response, Some(token), now)
    }
}
