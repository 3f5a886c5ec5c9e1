//! The suite that every provider passes: Honor's answers, from its guide and from what other clients recorded.
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use percent_encoding::percent_decode_str;
use push_core::{Late, Scope, VendorAnswer, Verdict, VerdictKind};
use push_testkit::{
    Reply,
    conformance::{Sent, Shown},
    json,
    serde_json::{self, Value},
};

const GRANTED: &str =
    r#"{"access_token":"CF3Xl2XV6jMK/w==","expires_in":3600,"token_type":"Bearer"}"#;

fn said(status: u16, code: i64, message: &str) -> Reply {
    Reply::new(status).json(json!({ "code": code, "message": message, "data": null }))
}

/// An answer of the guide, in which these tokens failed and these expired.
fn lists(sent: bool, failed: &[String], expired: &[String]) -> Reply {
    Reply::new(200).json(json!({ "code": 200, "message": "success", "data": {
        "sendResult": sent, "requestId": "r-1", "failTokens": failed, "expireTokens": expired,
    }}))
}

/// The tokens of a request.
fn tokens(request: &Request<Bytes>) -> Vec<String> {
    let body: Value = serde_json::from_slice(request.body()).expect("JSON");
    serde_json::from_value(body["token"].clone()).expect("an array of texts")
}

/// What the phone shows, and what the app reads from the intent that a click starts or from a pass-through message.
fn shown(sent: &Sent) -> Shown {
    let body = sent.json();
    let click = &body["android"]["notification"]["clickAction"];
    let extras: Vec<(String, String)> = match click["intent"].as_str() {
        Some(intent) => {
            let parts = intent
                .rsplit_once("#Intent;")
                .expect("an intent")
                .1
                .split(';');
            let extras = parts.filter_map(|part| part.strip_prefix("S.")?.split_once('='));
            let decode = |text: &str| {
                percent_decode_str(text)
                    .decode_utf8()
                    .expect("UTF-8")
                    .into_owned()
            };
            extras
                .map(|(key, value)| (key.to_owned(), decode(value)))
                .collect()
        }
        None => {
            let data = body["android"]["data"]
                .as_str()
                .expect("`data` of a pass-through message");
            serde_json::from_str::<std::collections::BTreeMap<_, _>>(data)
                .expect("texts")
                .into_iter()
                .collect()
        }
    };
    let extra = |name: &str| {
        let found = extras.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone())
    };
    let (ext, delivery, receiver) = (extra("ext"), extra("delivery"), extra("receiver"));
    let mut shown = Shown::new(body)
        .tokens_at("/token")
        .title_at("/android/notification/title")
        .body_at("/android/notification/body")
        .badge_at("/android/notification/badge/setNum")
        .ttl_at("/android/ttl")
        .collapse_at("/android/notification/tag")
        .tag_at("/android/biTag");
    (shown.ext, shown.delivery, shown.receiver) = (ext, delivery, receiver);
    shown
}

fn posted(tag: &str, token: &str, status: u32) -> Request<Bytes> {
    let body = json!({ "statuses": [{
        "biTag": tag, "appid": "104400000", "token": token, "status": status,
        "timestamp": 1_700_000_000_123_i64, "requestId": "r-1",
    }]});
    Request::post("https://gateway.example.com/receipts")
        .body(body.to_string().into())
        .expect("a request")
}

