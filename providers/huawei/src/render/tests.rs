use proptest::prelude::*;
use push_testkit::sample;

use super::*;

const DELIVERY: &str = "0190163d-8694-739b-aea5-966c26f8ad91";

fn style(click: Click) -> Style {
    Style {
        click,
        category: "IM".into(),
        call_category: "VOIP".into(),
        target_user_type: 0,
        badge_class: "com.example.im.MainActivity".into(),
        channel_id: String::new(),
        receipt_id: String::new(),
        high_urgency: false,
    }
}

fn clicks() -> [Click; 2] {
    [
        Click::Intent(IntentUri::parse("intent://im/chat#Intent;scheme=push;end").unwrap()),
        Click::Action("com.example.im.OPEN_CHAT".into()),
    ]
}

fn message(
    click: Click,
    notification: Notification,
    request: &Request<'_>,
) -> Result<Value, Verdict> {
    let content = sample::content(notification);
    let rendered = style(click).render(&content, sample::NOW, request)?;
    assert!(rendered.body([]).len() <= MAX_PAYLOAD);
    let token = DeviceToken::new("phone-1").unwrap();
    let body: Value = serde_json::from_str(&rendered.body([&token, &token])).unwrap();
    assert_eq!(body["message"]["token"], json!(["phone-1", "phone-1"]));
    Ok(body["message"].clone())
}

fn rendered(notification: Notification) -> Value {
    let [intent, _] = clicks();
    message(intent, notification, &Request::default()).expect("it renders")
}

/// The click data, as an activity that was started by the intent or the action finds it.
fn found(message: &Value, key: &str) -> Option<String> {
    let click = &message["android"]["notification"]["click_action"];
    match click["intent"].as_str() {
        Some(uri) => IntentUri::parse(uri).unwrap().extra(key).map(str::to_owned),
        None => {
            let data: Value = serde_json::from_str(message["data"].as_str()?).ok()?;
            data[key].as_str().map(str::to_owned)
        }
    }
}

proptest! {
    /// S98
    #[test]
    fn every_message_fits_or_is_refused_and_ext_stays_whole(
        title in "\\PC{0,80}",
        text in any::<String>(),
        repeat in 1_usize..100,
        sender in any::<String>(),
    ) {
        let whole = text.repeat(repeat);
        let ext = json!({ "entity": { "sender": sender } }).to_string();
        for click in clicks() {
            let notification = Notification::default().with_title(title.clone()).with_body(whole.clone()).with_ext(ext.clone());
            let request = Request { badge: Badge::Set(1), ..Request::default() };
            match message(click, notification, &request) {
                Ok(message) => {
                    prop_assert_eq!(found(&message, "ext"), Some(ext.clone()));
                    let shown = &message["android"]["notification"]["body"];
                    let shown = shown.as_str().expect("a text");
                    prop_assert!(TextUnit::Utf16.count(shown) <= TEXT.body);
                    let cut = shown.strip_suffix('…').is_some_and(|kept| whole.starts_with(kept));
                    prop_assert!(shown == whole || cut || whole.is_empty());
                }
                Err(verdict) => {
                    let empty = whole.is_empty() && title.is_empty();
                    prop_assert!(empty || verdict.answer.code == "80300008");
                }
            }
        }
    }
}

#[test]
fn one_delivery_is_named_in_the_click_data_and_the_first_of_many_only_as_the_tag() {
    let delivery: DeliveryId = DELIVERY.parse().unwrap();
    let alice = UserId::new("alice").unwrap();
    for click in clicks() {
        let one = Request {
            tag: Some(delivery),
            delivery: Some(delivery),
            receiver: Some(&alice),
            ..Request::default()
        };
        let one = message(click.clone(), sample::notification(), &one).unwrap();
        assert_eq!(one["android"]["bi_tag"], DELIVERY);
        assert_eq!(found(&one, "ext").as_deref(), Some(sample::EXT));
        assert_eq!(found(&one, "delivery").as_deref(), Some(DELIVERY));
        assert_eq!(found(&one, "receiver").as_deref(), Some("alice"));
        let many = Request {
            tag: Some(delivery),
            ..Request::default()
        };
        let many = message(click, sample::notification(), &many).unwrap();
        assert_eq!(many["android"]["bi_tag"], DELIVERY);
        assert_eq!(found(&many, "delivery"), None);
        assert_eq!(found(&many, "receiver"), None);
    }
}

#[test]
fn the_second_copy_of_the_click_data_goes_before_any_text_does() {
    let notification = |bytes: usize| {
        Notification::default()
            .with_title("Ann")
            .with_body("b".repeat(600))
            .with_ext(json!({ "entity": { "sender": "s".repeat(bytes) } }).to_string())
    };
    let [intent, action] = clicks();
    let length = |message: &Value| {
        let text = &message["android"]["notification"]["body"];
        text.as_str().unwrap().len()
    };
    let request = Request::default();
    let small = message(intent.clone(), notification(1000), &request).unwrap();
    assert!(small["data"].is_string());
    let large = message(intent, notification(2000), &request).unwrap();
    assert_eq!(large.get("data"), None);
    assert_eq!(length(&large), 600);
    // Where `data` is the only copy it stays.
    let only = message(action, notification(3300), &request).unwrap();
    assert!(only["data"].is_string());
    assert!(length(&only) < 600);
}

