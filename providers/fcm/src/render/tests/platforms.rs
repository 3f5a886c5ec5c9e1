//! What iPhones, browsers and the preview of Android's form get.
use push_core::Interruption;

use super::*;

fn apns(notification: Notification, badge: Badge) -> Value {
    body(notification, badge, &Style::default()).expect("it renders")["message"]["apns"].clone()
}

fn aps(notification: Notification) -> Value {
    apns(notification, Badge::Leave)["payload"]["aps"].clone()
}

#[test]
fn an_iphone_gets_every_setting_that_apple_has_a_key_for() {
    let notification = sample::notification()
        .with_subtitle("in Lunch")
        .with_sound(Sound::Named("bell.caf".into()))
        .with_interruption(Interruption::TimeSensitive)
        .with_mutable(true)
        .with_wakes_app(true)
        .with_priority(Priority::Normal)
        .with_expires_at(sample::NOW + Duration::from_secs(60));
    assert_eq!(
        apns(notification, Badge::Set(7)),
        json!({
            "headers": {
                "apns-collapse-id": "message-1", "apns-expiration": "1700000060",
                "apns-priority": "5", "apns-push-type": "alert",
            },
            "payload": {"aps": {
                "alert": {"title": sample::TITLE, "subtitle": "in Lunch", "body": sample::BODY},
                "badge": 7, "content-available": 1, "interruption-level": "time-sensitive",
                "mutable-content": 1, "sound": "bell.caf", "thread-id": "ann",
            }},
        })
    );
}

#[test]
fn texts_stand_in_an_alert_of_apples_only_where_there_is_a_subtitle() {
    assert_eq!(aps(sample::notification()).get("alert"), None);
    let without_title = Notification::default().with_subtitle("x").with_body("y");
    assert_eq!(
        aps(without_title)["alert"],
        json!({"subtitle": "x", "body": "y"})
    );
}

#[test]
fn silence_has_no_sound_and_a_critical_alert_goes_through_the_mute_switch() {
    let silent = sample::notification().with_sound(Sound::Silent);
    assert_eq!(aps(silent).get("sound"), None);
    let critical = sample::notification().with_interruption(Interruption::Critical);
    let aps = aps(critical);
    assert_eq!(
        aps["sound"],
        json!({"critical": 1, "name": "default", "volume": 1.0})
    );
    assert_eq!(aps["interruption-level"], "critical");
}

#[test]
fn each_level_of_interruption_and_priority_has_apples_word() {
    for (level, word) in [
        (Interruption::Passive, "passive"),
        (Interruption::Active, "active"),
        (Interruption::TimeSensitive, "time-sensitive"),
    ] {
        let aps = aps(sample::notification().with_interruption(level));
        assert_eq!(aps["interruption-level"], word);
    }
    for (priority, number) in [
        (Priority::High, "10"),
        (Priority::Normal, "5"),
        (Priority::Low, "1"),
    ] {
        let apns = apns(sample::notification().with_priority(priority), Badge::Leave);
        assert_eq!(apns["headers"]["apns-priority"], number);
    }
}

#[test]
fn apple_keeps_a_push_until_it_expires_and_tries_an_expired_one_once() {
    let expiration = |at| {
        let notification = sample::notification().with_expires_at(at);
        apns(notification, Badge::Leave)["headers"]["apns-expiration"].clone()
    };
    assert_eq!(
        expiration(sample::NOW + Duration::from_secs(90)),
        "1700000090"
    );
    assert_eq!(expiration(sample::NOW - Duration::from_secs(1)), "0");
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    assert_eq!(expiration(sample::NOW + year), "1702419200");
    let never = apns(sample::notification(), Badge::Leave);
    assert_eq!(never["headers"].get("apns-expiration"), None);
}

#[test]
fn a_collapse_key_that_cannot_be_a_header_is_sent_as_its_hash() {
    for key in ["你好/;\"", "a\r\nx-injected: 1"] {
        let notification = sample::notification()
            .with_collapse(key)
            .with_collapse_waiting(true);
        let message = rendered(notification);
        for id in [
            &message["apns"]["headers"]["apns-collapse-id"],
            &message["webpush"]["headers"]["Topic"],
        ] {
            let id = id.as_str().unwrap();
            assert!(
                id.len() >= 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{id}"
            );
        }
        assert_eq!(message["webpush"]["notification"]["tag"], key);
    }
}

#[test]
fn a_call_wakes_an_iphone_and_leaves_its_number_alone() {
    let call = sample::notification().with_kind(NotificationKind::Voip);
    assert_eq!(
        apns(call, Badge::Set(3)),
        json!({
            "headers": {"apns-priority": "5", "apns-push-type": "background"},
            "payload": {"aps": {"content-available": 1}},
        })
    );
}

#[test]
fn fields_for_apple_are_laid_over_what_the_notification_yields_and_null_unsets() {
    let fields = json!({"apns": {
        "headers": {"apns-priority": "5"},
        "payload": {"aps": {"category": "MESSAGE", "sound": null, "thread-id": "other"}, "own": 1},
        "fcm_options": {"image": "https://example.com/b.png"},
    }});
    let apns = &rendered(with_vendor(fields))["apns"];
    assert_eq!(
        *apns,
        json!({
            "headers": {
                "apns-collapse-id": "message-1", "apns-priority": "5", "apns-push-type": "alert",
            },
            "payload": {"aps": {"category": "MESSAGE", "thread-id": "other"}, "own": 1},
            "fcm_options": {"image": "https://example.com/b.png"},
        })
    );
}

