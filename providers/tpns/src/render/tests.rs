use push_core::{payload::Payload, payload::Profile};
use push_testkit::sample;

use super::*;

fn pair(key: &'static str, value: &str) -> (&'static str, String) {
    (key, value.to_owned())
}

#[test]
fn the_custom_text_is_ext_with_the_delivery_and_the_receiver_behind_it() {
    let beside = [pair("delivery", "d"), pair("receiver", "a\"b")];
    let ours = r#""delivery":"d","receiver":"a\"b"}"#;
    for (ext, wanted) in [
        (r#"{"entity":{}}"#, format!(r#"{{"entity":{{}},{ours}"#)),
        ("{}", format!("{{{ours}")),
        (" { \n} ", format!(" {{ \n{ours}")),
        (
            r#"{ "z": 1.0, "n":12345678901234567890 }"#,
            format!(r#"{{ "z": 1.0, "n":12345678901234567890 ,{ours}"#),
        ),
        // What a sender writes does not replace ours: the last one counts.
        (r#"{"delivery":"x"}"#, format!(r#"{{"delivery":"x",{ours}"#)),
        ("", format!(r#"{{"entity":null,{ours}"#)),
    ] {
        let mut click = vec![pair("ext", ext)];
        click.retain(|(_, ext)| !ext.is_empty());
        click.extend(beside.clone());
        let text = custom(&click).expect("it is small").expect("there is one");
        assert_eq!(text, wanted);
        let read: Value = serde_json::from_str(&text).expect("an object");
        assert_eq!(read["delivery"], "d");
        assert_eq!(read["receiver"], "a\"b");
    }
    let plain = custom(&[pair("ext", "{}")]).expect("it is small");
    assert_eq!(plain.as_deref(), Some("{}"));
    assert_eq!(custom(&[]).expect("there is nothing"), None);
}

/// S19
#[test]
fn an_ext_that_is_no_object_is_wrapped_in_one() {
    for ext in ["hello", "[1]", "\"x\"", "{broken"] {
        let click = [pair("ext", ext), pair("delivery", "d")];
        let text = custom(&click).expect("it is small").expect("there is one");
        let read: Value = serde_json::from_str(&text).expect("an object");
        assert_eq!(read, json!({ "ext": ext, "delivery": "d" }));
    }
    let huge = "x".repeat(push_core::payload::MAX_BYTES);
    let verdict = custom(&[pair("ext", &huge)]).expect_err("no vendor delivers it");
    assert!(verdict.answer.text.contains("TPNS"), "{verdict:?}");
    assert!(!verdict.answer.text.contains("xxx"));
}

/// S18
#[test]
fn the_custom_text_names_the_same_chat_as_ext() {
    let click = [pair("ext", sample::EXT), pair("delivery", "d")];
    let text = custom(&click).expect("it is small");
    let clicked = Payload::tpns(json!({ "aps": {}, "custom": text }));
    let plain = Payload::intent(sample::EXT).ext(Profile::Ios);
    assert_eq!(clicked.ext(Profile::Ios), plain);
}

#[test]
fn the_time_to_live_is_in_seconds_and_rounded_up() {
    for (millis, seconds) in [
        (0, 0),
        (1, 800),
        (799_999, 800),
        (800_000, 800),
        (800_001, 801),
        (3_600_000, 3600),
        (259_200_000, 259_200),
        (259_200_001, 259_200),
    ] {
        assert_eq!(ttl(Duration::from_millis(millis)), seconds);
    }
}

#[test]
fn the_click_data_are_parameters_of_the_url() {
    let click = [
        pair("ext", r#"{"a":"b c&d=e#f你"}"#),
        pair("receiver", "bob"),
    ];
    let query = "ext=%7B%22a%22%3A%22b%20c%26d%3De%23f%E4%BD%A0%22%7D&receiver=bob";
    assert_eq!(
        with_query("im://chat", &click),
        format!("im://chat?{query}")
    );
    let url = "im://chat?from=push";
    assert_eq!(with_query(url, &click), format!("{url}&{query}"));
    assert_eq!(with_query(url, &[]), url);
}
