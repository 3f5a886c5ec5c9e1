//! What a sender writes into `ext`, and how the optional parts are read back.
use push_core::{
    ErrorKind,
    payload::{Entity, Ext, MAX_BYTES, MAX_DEPTH, Payload, Profile, Shape, TimPushFeatures},
};
use serde_json::{Value, json};

const GROUP_EXT: &str = include_str!("fixtures/payload/android_group_ext.json");
const PROFILES: [Profile; 2] = [Profile::Ios, Profile::Android];

fn entity(value: Value) -> Entity {
    Payload::intent(json!({ "entity": value }).to_string())
        .entity(Profile::Ios)
        .expect("the payload has an entity")
}

fn written(ext: &Ext) -> Value {
    serde_json::from_str(&ext.to_json_string()).expect("ext is written as JSON")
}

/// S3
#[test]
fn the_writer_always_gives_the_numbers_and_leaves_empty_text_out() {
    let empty = Entity::for_user_message("", "", "", "");
    assert_eq!(
        written(&Ext::new(empty.clone()))["entity"],
        json!({"version": 1, "chatType": 1, "action": 1})
    );
    let mut unset = empty.with_version(0);
    (unset.chat_type, unset.action) = (None, None);
    assert_eq!(
        written(&Ext::new(unset))["entity"],
        json!({"version": 0, "chatType": 0, "action": 0})
    );
    let mut full = Entity::for_group_message("g", "title", "https://x", "hi");
    full.send_time = 1_700_000_000;
    full.custom_data = Some(vec![]);
    assert_eq!(
        written(&Ext::new(full))["entity"],
        json!({
            "version": 1, "chatType": 2, "action": 1, "sender": "g", "nickname": "title",
            "faceUrl": "https://x", "content": "hi", "sendTime": 1_700_000_000, "customData": [],
        })
    );
}

/// S13
#[test]
fn a_user_message_names_its_sender_and_a_group_message_its_group() {
    let cases = [
        (
            Entity::for_user_message("denny", "Denny", "https://x", "hi"),
            json!({"version": 1, "action": 1, "chatType": 1, "sender": "denny", "nickname": "Denny", "faceUrl": "https://x", "content": "hi"}),
        ),
        (
            Entity::for_user_message("denny", "", "", ""),
            json!({"version": 1, "action": 1, "chatType": 1, "sender": "denny", "nickname": "denny"}),
        ),
        (
            Entity::for_group_message("g1", "Hikers", "https://x", "hi"),
            json!({"version": 1, "action": 1, "chatType": 2, "sender": "g1", "nickname": "Hikers", "faceUrl": "https://x", "content": "hi"}),
        ),
        (
            Entity::for_group_message("g1", "", "", ""),
            json!({"version": 1, "action": 1, "chatType": 2, "sender": "g1", "nickname": "g1"}),
        ),
        (
            Entity::for_user_message("denny", "", "", "ring").calling(),
            json!({"version": 1, "action": 2, "chatType": 1, "sender": "denny", "nickname": "denny", "content": "ring"}),
        ),
    ];
    for (entity, expected) in cases {
        assert_eq!(written(&Ext::new(entity))["entity"], expected);
    }
}

