//! Subscriptions, headers, JSON and encryption.
use aws_lc_rs::{
    agreement::{ECDH_P256, PrivateKey},
    digest::{SHA256, digest},
};
use push_core::Notification;
use push_testkit::sample;
use serde_json::{Value, json};

use super::{
    encrypt::{OVERHEAD, encrypt, seal, with},
    subscription::{Origins, Subscription},
    *,
};
use crate::auth::base64;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../tests/fixtures/vectors.json"))
        .expect("the vectors are JSON")
}

fn bytes(value: &Value) -> Vec<u8> {
    base64(value.as_str().expect("text")).expect("base64url")
}

fn salt(case: &Value) -> [u8; 16] {
    bytes(&case["salt"]).try_into().expect("16 bytes")
}

/// The subscription of a vector, and the key pair that its body was made with.
fn of_case(case: &Value) -> (Subscription, PrivateKey) {
    let subscription = json!({
        "endpoint": "https://push.example.net/push/1",
        "keys": { "p256dh": case["ua_public"], "auth": case["auth"] },
    });
    let subscription = Subscription::read(&subscription.to_string()).expect("a subscription");
    let pair = PrivateKey::from_private_key(&ECDH_P256, &bytes(&case["as_private"]));
    (subscription, pair.expect("a key of P-256"))
}

#[test]
fn the_example_of_rfc_8291_and_the_others_are_encrypted_byte_for_byte() {
    let vectors = vectors();
    let cases = vectors["encryption"].as_array().expect("an array");
    assert_eq!(cases.len(), 5);
    for case in cases {
        let (to, pair) = of_case(case);
        let text = case["text"].as_str().expect("text");
        let padding = case["padding"].as_u64().expect("a number");
        let padding = usize::try_from(padding).expect("a small number");
        let body = with(&pair, salt(case), &to, text.as_bytes(), padding).expect("it is encrypted");
        assert_eq!(body, bytes(&case["body"]), "{text}");
    }
}

#[test]
fn the_example_of_rfc_8188_is_encrypted_byte_for_byte() {
    let vectors = vectors();
    let case = &vectors["rfc8188"][0];
    let text = case["text"].as_str().expect("text");
    let body = seal(&bytes(&case["key"]), salt(case), &[], text.as_bytes(), 0);
    assert_eq!(body.expect("it is encrypted"), bytes(&case["body"]));
}

#[test]
fn the_largest_text_and_the_largest_padding_fill_a_body_of_4096_bytes() {
    let vectors = vectors();
    let case = &vectors["encryption"][2];
    let (to, pair) = of_case(case);
    let number = |value: &Value| usize::try_from(value.as_u64().expect("a number")).expect("small");
    for size in vectors["sizes"].as_array().expect("an array") {
        let text = vec![b'a'; number(&size["plaintext_bytes_of_a"])];
        let body = with(&pair, salt(case), &to, &text, number(&size["pad"])).expect("encrypted");
        assert_eq!(body.len(), number(&size["body_bytes"]));
        let hash: String = digest(&SHA256, &body)
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(size["sha256_of_body"], hash.as_str());
    }
    assert_eq!(MAX_PAYLOAD, 3993);
}

#[test]
fn every_body_has_one_of_five_lengths_and_no_two_are_equal() {
    let (to, _) = of_case(&vectors()["encryption"][0]);
    let mut lengths = std::collections::BTreeSet::new();
    for text in (0..=MAX_PAYLOAD).step_by(31).chain([MAX_PAYLOAD]) {
        let mut notification = sample::notification();
        notification.body = String::new();
        let text = vec![b'x'; text];
        let size = BODIES
            .into_iter()
            .find(|body| *body >= text.len() + OVERHEAD);
        let body = encrypt(&to, &text, size.expect("it fits")).expect("it is encrypted");
        lengths.insert(body.len());
        assert_ne!(
            body,
            encrypt(&to, &text, body.len()).expect("it is encrypted")
        );
    }
    assert_eq!(lengths, BODIES.into());
}

fn push(notification: Notification) -> Push {
    let target = sample::target("t", &sample::content(notification));
    let look = Look {
        ttl: MAX_TTL,
        ..Look::default()
    };
    let push = look.push(&target, sample::NOW);
    push.unwrap_or_else(|verdict| panic!("{verdict:?}"))
}

fn header(push: &Push, name: &str) -> String {
    let value = push.headers.get(name).expect(name);
    value.to_str().expect("text").to_owned()
}

