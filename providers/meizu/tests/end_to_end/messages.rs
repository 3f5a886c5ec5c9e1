//! What a phone shows, and what its app gets.
use std::time::Duration;

use push_core::{
    ErrorKind, Interruption, Notification, NotificationKind, Priority, Sound, VerdictKind,
    payload::{Payload, Profile},
};
use push_testkit::{
    block_on, json, sample,
    serde_json::{self, Map, Value},
};

use super::{Options, with, world};

fn fields(fields: Value) -> Map<String, Value> {
    serde_json::from_value(fields).expect("an object")
}

#[test]
fn a_click_opens_the_chat_with_the_click_data() {
    block_on(async {
        for activity in ["com.example.im.ChatActivity", ""] {
            let world = with(Options::default(), &json!({ "activity": activity })).await;
            let phone = world.simulator.install();
            let mut batch = sample::batch(sample::notification(), [phone.token()]);
            batch.targets[0].receiver = Some(sample::user("bob"));
            let delivery = batch.targets[0].delivery.to_string();
            assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
            let clicked = phone.click().expect("it is on the screen");
            assert_eq!(clicked.text("title"), sample::TITLE);
            assert_eq!(clicked.text("content"), sample::BODY);
            assert_eq!(clicked.extra("ext"), Some(sample::EXT));
            assert_eq!(clicked.extra("receiver"), Some("bob"));
            assert_eq!(clicked.extra("delivery"), Some(delivery.as_str()));
            let payload = Payload::intent(clicked.extra("ext").unwrap_or_default());
            let target = payload.target(Profile::Android).expect("it names a chat");
            assert_eq!(target.navigate_ids(), Some(("ann", "")));
            assert!(phone.screen().is_empty());
        }
    });
}

#[test]
fn an_activity_that_the_app_does_not_have_opens_nothing() {
    block_on(async {
        let keys = json!({ "activity": "com.example.im.Elsewhere" });
        let world = with(Options::default(), &keys).await;
        let phone = world.simulator.install();
        assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
        assert_eq!(phone.arrivals()[0].extra("ext"), None);
    });
}

/// S99: the vendor's limits are in UTF-16 units, and the simulator refuses what is longer.
#[test]
fn long_texts_are_cut_and_a_missing_one_is_replaced_by_the_other() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let long = Notification::default()
            .with_title("😀".repeat(17))
            .with_body("你".repeat(101));
        let shown = world.shown(&phone, long).await;
        let bar = &shown["noticeBarInfo"];
        assert_eq!(bar["title"], format!("{}…", "😀".repeat(15)));
        assert_eq!(bar["content"], format!("{}…", "你".repeat(99)));
        for (title, body) in [("only", ""), ("", "only")] {
            let one = Notification::default().with_title(title).with_body(body);
            let bar = world.shown(&phone, one).await["noticeBarInfo"].clone();
            assert_eq!(
                (&bar["title"], &bar["content"]),
                (&json!("only"), &json!("only"))
            );
        }
        let none = sample::batch(Notification::default(), [phone.token()]);
        assert_eq!(world.send(none).await, [VerdictKind::PayloadRefused]);
    });
}

#[test]
fn a_later_notification_replaces_one_with_the_same_key() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let long = |last: char| format!("c2c-{}{last}", "x".repeat(50));
        let keys = [long('a'), long('b'), long('a'), String::new()];
        for (number, key) in keys.into_iter().enumerate() {
            let notification = sample::notification()
                .with_collapse(key)
                .with_title(format!("title {number}"));
            let shown = world.shown(&phone, notification).await;
            let key = shown["advanceInfo"]["notifyKey"].as_str().expect("a key");
            assert_eq!(key.len(), 8);
        }
        let screen = phone.screen();
        let titles: Vec<_> = screen.iter().map(|shown| shown.text("title")).collect();
        assert_eq!(titles, ["title 1", "title 2", "title 3"]);
    });
}

#[test]
fn the_time_to_live_is_whole_hours_rounded_up() {
    block_on(async {
        let options = Options::default().with_per_minute(99);
        let world = with(options, &json!({})).await;
        let phone = world.simulator.install();
        for (millis, hours) in [
            (1, 1),
            (3_600_000, 1),
            (3_600_001, 2),
            (7_200_000, 2),
            (86_400_000, 24),
            (259_200_000, 72),
            (999_999_999, 72),
        ] {
            let at = sample::NOW + Duration::from_millis(millis);
            let shown = world.shown(&phone, sample::notification().with_expires_at(at));
            let time = shown.await["pushTimeInfo"].clone();
            assert_eq!(
                time,
                json!({ "offLine": 1, "validTime": hours }),
                "{millis}"
            );
        }
        let shown = world.shown(&phone, sample::notification()).await;
        assert_eq!(shown["pushTimeInfo"], json!({ "offLine": 1 }));
    });
}

