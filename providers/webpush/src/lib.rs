//! Web Push: the provider `webpush` of offline push, for browsers and installed web apps.
//!
//! The device token is a push subscription as `JSON.stringify` writes it. Each subscription names its own push service; what is
//! sent is encrypted for the browser (RFC 8291) and signed for the service (RFC 8292).
//!
//! | module | what it does |
//! |---|---|
//! | `config` | the credential and its checks |
//! | `auth` | VAPID: a signature for each origin |
//! | `render` | subscription, headers, JSON, encryption |
//! | `classify` | answer to verdict |
//! | `provider` | the plugin and the provider |
//! | `simulator` | push services and browsers on 127.0.0.1, behind the feature `simulator` |
#![cfg_attr(docsrs, feature(doc_cfg))]

mod auth;
mod classify;
mod config;
mod provider;
mod render;
#[cfg(feature = "simulator")]
#[cfg_attr(docsrs, doc(cfg(feature = "simulator")))]
pub mod simulator;

pub use self::{
    config::WebpushConfig,
    provider::{Webpush, WebpushProvider},
    render::Urgency,
};

push_core::register_plugin!(Webpush);

/// The entry points of the fuzz targets `webpush_answer` and `webpush_token`.
#[doc(hidden)]
pub mod fuzz {
    /// The verdict on an answer to a push to `token`, which is no subscription here.
    pub fn answer(
        response: &http::Response<bytes::Bytes>,
        token: &push_core::DeviceToken,
    ) -> push_core::Verdict {
        let trust = crate::classify::Trust {
            statuses: false,
            accusations: true,
        };
        let now = push_core::Timestamp::from_unix_millis(0);
        crate::classify::classify(response, &[token.expose()], trust, now).verdict
    }

    /// The canonical form of a subscription.
    pub fn token(text: &str) -> Option<push_core::DeviceToken> {
        let subscription = crate::render::subscription::Subscription::read(text).ok()?;
        subscription.token().ok()
    }
}
