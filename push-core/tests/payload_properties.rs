//! Whatever arrives: reading is total, and what is written is read back in every shape.
use proptest::{collection::vec, option, prelude::*, sample::Index};
use push_core::payload::{
    Action, ChatType, ClickTarget, Entity, Ext, MAX_BYTES, NoTarget, Payload, Profile, Shape,
};
use serde_json::{Value, json};

const PROFILES: [Profile; 2] = [Profile::Ios, Profile::Android];

/// Valid payloads of every shape, as text: where mutation starts.
const CORPUS: [(Shape, &str); 8] = [
    (
        Shape::Apns,
        include_str!("fixtures/payload/apns_sample.json"),
    ),
    (
        Shape::Intent,
        include_str!("fixtures/payload/android_group_ext.json"),
    ),
    (
        Shape::Intent,
        include_str!("fixtures/payload/android_call_ext.json"),
    ),
    (
        Shape::Oppo,
        include_str!("fixtures/payload/android_group_ext.json"),
    ),
    (
        Shape::Oppo,
        r#"{"entity":"{\"version\":\"1\",\"chatType\":\"1\",\"action\":\"1\",\"sender\":\"denny\",\"nickname\":\"Denny\",\"content\":\"helloworld\"}"}"#,
    ),
    (
        Shape::Xiaomi,
        r#"{"ext":"{\"entity\":{\"version\":1,\"chatType\":2,\"action\":1,\"sender\":\"g\",\"content\":\"helloworld\"}}","notify_foreground":"1"}"#,
    ),
    (
        Shape::Tpns,
        r#"{"aps":{"alert":"helloworld"},"custom":"{\"entity\":{\"version\":1,\"chatType\":1,\"action\":2,\"sender\":\"denny\",\"customData\":[-1,0,255]}}"}"#,
    ),
    (
        Shape::Apns,
        r#"{"aps":{},"ext":"{\"entity\":{\"version\":1e0,\"chatType\":1.0,\"action\":true,\"sender\":10086}}"}"#,
    ),
];

/// Reads a payload in every way there is, and checks what must hold of any.
fn read_everything(payload: &Payload) {
    let shown = format!("{payload:?}");
    assert!(shown.len() < 1000, "Debug is bounded: {shown}");
    for profile in PROFILES {
        let ext = payload.ext(profile);
        let entity = payload.entity(profile);
        match payload.target(profile) {
            Ok(target) => {
                let entity = entity.expect("a target comes from an entity");
                holds_of_target(&target, &entity, profile);
            }
            Err(why) => {
                assert!(!why.code().is_empty());
                assert_eq!(
                    ext.is_err(),
                    matches!(
                        why,
                        NoTarget::NoExt
                            | NoTarget::ExtNotString
                            | NoTarget::NotJson
                            | NoTarget::NotObject
                            | NoTarget::TooLarge
                    ),
                    "{why}"
                );
            }
        }
        if let Ok(ext) = ext {
            assert_eq!(
                Ext::parse(profile, &ext.to_json_string()).map(|it| it.features),
                Ok(ext.features),
                "what was read can be written again"
            );
        }
    }
}

fn holds_of_target(target: &ClickTarget, entity: &Entity, profile: Profile) {
    if profile == Profile::Android {
        assert_eq!(entity.version, Entity::VERSION);
    }
    match target {
        ClickTarget::User(user) => {
            assert_eq!(user.as_str(), entity.sender);
            assert_eq!(entity.chat_type, Some(ChatType::User));
        }
        ClickTarget::Group(group) => {
            assert_eq!(group.as_str(), entity.sender);
            assert_eq!(entity.chat_type, Some(ChatType::Group));
        }
        ClickTarget::Call(call) => {
            assert_eq!(call.entity, *entity);
            assert!(call.user.is_none() || call.group.is_none());
        }
        other => panic!("{other:?}"),
    }
    let action = match target {
        ClickTarget::Call(_) => Action::Call,
        _ => Action::Chat,
    };
    assert_eq!(entity.action, Some(action));
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "\\PC{0,40}",
        vec(any::<char>(), 0..40).prop_map(String::from_iter),
    ]
}