#[test]
fn texts_are_cut_to_huaweis_limits_between_grapheme_clusters() {
    let family = "👨\u{200d}👩\u{200d}👧";
    let message = rendered(
        sample::notification()
            .with_title(family.repeat(8))
            .with_body("e\u{301}".repeat(301)),
    );
    let shown = &message["android"]["notification"];
    assert_eq!(shown["title"], format!("{}…", family.repeat(7)));
    assert_eq!(shown["body"], format!("{}…", "e\u{301}".repeat(299)));
}

/// S124
#[test]
fn a_badge_of_zero_is_sent_as_zero_and_a_count_is_added() {
    let badge = |badge| {
        let request = Request {
            badge,
            ..Request::default()
        };
        let [intent, _] = clicks();
        let message = message(intent, sample::notification(), &request).unwrap();
        message["android"]["notification"]["badge"].clone()
    };
    let class = "com.example.im.MainActivity";
    assert_eq!(badge(Badge::Set(0)), json!({"set_num": 0, "class": class}));
    assert_eq!(
        badge(Badge::Set(1234)),
        json!({"set_num": 99, "class": class})
    );
    assert_eq!(badge(Badge::Add(2)), json!({"add_num": 2, "class": class}));
    assert_eq!(badge(Badge::Leave), Value::Null);
}

#[test]
fn a_message_without_a_collapse_key_gets_one_of_its_own() {
    let content = sample::content(sample::notification().with_collapse(""));
    let [intent, _] = clicks();
    let rendered = style(intent)
        .render(&content, sample::NOW, &Request::default())
        .unwrap();
    assert!(
        rendered
            .head
            .contains(&format!(r#""tag":"{}""#, content.id))
    );
}

#[test]
fn vendor_fields_are_merged_and_cannot_change_the_click() {
    let with =
        |fields: Value| sample::notification().with_vendor(fields.as_object().unwrap().clone());
    let message_of = rendered(with(json!({
        "category": "VOIP",
        "notification": {"channel_id": "calls", "group": null},
    })));
    let android = &message_of["android"];
    assert_eq!(android["category"], "VOIP");
    assert_eq!(android["notification"]["channel_id"], "calls");
    assert_eq!(android["notification"].get("group"), None);
    assert_eq!(android["notification"]["title"], sample::TITLE);
    for fields in [
        json!({"data": "{}"}),
        json!({"bi_tag": "x"}),
        json!({"notification": {"click_action": {"type": 3}}}),
        json!({"notification": "x"}),
    ] {
        let [intent, _] = clicks();
        let refused = message(intent, with(fields), &Request::default()).unwrap_err();
        assert_eq!(refused.answer.code, "vendor-field");
    }
}

#[test]
fn a_picture_that_is_not_https_is_left_out() {
    for (image, sent) in [
        ("https://example.com/a.png", true),
        ("http://example.com/a.png", false),
    ] {
        let message = rendered(sample::notification().with_image(image));
        let image = &message["android"]["notification"]["image"];
        assert_eq!(image.is_string(), sent);
    }
}

#[test]
fn a_call_has_a_category_of_its_own() {
    for (kind, category) in [
        (NotificationKind::Alert, "IM"),
        (NotificationKind::Background, "IM"),
        (NotificationKind::Voip, "VOIP"),
    ] {
        let message = rendered(sample::notification().with_kind(kind));
        assert_eq!(message["android"]["category"], category, "{kind:?}");
    }
}

#[test]
fn the_intent_of_a_click_is_byte_for_byte_the_one_on_record() {
    let vectors: Value = serde_json::from_str(include_str!("../../tests/fixtures/vectors.json"))
        .expect("the vectors are JSON");
    let cases = vectors["android_intent"].as_array().expect("an array");
    assert_eq!(cases.len(), 4);
    let configured = "intent://im/chat#Intent;scheme=push;launchFlags=0x4000000;end";
    let click = Click::Intent(IntentUri::parse(configured).unwrap());
    for case in cases {
        let extras = Extras::new(case["ext"].as_str().unwrap(), &Request::default());
        assert_eq!(click.action(&extras)["intent"], case["intent"]);
    }
}

#[test]
fn a_vendor_field_that_huawei_would_refuse_is_refused_unsent() {
    let fields = json!({ "ttl": "24h0m0s" });
    let notification = sample::notification().with_vendor(fields.as_object().unwrap().clone());
    let [intent, _] = clicks();
    let refused = message(intent, notification, &Request::default()).unwrap_err();
    assert_eq!(refused.answer.code, "vendor-field");
    assert!(refused.answer.text.contains("`ttl`"), "{refused:?}");
}
