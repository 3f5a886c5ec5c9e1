//! Meizu (Flyme) Push: the provider `meizu` of offline push.
//!
//! | module | what it does |
//! |---|---|
//! | `config` | the credential and its checks |
//! | `auth` | the signature of a request |
//! | `render` | notification to message |
//! | `classify` | answer to verdict |
//! | `receive` | receipts that Meizu posts |
//! | `provider` | the plugin and the provider; messages and pictures that Meizu stores before a push |
//! | `simulator` | Meizu's service and phones on 127.0.0.1, behind the feature `simulator` |
//!
//! Meizu shows notifications only: it withdrew pass-through messages in June 2018, and a push cannot change the number on the icon.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod auth;
mod classify;
mod config;
mod provider;
mod receive;
mod render;
#[cfg(feature = "simulator")]
#[cfg_attr(docsrs, doc(cfg(feature = "simulator")))]
pub mod simulator;

pub use self::{
    config::{MeizuConfig, StatisticsMethod},
    provider::{Meizu, MeizuProvider},
    render::NoticeType,
};

push_core::register_plugin!(Meizu);

/// The entry points of the fuzz targets `meizu_answer` and `meizu_receipt`.
#[doc(hidden)]
pub mod fuzz {
    pub fn answer(
        response: &http::Response<bytes::Bytes>,
        token: &push_core::DeviceToken,
    ) -> push_core::Verdict {
        let now = push_core::Timestamp::from_unix_millis(0);
        match crate::classify::Answer::read(response, &[token.expose()], now) {
            Ok(answer) => answer.outcome(1).of(token.expose()),
            Err(verdict) => verdict,
        }
    }

    /// Reads receipts, which must have the access token `token` if there is one.
    pub fn receipts(
        request: &http::Request<bytes::Bytes>,
        token: Option<push_core::Secret>,
    ) -> push_core::Result<push_core::Received> {
        let now = push_core::Timestamp::from_unix_millis(0);
        crate::receive::read(request, token.as_ref(), now)
    }
}
