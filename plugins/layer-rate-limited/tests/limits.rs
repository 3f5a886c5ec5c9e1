//! What the layer lets through, and when.
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use proptest::prelude::*;
use push_core::{
    AppId, Batch, BatchId, Batching, BuildContext, Capabilities, CertificateId, Channel, Class,
    Clock as _, Collected, Content, ContentId, CredentialRef, DeliveryId, DeviceToken, DynProvider,
    Environment, ErrorKind, Health, Layer, LayerKind, ManualClock, MessageId, Notification, Plugin,
    Provider, RawConfig, Result, Retry, Slot, Target, Timestamp, VendorAnswer, Verdict,
    VerdictKind, Verdicts, async_trait,
};
use push_layer_rate_limited::{PLUGIN, RateLimited, RateLimitedConfig, RateLimitedPlugin};
use push_testkit::{RandomCases, block_on, sample, until_idle};
use serde_json::json;
use tokio::task::JoinHandle;

const SECOND: Duration = Duration::from_secs(1);

/// Notes when each delivery came, and accepts it.
#[derive(Debug)]
struct Vendor {
    capabilities: Capabilities,
    clock: ManualClock,
    seen: Mutex<Vec<(Timestamp, Class, DeliveryId)>>,
    batches: Mutex<Vec<BatchId>>,
}

#[async_trait]
impl Provider for Vendor {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }
    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        let now = self.clock.now();
        self.batches
            .lock()
            .expect("the fixture works")
            .push(batch.id);
        let mut seen = self.seen.lock().expect("the fixture works");
        for target in &batch.targets {
            seen.push((now, target.content.class.clone(), target.delivery));
        }
        drop(seen);
        verdicts.report_rest(&Verdict::accepted(VendorAnswer::new(200, "")));
    }
    async fn verify(&self) -> Result<Health> {
        Ok(Health::accepted("a test"))
    }
}

struct World {
    clock: ManualClock,
    vendor: Arc<Vendor>,
    layer: RateLimited,
    limited: DynProvider,
}

fn credential(id: i64) -> CredentialRef {
    CredentialRef::new(
        AppId::new("app").expect("the fixture works"),
        CertificateId::new(id).expect("the fixture works"),
    )
}

impl World {
    fn new(config: RateLimitedConfig) -> Self {
        let clock = sample::clock();
        let capabilities =
            Capabilities::new(Channel::known("sample"), 4096).with_batch(1000, Batching::Mixed);
        let vendor = Arc::new(Vendor {
            capabilities,
            clock: clock.clone(),
            seen: Mutex::default(),
            batches: Mutex::default(),
        });
        let layer = RateLimited::new(config, Arc::new(clock.clone())).expect("it works");
        let inner: DynProvider = Arc::clone(&vendor) as _;
        let limited = layer.provider(inner, &credential(1));
        Self {
            clock,
            vendor,
            layer,
            limited,
        }
    }

    fn batch(&self, class: &Class, targets: usize) -> Batch {
        let content = Arc::new(Content::new(
            ContentId::new(sample::NOW),
            AppId::new("app").expect("the fixture works"),
            MessageId::new("message").expect("the fixture works"),
            class.clone(),
            Notification::default(),
        ));
        let target = |number| {
            let token = DeviceToken::new(format!("token-{number}")).expect("the fixture works");
            Target::new(DeliveryId::new(sample::NOW), token, Arc::clone(&content))
        };
        Batch::new(
            BatchId::new(sample::NOW),
            Environment::Production,
            Slot::Alert,
            (0..targets).map(target).collect(),
        )
    }

    /// Begins to send, and lets happen what happens at once.
    async fn begin(&self, class: &Class, targets: usize) -> Sending {
        let batch = self.batch(class, targets);
        self.begin_batch(batch).await
    }

    async fn begin_batch(&self, batch: Batch) -> Sending {
        let collected = Collected::new();
        let sink: Arc<Collected> = Arc::clone(&collected);
        let verdicts = Verdicts::new(batch.targets.len(), sink);
        let provider = Arc::clone(&self.limited);
        let task = tokio::spawn(async move { provider.send(batch, verdicts).await });
        until_idle().await;
        Sending { task, collected }
    }

