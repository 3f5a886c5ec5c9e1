//! Apple Push Notification service: the provider `provider/apns`, and the whole service to test against.
//!
//! ```
//! use std::sync::Arc;
//! use push_core::{BuildContext, ManualClock, Provider, Timestamp};
//! use push_provider_apns::ApnsProvider;
//!
//! # let pem = push_testkit::fixtures::apns_key(1);
//! let config = serde_json::from_value(serde_json::json!({
//!     "key": pem, "key_id": "ABC123DEFG", "team_id": "DEF123GHIJ",
//!     "topic": "com.example.chat", "environment": "production",
//! })).unwrap();
//! let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1_700_000_000)));
//! let provider = ApnsProvider::new(config, &BuildContext::new(clock)).unwrap(); // touches nothing outside
//! assert_eq!(provider.capabilities().max_payload, 4096);
//! ```
//!
//! # What it takes care of
//!
//! * **The credential**: a `.p8` key, with one provider token for all connections, renewed every 50 minutes and never more
//!   often than Apple allows, also if the clock jumps; or a `.p12` certificate (old Keychain encryption included), which names
//!   topic, environment and expiry. Keys are read however their line breaks were lost.
//! * **The request**: push type, topic suffix, priority, expiration, collapse id and `apns-id` (the delivery's id, the same
//!   on every attempt) from a [`Notification`](push_core::Notification) and the token's slot.
//! * **The payload**: every key that Apple defines ([`Aps`]); rendered once for a content, completed for each target with badge,
//!   delivery and receiver; texts cut between grapheme clusters if 4,096 bytes are not enough; `ext` whole, as a string beside
//!   `aps`. A message can set fields for Apple alone ([`VendorFields`]), but not who receives it or as whom it is sent.
//! * **The answer**: every documented reason has its verdict; an unknown one is kept verbatim. A wrong environment, topic or
//!   credential never costs a token, and neither does an answer that Apple did not give.
//!
//! # What it sends
//!
//! | notification | goes to |
//! |---|---|
//! | `title`, `subtitle`, `body` | `aps.alert`; a body alone is a string |
//! | the target's badge | `aps.badge`; 0 is sent as 0. Without text it is a silent push of priority 5 that sets the number only |
//! | `sound` | `aps.sound`: `default`, nothing, or the name; with a critical interruption the critical form |
//! | `thread` | `aps.thread-id` |
//! | `mutable`, or an `image` | `aps.mutable-content` |
//! | `wakes_app` | `aps.content-available` |
//! | `interruption` | `aps.interruption-level` |
//! | `ext`, `image` | keys beside `aps` |
//! | the delivery's id | `delivery` beside `aps`, for receipts, unless only the number on the icon changes |
//! | the target's receiver | `receiver` beside `aps`, so that a click opens in that user's session |
//! | `priority` | `apns-priority` 10, 5 or 1, as the push type allows |
//! | `collapse` | `apns-collapse-id`; the message's id if it is empty |
//! | `expires_at` | `apns-expiration`, at most 30 days ahead; if unset not sent, except for calls and Push to Talk, which are tried once |
//! | `kind`, and the token's slot | `apns-push-type` |
//!
//! With the feature `simulator` comes a simulator of the service: the module [`simulator`].
#![cfg_attr(
    not(feature = "simulator"),
    allow(rustdoc::broken_intra_doc_links, reason = "the module is not there")
)]

mod auth;
mod classify;
mod config;
mod provider;
mod render;
#[cfg(feature = "simulator")]
pub mod simulator;

pub use crate::{
    auth::certificate::{CertificateFacts, CertificateTopic},
    config::ApnsConfig,
    provider::{Apns, ApnsProvider},
    render::{
        Alert, AlertFields, Aps, CriticalSound, Event, InterruptionLevel, PushType, Sound, Text,
        VendorFields,
    },
};

push_core::register_plugin!(Apns);

/// The entry point of the fuzz target `apns_answer`.
#[doc(hidden)]
pub mod fuzz {
    use push_core::{DeviceToken, Timestamp, Verdict};

    use crate::classify::{Asked, TopicOrigin, classify};

    /// Classifies an answer to a push with the credential's own topic and the id of Apple's examples.
    pub fn answer(response: &http::Response<bytes::Bytes>, _: &DeviceToken) -> Verdict {
        let now = Timestamp::from_unix_millis(0);
        let asked = Asked {
            topic: TopicOrigin::Credential,
            id: "eabeae54-14a8-11e5-b60b-1697f925ec7b",
        };
        classify(response, asked, now).0
    }
}
