//! The suite that every provider passes, in the terms of its own vendor.
//!
//! [`provider_conformance!`](crate::provider_conformance) takes what a vendor accepts and answers, and makes one test of each
//! statement about a provider. The vendor is a [`Vendor`] served over TLS on loopback; time is a [`push_core::ManualClock`].
//!
//! ```text
//! push_testkit::provider_conformance! {
//!     plugin: push_provider_acme::Acme,
//!     descriptor: push_provider_acme::PLUGIN,
//!
//!     // The credential.
//!     config: |endpoint, ca_pem| push_testkit::json!({
//!         "app_id": "1001",
//!         "app_secret": "the-secret-of-a-test",
//!         "endpoint": endpoint,
//!         "http": { "extra_ca_pem": ca_pem },
//!     }),
//!     wrong_config: [("app_id", ""), ("endpoint", "ftp://push.acme.example")],
//!     secrets: ["the-secret-of-a-test"],
//!
//!     // A request, read as the vendor and its phones read it.
//!     token: "acme-token-000000",
//!     shown: |sent| Shown::new(sent.json())
//!         .tokens_at("/to").title_at("/title").body_at("/text").ext_at("/data/ext")
//!         .delivery_at("/data/delivery").receiver_at("/data/receiver")
//!         .badge_at("/badge").ttl_at("/ttl").collapse_at("/replaces").dedup_at("/id"),
//!     overlay: [json!({ "category": "IM" })],
//!     protected_fields: [json!({ "topic": "everyone" })],
//!
//!     // What the vendor answers.
//!     ok: (200, r#"{"code":0,"id":"r-1"}"#),
//!     unconfirmed: [(200, r#"{"code":0}"#)],
//!     partial: |_all, dead| (200, json!({ "code": 0, "id": "r-1", "bad": dead })).into(),
//!     token_dead: [(410, r#"{"code":4101}"#)],
//!     credential_refused: [(401, r#"{"code":4010}"#)],
//!     payload_refused: [(400, r#"{"code":4003}"#)],
//!     rate_limited: [(Scope::Credential, (429, "retry-after: 7", r#"{"code":4290}"#))],
//!     unavailable: [(503, r#"{"code":5030}"#)],
//!     unknown: |status, code| Reply::new(status).json(json!({ "code": code.parse::<i64>().unwrap() })),
//! }
//! ```
//!
//! Each key is a method of [`Vendor`]: what it takes is written there. The keys above are required, but for `partial` (only if
//! a batch may have several targets) and `overlay` with `protected_fields` (only if the provider takes vendor fields).
//! Further keys bring the tests of what only some vendors have:
//!
//! | the vendor has | keys |
//! |---|---|
//! | tokens with a form, or tokens that name a URL | `tokens`, `seen_as`, `token_forms`, `wrong_tokens` |
//! | a token endpoint | `auth`, `access_lifetime`, `auth_refused`, `auth_limited`, `access_expired` |
//! | access tokens that the provider signs | `signature`, `access_expired` |
//! | two steps: save a message, send it by its id | `step`, `step_refused`, `step_from` |
//! | tokens that cannot be pushed to now, refusals of one target | `token_unusable`, `target_refused` |
//! | vendor fields that change whom a request is for | `bending` |
//! | receipts | `receipt`, `receipt_forged` or `receipts_unsigned` |
//! | a check of the credential that is not the answer to a send, or none | `verify_accepted`, `cannot_verify` |
//! | answers without a body, or whose status alone counts | `bare`, `status_is_final` |
//! | a layer around its provider | `layer` |
//! | `ext` taken apart, another unit of time, a largest badge, HTTP/2 only | `ext_split`, `ttl_unit`, `max_badge`, `protocols` |
//!
//! Nothing that [`push_core::Capabilities`] claims goes untested: the case `everything_it_can_do_is_declared` compares them with the keys
//! and with a request, and names what is missing. In every case the requests are counted: a provider that sends to a target
//! twice fails.

pub mod cases;
mod check;
mod declared;
mod shown;
mod stage;
mod vendor;

pub use self::{
    shown::{Sent, Shown},
    vendor::Vendor,
};

/// Makes one test of every statement about a provider. See [`conformance`](crate::conformance).
///
/// `plugin` and `descriptor` come first. The tests land in a module `provider_conformance`.
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

            pub(super) fn vendor() -> $crate::conformance::Vendor {
                $crate::conformance::Vendor::new::<$plugin>(&$descriptor)$(.$key($value))+
            }

            $crate::__provider_cases!(always, __provider_tests);
            $($crate::__provider_cases!($key, __provider_tests);)+
        }
    };
}