    async fn pass(&self, time: Duration) {
        let step = Duration::from_millis(10);
        let end = self.clock.now() + time;
        while self.clock.now() < end {
            self.clock.advance(step);
            until_idle().await;
        }
    }

    fn seen(&self) -> Vec<(Timestamp, Class, DeliveryId)> {
        self.vendor.seen.lock().expect("the fixture works").clone()
    }

    fn count(&self) -> usize {
        self.seen().len()
    }
}

struct Sending {
    task: JoinHandle<()>,
    collected: Arc<Collected>,
}

impl Sending {
    fn kinds(&self) -> Vec<VerdictKind> {
        let verdicts = self.collected.verdicts();
        verdicts.into_iter().map(|(_, it)| it.kind).collect()
    }

    /// After how long the first target comes back, if it was postponed.
    fn after(&self) -> Option<Duration> {
        let verdict = self.collected.get(0)?;
        match (verdict.kind, verdict.retry) {
            (VerdictKind::Postponed, Retry::After(after)) => Some(after),
            _ => None,
        }
    }
}

fn config(per_second: u32, burst: u32) -> RateLimitedConfig {
    let mut config = RateLimitedConfig::new(per_second);
    config.burst = Some(burst);
    config
}

#[test]
fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
    block_on(async {
        let world = World::new(config(10, 5));
        let mut sendings = Vec::new();
        for _ in 0..20 {
            sendings.push(world.begin(&Class::CHAT, 1).await);
        }
        assert_eq!(world.count(), 5);
        world.pass(Duration::from_millis(90)).await;
        assert_eq!(world.count(), 5);
        world.pass(Duration::from_millis(10)).await;
        assert_eq!(world.count(), 6);
        world.pass(Duration::from_millis(1400)).await;
        assert_eq!(world.count(), 20);
        for sending in sendings {
            assert_eq!(sending.kinds(), [VerdictKind::Accepted]);
        }
        // After a pause a burst goes at once again, and no more than that.
        world.pass(60 * SECOND).await;
        for _ in 0..7 {
            world.begin(&Class::CHAT, 1).await;
        }
        assert_eq!(world.count(), 25);
    });
}

#[test]
fn what_would_wait_too_long_is_postponed_at_once() {
    block_on(async {
        let world = World::new(config(10, 10));
        let mut waiting = Vec::new();
        for _ in 0..60 {
            waiting.push(world.begin(&Class::CHAT, 1).await);
        }
        // Ten went at once, fifty fill the five seconds.
        let late = world.begin(&Class::CHAT, 1).await;
        assert!(late.task.is_finished());
        let after = late.after().expect("it is postponed");
        assert!(after >= 2 * SECOND && after <= 5 * SECOND, "{after:?}");
        world.pass(5 * SECOND).await;
        assert_eq!(world.count(), 60);
        assert!(
            waiting
                .iter()
                .all(|it| it.kinds() == [VerdictKind::Accepted])
        );
    });
}

#[test]
fn a_call_does_not_wait_for_the_marketing_before_it() {
    block_on(async {
        let world = World::new(config(10, 1));
        for _ in 0..40 {
            world.begin(&Class::MARKETING, 1).await;
        }
        world.pass(SECOND).await;
        let sent = world.count();
        let call = world.begin(&Class::CALL, 1).await;
        world.pass(Duration::from_millis(100)).await;
        assert_eq!(call.kinds(), [VerdictKind::Accepted]);
        assert_eq!(world.count(), sent + 1, "the next one is the call");
    });
}

#[test]
fn classes_that_wait_get_their_shares_and_none_starves() {
    block_on(async {
        let mut rules = config(10, 1);
        rules.shares = [(Class::CALL, 8)].into();
        let world = World::new(rules);
        // Both are busy all the time.
        for _ in 0..200 {
            for class in [Class::MARKETING, Class::CALL] {
                world.begin(&class, 1).await;
            }
            world.pass(Duration::from_millis(100)).await;
        }
        let seen = world.seen();
        let calls = seen.iter().filter(|(_, class, _)| *class == Class::CALL);
        let (calls, all) = (calls.count(), seen.len());
        let marketing = all - calls;
        assert!((190..=202).contains(&all), "{all}");
        assert!(
            marketing * 7 <= calls && calls <= marketing * 9,
            "{calls} of {all}"
        );
    });
}

