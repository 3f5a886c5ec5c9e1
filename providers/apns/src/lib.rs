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
//!   often than Apple allows, whatever the clock does; or a `.p12` certificate, old Keychain encryption included, that says
//!   topic, environment and expiry by itself.
//! * **The request**: push type, topic suffix, priority, expiration, collapse id and `apns-id` (the delivery's id, the same
//!   on every retry) from a [`Notification`](push_core::Notification) and the token's slot.
//! * **The payload**: every key Apple defines, typed ([`Aps`]); texts cut on a character boundary where 4,096 bytes are not
//!   enough; `ext` whole, as a string beside `aps`. What a sender wants for Apple alone is [`VendorFields`].
//! * **The answer**: every documented reason has its verdict, one that nobody knows yet is kept word for word. What may be
//!   our own mistake (environment, topic, credential) never costs a token.
//!
//! # What it sends
//!
//! | notification | goes to |
//! |---|---|
//! | `title`, `subtitle`, `body` | `aps.alert`; a body alone is a string |
//! | `badge` | `aps.badge`; 0 is sent as 0 |
//! | `sound` | `aps.sound`: `default`, nothing, or the name; with a critical interruption the critical form |
//! | `thread` | `aps.thread-id` |
//! | `mutable`, or an `image` | `aps.mutable-content` |
//! | `wakes_app` | `aps.content-available` |
//! | `interruption` | `aps.interruption-level` |
//! | `ext`, `image` | keys beside `aps` |
//! | the delivery's id | `delivery` beside `aps` of an alert, for the app's receipts, where it fits without a word of the text |
//! | `priority` | `apns-priority` 10, 5 or 1, as the push type allows |
//! | `collapse` | `apns-collapse-id` |
//! | `expires_at` | `apns-expiration`, at most 30 days ahead; absent: not sent, except for calls and Push to Talk, which are tried once |
//! | `kind`, and the token's slot | `apns-push-type` |
//!
//! With the feature `simulator` comes Apple's side: the module [`simulator`].
#![cfg_attr(
    not(feature = "simulator"),
    allow(rustdoc::broken_intra_doc_links, reason = "the module is not there")
)]

mod certificate;
mod classify;
mod config;
mod payload;
mod provider;
mod push_type;
mod request;
#[cfg(feature = "simulator")]
pub mod simulator;
mod token;
mod vendor;

pub use crate::{
    certificate::{CertificateFacts, CertificateTopic},
    config::ApnsConfig,
    payload::{Alert, AlertFields, Aps, CriticalSound, Event, InterruptionLevel, Sound, Text},
    provider::{Apns, ApnsProvider},
    push_type::PushType,
    vendor::VendorFields,
};

push_core::register_plugin!(Apns);

/// The entry point of the fuzz target `apns_answer`.
#[doc(hidden)]
pub mod fuzz {
    pub fn answer(
        response: &http::Response<bytes::Bytes>,
        _token: &push_core::DeviceToken,
    ) -> push_core::Verdict {
        crate::classify::classify(response, push_core::Timestamp::from_unix_millis(0)).0
    }
}
