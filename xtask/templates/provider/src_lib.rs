//! The push channel `{{name}}`.
//!
//! | module | what it does |
//! |---|---|
//! | `config` | the credential and its checks |
//% if token sign
//! | `auth` | how requests are authenticated |
//% end
//! | `render` | notification to request |
//! | `classify` | answer to verdict |
//! | `provider` | the plugin and the provider |
//! | `simulator` | the vendor's service and its phones, behind the feature `simulator` |
#![cfg_attr(docsrs, feature(doc_cfg))]

//% if token sign
mod auth;
//% end
mod classify;
mod config;
mod provider;
mod render;
#[cfg(feature = "simulator")]
#[cfg_attr(docsrs, doc(cfg(feature = "simulator")))]
pub mod simulator;

pub use self::{
    config::{{Name}}Config,
    provider::{ {{Name}}, {{Name}}Provider },
};

push_core::register_plugin!({{Name}});
