//! The suite that every provider passes: Huawei's answers, as its documentation shows them.
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::Request;
use percent_encoding::percent_decode_str;
use push_core::{Late, Scope, TokenFault, VendorAnswer, Verdict, VerdictKind};
use push_testkit::{
    Reply,
    conformance::{Sent, Shown},
    json, sample,
    serde_json::{self, Value},
};

const OK: &str = r#"{"code":"80000000","msg":"Success","requestId":"157278422841836431010901"}"#;
const KEY: &str = "the-receipt-key-of-a-test";

fn coded(status: u16, code: &str, msg: &str) -> Reply {
    Reply::new(status).json(json!({ "code": code, "msg": msg, "requestId": "1572784" }))
}

/// What a phone shows, and what the activity finds that a click starts.
fn shown(sent: &Sent) -> Shown {
    let message = sent.json()["message"].clone();
    let intent = message.pointer("/android/notification/click_action/intent");
    let extra = |name: &str| -> Option<String> {
        let Some(intent) = intent.and_then(Value::as_str) else {
            let data: Value = serde_json::from_str(message["data"].as_str()?).ok()?;
            return data[name].as_str().map(str::to_owned);
        };
        let prefix = format!("S.{name}=");
        let value = intent
            .split(';')
            .find_map(|part| part.strip_prefix(&prefix))?;
        Some(percent_decode_str(value).decode_utf8().ok()?.into_owned())
    };
    let (ext, delivery, receiver) = (extra("ext"), extra("delivery"), extra("receiver"));
    let mut shown = Shown::new(message)
        .tokens_at("/token")
        .title_at("/android/notification/title")
        .body_at("/android/notification/body")
        .badge_at("/android/notification/badge/set_num")
        .ttl_at("/android/ttl")
        .collapse_at("/android/notification/tag")
        .tag_at("/android/bi_tag");
    (shown.ext, shown.delivery, shown.receiver) = (ext, delivery, receiver);
    shown
}

/// A receipt with this status, signed for this user at `seconds` from now.
fn posted(tag: &str, token: &str, status: u16, (user, seconds): (&str, i64)) -> Request<Bytes> {
    let timestamp = sample::NOW.unix_millis() + seconds * 1000;
    let nonce = "a07bfa17-6d82-4b53-a9a2-07cfef5ceef1";
    let key = hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes());
    let value = STANDARD.encode(hmac::sign(
        &key,
        format!("{timestamp}{nonce}{user}").as_bytes(),
    ));
    let body = json!({ "statuses": [{
        "biTag": tag, "appid": "100000001", "token": token, "status": status,
        "timestamp": timestamp, "requestId": "1572784",
    }]});
    Request::post("https://push.example.com/receipts")
        .header(
            "x-huawei-callback-id",
            format!("timestamp={timestamp}; nonce={nonce}; value={value}"),
        )
        .body(body.to_string().into())
        .expect("a request")
}

fn late(kind: VerdictKind) -> Late {
    Late::Verdict(Verdict::new(kind, VendorAnswer::default()))
}