#[test]
fn every_push_has_a_topic_that_apple_can_decode_and_that_shows_no_conversation() {
    let key = |collapse: &str| {
        let topic = header(
            &push(sample::notification().with_collapse(collapse)),
            "topic",
        );
        let decoded = URL_SAFE_NO_PAD.decode(&topic).expect("base64url");
        assert_eq!((topic.len(), decoded.len()), (32, 24));
        topic
    };
    assert_eq!(key("conv-42"), key("conv-42"));
    assert_ne!(key("conv-42"), key("conv-43"));
    // SHA-256 of "conv-42" begins so.
    assert_eq!(
        base64(&key("conv-42")).expect("base64url")[..4],
        [0x49, 0x93, 0x3e, 0xa2]
    );
    assert_ne!(
        key(""),
        key(""),
        "two contents without a key replace each other"
    );
}

#[test]
fn what_is_left_of_the_last_second_counts_and_nothing_lives_for_no_time() {
    for (millis, seconds) in [
        (1, "1"),
        (1000, "1"),
        (1001, "2"),
        (0, "1"),
        (-5000, "1"),
        (90 * 24 * 3600 * 1000, "2419200"),
    ] {
        let at = Timestamp::from_unix_millis(sample::NOW.unix_millis() + millis);
        let push = push(sample::notification().with_expires_at(at));
        assert_eq!(header(&push, "ttl"), seconds, "{millis} ms");
    }
    assert_eq!(header(&push(sample::notification()), "ttl"), "2419200");
}

#[test]
fn the_urgency_is_that_of_the_message_unless_a_vendor_field_says_another() {
    let of = |notification: Notification| {
        let push = push(notification);
        assert!(!push.text.contains("urgency"), "{}", push.text);
        push.headers.get("urgency").cloned()
    };
    let plain = sample::notification;
    for (notification, word) in [
        (plain(), "high"),
        (plain().with_priority(Priority::Normal), "normal"),
        (plain().with_priority(Priority::Low), "low"),
        (plain().with_interruption(Interruption::Passive), "low"),
        (
            plain().with_vendor(fields(json!({ "urgency": "VERY-LOW" }))),
            "very-low",
        ),
    ] {
        assert_eq!(of(notification).expect("it is sent"), word);
    }
    let unset = plain().with_vendor(fields(json!({ "urgency": null })));
    assert_eq!(of(unset), None);
}

fn fields(fields: Value) -> Map<String, Value> {
    serde_json::from_value(fields).expect("an object")
}

#[test]
fn long_texts_are_cut_to_what_firefox_on_android_takes_unless_ext_needs_the_room() {
    let long = "好".repeat(2000);
    let short = push(sample::notification().with_body(&long));
    assert_eq!(
        (short.size, short.text.len() + OVERHEAD <= 2744),
        (2744, true)
    );
    let ext = json!({ "entity": { "content": "c".repeat(3000) } }).to_string();
    let large = push(sample::notification().with_body(&long).with_ext(&ext));
    assert_eq!(large.size, 4096);
    assert!(large.text.len() <= MAX_PAYLOAD && large.text.len() > MAX_PAYLOAD - 4);
    let json: Value = serde_json::from_str(&large.text).expect("JSON");
    assert_eq!(json["ext"], ext.as_str());
}

#[test]
fn a_subscription_has_one_form_whatever_the_page_registers() {
    let canonical = r#"{"endpoint":"https://push.example.net/p/a%2Fb?c=%22","keys":{"p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4","auth":"BTBZMqHH6r4Tts7J_aSIgg"}}"#;
    let same = |text: &str| {
        let read = Subscription::read(text).unwrap_or_else(|what| panic!("{what}: {text}"));
        read.token().expect("a token").expose() == canonical
    };
    assert!(same(canonical));
    let value: Value = serde_json::from_str(canonical).expect("JSON");
    let keys = &value["keys"];
    let mut with_time = value.clone();
    with_time["expirationTime"] = Value::Null;
    assert!(same(&with_time.to_string()));
    assert!(same(&format!("\u{feff} {with_time:#}\n")));
    let flat =
        json!({ "endpoint": value["endpoint"], "p256dh": keys["p256dh"], "auth": keys["auth"] });
    assert!(same(&flat.to_string()));
    let standard = canonical.replace("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4", "BCVxsr7N/eNgVRqvHtD0zTZsEc6+VV+JvLexhqUzORcxaOzi6+AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4=").replace("BTBZMqHH6r4Tts7J_aSIgg", "BTBZMqHH6r4Tts7J/aSIgg==");
    assert!(same(&standard));
}

