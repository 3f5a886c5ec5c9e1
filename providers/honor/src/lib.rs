//! Honor Push: the provider `honor` of offline push, for phones of Honor with MagicOS.
//!
//! | module | what it does |
//! |---|---|
//! | `config` | the credential and its checks |
//! | `auth` | access tokens of Honor's account service |
//! | `render` | notification to request |
//! | `classify` | answer to verdict |
//! | `receive` | receipts that Honor posts |
//! | `provider` | the plugin and the provider |
//! | `simulator` | Honor's service and phones on 127.0.0.1, behind the feature `simulator` |
//!
//! Honor's pages of answer and receipt codes could not be read. What is known from other sources only can be configured and
//! never costs a token; the README names it.
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
    config::{HonorConfig, ReceiptMeaning},
    provider::{Honor, HonorProvider},
    render::Importance,
};

push_core::register_plugin!(Honor);

/// The entry points of the fuzz targets `honor_answer` and `honor_receipt`.
#[doc(hidden)]
pub mod fuzz {
    use std::collections::BTreeMap;

    pub fn answer(
        response: &http::Response<bytes::Bytes>,
        token: &push_core::DeviceToken,
    ) -> push_core::Verdict {
        let now = push_core::Timestamp::from_unix_millis(0);
        let success = [200, 80_000_000];
        crate::classify::Answer::read(response, &success, &[token.expose()], now).of(token.expose())
    }

    /// Reads receipts of the app `1`, of which the code 40000099 means that the app is gone.
    pub fn receipts(
        request: &http::Request<bytes::Bytes>,
    ) -> push_core::Result<push_core::Received> {
        let gone = crate::ReceiptMeaning::Uninstalled;
        let meanings = BTreeMap::from([("40000099".to_owned(), gone)]);
        let now = push_core::Timestamp::from_unix_seconds(1_700_000_000);
        crate::receive::read(request, "1", &meanings, now)
    }
}