push_testkit::provider_conformance! {
    plugin: push_provider_huawei::Huawei,
    descriptor: push_provider_huawei::PLUGIN,

    config: |endpoint, ca_pem| json!({
        "app_id": "100000001",
        "app_secret": "the-app-secret-of-a-test",
        "endpoint": endpoint,
        "token_endpoint": format!("{endpoint}/oauth2/v3/token"),
        "intent": "intent://im/chat#Intent;scheme=push;component=com.example.im/.ChatActivity;end",
        "badge_class": "com.example.im.MainActivity",
        "receipt_user": "imuser",
        "receipt_key": KEY,
        "http": { "extra_ca_pem": ca_pem },
    }),
    wrong_config: [
        ("app_id", ""),
        ("app_secret", " "),
        ("project_id", "a b"),
        ("category", "im"),
        ("badge_class", "MainActivity"),
        ("intent", "com.example.im.ChatActivity"),
        ("endpoint", "ftp://push-api.cloud.huawei.com"),
        ("token_endpoint", "http://oauth-login.cloud.huawei.com/oauth2/v3/token"),
        ("receipt_key", ""),
    ],
    secrets: ["the-app-secret-of-a-test", "CgB6e3x9/abc/==", KEY],
    auth: (
        "/oauth2/v3/token",
        (200, r#"{"access_token":"CgB6e3x9\/abc\/==","expires_in":3600,"token_type":"Bearer"}"#),
    ),
    access_lifetime: Duration::from_secs(3600),
    auth_refused: [
        (401, r#"{"error":1101,"sub_error":12304,"error_description":"client_secret is wrong"}"#),
        (400, r#"{"error":1101,"sub_error":20002,"error_description":"no such client"}"#),
        (200, r#"{"error":1101,"sub_error":12304}"#),
    ],
    auth_limited: [(503, r#"{"error":1101,"error_description":"too many requests"}"#)],
    access_expired: coded(401, "80200003", "OAuth token expired"),
    verify_accepted: [
        Reply::from((200, OK)),
        coded(200, "80300007", "All tokens are invalid"),
        coded(400, "80100001", "some parameter"),
    ],

    token: "IQAAAACy0000huawei-token-000000",
    token_forms: [("IQAAAACy0000 ", "IQAAAACy0000")],
    wrong_tokens: ["\"IQAAAACy0000huawei-token\"", "IQAAAACy0000\\n"],
    shown: shown,
    max_badge: 99,
    overlay_root: "/android",
    overlay: [
        json!({"category": "VOIP", "collapse_key": 7}),
        json!({"notification": {"channel_id": "calls", "style": 1, "big_body": "more"}}),
    ],
    protected_fields: [
        json!({"bi_tag": "other"}),
        json!({"target_user_type": 1}),
        json!({"receipt_id": "RCP2"}),
        json!({"fast_app_target": 1}),
        json!({"data": "{}"}),
        json!({"notification": {"click_action": {"type": 3}}}),
        json!({"notification": null}),
    ],

    ok: (200, OK),
    unconfirmed: [
        json!({"code": "80000000"}),
        json!({"code": 80_000_000, "msg": "Success"}),
        json!({"code": "80000000", "msg": "Success", "requestId": ""}),
        json!({"code": "80000000", "msg": "Success", "requestId": null}),
        json!({"code": "80000000", "msg": "Success", "requestId": {}}),
        json!({"code": "80000000", "msg": "Success", "requestId": "two words"}),
        json!({"code": "80100000", "msg": "{\"success\":1,\"failure\":0,\"illegal_tokens\":[]}"}),
    ]
    .map(|body| (200, body)),
    partial: |all, dead| {
        let inner = json!({
            "success": all.len() - dead.len(), "failure": dead.len(), "illegal_tokens": dead,
        });
        coded(200, "80100000", &inner.to_string())
    },
    token_dead: [coded(200, "80300007", "All tokens are invalid"), coded(400, "80300007", "")],
    credential_refused: [
        coded(200, "80200001", "OAuth authentication error"),
        coded(401, "80200001", "OAuth authentication error"),
        coded(401, "80300002", "no permission"),
        coded(200, "80300002", "no permission"),
        coded(200, "80300013", "receipt address"),
        coded(200, "82000012", "no data storage location"),
    ],
    payload_refused: [
        coded(400, "80100001", ""),
        coded(200, "80100003", "Illegal payload"),
        coded(200, "80100016", "sensitive words"),
        coded(200, "80300008", ""),
        coded(200, "80300011", ""),
        Reply::from((200, r#"{"code":80100003,"msg":"the code is a number"}"#)),
    ],
    rate_limited: [
        (Scope::Credential, coded(200, "80100017", "").header("retry-after", "7")),
        (Scope::Credential, coded(200, "80300006", "")),
    ],
    retry_after_dates: true,
    unavailable: [
        coded(500, "81000001", "system error"),
        coded(200, "81000001", "system error"),
        coded(200, "80600003", "OAuth service"),
        Reply::from((503, "retry-after: 60", "")),
    ],
    unknown: |status, code| coded(status, code, "new"),

    receipt: |tag, token| {
        let own = ("imuser", 0);
        vec![
            (posted(tag, token, 0, own), Late::Delivered),
            (posted(tag, token, 5, own), late(VerdictKind::TokenDead { since: None })),
            (posted(tag, token, 6, own), late(VerdictKind::TokenUnusable(TokenFault::Muted))),
            (posted(tag, token, 31, own), late(VerdictKind::PayloadRefused)),
            (posted(tag, token, 102, own), late(VerdictKind::RateLimited(Scope::Token))),
        ]
    },
    receipt_forged: |tag, token| {
        let mut unsigned = posted(tag, token, 0, ("imuser", 0));
        unsigned.headers_mut().clear();
        vec![
            unsigned,
            posted(tag, token, 0, ("other", 0)),
            posted(tag, token, 0, ("imuser", -3600)),
        ]
    },
}
