//! The conformance suite fails providers that do it wrong. That it passes those that do it right, they show themselves.
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use push_core::{
    Batch, Batching, BuildContext, Capabilities, Channel, Descriptor, DynProvider, Health, Plugin,
    Provider, ProviderKind, Result, VendorAnswer, Verdict, VerdictKind, Verdicts, async_trait,
};
use push_testkit::{
    conformance::{Vendor, cases},
    json,
    serde_json::Value,
};

/// Asks nobody and says the same of everything: its configuration's `says`.
#[derive(Debug)]
struct Deaf {
    verdict: Verdict,
    capabilities: Capabilities,
}

impl Plugin for Deaf {
    type Kind = ProviderKind;
    // Any key is welcome, and everything is shown: two more mistakes.
    type Config = Value;
    const NAME: &'static str = "deaf";
    const EXAMPLE: &'static str = "says = ";

    fn build(config: Value, _: &BuildContext) -> Result<DynProvider> {
        let kind = match config["says"].as_str() {
            Some("dead") => VerdictKind::TokenDead { since: None },
            Some("refused") => VerdictKind::PayloadRefused,
            _ => VerdictKind::Accepted,
        };
        Ok(Arc::new(Self {
            verdict: Verdict::new(kind, VendorAnswer::none("device-token-000000")),
            capabilities: Capabilities::new(Channel::known("other"), 0)
                .with_batch(2, Batching::Mixed),
        }))
    }
}

#[async_trait]
impl Provider for Deaf {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        // The last target is forgotten.
        for position in 0..batch.targets.len().saturating_sub(1).max(1) {
            verdicts.report(position, self.verdict.clone());
        }
    }

    async fn verify(&self) -> Result<Health> {
        Ok(match self.verdict.kind {
            VerdictKind::Accepted => Health::accepted(""),
            _ => Health::refused(""),
        })
    }
}

static DEAF: Descriptor<ProviderKind> = Descriptor::of::<Deaf>();

fn vendor(says: &'static str) -> Vendor {
    Vendor::new::<Deaf>(&DEAF)
        .config(
            move |endpoint, _| json!({ "endpoint": endpoint, "says": says, "key": "very-secret" }),
        )
        .secrets(["very-secret"])
        .token("device-token-000000")
        .auth(("/token", (200, "{}")))
        .auth_refused([(400, "{}")])
        .access_expired(401)
        .ok((200, "{}"))
        .token_dead([(410, "{}")])
        .token_mismatch([(403, "{}")])
        .credential_refused([(401, "{}")])
        .payload_refused([(400, "{}")])
        .rate_limited([(429, "{}")])
        .retry_after_dates(true)
        .unavailable([(503, "{}")])
        .unknown(((418, "{}"), "teapot"))
}

type Case = (&'static str, fn(&Vendor));

macro_rules! cases {
    ($($name:ident)+) => { [$((stringify!($name), cases::$name as fn(&Vendor))),+] };
}

fn all_fail(says: &'static str, list: &[Case]) {
    for (name, case) in list {
        let outcome = catch_unwind(AssertUnwindSafe(|| case(&vendor(says))));
        assert!(
            outcome.is_err(),
            "{name} passes a provider that says {says} to everything"
        );
    }
}

#[test]
fn a_plugin_that_is_not_as_it_should_be_fails() {
    all_fail(
        "accepted",
        &cases! {
            the_example_configuration_is_complete
            an_unknown_key_is_refused_by_name
            it_is_registered_under_its_name
            building_it_touches_neither_runtime_nor_network
            its_capabilities_make_sense
            nothing_secret_shows_in_debug_output
        },
    );
}

#[test]
fn a_provider_that_takes_everything_for_accepted_fails() {
    all_fail(
        "accepted",
        &cases! {
            every_target_is_sent_once_and_has_one_verdict
            a_dead_token_is_dead_and_never_tried_again
            a_token_of_another_app_is_set_aside_and_not_dead
            a_refused_credential_never_costs_a_token
            a_refused_payload_is_never_tried_again
            a_limit_is_obeyed_for_as_long_as_the_vendor_says
            a_date_in_retry_after_is_understood
            an_outage_passes_and_costs_no_token
            an_answer_nobody_knows_is_kept_word_for_word_and_costs_no_token
            a_body_that_cannot_be_read_costs_no_token
            a_vendor_that_cannot_be_reached_is_unavailable
            a_connection_that_breaks_after_the_request_leaves_the_verdict_unknown
            what_is_too_large_is_refused_before_anything_is_sent
            verify_tells_a_good_credential_from_silence
            verify_reports_a_refused_credential
            one_access_token_serves_every_concurrent_send
            a_token_endpoint_that_fails_costs_no_token
            a_credential_refused_by_the_token_endpoint_never_costs_a_token
            an_expired_access_token_is_renewed_once_and_the_request_sent_again
        },
    );
}

#[test]
fn a_provider_that_takes_every_token_for_dead_fails() {
    all_fail(
        "dead",
        &cases! {
            every_target_is_sent_once_and_has_one_verdict
            a_token_of_another_app_is_set_aside_and_not_dead
            a_refused_credential_never_costs_a_token
            a_limit_is_obeyed_for_as_long_as_the_vendor_says
            an_outage_passes_and_costs_no_token
            an_answer_nobody_knows_is_kept_word_for_word_and_costs_no_token
            a_body_that_cannot_be_read_costs_no_token
            a_vendor_that_cannot_be_reached_is_unavailable
            a_connection_that_breaks_after_the_request_leaves_the_verdict_unknown
            a_token_endpoint_that_fails_costs_no_token
            verify_tells_a_good_credential_from_silence
        },
    );
}

#[test]
fn a_provider_that_refuses_everything_fails() {
    all_fail(
        "refused",
        &cases! {
            every_target_is_sent_once_and_has_one_verdict
            a_dead_token_is_dead_and_never_tried_again
            a_body_that_cannot_be_read_costs_no_token
            a_refused_payload_is_never_tried_again
        },
    );
}
