//! The suite that every provider passes, in its own vendor's words.
//!
//! [`provider_conformance!`](crate::provider_conformance) takes what a vendor answers and makes one test of each statement
//! below. A statement about an answer that the vendor does not have makes no test. The vendor is a [`Vendor`] served
//! over TLS on loopback; time is a [`push_core::ManualClock`].
//!
//! ```text
//! push_testkit::provider_conformance! {
//!     plugin: push_provider_acme::Acme,
//!     descriptor: push_provider_acme::PLUGIN,
//!     config: |endpoint, ca_pem| push_testkit::json!({
//!         "key": "the-secret-key-of-a-test",
//!         "endpoint": endpoint,
//!         "http": { "extra_ca_pem": ca_pem },
//!     }),
//!     secrets: ["the-secret-key-of-a-test"],
//!     token: "acme-token-000000",
//!     ok: (200, r#"{"id":"1"}"#),
//!     token_dead: [(410, r#"{"code":"gone"}"#)],
//!     credential_refused: [(401, r#"{"code":"who-are-you"}"#)],
//!     rate_limited: [(429, "retry-after: 7", r#"{"code":"slow-down"}"#)],
//!     unavailable: [(503, "")],
//!     unknown: ((418, r#"{"code":"teapot"}"#), "teapot"),
//! }
//! ```
//!
//! Each key is a method of [`Vendor`]: what it takes and which tests it makes is written there.

pub mod cases;
mod stage;
mod vendor;

pub use self::vendor::Vendor;

/// Makes one test of every statement about a provider. See [`conformance`](crate::conformance).
///
/// `plugin` and `descriptor` come first; `config`, `token`, `ok`, `unavailable` and `unknown` are required, the other keys
/// are there if the vendor has such an answer. The tests land in a module `provider_conformance`.
#[macro_export]
macro_rules! provider_conformance {
    (
        plugin: $plugin:ty,
        descriptor: $descriptor:path,
        $($key:ident: $value:expr),+ $(,)?
    ) => {
        mod provider_conformance {
            #[allow(unused_imports)]
            use super::*;

            fn vendor() -> $crate::conformance::Vendor {
                $crate::conformance::Vendor::new::<$plugin>(&$descriptor)$(.$key($value))+
            }

            $crate::__provider_cases!(always);
            $($crate::__provider_cases!($key);)+
        }
    };
}

/// The tests that a key brings.
#[doc(hidden)]
#[macro_export]
macro_rules! __provider_cases {
    (always) => {
        $crate::__provider_tests! {
            the_example_configuration_is_complete
            an_unknown_key_is_refused_by_name
            it_is_registered_under_its_name
            building_it_touches_neither_runtime_nor_network
            its_capabilities_make_sense
            what_is_too_large_is_refused_before_anything_is_sent
            a_vendor_that_cannot_be_reached_is_unavailable
        }
    };
    (ok) => {
        $crate::__provider_tests! {
            every_target_is_sent_once_and_has_one_verdict
            an_empty_batch_asks_nobody
            a_body_that_cannot_be_read_costs_no_token
            a_connection_that_breaks_after_the_request_leaves_the_verdict_unknown
            silence_ends_at_the_deadline_with_an_unknown_verdict
            a_send_given_up_midway_accounts_for_every_target_and_harms_no_other
            what_people_write_cannot_break_out_of_its_field
            nothing_secret_shows_in_debug_output
            verify_tells_a_good_credential_from_silence
        }
    };
    (token_dead) => {
        $crate::__provider_tests! { a_dead_token_is_dead_and_never_tried_again }
    };
    (token_mismatch) => {
        $crate::__provider_tests! { a_token_of_another_app_is_set_aside_and_not_dead }
    };
    (credential_refused) => {
        $crate::__provider_tests! {
            a_refused_credential_never_costs_a_token
            verify_reports_a_refused_credential
        }
    };
    (payload_refused) => {
        $crate::__provider_tests! { a_refused_payload_is_never_tried_again }
    };
    (rate_limited) => {
        $crate::__provider_tests! { a_limit_is_obeyed_for_as_long_as_the_vendor_says }
    };
    (retry_after_dates) => {
        $crate::__provider_tests! { a_date_in_retry_after_is_understood }
    };
    (unavailable) => {
        $crate::__provider_tests! { an_outage_passes_and_costs_no_token }
    };
    (unknown) => {
        $crate::__provider_tests! { an_answer_nobody_knows_is_kept_word_for_word_and_costs_no_token }
    };
    (auth) => {
        $crate::__provider_tests! {
            one_access_token_serves_every_concurrent_send
            a_send_given_up_while_authenticating_does_not_block_the_next
            a_token_endpoint_that_fails_costs_no_token
        }
    };
    (auth_refused) => {
        $crate::__provider_tests! { a_credential_refused_by_the_token_endpoint_never_costs_a_token }
    };
    (access_expired) => {
        $crate::__provider_tests! { an_expired_access_token_is_renewed_once_and_the_request_sent_again }
    };
    ($other:ident) => {};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __provider_tests {
    ($($case:ident)+) => {
        $(
            #[test]
            fn $case() {
                $crate::conformance::cases::$case(&vendor());
            }
        )+
    };
}
