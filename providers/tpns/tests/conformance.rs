//! The suite that every provider passes: an Android app, with TPNS's answers from its page of codes.
mod answers;
mod ios;

use answers::{coded, done, lists, results};
use push_core::Scope;
use push_testkit::{
    Reply,
    conformance::{Sent, Shown},
    json, serde_json,
    simulator::form,
};

/// What the phone shows, and what the app reads from the URL that a click opens, or from a message that is not shown.
fn shown(sent: &Sent) -> Shown {
    let body = sent.json();
    let android = &body["message"]["android"];
    let is_shown = body["message_type"] == "notify";
    let extras: std::collections::BTreeMap<String, String> = if is_shown {
        let url = android["action"]["intent"].as_str().expect("a URL");
        let query = url.strip_prefix("imchat://im/chat").expect("the app's URL");
        form(query.trim_start_matches('?').as_bytes())
            .into_iter()
            .collect()
    } else {
        let custom = android["custom_content"].as_str().expect("text");
        serde_json::from_str(custom).expect("texts")
    };
    let extra = |name: &str| extras.get(name).cloned();
    let (ext, delivery, receiver) = (extra("ext"), extra("delivery"), extra("receiver"));
    let mut shown = Shown::new(body)
        .tokens_at("/token_list")
        .badge_at("/message/android/badge_type")
        .ttl_at("/expire_time")
        .collapse_at("/message/android/n_id");
    if is_shown {
        shown = shown.title_at("/message/title").body_at("/message/content");
    }
    (shown.ext, shown.delivery, shown.receiver) = (ext, delivery, receiver);
    shown
}

push_testkit::provider_conformance! {
    plugin: push_provider_tpns::Tpns,
    descriptor: push_provider_tpns::PLUGIN,

    config: |endpoint, ca_pem| json!({
        "access_id": "1500000001",
        "secret_key": "the-secret-key-of-a-test",
        "access_point": "guangzhou",
        "endpoint": endpoint,
        "auth": "sign",
        "intent": "imchat://im/chat",
        "fields": { "message": { "android": { "hw_category": "IM" } } },
        "http": { "extra_ca_pem": ca_pem },
    }),
    wrong_config: [
        ("access_id", json!("15 1")),
        ("secret_key", json!("has a blank")),
        ("intent", json!("https://im.example/chat")),
        ("fields", json!({ "token_list": ["everybody"] })),
        ("endpoint", json!("https://api.tpns.tencent.com/v3/push/app")),
    ],
    secrets: ["the-secret-key-of-a-test"],
    verify_accepted: [
        lists(&["offline-push-verify".to_owned()]),
        coded(1_008_029),
        coded(10_010_005),
        done(),
        coded(1_008_007),
    ],

    token: "04cac74a714f61bf089987a986363d000000",
    token_forms: [(" 04cac74a714f61bf089987a986363d88-of-a-later-time ", "04cac74a714f61bf089987a986363d88-of-a-later-time")],
    wrong_tokens: ["\"04cac74a714f61bf089987a986363d88\"", "04cac74a714f61bf\\n"],
    shown: shown,
    max_badge: 99,
    overlay: [
        json!({ "message": { "android": { "n_ch_id": "im", "n_importance": 3, "urgency": "NORMAL" } } }),
        json!({ "message": { "android": { "hw_category": "VOIP", "vivo_category": "IM" } } }),
        json!({ "expire_time": 900, "channel_rules": [{ "channel": "mz", "disable": true }] }),
    ],
    protected_fields: [
        json!({ "audience_type": "all" }),
        json!({ "account_list": ["everybody"] }),
        json!({ "tag_rules": [] }),
        json!({ "message_type": "message" }),
        json!({ "ignore_invalid_token": 0 }),
        json!({ "upload_id": 1 }),
        json!({ "send_time": "2027-01-01 00:00:00" }),
        json!({ "message": null }),
        json!({ "message": { "android": null } }),
        json!({ "message": { "android": { "action": { "action_type": 1 } } } }),
        json!({ "message": { "android": { "custom_content": "{}" } } }),
    ],

    ok: done(),
    unconfirmed: answers::unconfirmed(),
    partial: |all, dead| if all.len() == dead.len() { lists(dead) } else {
        lists(dead).json(json!({
            "seq": 0, "push_id": "427184209", "ret_code": 0, "environment": "", "err_msg": "NO_ERROR", "result": "{}",
            "invalid_targe_list": dead,
        }))
    },
    token_dead: answers::dead(),
    target_refused: [results(&[1_008_003]), results(&[1_008_007]), coded(10_110_008)],
    credential_refused: answers::CREDENTIAL.map(coded),
    payload_refused: answers::PAYLOAD.map(coded),
    rate_limited: [
        (Scope::Credential, coded(1_008_028).header("retry-after", "7")),
        (Scope::Token, results(&[1_008_028])),
    ],
    retry_after_dates: true,
    unavailable: [
        coded(1_008_004).header("retry-after", "7"),
        results(&[1_008_004]),
    ],
    unknown: |status, code| Reply::new(status).json(json!({
        "seq": 0, "ret_code": code.parse::<i64>().expect("digits"), "err_msg": "new",
    })),
}
