//! What phones show, and what an app reads with a click.
use push_core::{
    Interruption, Sound,
    payload::{ClickTarget, Payload, Profile, Shape},
};

use super::*;

/// The chat that `ext` of the sample opens, as the app half reads it from the extra of an intent: vivo keeps `ext` whole, beside
/// the vendors that take it apart or wrap it.
fn chat(ext: &str) -> ClickTarget {
    let clicked = Payload::parse(Shape::Intent, ext);
    clicked.target(Profile::Android).expect("a chat")
}

/// vivo's row of the table of `ext`, beside those of S16, S17, S18.
#[test]
fn a_click_opens_the_chat_with_the_click_data_and_the_badge_counts_up() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        for number in 1..=2 {
            let mut batch = batch(sample::notification(), std::slice::from_ref(&phone));
            batch.targets[0].receiver = Some(sample::user("bob"));
            batch.targets[0].badge = Badge::Add(1);
            let delivery = batch.targets[0].delivery.to_string();
            assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
            let arrived = phone.arrivals().pop().expect("it arrived");
            assert_eq!(arrived.title(), sample::TITLE);
            assert_eq!(arrived.content(), sample::BODY);
            assert_eq!((arrived.category(), arrived.is_system()), ("IM", true));
            assert_eq!(arrived.extra("ext"), Some(sample::EXT));
            assert_eq!(
                chat(arrived.extra("ext").unwrap_or_default()).navigate_ids(),
                Some(("ann", ""))
            );
            assert_eq!(arrived.extra("receiver"), Some("bob"));
            assert_eq!(arrived.extra("delivery"), Some(delivery.as_str()));
            assert_eq!(phone.badge(), number);
        }
    });
}

#[test]
fn the_badge_stays_where_it_is_not_to_be_counted() {
    block_on(async {
        for (keys, badge) in [
            (json!({ "count_badge": false }), Badge::Add(1)),
            (json!({}), Badge::Leave),
            (json!({}), Badge::Add(0)),
            (json!({}), Badge::Set(0)),
        ] {
            let world = with(Options::default(), &keys).await;
            let phone = world.simulator.install();
            let mut batch = batch(sample::notification(), std::slice::from_ref(&phone));
            batch.targets[0].badge = badge;
            assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
            assert_eq!(phone.badge(), 0);
            assert_eq!(world.sent("/message/send")[0].get("addBadge"), None);
        }
    });
}

#[test]
fn without_an_intent_the_click_data_arrive_with_the_launch_of_the_app() {
    block_on(async {
        let world = with(Options::default(), &json!({ "intent": "" })).await;
        let phones = world.phones::<2>();
        world.send_to(&phones[..1]).await;
        world.send_to(&phones).await;
        for arrived in phones[0].arrivals() {
            assert_eq!(arrived.extra("ext"), Some(sample::EXT));
        }
        assert_eq!(world.sent("/message/send")[0]["skipType"], 1);
    });
}

#[test]
fn an_intent_that_starts_no_activity_of_the_app_shows_and_opens_nothing() {
    block_on(async {
        let keys = json!({ "intent": "intent://im#Intent;component=com.example.im/.Gone;end" });
        let world = with(Options::default(), &keys).await;
        let phone = world.simulator.install();
        world.send_to(std::slice::from_ref(&phone)).await;
        let arrived = phone.arrivals().pop().expect("it arrived");
        assert!(!arrived.opens());
        assert_eq!(arrived.extra("ext"), None);
    });
}

#[test]
fn click_data_in_the_intent_are_encoded_as_on_record() {
    let vectors: Value =
        serde_json::from_str(include_str!("../fixtures/vectors.json")).expect("JSON");
    block_on(async {
        let keys = json!({
            "intent": "intent://im/chat#Intent;scheme=push;launchFlags=0x4000000;end",
            "click_data": "intent",
        });
        let world = with(Options::default(), &keys).await;
        // For two phones, so that the intent has no delivery's id.
        let phones = world.phones::<2>();
        let cases = vectors["intents"].as_array().expect("an array");
        assert_eq!(cases.len(), 4);
        for case in cases {
            let ext = case["ext"].as_str().expect("text");
            let batch = batch(sample::notification().with_ext(ext), &phones);
            assert_eq!(world.send(batch).await, [VerdictKind::Accepted; 2]);
            let saved = world.sent(SAVE_KEY).pop().expect("a request");
            assert_eq!(
                (&saved["skipContent"], &saved["skipType"]),
                (&case["intent"], &json!(4))
            );
            assert_eq!(saved.get("clientCustomMap"), None);
            let arrived = phones[1].arrivals().pop().expect("it arrived");
            assert_eq!(arrived.extra("ext"), Some(ext));
        }
    });
}

