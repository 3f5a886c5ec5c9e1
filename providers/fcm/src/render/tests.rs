use std::sync::Arc;

use proptest::prelude::*;
use push_core::{DeliveryId, DeviceToken, Priority, Sound, UserId};
use push_testkit::sample;

use super::*;

mod platforms;

const DELIVERY: &str = "0190163d-8694-739b-aea5-966c26f8ad91";

fn body(notification: Notification, badge: Badge, style: &Style) -> Result<Value, Verdict> {
    let content = sample::content(notification);
    let token = DeviceToken::new("dJ7x:APA91b").unwrap();
    let target = Target::new(
        DELIVERY.parse::<DeliveryId>().unwrap(),
        token,
        Arc::clone(&content),
    )
    .with_badge(badge)
    .with_receiver(Some(UserId::new("alice").unwrap()));
    let body = Rendered::new(&content, style, sample::NOW)?.body(&target)?;
    Ok(serde_json::from_slice(&body).expect("the body is JSON"))
}

fn rendered(notification: Notification) -> Value {
    body(notification, Badge::Leave, &Style::default()).expect("it renders")["message"].clone()
}

fn refused(notification: Notification) -> String {
    body(notification, Badge::Leave, &Style::default())
        .expect_err("it is refused")
        .answer
        .code
        .clone()
}

fn with_vendor(fields: Value) -> Notification {
    sample::notification().with_vendor(fields.as_object().expect("an object").clone())
}

#[test]
fn a_chat_message_becomes_a_notification_with_its_click_data() {
    let notification = sample::notification()
        .with_image("https://example.com/a.png")
        .with_collapse("conv-42")
        .with_collapse_waiting(true)
        .with_expires_at(sample::NOW + Duration::from_secs(3600));
    let style = Style {
        channel_id: "im".into(),
        click_action: "OPEN_CHAT".into(),
        ..Style::default()
    };
    assert_eq!(
        body(notification, Badge::Set(3), &style).unwrap(),
        json!({"message": {
            "token": "dJ7x:APA91b",
            "notification": {
                "title": sample::TITLE, "body": sample::BODY, "image": "https://example.com/a.png",
            },
            "data": {"ext": sample::EXT, "delivery": DELIVERY, "receiver": "alice"},
            "android": {
                "priority": "HIGH",
                "ttl": "3600s",
                "collapse_key": "conv-42",
                "notification": {
                    "channel_id": "im",
                    "click_action": "OPEN_CHAT",
                    "notification_count": 3,
                    "sound": "default",
                    "tag": "conv-42",
                },
            },
            "apns": {
                "headers": {
                    "apns-collapse-id": "conv-42", "apns-expiration": "1700003600",
                    "apns-priority": "10", "apns-push-type": "alert",
                },
                "payload": {
                    "aps": {"badge": 3, "mutable-content": 1, "sound": "default", "thread-id": "ann"},
                    "image": "https://example.com/a.png",
                },
            },
            "webpush": {
                "headers": {"TTL": "3600", "Topic": "conv-42", "Urgency": "high"},
                "notification": {"renotify": true, "tag": "conv-42"},
            },
        }})
    );
}

/// Android has no push that only sets a number: it would show an empty notification.
#[test]
fn a_number_alone_is_for_iphones_and_shows_nothing_anywhere() {
    let notification = |vendor: Value| {
        Notification::default()
            .with_ext(sample::EXT)
            .with_priority(Priority::High)
            .with_vendor(vendor.as_object().unwrap().clone())
    };
    let style = Style {
        channel_id: "im".into(),
        click_action: "OPEN_CHAT".into(),
        ..Style::default()
    };
    let aps = json!({
        "headers": {"apns-priority": "5", "apns-push-type": "alert"},
        "payload": {"aps": {"badge": 0}},
    });
    for vendor in [
        json!({}),
        json!({"android": {"notification": {"color": "#ff0000"}}}),
    ] {
        let json = body(notification(vendor), Badge::Set(0), &style).unwrap();
        assert_eq!(
            json,
            json!({"message": {
                "token": "dJ7x:APA91b", "android": {"priority": "NORMAL"}, "apns": aps,
            }})
        );
    }
    let keyed = json!({"android": {"notification": {"body_loc_key": "NEW"}}});
    let json = body(notification(keyed), Badge::Set(2), &style).unwrap();
    let shown = &json["message"]["android"]["notification"];
    assert_eq!(shown["notification_count"], 2);
    assert_eq!(json["message"]["data"]["ext"], sample::EXT);
}

