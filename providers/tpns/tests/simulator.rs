//! The provider against the simulated TPNS: what a notification becomes on the phone.
mod world;

use std::{sync::Arc, time::Duration};

use push_core::{
    Badge, BuildContext, Clock, Environment, Interruption, Notification, NotificationKind,
    RawConfig, Scope, Sound, VerdictKind,
    payload::{Payload, Profile},
};
use push_provider_tpns::{PLUGIN, simulator::Route};
use push_testkit::{
    block_on, json, sample,
    serde_json::{self, Map, Value},
    simulator::{self, Install, Order, simulators},
};
use world::World;

const DEAD: VerdictKind = VerdictKind::TokenDead { since: None };

const ALL_ROUTES: [Route; 8] = [
    Route::Tpns,
    Route::Huawei,
    Route::Honor,
    Route::Xiaomi,
    Route::Oppo,
    Route::Vivo,
    Route::Meizu,
    Route::Fcm,
];

fn fields(fields: Value) -> Map<String, Value> {
    serde_json::from_value(fields).expect("an object")
}

#[test]
fn a_click_opens_the_chat_with_the_click_data_by_every_vendors_channel() {
    block_on(async {
        let world = World::android().await;
        for route in ALL_ROUTES {
            let phone = world.simulator.install(route);
            let mut batch = sample::batch(sample::notification(), [phone.token()]);
            batch.targets[0].receiver = Some(sample::user("bob"));
            let delivery = batch.targets[0].delivery.to_string();
            assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
            let arrival = phone.arrivals().pop().expect("it arrived");
            assert_eq!(arrival.title(), sample::TITLE);
            assert_eq!(arrival.text(), sample::BODY);
            assert_eq!(arrival.extra("ext"), Some(sample::EXT));
            assert_eq!(arrival.extra("receiver"), Some("bob"));
            assert_eq!(arrival.extra("delivery"), Some(delivery.as_str()));
            let clicked = phone.click().expect("the app is given the click");
            assert!(clicked.target(Profile::Android).is_ok());
            let shows_badge = matches!(route, Route::Huawei | Route::Vivo);
            assert_eq!(phone.badge(), if shows_badge { 3 } else { 0 }, "{route:?}");
        }
    });
}

#[test]
fn without_a_url_the_click_data_are_custom_content_which_huawei_drops() {
    block_on(async {
        let world = World::with_android(&json!({ "intent": "" })).await;
        for route in [Route::Tpns, Route::Xiaomi, Route::Huawei] {
            let phone = world.simulator.install(route);
            assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
            let ext = (route != Route::Huawei).then_some(sample::EXT);
            assert_eq!(phone.arrivals()[0].extra("ext"), ext);
        }
    });
}

/// S18
#[test]
fn an_iphone_finds_the_chat_in_the_custom_text() {
    block_on(async {
        let world = World::ios().await;
        let phone = world.simulator.install_ios(Environment::Production);
        let mut batch = sample::batch(sample::notification(), [phone.token()]);
        batch.targets[0].receiver = Some(sample::user("bob"));
        let delivery = batch.targets[0].delivery.to_string();
        assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
        let arrivals = phone.arrivals();
        let user_info = arrivals[0].user_info();
        assert_eq!(user_info["aps"]["alert"]["title"], sample::TITLE);
        assert_eq!(user_info["aps"]["alert"]["body"], sample::BODY);
        assert_eq!(user_info["aps"]["badge"], 3);
        assert_eq!(user_info["aps"]["sound"], "default");
        assert_eq!(phone.badge(), 3);
        let clicked = phone.click().expect("the app is given the click");
        assert_eq!(clicked, Payload::tpns(user_info.clone()));
        let wanted = Payload::apns(json!({ "aps": {}, "ext": sample::EXT }));
        assert_eq!(clicked.target(Profile::Ios), wanted.target(Profile::Ios));
        assert!(clicked.target(Profile::Ios).is_ok());
        let custom = user_info["custom"].as_str().expect("text");
        let custom: Value = serde_json::from_str(custom).expect("an object");
        assert_eq!(custom["delivery"], delivery.as_str());
        assert_eq!(custom["receiver"], "bob");
    });
}

