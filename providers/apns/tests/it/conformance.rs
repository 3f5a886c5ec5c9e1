//! The suite that every provider passes, in Apple's terms.

use std::time::Duration;

use push_core::{Scope, Timestamp, TokenFault};
use push_testkit::{Alpn, Reply, conformance::Shown, fixtures, json, serde_json::Value};

use crate::support::{KEY_ID, TEAM_ID, TOPIC};

/// Apple's answer to a push, with the id of that push.
fn answer(status: u16, body: Value) -> Reply {
    Reply::with(move |request| {
        let id = request.headers().get("apns-id").expect("an id");
        let id = id.to_str().expect("letters and digits");
        let reply = Reply::new(status).header("apns-id", id);
        match &body {
            Value::Null => reply,
            body => reply.json(body.clone()),
        }
    })
}

const TOKEN: &str = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0";

push_testkit::provider_conformance! {
    plugin: push_provider_apns::Apns,
    descriptor: push_provider_apns::PLUGIN,
    config: |endpoint, ca_pem| {
        let mut http = json!({});
        if !ca_pem.is_empty() {
            http["extra_ca_pem"] = json!(ca_pem);
        }
        json!({
            "key": fixtures::apns_key(1),
            "key_id": KEY_ID,
            "team_id": TEAM_ID,
            "topic": TOPIC,
            "environment": "production",
            "endpoint": endpoint,
            "http": http,
        })
    },
    wrong_config: [
        ("key", "nonsense"),
        ("key_id", "short"),
        ("team_id", ""),
        ("topic", "com.example.chat.voip"),
        ("environment", "staging"),
        ("endpoint", "ftp://api.push.apple.com"),
    ],
    secrets: ["MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg1o"],
    signature: (Duration::from_secs(60 * 60), |sent| {
        sent.header("authorization").expect("a provider token").to_owned()
    }),
    token: TOKEN,
    token_forms: [(TOKEN.to_uppercase(), TOKEN), (format!("  {} ", TOKEN.to_uppercase()), TOKEN)],
    wrong_tokens: [
        "<00fc13ad ff785122 b4ad2880 9a342098>",
        "{length = 32, bytes = 0x4f1c0a9b e27d8336 5ad1908c fe74b201 ... c15980fb }",
        "APwTrf94USK0rSiAmjQgmCNBJBQhNICXh45XfJkd6PA=",
        "00fc1",
    ],
    protocols: [Alpn::H2],
    shown: |sent| {
        let token = sent.uri.path().strip_prefix("/3/device/").expect("a push to one device");
        let shown = Shown::new(sent.json());
        let alert = if shown.payload["aps"]["alert"].is_string() {
            shown.body_at("/aps/alert")
        } else {
            shown.title_at("/aps/alert/title").body_at("/aps/alert/body")
        };
        let mut shown = alert
            .token(token)
            .ext_at("/ext")
            .badge_at("/aps/badge")
            .delivery_at("/delivery")
            .receiver_at("/receiver");
        shown.expires_at = sent
            .header("apns-expiration")
            .map(|at| Timestamp::from_unix_seconds(at.parse().expect("seconds")));
        // Any bytes, of which `header` reads only ASCII.
        shown.collapse = sent.headers.get("apns-collapse-id").map(|id| {
            String::from_utf8_lossy(id.as_bytes()).into_owned()
        });
        shown.dedup = sent.header("apns-id").map(str::to_owned);
        shown
    },
    overlay: [
        json!({ "aps": { "category": "MESSAGE", "relevance-score": 0.5 } }),
        json!({ "aps": { "sound": "ring.caf", "alert": { "title": "Bob" } } }),
        json!({ "aps": { "badge": 9 } }),
    ],
    bending: [json!({ "push-type": "widgets", "aps": { "content-changed": true } })],
    protected_fields: [
        json!({ "topic": "com.example.other" }),
        json!({ "environment": "sandbox" }),
        json!({ "authorization": "bearer x" }),
        json!({ "push-type": "voip" }),
        json!({ "push-type": "mdm" }),
        json!({ "payload": { "aps": {} } }),
        json!({ "payload": { "ext": "x" } }),
        json!({ "payload": { "receiver": "bob" } }),
        json!({ "payload": { "delivery": "x" } }),
    ],
    status_is_final: true,
    ok: answer(200, Value::Null),
    unconfirmed: [
        Reply::from((200, "apns-id: eabeae54-14a8-11e5-b60b-1697f925ec7b", "")),
        Reply::from((200, "apns-id: -", "")),
        Reply::from((200, "apns-id:", "")),
        Reply::new(200),
        answer(200, json!({ "reason": "Unregistered" })),
    ],
    partial: |all, dead| {
        if all.iter().any(|token| dead.contains(token)) {
            (410, r#"{"reason":"Unregistered","timestamp":1454948015990}"#).into()
        } else {
            answer(200, Value::Null)
        }
    },
    token_dead: [
        (410, r#"{"reason":"Unregistered","timestamp":1454948015990}"#),
        (410, r#"{"reason":"ExpiredToken","timestamp":"1454948015990"}"#),
    ],
    token_unusable: [
        (TokenFault::Environment, (400, r#"{"reason":"BadDeviceToken"}"#)),
        (TokenFault::App, (400, r#"{"reason":"DeviceTokenNotForTopic"}"#)),
    ],
    credential_refused: [
        (403, r#"{"reason":"InvalidProviderToken"}"#),
        (403, r#"{"reason":"MissingProviderToken"}"#),
        (403, r#"{"reason":"Forbidden"}"#),
        (403, r#"{"reason":"BadCertificateEnvironment"}"#),
        (403, r#"{"reason":"BadEnvironmentKeyIdInToken"}"#),
        (400, r#"{"reason":"TopicDisallowed"}"#),
    ],
    payload_refused: [
        (400, r#"{"reason":"BadCollapseId"}"#),
        (400, r#"{"reason":"PayloadEmpty"}"#),
        (413, r#"{"reason":"PayloadTooLarge"}"#),
    ],
    rate_limited: [
        (Scope::Token, (429, "retry-after: 7", r#"{"reason":"TooManyRequests"}"#)),
        (Scope::Credential, (429, "retry-after: 1800", r#"{"reason":"TooManyProviderTokenUpdates"}"#)),
    ],
    retry_after_dates: true,
    unavailable: [
        (500, "", r#"{"reason":"InternalServerError"}"#),
        (503, "retry-after: 7", r#"{"reason":"ServiceUnavailable"}"#),
        (503, "", r#"{"reason":"Service Unavailable"}"#),
        (503, "", r#"{"reason":"Shutdown"}"#),
    ],
    unknown: |status, code| answer(status, json!({ "reason": code })),
    verify_accepted: [(400, r#"{"reason":"BadDeviceToken"}"#)],
}