#[test]
fn an_ext_beyond_the_field_of_its_way_is_refused_before_anything_is_sent() {
    block_on(async {
        let in_intent = json!({
            "intent": "intent://im/chat#Intent;scheme=push;end", "click_data": "intent",
        });
        for (keys, longest, field) in [
            // Beside `ext`: the name of the key, and the delivery's key and id.
            (json!({}), 1024 - 3 - 8 - 36, "clientCustomMap"),
            (in_intent, 1024 - 39 - 7 - 48, "skipContent"),
        ] {
            let world = with(Options::default(), &keys).await;
            let phone = world.simulator.install();
            let mut sent = Vec::new();
            for length in [longest, longest + 1] {
                let ext = "x".repeat(length);
                let batch = batch(
                    sample::notification().with_ext(ext),
                    std::slice::from_ref(&phone),
                );
                sent.extend(sample::send(&world.provider, batch).await);
            }
            assert_eq!(
                kinds(&sent),
                [VerdictKind::Accepted, VerdictKind::PayloadRefused]
            );
            assert!(sent[1].answer.text.contains(field), "{:?}", sent[1]);
            assert!(
                sent[1].answer.text.starts_with("1 characters"),
                "{:?}",
                sent[1]
            );
            assert_eq!(phone.arrivals().len(), 1);
            assert_eq!(world.simulator.counters().requests, 1);
        }
    });
}

#[test]
fn a_later_notification_replaces_one_with_the_same_key_and_no_other() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        for (key, title) in [
            ("a", "one"),
            ("b", "two"),
            ("a", "three"),
            ("", "four"),
            ("", "five"),
        ] {
            let notification = sample::notification().with_collapse(key).with_title(title);
            world
                .send(batch(notification, std::slice::from_ref(&phone)))
                .await;
        }
        let screen = phone.screen();
        let titles: Vec<_> = screen.iter().map(|shown| shown.title()).collect();
        // Without a key each content has a number of its own.
        assert_eq!(titles, ["two", "three", "four", "five"]);
        for sent in world.sent("/message/send") {
            let id = sent["notifyId"].as_u64().expect("a number");
            assert!((1..=2_147_483_647).contains(&id), "{id}");
        }
    });
}

#[test]
fn the_life_of_a_message_is_sent_in_seconds_rounded_up_within_a_day() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let second = Duration::from_secs(1);
        for (left, wanted) in [
            (Duration::from_millis(89_001), json!(90)),
            (90 * second, json!(90)),
            (second, json!(60)),
            (Duration::ZERO, json!(60)),
            (86_399 * second, json!(86_399)),
            (30 * 86_400 * second, json!(86_400)),
        ] {
            let notification = sample::notification().with_expires_at(world.clock.now() + left);
            let kinds = world
                .send(batch(notification, std::slice::from_ref(&phone)))
                .await;
            assert_eq!(kinds, [VerdictKind::Accepted]);
            let sent = world.sent("/message/send").pop().expect("a request");
            assert_eq!(sent["timeToLive"], wanted, "{left:?}");
        }
        // Without an end it is vivo's own: a day.
        world.send_to(std::slice::from_ref(&phone)).await;
        let sent = world.sent("/message/send").pop().expect("a request");
        assert_eq!(sent.get("timeToLive"), None);
    });
}

#[test]
fn what_expires_while_the_phone_is_off_does_not_arrive() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        phone.set_power(false);
        for (key, seconds) in [("short", 60), ("long", 600)] {
            let end = sample::NOW + Duration::from_secs(seconds);
            let notification = sample::notification().with_collapse(key).with_title(key);
            let notification = notification.with_expires_at(end);
            world
                .send(batch(notification, std::slice::from_ref(&phone)))
                .await;
        }
        world.clock.advance(Duration::from_secs(61));
        phone.set_power(true);
        let arrivals = phone.arrivals();
        let titles: Vec<_> = arrivals.iter().map(|arrival| arrival.title()).collect();
        assert_eq!(titles, ["long"]);
    });
}