#[test]
fn what_is_no_subscription_is_refused_in_words_that_do_not_repeat_it() {
    let good = json!({ "endpoint": "https://push.example.net/secret", "keys": {
        "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    }});
    let with = |pointer: &str, value: &str| {
        let mut changed = good.clone();
        *changed.pointer_mut(pointer).expect(pointer) = value.into();
        changed.to_string()
    };
    // One coordinate of a point is changed: it is not on the curve.
    let off_curve =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw5";
    for (text, words) in [
        ("secret".to_owned(), "not the JSON"),
        ("[]".to_owned(), "not the JSON"),
        ("{}".to_owned(), "no `endpoint`"),
        (with("/endpoint", "secret"), "not an https URL"),
        (with("/endpoint", "/secret"), "not an https URL"),
        (with("/endpoint", "ftp://a/secret"), "not an https URL"),
        (
            with("/endpoint", "https://a:99999/secret"),
            "not an https URL",
        ),
        (with("/endpoint", "https://u:secret@a/"), "user name"),
        (with("/endpoint", "https://a/#secret"), "fragment"),
        (with("/endpoint", "https://a/sec ret"), "not a URL"),
        (with("/endpoint", "https://a/s\r\nx: y"), "not a URL"),
        (with("/endpoint", "https://a/\\\"secret"), "not a URL"),
        (with("/endpoint", "https://a/sécret"), "not a URL"),
        (with("/keys/p256dh", "secret"), "`p256dh`"),
        (with("/keys/p256dh", off_curve), "`p256dh`"),
        (
            with(
                "/keys/p256dh",
                "AyVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcx",
            ),
            "`p256dh`",
        ),
        (with("/keys/auth", "BTBZMqHH6r4Tts7J_aSI"), "`auth`"),
        (with("/keys/auth", ""), "`auth`"),
    ] {
        let what = Subscription::read(&text).map(drop).expect_err(words);
        assert!(what.contains(words), "{text}: {what}");
        assert!(!what.contains("secret"), "{what}");
    }
}

#[test]
fn an_origin_is_listed_by_itself_or_by_the_name_above_it() {
    let list = [
        "https://FCM.googleapis.com",
        "https://*.push.apple.com",
        "http://localhost:1",
    ];
    let list = Origins::read(&list.map(str::to_owned)).expect("origins");
    for (origin, is_listed) in [
        ("https://fcm.googleapis.com", true),
        ("https://web.push.apple.com", true),
        ("https://a.b.push.apple.com", true),
        ("http://localhost:1", true),
        ("https://push.apple.com", false),
        ("https://.push.apple.com", false),
        ("https://evilpush.apple.com", false),
        ("https://web.push.apple.com.evil.example", false),
        ("https://web.push.apple.com:8443", false),
        ("http://web.push.apple.com", false),
        ("https://localhost:1", false),
        ("https://fcm.googleapis.com:444", false),
    ] {
        assert_eq!(list.contain(origin), is_listed, "{origin}");
    }
    for wrong in [
        "fcm.googleapis.com",
        "http://push.example",
        "https://*.",
        "https://a/b",
        "*",
        "",
    ] {
        assert!(Origins::read(&[wrong.to_owned()]).is_err(), "{wrong}");
    }
}

#[test]
fn the_origin_of_an_endpoint_is_what_a_signature_names() {
    for (endpoint, origin) in [
        ("https://Push.Example.net/p", "https://push.example.net"),
        ("https://push.example.net:443/p", "https://push.example.net"),
        (
            "https://push.example.net:8443",
            "https://push.example.net:8443",
        ),
        ("https://[2001:db8::1]/p?q", "https://[2001:db8::1]"),
    ] {
        let (mut subscription, _) = of_case(&vectors()["encryption"][0]);
        let token = subscription.token().expect("a token");
        let text = token
            .expose()
            .replace("https://push.example.net/push/1", endpoint);
        subscription = Subscription::read(&text).expect("a subscription");
        assert_eq!(subscription.origin, origin);
        assert!(
            subscription
                .token()
                .expect("a token")
                .expose()
                .contains(endpoint)
        );
    }
}
