use std::sync::Arc;

use push_core::Notification;
use push_testkit::sample;

use super::*;

fn look() -> Look {
    Look {
        channel_id: "im".to_owned(),
        category: "IM".to_owned(),
        notify_level: Some(2),
        template: None,
        click: Click::Activity("com.example.im.ChatActivity".to_owned()),
        long_text: false,
        badge: true,
        min_ttl: Duration::from_secs(1),
        receipts: Some("https://gateway.example/r".to_owned()),
    }
}

fn target(notification: Notification) -> Target {
    sample::target(
        "CN_8fa0618f178145d8c2a44091a1326411",
        &sample::content(notification),
    )
}

/// The `notification` of a unicast.
fn shown(look: &Look, notification: Notification) -> Result<Value, Verdict> {
    let message = look.message(&target(notification), sample::NOW)?;
    Ok(message["notification"].clone())
}

fn fields(fields: Value) -> Map<String, Value> {
    serde_json::from_value(fields).expect("an object")
}

fn refused(look: &Look, notification: Notification) -> (String, String) {
    let verdict = shown(look, notification).expect_err("it is refused");
    assert_eq!(verdict.kind, push_core::VerdictKind::PayloadRefused);
    (verdict.answer.code.clone(), verdict.answer.text.clone())
}

/// The message of the sheet's sample, field by field.
#[test]
fn a_message_has_the_fields_that_oppos_page_names() {
    let notification = sample::notification()
        .with_subtitle("0123456789 and more")
        .with_expires_at(sample::NOW + Duration::from_millis(86_399_001));
    let target = target(notification)
        .with_badge(Badge::Set(0))
        .with_receiver(Some(sample::user("bob")));
    let message = look().message(&target, sample::NOW).expect("it is sent");
    let delivery = target.delivery.to_string();
    let parameters = format!(
        r#"{{"entity":{{"version":1,"chatType":1,"action":1,"sender":"ann"}},"delivery":"{delivery}","receiver":"bob"}}"#
    );
    let wanted = json!({
        "target_type": 2,
        "target_value": "CN_8fa0618f178145d8c2a44091a1326411",
        "verify_registration_id": true,
        "notification": {
            "app_message_id": delivery,
            "title": sample::TITLE,
            "sub_title": "012345678…",
            "content": sample::BODY,
            "click_action_type": 4,
            "click_action_activity": "com.example.im.ChatActivity",
            "action_parameters": parameters,
            "off_line": true,
            "off_line_ttl": 86_400,
            "call_back_url": "https://gateway.example/r",
            "call_back_parameter": delivery,
            "channel_id": "im",
            "category": "IM",
            "notify_level": 2,
            "notify_id": collapse_number("message-1"),
            "badge_operation_type": 0,
            "badge_message_count": 0,
        },
    });
    assert_eq!(message, wanted);
}

#[test]
fn a_click_starts_the_activity_the_action_or_the_app() {
    for (click, kind, name) in [
        (Click::App, 0, Value::Null),
        (Click::Action("a.b.OPEN".to_owned()), 1, json!("a.b.OPEN")),
        (Click::Activity("a.b.Chat".to_owned()), 4, json!("a.b.Chat")),
    ] {
        let look = Look { click, ..look() };
        let shown = shown(&look, sample::notification()).expect("it is sent");
        assert_eq!(shown["click_action_type"], kind);
        assert_eq!(shown["click_action_activity"], name);
    }
}

