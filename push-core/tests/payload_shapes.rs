//! Every shape in which `ext` reaches the app.
use push_core::payload::{ClickTarget, Entity, Ext, NoTarget, Payload, Profile, Shape};
use serde_json::{Map, Value, json};

const APNS_SAMPLE: &str = include_str!("fixtures/payload/apns_sample.json");
const GROUP_EXT: &str = include_str!("fixtures/payload/android_group_ext.json");
const CALL_EXT: &str = include_str!("fixtures/payload/android_call_ext.json");
const PROFILES: [Profile; 2] = [Profile::Ios, Profile::Android];

fn opened(target: ClickTarget) -> (String, String) {
    let (user, group) = target.navigate_ids().expect("the target is a chat");
    (user.to_owned(), group.to_owned())
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
    noisy["entity"]["Sender"] = json!("another user");
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
    let mut both = ext.clone();
    both["ext"] = json!(CALL_EXT);
    let both = Payload::oppo(both);
    for payload in [&as_object, &as_text, &delivered, &unsplit, &both] {
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

/// S17+
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
fn every_shape_is_found_by_its_name() {
    for shape in Shape::ALL {
        assert_eq!(Shape::from_name(shape.name()), Some(shape));
    }
    assert_eq!(Shape::from_name("APNS"), None);
}
