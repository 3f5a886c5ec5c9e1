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
