//! What a click on an entity opens, by the rules of the iOS and Android clients.
use push_core::payload::{
    Action, CallTarget, ChatType, ClickTarget, Entity, NoTarget, Payload, Profile, Shape,
};
use serde_json::{Value, json};

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
        (json!("18446744073709551617"), i32::MAX),
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
    let without_sender = json!({"action": 2, "chatType": 1});
    assert_eq!(
        call(target(without_sender, Profile::Ios).unwrap()).user,
        None
    );
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