#[test]
fn each_credential_has_a_limit_that_outlasts_a_rotation() {
    block_on(async {
        let mut world = World::new(config(1, 1));
        world.begin(&Class::CHAT, 1).await;
        assert_eq!(world.count(), 1);
        let inner: DynProvider = Arc::clone(&world.vendor) as _;
        world.limited = world.layer.provider(Arc::clone(&inner), &credential(1));
        world.begin(&Class::CHAT, 1).await;
        assert_eq!(world.count(), 1, "the rotated credential has no new quota");
        world.limited = world.layer.provider(inner, &credential(2));
        world.begin(&Class::CHAT, 1).await;
        assert_eq!(world.count(), 2, "another credential does not wait");
    });
}

#[test]
fn only_the_selected_credentials_are_limited() {
    let mut rules = config(1, 1);
    rules.only.channels = vec![Channel::known("other")];
    let world = World::new(rules);
    assert!(format!("{:?}", world.limited).starts_with("Vendor"));
}

#[test]
fn a_batch_is_never_larger_than_what_goes_at_once() {
    block_on(async {
        let world = World::new(config(100, 30));
        let capabilities = world.limited.capabilities();
        assert_eq!(capabilities.max_batch, 30);
        assert_eq!(capabilities.max_in_flight, Some(125));
        let whole = world.batch(&Class::CHAT, 30);
        let id = whole.id;
        world.begin_batch(whole).await;
        assert_eq!(world.count(), 30);
        // A larger one is cut, under another id, and the rest postponed.
        world.pass(SECOND).await;
        let larger = world.batch(&Class::CHAT, 40);
        let id_of_larger = larger.id;
        let sending = world.begin_batch(larger).await;
        let kinds = sending.kinds();
        let postponed = kinds.iter().filter(|it| **it == VerdictKind::Postponed);
        assert_eq!((postponed.count(), world.count()), (10, 60));
        let ids = world
            .vendor
            .batches
            .lock()
            .expect("the fixture works")
            .clone();
        assert_eq!(ids.len(), 2);
        assert_eq!(ids[0], id);
        assert_ne!(ids[1], id_of_larger);
    });
}

#[test]
fn a_wait_that_is_dropped_is_postponed_and_uses_no_quota() {
    block_on(async {
        let world = World::new(config(1, 1));
        world.begin(&Class::CHAT, 1).await;
        let dropped = world.begin(&Class::CHAT, 1).await;
        let next = world.begin(&Class::CHAT, 1).await;
        dropped.task.abort();
        until_idle().await;
        assert_eq!(dropped.kinds(), [VerdictKind::Postponed]);
        world.pass(SECOND).await;
        assert_eq!(next.kinds(), [VerdictKind::Accepted], "it is next at once");
    });
}

#[test]
fn a_clock_that_is_set_back_neither_stops_nor_opens_the_limit() {
    block_on(async {
        let world = World::new(config(10, 1));
        for _ in 0..10 {
            world.begin(&Class::CHAT, 1).await;
        }
        world.clock.jump_to(sample::NOW - 3600 * SECOND);
        world.pass(2 * SECOND).await;
        assert_eq!(world.count(), 10);
        world.clock.jump_to(sample::NOW + 3600 * SECOND);
        for _ in 0..10 {
            world.begin(&Class::CHAT, 1).await;
        }
        assert_eq!(world.count(), 11, "a burst at most");
    });
}

/// One step of a random history: some milliseconds pass, and then a batch of a class comes.
type Step = (u64, usize, usize);

fn steps() -> impl Strategy<Value = (u32, u32, Vec<Step>)> {
    let step = (0..400_u64, 0..3_usize, 1..6_usize);
    (1..60_u32, 1..40_u32, proptest::collection::vec(step, 1..60))
}

