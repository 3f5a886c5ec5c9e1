//! The push channel `webpush`.
//!
//! | module | what it does |
//! |---|---|
//! | `config` | the credential and its checks |
//! | `auth` | how requests are authenticated |
//! | `render` | notification to request |
//! | `classify` | answer to verdict |
//! | `provider` | the plugin and the provider |
//! | `simulator` | the vendor's service and its phones, behind the feature `simulator` |
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
};

push_core::register_plugin!(Webpush);
