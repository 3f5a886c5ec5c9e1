//! What a click opens: `ext` and `entity` in every shape the vendors deliver them.
use push_core::{
    ErrorKind,
    payload::{
        Action, CallTarget, ChatType, ClickTarget, Entity, Ext, MAX_BYTES, MAX_DEPTH, NoTarget,
        Payload, Profile, Shape, TimPushFeatures,
    },
};
use serde_json::{Map, Value, json};

const APNS_SAMPLE: &str = include_str!("fixtures/payload/apns_sample.json");
const GROUP_EXT: &str = include_str!("fixtures/payload/android_group_ext.json");
const CALL_EXT: &str = include_str!("fixtures/payload/android_call_ext.json");

const PROFILES: [Profile; 2] = [Profile::Ios, Profile::Android];

fn entity(value: Value) -> Entity {
    Payload::intent(json!({ "entity": value }).to_string())
        .entity(Profile::Ios)
        .expect("the payload has an entity")
}

fn target(value: Value, profile: Profile) -> Result<ClickTarget, NoTarget> {
    Payload::intent(json!({ "entity": value }).to_string()).target(profile)
}

fn written(ext: &Ext) -> Value {
    serde_json::from_str(&ext.to_json_string()).expect("ext is written as JSON")
}

fn opened(target: ClickTarget) -> (String, String) {
    let (user, group) = target.navigate_ids().expect("the target is a chat");
    (user.to_owned(), group.to_owned())
}

fn call(target: ClickTarget) -> CallTarget {
    match target {
        ClickTarget::Call(call) => *call,
        other => panic!("not a call: {other:?}"),
    }
}

/// S1
#[test]
fn the_documented_sample_of_an_iphone_yields_its_entity() {
    let payload = Payload::parse(Shape::Apns, APNS_SAMPLE);
    let entity = payload.entity(Profile::Ios).unwrap();
    assert_eq!(
        entity,
        Entity::for_user_message("denny", "Denny", "https://x/y.png", "helloworld")
    );
    assert_eq!(
        opened(payload.target(Profile::Ios).unwrap()),
        ("denny".to_owned(), String::new())
    );
    assert_eq!(payload.raw()["aps"]["badge"], 5);
}

/// S1
#[test]
fn a_payload_without_a_readable_entity_says_why_and_never_panics() {
    let cases = [
        (json!({}), NoTarget::NoExt),
        (json!({"aps": {}}), NoTarget::NoExt),
        (json!({"ext": null}), NoTarget::NoExt),
        (json!({"ext": ""}), NoTarget::NoExt),
        (json!({"ext": {"entity": {}}}), NoTarget::ExtNotString),
        (json!({"ext": 7}), NoTarget::ExtNotString),
        (json!({"ext": ["{}"]}), NoTarget::ExtNotString),
        (json!({"ext": "hello"}), NoTarget::NotJson),
        (json!({"ext": "{\"entity\":{}"}), NoTarget::NotJson),
        (json!({"ext": "{} {}"}), NoTarget::NotJson),
        (json!({"ext": "[]"}), NoTarget::NotObject),
        (json!({"ext": "\"{}\""}), NoTarget::NotObject),
        (json!({"ext": "42"}), NoTarget::NotObject),
        (json!({"ext": "null"}), NoTarget::NotObject),
        (json!({"ext": "{}"}), NoTarget::NoEntity),
        (json!({"ext": "{\"entity\":null}"}), NoTarget::NoEntity),
        (json!({"ext": "{\"entity\":[1]}"}), NoTarget::NoEntity),
        (json!({"ext": "{\"entity\":\"x\"}"}), NoTarget::NoEntity),
        (json!("ext"), NoTarget::NotObject),
        (json!([{"ext": "{}"}]), NoTarget::NotObject),
        (Value::Null, NoTarget::NotObject),
    ];
    for (user_info, why) in cases {
        let payload = Payload::apns(user_info.clone());
        for profile in PROFILES {
            assert_eq!(payload.entity(profile), Err(why), "{user_info}");
            assert_eq!(payload.target(profile), Err(why), "{user_info}");
        }
        assert_eq!(
            Payload::parse(Shape::Apns, &user_info.to_string()).entity(Profile::Ios),
            Err(why),
            "as text: {user_info}"
        );
    }
    assert_eq!(
        Payload::parse(Shape::Apns, "no JSON").entity(Profile::Ios),
        Err(NoTarget::NotJson)
    );
}

