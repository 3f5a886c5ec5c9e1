//! Layers of a gateway: their order, and how the pipeline treats what a layer does not pass on.
#[path = "support/mod.rs"]
mod support;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use push_core::{
    AroundProvider, AroundQueue, AroundStore, Batch, Capabilities, CredentialRef, Delivery,
    DynProvider, Layer, Layered, Layers, Provider, Put, Queue, Result, SlotRef, Stage, Store,
    StoredRegistration, Verdict, Verdicts, async_trait,
};
use push_layer_rate_limited::{RateLimited, RateLimitedConfig};
use serde_json::json;

use crate::support::*;

/// Notes each call under its name.
#[derive(Clone, Debug)]
struct Named(&'static str, Arc<Mutex<Vec<String>>>);

impl Named {
    fn note(&self, call: &str) {
        let mut calls = self.1.lock().expect("no test panics while holding it");
        calls.push(format!("{} {call}", self.0));
    }
}

impl Layer for Named {
    fn provider(&self, inner: DynProvider, credential: &CredentialRef) -> DynProvider {
        self.note(&format!("around {}", credential.certificate));
        Arc::new(Layered::new(inner, self.clone()))
    }
    fn store(&self, inner: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(Layered::new(inner, self.clone()))
    }
    fn queue(&self, inner: Arc<dyn Queue>) -> Arc<dyn Queue> {
        Arc::new(Layered::new(inner, self.clone()))
    }
}

#[async_trait]
impl AroundProvider for Named {
    async fn send(&self, inner: &dyn Provider, batch: Batch, verdicts: Verdicts) {
        self.note("send");
        inner.send(batch, verdicts).await;
    }
}

#[async_trait]
impl AroundQueue for Named {
    async fn put(&self, inner: &dyn Queue, deliveries: Vec<Delivery>) -> Result<Vec<Put>> {
        self.note("put");
        inner.put(deliveries).await
    }
}

#[async_trait]
impl AroundStore for Named {
    async fn resolve(
        &self,
        inner: &dyn Store,
        app: &push_core::AppId,
        slots: &[SlotRef],
    ) -> Result<Vec<Option<StoredRegistration>>> {
        self.note("resolve");
        inner.resolve(app, slots).await
    }
}

#[tokio::test]
async fn a_call_passes_the_layers_in_the_order_in_which_they_were_added() {
    let calls = Arc::default();
    let layers = Layers::new()
        .with(Arc::new(Named("first", Arc::clone(&calls))))
        .with(Arc::new(Named("second", Arc::clone(&calls))));
    let world = World::layered(layers, |_| {});
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    let delivery = world.text("alice").await;
    assert_eq!(
        world.settled(delivery).await.as_deref(),
        Some("vendor-accepted")
    );
    let calls = calls.lock().expect("no test panics while holding it");
    let expected = [
        // The innermost layer is put around the provider first.
        "second around 1",
        "first around 1",
        "first put",
        "second put",
        "first resolve",
        "second resolve",
        "first send",
        "second send",
    ];
    let seen: Vec<&str> = calls.iter().map(String::as_str).collect();
    assert_eq!(seen, expected);
}

/// Postpones the first deliveries that it is given, after some that it passes on.
#[derive(Debug)]
struct Postponing {
    passed_on: usize,
    left: Mutex<usize>,
    after: Duration,
    in_flight: Option<usize>,
}

impl Postponing {
    fn layers(left: usize, after: Duration, in_flight: Option<usize>) -> Layers {
        Self::later(0, left, after, in_flight)
    }

    fn later(passed_on: usize, left: usize, after: Duration, in_flight: Option<usize>) -> Layers {
        Layers::new().with(Arc::new(Self {
            passed_on,
            left: Mutex::new(left),
            after,
            in_flight,
        }))
    }
}

impl Layer for Postponing {
    fn provider(&self, inner: DynProvider, _: &CredentialRef) -> DynProvider {
        let mut capabilities = inner.capabilities().clone();
        capabilities.max_in_flight = self.in_flight;
        let left = std::mem::take(&mut *self.left.lock().expect("no test panics"));
        let around = Around {
            passed_on: Mutex::new(self.passed_on),
            left: Mutex::new(left),
            after: self.after,
            capabilities,
        };
        Arc::new(Layered::new(inner, around))
    }
}

#[derive(Debug)]
struct Around {
    passed_on: Mutex<usize>,
    left: Mutex<usize>,
    after: Duration,
    capabilities: Capabilities,
}

#[async_trait]
impl AroundProvider for Around {
    fn capabilities<'a>(&'a self, _: &'a dyn Provider) -> &'a Capabilities {
        &self.capabilities
    }

    async fn send(&self, inner: &dyn Provider, batch: Batch, verdicts: Verdicts) {
        let is_passed_on = {
            let mut left = self.passed_on.lock().expect("no test panics");
            let is_passed_on = *left > 0;
            *left = left.saturating_sub(batch.targets.len());
            is_passed_on
        };
        if is_passed_on {
            return inner.send(batch, verdicts).await;
        }
        let is_postponed = {
            let mut left = self.left.lock().expect("no test panics");
            let is_postponed = *left > 0;
            *left = left.saturating_sub(batch.targets.len());
            is_postponed
        };
        match is_postponed {
            true => verdicts.report_rest(&Verdict::postponed(self.after, "held back")),
            false => inner.send(batch, verdicts).await,
        }
    }
}

#[tokio::test]
async fn a_postponed_delivery_is_sent_after_its_time_and_costs_no_attempt() {
    let world = World::layered(Postponing::layers(1, MINUTE, None), |_| {});
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    let delivery = world.text("alice").await;
    assert_eq!(world.plan.count(), 0);
    world.pass(MINUTE - SECOND).await;
    assert_eq!(world.plan.count(), 0);
    world.pass(2 * SECOND).await;
    assert_eq!(world.plan.count(), 1);
    assert_eq!(
        world.settled(delivery).await.as_deref(),
        Some("vendor-accepted")
    );
    let trace = world.trace(delivery).await;
    let answers = trace.iter().filter(|event| event.stage == Stage::Answered);
    let reasons: Vec<_> = answers
        .map(|event| (event.attempt, event.reason.as_deref().unwrap_or_default()))
        .collect();
    let expected = [(Some(1), "postponed"), (Some(1), "vendor-accepted")];
    assert_eq!(reasons, expected);
}

/// The vendor that did not answer may recognise the batch by its id.
#[tokio::test]
async fn a_batch_that_is_postponed_after_an_unknown_outcome_keeps_its_id() {
    let world = World::layered(Postponing::later(3, 3, MINUTE, None), |_| {});
    let certificate = world.credential(json!({"uniform": true})).await;
    for who in ["a", "b", "c"] {
        world.login(who, certificate).await;
        let unknown = verdict(200, "?", push_core::VerdictKind::Unknown);
        world.plan.script(&format!("{who}-token"), [unknown]);
    }
    let submitted = world.submit(message("x", &["a", "b", "c"])).await;
    world.calm().await;
    assert_eq!(world.plan.count(), 3);
    world.pass(5 * MINUTE).await;
    let seen = world.plan.seen();
    assert_eq!(seen.len(), 6);
    assert!(seen.iter().all(|it| it.batch_id == seen[0].batch_id));
    let trace = world.trace(submitted.deliveries[0].id).await;
    let answers = trace.iter().filter(|event| event.stage == Stage::Answered);
    let attempts: Vec<_> = answers.map(|event| event.attempt).collect();
    assert_eq!(attempts, [Some(1), Some(2), Some(2)]);
}

#[tokio::test]
async fn postponing_says_nothing_about_the_credential_and_holds_its_lane() {
    let world = World::layered(Postponing::layers(100, MINUTE, None), |settings| {
        settings.in_flight = 10;
    });
    let certificate = world.credential(json!({"max_batch": 1})).await;
    let people: Vec<String> = (0..300).map(|number| format!("p{number}")).collect();
    for who in &people {
        world.login(who, certificate).await;
    }
    let names: Vec<&str> = people.iter().map(String::as_str).collect();
    world.submit(message("x", &names)).await;
    world.calm().await;
    assert_eq!(
        world.plan.count(),
        0,
        "the lane waits after the first lease"
    );
    assert_eq!(
        world.status(certificate).await,
        push_gateway::LaneStatus::Open
    );
    world.pass(30 * MINUTE).await;
    assert_eq!(world.plan.count(), 300, "all are sent once");
    assert_eq!(world.depth().await, 0);
}

#[tokio::test]
async fn no_more_is_with_a_provider_than_it_wants_at_a_time() {
    let world = World::layered(Postponing::layers(0, MINUTE, Some(7)), |_| {});
    let certificate = world.credential(json!({"max_batch": 1})).await;
    let people: Vec<String> = (0..40).map(|number| format!("p{number}")).collect();
    for who in &people {
        world.login(who, certificate).await;
    }
    let names: Vec<&str> = people.iter().map(String::as_str).collect();
    world.plan.always(Reply::Silence);
    world.submit(message("x", &names)).await;
    world.calm().await;
    assert_eq!(world.plan.count(), 7);
}

/// A credential of ten deliveries a second.
fn limited(clock: &push_core::ManualClock) -> Layers {
    let mut config = RateLimitedConfig::new(10);
    config.only.app = Some(app());
    config.only.certificate = Some(push_core::CertificateId::new(1).expect("an id"));
    let layer = RateLimited::new(config, Arc::new(clock.clone())).expect("it works");
    Layers::new().with(Arc::new(layer))
}

#[tokio::test]
async fn a_rate_limit_delays_a_credential_and_costs_nothing_else() {
    let world = World::layered_with(limited, |settings| settings.sweep = 600 * MINUTE);
    let slow = world.credential(json!({"max_batch": 1})).await;
    let (name, other) = world.another_plan();
    let fast = world.credential(json!({"plan": name})).await;
    let people: Vec<String> = (0..300).map(|number| format!("p{number}")).collect();
    for who in &people {
        world.login(who, slow).await;
    }
    world.login("other", fast).await;
    let names: Vec<&str> = people.iter().map(String::as_str).collect();
    let submitted = world.submit(message("x", &names)).await;
    world.calm().await;
    assert_eq!(world.plan.count(), 10, "a burst");
    // Another credential does not wait.
    world.text("other").await;
    assert_eq!(other.count(), 1);
    for second in 1..=10 {
        world.pass(SECOND).await;
        let sent = world.plan.count();
        assert!((second * 10..=second * 10 + 10).contains(&sent), "{sent}");
    }
    // A call waits for neither, in a lane of its own.
    let before = world.plan.count();
    let call = message("call", &["p0"]).with_class(push_core::Class::CALL);
    let call = world.submit(call).await.deliveries[0].id;
    world.pass(SECOND).await;
    let end = world.settled(call).await;
    assert_eq!(end.as_deref(), Some("vendor-accepted"), "{before}");
    world.pass(30 * SECOND).await;
    assert_eq!(world.plan.count(), 301);
    assert_eq!(world.depth().await, 0);
    assert_eq!(
        world.status(slow).await,
        push_gateway::LaneStatus::Open,
        "the limit says nothing about the credential"
    );
    for delivery in &submitted.deliveries {
        let trace = world.trace(delivery.id).await;
        let end = trace.last().expect("it has a trace");
        assert_eq!(end.reason.as_deref(), Some("vendor-accepted"));
        let attempts = trace.iter().filter_map(|event| event.attempt);
        assert_eq!(attempts.max(), Some(1), "no attempt is lost");
    }
}
