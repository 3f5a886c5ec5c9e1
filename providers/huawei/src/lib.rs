//! Huawei Push Kit (HMS Core; HarmonyOS up to 4) as a provider of offline push.
//!
//! One request carries one notification to up to [`MAX_TOKENS`] tokens. Huawei answers most failures with HTTP 200 and a
//! code in the body, and names dead tokens in JSON inside JSON; [`HuaweiProvider`] turns that into one verdict for each target.
//!
//! - [`HuaweiConfig`]: what an operator sets; `PLUGIN` registers it as `provider/huawei`.
//! - [`HuaweiProvider`]: the provider itself, over any [`push_http::HttpClient`].
//! - `simulator` (feature of the same name): the token service, the push service and the phones on loopback.
//!
//! What is sent (`message.android` unless said otherwise):
//!
//! | notification | Huawei |
//! |---|---|
//! | title, body | `notification.title`, `.body`, cut to 60 and 600 UTF-16 units; an empty one takes the other's text |
//! | ext, receiver, delivery | extras of the click's intent, and the JSON text `message.data`. Receiver and delivery only if the request has one |
//! | badge | `notification.badge.set_num`, 0 to 99, if `badge_class` is configured |
//! | sound | default: `default_sound`; silent: `importance` `LOW`; named: `sound` `/raw/<name without suffix>` |
//! | priority, interruption | `Low` or `Passive`: `importance` `LOW`, else `NORMAL`; for background pushes `urgency` |
//! | collapse | `notification.tag`: the later one replaces the earlier one on the screen |
//! | thread | `notification.group` |
//! | image | `notification.image`, if it is https |
//! | kind | `category`: that of calls for calls; a background push has no `notification` |
//! | expires_at | `ttl`, 1 s to 15 days; absent means Huawei's own default, one day |
//! | vendor | merged into `message.android`: style, `foreground_show`, `collapse_key`, buttons and the rest have no other way |
//! | the first delivery | `bi_tag`, which receipts repeat |
//!
//! `collapse_key` is left alone: it has a hundred values, so that two chats would replace each other's messages.
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

pub use crate::{
    config::HuaweiConfig,
    provider::{Huawei, HuaweiProvider},
};

/// The most tokens in one request; more get code 80300010.
pub const MAX_TOKENS: usize = 1000;

/// The largest request body without its tokens, in bytes; more gets code 80300008.
pub const MAX_PAYLOAD: usize = 4096;

/// The longest `ttl`: 15 days.
pub const MAX_TTL: std::time::Duration = std::time::Duration::from_secs(1_296_000);

push_core::register_plugin!(Huawei);

/// The entry points of the fuzz targets `huawei_answer` and `huawei_receipt`.
#[doc(hidden)]
pub mod fuzz {
    pub fn answer(
        response: &http::Response<bytes::Bytes>,
        token: &push_core::DeviceToken,
    ) -> push_core::Verdict {
        let now = push_core::Timestamp::from_unix_millis(0);
        crate::classify::Answer::read(response)
            .outcome(&[token], &[], now)
            .verdict(token)
    }

    /// Reads receipts of the app `1`. With `key`, they must be signed with it by the user `user`.
    pub fn receipts(
        request: &http::Request<bytes::Bytes>,
        key: Option<push_core::Secret>,
    ) -> push_core::Result<push_core::Received> {
        let signer = key.map(|key| crate::receive::Signer {
            user: "user".to_owned(),
            key,
        });
        let now = push_core::Timestamp::from_unix_millis(0);
        crate::receive::receive(request, "1", signer.as_ref(), now)
    }
}
