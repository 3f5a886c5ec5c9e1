//! The provider against the simulated Honor, and the simulator against requests that Honor refuses.
use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;
use push_core::{
    Acceptance, Batch, BuildContext, Clock, DynProvider, Late, ManualClock, Notification,
    NotificationKind, RawConfig, Scope, VerdictKind,
};
use push_http::{Client, HttpConfig};
use push_provider_honor::{
    PLUGIN,
    simulator::{Options, Phone, Simulator},
};
use push_testkit::{
    HttpServer, Reply, ServerOptions, block_on, json, sample,
    serde_json::{self, Value},
    simulator::{self, Install, Order, simulators},
};

mod faults;
mod receipts;
mod strict;

struct World {
    clock: Arc<ManualClock>,
    simulator: Simulator,
    provider: DynProvider,
}

async fn world() -> World {
    with(Options::default(), &json!({})).await
}

/// A simulator, and a provider whose configuration is the simulator's with these keys over it.
async fn with(options: Options, keys: &Value) -> World {
    let clock = Arc::new(sample::clock());
    let options = options.with_clock(Arc::<ManualClock>::clone(&clock));
    let simulator = Simulator::start(options).await.expect("a free port");
    let mut config = simulator.config();
    for (key, value) in keys.as_object().expect("an object") {
        config[key] = value.clone();
    }
    let config = RawConfig::from_json(&config).expect("a configuration");
    let provider = PLUGIN.build(
        config,
        &BuildContext::new(Arc::<ManualClock>::clone(&clock)),
    );
    World {
        clock,
        simulator,
        provider: provider.expect("the simulator takes it"),
    }
}

impl World {
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::<ManualClock>::clone(&self.clock)
    }

    async fn send(&self, batch: Batch) -> Vec<VerdictKind> {
        let verdicts = sample::send(&self.provider, batch).await;
        verdicts.into_iter().map(|verdict| verdict.kind).collect()
    }

    async fn send_to(&self, phone: &Phone) -> VerdictKind {
        sample::send_one(&self.provider, phone.token()).await.kind
    }
}

#[test]
fn a_click_opens_the_chat_with_the_click_data_and_the_badge_is_set() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let mut batch = sample::batch(sample::notification(), [phone.token()]);
        batch.targets[0].receiver = Some(sample::user("bob"));
        let delivery = batch.targets[0].delivery.to_string();
        assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
        let arrivals = phone.arrivals();
        assert_eq!(arrivals.len(), 1);
        assert_eq!(arrivals[0].text("title"), sample::TITLE);
        assert_eq!(arrivals[0].text("body"), sample::BODY);
        assert_eq!(arrivals[0].text("importance"), "NORMAL");
        assert_eq!(arrivals[0].extra("ext"), Some(sample::EXT));
        assert_eq!(arrivals[0].extra("receiver"), Some("bob"));
        assert_eq!(arrivals[0].extra("delivery"), Some(delivery.as_str()));
        assert_eq!(phone.badge(), 3);
    });
}

#[test]
fn without_an_intent_the_click_data_arrive_with_the_launch_of_the_app() {
    block_on(async {
        let keys = json!({ "intent": "", "badge_class": "", "importance": "LOW" });
        let world = with(Options::default(), &keys).await;
        let phone = world.simulator.install();
        assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
        let arrivals = phone.arrivals();
        assert_eq!(arrivals[0].extra("ext"), Some(sample::EXT));
        assert_eq!(arrivals[0].text("importance"), "LOW");
        assert_eq!(phone.badge(), 0);
    });
}

#[test]
fn the_click_is_encoded_as_on_record() {
    let vectors: Value =
        serde_json::from_str(include_str!("../fixtures/vectors.json")).expect("JSON");
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let other = world.simulator.install();
        for case in vectors["intents"].as_array().expect("an array") {
            let mut notification = sample::notification();
            notification.ext = case["ext"].as_str().expect("text").to_owned();
            // For two phones, so that the intent has no delivery's id.
            let batch = sample::batch(notification, [phone.token(), other.token()]);
            world.send(batch).await;
            let sent = world
                .simulator
                .log()
                .requests()
                .pop()
                .expect("a request")
                .json();
            let intent = &sent["android"]["notification"]["clickAction"]["intent"];
            assert_eq!(*intent, case["intent"]);
        }
    });
}

#[test]
fn a_background_push_reaches_the_app_and_shows_nothing() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let notification = Notification::default()
            .with_kind(NotificationKind::Background)
            .with_ext(sample::EXT)
            .with_vendor(marketing());
        let batch = sample::batch(notification, [phone.token()]);
        assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
        assert_eq!(phone.arrivals()[0].extra("ext"), Some(sample::EXT));
        assert!(phone.screen().is_empty());
    });
}

/// The vendor fields of a class policy for marketing.
fn marketing() -> serde_json::Map<String, Value> {
    let fields = json!({ "notification": { "importance": "LOW" } });
    serde_json::from_value(fields).expect("an object")
}

#[test]
fn a_picture_is_sent_with_communication_and_left_out_of_marketing() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let image = "https://img.example/1.png";
        let mut unset = marketing();
        unset["notification"]["importance"] = Value::Null;
        let none = serde_json::Map::new();
        for (vendor, shown) in [(none, image), (marketing(), ""), (unset, "")] {
            let notification = sample::notification().with_image(image).with_vendor(vendor);
            let batch = sample::batch(notification, [phone.token()]);
            assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
            let arrived = phone.arrivals().pop().expect("it arrived");
            assert_eq!(arrived.text("image"), shown);
        }
    });
}

