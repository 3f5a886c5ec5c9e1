//! OPPO Push: the provider `oppo` of offline push, for phones of OPPO, OnePlus and realme.
//!
//! | module | what it does |
//! |---|---|
//! | `config` | the credential and its checks |
//! | `auth` | auth tokens, for a signature with the master secret |
//! | `render` | notification to message, and registration id to the service that knows it |
//! | `classify` | answer to verdict |
//! | `receive` | receipts that OPPO posts |
//! | `provider` | the plugin and the provider |
//! | `simulator` | OPPO's services and phones on 127.0.0.1, behind the feature `simulator` |
//!
//! A message goes to one phone (`unicast`), different messages go to up to 1,000 phones in one request (`unicast_batch`), or a
//! message is saved at OPPO and then sent by its id (`save_message_content`, `broadcast`). The README names what is not confirmed.
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
    config::OppoConfig,
    provider::{Oppo, OppoProvider},
};

push_core::register_plugin!(Oppo);

/// The entry points of the fuzz targets `oppo_answer` and `oppo_receipt`.
#[doc(hidden)]
pub mod fuzz {
    use bytes::Bytes;
    use http::{Request, Response};
    use push_core::{DeviceToken, Received, Result, Timestamp, Verdict};

    use crate::classify::Envelope;

    /// Reads one answer as that of each request that there is, and returns the verdict on `token` of the first.
    pub fn answer(response: &Response<Bytes>, token: &DeviceToken) -> Verdict {
        let envelope =
            match Envelope::read(response, &[token.expose()], Timestamp::from_unix_millis(0)) {
                Ok(envelope) => envelope,
                Err(verdict) => return verdict,
            };
        let id = token.expose();
        for verdicts in [
            envelope.of_each(&[id, "another"], false, &|_| Vec::new()),
            envelope.of_broadcast(&[id, "another"], "saved"),
        ] {
            assert_eq!(verdicts.len(), 2);
        }
        drop((envelope.saved(), envelope.permit()));
        envelope.of_one(&[id])
    }

    /// Reads receipts.
    ///
    /// # Errors
    /// As the provider's `receive`.
    pub fn receipts(request: &Request<Bytes>) -> Result<Received> {
        crate::receive::read(request, Timestamp::from_unix_seconds(1_700_000_000))
    }
}