fn number() -> impl Strategy<Value = i32> {
    prop_oneof![0..4, any::<i32>()]
}

fn entity() -> impl Strategy<Value = Entity> {
    (
        (number(), number(), number()),
        (text(), text(), text(), text()),
        any::<i64>(),
        option::of(vec(any::<u8>(), 0..64)),
    )
        .prop_map(
            |((version, chat_type, action), texts, send_time, custom_data)| {
                Entity::for_user_message("", "", "", "")
                    .with_version(version)
                    .with_chat_type(ChatType::from_wire(chat_type))
                    .with_action(Action::from_wire(action))
                    .with_sender(texts.0)
                    .with_nickname(texts.1)
                    .with_face_url(texts.2)
                    .with_content(texts.3)
                    .with_send_time(send_time)
                    .with_custom_data(custom_data)
            },
        )
}

fn ext() -> impl Strategy<Value = Ext> {
    let feature = || option::of(number().prop_filter("-1 is None", |it| *it != -1));
    (option::of(entity()), feature(), feature()).prop_map(
        |(entity, push_type, notification_type)| {
            let mut ext = Ext::new(Entity::for_user_message("", "", "", ""));
            ext.entity = entity;
            ext.features.fcm_push_type = push_type;
            ext.features.fcm_notification_type = notification_type;
            ext
        },
    )
}

/// JSON that is built of the words payloads are made of, so that it reaches behind the first check.
fn likely_json() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        8 => prop::sample::select(vec![
            "ext", "entity", "custom", "aps", "timPushFeatures", "version", "chatType", "action",
            "sender", "nickname", "faceUrl", "content", "sendTime", "customData", "fcmPushType",
        ]).prop_map(str::to_owned),
        1 => text(),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0..4_i32).prop_map(Value::from),
        (0..4_i32).prop_map(|it| Value::from(it.to_string())),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 8, move |inner| {
        prop_oneof![
            1 => vec(inner.clone(), 0..6).prop_map(Value::from),
            4 => vec((key.clone(), inner.clone()), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
            2 => inner.prop_map(|it| Value::from(it.to_string())),
        ]
    })
}

