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
    let vectors: Value = serde_json::from_str(include_str!("fixtures/vectors.json")).expect("JSON");
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

#[test]
fn receipts_name_the_delivery_and_an_intent_that_opens_nothing() {
    block_on(async {
        let elsewhere = "intent://elsewhere#Intent;scheme=push;end";
        for (intent, shown) in [
            ("intent://im/chat#Intent;scheme=push;end", true),
            (elsewhere, false),
        ] {
            let world = with(Options::default(), &json!({ "intent": intent })).await;
            let phone = world.simulator.install();
            let batch = sample::batch(sample::notification(), [phone.token()]);
            let delivery = batch.targets[0].delivery;
            assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
            assert_eq!(phone.arrivals().len(), usize::from(shown));
            let request = posted(&world).await;
            let received = world.provider.receive(&request).expect("it is read");
            assert_eq!(received.receipts.len(), 1);
            let receipt = &received.receipts[0];
            assert_eq!(receipt.tag, delivery);
            assert_eq!(
                receipt.token.as_ref().map(|token| token.expose()),
                Some(phone.token())
            );
            match &receipt.what {
                Late::Delivered => assert!(shown),
                Late::Verdict(verdict) => {
                    assert!(!shown);
                    assert_eq!(verdict.kind, VerdictKind::PayloadRefused);
                    assert_eq!(verdict.answer.code, "40000015");
                }
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn a_phone_that_is_off_owes_its_receipt_when_it_is_on_again() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        phone.set_power(false);
        let batch = sample::batch(sample::notification(), [phone.token()]);
        let delivery = batch.targets[0].delivery;
        assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
        let client = Client::new(HttpConfig::default(), world.clock()).expect("a client");
        // Nothing is due, so no request is made.
        let nowhere = "http://127.0.0.1:1";
        let posted_early = world.simulator.post_receipts(&client, nowhere).await;
        assert_eq!((posted_early.requests, posted_early.due), (0, 0));
        phone.set_power(true);
        assert_eq!(phone.arrivals().len(), 1);
        let received = world.provider.receive(&posted(&world).await).unwrap();
        assert_eq!(received.receipts[0].tag, delivery);
        assert!(matches!(received.receipts[0].what, Late::Delivered));
    });
}

/// What the simulator posts to the receipt address.
async fn posted(world: &World) -> Request<Bytes> {
    let server = HttpServer::start(ServerOptions::default().with_clock(world.clock()), |_| {
        std::future::ready(Reply::new(200).json(json!({ "errno": "0" })))
    })
    .await
    .expect("a free port");
    let client = Client::new(HttpConfig::default(), world.clock()).expect("a client");
    let posted = world.simulator.post_receipts(&client, &server.url()).await;
    assert_eq!((posted.requests, posted.taken, posted.due), (1, 1, 0));
    let recorded = server.log().requests().pop().expect("a request");
    Request::new(recorded.body.clone())
}

/// Messages that Honor's guide forbids, each with the field that the refusal names.
#[test]
fn the_simulator_refuses_what_the_guide_forbids() {
    let shown = |fields: Value| {
        let mut message = json!({ "android": { "notification": {
            "title": "A", "body": "B", "importance": "NORMAL", "clickAction": { "type": 3 },
        }}});
        for (key, value) in fields.as_object().expect("an object") {
            message["android"]["notification"][key] = value.clone();
        }
        message
    };
    let button = json!({ "name": "n", "actionType": 0 });
    for (message, word) in [
        (json!({}), "data"),
        (json!({ "unknown": 1 }), "unknown"),
        (shown(json!({ "title": "" })), "title"),
        (shown(json!({ "clickAction": null })), "clickAction"),
        (shown(json!({ "clickAction": { "type": 2 } })), "url"),
        (shown(json!({ "clickAction": { "type": 1 } })), "intent"),
        (
            shown(json!({ "clickAction": { "type": 1, "intent": "im/chat" } })),
            "intent",
        ),
        (
            shown(json!({ "badge": { "addNum": 100, "badgeClass": "a.b" } })),
            "addNum",
        ),
        (shown(json!({ "badge": { "addNum": 1 } })), "badgeClass"),
        (shown(json!({ "badge": { "badgeClass": "a.b" } })), "setNum"),
        (shown(json!({ "style": 1 })), "bigTitle"),
        (
            shown(json!({ "style": 1, "bigTitle": "x", "bigBody": "B" })),
            "equal",
        ),
        (shown(json!({ "image": "http://x.example/1.png" })), "image"),
        (
            shown(json!({ "image": "https://x.example/1.png", "importance": "LOW" })),
            "image",
        ),
        (
            shown(json!({ "buttons": [button, button, button, button] })),
            "buttons",
        ),
        (
            shown(json!({ "buttons": [{ "name": "n", "actionType": 1 }] })),
            "intentType",
        ),
        (shown(json!({ "title": "x".repeat(4096) })), "4096"),
        (
            json!({ "data": "x", "android": { "ttl": "1296001s" } }),
            "ttl",
        ),
        (json!({ "data": "x", "token": vec!["t"; 1001] }), "token"),
    ] {
        block_on(async {
            let world = world().await;
            let (status, answer) = raw(&world, message.clone()).await;
            assert_eq!((status, &answer["code"]), (400, &json!(400)), "{message}");
            let said = answer["message"].as_str().expect("text");
            assert!(said.contains(word), "{message} is refused with {said}");
        });
    }
}

#[test]
fn the_data_of_android_goes_before_the_outer_data() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let message = json!({
            "token": [phone.token()],
            "data": r#"{"ext":"a"}"#,
            "android": { "data": r#"{"ext":"b"}"# },
        });
        let (status, answer) = raw(&world, message).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(phone.arrivals()[0].extra("ext"), Some("b"));
        let text = json!({ "token": [phone.token()], "data": "any text" });
        assert_eq!(raw(&world, text).await.0, 200);
        assert_eq!(phone.arrivals()[1].data(), Some("any text"));
    });
}