#[test]
fn a_browser_gets_the_headers_of_web_push_and_alerts_again_for_a_replaced_message() {
    let style = Style {
        web_link: "https://chat.example.com/inbox".into(),
        ..Style::default()
    };
    let web = |notification| {
        body(notification, Badge::Leave, &style).unwrap()["message"]["webpush"].clone()
    };
    let low = sample::notification()
        .with_priority(Priority::Low)
        .with_sound(Sound::Silent)
        .with_expires_at(sample::NOW + Duration::from_secs(60));
    assert_eq!(
        web(low),
        json!({
            "headers": {"TTL": "60", "Urgency": "low"},
            "notification": {"silent": true, "tag": "message-1"},
            "fcm_options": {"link": "https://chat.example.com/inbox"},
        })
    );
    let woken = sample::notification().with_kind(NotificationKind::Background);
    assert_eq!(web(woken), json!({"headers": {"Urgency": "high"}}));
    let number = Notification::default().with_ext(sample::EXT);
    assert_eq!(web(number), Value::Null);
}

#[test]
fn long_texts_fit_every_platform_also_where_apple_has_its_own_copy() {
    let text = "中".repeat(3000);
    let notification = sample::notification()
        .with_subtitle("sub")
        .with_body(text.as_str())
        .with_ext(format!(r#"{{"x":"{}"}}"#, "y".repeat(1000)));
    let message = rendered(notification);
    for copy in ["/notification/body", "/apns/payload/aps/alert/body"] {
        let copy = message.pointer(copy).unwrap().as_str().unwrap();
        let kept = copy.strip_suffix('…').expect("the cut is marked");
        // As much as fits: each platform has the limit to itself.
        assert!(
            text.starts_with(kept) && kept.len() > 2600,
            "{}",
            kept.len()
        );
    }
    for parts in [
        &["/notification", "/android/notification", "/data"][..],
        &["/apns/payload", "/data"],
        &["/notification", "/webpush/notification", "/data"],
    ] {
        let part = |at: &&str| message.pointer(at).unwrap().to_string().len();
        let size: usize = parts.iter().map(part).sum();
        assert!(size <= MAX_PAYLOAD, "{parts:?}: {size}");
    }
    assert_eq!(message["data"]["delivery"], DELIVERY);
}

fn preview(notification: Notification, badge: Badge) -> Value {
    let style = Style {
        channel_id: "im".into(),
        android: AndroidForm::V2,
        ..Style::default()
    };
    body(notification, badge, &style).expect("it renders")["message"].clone()
}

#[test]
fn in_the_preview_form_a_message_is_shown_at_once_and_has_no_priority() {
    let notification = sample::notification()
        .with_mutable(true)
        .with_expires_at(sample::NOW + Duration::from_secs(60))
        .with_vendor(
            json!({"android_v2": {
                "data": {"more": "1"},
                "remote_notification": {"notification": {"id": 7}},
            }})
            .as_object()
            .unwrap()
            .clone(),
        );
    let message = preview(notification, Badge::Set(3));
    assert_eq!(message.get("android"), None);
    assert_eq!(
        message["android_v2"],
        json!({
            "ttl": "60s",
            "data": {"ext": sample::EXT, "delivery": DELIVERY, "receiver": "alice", "more": "1"},
            "remote_notification": {
                "mutable_content": true,
                "notification": {
                    "channel_id": "im", "id": 7, "notification_count": 3,
                    "sound": "default", "tag": "message-1",
                },
            },
        })
    );
    assert_eq!(message["notification"]["title"], sample::TITLE);
}

#[test]
fn in_the_preview_form_a_wake_is_batched_and_a_call_is_not_held_back() {
    let woken = sample::notification().with_kind(NotificationKind::Background);
    let message = preview(woken, Badge::Leave);
    assert_eq!(message["android_v2"], json!({"background_sync": {}}));
    assert_eq!(message.get("notification"), None);
    let number = preview(Notification::default(), Badge::Set(1));
    assert_eq!(number["android_v2"], json!({"background_sync": {}}));
    let call = sample::notification().with_kind(NotificationKind::Voip);
    let message = preview(call, Badge::Set(3));
    assert_eq!(
        message["android_v2"],
        json!({"remote_notification": {
            "notification": {"title": sample::TITLE, "body": sample::BODY},
            "mutable_content": true,
            "use_as_v1_data_message": true,
        }})
    );
    assert_eq!(message["data"]["ext"], sample::EXT);
}

#[test]
fn the_form_for_android_that_the_credential_does_not_use_is_refused_with_advice() {
    let check = |fields: Value, form| {
        let fields = fields.as_object().unwrap();
        fields::check(fields, form).map_err(|error| error.to_string())
    };
    let v1 = json!({"android": {"notification": {"proxy": "DENY"}}});
    let v2 = json!({"android_v2": {"remote_notification": {"notification": {"id": 1}}}});
    assert_eq!(check(v1.clone(), AndroidForm::V1), Ok(()));
    assert_eq!(check(v2.clone(), AndroidForm::V2), Ok(()));
    for (fields, form) in [(v1, AndroidForm::V2), (v2, AndroidForm::V1)] {
        let error = check(fields, form).unwrap_err();
        assert!(error.contains("excludes"), "{error}");
        assert!(error.contains("configuration"), "{error}");
    }
    // The kind is the gateway's, and each form has fields of its own.
    for fields in [
        json!({"android_v2": {"background_sync": {}}}),
        json!({"android_v2": {"priority": "HIGH"}}),
        json!({"android_v2": {"remote_notification": null}}),
        json!({"android_v2": {"remote_notification": {"notification": {"proxy": "DENY"}}}}),
        json!({"android_v2": {"data": {"ext": "{}"}}}),
        json!({"android_v2": {"restricted_package_name": "com.example.other"}}),
        json!({"android_v2": null}),
    ] {
        assert!(check(fields.clone(), AndroidForm::V2).is_err(), "{fields}");
    }
}
