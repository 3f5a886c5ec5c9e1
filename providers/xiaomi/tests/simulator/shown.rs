//! What is sent, and what arrives.
use std::time::Duration;

use crate::world::{World, with, world};
use push_core::{
    Acceptance, Badge, Notification, NotificationKind, Scope, Sound, TokenFault, VerdictKind,
    payload::{Payload, Profile},
};
use push_provider_xiaomi::simulator::{Options, Phone};
use push_testkit::{
    block_on, json, sample,
    serde_json::{self, Map, Value},
    simulator::form,
};

fn fields(fields: Value) -> Map<String, Value> {
    serde_json::from_value(fields).expect("an object")
}

/// The form of the last request.
fn last(world: &World) -> std::collections::HashMap<String, String> {
    let request = world.simulator.log().requests().pop().expect("a request");
    form(&request.body)
}

/// S17
#[test]
fn a_click_opens_the_app_with_ext_in_the_content_and_in_the_extras() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let mut batch = sample::batch(sample::notification(), [phone.token()]);
        batch.targets[0].receiver = Some(sample::user("bob"));
        let delivery = batch.targets[0].delivery.to_string();
        assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
        let clicked = phone.click().expect("it is on the screen");
        assert_eq!(clicked.title(), sample::TITLE);
        assert_eq!(clicked.description(), sample::BODY);
        assert_eq!(clicked.content(), sample::EXT);
        assert_eq!(clicked.extra("ext"), Some(sample::EXT));
        assert_eq!(clicked.extra("receiver"), Some("bob"));
        assert_eq!(clicked.extra("delivery"), Some(delivery.as_str()));
        assert!(!clicked.calls_receiver());
        let message = clicked.started_with("key_message").expect("an activity");
        assert!(message.contains(&delivery));
        let opened = Payload::xiaomi(clicked.extras()).target(Profile::Android);
        assert_eq!(
            opened,
            Payload::intent(sample::EXT).target(Profile::Android)
        );
        assert!(opened.is_ok());
    });
}

/// S17
#[test]
fn a_notification_without_ext_names_no_chat_and_does_not_fail() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let batch = sample::batch(sample::notification().with_ext(""), [phone.token()]);
        assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
        let arrival = &phone.arrivals()[0];
        assert_eq!((arrival.content(), arrival.extra("ext")), ("", None));
        let opened = Payload::xiaomi(arrival.extras()).target(Profile::Android);
        assert!(opened.is_err());
    });
}

#[test]
fn an_activity_finds_ext_in_its_intent_and_a_long_one_in_the_message() {
    const INTENT: &str =
        "intent://im/chat#Intent;scheme=push;component=com.example.im/.ChatActivity;end";
    block_on(async {
        let keys = json!({ "click": "activity", "intent": INTENT });
        let world = with(Options::default(), &keys).await;
        let phone = world.simulator.install();
        let long = format!(r#"{{"entity":{{"sender":"{}"}}}}"#, "你".repeat(150));
        for (ext, in_intent) in [(sample::EXT, Some(sample::EXT)), (&long, None)] {
            let notification = sample::notification().with_ext(ext);
            let mut batch = sample::batch(notification, [phone.token()]);
            batch.targets[0].receiver = Some(sample::user("bob"));
            assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
            let clicked = phone.click().expect("it is on the screen");
            assert_eq!(clicked.started_with("ext").as_deref(), in_intent);
            assert_eq!(clicked.started_with("receiver").as_deref(), Some("bob"));
            assert!(clicked.started_with("delivery").is_some());
            let message = clicked.started_with("key_message").expect("the activity");
            let message: Value = serde_json::from_str(&message).expect("JSON");
            assert_eq!(
                (&message["content"], &message["extra"]["ext"]),
                (&json!(ext), &json!(ext))
            );
        }
    });
}

#[test]
fn the_receiver_of_the_app_gets_the_click_if_it_is_to_open_the_activity() {
    block_on(async {
        let world = with(Options::default(), &json!({ "click": "receiver" })).await;
        let phone = world.simulator.install();
        assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
        let clicked = phone.click().expect("it is on the screen");
        assert!(clicked.calls_receiver());
        assert_eq!(clicked.started_with("key_message"), None);
        assert_eq!(clicked.content(), sample::EXT);
    });
}

#[test]
fn an_ext_that_no_extra_can_hold_is_in_the_content_alone() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        for (length, is_extra) in [(1024, true), (1025, false), (4096, false)] {
            let ext = format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
            let batch = sample::batch(sample::notification().with_ext(&ext), [phone.token()]);
            assert_eq!(world.send(batch).await, [VerdictKind::Accepted], "{length}");
            let arrival = phone.arrivals().pop().expect("it arrived");
            assert_eq!(arrival.content(), ext);
            assert_eq!(arrival.extra("ext").is_some(), is_extra, "{length}");
        }
    });
}

