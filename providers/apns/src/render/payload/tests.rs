use proptest::prelude::*;
use push_core::{Badge, NotificationKind, UserId};
use push_kit::payload::json_len;
use push_testkit::sample;

use super::*;

fn target(badge: Badge) -> Target {
    let batch = sample::batch(Notification::default(), ["aa"]);
    let target = batch.targets.into_iter().next().expect("one target");
    target.with_badge(badge)
}

fn bytes(
    notification: &Notification,
    push_type: PushType,
    target: &Target,
) -> Result<Bytes, Refusal> {
    let fields = VendorFields::read(&notification.vendor, false)?;
    let has_badge = number(target.badge).is_some();
    let payload = Payload::new(notification, &fields, push_type, has_badge)?;
    let bytes = payload.body(target)?;
    assert!(bytes.len() <= push_type.max_payload());
    Ok(bytes)
}

fn rendered(notification: &Notification, push_type: PushType) -> Result<Value, Refusal> {
    let bytes = bytes(notification, push_type, &target(Badge::Leave))?;
    let mut payload: Value = serde_json::from_slice(&bytes).expect("a payload is JSON");
    let keys = payload.as_object_mut().expect("an object");
    keys.remove(DELIVERY_KEY);
    Ok(payload)
}

fn with(fields: Value) -> Notification {
    let Value::Object(vendor) = fields else {
        panic!("the fields are an object");
    };
    Notification::default()
        .with_title("Ann")
        .with_body("hello")
        .with_vendor(vendor)
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z ]{1,80}",
        "[一-龥]{1,60}",
        "[\"\\\\\n\u{1}]{1,10}",
        Just("👨‍👩‍👧‍👦".repeat(5)),
        Just("🇨🇳👍🏽é".repeat(5)),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn is_cut(text: &str, original: &str) -> bool {
    text == original
        || text
            .strip_suffix('…')
            .is_some_and(|kept| original.starts_with(kept))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// S98+: the texts are cut between grapheme clusters, and nothing else ever is.
    #[test]
    fn a_payload_fits_and_its_ext_is_whole(title in text(), subtitle in text(), body in text(), ext in "[a-z{}\":\\\\]{0,2500}") {
        let notification = Notification::default().with_title(title.clone()).with_subtitle(subtitle.clone()).with_body(body.clone()).with_ext(ext.clone());
        let target = target(Badge::Set(7)).with_receiver(Some(UserId::new("ann \"quoted\"").unwrap()));
        let payload: Value = match bytes(&notification, PushType::Alert, &target) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap(),
            Err(refusal) => {
                // Only an ext that leaves no room at all.
                prop_assert_eq!(refusal.code, "PayloadTooLarge");
                prop_assert!(serde_json::to_string(&ext).unwrap().len() > 3900);
                return Ok(());
            }
        };
        prop_assert_eq!(payload["aps"]["badge"].as_u64(), Some(7));
        prop_assert_eq!(payload["receiver"].as_str(), Some("ann \"quoted\""));
        if !ext.is_empty() {
            prop_assert_eq!(payload["ext"].as_str(), Some(ext.as_str()));
        }
        let alert = &payload["aps"]["alert"];
        let shown = |key: &str| alert[key].as_str().unwrap_or_default();
        let shown_body = alert.as_str().unwrap_or_else(|| shown("body"));
        prop_assert!(is_cut(shown_body, &body));
        prop_assert!(is_cut(shown("subtitle"), &subtitle));
        prop_assert!(is_cut(shown("title"), &title));
        // The title is cut only when nothing is left of the body, and the subtitle before the title.
        if shown("title") != title && !body.is_empty() {
            prop_assert!(shown_body == "…" || json_len(&body) <= 3);
        }
    }
}