#[test]
fn sound_and_interruption_choose_how_the_phone_draws_attention() {
    block_on(async {
        for (configured, silent) in [(4, 3), (3, 3), (2, 1), (1, 1)] {
            let world = with(Options::default(), &json!({ "notify_type": configured })).await;
            let phone = world.simulator.install();
            let plain = sample::notification();
            for (notification, wanted) in [
                (plain.clone(), configured),
                (
                    plain.clone().with_sound(Sound::Named("ring.mp3".into())),
                    configured,
                ),
                (plain.clone().with_sound(Sound::Silent), silent),
                (plain.clone().with_interruption(Interruption::Passive), 1),
                (plain.with_vendor(fields(json!({ "notifyType": 2 }))), 2),
            ] {
                world
                    .send(batch(notification, std::slice::from_ref(&phone)))
                    .await;
                let arrived = phone.arrivals().pop().expect("it arrived");
                assert_eq!(arrived.notify_type(), wanted);
            }
        }
    });
}

/// S100: what a message or a class policy sets goes before the credential's, and class and category stay in agreement (10097).
#[test]
fn a_category_or_class_of_a_message_beats_that_of_the_credential() {
    block_on(async {
        let world = world().await;
        // 10:13 in China: operation messages are taken.
        world.clock.advance(Duration::from_secs(4 * 3600));
        let phone = world.simulator.install();
        for (vendor, category, is_system) in [
            (json!({}), "IM", true),
            (json!({ "category": "order" }), "ORDER", true),
            (json!({ "category": "MARKETING" }), "MARKETING", false),
            (json!({ "classification": 0 }), "", false),
            (json!({ "classification": 1 }), "IM", true),
            (
                json!({ "category": "NEWS", "classification": 0 }),
                "NEWS",
                false,
            ),
            (json!({ "category": null, "classification": 1 }), "", true),
        ] {
            let notification = sample::notification().with_vendor(fields(vendor.clone()));
            let kinds = world
                .send(batch(notification, std::slice::from_ref(&phone)))
                .await;
            assert_eq!(kinds, [VerdictKind::Accepted], "{vendor}");
            let arrived = phone.arrivals().pop().expect("it arrived");
            assert_eq!(
                (arrived.category(), arrived.is_system()),
                (category, is_system),
                "{vendor}"
            );
        }
    });
}

#[test]
fn a_missing_text_is_replaced_by_the_other_and_none_at_all_is_refused() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        for (title, body) in [("only", ""), ("", "only")] {
            let notification = sample::notification().with_title(title).with_body(body);
            world
                .send(batch(notification, std::slice::from_ref(&phone)))
                .await;
            let arrived = phone.arrivals().pop().expect("it arrived");
            assert_eq!((arrived.title(), arrived.content()), ("only", "only"));
        }
        let nothing = sample::notification().with_title("").with_body("");
        let kinds = world
            .send(batch(nothing, std::slice::from_ref(&phone)))
            .await;
        assert_eq!(kinds, [VerdictKind::PayloadRefused]);
    });
}

/// S99: every character counts one.
#[test]
fn long_texts_are_cut_to_what_vivo_takes() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let notification = sample::notification()
            .with_title("你".repeat(41))
            .with_body("好".repeat(101));
        world
            .send(batch(notification, std::slice::from_ref(&phone)))
            .await;
        let arrived = phone.arrivals().pop().expect("it arrived");
        assert_eq!(arrived.title(), format!("{}…", "你".repeat(39)));
        assert_eq!(arrived.content(), format!("{}…", "好".repeat(99)));
    });
}

#[test]
fn pairs_of_a_message_travel_beside_the_click_data_up_to_ten() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        for (more, kind) in [(8, VerdictKind::Accepted), (9, VerdictKind::PayloadRefused)] {
            let pairs: Map<String, Value> = (0..more)
                .map(|number| (format!("k{number}"), json!("v")))
                .collect();
            let vendor = fields(json!({ "clientCustomMap": pairs }));
            let notification = sample::notification().with_vendor(vendor);
            let kinds = world
                .send(batch(notification, std::slice::from_ref(&phone)))
                .await;
            assert_eq!(kinds, [kind], "{more}");
        }
        assert_eq!(world.simulator.counters().requests, 1, "refused, and sent");
        let arrived = phone.arrivals().pop().expect("it arrived");
        assert_eq!(
            (arrived.extra("k7"), arrived.extra("ext")),
            (Some("v"), Some(sample::EXT))
        );
    });
}
