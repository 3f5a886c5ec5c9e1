//! What phones show of a notification, and what a click opens.
use std::time::Duration;

use push_core::{Badge, Notification, NotificationKind, Slot, Sound, payload::Payload};
use push_testkit::block_on;

use super::*;

#[test]
fn a_click_opens_the_app_with_the_click_data_and_the_badge_is_set() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let mut batch = sample::batch(sample::notification(), [phone.token()]);
        batch.targets[0].receiver = Some(sample::user("bob"));
        let delivery = batch.targets[0].delivery.to_string();
        assert_eq!(world.send(batch).await, [ACCEPTED]);
        let shown = phone.screen();
        assert_eq!(shown.len(), 1);
        assert_eq!(shown[0].push_type(), 0);
        assert_eq!(shown[0].text("title"), sample::TITLE);
        assert_eq!(shown[0].text("body"), sample::BODY);
        assert_eq!(shown[0].text("category"), "IM");
        assert_eq!(phone.badge(), 3);
        let want = phone.tap().expect("the app opens");
        assert_eq!((want.action.as_deref(), want.uri.as_deref()), (None, None));
        assert_eq!(want.text("ext"), Some(sample::EXT));
        assert_eq!(want.text("receiver"), Some("bob"));
        assert_eq!(want.text("delivery"), Some(delivery.as_str()));
        assert!(phone.screen().is_empty() && phone.tap().is_none());
    });
}

/// The want's `ext` names the chat as an intent's does: the same text. It is text within JSON, so that it need be no JSON itself.
#[test]
fn the_want_of_a_click_names_the_chat_and_takes_an_ext_of_any_form() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        for ext in [
            sample::EXT,
            "{\"entity\":{\"sender\":\"a\\\"b\u{2028}你好\"}}",
            "no JSON: \"}",
            "[1]",
        ] {
            world
                .accepted(sample::notification().with_ext(ext), &phone)
                .await;
            let want = phone.tap().expect("the app opens");
            assert_eq!(want.text("ext"), Some(ext));
        }
        world.accepted(sample::notification(), &phone).await;
        let want = phone.tap().expect("the app opens");
        let payload = Payload::intent_extras(want.parameters);
        let profile = push_core::payload::Profile::Android;
        let target = payload.target(profile).expect("a chat");
        assert!(format!("{target:?}").contains("ann"), "{target:?}");
    });
}

#[test]
fn a_click_opens_the_page_of_the_configuration_if_the_app_has_it() {
    block_on(async {
        let own = json!({ "action": "com.example.im.OPEN_CHAT", "uri": "push://im/chat" });
        for (keys, opens) in [
            (own, true),
            (json!({ "uri": "push://im/chat" }), true),
            (json!({ "action": "com.example.other" }), false),
        ] {
            let world = World::with(Options::default(), &keys).await;
            let phone = world.simulator.install();
            world.accepted(sample::notification(), &phone).await;
            assert_eq!(phone.screen().len(), 1);
            let want = phone.tap();
            assert_eq!(want.is_some(), opens, "{keys}");
            if let Some(want) = want {
                assert_eq!(want.uri.as_deref(), keys["uri"].as_str());
                assert_eq!(want.action.as_deref(), keys["action"].as_str());
                assert_eq!(want.text("ext"), Some(sample::EXT));
            }
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
        world.accepted(notification, &phone).await;
        let arrived = phone.arrivals().remove(0);
        assert_eq!(arrived.push_type(), 6);
        assert_eq!(arrived.extra().expect("JSON")["ext"], sample::EXT);
        assert!(phone.screen().is_empty());
    });
}

#[test]
fn a_call_reaches_the_app_by_the_slot_of_calls_if_the_app_has_the_right() {
    block_on(async {
        let call = || {
            let notification = sample::notification().with_kind(NotificationKind::Voip);
            notification.with_expires_at(sample::NOW + Duration::from_secs(3600))
        };
        let keys = json!({ "calls": true });
        let world = World::with(Options::default(), &keys).await;
        let phone = world.simulator.install();
        let mut batch = sample::batch(call(), [phone.token()]);
        batch.slot = Slot::Voip;
        assert_eq!(world.send(batch.clone()).await, [ACCEPTED]);
        let arrived = phone.arrivals().remove(0);
        assert_eq!(arrived.push_type(), 10);
        assert_eq!(arrived.extra().expect("JSON")["title"], sample::TITLE);
        let without = World::with(Options::default().with_push_types(vec![6]), &keys).await;
        let phone = without.simulator.install();
        let mut refused = sample::batch(call(), [phone.token()]);
        refused.slot = Slot::Voip;
        assert_eq!(without.send(refused).await, [VerdictKind::PayloadRefused]);
        // Messages still go out.
        without.accepted(sample::notification(), &phone).await;
        let closed = self::world().await;
        assert_eq!(closed.send(batch).await, [VerdictKind::PayloadRefused]);
        assert_eq!(closed.simulator.counters().requests, 0);
    });
}

#[test]
fn a_notification_that_the_app_may_change_goes_to_its_extension() {
    block_on(async {
        let world = World::with(Options::default(), &json!({ "extension": true })).await;
        let phone = world.simulator.install();
        world
            .accepted(sample::notification().with_mutable(true), &phone)
            .await;
        let arrived = phone.arrivals().remove(0);
        assert_eq!((arrived.push_type(), phone.screen().len()), (2, 1));
        assert_eq!(arrived.extra().expect("JSON")["ext"], sample::EXT);
        assert_eq!(
            phone.tap().expect("it opens").text("ext"),
            Some(sample::EXT)
        );
    });
}

/// 0 is sent as 0 (S124), and Push Kit adds what the badge adds.
#[test]
fn the_number_on_the_icon_is_set_added_to_and_cleared() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let content = sample::content(sample::notification());
        for (badge, number) in [
            (Badge::Set(7), 7),
            (Badge::Leave, 7),
            (Badge::Add(2), 9),
            (Badge::Set(1000), 99),
            (Badge::Set(0), 0),
        ] {
            let target = sample::target(phone.token(), &content).with_badge(badge);
            assert_eq!(world.send(sample::batch_of([target])).await, [ACCEPTED]);
            assert_eq!(phone.badge(), number, "{badge:?}");
        }
    });
}

