//! The suite that every provider passes: Push Kit's answers, as its pages show them.
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::Request;
use push_core::{Late, Scope, TokenFault, VendorAnswer, Verdict, VerdictKind};
use push_testkit::{
    Reply,
    conformance::{Sent, Shown},
    fixtures, json, sample,
    serde_json::{self, Value},
};

const KEY: &str = "the-receipt-key-of-a-test";

/// A part of the account's private key.
fn part_of_key() -> String {
    fixtures::rsa_key()
        .lines()
        .nth(3)
        .expect("a line of the key")
        .to_owned()
}

fn said(status: u16, code: &str, msg: &str) -> Reply {
    Reply::new(status).json(json!({ "code": code, "msg": msg, "requestId": "157006" }))
}

/// An answer in which the tokens of `list` failed for `reason`, and `success` did not.
fn failed(reason: &str, list: &[String], success: usize) -> Reply {
    let mut inner = json!({ "illegalTokens": { reason: list }, "failure": list.len() });
    if success == 0 {
        return said(200, "80300007", &inner.to_string());
    }
    inner["success"] = success.into();
    said(200, "80100000", &inner.to_string())
}

/// An answer in which every token of the request failed for `reason`.
fn all_failed(reason: &'static str) -> Reply {
    Reply::with(move |request| {
        let body: Value = serde_json::from_slice(request.body()).expect("JSON");
        let tokens: Vec<String> =
            serde_json::from_value(body["target"]["token"].clone()).expect("texts");
        failed(reason, &tokens, 0)
    })
}

/// What a phone shows, and what the ability finds in its `want`, or the app in `extraData`.
fn shown(sent: &Sent) -> Shown {
    let body = sent.json();
    let data = match body["payload"]["extraData"].as_str() {
        Some(text) => serde_json::from_str(text).expect("JSON"),
        None => body["payload"]["notification"]["clickAction"]["data"].clone(),
    };
    let text = |key: &str| data[key].as_str().map(str::to_owned);
    let (ext, delivery, receiver) = (text("ext"), text("delivery"), text("receiver"));
    let mut shown = Shown::new(body)
        .tokens_at("/target/token")
        .title_at("/payload/notification/title")
        .body_at("/payload/notification/body")
        .badge_at("/payload/notification/badge/setNum")
        .ttl_at("/pushOptions/ttl")
        .collapse_at("/payload/notification/notifyId")
        .dedup_at("/payload/notification/appMessageId")
        .tag_at("/pushOptions/biTag");
    (shown.ext, shown.delivery, shown.receiver) = (ext, delivery, receiver);
    shown
}

/// A receipt with this result, signed for this user at `seconds` from now.
fn posted(tag: &str, token: &str, result: u16, (user, seconds): (&str, i64)) -> Request<Bytes> {
    let timestamp = sample::NOW.unix_millis() + seconds * 1000;
    let nonce = "a07bfa17-6d82-4b53-a9a2-07cfef5ceef1";
    let key = hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes());
    let value = hmac::sign(&key, format!("{timestamp}{nonce}{user}").as_bytes());
    let value = STANDARD.encode(value);
    let body = json!({ "statuses": [{
        "token": token, "pushType": 0, "appPackageName": "com.example.im", "biTag": tag,
        "requestId": "157006", "deliveryStatus": { "result": result, "timestamp": timestamp },
    }]});
    let header = format!("timestamp={timestamp};nonce={nonce};value={value}");
    Request::post("https://push.example.com/receipts")
        .header("X-HUAWEI-CALLBACK-ID", header)
        .body(body.to_string().into())
        .expect("a request")
}

fn late(kind: VerdictKind) -> Late {
    Late::Verdict(Verdict::new(kind, VendorAnswer::default()))
}