#[test]
fn what_only_wakes_the_app_has_the_headers_that_apple_asks_for() {
    let woken = |badge| {
        let notification = sample::notification().with_kind(NotificationKind::Background);
        body(notification, badge, &Style::default()).unwrap()["message"]["apns"].clone()
    };
    assert_eq!(
        woken(Badge::Leave),
        json!({
            "headers": {"apns-priority": "5", "apns-push-type": "background"},
            "payload": {"aps": {"content-available": 1}},
        })
    );
    assert_eq!(
        woken(Badge::Set(4)),
        json!({
            "headers": {"apns-priority": "5", "apns-push-type": "alert"},
            "payload": {"aps": {"badge": 4, "content-available": 1}},
        })
    );
    let own = with_vendor(json!({"apns": {"payload": {"aps": {"badge": 9, "sound": "a.caf"}}}}));
    let json = body(own, Badge::Set(3), &Style::default()).unwrap();
    let aps = &json["message"]["apns"]["payload"]["aps"];
    assert_eq!(
        *aps,
        json!({"badge": 9, "sound": "a.caf", "thread-id": "ann"})
    );
}

#[test]
fn a_push_that_only_wakes_the_app_shows_nothing() {
    let notification = Notification::default()
        .with_kind(NotificationKind::Background)
        .with_priority(Priority::Normal)
        .with_ext("{}")
        .with_collapse("sync")
        .with_collapse_waiting(true);
    let message = rendered(notification.with_vendor(
        with_vendor(json!({"android": {"notification": {"channel_id": "im"}}})).vendor,
    ));
    assert_eq!(message.get("notification"), None);
    assert_eq!(
        message["android"],
        json!({"priority": "NORMAL", "collapse_key": "sync"})
    );
    assert_eq!(message["data"]["ext"], "{}");
}

#[test]
fn a_message_without_a_collapse_key_has_a_tag_of_its_own() {
    let content = sample::content(sample::notification().with_collapse(""));
    let rendered = Rendered::new(&content, &Style::default(), sample::NOW).unwrap();
    let android = &rendered.message["android"];
    assert_eq!(
        android["collapse_key"],
        Value::Null,
        "only the sender's own"
    );
    assert_eq!(android["notification"]["tag"], content.id.to_string());
}

/// S124
#[test]
fn a_badge_of_zero_is_sent_as_zero_and_no_badge_is_not_sent() {
    let count = |badge| {
        let json = body(sample::notification(), badge, &Style::default()).unwrap();
        json["message"]["android"]["notification"]["notification_count"].clone()
    };
    assert_eq!(count(Badge::Set(0)), 0);
    assert_eq!(count(Badge::Set(u32::MAX)), i32::MAX);
    assert_eq!(count(Badge::Leave), Value::Null);
}

#[test]
fn the_time_to_live_is_the_time_left_and_four_weeks_at_most() {
    let ttl = |at| {
        let notification = sample::notification().with_expires_at(at);
        rendered(notification)["android"]["ttl"].clone()
    };
    assert_eq!(ttl(sample::NOW + Duration::from_millis(59_999)), "59s");
    assert_eq!(ttl(sample::NOW - Duration::from_secs(5)), "0s");
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    assert_eq!(ttl(sample::NOW + year), "2419200s");
}

#[test]
fn a_sound_is_named_without_its_suffix_and_silence_is_no_sound() {
    let sound = |sound| {
        let notification = sample::notification().with_sound(sound);
        rendered(notification)["android"]["notification"]["sound"].clone()
    };
    assert_eq!(sound(Sound::Default), "default");
    assert_eq!(sound(Sound::Silent), Value::Null);
    assert_eq!(sound(Sound::Named("bell.ogg".into())), "bell");
    assert_eq!(sound(Sound::Named("bell".into())), "bell");
}

#[test]
fn vendor_fields_are_merged_over_the_rendered_message() {
    let message = rendered(with_vendor(json!({
        "android": {"notification": {"channel_id": "calls", "notification_count": 7}},
        "data": {"more": "1"},
        "fcm_options": {"analytics_label": "chat"},
    })));
    assert_eq!(message["android"]["notification"]["channel_id"], "calls");
    assert_eq!(message["android"]["notification"]["sound"], "default");
    assert_eq!(message["android"]["priority"], "HIGH");
    assert_eq!(message["data"]["more"], "1");
    assert_eq!(message["data"]["ext"], sample::EXT);
    assert_eq!(message["fcm_options"]["analytics_label"], "chat");
    let notification = with_vendor(json!({"android": {"notification": {"notification_count": 7}}}));
    let json = body(notification, Badge::Set(3), &Style::default()).unwrap();
    let shown = &json["message"]["android"]["notification"];
    assert_eq!(shown["notification_count"], 7);
}

#[test]
fn click_data_is_also_in_the_data_that_replace_the_message_s_own_on_a_platform() {
    for platform in ["android", "webpush"] {
        let mut fields = json!({"data": {"both": "common"}});
        fields[platform] = json!({"data": {"more": "1", "both": "own"}});
        let message = rendered(with_vendor(fields));
        assert_eq!(
            message[platform]["data"],
            json!({
                "ext": sample::EXT, "delivery": DELIVERY, "receiver": "alice",
                "more": "1", "both": "own",
            })
        );
        assert_eq!(message["data"]["ext"], sample::EXT);
        assert_eq!(message["data"]["both"], "common");
    }
}