#[derive(Clone, Debug)]
enum Mutation {
    Replace(Index, u8),
    Insert(Index, u8),
    Remove(Index, usize),
    Repeat(Index, usize, usize),
    Truncate(Index),
    Splice(Index, Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let byte = || {
        prop_oneof![
            prop::sample::select(&b"{}[]\":,\\0129-+.eEntu \x00\xff\xc3"[..]),
            any::<u8>(),
        ]
    };
    prop_oneof![
        4 => (any::<Index>(), byte()).prop_map(|(at, it)| Mutation::Replace(at, it)),
        4 => (any::<Index>(), byte()).prop_map(|(at, it)| Mutation::Insert(at, it)),
        4 => (any::<Index>(), 1..12_usize).prop_map(|(at, n)| Mutation::Remove(at, n)),
        1 => (any::<Index>(), 1..4_usize, 1..300_usize).prop_map(|(at, n, times)| Mutation::Repeat(at, n, times)),
        1 => any::<Index>().prop_map(Mutation::Truncate),
        2 => any::<(Index, Index, Index)>().prop_map(|(at, other, from)| Mutation::Splice(at, other, from)),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    let len = bytes.len();
    match mutation {
        Mutation::Insert(at, byte) => bytes.insert(at.index(len + 1), *byte),
        Mutation::Splice(at, other, from) => {
            let donor = CORPUS[other.index(CORPUS.len())].1.as_bytes();
            bytes.truncate(at.index(len + 1));
            bytes.extend_from_slice(&donor[from.index(donor.len())..]);
        }
        _ if len == 0 => {}
        Mutation::Replace(at, byte) => bytes[at.index(len)] = *byte,
        Mutation::Remove(at, count) => {
            let at = at.index(len);
            bytes.drain(at..len.min(at + count));
        }
        Mutation::Repeat(at, count, times) => {
            let at = at.index(len);
            let again = bytes[at..len.min(at + count)].repeat(*times);
            bytes.splice(at..at, again);
        }
        Mutation::Truncate(at) => bytes.truncate(at.index(len)),
    }
}

fn shape() -> impl Strategy<Value = Shape> {
    prop::sample::select(&Shape::ALL[..])
}

#[test]
fn the_corpus_is_valid_before_it_is_mutated() {
    for (shape, text) in CORPUS {
        let payload = Payload::parse(shape, text);
        assert!(payload.target(shape.profile()).is_ok(), "{text}");
        read_everything(&payload);
    }
}

proptest! {
    /// S1
    #[test]
    fn arbitrary_bytes_are_read_without_a_panic(shape in shape(), bytes in vec(any::<u8>(), 0..512)) {
        let text = String::from_utf8_lossy(&bytes);
        read_everything(&Payload::parse(shape, &text));
        read_everything(&Payload::intent(text.clone()));
        read_everything(&Payload::as_received(shape, &text));
    }

    /// S1
    #[test]
    fn arbitrary_json_is_read_without_a_panic(value in likely_json()) {
        for shape in Shape::ALL {
            read_everything(&Payload::parse(shape, &value.to_string()));
            read_everything(&Payload::as_received(shape, &value.to_string()));
        }
        read_everything(&Payload::apns(value.clone()));
        read_everything(&Payload::oppo(value.clone()));
        read_everything(&Payload::xiaomi(value.clone()));
        read_everything(&Payload::tpns(value));
    }

    #[test]
    fn fuzzed_payloads_are_read_without_a_panic(
        seed in prop::sample::select(&CORPUS[..]),
        mutations in vec(mutation(), 1..12),
        other in shape(),
    ) {
        let mut bytes = seed.1.as_bytes().to_vec();
        for mutation in &mutations {
            mutate(&mut bytes, mutation);
        }
        let text = String::from_utf8_lossy(&bytes);
        for shape in [seed.0, other] {
            let payload = Payload::parse(shape, &text);
            read_everything(&payload);
            let shown = format!("{payload:?}");
            prop_assert!(!shown.contains("helloworld"), "{}", shown);
        }
    }

    /// S15, S16, S17, S18
    #[test]
    fn what_is_written_is_read_back_in_every_shape(ext in ext()) {
        let sent = ext.to_json_string();
        for shape in Shape::ALL {
            for profile in PROFILES {
                let received = Payload::as_received(shape, &sent);
                prop_assert_eq!(received.ext(profile), Ok(ext.clone()), "{:?}", shape);
            }
        }
    }

    #[test]
    fn all_shapes_of_one_ext_open_the_same(ext in ext()) {
        let sent = ext.to_json_string();
        for profile in PROFILES {
            let expected = ext.target(profile);
            for shape in Shape::ALL {
                let received = Payload::as_received(shape, &sent);
                prop_assert_eq!(&received.target(profile), &expected, "{:?}", shape);
            }
        }
    }

    /// S3
    #[test]
    fn the_writer_never_leaves_out_the_numbers_nor_writes_empty_text(entity in entity()) {
        let written: Value = serde_json::from_str(&Ext::new(entity).to_json_string()).unwrap();
        let written = written["entity"].as_object().unwrap();
        for key in ["version", "chatType", "action"] {
            prop_assert!(written[key].is_i64(), "{}", key);
        }
        prop_assert!(written.values().all(|it| it != ""));
    }

    /// S19
    #[test]
    fn a_foreign_ext_is_accepted_only_as_an_object_and_wrapping_makes_it_one(text in text()) {
        let object = serde_json::from_str::<Value>(&text).is_ok_and(|it| it.is_object());
        prop_assert_eq!(Ext::check_for("oppo", &text).is_ok(), object || text.is_empty());
        let wrapped = Ext::wrap_for("oppo", &text).unwrap();
        prop_assert!(Ext::check_for("oppo", &wrapped).is_ok());
    }

    #[test]
    fn a_payload_whose_text_just_fits_is_never_refused_as_a_value(value in likely_json()) {
        let mut whole = json!({ "value": value, "padding": "" });
        let room = MAX_BYTES.saturating_sub(whole.to_string().len());
        whole["padding"] = "x".repeat(room).into();
        prop_assert_eq!(Payload::apns(whole).ext(Profile::Ios), Err(NoTarget::NoExt));
    }
}
