//! What else a notification carries: badge, kind, life, class, collapse key, vendor fields.
use push_core::{BadgeMode, Class, Interruption, MessageId, MessageKind, OfflinePushInfo};
use serde_json::{Value, json};

use super::*;

/// S92, S81.
#[test]
fn a_message_may_forbid_its_push() {
    let disabled = pushed(OfflinePushInfo::default().with_disabled(true));
    assert_eq!(outcome(&disabled, &phone()), Err("push-disabled"));
    let mut online = message();
    online.online_only = true;
    assert_eq!(outcome(&online, &phone()), Err("online-only"));
}

/// S94.
#[test]
fn the_badge_follows_set_then_add_then_mode() {
    use BadgeMode::{Count, Ignore};
    let plan = |kind, set, add, mode| {
        let mut it = pushed(
            OfflinePushInfo::default()
                .with_title("t")
                .with_badge_set(set)
                .with_badge_add(add)
                .with_badge_mode(mode),
        );
        it.kind = kind;
        badge(&it)
    };
    let (chat, push) = (MessageKind::Chat, MessageKind::Push);
    let set = |number| Ok(Badge::Set(number));
    // An addition to an unknown base shows as the number added here.
    assert_eq!(plan(chat, None, None, None), set(1));
    assert_eq!(plan(push, None, None, None), Ok(Badge::Leave));
    assert_eq!(plan(push, None, None, Some(Count)), set(1));
    assert_eq!(plan(chat, None, None, Some(Ignore)), Ok(Badge::Leave));
    assert_eq!(plan(chat, None, Some(7), Some(Ignore)), set(7));
    assert_eq!(plan(chat, Some(0), Some(7), Some(Count)), set(0));
    assert_eq!(plan(chat, Some(999), None, None), set(999));
    for (set, add) in [
        (Some(1000), None),
        (None, Some(0)),
        (None, Some(100)),
        (Some(1), Some(0)),
    ] {
        assert_eq!(plan(chat, set, add, None), Err("badge-out-of-range"));
    }
}

#[test]
fn a_number_alone_goes_to_vendors_that_can_show_it() {
    let only_badge =
        |set: u32| pushed_json(json!({ "badge_set": set })).with_kind(MessageKind::Push);
    let without_text = |set| {
        let mut message = only_badge(set);
        message.elements.clear();
        message
    };
    assert_eq!(badge(&without_text(0)), Ok(Badge::Set(0)));
    assert_eq!(sent(&without_text(3)).body, "");
    assert_eq!(outcome(&without_text(3), &android()), Err("empty-text"));
}

/// S96.
#[test]
fn apples_settings_reach_the_notification() {
    let it = sent(&apns(json!({
        "subtitle": "sub",
        "image": "https://example.org/a.png",
        "interruption": "time-sensitive",
    })));
    assert_eq!(it.subtitle, "sub");
    assert_eq!(it.image, "https://example.org/a.png");
    assert!(it.mutable, "an image needs the app's extension");
    assert_eq!(it.interruption, Some(Interruption::TimeSensitive));
    assert!(!sent(&message()).mutable);
    assert!(sent(&apns(json!({ "mutable_content": true }))).mutable);
    let always = DecisionSettings {
        mutable_content: true,
        ..DecisionSettings::default()
    };
    let it = outcome_with(&message(), &phone(), &always).expect("a push");
    assert!(it.mutable);

    let background = apns(json!({ "content_available": true }));
    assert_eq!(sent(&background).kind, NotificationKind::Background);
    assert_eq!(badge(&background), Ok(Badge::Leave));
}

#[test]
fn a_push_that_only_wakes_the_app_sets_a_number_that_the_sender_gives() {
    let background = |json: serde_json::Value| {
        let mut push = json!({ "background": true });
        push.as_object_mut()
            .expect("an object")
            .extend(json.as_object().expect("an object").clone());
        pushed_json(push)
    };
    let set = background(json!({ "badge_set": 0 }));
    assert_eq!(sent(&set).kind, NotificationKind::Background);
    assert_eq!(badge(&set), Ok(Badge::Set(0)));
    assert_eq!(badge(&background(json!({}))), Ok(Badge::Leave));
}

#[test]
fn the_time_to_live_is_never_zero_by_accident_and_never_beyond_the_vendors() {
    let ends = |ttl, sent_at| {
        let mut it = pushed(OfflinePushInfo::default().with_ttl_seconds(ttl));
        it.sent_at = sent_at;
        outcome(&it, &phone()).map(|it| it.expires_at.expect("an end"))
    };
    assert_eq!(ends(None, None), Ok(NOW + 7 * DAY));
    assert_eq!(ends(Some(0), None), Err("ttl-zero"));
    assert_eq!(ends(Some(60), None), Ok(NOW + MINUTE));
    assert_eq!(ends(Some(u32::MAX), None), Ok(NOW + 30 * DAY));
    assert_eq!(ends(Some(60), Some(NOW - MINUTE)), Err("expired"));
    // A sender's clock that runs ahead does not make it live longer.
    assert_eq!(ends(Some(60), Some(NOW + DAY)), Ok(NOW + MINUTE));
}

#[test]
fn a_collapse_key_is_bounded_and_vendor_fields_travel() {
    let with = |collapse: String| {
        pushed_json(json!({
            "collapse": collapse,
            "vendor": { "fcm": { "a": 1 }, "apns": { "b": 2 } },
        }))
    };
    let notification = sent(&with("k".repeat(64)));
    assert_eq!(notification.collapse.len(), 64);
    assert_eq!(Value::Object(notification.vendor), json!({ "b": 2 }));
    let other = outcome(&with(String::new()), &android()).expect("a push");
    assert_eq!(Value::Object(other.vendor), json!({ "a": 1 }));
    assert_eq!(
        outcome(&with("k".repeat(65)), &phone()),
        Err("collapse-too-long")
    );
}

#[test]
fn every_push_has_a_collapse_key_that_follows_from_its_message() {
    assert_eq!(sent(&message()).collapse, "m");
    let mut long = message();
    long.id = MessageId::new("m".repeat(100)).expect("an id");
    let key = sent(&long).collapse;
    assert_eq!(key.len(), 64);
    assert_eq!(sent(&long).collapse, key);
}

#[test]
fn equal_content_has_one_id_and_different_content_has_another() {
    let settings = DecisionSettings::default();
    let id = |message: &Message, device: &Device| {
        let delivery = delivery(message, device, &credentials(), &settings);
        delivery.expect("a push").content.id
    };
    assert_eq!(id(&message(), &phone()), id(&message(), &named("other")));
    let other = message().with_text("more");
    assert_ne!(id(&message(), &phone()), id(&other, &phone()));
    let mut next = message();
    next.id = MessageId::new("n").expect("an id");
    assert_ne!(id(&message(), &phone()), id(&next, &phone()));
}

#[test]
fn the_class_follows_from_the_message_unless_it_is_given() {
    let class = |message: &Message| {
        let settings = DecisionSettings::default();
        let delivery = delivery(message, &phone(), &credentials(), &settings);
        delivery.expect("a push").content.class.clone()
    };
    assert_eq!(class(&message()), Class::CHAT);
    assert_eq!(class(&apns(json!({ "voip": true }))), Class::CALL);
    let notice = pushed_json(json!({ "desc": "Sale" })).with_kind(MessageKind::Push);
    assert_eq!(class(&notice), Class::NOTICE);
    let own = message().with_class(Class::MARKETING);
    assert_eq!(class(&own), Class::MARKETING);
}
