//! The push channel `oppo`.
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
    config::OppoConfig,
    provider::{Oppo, OppoProvider},
};

push_core::register_plugin!(Oppo);