#[test]
fn what_expires_while_the_phone_is_off_does_not_arrive() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        phone.set_power(false);
        let never = fields(json!({ "pushTimeInfo": { "offLine": 0 } }));
        for (title, hours, vendor) in [
            ("short", 1, Map::new()),
            ("long", 2, Map::new()),
            ("now or never", 2, never),
        ] {
            let at = sample::NOW + Duration::from_secs(hours * 3600);
            let notification = sample::notification()
                .with_title(title)
                .with_collapse(title)
                .with_expires_at(at)
                .with_vendor(vendor);
            world
                .send(sample::batch(notification, [phone.token()]))
                .await;
        }
        world.clock.advance(Duration::from_secs(3601));
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
fn a_quiet_notification_makes_no_sound_and_shows_no_banner() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let advance = async |notification: Notification| {
            let mut advance = world.shown(&phone, notification).await["advanceInfo"].clone();
            advance["notifyKey"].take();
            advance
        };
        let usual = advance(sample::notification()).await;
        assert_eq!(usual, json!({ "notifyKey": null }));
        let silent = advance(sample::notification().with_sound(Sound::Silent)).await;
        let off = json!({ "vibrate": 0, "lights": 1, "sound": 0 });
        assert_eq!(
            silent,
            json!({ "notifyKey": null, "notificationType": off })
        );
        let no_banner = json!({ "notifyKey": null, "suspend": 0 });
        let low = sample::notification().with_priority(Priority::Low);
        assert_eq!(advance(low).await, no_banner);
        let passive = sample::notification().with_interruption(Interruption::Passive);
        assert_eq!(advance(passive).await, no_banner);
        // There are no sounds of the app's own.
        let named = sample::notification().with_sound(Sound::Named("ring.mp3".to_owned()));
        assert_eq!(advance(named).await, usual);
    });
}

/// S100: vendor fields of a message or a class policy beat those of the credential, and an absent one does not.
#[test]
fn the_class_of_a_message_beats_that_of_the_credential() {
    block_on(async {
        for (configured, usual) in [("private", 1), ("public", 0)] {
            let keys = json!({ "notice_type": configured });
            let world = with(Options::default(), &keys).await;
            let phone = world.simulator.install();
            let other = 1 - usual;
            for (vendor, wanted) in [
                (json!({}), usual),
                (
                    json!({ "noticeBarInfo": { "noticeMsgType": other } }),
                    other,
                ),
            ] {
                let notification = sample::notification().with_vendor(fields(vendor));
                let shown = world.shown(&phone, notification).await;
                assert_eq!(shown["noticeBarInfo"]["noticeMsgType"], wanted);
                assert_eq!(shown["noticeBarInfo"]["title"], sample::TITLE);
            }
        }
    });
}

#[test]
fn there_are_no_background_pushes_and_no_number_on_the_icon() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let background = sample::notification().with_kind(NotificationKind::Background);
        let batch = sample::batch(background, [phone.token()]);
        assert_eq!(world.send(batch).await, [VerdictKind::PayloadRefused]);
        assert_eq!(world.simulator.counters().requests, 0);
        // The sample's batch sets the badge.
        let shown = world.shown(&phone, sample::notification()).await;
        assert!(!shown.to_string().to_lowercase().contains("badge"));
    });
}

#[test]
fn a_message_that_is_too_large_is_cut_and_its_click_data_never() {
    block_on(async {
        let world = with(Options::default(), &json!({ "max_message": 1024 })).await;
        let phone = world.simulator.install();
        let sender = "x".repeat(600);
        let ext = json!({ "entity": { "sender": sender } }).to_string();
        let notification = sample::notification()
            .with_body("b".repeat(100))
            .with_ext(ext.as_str());
        let shown = world.shown(&phone, notification.clone()).await;
        assert!(shown.to_string().len() <= 1024);
        assert_eq!(shown["clickTypeInfo"]["parameters"]["ext"], ext);
        let content = shown["noticeBarInfo"]["content"].as_str().expect("text");
        assert!(
            content.starts_with('b') && content.ends_with('…'),
            "{content}"
        );
        let more = json!({ "entity": { "sender": "x".repeat(1024) } }).to_string();
        let batch = sample::batch(notification.with_ext(more), [phone.token()]);
        assert_eq!(world.send(batch).await, [VerdictKind::PayloadRefused]);
    });
}

#[test]
fn a_push_may_be_for_some_packages_of_the_app_only() {
    block_on(async {
        for (packages, wanted) in [
            (json!([]), None),
            (json!(["com.a.b", " com.c.d\n"]), Some("com.a.b,com.c.d")),
        ] {
            let keys = json!({ "packages": packages });
            let world = with(Options::default(), &keys).await;
            let phone = world.simulator.install();
            assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
            let sent = world.simulator.log().requests().pop().expect("a request");
            let named = push_kit::form::field(&sent.body, "restrictedPackageNames");
            assert_eq!(named.as_deref(), wanted);
            let kind = sent.header("content-type");
            assert_eq!(
                kind,
                Some("application/x-www-form-urlencoded;charset=UTF-8")
            );
        }
    });
}

#[test]
fn vendor_fields_that_meizu_does_not_have_are_refused_by_name() {
    block_on(async {
        let world = world().await;
        for (vendor, named) in [
            (
                json!({ "noticeBarInfo": { "titel": "x" } }),
                "noticeBarInfo.titel",
            ),
            (json!({ "pushTimeInfo": { "validTime": 73 } }), "validTime"),
            (json!({ "advanceInfo": { "suspend": true } }), "suspend"),
            (json!({ "vipInfo": { "timeTop": 60 } }), "timeTop"),
            (json!({ "extra": { "callback.type": 1 } }), "extra"),
        ] {
            let error = world.provider.check_fields(&fields(vendor));
            let error = error.expect_err(named);
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains(named), "{error}");
        }
    });
}