#[test]
fn a_body_is_cut_to_the_last_byte_that_fits() {
    let notification = Notification::default()
        .with_body("x".repeat(5000))
        .with_sound(push_core::Sound::Silent);
    let target = target(Badge::Leave);
    let alert = bytes(&notification, PushType::Alert, &target).unwrap();
    assert_eq!(alert.len(), 4096);
    let call = bytes(&notification, PushType::Voip, &target).unwrap();
    let frame = r#"{"aps":{"alert":""},"delivery":""}"#.len() + 36;
    assert_eq!(call.len(), frame + 5000);
}

#[test]
fn an_ext_that_leaves_no_room_for_the_delivery_is_sent_without_it() {
    let notification = Notification::default()
        .with_body("x")
        .with_ext("e".repeat(4020))
        .with_sound(push_core::Sound::Silent);
    let json = bytes(&notification, PushType::Alert, &target(Badge::Leave)).unwrap();
    let payload: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(payload["ext"].as_str().unwrap().len(), 4020);
    assert!(payload["delivery"].is_null());
}

#[test]
fn one_rendering_serves_targets_with_different_badges_and_receivers() {
    let notification = with(json!({}));
    let fields = VendorFields::default();
    let payload = Payload::new(&notification, &fields, PushType::Alert, true).unwrap();
    for (number, user) in [(0, "ann"), (7, "bob"), (u32::MAX, "乙")] {
        let target = target(Badge::Set(number)).with_receiver(Some(UserId::new(user).unwrap()));
        let body: Value = serde_json::from_slice(&payload.body(&target).unwrap()).unwrap();
        assert_eq!(
            body,
            json!({
                "aps": {
                    "alert": { "title": "Ann", "body": "hello" },
                    "sound": "default",
                    "badge": number,
                },
                "delivery": target.delivery.to_string(),
                "receiver": user,
            })
        );
    }
}