/// S124
#[test]
fn a_badge_of_zero_clears_the_icon_and_one_that_is_left_is_not_sent() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        for (badge, shown) in [
            (Badge::Set(3), 3),
            (Badge::Leave, 3),
            (Badge::Set(0), 0),
            (Badge::Set(100_000), 100_000),
        ] {
            let mut batch = sample::batch(sample::notification(), [phone.token()]);
            batch.targets[0].badge = badge;
            assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
            assert_eq!(phone.badge(), shown, "{badge:?}");
        }
        let without = with(Options::default(), &json!({ "badge": false })).await;
        let phone = without.simulator.install();
        assert_eq!(without.send_to(&phone).await, VerdictKind::Accepted);
        assert_eq!(phone.badge(), 0);
        assert!(!last(&without).contains_key("extra.badge"));
    });
}

#[test]
fn a_background_push_reaches_the_app_and_shows_nothing() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        for (ext, content) in [(sample::EXT, sample::EXT), ("", "{}")] {
            let notification = Notification::default()
                .with_kind(NotificationKind::Background)
                .with_ext(ext)
                .with_vendor(fields(
                    json!({ "notify_type": 1, "extra": { "ticker": "x" } }),
                ));
            let batch = sample::batch(notification, [phone.token()]);
            assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
            let arrival = phone.arrivals().pop().expect("it arrived");
            assert_eq!(arrival.content(), content);
            assert!(arrival.calls_receiver());
        }
        assert!(phone.screen().is_empty());
    });
}

/// S99
#[test]
fn texts_keep_below_the_limits_however_a_character_is_counted() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        for character in ["a", "你", "😀"] {
            let text = character.repeat(200);
            let notification = sample::notification().with_title(&text).with_body(&text);
            let batch = sample::batch(notification, [phone.token()]);
            assert_eq!(
                world.send(batch).await,
                [VerdictKind::Accepted],
                "{character}"
            );
            let arrival = phone.arrivals().pop().expect("it arrived");
            let units = |text: &str| text.encode_utf16().count();
            let most = [49, 127].map(|most| most - (units(character) - 1));
            assert!(
                (most[0]..=49).contains(&units(arrival.title())),
                "{character}"
            );
            assert!((most[1]..=127).contains(&units(arrival.description())));
        }
    });
}

#[test]
fn a_text_that_is_missing_or_blank_is_replaced_by_the_other() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        for (title, body, shown) in [
            ("", "hello", Some(("hello", "hello"))),
            (" \u{3000}", "hello", Some(("hello", "hello"))),
            ("Ann", "\n", Some(("Ann", "Ann"))),
            (" ", "\t", None),
        ] {
            let notification = sample::notification().with_title(title).with_body(body);
            let kind = world
                .send(sample::batch(notification, [phone.token()]))
                .await;
            let arrival = phone.arrivals().pop();
            match shown {
                None => assert_eq!(kind, [VerdictKind::PayloadRefused]),
                Some(shown) => {
                    let arrival = arrival.expect("it arrived");
                    assert_eq!((arrival.title(), arrival.description()), shown);
                }
            }
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
            ("", "4"),
            ("", "5"),
        ] {
            let notification = sample::notification().with_collapse(key).with_title(title);
            world
                .send(sample::batch(notification, [phone.token()]))
                .await;
        }
        let screen = phone.screen();
        let titles: Vec<_> = screen.iter().map(|shown| shown.title()).collect();
        // Without a key the content is the key.
        assert_eq!(titles, ["two", "three", "4", "5"]);
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
            world
                .send(sample::batch(notification, [phone.token()]))
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
fn a_message_of_a_public_channel_is_kept_for_a_day_and_a_private_one_for_ten() {
    const DAY: Duration = Duration::from_secs(86_400);
    block_on(async {
        for (channel, days, arrives) in [
            ("104087", 2, 0),
            ("104086", 2, 1),
            ("104086", 9, 1),
            ("104086", 11, 0),
        ] {
            let world = with(Options::default(), &json!({ "channel_id": channel })).await;
            let phone = world.simulator.install();
            phone.set_power(false);
            let notification = sample::notification().with_expires_at(sample::NOW + DAY * 30);
            let batch = sample::batch(notification, [phone.token()]);
            assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
            world.clock.advance(DAY * days);
            phone.set_power(true);
            assert_eq!(
                phone.arrivals().len(),
                arrives,
                "{channel} after {days} days"
            );
        }
    });
}

