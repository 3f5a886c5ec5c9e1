//! The suite that every provider passes: vivo's answers, from its API document and from what other clients recorded.
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use push_core::{Late, Scope, TokenFault, VendorAnswer, Verdict, VerdictKind};
use push_testkit::{
    Reply,
    conformance::{Sent, Shown},
    json,
    serde_json::{self, Value},
};

const GRANTED: &str = r#"{"result":0,"desc":"请求成功","authToken":"24sk0udm-access-of-a-test"}"#;

fn said(code: i64) -> Reply {
    Reply::new(200).json(json!({ "result": code, "desc": "refused" }))
}

/// The refusal of the target of a single push, and of the first of a list.
fn invalid(status: i64) -> Reply {
    Reply::with(move |request| {
        let body: Value = serde_json::from_slice(request.body()).expect("JSON");
        let user = json!({ "status": status, "userid": body["regId"] });
        Reply::new(200).json(json!({ "result": 10302, "desc": "regId不合法", "invalidUser": user }))
    })
}

/// What the phone shows, and what the activity reads from its intent that a click starts.
fn shown(sent: &Sent) -> Shown {
    let body = sent.json();
    let task = body["taskId"].as_str();
    let tokens = if task.is_some() { "/regIds" } else { "/regId" };
    let message = task.map_or_else(|| body.clone(), |task| sent.saved(task).json());
    let mut shown = Shown::new(message)
        .title_at("/title")
        .body_at("/content")
        .ext_at("/clientCustomMap/ext")
        .delivery_at("/clientCustomMap/delivery")
        .receiver_at("/clientCustomMap/receiver")
        .ttl_at("/timeToLive")
        .collapse_at("/notifyId")
        .tag_at("/extra/callback.param");
    if shown.payload["addBadge"] == true {
        shown.badge = push_core::Badge::Add(1);
    }
    let targets = Shown::new(body).tokens_at(tokens).dedup_at("/requestId");
    (shown.tokens, shown.dedup) = (targets.tokens, targets.dedup);
    shown
}

fn posted(body: &Value) -> Request<Bytes> {
    Request::post("https://gateway.example.com/receipts")
        .body(body.to_string().into())
        .expect("a request")
}

fn late(kind: VerdictKind) -> Late {
    Late::Verdict(Verdict::new(kind, VendorAnswer::default()))
}

