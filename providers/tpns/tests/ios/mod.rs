//! The suite that every provider passes: an iOS app. The answers are those of the suite for Android; the requests differ.
use std::time::Duration;

use push_core::Scope;
use push_testkit::{
    Reply,
    conformance::{Sent, Shown},
    json,
    serde_json::{self, Map, Value},
};

use crate::answers::{self, coded, done, lists, results};

/// What the phone shows, and what the app reads from `userInfo["custom"]`: `ext`, beside delivery and receiver. An `entity` that
/// is null says that there was no `ext`.
fn shown(sent: &Sent) -> Shown {
    let body = sent.json();
    let is_shown = body["message_type"] == "notify";
    let custom = body["message"]["ios"]["custom_content"].as_str();
    let custom = custom.unwrap_or(r#"{"entity":null}"#);
    let mut custom: Map<String, Value> = serde_json::from_str(custom).expect("an object");
    let mut take = |name: &str| {
        let value = custom.remove(name)?;
        Some(value.as_str().expect("text").to_owned())
    };
    let (delivery, receiver) = (take("delivery"), take("receiver"));
    let has_ext = custom.get("entity") != Some(&Value::Null);
    let mut shown = Shown::new(body)
        .tokens_at("/token_list")
        .badge_at("/message/ios/aps/badge_type")
        .ttl_at("/expire_time");
    if is_shown {
        shown = shown.title_at("/message/title").body_at("/message/content");
    }
    shown.ext = has_ext.then(|| Value::Object(custom).to_string());
    (shown.delivery, shown.receiver) = (delivery, receiver);
    shown
}

push_testkit::provider_conformance! {
    plugin: push_provider_tpns::Tpns,
    descriptor: push_provider_tpns::PLUGIN,

    config: |endpoint, ca_pem| json!({
        "access_id": "2600000001",
        "secret_key": "the-secret-key-of-a-test",
        "platform": "ios",
        "access_point": "hong-kong",
        "endpoint": endpoint,
        "auth": "basic",
        "fields": { "message": { "ios": { "aps": { "category": "IM" } } } },
        "http": { "extra_ca_pem": ca_pem },
    }),
    wrong_config: [
        ("access_id", json!("")),
        ("secret_key", json!("")),
        ("fields", json!({ "message": { "ios": { "custom_content": "{}" } } })),
        ("endpoint", json!("ftp://api.tpns.tencent.com")),
    ],
    secrets: ["the-secret-key-of-a-test", "MjYwMDAwMDAwMTp0aGUtc2VjcmV0LWtleS1vZi1hLXRlc3Q="],
    verify_accepted: [lists(&["offline-push-verify".to_owned()]), coded(1_008_029)],

    token: "05da87c0ae7e4fa9fa9e08d884aada000000",
    token_forms: [(" 05da87c0ae7e4fa9fa9e08d884aada5bb2 ", "05da87c0ae7e4fa9fa9e08d884aada5bb2")],
    wrong_tokens: ["<05da87c0 ae7e4fa9>"],
    shown: shown,
    ext_split: true,
    ttl_unit: Duration::from_secs(1),
    overlay: [
        json!({ "message": { "ios": { "aps": { "category": "CALL", "interruption-level": "time-sensitive" } } } }),
        json!({ "message": { "show_type": 1, "ios": { "aps": { "alert": { "subtitle": "x" } } } } }),
    ],
    protected_fields: [
        json!({ "environment": "dev" }),
        json!({ "tag_list": { "tags": ["a"], "op": "OR" } }),
        json!({ "message": { "ios": { "aps": { "content-available": 1 } } } }),
        json!({ "message": { "ios": { "custom_content": "{}" } } }),
        json!({ "message": { "ios": { "aps": null } } }),
    ],

    ok: done(),
    unconfirmed: answers::unconfirmed(),
    partial: |all, dead| results(
        &all.iter()
            .map(|token| if dead.contains(token) { 1_008_029 } else { 0 })
            .collect::<Vec<_>>(),
    ),
    token_dead: answers::dead(),
    credential_refused: answers::CREDENTIAL.map(coded),
    payload_refused: answers::PAYLOAD.map(coded),
    rate_limited: [(Scope::Credential, coded(1_008_028).header("retry-after", "7"))],
    unavailable: [coded(1_008_004).header("retry-after", "7")],
    unknown: |status, code| Reply::new(status).json(json!({ "ret_code": code, "err_msg_zh": "新" })),
}
