//! HarmonyOS NEXT Push Kit (HarmonyOS 5 and later) as a provider of offline push.
//!
//! | module | what it does |
//! |---|---|
//! | `config` | the credential and its checks |
//! | `auth` | the JWT that each request carries |
//! | `render` | notification to request |
//! | `classify` | answer to verdict |
//! | `receive` | receipts that Push Kit posts |
//! | `provider` | the plugin, the provider, and the recall of a notification |
//! | `simulator` | Push Kit and its phones on 127.0.0.1, behind the feature `simulator` |
//!
//! One request carries one message to up to [`MAX_TOKENS`] tokens, and a header says of which kind it is. The version of the interface
//! is v3, which reaches HarmonyOS 5 and later; phones with HarmonyOS 4 and Android have other tokens and another channel.
//!
//! How each part of a notification is sent, and what is not confirmed, is in the README.
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

pub use push_kit::account::KeyFile;

pub use self::{
    config::HarmonyConfig,
    provider::{Harmony, HarmonyProvider},
};

/// The most tokens in one request; more get code 80300010.
pub const MAX_TOKENS: usize = 1000;

/// The largest message without its tokens, in bytes; more gets code 80300008.
pub const MAX_PAYLOAD: usize = 4096;

push_core::register_plugin!(Harmony);

/// The entry points of the fuzz targets `harmony_answer` and `harmony_receipt`.
#[doc(hidden)]
pub mod fuzz {
    use push_core::Timestamp;

    use crate::{
        classify::{Answer, Call},
        receive::{self, Signer},
        render::PushType,
    };

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    pub fn answer(
        response: &http::Response<bytes::Bytes>,
        token: &push_core::DeviceToken,
    ) -> push_core::Verdict {
        let (call, token) = (Call::Send(PushType::Alert), token.expose());
        let outcome = Answer::read(response).outcome(call, &[token], &[], NOW);
        outcome.of(token).clone()
    }

    /// Reads receipts. With `key`, they must be signed with it by the user `user`.
    pub fn receipts(
        request: &http::Request<bytes::Bytes>,
        key: Option<push_core::Secret>,
    ) -> push_core::Result<push_core::Received> {
        let signer = key.map(|key| Signer {
            user: "user".to_owned(),
            key,
        });
        receive::read(request, signer.as_ref(), false, NOW)
    }
}