/// In no period is more sent than the rate and a burst; each delivery arrives or is postponed, and comes back until it arrives;
/// and within a class none overtakes another that was not postponed.
#[test]
fn the_limit_holds_in_every_window_and_every_delivery_arrives() {
    let classes = [Class::CALL, Class::CHAT, Class::MARKETING];
    let cases = ProptestConfig {
        cases: 60,
        ..ProptestConfig::default()
    };
    let checked =
        RandomCases::new("rate_limit", cases).check(&steps(), |(per_second, burst, steps)| {
            block_on(async {
                let world = World::new(config(per_second, burst));
                let most = world.limited.capabilities().max_batch;
                let mut open: Vec<(Timestamp, Batch)> = Vec::new();
                let mut order: Vec<DeliveryId> = Vec::new();
                let mut sendings: Vec<(Batch, Sending)> = Vec::new();
                let mut returned: Vec<DeliveryId> = Vec::new();
                let mut steps = steps.into_iter();
                let limit = world.clock.now() + 3600 * SECOND;
                loop {
                    match steps.next() {
                        Some((millis, class, targets)) => {
                            world.clock.advance(Duration::from_millis(millis));
                            until_idle().await;
                            let batch = world.batch(&classes[class], targets.min(most));
                            order.extend(batch.targets.iter().map(|it| it.delivery));
                            open.push((world.clock.now(), batch));
                        }
                        None => {
                            world.clock.advance(Duration::from_millis(100));
                            until_idle().await;
                        }
                    }
                    let now = world.clock.now();
                    let (due, later) = open.into_iter().partition(|(at, _)| *at <= now);
                    open = later;
                    let due: Vec<(Timestamp, Batch)> = due;
                    for (_, batch) in due {
                        let sending = world.begin_batch(batch.clone()).await;
                        sendings.push((batch, sending));
                    }
                    let (done, left) = sendings
                        .into_iter()
                        .partition(|(_, sending)| sending.task.is_finished());
                    sendings = left;
                    let done: Vec<(Batch, Sending)> = done;
                    for (batch, sending) in done {
                        if let Some(after) = sending.after() {
                            prop_assert!(after >= Duration::from_millis(100));
                            returned.extend(batch.targets.iter().map(|it| it.delivery));
                            open.push((now + after, batch));
                        }
                    }
                    if steps.len() == 0 && open.is_empty() && sendings.is_empty() {
                        break;
                    }
                    prop_assert!(now < limit, "some never arrive");
                }
                let seen = world.seen();
                prop_assert_eq!(seen.len(), order.len(), "each arrives once");
                for (at, (begin, ..)) in seen.iter().enumerate() {
                    for (count, (end, ..)) in seen[at..].iter().enumerate() {
                        let millis = end.since(*begin).as_millis() as u64;
                        let allowed = u64::from(burst) * 1000 + millis * u64::from(per_second);
                        prop_assert!((count as u64 + 1) * 1000 <= allowed, "in {millis} ms");
                    }
                }
                for class in &classes {
                    let places = seen
                        .iter()
                        .filter(|(_, of, delivery)| of == class && !returned.contains(delivery))
                        .map(|(.., delivery)| order.iter().position(|it| it == delivery));
                    let places: Vec<_> = places.collect();
                    prop_assert!(places.is_sorted(), "{class:?}: {places:?}");
                }
                Ok(())
            })
        });
    checked.unwrap_or_else(|failed| panic!("{failed}"));
}

#[test]
fn the_example_is_complete_and_mistakes_are_named() {
    let context = BuildContext::new(Arc::new(sample::clock()));
    let build = |value: serde_json::Value| {
        PLUGIN.build(RawConfig::from_json(&value).expect("a table"), &context)
    };
    assert_eq!(PLUGIN.name, RateLimitedPlugin::NAME);
    let _: <LayerKind as push_core::Kind>::Object =
        build(json!({"per_second": 5})).expect("all else has a default");
    for (wrong, places) in [
        (json!({}), &["per_second"][..]),
        (
            json!({"per_second": 0, "burst": 0, "max_wait": "500ms", "shares": {"call": 0}}),
            &["per_second", "burst", "max_wait", "shares.call"],
        ),
        (
            json!({"per_second": 5, "only": {"certificate": 3}}),
            &["only.certificate"],
        ),
        (json!({"per_second": 5, "rate": 1}), &["rate"]),
    ] {
        let error = build(wrong.clone()).expect_err("it is wrong");
        assert_eq!(error.kind(), ErrorKind::Config);
        let text = error.to_string();
        for place in places {
            assert!(text.contains(place), "{place} in: {text}");
        }
    }
}
