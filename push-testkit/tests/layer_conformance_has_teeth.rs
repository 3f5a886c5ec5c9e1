//! The suite of layers passes a layer that changes nothing, and fails one for each mistake that its author may make.
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use push_core::{
    AroundProvider, Batch, BatchId, Batching, BuildContext, Capabilities, Collected, CredentialRef,
    DeviceToken, DynProvider, Health, Layer, Layered, Provider, Received, Result, Scope, Slot,
    Verdict, VerdictKind, Verdicts, async_trait,
};
use push_testkit::layer::{cases, check};
use serde_json::{Map, Value};

/// Changes nothing.
#[derive(Debug)]
struct Nothing;

impl Layer for Nothing {
    fn provider(&self, inner: DynProvider, _: &CredentialRef) -> DynProvider {
        Arc::new(Layered::new(inner, Self))
    }
}

impl AroundProvider for Nothing {}

push_testkit::layer_conformance! {
    layer: |_: &BuildContext| -> Arc<dyn Layer> { Arc::new(Nothing) },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    VerdictDropped,
    SentTwice,
    SentAgainAfterRefusal,
    NothingSent,
    CapabilitiesHidden,
    BatchingHidden,
    BatchRaised,
    VerdictsSwapped,
    VerdictsLate,
    VerdictInvented,
    ContentOfFirst,
    BadgeForgotten,
    IdOfPartKept,
    IdOfWholeChanged,
    SentInBackground,
    TokenNotChecked,
    FieldsNotChecked,
    ReceiptsNotRead,
    HealthInvented,
    PostponedAfterSending,
    PostponedWithoutTime,
    TokenInDebug,
    OnlyFirstBuild,
}

type Run = fn(Fault);

/// Each fault, and the case that catches it.
const FAULTS: &[(Fault, &str, Run)] = {
    macro_rules! faults {
        ($($fault:ident => $case:ident;)*) => {
            &[$((Fault::$fault, stringify!($case), |fault| check(|_| Broken::layer(fault), cases::$case)),)*]
        };
    }
    faults! {
        VerdictDropped => each_target_gets_the_verdict_of_the_provider;
        SentTwice => each_target_reaches_the_provider_once_with_its_own_content;
        SentAgainAfterRefusal => each_target_gets_the_verdict_of_the_provider;
        NothingSent => each_target_gets_the_verdict_of_the_provider;
        CapabilitiesHidden => capabilities_are_kept_but_for_sizes;
        BatchingHidden => capabilities_are_kept_but_for_sizes;
        BatchRaised => capabilities_are_kept_but_for_sizes;
        VerdictsSwapped => each_target_gets_the_verdict_of_the_provider;
        VerdictsLate => a_slow_target_delays_no_other_verdict;
        VerdictInvented => each_target_reaches_the_provider_once_with_its_own_content;
        ContentOfFirst => each_target_reaches_the_provider_once_with_its_own_content;
        BadgeForgotten => each_target_reaches_the_provider_once_with_its_own_content;
        IdOfPartKept => each_target_reaches_the_provider_once_with_its_own_content;
        IdOfWholeChanged => each_target_reaches_the_provider_once_with_its_own_content;
        SentInBackground => a_dropped_send_drops_the_inner_one_and_accounts_for_each_target;
        TokenNotChecked => what_is_checked_and_received_is_passed_on;
        FieldsNotChecked => what_is_checked_and_received_is_passed_on;
        ReceiptsNotRead => what_is_checked_and_received_is_passed_on;
        HealthInvented => what_the_vendor_says_of_a_credential_is_passed_on;
        PostponedAfterSending => many_sends_at_once_are_all_answered;
        PostponedWithoutTime => each_target_reaches_the_provider_once_with_its_own_content;
        TokenInDebug => no_token_or_text_is_in_debug;
        OnlyFirstBuild => a_rotated_credential_gets_the_layer_again;
    }
};

/// A layer with one fault.
#[derive(Debug)]
struct Broken {
    fault: Fault,
    capabilities: Option<Capabilities>,
    inner: Option<DynProvider>,
    seen: std::sync::Mutex<Vec<String>>,
    builds: std::sync::atomic::AtomicUsize,
}

impl Broken {
    fn layer(fault: Fault) -> Arc<dyn Layer> {
        Arc::new(Self::new(fault))
    }

    fn new(fault: Fault) -> Self {
        Self {
            fault,
            capabilities: None,
            inner: None,
            seen: std::sync::Mutex::default(),
            builds: std::sync::atomic::AtomicUsize::new(0),
        }
    }
}

impl Layer for Broken {
    fn provider(&self, inner: DynProvider, _: &CredentialRef) -> DynProvider {
        let build = self
            .builds
            .fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let mut capabilities = inner.capabilities().clone();
        match self.fault {
            Fault::CapabilitiesHidden => {
                capabilities = Capabilities::new(capabilities.channel, capabilities.max_payload);
            }
            Fault::BatchingHidden => capabilities.batching = Batching::Uniform,
            Fault::BatchRaised => capabilities.max_batch += 1,
            Fault::OnlyFirstBuild if build > 0 => capabilities.needs_title = false,
            _ => {}
        }
        let around = Self {
            capabilities: Some(capabilities),
            inner: Some(Arc::clone(&inner)),
            ..Self::new(self.fault)
        };
        Arc::new(Layered::new(inner, around))
    }
}

#[async_trait]
impl AroundProvider for Broken {
    fn capabilities<'a>(&'a self, inner: &'a dyn Provider) -> &'a Capabilities {
        self.capabilities
            .as_ref()
            .unwrap_or_else(|| inner.capabilities())
    }