/// S14
#[test]
fn missing_features_are_zero_on_ios_and_unset_on_android() {
    let features = |wire: Value, profile| {
        let ext = json!({"timPushFeatures": wire}).to_string();
        let features = Ext::parse(profile, &ext).expect("it is an object").features;
        (features.fcm_push_type, features.fcm_notification_type)
    };
    for absent in [
        json!(null),
        json!({}),
        json!([]),
        json!(1),
        json!("data"),
        json!({"fcmPushType": null}),
    ] {
        assert_eq!(
            features(absent.clone(), Profile::Ios),
            (Some(0), Some(0)),
            "{absent}"
        );
        assert_eq!(
            features(absent.clone(), Profile::Android),
            (None, None),
            "{absent}"
        );
    }
    for profile in PROFILES {
        let unset = json!({"fcmPushType": -1, "fcmNotificationType": "-1"});
        assert_eq!(features(unset, profile), (None, None));
        let set = json!({"fcmPushType": "1", "fcmNotificationType": 0});
        assert_eq!(features(set, profile), (Some(1), Some(0)));
    }
    let one_of_two = json!({"fcmPushType": 1});
    assert_eq!(
        features(one_of_two.clone(), Profile::Ios),
        (Some(1), Some(0))
    );
    assert_eq!(features(one_of_two, Profile::Android), (Some(1), None));

    let mut ext = Ext::new(Entity::for_user_message("d", "", "", ""));
    let zeros = json!({"fcmPushType": 0, "fcmNotificationType": 0});
    assert_eq!(written(&ext)["timPushFeatures"], zeros);
    ext.features = TimPushFeatures::default_for(Profile::Android);
    let unset = json!({"fcmPushType": -1, "fcmNotificationType": -1});
    assert_eq!(written(&ext)["timPushFeatures"], unset);
}

/// S15+
#[test]
fn custom_data_is_read_from_signed_and_unsigned_bytes_and_always_written() {
    let cases = [
        (
            json!([-128, -1, 0, 1, 127]),
            Some(vec![128, 255, 0, 1, 127]),
        ),
        (json!([128, 255]), Some(vec![128, 255])),
        (json!([]), Some(vec![])),
        (json!(null), None),
        (json!([256]), None),
        (json!([-129]), None),
        (json!([1.5]), None),
        (json!(["1"]), None),
        (json!("AAEC"), None),
        (json!({"0": 1}), None),
    ];
    for (wire, bytes) in cases {
        let read = entity(json!({"customData": wire, "sender": "denny"}));
        assert_eq!(read.custom_data, bytes, "{wire}");
        assert_eq!(read.sender, "denny", "{wire}");
    }
    let every_byte: Vec<u8> = (0..=255).collect();
    let mut sent = Entity::for_user_message("denny", "", "", "");
    sent.custom_data = Some(every_byte.clone());
    let wire = written(&Ext::new(sent))["entity"]["customData"].clone();
    assert_eq!(wire[127], 127);
    assert_eq!(wire[128], -128);
    assert_eq!(wire[255], -1);
    assert_eq!(
        entity(json!({ "customData": wire })).custom_data,
        Some(every_byte)
    );
}

/// S19
#[test]
fn an_ext_that_is_no_object_is_refused_by_name_of_the_vendor_or_wrapped() {
    for good in ["", "{}", " {\"entity\":{}} ", GROUP_EXT] {
        assert!(Ext::check_for("oppo", good).is_ok(), "{good}");
        assert_eq!(Ext::wrap_for("oppo", good).unwrap(), good);
    }
    let deep = "[".repeat(MAX_DEPTH + 1) + &"]".repeat(MAX_DEPTH + 1);
    for foreign in ["confidential", "[1]", "42", "null", "{\"a\":", &deep] {
        for vendor in ["oppo", "vivo"] {
            let error = Ext::check_for(vendor, foreign).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.message().starts_with(vendor), "{error}");
            assert!(error.advice().is_some());
            assert!(!format!("{error} {error:?}").contains("confidential"));
        }
        let wrapped = Ext::wrap_for("oppo", foreign).unwrap();
        assert!(Ext::check_for("oppo", &wrapped).is_ok());
        assert_eq!(
            Payload::as_received(Shape::Oppo, &wrapped).raw()["ext"],
            foreign,
            "the phone gets the very text back"
        );
    }
    assert!(
        Payload::as_received(Shape::Oppo, "foreign")
            .raw()
            .is_empty()
    );
    let huge = "x".repeat(MAX_BYTES);
    let error = Ext::wrap_for("oppo", &huge).unwrap_err();
    assert!(error.to_string().starts_with("oppo"), "{error}");
}