push_testkit::provider_conformance! {
    plugin: push_provider_harmony::Harmony,
    descriptor: push_provider_harmony::PLUGIN,

    config: |endpoint, ca_pem| json!({
        "service_account": json!({
            "project_id": "101653523863440882",
            "key_id": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
            "private_key": fixtures::rsa_key(),
            "sub_account": "100000001",
        }).to_string(),
        "receipt_user": "imuser",
        "receipt_key": KEY,
        "endpoint": endpoint,
        "http": { "extra_ca_pem": ca_pem },
    }),
    wrong_config: [
        ("service_account", json!("no key file")),
        ("category", json!("im")),
        ("action", json!("has a blank")),
        ("uri", json!("push://im/聊天")),
        ("batch", json!(1001)),
        ("client_id", json!("1/2")),
        ("receipt_id", json!("a b")),
        ("receipt_key", json!("")),
        ("endpoint", json!("http://push-api.cloud.huawei.com")),
    ],
    secrets: [KEY.to_owned(), part_of_key()],
    signature: (
        Duration::from_secs(3600),
        |sent: &Sent| sent.header("authorization").expect("a JWT").to_owned(),
    ),
    access_expired: said(401, "80200005", "JWT token expired"),
    verify_accepted: [
        all_failed("tokenFormatError"),
        all_failed("noRight"),
        said(200, "80300007", "All the tokens are invalid."),
        said(400, "80100001", "some parameter"),
    ],

    token: "IQAAAACy0000harmony-token-000000",
    token_forms: [(" IQAAAACy0000 ", "IQAAAACy0000")],
    wrong_tokens: ["\"IQAAAACy0000harmony-token\"", "IQAAAACy0000\\n"],
    shown: shown,
    max_badge: 99,
    overlay: [
        json!({ "payload": { "notification": { "category": "MISS_CALL", "foregroundShow": false } } }),
        json!({ "pushOptions": { "ttl": 60, "collapseKey": 7 } }),
        json!({ "payload": { "notification": { "badge": { "setNum": 0 }, "notifyId": 7 } } }),
    ],
    protected_fields: [
        json!({ "pushOptions": { "biTag": "x" } }),
        json!({ "pushOptions": { "receiptId": "RCP2" } }),
        json!({ "pushOptions": { "testMessage": true } }),
        json!({ "pushOptions": null }),
        json!({ "payload": { "extraData": "{}" } }),
        json!({ "payload": { "notification": { "clickAction": { "actionType": 3 } } } }),
        json!({ "payload": { "notification": { "appMessageId": "m1" } } }),
        json!({ "payload": { "notification": null } }),
        json!({ "payload": 7 }),
    ],

    ok: said(200, "80000000", "Success"),
    unconfirmed: [
        Reply::from((200, json!({ "code": "80000000" }))),
        Reply::from((200, json!({ "code": 80_000_000, "msg": "Success" }))),
        Reply::from((200, json!({ "code": "80000000", "msg": "Success", "requestId": "" }))),
        Reply::from((200, json!({ "code": "80000000", "msg": "Success", "requestId": {} }))),
        Reply::from((200, json!({ "code": "80000000", "msg": "Success", "requestId": "two words" }))),
        said(500, "80000000", "Success"),
        said(403, "80000000", "Success"),
        said(200, "80100000", "Partial success"),
        said(200, "80100000", "{}"),
        said(200, "80100000", r#"{"illegalTokens":{},"failure":1}"#),
        said(200, "80100000", r#"{"success":1,"failure":1,"illegal_tokens":["x"]}"#),
        said(200, "80100000", r#"{"illegalTokens":{"noRight":["another-token"]},"success":1,"failure":1}"#),
    ],
    partial: |all, dead| failed("tokenFormatError", dead, all.len() - dead.len()),
    token_dead: [
        all_failed("tokenFormatError"),
        all_failed("tokenPlatformNotSupport"),
        said(200, "80300007", "All the tokens are invalid."),
    ],
    token_unusable: [(TokenFault::App, all_failed("noRight"))],
    target_refused: [
        all_failed("countryNotSupport"),
        all_failed("atomicUnableSendUnsubscribedMsg"),
        all_failed("aReasonOfNextYear"),
        said(200, "80300007", "{\"illegalTokens\":["),
        said(200, "80300007", r#"{"illegalTokens":{"tokenFormatError":[]},"failure":1}"#),
        said(200, "80300007", r#"{"illegalTokens":{"tokenFormatError":"x"},"failure":1}"#),
    ],
    credential_refused: [
        said(401, "80200001", "authentication error"),
        said(200, "80200001", "authentication error"),
        said(401, "80200006", "disabled"),
        said(400, "80300002", "no permission"),
        said(401, "80300036", "life"),
        said(400, "80300037", "penalty"),
        all_failed("disableSendHuaweiMsgBecauseOfPenalty"),
        all_failed("noPushTypeRight"),
    ],
    payload_refused: [
        said(400, "80100001", ""),
        said(400, "80100003", "Illegal payload, badge addNum value ranges from 1 to 99"),
        said(200, "80100004", "expired"),
        said(400, "80100022", "Anti-Spam: image not verify"),
        said(400, "80300008", ""),
        said(400, "80300010", ""),
        said(400, "80300030", ""),
        all_failed("differentImgVerifyPolicy"),
        all_failed("notSupportPlayVoice"),
        all_failed("noRightToSendThisLiveNotificationEvent"),
        Reply::from((200, r#"{"code":80100003,"msg":"the code is a number"}"#)),
    ],
    rate_limited: [
        (Scope::Credential, said(400, "80300029", "too fast").header("retry-after", "7")),
        (Scope::Credential, said(200, "80300029", "too fast")),
    ],
    retry_after_dates: true,
    unavailable: [
        said(500, "81000001", "internal"),
        said(200, "81000001", "internal").header("retry-after", "7"),
        Reply::from((503, "retry-after: 60", "")),
        all_failed("appinfoError"),
    ],
    unknown: |status, code| said(status, code, "new"),

    receipt: |tag, token| {
        let own = ("imuser", 0);
        vec![
            (posted(tag, token, 0, own), Late::Delivered),
            (posted(tag, token, 27, own), Late::Delivered),
            (posted(tag, token, 2, own), late(VerdictKind::TokenDead { since: None })),
            (posted(tag, token, 5, own), late(VerdictKind::TokenDead { since: None })),
            (posted(tag, token, 6, own), late(VerdictKind::TokenUnusable(TokenFault::Muted))),
            (posted(tag, token, 10, own), late(VerdictKind::TokenUnusable(TokenFault::Inactive))),
            (posted(tag, token, 31, own), late(VerdictKind::PayloadRefused)),
            (posted(tag, token, 102, own), late(VerdictKind::RateLimited(Scope::Token))),
            (posted(tag, token, 256, own), late(VerdictKind::RateLimited(Scope::Token))),
        ]
    },
    receipt_forged: |tag, token| {
        let mut unsigned = posted(tag, token, 0, ("imuser", 0));
        unsigned.headers_mut().clear();
        vec![
            unsigned,
            posted(tag, token, 0, ("other", 0)),
            posted(tag, token, 0, ("imuser", -3600)),
            posted(tag, token, 0, ("imuser", 3600)),
        ]
    },
}