/// The category of the message beats that of the credential, and an empty request leaves it (S100).
#[test]
fn sound_picture_and_category_arrive_and_a_class_may_change_them() {
    block_on(async {
        let world = World::with(Options::default(), &json!({ "category": "WORK" })).await;
        let phone = world.simulator.install();
        let image = "https://img.example/1.png";
        let rich = || {
            let sound = Sound::Named("ring.mp3".to_owned());
            sample::notification().with_image(image).with_sound(sound)
        };
        let without =
            json!({ "payload": { "notification": { "image": null, "soundDuration": 9 } } });
        for (vendor, category, shown) in [
            (Map::new(), "WORK", image),
            (marketing(), "MARKETING", image),
            (fields(&without), "WORK", ""),
        ] {
            world.accepted(rich().with_vendor(vendor), &phone).await;
            let arrived = phone.arrivals().pop().expect("it arrived");
            assert_eq!(arrived.text("category"), category);
            assert_eq!(arrived.text("image"), shown);
            assert_eq!(arrived.text("sound"), "ring.mp3");
        }
    });
}

#[test]
fn a_later_notification_replaces_one_with_the_same_key() {
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
            world.accepted(notification, &phone).await;
        }
        let screen = phone.screen();
        let titles: Vec<_> = screen.iter().map(|shown| shown.text("title")).collect();
        assert_eq!(titles, ["two", "three", "four", "five"]);
    });
}

#[test]
fn what_expires_while_the_phone_is_off_does_not_arrive() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        phone.set_power(false);
        for (key, seconds) in [("short", 60), ("long", 600)] {
            let notification = sample::notification().with_collapse(key).with_title(key);
            let at = sample::NOW + Duration::from_secs(seconds);
            world
                .accepted(notification.with_expires_at(at), &phone)
                .await;
        }
        world.clock.advance(Duration::from_secs(61));
        phone.set_power(true);
        let arrivals = phone.arrivals();
        assert_eq!(arrivals.len(), 1);
        assert_eq!(arrivals[0].text("title"), "long");
    });
}

#[test]
fn an_app_in_front_shows_a_notification_unless_a_field_says_otherwise() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        phone.set_in_front(true);
        world.accepted(sample::notification(), &phone).await;
        assert_eq!(phone.screen().len(), 1);
        let hidden = json!({ "payload": { "notification": { "foregroundShow": false } } });
        let notification = sample::notification().with_collapse("other");
        world
            .accepted(notification.with_vendor(fields(&hidden)), &phone)
            .await;
        assert_eq!((phone.screen().len(), phone.arrivals().len()), (1, 2));
    });
}

/// An attempt whose answer was lost may have succeeded: the phone drops its repetition, and nothing else.
#[test]
fn a_repeated_batch_is_shown_once_for_a_day() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let batch = sample::batch(sample::notification(), [phone.token()]);
        for _ in 0..2 {
            assert_eq!(world.send(batch.clone()).await, [ACCEPTED]);
        }
        assert_eq!(phone.arrivals().len(), 1);
        world.accepted(sample::notification(), &phone).await;
        assert_eq!(phone.arrivals().len(), 2);
        world.clock.advance(Duration::from_secs(24 * 60 * 60 + 1));
        assert_eq!(world.send(batch).await, [ACCEPTED]);
        assert_eq!(phone.arrivals().len(), 3);
    });
}
