//! TPNS (Tencent Push Notification Service, 移动推送): the provider `tpns` of offline push, for apps that already use it.
//!
//! | module | what it does |
//! |---|---|
//! | `config` | the credential and its checks |
//! | `auth` | the signature of a request, or Basic |
//! | `render` | notification to request |
//! | `classify` | answer to verdict |
//! | `provider` | the plugin and the provider |
//! | `simulator` | TPNS and phones on 127.0.0.1, behind the feature `simulator` |
//!
//! TPNS is no longer sold. What could not be confirmed from its documents can be configured and never costs a token; the README
//! names it.
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
    auth::Authentication,
    config::{AccessPoint, TpnsConfig},
    provider::{Tpns, TpnsProvider},
    render::System,
};

push_core::register_plugin!(Tpns);

/// The entry point of the fuzz target `tpns_answer`.
#[doc(hidden)]
pub mod fuzz {
    /// Reads an answer to a request for `token`, and before that to one for three tokens, the last of which is `token`.
    pub fn answer(
        response: &http::Response<bytes::Bytes>,
        token: &push_core::DeviceToken,
    ) -> push_core::Verdict {
        let now = push_core::Timestamp::from_unix_millis(0);
        let token = token.expose();
        let read = |tokens: &[&str]| {
            let answer = crate::classify::Answer::read(response, tokens, &[token], now);
            answer.of(tokens.len() - 1)
        };
        read(&["first-token", "second-token", token]);
        read(&[token])
    }
}