push_testkit::provider_conformance! {
    plugin: push_provider_vivo::Vivo,
    descriptor: push_provider_vivo::PLUGIN,

    config: |endpoint, ca_pem| json!({
        "app_id": "10004",
        "app_key": "25509283-3767-4b9e-83fe-b6e55ac6b123",
        "app_secret": "the-app-secret-of-a-test",
        "intent": "intent://im/chat#Intent;component=com.example.im/.ChatActivity;end",
        "category": "IM",
        "receipt_types": { "3": "muted", "5": "uninstalled" },
        "endpoint": endpoint,
        "http": { "extra_ca_pem": ca_pem },
    }),
    wrong_config: [
        ("app_id", json!("ten")),
        ("app_key", json!("")),
        ("app_secret", json!("has a blank")),
        ("intent", json!("intent://im/chat#Intent;end")),
        ("category", json!("I M")),
        ("classification", json!(2)),
        ("notify_type", json!(5)),
        ("push_mode", json!(2)),
        ("batch", json!(1001)),
        ("receipt_id", json!("has a blank")),
        ("receipt_types", json!({ "": "delivered" })),
        ("endpoint", json!("http://api-push.vivo.com.cn")),
    ],
    secrets: ["the-app-secret-of-a-test", "24sk0udm-access-of-a-test"],
    auth: ("/message/auth", (200, GRANTED)),
    access_lifetime: Duration::from_secs(2 * 3600),
    auth_refused: [said(10202), said(10205), said(10206), said(10207), said(10201)],
    auth_limited: [said(10250)],
    access_expired: said(10000),
    verify_accepted: [
        invalid(1),
        invalid(4),
        said(10104),
    ],

    token: "v2-CAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-000000",
    token_forms: [
        (" 12345678901234567890123  ", "12345678901234567890123"),
        ("v2-abc", "v2-abc"),
    ],
    wrong_tokens: ["\"12345678901234567890123\"", "1234567890 1234567890123"],
    shown: shown,
    max_badge: 1,
    step: ("/message/saveListPayload", |id: &str| {
        Reply::new(200).json(json!({ "result": 0, "desc": "请求成功", "taskId": id }))
    }),
    step_from: 2,
    step_refused: [said(10096), said(10097), said(10085), said(10104), said(10055)],
    overlay: [
        json!({ "category": "ORDER", "notifyType": 2 }),
        json!({ "category": "MARKETING", "classification": 0, "timeToLive": 60 }),
        json!({ "clientCustomMap": { "more": "1" }, "foregroundShow": false }),
    ],
    protected_fields: [
        json!({ "regId": "x" }),
        json!({ "alias": "x" }),
        json!({ "appId": 1 }),
        json!({ "requestId": "x" }),
        json!({ "pushMode": 1 }),
        json!({ "skipType": 2 }),
        json!({ "skipContent": "https://elsewhere.example" }),
        json!({ "extra": { "callback": "https://elsewhere.example" } }),
        json!({ "clientCustomMap": null }),
        json!({ "clientCustomMap": { "ext": "x" } }),
    ],

    // A list is answered with the id of its request, a single push with that of its task.
    ok: (200, r#"{"result":0,"desc":"请求成功","taskId":"121397329","requestId":"r-1","invalidUsers":[]}"#),
    unconfirmed: [
        json!({ "result": 0 }),
        json!({ "result": 0, "desc": "请求成功" }),
        json!({ "result": "0", "desc": "请求成功", "taskId": "" }),
        json!({ "result": 0, "desc": "请求成功", "taskId": null, "requestId": "r-1" }),
        json!({ "result": 0, "desc": "请求成功", "taskId": { "id": 1 } }),
        json!({ "result": 0, "desc": "请求成功", "invalidUser": { "status": 1, "userid": "x" } }),
    ]
    .map(|body| (200, body)),
    partial: |_, dead: &[String]| {
        let users: Vec<_> = dead.iter().map(|id| json!({ "status": 1, "userid": id })).collect();
        Reply::new(200).json(json!({
            "result": 0, "desc": "请求成功", "requestId": "r-1", "invalidUsers": users,
        }))
    },
    token_dead: [invalid(1)],
    token_unusable: [
        (TokenFault::Muted, invalid(2)),
        (TokenFault::Inactive, invalid(3)),
        (TokenFault::NotATester, invalid(4)),
    ],
    target_refused: [said(10302), said(10045), invalid(9)],
    credential_refused: [said(10000), said(10094)],
    payload_refused: [
        said(10096), said(10097), said(10085), said(10104), said(10054), said(10056), said(10082),
        said(10101), said(10303),
    ],
    rate_limited: [
        (Scope::Credential, said(10072).header("retry-after", "7")),
        (Scope::Credential, said(10072)),
        (Scope::Class, said(10070)),
        (Scope::Class, said(10071)),
        (Scope::Class, said(10073)),
        (Scope::Class, said(10254)),
        (Scope::Token, said(10252)),
    ],
    retry_after_dates: true,
    unavailable: [
        said(10040).header("retry-after", "7"),
        said(10040),
        Reply::new(500).body("Internet server error!"),
    ],
    unknown: |status, code| {
        Reply::new(status).json(json!({ "result": code.parse::<i64>().expect("digits"), "desc": "new" }))
    },

    receipts_unsigned: true,
    receipt: |tag, token| {
        let of = |kind: Value, time: Value| {
            posted(&json!({ "121397329": {
                "param": tag, "targets": token, "ackType": kind, "ackTime": time,
            }}))
        };
        let time = json!(1_700_000_000_123_i64);
        vec![
            (posted(&json!({ "121397329": { "param": tag, "targets": token } })), Late::Delivered),
            (of(json!("0"), time.clone()), Late::Delivered),
            (of(json!("3"), time.clone()), late(VerdictKind::TokenUnusable(TokenFault::Muted))),
            (of(json!(5), time), late(VerdictKind::TokenDead { since: None })),
        ]
    },
}