#[test]
fn a_number_alone_is_a_silent_push_that_sets_the_number() {
    let notification = Notification::default()
        .with_thread("chat")
        .with_mutable(true);
    let json = bytes(&notification, PushType::Alert, &target(Badge::Set(0))).unwrap();
    assert_eq!(json, r#"{"aps":{"badge":0}}"#.as_bytes());
    let fields = VendorFields::default();
    let payload = Payload::new(&notification, &fields, PushType::Alert, true).unwrap();
    assert!(payload.is_silent());
}

#[test]
fn a_push_without_anything_is_refused() {
    let nothing = Notification::default().with_sound(push_core::Sound::Silent);
    let refusal = rendered(&nothing, PushType::Alert).unwrap_err();
    assert_eq!(refusal.code, "PayloadEmpty");
}

#[test]
fn a_background_push_shows_nothing_and_keeps_its_data() {
    let notification = Notification::default()
        .with_kind(NotificationKind::Background)
        .with_title("Ann")
        .with_ext("{}");
    let payload = rendered(&notification, PushType::Background).unwrap();
    assert_eq!(
        payload,
        json!({ "aps": { "content-available": 1 }, "ext": "{}" })
    );
    // With a number it is an alert of which only the number is seen.
    let json = bytes(&notification, PushType::Alert, &target(Badge::Set(2))).unwrap();
    let payload: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(
        payload["aps"],
        json!({ "content-available": 1, "badge": 2 })
    );
    assert_eq!(payload["ext"], "{}");
}

#[test]
fn a_message_changes_what_it_names_and_nothing_else() {
    let notification = with(json!({
        "aps": {
            "alert": { "loc-key": "NEW", "loc-args": ["Ann"] },
            "badge": 9,
            "sound": null,
            "mutable-content": 0,
        },
        "payload": { "image": "https://example.com/b.png", "more": { "a": 1 } },
    }))
    .with_mutable(true);
    let json = bytes(&notification, PushType::Alert, &target(Badge::Set(2))).unwrap();
    let mut payload: Value = serde_json::from_slice(&json).unwrap();
    payload.as_object_mut().unwrap().remove(DELIVERY_KEY);
    assert_eq!(
        payload,
        json!({
            "aps": {
                "alert": { "title": "Ann", "loc-key": "NEW", "loc-args": ["Ann"] },
                "badge": 9,
            },
            "image": "https://example.com/b.png",
            "more": { "a": 1 },
        })
    );
    // A body alone, which is rendered as a string, is replaced by a key as well.
    let alone = with(json!({ "aps": { "alert": { "loc-key": "NEW" } } })).with_title("");
    let payload = rendered(&alone, PushType::Alert).unwrap();
    assert_eq!(payload["aps"]["alert"], json!({ "loc-key": "NEW" }));
}

#[test]
fn widgets_and_controls_are_reloaded_by_content_changed() {
    for push_type in [PushType::Widgets, PushType::Controls] {
        let payload = rendered(&with(json!({})), push_type).unwrap();
        assert_eq!(payload, json!({ "aps": { "content-changed": true } }));
    }
}

#[test]
fn a_live_activity_has_all_its_keys() {
    let keys = json!({
        "timestamp": 1_700_000_001,
        "event": "start",
        "content-state": { "goals": [1, 2] },
        "stale-date": 1_700_000_100,
        "dismissal-date": 1_700_000_200,
        "attributes-type": "Match",
        "attributes": { "home": "A" },
        "input-push-token": 1,
        "relevance-score": 75.0,
        "alert": { "title": { "loc-key": "GOAL", "loc-args": ["A"] } },
    });
    let payload = rendered(
        &with(json!({ "aps": keys.clone() })),
        PushType::LiveActivity,
    )
    .unwrap();
    let mut wanted = keys;
    // Its sound is part of the alert; the body of the notification stays if only the title is replaced.
    wanted["alert"]["body"] = json!("hello");
    wanted["alert"]["sound"] = json!("default");
    assert_eq!(payload["aps"], wanted);
}

#[test]
fn a_live_activity_without_what_it_needs_is_refused() {
    for (aps, word) in [
        (json!({}), "content-state"),
        (
            json!({ "event": "start", "content-state": {} }),
            "attributes-type",
        ),
        (
            json!({ "content-state": {}, "input-push-token": 1, "input-push-channel": "x" }),
            "keep one",
        ),
    ] {
        let refusal = rendered(&with(json!({ "aps": aps })), PushType::LiveActivity).unwrap_err();
        assert!(refusal.text.contains(word), "{}", refusal.text);
    }
    let end = with(json!({ "aps": { "event": "end" } }));
    let payload = rendered(&end, PushType::LiveActivity).unwrap();
    assert_eq!(payload["aps"]["timestamp"], sample::NOW.unix_seconds());
    // Apple requires three keys of a start; the state is not among them.
    let start =
        with(json!({ "aps": { "event": "start", "attributes-type": "M", "attributes": {} } }));
    assert!(rendered(&start, PushType::LiveActivity).is_ok());
}

#[test]
fn every_key_of_aps_survives_reading_and_writing() {
    let keys = json!({
        "alert": {
            "title": "t", "subtitle": "s", "body": "b", "launch-image": "i",
            "title-loc-key": "tk", "title-loc-args": ["1"], "subtitle-loc-key": "sk",
            "subtitle-loc-args": ["2"], "loc-key": "k", "loc-args": ["3"], "summary-arg": "later",
        },
        "badge": 0, "sound": { "critical": 1, "name": "x.caf", "volume": 0.5 }, "thread-id": "t",
        "category": "c", "content-available": 1, "mutable-content": 1, "target-content-id": "w",
        "interruption-level": "passive", "relevance-score": 0.25, "filter-criteria": "f",
        "url-args": ["a", "b"], "content-changed": true, "timestamp": 1, "event": "end",
        "content-state": { "a": null }, "stale-date": 2, "dismissal-date": 3, "attributes-type": "T",
        "attributes": {}, "input-push-channel": "c", "input-push-token": 1, "later": { "x": 1 },
    });
    let aps: Aps = serde_json::from_value(keys.clone()).unwrap();
    assert_eq!(serde_json::to_value(&aps).unwrap(), keys);
    let shown = format!("{aps:?} {:?}", aps.alert);
    assert!(
        shown.contains("thread-id") && !shown.contains("x.caf"),
        "{shown}"
    );
}