/// The cases that a key brings, given to another macro of this crate.
#[doc(hidden)]
#[macro_export]
macro_rules! __provider_cases {
    (always, $then:ident) => {
        $crate::$then! {
            the_example_configuration_is_complete
            a_configuration_is_written_as_it_is_read
            an_unknown_key_is_refused_by_name
            every_fault_of_a_configuration_is_named_at_once
            a_value_of_another_kind_is_refused_in_our_words
            a_value_is_read_whatever_editors_added_around_it
            an_endpoint_elsewhere_must_be_https
            it_is_registered_under_its_name
            building_it_touches_neither_runtime_nor_network
            its_capabilities_make_sense
            everything_it_can_do_is_declared
            a_token_has_one_canonical_form
            every_target_is_sent_once_with_its_own_content
            a_receiver_is_named_where_a_message_has_one
            an_empty_batch_sends_nothing
            a_slow_request_delays_no_other_verdict
            a_repeated_batch_is_the_same_request
            what_is_too_large_is_refused_before_anything_is_sent
            text_is_cut_to_the_vendors_limit_between_characters
            text_gives_way_to_the_payload_limit_and_ext_does_not
            the_click_data_reaches_the_app_unchanged
            the_badge_is_sent_as_the_capabilities_say
            a_notification_lives_until_it_expires
            a_collapse_key_distinguishes_conversations
            each_kind_of_push_is_sent_as_such_or_refused
            what_people_write_cannot_break_out_of_its_field
            a_vendor_field_never_changes_receiver_credential_or_click_data
            a_verdict_on_what_the_message_bent_costs_no_token
            fields_that_are_refused_are_not_sent
            vendor_fields_of_any_form_are_checked_without_a_runtime
            a_vendor_that_cannot_be_reached_is_unavailable
            the_address_policy_of_the_gateway_is_obeyed
            an_answer_that_is_lost_leaves_the_verdict_unknown
            what_fails_on_the_way_is_said_in_plain_words
            silence_ends_at_the_deadline_with_an_unknown_verdict
            a_dropped_send_accounts_for_every_target_and_harms_no_other
            a_hundred_sends_at_once_are_all_accepted
            a_body_that_cannot_be_read_costs_no_token
            an_answer_of_another_server_is_an_outage
            an_answer_of_any_bytes_gives_one_verdict_for_each_target
            no_token_text_or_secret_shows
            verify_distinguishes_a_good_credential_from_an_outage
            verify_is_satisfied_by_the_vendors_own_answer_alone
            a_server_that_is_not_the_vendors_is_named_by_what_is_wrong_with_it
            a_certificate_authority_that_cannot_be_read_is_refused_in_our_words
        }
    };
    (overlay, $then:ident) => {
        $crate::$then! { vendor_fields_are_merged_into_the_payload }
    };
    (unconfirmed, $then:ident) => {
        $crate::$then! { a_success_that_confirms_nothing_is_not_accepted }
    };
    (partial, $then:ident) => {
        $crate::$then! { each_target_gets_the_verdict_of_its_own_token }
    };
    (token_dead, $then:ident) => {
        $crate::$then! { a_dead_token_is_dead_and_never_tried_again }
    };
    (token_unusable, $then:ident) => {
        $crate::$then! { a_token_that_is_unusable_is_quarantined_and_not_dead }
    };
    (target_refused, $then:ident) => {
        $crate::$then! { a_refusal_of_one_target_never_suspends_the_credential }
    };
    (credential_refused, $then:ident) => {
        $crate::$then! {
            a_refused_credential_never_costs_a_token
            verify_reports_a_refused_credential
        }
    };
    (payload_refused, $then:ident) => {
        $crate::$then! { a_refused_payload_is_never_tried_again }
    };
    (rate_limited, $then:ident) => {
        $crate::$then! { a_limit_is_obeyed_for_as_long_as_the_vendor_says }
    };
    (retry_after_dates, $then:ident) => {
        $crate::$then! { a_date_in_retry_after_is_understood }
    };
    (unavailable, $then:ident) => {
        $crate::$then! { an_outage_passes_and_costs_no_token }
    };
    (unknown, $then:ident) => {
        $crate::$then! { an_unknown_code_is_kept_and_classified_by_its_status }
    };
    (auth, $then:ident) => {
        $crate::$then! {
            a_send_dropped_while_authenticating_does_not_block_the_next
            a_token_endpoint_that_fails_is_an_outage
            a_limit_of_the_token_endpoint_does_not_accuse_the_credential
            a_failing_token_endpoint_is_left_alone_for_a_while
            a_life_of_an_access_token_that_makes_no_sense_is_bounded
        }
    };
    (access_lifetime, $then:ident) => {
        $crate::$then! { an_access_token_is_renewed_by_its_age }
    };
    (auth_refused, $then:ident) => {
        $crate::$then! { a_credential_refused_by_the_token_endpoint_never_costs_a_token }
    };
    (access_expired, $then:ident) => {
        $crate::$then! { an_expired_access_token_is_renewed_once_and_the_request_sent_again }
    };
    (signature, $then:ident) => {
        $crate::$then! { a_signature_is_renewed_by_its_age }
    };
    (step, $then:ident) => {
        $crate::$then! { a_first_step_that_fails_sends_nothing }
    };
    (step_refused, $then:ident) => {
        $crate::$then! { what_the_first_step_refuses_is_not_sent }
    };
    (receipt, $then:ident) => {
        $crate::$then! {
            a_receipt_is_read_with_its_tag_and_token
            a_damaged_receipt_is_refused_without_harm
        }
    };
    (receipt_forged, $then:ident) => {
        $crate::$then! { a_forged_receipt_is_refused }
    };
    ($other:ident, $then:ident) => {};
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
