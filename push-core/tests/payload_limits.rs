//! Payloads are bounded, and never printed.
use push_core::payload::{Ext, MAX_BYTES, MAX_DEPTH, NoTarget, Payload, Profile, Shape};
use serde_json::json;

const APNS_SAMPLE: &str = include_str!("fixtures/payload/apns_sample.json");
const CALL_EXT: &str = include_str!("fixtures/payload/android_call_ext.json");

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