#[test]
fn vendor_fields_cannot_redirect_a_message_or_change_its_click_data() {
    for fields in [
        json!({"topic": "all"}),
        json!({"token": "other"}),
        json!({"fid": "other"}),
        json!({"android_v2": {"background_sync": {}}}),
        json!({"data": {"ext": "{}"}}),
        json!({"android": {"data": {"delivery": "x"}}}),
        json!({"data": null}),
    ] {
        assert_eq!(
            refused(with_vendor(fields.clone())),
            "vendor-field",
            "{fields}"
        );
    }
}

#[test]
fn installation_ids_and_registration_tokens_have_fields_of_their_own() {
    let vectors =
        &serde_json::from_str::<Value>(include_str!("../../tests/fixtures/installation_ids.json"))
            .unwrap();
    let field = |token: &str| {
        let content = sample::content(sample::notification());
        let delivery = DELIVERY.parse::<DeliveryId>().unwrap();
        let target = Target::new(
            delivery,
            DeviceToken::new(token).unwrap(),
            Arc::clone(&content),
        );
        let rendered = Rendered::new(&content, &Style::default(), sample::NOW).unwrap();
        let json: Value = serde_json::from_slice(&rendered.body(&target).unwrap()).unwrap();
        ["fid", "token"].map(|key| json["message"].get(key).is_some())
    };
    for id in vectors["fid"].as_array().unwrap() {
        assert_eq!(field(id.as_str().unwrap()), [true, false], "{id}");
    }
    for other in vectors["not_fid"].as_array().unwrap() {
        let other = other.as_str().unwrap();
        if !other.is_empty() {
            assert_eq!(field(other), [false, true], "{other}");
        }
    }
}

/// S98
#[test]
fn a_long_chinese_message_is_cut_and_its_click_data_stay() {
    let case: Value = serde_json::from_str(include_str!("../../tests/fixtures/long_text.json"))
        .expect("the fixture is JSON");
    let text = case["body"]["elements"][0]["text"].as_str().unwrap();
    assert!(text.len() > 3 * 1200);
    let message = rendered(sample::notification().with_body(text));
    let shown = message["notification"]["body"].as_str().unwrap();
    let kept = shown.strip_suffix('…').expect("the cut is marked");
    assert!(text.starts_with(kept) && kept.len() > 3 * 1000);
    assert_eq!(message["data"]["ext"], sample::EXT);
    assert_eq!(message["data"]["delivery"], DELIVERY);
    assert!(size::of(&message, AndroidForm::V1) <= MAX_PAYLOAD);
}

#[test]
fn a_text_that_was_cut_inside_an_emoji_is_sent_with_a_replacement_character() {
    let case: Value = serde_json::from_str(include_str!("../../tests/fixtures/half_emoji.json"))
        .expect("the fixture is JSON");
    let text = case["decoded_text"].as_str().unwrap();
    let message = rendered(sample::notification().with_body(text));
    assert_eq!(message["notification"]["body"], "see you \u{fffd}");
}

#[test]
fn click_data_that_do_not_fit_are_refused_and_cost_the_receipt_first() {
    let notification = |bytes: usize| {
        sample::notification().with_ext(format!(r#"{{"x":"{}"}}"#, "y".repeat(bytes)))
    };
    let message = rendered(notification(3800));
    assert_eq!(message["notification"]["title"], sample::TITLE);
    let message = rendered(notification(3960));
    assert_eq!(message["notification"]["title"], sample::TITLE);
    assert_eq!(message["data"].get("delivery"), None);
    assert_eq!(message["data"]["receiver"], "alice");
    assert_eq!(refused(notification(4100)), "payload-too-large");
}

proptest! {
    /// S98
    #[test]
    fn every_message_fits_or_is_refused_and_ext_stays_whole(
        title in any::<String>(),
        text in any::<String>(),
        repeat in 1_usize..60,
    ) {
        let ext = json!({ "entity": { "sender": text } }).to_string();
        let notification = Notification::default().with_title(title.clone()).with_body(text.repeat(repeat)).with_ext(ext.clone());
        if let Ok(json) = body(notification, Badge::Set(1), &Style::default()) {
            let message = &json["message"];
            prop_assert!(size::of(message, AndroidForm::V1) <= MAX_PAYLOAD);
            // Without text it only sets the number on the icon, and data would wake the app for nothing.
            let is_shown = !title.is_empty() || !text.is_empty();
            let sent = is_shown.then_some(ext).map_or(Value::Null, Value::from);
            prop_assert_eq!(&message["data"]["ext"], &sent);
            prop_assert_eq!(&message["token"], "dJ7x:APA91b");
        }
    }
}