/// What the phone makes of it names the same chat as the whole string does, in the forms that apps read (S16).
#[test]
fn every_ext_reaches_the_app_whole_or_taken_apart() {
    use push_core::payload::Payload;

    let entity = r#"{"version":1,"chatType":1,"action":1,"sender":"ann"}"#;
    for (ext, wanted) in [
        (
            format!(r#"{{"entity":{entity}}}"#),
            format!(r#"{{"entity":{entity}"#),
        ),
        // Blanks, order and numbers of any size stay.
        (
            r#" { "z": 1.0, "n":123456789012345678901234567890 , "entity":{} } "#.to_owned(),
            r#"{ "z": 1.0, "n":123456789012345678901234567890 , "entity":{} "#.to_owned(),
        ),
        // No object, no member, a member of the gateway's names, half of a surrogate pair: one extra.
        ("chat 42".to_owned(), r#"{"ext":"chat 42""#.to_owned()),
        ("[1]".to_owned(), r#"{"ext":"[1]""#.to_owned()),
        ("{}".to_owned(), r#"{"ext":"{}""#.to_owned()),
        (
            r#"{"receiver":"mallory"}"#.to_owned(),
            r#"{"ext":"{\"receiver\":\"mallory\"}""#.to_owned(),
        ),
        (
            r#"{"deliver\u0079":"x"}"#.to_owned(),
            r#"{"ext":"{\"deliver\\u0079\":\"x\"}""#.to_owned(),
        ),
        (
            r#"{"a":"\ud83d"}"#.to_owned(),
            r#"{"ext":"{\"a\":\"\\ud83d\"}""#.to_owned(),
        ),
    ] {
        let id = "id".to_owned();
        let bob = sample::user("bob");
        let text = parameters(&ext, Some(&id), Some(&bob)).expect("it is sent");
        assert_eq!(
            text,
            format!(r#"{wanted},"delivery":"id","receiver":"bob"}}"#)
        );
        assert_eq!(
            parameters(&ext, None, None).expect("it is sent"),
            format!("{wanted}}}")
        );
        assert!(
            serde_json::from_str::<Map<String, Value>>(&text).is_ok(),
            "{text}"
        );
    }
    assert_eq!(parameters("", None, None).expect("it is sent"), "{}");
    let id = "id".to_owned();
    let only = parameters("", Some(&id), None).expect("it is sent");
    assert_eq!(only, r#"{"delivery":"id"}"#);
    // An app that reads the extras finds the chat in both forms.
    let whole = format!(r#"{{"entity":{entity},"receiver":"x"}}"#);
    for ext in [format!(r#"{{"entity":{entity}}}"#), whole] {
        let text = parameters(&ext, Some(&id), None).expect("it is sent");
        let extras: Value = serde_json::from_str(&text).expect("an object");
        let found = Payload::oppo(extras).entity(push_core::payload::Profile::Android);
        assert_eq!(found.expect("an entity").sender, "ann");
    }
}

/// `ext` is never shortened; what OPPO would cut or drop is refused in words that name it (S19).
#[test]
fn an_ext_that_oppo_does_not_take_is_refused_with_its_name() {
    let of = |characters: usize| json!({ "a": "你".repeat(characters) }).to_string();
    let room =
        MAX_PARAMETERS - r#"{"a":"","delivery":"018bcfe5-6800-755e-8b94-a9a2fbd6605b"}"#.len();
    assert!(shown(&look(), sample::notification().with_ext(of(room))).is_ok());
    let (code, text) = refused(&look(), sample::notification().with_ext(of(room + 1)));
    assert_eq!(code, "too-large");
    assert!(
        text.contains("4001") && text.contains("OPPO takes 4000"),
        "{text}"
    );
    let huge = sample::notification().with_ext("x".repeat(70_000));
    let (code, text) = refused(&look(), huge);
    assert_eq!(code, "ext");
    assert!(text.contains("OPPO"), "{text}");
}

/// Within OPPO's limits, in UTF-16 units (S99).
#[test]
fn texts_are_cut_for_the_style_that_is_sent() {
    let long = |vendor: Value| {
        let text = "你".repeat(200);
        let notification = Notification::default()
            .with_title(text.clone())
            .with_body(text);
        notification.with_vendor(fields(vendor))
    };
    let units = |value: &Value| value.as_str().expect("text").encode_utf16().count();
    for (long_text, vendor, style, content) in [
        (false, json!({}), Value::Null, 50),
        (true, json!({}), json!(2), 128),
        (true, json!({ "style": 1 }), json!(1), 50),
        // The text was cut for the credential's style before.
        (false, json!({ "style": 2 }), json!(2), 50),
        (
            false,
            json!({ "content": "x".repeat(200) }),
            Value::Null,
            50,
        ),
    ] {
        let look = Look {
            long_text,
            ..look()
        };
        let shown = shown(&look, long(vendor)).expect("it is sent");
        assert_eq!(shown["style"], style);
        assert_eq!(
            (units(&shown["title"]), units(&shown["content"])),
            (50, content)
        );
    }
}

#[test]
fn both_texts_are_sent_where_one_is_there_and_none_is_refused() {
    for (title, body) in [("A", ""), ("", "A")] {
        let notification = Notification::default().with_title(title).with_body(body);
        let shown = shown(&look(), notification).expect("it is sent");
        assert_eq!(
            (&shown["title"], &shown["content"]),
            (&json!("A"), &json!("A"))
        );
    }
    assert_eq!(refused(&look(), Notification::default()).0, "empty");
}

#[test]
fn a_time_to_live_is_in_seconds_rounded_up_and_within_oppos_bounds() {
    let look = Look {
        min_ttl: Duration::from_secs(60),
        ..look()
    };
    for (millis, seconds) in [
        (0, 60),
        (59_000, 60),
        (60_001, 61),
        (3_600_000, 3600),
        (864_000_000, 864_000),
        (864_000_001, 864_000),
    ] {
        let notification =
            sample::notification().with_expires_at(sample::NOW + Duration::from_millis(millis));
        let shown = shown(&look, notification).expect("it is sent");
        assert_eq!(shown["off_line_ttl"], seconds, "{millis}");
        assert_eq!(shown["off_line"], true);
    }
    let shown = shown(&look, sample::notification()).expect("it is sent");
    assert_eq!(
        (&shown["off_line_ttl"], &shown["off_line"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn a_push_without_a_key_has_the_number_of_its_content() {
    let mut notification = sample::notification();
    notification.collapse.clear();
    let target = target(notification);
    let number = |target: &Target| {
        let message = look().message(target, sample::NOW).expect("it is sent");
        message["notification"]["notify_id"].clone()
    };
    let of_content = collapse_number(&target.content.id.to_string());
    assert_eq!(number(&target), of_content);
    let again = Target::new(
        target.delivery,
        target.token.clone(),
        Arc::clone(&target.content),
    );
    assert_eq!(number(&again), of_content);
}

#[test]
fn vendor_fields_change_the_look_and_a_level_needs_its_category() {
    let with = |vendor: Value| sample::notification().with_vendor(fields(vendor));
    let news = json!({ "channel_id": "news", "category": "NEWS", "notify_level": 1 });
    let changed = shown(&look(), with(news)).expect("it is sent");
    assert_eq!(changed["channel_id"], "news");
    assert_eq!(
        (&changed["category"], &changed["notify_level"]),
        (&json!("NEWS"), &json!(1))
    );
    for vendor in [
        json!({ "category": null, "notify_level": null }),
        json!({ "notify_level": null }),
    ] {
        let without = shown(&look(), with(vendor)).expect("it is sent");
        assert_eq!(without["notify_level"], Value::Null);
    }
    for vendor in [
        json!({ "category": null }),
        json!({ "notify_level": 3 }),
        json!({ "auth_token": "x" }),
        json!({ "no_such_field": 1 }),
    ] {
        let (code, text) = refused(&look(), with(vendor.clone()));
        assert_eq!(code, "vendor-field", "{vendor}");
        let name = vendor.as_object().and_then(|fields| fields.keys().next());
        assert!(
            text.contains(name.expect("a name")) || text.contains("category"),
            "{text}"
        );
    }
}

#[test]
fn a_picture_is_sent_in_a_broadcast_only() {
    let picture = fields(json!({ "style": 3, "big_picture_id": "b", "small_picture_id": "s" }));
    let notification = sample::notification().with_vendor(picture);
    let shown = shown(&look(), notification.clone()).expect("it is sent");
    for key in ["style", "big_picture_id", "small_picture_id"] {
        assert_eq!(shown[key], Value::Null, "{key}");
    }
    let target = target(notification);
    let saved = look().saved(&[&target], sample::NOW).expect("it is saved");
    for (key, value) in [
        ("style", "3"),
        ("big_picture_id", "b"),
        ("small_picture_id", "s"),
    ] {
        assert!(saved.contains(&(key.to_owned(), value.to_owned())), "{key}");
    }
}

#[test]
fn a_saved_message_has_flat_fields_and_names_what_all_share() {
    let template = Template {
        id: "tpl".to_owned(),
        title: Some("sender".to_owned()),
        content: None,
    };
    let look = Look {
        template: Some(template),
        ..look()
    };
    let content = sample::content(sample::notification());
    let [first, second] = ["CN_1", "CN_2"]
        .map(|token| sample::target(token, &content).with_receiver(Some(sample::user("bob"))));
    let saved = |targets: &[&Target]| -> Map<String, Value> {
        let fields = look.saved(targets, sample::NOW).expect("it is saved");
        fields
            .into_iter()
            .map(|(key, text)| (key, text.into()))
            .collect()
    };
    let both = saved(&[&first, &second]);
    assert_eq!(both["title"], sample::TITLE);
    assert_eq!(both["notify_level"], "2");
    assert_eq!(
        both["private_title_parameters"],
        r#"{"sender":"Ann Tester"}"#
    );
    assert_eq!(both["call_back_parameter"], first.delivery.to_string());
    let parameters = both["action_parameters"].as_str().expect("text");
    assert!(
        parameters.ends_with(r#","receiver":"bob"}"#),
        "{parameters}"
    );
    assert!(!parameters.contains("delivery"), "{parameters}");
    assert!(
        !both.contains_key("app_message_id") && !both.contains_key("private_content_parameters")
    );
    let other = second.clone().with_receiver(None);
    let mixed = saved(&[&first, &other]);
    assert_eq!(mixed["action_parameters"], sample::EXT);
    let alone = saved(&[&first]);
    let parameters = alone["action_parameters"].as_str().expect("text");
    assert!(
        parameters.contains(&first.delivery.to_string()),
        "{parameters}"
    );
}

#[test]
fn what_is_larger_than_a_message_may_be_is_refused() {
    let huge = json!({ "private_content_parameters": { "a": "x".repeat(MAX_PAYLOAD) } });
    let (code, text) = refused(&look(), sample::notification().with_vendor(fields(huge)));
    assert_eq!(code, "too-large");
    assert!(text.contains("16384"), "{text}");
}