#[test]
fn silence_leaves_the_sound_out_and_a_named_sound_is_a_resource_of_the_app() {
    block_on(async {
        for (configured, sound, notify_type, uri) in [
            (-1, Sound::Default, -1, None),
            (-1, Sound::Silent, 6, None),
            (5, Sound::Silent, 4, None),
            (1, Sound::Silent, 6, None),
            (4, Sound::Default, 4, None),
            (
                4,
                Sound::Named("private_ring.mp3".to_owned()),
                5,
                Some("android.resource://com.example.im/raw/private_ring"),
            ),
            (-1, Sound::Named("Not a resource".to_owned()), -1, None),
        ] {
            let world = with(Options::default(), &json!({ "notify_type": configured })).await;
            let phone = world.simulator.install();
            let notification = sample::notification().with_sound(sound.clone());
            let batch = sample::batch(notification, [phone.token()]);
            assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
            let arrival = &phone.arrivals()[0];
            assert_eq!(arrival.notify_type(), notify_type, "{configured} {sound:?}");
            assert_eq!(arrival.extra("sound_uri"), uri);
        }
    });
}

#[test]
fn the_template_of_a_private_channel_is_filled_with_the_texts() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        for (body, wanted) in [("hello 👍", "hello"), ("😀", "…"), (&*"x".repeat(300), "x")] {
            let notification = sample::notification().with_body(body);
            let batch = sample::batch(notification, [phone.token()]);
            assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
            let arrival = phone.arrivals().pop().expect("it arrived");
            let values = arrival.extra("template_param").expect("values");
            let values: Value = serde_json::from_str(values).expect("JSON text");
            assert_eq!(values["sender"], sample::TITLE);
            assert!(
                values["text"].as_str().expect("text").starts_with(wanted),
                "{values}"
            );
        }
        let none = json!({ "template_id": "", "template_param": {} });
        let without = with(Options::default(), &none).await;
        let phone = without.simulator.install();
        assert_eq!(without.send_to(&phone).await, VerdictKind::PayloadRefused);
        // A message may bring its own.
        let own = json!({ "extra": {
            "template_id": "T10001", "template_param": r#"{"sender":"Ann","text":"{body}"}"#,
        }});
        let notification = sample::notification().with_vendor(fields(own));
        let batch = sample::batch(notification, [phone.token()]);
        assert_eq!(without.send(batch).await, [VerdictKind::Accepted]);
        let tolerant = Options::default().without_templates();
        let tolerant = with(tolerant, &none).await;
        let phone = tolerant.simulator.install();
        assert_eq!(tolerant.send_to(&phone).await, VerdictKind::Accepted);
    });
}

/// S100
#[test]
fn the_channel_of_a_message_beats_the_credentials_and_an_empty_one_does_not() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        for (channel, wanted) in [
            (json!("104087"), Some("104087")),
            (json!(""), Some("104086")),
            (Value::Null, None),
        ] {
            let vendor = fields(json!({ "extra": { "channel_id": channel } }));
            let notification = sample::notification().with_vendor(vendor);
            let batch = sample::batch(notification, [phone.token()]);
            assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
            let arrival = phone.arrivals().pop().expect("it arrived");
            assert_eq!(arrival.extra("channel_id"), wanted);
        }
        let unknown = with(Options::default(), &json!({ "channel_id": "1" })).await;
        let phone = unknown.simulator.install();
        let verdict = sample::send_one(&unknown.provider, phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::PayloadRefused);
        assert_eq!(verdict.answer.code, "27001");
    });
}

#[test]
fn the_default_channel_shows_a_phone_one_message_a_day() {
    block_on(async {
        let world = with(Options::default(), &json!({ "channel_id": "" })).await;
        let phone = world.simulator.install();
        for (hours, arrived) in [(0, 1), (0, 1), (24, 2)] {
            world.clock.advance(Duration::from_secs(hours * 3600));
            assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
            assert_eq!(phone.arrivals().len(), arrived);
        }
    });
}

/// S121, S122
#[test]
fn each_target_of_a_batch_gets_its_own_verdict() {
    block_on(async {
        let world = world().await;
        let phones: [Phone; 3] = std::array::from_fn(|_| world.simulator.install());
        phones[1].uninstall();
        let tokens = phones.iter().map(Phone::token);
        let kinds = world
            .send(sample::batch(sample::notification(), tokens))
            .await;
        let dead = VerdictKind::TokenDead { since: None };
        assert_eq!(kinds, [VerdictKind::Accepted, dead, VerdictKind::Accepted]);
        let counters = world.simulator.counters();
        assert_eq!((counters.requests, counters.accepted), (1, 2));
        // Which delivery it is can only be said to one phone.
        assert_eq!(phones[0].arrivals()[0].extra("delivery"), None);
    });
}