/// S2
#[test]
fn ext_stands_beside_aps_as_a_string() {
    let ext = Ext::new(Entity::for_user_message("denny", "", "", ""));
    let mut payload = Map::from_iter([("aps".to_owned(), json!({"alert": "hi"}))]);
    ext.insert_into(&mut payload);
    assert_eq!(payload["aps"], json!({"alert": "hi"}));
    assert_eq!(payload["ext"], Value::String(ext.to_json_string()));
    assert_eq!(payload.len(), 2);
    assert_eq!(Payload::apns(payload).ext(Profile::Ios), Ok(ext));
}

/// S3
#[test]
fn the_writer_always_gives_the_numbers_and_leaves_empty_text_out() {
    let empty = Entity::for_user_message("", "", "", "");
    assert_eq!(
        written(&Ext::new(empty.clone()))["entity"],
        json!({"version": 1, "chatType": 1, "action": 1})
    );
    let unset = Entity {
        chat_type: None,
        action: None,
        version: 0,
        ..empty
    };
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

/// S4
#[test]
fn numbers_are_read_from_numbers_and_from_text() {
    let cases = [
        (json!(1), 1),
        (json!("1"), 1),
        (json!(" \t\n1"), 1),
        (json!("+1"), 1),
        (json!("-1"), -1),
        (json!("1abc"), 1),
        (json!("1.9"), 1),
        (json!("01"), 1),
        (json!(1.0), 1),
        (json!(1.9), 1),
        (json!(-1.9), -1),
        (json!(true), 1),
        (json!(false), 0),
        (json!("2147483648"), i32::MAX),
        (json!("-99999999999999999999"), i32::MIN),
        (json!(4_294_967_297_u64), i32::MAX),
        (json!(-4_294_967_295_i64), i32::MIN),
        (json!(u64::MAX), i32::MAX),
        (json!(1e300), i32::MAX),
    ];
    for (wire, number) in cases {
        let entity = entity(json!({"version": wire, "action": wire, "chatType": wire}));
        assert_eq!(entity.version, number, "{wire}");
        assert_eq!(entity.action, Some(Action::from_wire(number)), "{wire}");
        assert_eq!(
            entity.chat_type,
            Some(ChatType::from_wire(number)),
            "{wire}"
        );
    }
    let text = json!({"version": "1", "action": "1", "chatType": "2", "sender": "g"});
    for profile in PROFILES {
        let target = target(text.clone(), profile).unwrap();
        assert_eq!(opened(target), (String::new(), "g".to_owned()));
    }
}

/// S5
#[test]
fn text_that_is_no_number_counts_as_zero_and_matches_no_action() {
    for action in [
        json!("open"),
        json!(""),
        json!("- 1"),
        json!("--1"),
        json!("+"),
        json!("x1"),
        json!([1]),
        json!({"1": 1}),
    ] {
        let value = json!({"action": action, "chatType": 1, "version": 1, "sender": "denny"});
        assert_eq!(
            entity(value.clone()).action,
            Some(Action::Other(0)),
            "{action}"
        );
        assert_eq!(
            target(value.clone(), Profile::Ios),
            Err(NoTarget::UnknownAction(0)),
            "{action}"
        );
        assert_eq!(
            target(value, Profile::Android),
            Err(NoTarget::VersionTooLow),
            "{action}"
        );
    }
}

/// S6
#[test]
fn unknown_keys_are_ignored_everywhere() {
    let plain = json!({
        "entity": {"version": 1, "action": 1, "chatType": 1, "sender": "denny"},
        "timPushFeatures": {"fcmPushType": 1, "fcmNotificationType": 1},
    });
    let mut noisy = plain.clone();
    noisy["conversation"] = json!({"deep": [1, 2, {"x": null}]});
    noisy["entity"]["receiver"] = json!(["bob"]);
    noisy["entity"]["Sender"] = json!("somebody else");
    noisy["timPushFeatures"]["fcmColour"] = json!("#ffffff");
    for shape in Shape::ALL {
        let read = |ext: &Value| Payload::as_received(shape, &ext.to_string()).ext(Profile::Ios);
        assert_eq!(read(&noisy), read(&plain), "{shape:?}");
        assert_eq!(
            read(&noisy).unwrap().entity.unwrap().sender,
            "denny",
            "{shape:?}"
        );
    }
}

/// S7
#[test]
fn an_entity_without_action_or_chat_type_opens_nothing() {
    let cases = [
        (json!({}), NoTarget::NoAction),
        (json!({"chatType": 1, "sender": "d"}), NoTarget::NoAction),
        (
            json!({"action": null, "chatType": 1, "sender": "d"}),
            NoTarget::NoAction,
        ),
        (json!({"action": 1, "sender": "d"}), NoTarget::NoChatType),
        (json!({"action": 2, "sender": "d"}), NoTarget::NoChatType),
        (
            json!({"action": 1, "chatType": null, "sender": "d"}),
            NoTarget::NoChatType,
        ),
    ];
    for (value, why) in cases {
        for profile in PROFILES {
            assert_eq!(target(value.clone(), profile), Err(why), "{value}");
        }
    }
}

/// S8, S9, S10
#[test]
fn the_chat_type_says_whether_the_sender_is_a_user_or_a_group() {
    let cases = [
        (json!(1), Ok(("denny", ""))),
        (json!(2), Ok(("", "denny"))),
        (json!(0), Err(NoTarget::UnknownChatType(0))),
        (json!(3), Err(NoTarget::UnknownChatType(3))),
        (json!(-1), Err(NoTarget::UnknownChatType(-1))),
        (
            json!(4_294_967_297_u64),
            Err(NoTarget::UnknownChatType(i32::MAX)),
        ),
    ];
    for (chat_type, expected) in cases {
        for profile in PROFILES {
            let value =
                json!({"version": 1, "action": 1, "chatType": chat_type, "sender": "denny"});
            let got = target(value, profile);
            let got = got.as_ref().map(|it| it.navigate_ids().expect("a chat"));
            assert_eq!(got, expected.as_ref().copied(), "{chat_type}");
        }
    }
    let group = Payload::intent(GROUP_EXT).target(Profile::Android).unwrap();
    assert_eq!(opened(group), (String::new(), "@TGS#2J4SZEAEL".to_owned()));
}

#[test]
fn a_sender_that_is_no_id_opens_nothing() {
    let too_long = "x".repeat(129);
    let cases = [
        (json!(""), Err(NoTarget::EmptySender)),
        (json!(null), Err(NoTarget::EmptySender)),
        (json!(["denny"]), Err(NoTarget::EmptySender)),
        (json!(12.5), Err(NoTarget::EmptySender)),
        (json!(true), Err(NoTarget::EmptySender)),
        (json!("a\u{0}b"), Err(NoTarget::BadSender)),
        (json!(too_long), Err(NoTarget::BadSender)),
        (json!(10086), Ok("10086")),
        (
            json!(18_446_744_073_709_551_615_u64),
            Ok("18446744073709551615"),
        ),
    ];
    for (sender, expected) in cases {
        for (chat_type, profile) in [(1, Profile::Ios), (2, Profile::Android)] {
            let value = json!({"version": 1, "action": 1, "chatType": chat_type, "sender": sender});
            let got = target(value, profile).map(opened);
            let got = got.map(|(user, group)| user + &group);
            assert_eq!(got, expected.map(str::to_owned), "{sender}");
        }
    }
}

/// S11
#[test]
fn a_call_goes_to_the_call_handler_and_never_to_a_chat() {
    let clicked = Payload::intent(CALL_EXT).target(Profile::Android).unwrap();
    assert_eq!(clicked.navigate_ids(), None);
    let one = call(clicked);
    assert_eq!(one.user.unwrap().as_str(), "alice");
    assert_eq!(one.group, None);
    assert_eq!(one.entity.content, r#"{"call_id":"c-7","timeout":30}"#);
    assert_eq!(one.entity.send_time, 1_700_000_000);

    for (chat_type, group) in [(2, Some("g")), (0, None)] {
        let value = json!({"action": 2, "chatType": chat_type, "version": 1, "sender": "g"});
        let call = call(target(value, Profile::Ios).unwrap());
        assert_eq!(call.user, None);
        assert_eq!(call.group.as_ref().map(|it| it.as_str()), group);
    }
    let nobody = json!({"action": 2, "chatType": 1});
    assert_eq!(call(target(nobody, Profile::Ios).unwrap()).user, None);
}

/// S12
#[test]
fn only_the_android_profile_looks_at_version_and_action() {
    use NoTarget::{UnknownAction, VersionTooLow};
    let cases = [
        (json!(1), 1, Ok(()), Ok(())),
        (json!("1"), 2, Ok(()), Ok(())),
        (json!(0), 1, Ok(()), Err(VersionTooLow)),
        (json!(2), 1, Ok(()), Err(VersionTooLow)),
        (json!(2), 2, Ok(()), Err(VersionTooLow)),
        (json!("beta"), 1, Ok(()), Err(VersionTooLow)),
        (json!(1), 0, Err(UnknownAction(0)), Err(VersionTooLow)),
        (json!(1), 3, Err(UnknownAction(3)), Err(VersionTooLow)),
    ];
    for (version, action, ios, android) in cases {
        let value = json!({"version": version, "action": action, "chatType": 1, "sender": "d"});
        let got = |profile| target(value.clone(), profile).map(drop);
        assert_eq!(got(Profile::Ios), ios, "{value}");
        assert_eq!(got(Profile::Android), android, "{value}");
    }
    let unversioned = json!({"action": 1, "chatType": 1, "sender": "d"});
    assert!(target(unversioned, Profile::Android).is_ok());
    assert_eq!(Shape::Apns.profile(), Profile::Ios);
    assert_eq!(Shape::Oppo.profile(), Profile::Android);
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

/// S15
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

/// S16
#[test]
fn oppo_extras_without_the_wrapper_parse_to_the_same_entity() {
    let wrapped = Payload::intent(GROUP_EXT).ext(Profile::Android).unwrap();
    let ext: Value = serde_json::from_str(GROUP_EXT).unwrap();
    let as_object = Payload::oppo(ext.clone());
    let as_text = Payload::oppo(json!({
        "entity": ext["entity"].to_string(),
        "timPushFeatures": ext["timPushFeatures"].to_string(),
    }));
    let delivered = Payload::as_received(Shape::Oppo, GROUP_EXT);
    let unsplit = Payload::oppo(json!({ "ext": GROUP_EXT }));
    for payload in [&as_object, &as_text, &delivered, &unsplit] {
        assert_eq!(
            payload.ext(Profile::Android).as_ref(),
            Ok(&wrapped),
            "{payload:?}"
        );
    }
    assert_eq!(
        delivered.raw()["entity"],
        Value::String(ext["entity"].to_string())
    );
    let nothing = [
        (json!({}), NoTarget::NoExt),
        (json!({"page": "home"}), NoTarget::NoEntity),
        (json!({"entity": "denny"}), NoTarget::NoEntity),
        (json!({"entity": 1}), NoTarget::NoEntity),
        (json!({"entity": "{}"}), NoTarget::NoAction),
        (json!({"ext": "denny"}), NoTarget::NotJson),
    ];
    for (extras, why) in nothing {
        assert_eq!(
            Payload::oppo(extras.clone()).target(Profile::Android),
            Err(why),
            "{extras}"
        );
    }
}

/// S17
#[test]
fn xiaomi_extra_holds_the_same_entity_or_none() {
    let wrapped = Payload::intent(GROUP_EXT).ext(Profile::Android).unwrap();
    let extra = json!({"ext": GROUP_EXT, "notify_foreground": "1"});
    assert_eq!(Payload::xiaomi(extra).ext(Profile::Android), Ok(wrapped));
    for extra in [
        json!({}),
        json!({"notify_foreground": "1"}),
        json!({"ext": null}),
    ] {
        assert_eq!(
            Payload::xiaomi(extra).entity(Profile::Android),
            Err(NoTarget::NoExt)
        );
    }
}

/// S18
#[test]
fn tpns_custom_holds_the_same_entity() {
    let wrapped = Payload::intent(GROUP_EXT).ext(Profile::Ios).unwrap();
    let user_info = json!({"aps": {"alert": "x"}, "custom": GROUP_EXT});
    assert_eq!(Payload::tpns(user_info).ext(Profile::Ios), Ok(wrapped));
    let elsewhere = json!({"aps": {"alert": "x"}, "ext": GROUP_EXT});
    assert_eq!(
        Payload::tpns(elsewhere).entity(Profile::Ios),
        Err(NoTarget::NoExt)
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

/// S23
#[test]
fn of_both_ids_the_group_wins_and_without_any_there_is_nothing_to_open() {
    let cases = [
        ("denny", "", Ok(("denny", ""))),
        ("", "g", Ok(("", "g"))),
        ("denny", "g", Ok(("", "g"))),
        ("", "", Err(NoTarget::EmptySender)),
        ("a\u{7}b", "", Err(NoTarget::BadSender)),
    ];
    for (user, group, expected) in cases {
        let target = ClickTarget::from_navigate_ids(user, group);
        let ids = target.as_ref().map(|it| it.navigate_ids().expect("a chat"));
        assert_eq!(ids, expected.as_ref().copied(), "{user:?} {group:?}");
    }
}

#[test]
fn every_shape_of_one_ext_names_the_same_target() {
    for ext in [GROUP_EXT, CALL_EXT] {
        let expected = Payload::intent(ext).target(Profile::Android).unwrap();
        for shape in Shape::ALL {
            let received = Payload::as_received(shape, ext);
            assert_eq!(received.target(Profile::Android).as_ref(), Ok(&expected));
            let raw = match shape {
                Shape::Intent => ext.to_owned(),
                _ => Value::Object(received.raw().clone()).to_string(),
            };
            assert_eq!(Payload::parse(shape, &raw), received);
        }
    }
}

#[test]
fn a_payload_over_the_limits_is_refused_whole() {
    let huge = "x".repeat(MAX_BYTES + 1);
    let many = vec![0; MAX_BYTES + 1];
    let mut deep = json!({});
    for _ in 0..1000 {
        deep = json!([deep]);
    }
    let refused = [
        Payload::intent(huge.clone()),
        Payload::parse(Shape::Intent, &huge),
        Payload::parse(Shape::Apns, &huge),
        Payload::apns(json!({ "ext": huge })),
        Payload::xiaomi(json!({ huge.clone(): "" })),
        Payload::oppo(json!({ "entity": many })),
        Payload::tpns(json!({ "custom": "{}", "deep": deep })),
    ];
    for payload in refused {
        assert!(payload.raw().is_empty(), "{payload:?}");
        assert_eq!(payload.entity(Profile::Ios), Err(NoTarget::TooLarge));
        assert_eq!(payload.target(Profile::Android), Err(NoTarget::TooLarge));
    }
    assert_eq!(
        Ext::parse(Profile::Ios, &huge),
        Err(NoTarget::TooLarge),
        "also where ext is read directly"
    );
}

#[test]
fn the_limits_are_met_exactly_and_alike_by_text_and_by_values() {
    let nested = |depth: usize| {
        format!(
            "{{\"a\":{}0{}}}",
            "[".repeat(depth - 1),
            "]".repeat(depth - 1)
        )
    };
    let by_text = |depth| Payload::parse(Shape::Apns, &nested(depth)).ext(Profile::Ios);
    let by_value = |depth: usize| {
        let inner = (1..depth).fold(json!(0), |inner, _| json!([inner]));
        Payload::apns(json!({ "a": inner })).ext(Profile::Ios)
    };
    assert_eq!(by_text(MAX_DEPTH), Err(NoTarget::NoExt));
    assert_eq!(by_value(MAX_DEPTH), Err(NoTarget::NoExt));
    assert_eq!(by_text(MAX_DEPTH + 1), Err(NoTarget::NotJson));
    assert_eq!(by_value(MAX_DEPTH + 1), Err(NoTarget::TooLarge));

    let ext = |bytes: usize| "x".repeat(bytes);
    let overhead = "ext".len() + 2;
    assert_eq!(
        Payload::intent(ext(MAX_BYTES - overhead)).ext(Profile::Ios),
        Err(NoTarget::NotJson)
    );
    assert_eq!(
        Payload::intent(ext(MAX_BYTES - overhead + 1)).ext(Profile::Ios),
        Err(NoTarget::TooLarge)
    );
}

#[test]
fn debug_shows_shape_and_sizes_but_nothing_that_a_person_wrote() {
    let payload = Payload::parse(Shape::Apns, APNS_SAMPLE);
    let ext = payload.ext(Profile::Ios).unwrap();
    let call = Payload::intent(CALL_EXT).target(Profile::Android).unwrap();
    let keys = Payload::oppo(json!({"entity": {}, "helloworld": "helloworld"}));
    for shown in [
        format!("{payload:?}"),
        format!("{payload:#?}"),
        format!("{ext:?}"),
        format!("{call:?}"),
        format!("{keys:?}"),
    ] {
        for private in [
            "Nickname",
            "Denny",
            "helloworld",
            "https",
            "Alice",
            "call_id",
        ] {
            assert!(!shown.contains(private), "{private} in {shown}");
        }
    }
    let ext_bytes = payload.raw()["ext"].as_str().unwrap().len();
    assert_eq!(
        format!("{payload:?}"),
        format!(
            "Payload {{ shape: Apns, known: [\"aps: object of 3\", \"ext: text of {ext_bytes} bytes\"], others: 0, refused: None }}"
        )
    );
    assert!(format!("{keys:?}").contains("others: 1"));
}

#[test]
fn every_reason_has_a_word_of_its_own() {
    let reasons = [
        NoTarget::NoExt,
        NoTarget::ExtNotString,
        NoTarget::NotJson,
        NoTarget::NotObject,
        NoTarget::NoEntity,
        NoTarget::NoAction,
        NoTarget::NoChatType,
        NoTarget::UnknownAction(9),
        NoTarget::UnknownChatType(9),
        NoTarget::VersionTooLow,
        NoTarget::EmptySender,
        NoTarget::BadSender,
        NoTarget::TooLarge,
    ];
    let words: std::collections::HashSet<_> = reasons.iter().map(|it| it.code()).collect();
    let sentences: std::collections::HashSet<_> = reasons.iter().map(|it| it.to_string()).collect();
    assert_eq!(words.len(), reasons.len());
    assert_eq!(sentences.len(), reasons.len());
    assert!(
        words
            .iter()
            .all(|it| it.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    );
}

#[test]
fn every_shape_is_found_by_its_name() {
    for shape in Shape::ALL {
        assert_eq!(Shape::from_name(shape.name()), Some(shape));
    }
    assert_eq!(Shape::from_name("APNS"), None);
}