#[test]
fn each_target_of_a_batch_gets_its_own_verdict() {
    block_on(async {
        let world = world().await;
        let phones: [Phone; 3] = std::array::from_fn(|_| world.simulator.install());
        phones[1].uninstall();
        phones[2].set_failing(true);
        let tokens = phones.iter().map(Phone::token);
        let batch = sample::batch(sample::notification(), tokens);
        let kinds = world.send(batch).await;
        let dead = VerdictKind::TokenDead { since: None };
        let failed = VerdictKind::Unavailable(Scope::Token);
        assert_eq!(kinds, [VerdictKind::Accepted, dead, failed]);
        assert_eq!(world.simulator.counters().requests, 1);
        assert_eq!(world.simulator.counters().accepted, 1);
    });
}

#[test]
fn a_later_notification_replaces_one_with_the_same_key() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        for (key, title) in [("a", "one"), ("b", "two"), ("a", "three")] {
            let mut notification = sample::notification();
            notification.collapse = key.to_owned();
            notification.title = title.to_owned();
            world
                .send(sample::batch(notification, [phone.token()]))
                .await;
        }
        let screen = phone.screen();
        let titles: Vec<_> = screen.iter().map(|shown| shown.text("title")).collect();
        assert_eq!(titles, ["two", "three"]);
    });
}

#[test]
fn what_expires_while_the_phone_is_off_does_not_arrive() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        phone.set_power(false);
        for (key, seconds) in [("short", 60), ("long", 600)] {
            let mut notification = sample::notification();
            notification.collapse = key.to_owned();
            notification.title = key.to_owned();
            notification.expires_at = Some(sample::NOW + Duration::from_secs(seconds));
            world
                .send(sample::batch(notification, [phone.token()]))
                .await;
        }
        world.clock.advance(Duration::from_secs(61));
        phone.set_power(true);
        let arrivals = phone.arrivals();
        let titles: Vec<_> = arrivals
            .iter()
            .map(|arrival| arrival.text("title"))
            .collect();
        assert_eq!(titles, ["long"]);
    });
}

#[test]
fn an_access_token_that_honor_no_longer_accepts_is_renewed_once() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
        // A 403 without a code that is known: its form is not documented.
        let foreign = Reply::new(403).json(json!({ "error": "accesstoken invalid" }));
        world.simulator.faults().next(foreign);
        assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
        assert_eq!(world.simulator.counters().granted, 2);
        world.clock.advance(Duration::from_secs(3601));
        assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
        assert_eq!(world.simulator.counters().granted, 3);
    });
}

#[test]
fn a_wrong_app_id_refuses_the_credential_and_verify_says_so() {
    block_on(async {
        let world = with(Options::default(), &json!({ "app_id": "1" })).await;
        let phone = world.simulator.install();
        assert_eq!(world.send_to(&phone).await, VerdictKind::CredentialRefused);
        let health = world.provider.verify().await.expect("an answer");
        assert_eq!(health.acceptance, Acceptance::Refused, "{health:?}");
        let good = self::world().await;
        let health = good.provider.verify().await.expect("an answer");
        assert_eq!(health.acceptance, Acceptance::Accepted, "{health:?}");
    });
}

#[test]
fn a_missing_timestamp_is_refused_unless_the_simulator_does_not_ask_for_it() {
    block_on(async {
        let without = json!({ "send_timestamp": false });
        for (options, kind) in [
            (Options::default(), VerdictKind::PayloadRefused),
            (
                Options::default().with_optional_timestamp(),
                VerdictKind::Accepted,
            ),
        ] {
            let world = with(options, &without).await;
            let phone = world.simulator.install();
            assert_eq!(world.send_to(&phone).await, kind);
        }
    });
}

/// As `offline-push simulate honor` does.
#[test]
fn it_runs_under_the_control_of_the_command_line() {
    block_on(async {
        let known = simulators();
        let honor = known.iter().find(|simulator| simulator.name == "honor");
        let honor = honor.expect("the simulator is registered");
        let running = (honor.start)(simulator::Options::default());
        let running = running.await.expect("a free port");
        let config = RawConfig::from_json(&running.credentials()[0].config).expect("an object");
        let clock: Arc<dyn Clock> = Arc::new(sample::clock());
        let provider = PLUGIN.build(config, &BuildContext::new(clock));
        let provider = provider.expect("its credential is a configuration");
        let phone = running.install(&Install::default()).expect("a phone");
        let (_, token) = phone.tokens().remove(0);
        let order = json!({ "code": "40", "phone": 1, "times": 1 });
        let order: Order = serde_json::from_value(order).expect("an order");
        running
            .script(&order, std::slice::from_ref(&token))
            .expect("an answer of Honor");
        let mut kinds = Vec::new();
        for _ in 0..2 {
            kinds.push(sample::send_one(&provider, &token).await.kind);
        }
        phone.uninstall();
        kinds.push(sample::send_one(&provider, &token).await.kind);
        let dead = VerdictKind::TokenDead { since: None };
        assert_eq!(
            kinds,
            [VerdictKind::TargetRefused, VerdictKind::Accepted, dead]
        );
        assert_eq!(phone.inbox().arrived(), 1);
        let counters = running.counters();
        assert_eq!(counters["requests"], 3);
        assert_eq!(counters["granted"], 1);
    });
}