push_testkit::provider_conformance! {
    plugin: push_provider_honor::Honor,
    descriptor: push_provider_honor::PLUGIN,

    config: |endpoint, ca_pem| json!({
        "app_id": "104400000",
        "client_id": "the-client-id",
        "client_secret": "the-client-secret-of-a-test",
        "intent": "intent://im/chat#Intent;scheme=push;launchFlags=0x4000000;end",
        "badge_class": "com.example.im.MainActivity",
        "receipt_codes": { "40000099": "inactive" },
        "endpoint": format!("{endpoint}/api/v1"),
        "token_endpoint": format!("{endpoint}/auth/token"),
        "http": { "extra_ca_pem": ca_pem },
    }),
    wrong_config: [
        ("app_id", json!("1/2")),
        ("client_id", json!("")),
        ("client_secret", json!("has a blank")),
        ("intent", json!("intent://im#Intent;scheme=push;component=com.example.im/.Chat;end")),
        ("badge_class", json!("MainActivity")),
        ("target_user_type", json!(2)),
        ("batch", json!(1001)),
        ("success_codes", json!([])),
        ("receipt_codes", json!({ "delivered": "delivered" })),
        ("endpoint", json!("http://push-api.cloud.honor.com/api/v1")),
        ("token_endpoint", json!("iam.developer.honor.com")),
    ],
    secrets: ["the-client-secret-of-a-test", "CF3Xl2XV6jMK/w=="],
    auth: ("/auth/token", (200, GRANTED)),
    access_lifetime: Duration::from_secs(3600),
    auth_refused: [
        (401, r#"{"error":"unauthorized_client","error_description":"Invalid client or Invalid client credentials"}"#),
        (401, r#"{"error":"invalid_client"}"#),
        (400, r#"{"error":"invalid_grant"}"#),
    ],
    access_expired: said(401, 401, "accesstoken invalid"),
    verify_accepted: [
        lists(true, &[], &["offline-push-verify".to_owned()]),
        lists(false, &[], &["offline-push-verify".to_owned()]),
        said(400, 400, "token"),
    ],

    token: "BAEAAAAAB.jhonor-token-000000",
    token_forms: [(" BAEAAAAAB.jhonor ", "BAEAAAAAB.jhonor")],
    wrong_tokens: ["\"BAEAAAAAB.jhonor-token\"", "BAEAAAAAB.jhonor\\n"],
    shown: shown,
    max_badge: 99,
    overlay_root: "/android",
    overlay: [
        json!({ "ttl": "60s", "notification": { "importance": "LOW" } }),
        json!({ "notification": { "style": 1, "bigTitle": "A", "bigBody": "B", "badge": { "setNum": 9 } } }),
    ],
    protected_fields: [
        json!({ "biTag": "x" }),
        json!({ "targetUserType": 1 }),
        json!({ "data": "{}" }),
        json!({ "notification": { "clickAction": { "type": 3 } } }),
        json!({ "notification": null }),
    ],

    ok: lists(true, &[], &[]),
    unconfirmed: [
        json!({ "code": 200 }),
        json!({ "code": 200, "message": "success" }),
        json!({ "code": 200, "message": "success", "data": null }),
        json!({ "code": 200, "message": "success", "data": {} }),
        json!({ "code": 200, "message": "success", "data": { "sendResult": true } }),
        json!({ "code": 200, "message": "success", "data": { "sendResult": true, "requestId": "" } }),
        json!({ "code": 200, "message": "success", "data": { "sendResult": 7, "requestId": "r" } }),
        json!({ "code": 80_000_000, "message": "success", "data": true }),
    ]
    .map(|body| (200, body)),
    partial: |_, dead| lists(true, &[], dead),
    token_dead: [
        Reply::with(|request| lists(true, &[], &tokens(request))),
        Reply::with(|request| lists(false, &[], &tokens(request))),
    ],
    target_refused: [lists(false, &[], &[]), said(200, 80_300_007, "all tokens")],
    credential_refused: [
        said(401, 401, "accesstoken invalid"),
        said(403, 403, "no permission"),
        said(200, 80_200_001, ""),
        said(200, 80_300_002, ""),
    ],
    payload_refused: [
        said(400, 400, "parameter"),
        said(404, 404, "no such app"),
        said(200, 80_100_003, ""),
        said(200, 80_300_008, ""),
        said(200, 80_300_010, ""),
    ],
    rate_limited: [
        (Scope::Credential, said(429, 429, "flow control").header("retry-after", "7")),
        (Scope::Credential, said(200, 429, "flow control")),
    ],
    retry_after_dates: true,
    unavailable: [
        said(503, 503, "flow control").header("retry-after", "7"),
        said(500, 500, "internal"),
        said(200, 81_000_001, ""),
        Reply::with(|request| lists(true, &tokens(request), &[])),
    ],
    unknown: |status, code| said(status, code.parse().expect("digits"), "new"),

    receipts_unsigned: true,
    receipt: |tag, token| vec![
        (posted(tag, token, 40_000_002), Late::Delivered),
        (
            posted(tag, token, 40_000_015),
            Late::Verdict(Verdict::new(VerdictKind::PayloadRefused, VendorAnswer::default())),
        ),
        (
            posted(tag, token, 40_000_099),
            Late::Verdict(Verdict::new(
                VerdictKind::TokenUnusable(push_core::TokenFault::Inactive),
                VendorAnswer::default(),
            )),
        ),
    ],
}
