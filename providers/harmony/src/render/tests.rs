use std::sync::Arc;

use push_core::Slot;
use push_testkit::sample;

use super::*;

fn style() -> Style {
    let mut click = Map::new();
    click.insert("actionType".into(), 0.into());
    Style {
        category: "IM".to_owned(),
        click,
        test_message: false,
        extension: false,
        receipt_id: String::new(),
    }
}

/// The message for one phone, for bob, with the badge of the sample, and its kind.
fn rendered(style: &Style, notification: Notification) -> (PushType, Value) {
    let mut batch = sample::batch(notification, ["IQAAAACy0"]);
    batch.targets[0].receiver = Some(sample::user("bob"));
    let content = Arc::clone(batch.content().expect("a target"));
    let rendered = style.render(&batch, &content, &["IQAAAACy0"], sample::NOW);
    let rendered = rendered.expect("it is rendered");
    let body = serde_json::from_str(&rendered.body).expect("JSON");
    (rendered.push_type, body)
}

fn alert(notification: Notification) -> Value {
    rendered(&style(), notification).1
}

/// The message of the sample on the vendor's page, with a number that the app chose.
#[test]
fn a_notification_has_the_form_of_the_documented_sample() {
    let notification =
        sample::notification().with_expires_at(sample::NOW + Duration::from_secs(86_400));
    let batch = sample::batch(notification, ["IQAAAACy0"]);
    let content = Arc::clone(batch.content().expect("a target"));
    let rendered = style().render(&batch, &content, &["IQAAAACy0"], sample::NOW);
    let body: Value = serde_json::from_str(&rendered.expect("it is rendered").body).expect("JSON");
    let delivery = batch.targets[0].delivery.to_string();
    assert_eq!(
        body,
        json!({
            "payload": { "notification": {
                "category": "IM",
                "title": sample::TITLE,
                "body": sample::BODY,
                "clickAction": {
                    "actionType": 0,
                    "data": { "ext": sample::EXT, "delivery": delivery },
                },
                "badge": { "setNum": 3 },
                "notifyId": collapse_number("message-1"),
                "appMessageId": batch.id.to_string(),
            }},
            "target": { "token": ["IQAAAACy0"] },
            "pushOptions": { "ttl": 86_400, "biTag": delivery },
        })
    );
}

/// The unit is one second, as a number; not "86400s" and not milliseconds.
#[test]
fn the_time_to_live_is_in_whole_seconds_rounded_up_within_its_bounds() {
    for (left, ttl) in [
        (Duration::ZERO, 1),
        (Duration::from_millis(1), 1),
        (Duration::from_millis(1001), 2),
        (Duration::from_secs(3600), 3600),
        (Duration::from_secs(3_000_000), 1_296_000),
    ] {
        let notification = sample::notification().with_expires_at(sample::NOW + left);
        assert_eq!(
            alert(notification)["pushOptions"]["ttl"],
            json!(ttl),
            "{left:?}"
        );
    }
    assert!(alert(sample::notification())["pushOptions"]["ttl"].is_null());
}

#[test]
fn a_call_rings_for_thirty_to_sixty_seconds() {
    for (left, ttl) in [(Some(5), 30), (Some(45), 45), (Some(3600), 60), (None, 60)] {
        let at = left.map(|left| sample::NOW + Duration::from_secs(left));
        let notification = sample::notification()
            .with_kind(NotificationKind::Voip)
            .with_expires_at(at);
        let (push_type, body) = rendered(&style(), notification);
        assert_eq!(push_type as u16, 10);
        assert_eq!(body["pushOptions"]["ttl"], json!(ttl));
        let extra: Value =
            serde_json::from_str(body["payload"]["extraData"].as_str().expect("text"))
                .expect("JSON");
        assert_eq!(extra["ext"], sample::EXT);
        assert_eq!(extra["title"], sample::TITLE);
        assert_eq!(extra["receiver"], "bob");
        assert!(body["payload"]["notification"].is_null());
    }
}

/// 0 clears the icon (S124).
#[test]
fn a_badge_is_set_or_added_and_zero_is_sent_as_zero() {
    for (badge, sent) in [
        (Badge::Set(0), json!({ "setNum": 0 })),
        (Badge::Set(100), json!({ "setNum": 99 })),
        (Badge::Add(1), json!({ "addNum": 1 })),
        (Badge::Add(100), json!({ "addNum": 99 })),
        (Badge::Add(0), Value::Null),
        (Badge::Leave, Value::Null),
    ] {
        let shown = style().shown(&sample::notification(), badge);
        assert_eq!(shown.expect("it is shown")["badge"], sent, "{badge:?}");
    }
}

/// A client that writes `foregroundShow: false` by default hides every notification of an app that is open.
#[test]
fn what_was_not_asked_for_is_left_to_the_phone() {
    let silent = sample::notification()
        .with_sound(Sound::Silent)
        .with_image("http://x.example/1.png");
    for notification in [sample::notification(), silent] {
        let body = alert(notification);
        for key in [
            "foregroundShow",
            "style",
            "sound",
            "soundDuration",
            "image",
            "profileId",
        ] {
            assert!(body["payload"]["notification"][key].is_null(), "{key}");
        }
        for key in ["backgroundMode", "collapseKey", "testMessage", "receiptId"] {
            assert!(body["pushOptions"][key].is_null(), "{key}");
        }
    }
}

