//! What phones show, and what an app reads of a click.
use std::time::Duration;

use push_core::{Badge, Notification, NotificationKind, VerdictKind, payload::Profile};
use push_provider_oppo::simulator::{Options, TEMPLATE};
use push_testkit::{block_on, json, sample, simulator::Arrives as _};

use crate::{fields, with, world};

/// A click starts the activity with the members of `ext` as extras, from which the app reads the chat (S16).
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
        assert_eq!(
            (arrivals[0].title(), arrivals[0].body()),
            (sample::TITLE, sample::BODY)
        );
        assert!(arrivals[0].opens());
        assert_eq!(arrivals[0].extra("receiver").as_deref(), Some("bob"));
        assert_eq!(arrivals[0].extra("delivery"), Some(delivery));
        let payload = arrivals[0].click_payload().expect("it opens the activity");
        let entity = payload.entity(Profile::Android).expect("an entity");
        assert_eq!(entity.sender, "ann");
        // Without an object of members, the extra `ext` is the whole text (S19).
        let plain = sample::notification().with_ext("chat 42");
        world.deliver(&phone, plain).await;
        assert_eq!(phone.arrivals()[1].extra("ext").as_deref(), Some("chat 42"));
        assert_eq!(phone.badge(), 3);
    });
}

#[test]
fn a_click_opens_the_entry_activity_or_an_action_as_configured() {
    block_on(async {
        for (keys, opens) in [
            (json!({ "activity": "" }), true),
            (
                json!({ "activity": "", "action": "com.example.im.OPEN_CHAT" }),
                true,
            ),
            (json!({ "activity": "com.example.im.Other" }), false),
            (
                json!({ "activity": "", "action": "com.example.im.OTHER" }),
                false,
            ),
        ] {
            let world = with(Options::default(), &keys).await;
            let phone = world.simulator.install();
            assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
            let arrival = &phone.arrivals()[0];
            assert_eq!(arrival.opens(), opens, "{keys}");
            assert_eq!(arrival.extra("entity").is_some(), opens, "{keys}");
            assert_eq!(arrival.click_payload().is_some(), opens, "{keys}");
        }
    });
}

/// A badge of 0 clears the icon (S124).
#[test]
fn the_number_on_the_icon_is_set_cleared_and_left_alone() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let content = sample::content(sample::notification());
        for (badge, shown) in [
            (Badge::Set(7), 7),
            (Badge::Leave, 7),
            (Badge::Set(0), 0),
            (Badge::Set(120), 120),
        ] {
            let target = sample::target(phone.token(), &content).with_badge(badge);
            assert_eq!(
                world.send(sample::batch_of([target])).await,
                [VerdictKind::Accepted]
            );
            assert_eq!(phone.badge(), shown, "{badge:?}");
        }
        let off = with(Options::default(), &json!({ "badge": false })).await;
        let phone = off.simulator.install();
        assert_eq!(off.send_to(&phone).await, VerdictKind::Accepted);
        assert_eq!(phone.badge(), 0);
        assert!(phone.arrivals()[0].field("badge_message_count").is_null());
    });
}

#[test]
fn a_later_notification_replaces_one_with_the_same_key() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        for (key, title) in [("a", "one"), ("b", "two"), ("a", "three")] {
            let notification = sample::notification().with_collapse(key).with_title(title);
            world.deliver(&phone, notification).await;
        }
        let screen = phone.screen();
        let titles: Vec<_> = screen.iter().map(|shown| shown.title()).collect();
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
            let notification = sample::notification()
                .with_collapse(key)
                .with_title(key)
                .with_expires_at(sample::NOW + Duration::from_secs(seconds));
            world.deliver(&phone, notification).await;
        }
        world.clock.advance(Duration::from_secs(61));
        phone.set_power(true);
        let arrivals = phone.arrivals();
        let titles: Vec<_> = arrivals.iter().map(|arrival| arrival.title()).collect();
        assert_eq!(titles, ["long"]);
        // Without an end, OPPO keeps it for an hour.
        phone.set_power(false);
        world.deliver(&phone, sample::notification()).await;
        world.clock.advance(Duration::from_secs(3600));
        phone.set_power(true);
        assert_eq!(phone.arrivals().len(), 1);
    });
}

