//! Xiaomi Push (MiPush): the provider `xiaomi` of offline push, for phones of Xiaomi, Redmi and POCO.
//!
//! | module | what it does |
//! |---|---|
//! | `config` | the credential and its checks |
//! | `render` | notification to message, and message to form |
//! | `classify` | answer to verdict |
//! | `receive` | receipts that Xiaomi posts |
//! | `provider` | the plugin and the provider |
//! | `simulator` | Xiaomi's service and phones on 127.0.0.1, behind the feature `simulator` |
//!
//! Requests carry the App Secret itself, so that there is no access token to fetch. What is known from other sources than Xiaomi's
//! pages can be configured and never costs a token by itself; the README names it.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod classify;
mod config;
mod provider;
mod receive;
mod render;
#[cfg(feature = "simulator")]
#[cfg_attr(docsrs, doc(cfg(feature = "simulator")))]
pub mod simulator;

pub use self::{
    config::{ApiVersion, Region, XiaomiConfig},
    provider::{Xiaomi, XiaomiProvider},
    render::Click,
};

push_core::register_plugin!(Xiaomi);

/// The entry points of the fuzz targets `xiaomi_answer` and `xiaomi_receipt`.
#[doc(hidden)]
pub mod fuzz {
    use crate::classify::{Answer, Asked, NO_CHANNEL, Sent};

    const NOW: push_core::Timestamp = push_core::Timestamp::from_unix_seconds(1_700_000_000);

    /// Reads an answer to several messages, of which one is for `token`.
    pub fn answer(
        response: &http::Response<bytes::Bytes>,
        token: &push_core::DeviceToken,
    ) -> push_core::Verdict {
        let sent = [token.expose(), "another"].map(|token| Sent {
            token,
            channel: NO_CHANNEL.to_owned(),
        });
        let answer = Answer::read(response, Asked::Different, &[], NOW);
        let verdicts = answer.verdicts(&sent);
        assert_eq!(verdicts.len(), sent.len());
        Answer::read(response, Asked::One, &[], NOW)
            .verdicts(&sent[..1])
            .remove(0)
    }

    /// Reads receipts.
    pub fn receipts(
        request: &http::Request<bytes::Bytes>,
    ) -> push_core::Result<push_core::Received> {
        crate::receive::read(request, NOW)
    }
}