#[test]
fn sound_picture_and_page_are_sent_as_the_app_and_the_operator_chose() {
    let notification = sample::notification()
        .with_sound(Sound::Named("ring.mp3".to_owned()))
        .with_image("https://x.example/1.png");
    let mut page = style();
    page.click = json!({ "actionType": 1, "uri": "push://im/chat" })
        .as_object()
        .cloned()
        .unwrap_or_default();
    page.receipt_id = "RCP2".to_owned();
    page.test_message = true;
    let (push_type, body) = rendered(&page, notification);
    assert_eq!(push_type, PushType::Alert);
    let shown = &body["payload"]["notification"];
    assert_eq!(shown["sound"], "ring.mp3");
    assert_eq!(shown["image"], "https://x.example/1.png");
    assert_eq!(shown["clickAction"]["uri"], "push://im/chat");
    assert_eq!(shown["clickAction"]["actionType"], 1);
    assert_eq!(shown["clickAction"]["data"]["ext"], sample::EXT);
    assert_eq!(shown["clickAction"]["data"]["receiver"], "bob");
    assert_eq!(body["pushOptions"]["receiptId"], "RCP2");
    assert_eq!(body["pushOptions"]["testMessage"], true);
}

#[test]
fn an_empty_text_is_replaced_by_the_other_and_two_are_refused() {
    let only = |title: &str, body: &str| Notification::default().with_title(title).with_body(body);
    for notification in [only("hello", ""), only("", "hello")] {
        let body = alert(notification);
        assert_eq!(body["payload"]["notification"]["title"], "hello");
        assert_eq!(body["payload"]["notification"]["body"], "hello");
    }
    let batch = sample::batch(only("", ""), ["t"]);
    let content = Arc::clone(batch.content().expect("a target"));
    let rendered = style().render(&batch, &content, &["t"], sample::NOW);
    let verdict = rendered.map(|_| ()).expect_err("it is refused");
    assert_eq!(verdict.answer.code, "empty");
    assert_eq!(batch.slot, Slot::Alert);
}

#[test]
fn every_notification_has_a_number_that_a_later_one_replaces() {
    let id = |key: &str| {
        let content = sample::content(sample::notification().with_collapse(key));
        (notify_id(&content), content.id)
    };
    assert_eq!(id("a").0, id("a").0);
    assert_ne!(id("a").0, id("b").0);
    let (number, content) = id("");
    assert_eq!(number, collapse_number(&content.to_string()));
    assert_ne!(
        number,
        id("").0,
        "two contents without a key replace each other"
    );
    assert!(number > 0 && i32::try_from(number).is_ok());
}

#[test]
fn fields_of_a_class_show_no_background_push_and_group_no_call() {
    let vendor = json!({
        "payload": { "notification": { "category": "MARKETING" }, "proxyData": "ENABLE" },
        "pushOptions": { "collapseKey": 7 },
    });
    let vendor = vendor.as_object().cloned().unwrap_or_default();
    for (kind, push_type) in [
        (NotificationKind::Alert, PushType::Alert),
        (NotificationKind::Background, PushType::Background),
        (NotificationKind::Voip, PushType::Call),
    ] {
        let notification = sample::notification()
            .with_kind(kind)
            .with_vendor(vendor.clone());
        let (sent, body) = rendered(&style(), notification);
        assert_eq!(sent, push_type);
        let is_alert = kind == NotificationKind::Alert;
        assert_eq!(body["payload"]["notification"].is_object(), is_alert);
        assert_eq!(body["pushOptions"]["collapseKey"] == 7, is_alert);
        let is_background = kind == NotificationKind::Background;
        assert_eq!(body["payload"]["proxyData"] == "ENABLE", is_background);
    }
}

#[test]
fn what_the_app_may_change_passes_its_extension_if_it_has_one() {
    let mutable = sample::notification().with_mutable(true);
    assert_eq!(rendered(&style(), mutable.clone()).0, PushType::Alert);
    let mut with = style();
    with.extension = true;
    assert_eq!(rendered(&with, sample::notification()).0, PushType::Alert);
    let (push_type, body) = rendered(&with, mutable);
    assert_eq!(push_type as u16, 2);
    let extra: Value =
        serde_json::from_str(body["payload"]["extraData"].as_str().expect("text")).expect("JSON");
    assert_eq!(
        extra,
        body["payload"]["notification"]["clickAction"]["data"]
    );
}

/// A name of any length rings: what the app draws is cut, and `ext` is not.
#[test]
fn a_call_with_a_long_text_rings() {
    let notification = sample::notification()
        .with_kind(NotificationKind::Voip)
        .with_title("你".repeat(4096))
        .with_body("é".repeat(4096));
    let (_, body) = rendered(&style(), notification);
    let extra = body["payload"]["extraData"].as_str().expect("text");
    let extra: Value = serde_json::from_str(extra).expect("JSON");
    assert_eq!(extra["ext"], sample::EXT);
    let length = |key: &str| extra[key].as_str().expect("text").chars().count();
    assert_eq!((length("title"), length("body")), (64, 256));
}