/// S124
#[test]
fn a_badge_of_0_clears_the_icon_on_both_platforms() {
    block_on(async {
        for world in [World::android().await, World::ios().await] {
            let phone = world.phone();
            let content = sample::content(sample::notification());
            for (badge, shown) in [
                (Badge::Set(7), 7),
                (Badge::Leave, 7),
                (Badge::Set(0), 0),
                (Badge::Set(120), if world.is_ios() { 120 } else { 99 }),
            ] {
                let target = sample::target(phone.token(), &content).with_badge(badge);
                world.send(sample::batch_of([target])).await;
                assert_eq!(phone.badge(), shown, "{badge:?}");
            }
        }
    });
}

#[test]
fn a_background_push_reaches_the_app_and_shows_nothing() {
    block_on(async {
        // A policy of the class, which would make a notification of it.
        let policy = fields(json!({ "message": {
            "title": "A", "content": "B",
            "ios": { "aps": { "sound": "a.wav", "badge_type": 1, "alert": { "subtitle": "x" } } },
            "android": { "badge_type": 5 },
        }}));
        for world in [World::android().await, World::ios().await] {
            let phone = if world.is_ios() {
                world.phone()
            } else {
                world.simulator.install(Route::Tpns)
            };
            let notification = Notification::default()
                .with_kind(NotificationKind::Background)
                .with_ext(sample::EXT)
                .with_vendor(policy.clone());
            let batch = sample::batch(notification, [phone.token()]);
            assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
            assert!(phone.screen().is_empty());
            assert_eq!(phone.badge(), 0);
            let arrival = phone.arrivals().pop().expect("it arrived");
            if world.is_ios() {
                assert_eq!(
                    arrival.user_info()["aps"],
                    json!({ "content-available": 1 })
                );
                let clicked = Payload::tpns(arrival.user_info().clone());
                assert!(clicked.target(Profile::Ios).is_ok());
            } else {
                assert_eq!(arrival.extra("ext"), Some(sample::EXT));
            }
        }
    });
}

#[test]
fn what_an_android_phone_has_no_vendors_channel_for_is_dropped() {
    block_on(async {
        let world = World::android().await;
        let phone = world.simulator.install(Route::Oppo);
        let silent = Notification::default()
            .with_kind(NotificationKind::Background)
            .with_ext(sample::EXT);
        let batch = sample::batch(silent, [phone.token()]);
        assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
        assert!(phone.arrivals().is_empty());
        assert_eq!(world.simulator.counters().dropped, 1);
    });
}

#[test]
fn sounds_pictures_groups_and_levels_are_those_of_the_platform() {
    block_on(async {
        let (android, ios) = (World::android().await, World::ios().await);
        let image = "https://img.example/1.png";
        let wanted = sample::notification()
            .with_subtitle("Sub")
            .with_image(image)
            .with_mutable(true)
            .with_interruption(Interruption::TimeSensitive);
        for (sound, on_android, on_ios) in [
            (Sound::Default, json!({}), json!("default")),
            (Sound::Silent, json!({ "ring": 0 }), Value::Null),
            (
                Sound::Named("ding.long.wav".to_owned()),
                json!({ "ring_raw": "ding.long" }),
                json!("ding.long.wav"),
            ),
        ] {
            let message = android
                .message_of(wanted.clone().with_sound(sound.clone()))
                .await;
            let given = &message["android"];
            for name in ["ring", "ring_raw"] {
                assert_eq!(given[name], on_android[name], "{sound:?}");
            }
            assert_eq!(message["thread_id"], "ann");
            assert_eq!(message["xg_media_resources"], image);
            let message = ios.message_of(wanted.clone().with_sound(sound)).await;
            let aps = &message["ios"]["aps"];
            assert_eq!(aps["sound"], on_ios);
            assert_eq!(aps["alert"]["subtitle"], "Sub");
            assert_eq!(aps["mutable-content"], 1);
            assert_eq!(aps["interruption-level"], "time-sensitive");
            assert_eq!(message["thread_id"], "ann");
            assert_eq!(message["xg_media_resources"], image);
        }
        let plain = ios.message_of(sample::notification()).await;
        for name in ["mutable-content", "interruption-level"] {
            assert!(plain["ios"]["aps"][name].is_null());
        }
        let clear = sample::notification().with_image("http://img.example/1.png");
        let message = android.message_of(clear).await;
        assert!(message["xg_media_resources"].is_null());
    });
}

