//! The conformance suite passes a provider that is correct, and fails it for each mistake that its author may make.
use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use push_testkit::{conformance::Vendor, json};

mod access;
mod classify;
mod config;
mod fault;
mod provider;
mod render;
mod vendor;

use self::{
    fault::Fault,
    provider::{Acme, PLUGIN},
    vendor::{coded, granted},
};

/// A statement about a provider.
pub(crate) type Case = fn(&Vendor);

mod in_one_step {
    use super::*;

    vendor::acme_conformance! {}

    pub(crate) fn broken(fault: Fault) -> Vendor {
        reconfigured(provider_conformance::vendor(), fault, false)
    }
}

mod in_two_steps {
    use super::*;

    push_testkit::provider_conformance! {
        plugin: Acme,
        descriptor: PLUGIN,
        config: |endpoint, ca_pem| {
            let mut config = vendor::config(endpoint, ca_pem);
            config["two_steps"] = json!(true);
            config
        },
        wrong_config: [("app_id", ""), ("endpoint", "ftp://push.acme.example")],
        secrets: [vendor::SECRET, vendor::ACCESS],
        token: "acme-token-000000",
        shown: vendor::shown,
        overlay: [json!({ "category": "IM" }), json!({ "android": { "light": false, "led": 3 } })],
        protected_fields: [json!({ "topic": "everyone" })],
        step: ("/v1/save", vendor::saved),
        step_refused: [coded(400, 4003)],
        ok: coded(200, 0),
        unconfirmed: vendor::unconfirmed(),
        partial: vendor::partial,
        token_dead: [coded(200, 4101)],
        credential_refused: [coded(401, 4010)],
        payload_refused: [coded(400, 4003)],
        rate_limited: vendor::limits(),
        unavailable: [coded(503, 5030).header("retry-after", "7")],
        unknown: vendor::unknown,
        auth: ("/oauth", granted()),
        access_lifetime: vendor::HOUR,
        auth_refused: [vendor::auth_refused()],
        access_expired: coded(401, 4011),
        receipt: vendor::receipts,
        receipt_forged: vendor::forged,
    }

    pub(crate) fn broken(fault: Fault) -> Vendor {
        reconfigured(provider_conformance::vendor(), fault, true)
    }

    /// A single target is sent in one step: only a batch of two shows how the provider treats the first of two steps.
    #[test]
    fn the_first_step_is_tried_with_as_many_targets_as_take_it() {
        let case = push_testkit::conformance::cases::a_first_step_that_fails_sends_nothing;
        let from_two = |fault| {
            let vendor = provider_conformance::vendor().config(move |endpoint, ca_pem| {
                let mut config = vendor::config(endpoint, ca_pem);
                config["broken"] = json!(fault);
                config["two_steps"] = json!(true);
                config["single_in_one"] = json!(true);
                config
            });
            vendor.step_from(2)
        };
        let nothing: Option<&str> = None;
        case(&from_two(nothing));
        let broken = from_two(Some("FirstStepUnknown"));
        let failed = catch_unwind(AssertUnwindSafe(|| case(&broken)));
        assert!(failed.is_err(), "a lost first step counts as unknown");
    }
}

/// The correct provider passes with a layer around it, too: one that forwards every call.
mod in_a_layer {
    use std::sync::Arc;

    use push_core::{
        AroundProvider, Batch, BuildContext, CredentialRef, DynProvider, Layer, Layered, Provider,
        Verdicts, async_trait,
    };

    use super::*;

    #[derive(Debug)]
    struct Watching;

    impl Layer for Watching {
        fn provider(&self, inner: DynProvider, _: &CredentialRef) -> DynProvider {
            Arc::new(Layered::new(inner, Self))
        }
    }

    #[async_trait]
    impl AroundProvider for Watching {
        async fn send(&self, inner: &dyn Provider, batch: Batch, verdicts: Verdicts) {
            let seen = AtomicUsize::new(0);
            let verdicts = verdicts.observed(move |verdicts| {
                seen.fetch_add(verdicts.len(), Ordering::SeqCst);
            });
            inner.send(batch, verdicts).await;
        }
    }

    vendor::acme_conformance! {
        layer: |_: &BuildContext| -> Arc<dyn Layer> { Arc::new(Watching) },
    }
}

/// The vendor, with a provider that is broken so.
fn reconfigured(vendor: Vendor, fault: Fault, two_steps: bool) -> Vendor {
    vendor.config(move |endpoint, ca_pem| {
        let mut config = vendor::config(endpoint, ca_pem);
        config["broken"] = json!(format!("{fault:?}"));
        config["two_steps"] = json!(two_steps);
        config
    })
}

/// Each fault makes the case fail that is named beside it, which the correct provider passes above.
#[test]
fn every_fault_is_caught_by_the_case_that_is_about_it() {
    let next = AtomicUsize::new(0);
    let caught = Mutex::new(vec![None; Fault::ALL.len()]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::SeqCst);
                    let Some((fault, .., case)) = Fault::ALL.get(at) else {
                        break;
                    };
                    let vendor = match fault {
                        Fault::FirstStepUnknown => in_two_steps::broken(*fault),
                        _ => in_one_step::broken(*fault),
                    };
                    let outcome = catch_unwind(AssertUnwindSafe(|| case(&vendor)));
                    if let Ok(mut caught) = caught.lock() {
                        caught[at] = outcome.err().map(|panic| words(&*panic));
                    }
                }
            });
        }
    });
    let caught = caught.into_inner().expect("no thread panicked");
    let mut missed = Vec::new();
    for ((fault, what, case, _), caught) in Fault::ALL.iter().zip(caught) {
        match caught {
            Some(words) => println!("{what}\n    caught by {case}:\n    {words}"),
            None => {
                println!("{what}\n    MISSED by {case}");
                missed.push(fault);
            }
        }
    }
    println!("{} faults, {} missed", Fault::ALL.len(), missed.len());
    assert!(missed.is_empty(), "not caught: {missed:?}");
}

/// The beginning of a panic's message.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    let line = text.unwrap_or_default().replace('\n', " ");
    line.chars().take(150).collect()
}

/// What the suite does not know of a vendor, it asks for.
#[test]
fn a_capability_that_is_not_declared_fails_by_its_key() {
    let vendor = Vendor::new::<Acme>(&PLUGIN)
        .config(vendor::config)
        .token("acme-token-000000")
        .shown(vendor::shown)
        .ok(coded(200, 0))
        .auth(("/oauth", granted()));
    let case = push_testkit::conformance::cases::everything_it_can_do_is_declared;
    let failed = catch_unwind(AssertUnwindSafe(|| case(&vendor))).expect_err("keys are missing");
    let words = failed.downcast_ref::<String>().expect("a message");
    for key in [
        "unconfirmed",
        "partial",
        "token_dead",
        "unknown",
        "access_lifetime",
        "auth_refused",
    ] {
        assert!(words.contains(&format!("key `{key}`")), "{key}: {words}");
    }
}