#[test]
fn an_activity_reads_the_query_and_the_extras_of_its_intent() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let intent = "intent://im/chat?from=a%20push#Intent;scheme=push;S.ext=42;end";
        let message = json!({
            "token": [phone.token()],
            "android": { "notification": {
                "title": "A", "body": "B", "importance": "NORMAL",
                "clickAction": { "type": 1, "intent": intent },
            }},
        });
        assert_eq!(raw(&world, message).await.0, 200);
        let arrival = &phone.arrivals()[0];
        assert_eq!(arrival.extra("from"), Some("a push"));
        assert_eq!(arrival.extra("ext"), Some("42"));
    });
}

/// Sends `message`, to some token unless it names others, as a client of its own would.
async fn raw(world: &World, mut message: Value) -> (u16, Value) {
    if message["token"].is_null() {
        message["token"] = json!(["t"]);
    }
    let config = world.simulator.config();
    let http = serde_json::from_value(config["http"].clone()).expect("settings of a client");
    let client = Client::new(http, world.clock()).expect("a client");
    let ask = async |request: http::request::Builder, body: String| {
        let request = request.body(Bytes::from(body)).expect("a request");
        let answer = push_http::HttpClient::send(&client, request)
            .await
            .expect("an answer");
        let json: Value = serde_json::from_slice(answer.body()).expect("JSON");
        (answer.status().as_u16(), json)
    };
    let text = |key: &str| config[key].as_str().expect("text").to_owned();
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        text("client_id"),
        text("client_secret")
    );
    let (_, granted) = ask(Request::post(text("token_endpoint")), form).await;
    let access = granted["access_token"].as_str().expect("a grant");
    let send = Request::post(format!(
        "{}/{}/sendMessage",
        text("endpoint"),
        text("app_id")
    ))
    .header("authorization", format!("Bearer {access}"))
    .header("timestamp", "1700000000000");
    ask(send, message.to_string()).await
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