#[test]
fn a_failure_that_names_no_target_costs_no_token_before_the_target_is_alone() {
    block_on(async {
        let world = world().await;
        let phones: [Phone; 2] = std::array::from_fn(|_| world.simulator.install());
        phones.iter().for_each(Phone::uninstall);
        let tokens = phones.iter().map(Phone::token);
        let kinds = world
            .send(sample::batch(sample::notification(), tokens))
            .await;
        assert_eq!(kinds, [VerdictKind::Unavailable(Scope::Token); 2]);
        for phone in &phones {
            let dead = VerdictKind::TokenDead { since: None };
            assert_eq!(world.send_to(phone).await, dead);
        }
    });
}

#[test]
fn a_registration_id_with_a_comma_is_not_sent_and_spoils_no_other() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let two = format!("{},{}", phone.token(), phone.token());
        let batch = sample::batch(sample::notification(), [&two, phone.token(), "a,b"]);
        let malformed = VerdictKind::TokenUnusable(TokenFault::Malformed);
        let kinds = world.send(batch).await;
        assert_eq!(kinds, [malformed, VerdictKind::Accepted, malformed]);
        assert_eq!(phone.arrivals().len(), 1);
    });
}

#[test]
fn every_version_of_the_path_is_accepted_and_two_packages_need_v3() {
    block_on(async {
        for (version, package, is_accepted) in [
            ("v2", "com.example.im", true),
            ("V3", "com.example.im,com.example.im.pad", true),
            ("v4", " com.example.im.pad , com.example.im ", true),
            ("v4", "com.example.other", false),
        ] {
            let keys = json!({ "api_version": version, "package": package });
            let world = with(Options::default(), &keys).await;
            let phone = world.simulator.install();
            let verdict = sample::send_one(&world.provider, phone.token()).await;
            if is_accepted {
                assert_eq!(
                    verdict.kind,
                    VerdictKind::Accepted,
                    "{version}: {verdict:?}"
                );
            } else {
                assert_eq!(verdict.kind, VerdictKind::CredentialRefused);
                assert_eq!(verdict.answer.code, "22022");
            }
            let path = format!("/{}/message/regid", version.to_ascii_lowercase());
            assert_eq!(world.simulator.log().to(&path).len(), 1);
        }
    });
}

#[test]
fn a_wrong_secret_or_package_refuses_the_credential_and_verify_says_so() {
    block_on(async {
        for (status, keys) in [
            (200, json!({ "app_secret": "wrong" })),
            (401, json!({ "app_secret": "wrong" })),
            (200, json!({ "package": "com.example.other" })),
        ] {
            let options = Options::default().with_unauthorized_status(status);
            let world = with(options, &keys).await;
            let phone = world.simulator.install();
            assert_eq!(world.send_to(&phone).await, VerdictKind::CredentialRefused);
            let health = world.provider.verify().await.expect("an answer");
            assert_eq!(health.acceptance, Acceptance::Refused, "{health:?}");
        }
        let good = world().await;
        let phone = good.simulator.install();
        let health = good.provider.verify().await.expect("an answer");
        assert_eq!(health.acceptance, Acceptance::Accepted, "{health:?}");
        assert_eq!(phone.arrivals(), []);
        assert_eq!(good.simulator.counters().accepted, 0);
    });
}

#[test]
fn the_quota_of_the_day_ends_at_midnight_in_china() {
    block_on(async {
        let options = Options::default().with_daily_quota(1);
        let world = with(options, &json!({ "channel_id": "104087" })).await;
        let phone = world.simulator.install();
        assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
        let verdict = sample::send_one(&world.provider, phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::RateLimited(Scope::Class));
        let push_core::Retry::After(wait) = verdict.retry else {
            panic!("{verdict:?}");
        };
        // 06:13:20 in China.
        assert_eq!(wait, Duration::from_secs(17 * 3600 + 46 * 60 + 40));
        world.clock.advance(wait - Duration::from_millis(1));
        assert_ne!(world.send_to(&phone).await, VerdictKind::Accepted);
        world.clock.advance(Duration::from_millis(1));
        assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
    });
}

#[test]
fn a_rate_of_requests_that_is_too_high_passes_in_a_second() {
    block_on(async {
        let world = with(Options::default().with_requests_a_second(2), &json!({})).await;
        let phone = world.simulator.install();
        for _ in 0..2 {
            assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
        }
        let verdict = sample::send_one(&world.provider, phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::RateLimited(Scope::Credential));
        let second = Duration::from_secs(1);
        assert_eq!(verdict.retry, push_core::Retry::After(second));
        world.clock.advance(second);
        assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
    });
}
