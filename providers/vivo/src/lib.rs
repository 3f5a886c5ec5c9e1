//! vivo Push: the provider `vivo` of offline push, for phones of vivo and iQOO.
//!
//! | module | what it does |
//! |---|---|
//! | `config` | the credential and its checks |
//! | `auth` | access tokens, for which vivo wants an MD5 signature |
//! | `render` | notification to message |
//! | `classify` | answer to verdict |
//! | `receive` | receipts that vivo posts |
//! | `provider` | the plugin and the provider: one target in one request, several in two |
//! | `simulator` | vivo's service and phones on 127.0.0.1, behind the feature `simulator` |
//!
//! The facts are those of vivo's API document 2.9.2, its server SDK 3.3 and clients that quote its pages, as of November 2026.
//! What is known from one of them only is named in the README; it can be configured, and costs no token.
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
    config::{ClickData, ReceiptMeaning, VivoConfig},
    provider::{Vivo, VivoProvider},
};

push_core::register_plugin!(Vivo);

/// The entry points of the fuzz targets `vivo_answer` and `vivo_receipt`.
#[doc(hidden)]
pub mod fuzz {
    use bytes::Bytes;
    use http::{Request, Response};
    use push_core::{DeviceToken, Received, Result, Timestamp, Verdict};

    use crate::{
        classify::{Answer, Call},
        receive,
    };

    const NOW: Timestamp = Timestamp::from_unix_millis(0);

    /// The verdict on `token` by an answer to a push to it, or to a list with it.
    pub fn answer(response: &Response<Bytes>, token: &DeviceToken) -> Verdict {
        let private = [token.expose()];
        let single = Answer::read(response, Call::Single, &private, NOW).of(token.expose());
        let list = Answer::read(response, Call::List, &private, NOW).of(token.expose());
        // The target looks at one of them: the one that costs more.
        match single.kind {
            push_core::VerdictKind::TokenDead { .. } => single,
            _ => list,
        }
    }

    /// Reads receipts, with no types but those that are known.
    ///
    /// # Errors
    /// As the provider's `receive`.
    pub fn receipts(request: &Request<Bytes>) -> Result<Received> {
        receive::read(request, &std::collections::BTreeMap::new(), NOW)
    }
}