/// S100
#[test]
fn the_fields_of_the_message_go_before_those_of_the_credential() {
    block_on(async {
        let keys = json!({ "fields": { "multi_pkg": true, "message": { "android": {
            "n_ch_id": "im", "hw_category": "IM", "vivo_category": "IM", "badge_type": -2, "n_id": 7,
        }, "ios": { "aps": { "category": "IM" } } } } });
        let world = World::with_android(&keys).await;
        let policy = json!({ "message": {
            "android": { "hw_category": "VOIP", "vivo_category": null },
            "ios": { "aps": { "category": "CALL" } },
        }});
        let notification = sample::notification().with_vendor(fields(policy.clone()));
        let message = world.message_of(notification.clone()).await;
        let android = &message["android"];
        assert_eq!(android["n_ch_id"], "im");
        assert_eq!(android["hw_category"], "VOIP");
        assert!(android["vivo_category"].is_null());
        // What the gateway decides for each message replaces what the credential says.
        assert_eq!(android["badge_type"], 3);
        assert_ne!(android["n_id"], 7);
        assert!(message["ios"].is_null(), "the fields of the other platform");
        let message = World::with_ios(&keys).await.message_of(notification).await;
        assert_eq!(message["ios"]["aps"]["category"], "CALL");
        assert!(
            message["android"].is_null(),
            "the fields of the other platform"
        );
        let sent = world
            .simulator
            .log()
            .requests()
            .pop()
            .expect("a request")
            .json();
        assert_eq!(sent["multi_pkg"], true);
    });
}

#[test]
fn a_later_notification_replaces_one_with_the_same_key() {
    block_on(async {
        let world = World::android().await;
        let phone = world.simulator.install(Route::Tpns);
        for (key, title) in [("a", "one"), ("b", "two"), ("a", "three"), ("", "four")] {
            let notification = sample::notification().with_collapse(key).with_title(title);
            let batch = sample::batch(notification, [phone.token()]);
            world.send(batch).await;
        }
        let screen = phone.screen();
        let titles: Vec<_> = screen.iter().map(|shown| shown.title()).collect();
        assert_eq!(titles, ["two", "three", "four"]);
        let ids = phone.arrivals();
        let ids = ids
            .iter()
            .map(|arrival| arrival.message()["android"]["n_id"].as_i64());
        assert!(
            ids.into_iter().all(|id| id > Some(0)),
            "every push has a key"
        );
    });
}

#[test]
fn what_expires_while_the_phone_is_off_does_not_arrive() {
    block_on(async {
        let world = World::android().await;
        let phone = world.simulator.install(Route::Tpns);
        phone.set_power(false);
        for (title, seconds) in [
            ("gone", 0),
            ("short", 60),
            ("long", 7200),
            ("longest", 900_000),
        ] {
            let at = sample::NOW + Duration::from_secs(seconds);
            let notification = sample::notification()
                .with_title(title)
                .with_collapse(title)
                .with_expires_at(at);
            let batch = sample::batch(notification, [phone.token()]);
            assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
        }
        let sent = world.simulator.log().requests();
        let sent: Vec<_> = sent
            .iter()
            .map(|sent| sent.json()["expire_time"].clone())
            .collect();
        assert_eq!(sent, [0, 800, 7200, 259_200]);
        // TPNS keeps nothing for less than 800 s.
        world.clock.advance(Duration::from_secs(801));
        phone.set_power(true);
        let titles: Vec<String> = phone
            .arrivals()
            .iter()
            .map(|arrival| arrival.title().to_owned())
            .collect();
        assert_eq!(titles, ["long", "longest"]);
        let forever = world.message_of(sample::notification()).await;
        assert!(forever["expire_time"].is_null());
    });
}