    async fn send(&self, inner: &dyn Provider, mut batch: Batch, verdicts: Verdicts) {
        let targets = batch.targets.len();
        let postponed = |after| Verdict::postponed(after, "held back");
        match self.fault {
            Fault::VerdictDropped => {
                let collected = collected(inner, batch).await;
                for (position, verdict) in collected.verdicts().into_iter().skip(1) {
                    verdicts.report(position, verdict);
                }
            }
            Fault::SentTwice => {
                collected(inner, batch.clone()).await;
                inner.send(batch, verdicts).await;
            }
            Fault::SentAgainAfterRefusal => {
                let first = collected(inner, batch.clone()).await;
                match first
                    .verdicts()
                    .iter()
                    .all(|(_, verdict)| verdict.kind == VerdictKind::Accepted)
                {
                    true => verdicts.report_many(first.verdicts()),
                    false => inner.send(batch, verdicts).await,
                }
            }
            Fault::NothingSent => verdicts.report_rest(&Verdict::unavailable("nothing was sent")),
            Fault::VerdictsSwapped => {
                let collected = collected(inner, batch).await;
                for (position, verdict) in collected.verdicts() {
                    verdicts.report(targets - 1 - position, verdict);
                }
            }
            Fault::VerdictsLate => {
                let collected = collected(inner, batch).await;
                verdicts.report_many(collected.verdicts());
            }
            Fault::VerdictInvented => {
                batch.targets.truncate(1);
                batch.id = BatchId::new(push_testkit::sample::NOW);
                let limited = VerdictKind::RateLimited(Scope::Credential);
                let limited = Verdict::new(limited, push_core::VendorAnswer::default());
                verdicts.report_many((1..targets).map(|position| (position, limited.clone())));
                inner.send(batch, verdicts).await;
            }
            Fault::ContentOfFirst => {
                let first = batch.content().cloned();
                for target in &mut batch.targets {
                    target.content = first.clone().expect("there is one");
                }
                inner.send(batch, verdicts).await;
            }
            Fault::BadgeForgotten => {
                for target in &mut batch.targets {
                    target.badge = push_core::Badge::Leave;
                }
                inner.send(batch, verdicts).await;
            }
            Fault::IdOfPartKept => {
                batch.targets.truncate(1);
                let held = postponed(Duration::from_secs(1));
                verdicts.report_many((1..targets).map(|position| (position, held.clone())));
                inner.send(batch, verdicts).await;
            }
            Fault::IdOfWholeChanged => {
                batch.id = BatchId::new(push_testkit::sample::NOW);
                inner.send(batch, verdicts).await;
            }
            Fault::SentInBackground => {
                let inner = self.inner.clone().expect("it is around one");
                let task = tokio::spawn(async move { inner.send(batch, verdicts).await });
                drop(task.await);
            }
            Fault::PostponedAfterSending => {
                collected(inner, batch).await;
                verdicts.report_rest(&postponed(Duration::from_secs(1)));
            }
            Fault::PostponedWithoutTime => verdicts.report_rest(&postponed(Duration::ZERO)),
            Fault::TokenInDebug => {
                let tokens = batch.targets.iter().map(|it| it.token.expose().to_owned());
                self.seen.lock().expect("no test panics").extend(tokens);
                inner.send(batch, verdicts).await;
            }
            _ => inner.send(batch, verdicts).await,
        }
    }

    async fn verify(&self, inner: &dyn Provider) -> Result<Health> {
        match self.fault {
            Fault::HealthInvented => Ok(Health::accepted("as always")),
            _ => inner.verify().await,
        }
    }

    fn check_token(
        &self,
        inner: &dyn Provider,
        slot: Slot,
        token: &DeviceToken,
    ) -> Result<DeviceToken> {
        match self.fault {
            Fault::TokenNotChecked => Ok(token.clone()),
            _ => inner.check_token(slot, token),
        }
    }

    fn check_fields(&self, inner: &dyn Provider, fields: &Map<String, Value>) -> Result<()> {
        match self.fault {
            Fault::FieldsNotChecked => Ok(()),
            _ => inner.check_fields(fields),
        }
    }

    fn receive(&self, inner: &dyn Provider, request: &http::Request<Bytes>) -> Result<Received> {
        match self.fault {
            Fault::ReceiptsNotRead => Err(push_core::Error::new(
                push_core::ErrorKind::Unsupported,
                "no receipts",
            )),
            _ => inner.receive(request),
        }
    }
}

/// Sends `batch` and waits for every verdict.
async fn collected(inner: &dyn Provider, batch: Batch) -> Arc<Collected> {
    let collected = Collected::new();
    let sink: Arc<Collected> = Arc::clone(&collected);
    let verdicts = Verdicts::new(batch.targets.len(), sink);
    inner.send(batch, verdicts).await;
    collected
}

#[test]
fn every_fault_of_a_layer_is_caught_by_the_case_that_is_about_it() {
    let missed: Vec<_> = FAULTS
        .iter()
        .filter(|(fault, case, run)| {
            let outcome = catch_unwind(AssertUnwindSafe(|| run(*fault)));
            println!(
                "{fault:?}: {} by {case}",
                if outcome.is_ok() { "MISSED" } else { "caught" }
            );
            outcome.is_ok()
        })
        .map(|(fault, case, _)| (fault, case))
        .collect();
    assert!(missed.is_empty(), "not caught: {missed:?}");
}