#[test]
fn a_shortest_time_to_live_is_kept_where_oppo_asks_for_it() {
    block_on(async {
        let hour = Duration::from_secs(3600);
        let notification =
            || sample::notification().with_expires_at(sample::NOW + Duration::from_secs(30));
        for (keys, kind) in [
            (json!({}), VerdictKind::PayloadRefused),
            (json!({ "min_ttl": "1h" }), VerdictKind::Accepted),
        ] {
            let world = with(Options::default().with_min_ttl(hour), &keys).await;
            let phone = world.simulator.install();
            let batch = sample::batch(notification(), [phone.token()]);
            assert_eq!(world.send(batch).await, [kind], "{keys}");
        }
    });
}

/// What the sender's policy says of channel, category and level goes before the credential's (S100).
#[test]
fn a_class_policy_makes_a_message_public() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let policy = json!({ "channel_id": "news", "category": "NEWS", "notify_level": 1 });
        let notification = sample::notification().with_vendor(fields(policy));
        world.deliver(&phone, notification).await;
        world.deliver(&phone, sample::notification()).await;
        let of = |arrival: usize, key: &str| phone.arrivals()[arrival].field(key).clone();
        assert_eq!(of(0, "channel_id"), "news");
        assert_eq!(
            (of(0, "category"), of(0, "notify_level")),
            (json!("NEWS"), json!(1))
        );
        assert_eq!(
            (of(1, "channel_id"), of(1, "category")),
            (json!("im"), json!("IM"))
        );
    });
}

#[test]
fn a_template_of_private_messages_gets_title_and_text() {
    block_on(async {
        let options = || Options::default().with_templates_required();
        let plain = with(options(), &json!({})).await;
        let phone = plain.simulator.install();
        let verdict = sample::send_one(&plain.provider, phone.token()).await;
        assert_eq!(
            (verdict.kind, &*verdict.answer.code),
            (VerdictKind::PayloadRefused, "54")
        );
        let mut keys = json!({
            "template": TEMPLATE[0], "title_parameter": "sender", "content_parameter": "message",
        });
        let world = with(options(), &keys).await;
        let phone = world.simulator.install();
        assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
        let arrival = &phone.arrivals()[0];
        assert_eq!(arrival.title(), sample::TITLE);
        assert_eq!(arrival.body(), format!("says: {}", sample::BODY));
        keys["content_parameter"] = json!("another");
        let world = with(options(), &keys).await;
        let phone = world.simulator.install();
        assert_eq!(world.send_to(&phone).await, VerdictKind::PayloadRefused);
    });
}

#[test]
fn the_longest_texts_are_taken_in_both_styles() {
    block_on(async {
        for (long, content) in [(false, 50), (true, 128)] {
            let world = with(Options::default(), &json!({ "long_text": long })).await;
            let phone = world.simulator.install();
            let notification = Notification::default()
                .with_title("你好😀".repeat(100))
                .with_subtitle("sub 😀".repeat(10))
                .with_body("é你👍".repeat(300));
            world.deliver(&phone, notification).await;
            let arrival = &phone.arrivals()[0];
            assert!(
                arrival.body().encode_utf16().count() > content - 2,
                "{}",
                arrival.body()
            );
            assert_eq!(arrival.title().encode_utf16().count(), 50);
        }
    });
}

#[test]
fn nothing_shows_in_a_channel_that_the_app_has_not_created() {
    block_on(async {
        for (channel, shown) in [("im", 1), ("news", 1), ("", 1), ("other", 0)] {
            let world = with(Options::default(), &json!({ "channel_id": channel })).await;
            let phone = world.simulator.install();
            assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
            assert_eq!(phone.screen().len(), shown, "{channel}");
        }
    });
}

/// OPPO has no message without a notification.
#[test]
fn a_background_push_is_refused_and_the_alert_beside_it_is_sent() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let silent = sample::notification().with_kind(NotificationKind::Background);
        let targets = [silent, sample::notification()]
            .map(|notification| sample::target(phone.token(), &sample::content(notification)));
        let kinds = world.send(sample::batch_of(targets)).await;
        assert_eq!(kinds, [VerdictKind::PayloadRefused, VerdictKind::Accepted]);
        assert_eq!(phone.arrivals().len(), 1);
    });
}