/// S57
#[test]
fn a_token_of_a_debug_build_is_sent_to_its_own_environment() {
    block_on(async {
        let world = World::ios().await;
        for environment in [Environment::Sandbox, Environment::Production] {
            let phone = world.simulator.install_ios(environment);
            let mut batch = sample::batch(sample::notification(), [phone.token()]);
            batch.environment = environment;
            assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
            assert_eq!(phone.arrivals().len(), 1);
        }
        let sent = world.simulator.log().requests();
        let sent: Vec<_> = sent
            .iter()
            .map(|sent| sent.json()["environment"].clone())
            .collect();
        assert_eq!(sent, ["dev", "product"]);
    });
}

/// S99
#[test]
fn texts_are_cut_to_what_every_vendor_behind_tpns_shows() {
    block_on(async {
        let long = sample::notification()
            .with_title("你好".repeat(40))
            .with_body("a你".repeat(200));
        let arrived = async |keys: &Value, route| {
            let world = World::with_android(keys).await;
            let phone = world.simulator.install(route);
            let batch = sample::batch(long.clone(), [phone.token()]);
            assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
            phone.arrivals().len()
        };
        let raised = json!({ "title_limit": 200, "body_limit": 400 });
        for route in ALL_ROUTES {
            assert_eq!(arrived(&json!({}), route).await, 1, "{route:?}");
            let takes_more = matches!(route, Route::Tpns | Route::Honor | Route::Fcm);
            assert_eq!(
                arrived(&raised, route).await,
                usize::from(takes_more),
                "{route:?}"
            );
        }
    });
}

/// As `offline-push simulate tpns` does.
#[test]
fn it_runs_under_the_control_of_the_command_line() {
    block_on(async {
        let known = simulators();
        let tpns = known.iter().find(|simulator| simulator.name == "tpns");
        let tpns = tpns.expect("the simulator is registered");
        let running = (tpns.start)(simulator::Options::default());
        let running = running.await.expect("a free port");
        let apps = [("1500000001", "android"), ("1600000001", "ios")];
        let credentials = running.credentials();
        for (number, (app, label)) in apps.into_iter().enumerate() {
            assert_eq!(credentials[number].label, label);
            let config = RawConfig::from_json(&credentials[number].config).expect("an object");
            // The simulator's clock is that of this machine.
            let clock: Arc<dyn Clock> = Arc::new(push_core::ManualClock::new(world::now()));
            let provider = PLUGIN.build(config, &BuildContext::new(clock));
            let provider = provider.expect("its credential is a configuration");
            let install: Install = serde_json::from_value(json!({ "app": app })).expect("a phone");
            let phone = running.install(&install).expect("a phone");
            let (_, token) = phone.tokens().remove(0);
            let order = json!({ "code": "1008004", "phone": 1, "times": 1 });
            let order: Order = serde_json::from_value(order).expect("an order");
            running
                .script(&order, std::slice::from_ref(&token))
                .expect("an answer");
            let mut kinds = Vec::new();
            for _ in 0..2 {
                kinds.push(sample::send_one(&provider, &token).await.kind);
            }
            phone.uninstall();
            kinds.push(sample::send_one(&provider, &token).await.kind);
            let outage = VerdictKind::Unavailable(Scope::Credential);
            assert_eq!(kinds, [outage, VerdictKind::Accepted, DEAD]);
            assert_eq!(phone.inbox().arrived(), 1);
        }
        assert_eq!(running.counters()["requests"], 6);
        for (install, word) in [
            (json!({ "app": "1" }), "no app"),
            (json!({ "environment": "sandbox" }), "sandbox"),
        ] {
            let install: Install = serde_json::from_value(install).expect("a phone");
            let Err(problem) = running.install(&install) else {
                panic!("there is no such phone");
            };
            assert!(problem.detail.contains(word), "{problem:?}");
        }
    });
}
