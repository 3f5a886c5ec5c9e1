//! The suite that every provider passes: Meizu's answers, from its page and its SDK.
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use push_core::{Late, Scope, TokenFault};
use push_testkit::{
    Reply,
    conformance::{Sent, Shown},
    json,
    serde_json::{self, Value},
    simulator::form,
};

const TOKEN: &str = "RA50c6348036344485d01776773577c64740465480a6b";

/// An answer that the whole request was not done.
fn said(status: u16, code: &str) -> Reply {
    let body = json!({ "code": code, "message": "as documented", "value": "", "redirect": "" });
    Reply::new(status).json(body)
}

/// An answer that it was done, with these push ids under `code`.
fn but(code: &str, ids: &[String]) -> Reply {
    let mut value = json!({});
    if !ids.is_empty() {
        value[code] = ids.into();
    }
    let id = "c2ee5c3bf00448cfbceb7fdf68c3c8eb";
    Reply::new(200).json(json!({ "code": "200", "message": "", "value": value, "msgId": id }))
}

/// The same for every push id of the request.
fn each(code: &'static str) -> Reply {
    Reply::with(move |request| but(code, &ids(request.body())))
}

fn ids(body: &[u8]) -> Vec<String> {
    let fields = form(body);
    let ids = fields.get("pushIds").map_or("", String::as_str);
    ids.split(',').map(str::to_owned).collect()
}

/// What the phone shows, and the text extras of the intent that a click starts.
fn shown(sent: &Sent) -> Shown {
    shown_of(sent, &form(&sent.body)["messageJson"])
}

/// The same of a request that names a message by its task.
fn shown_by_task(sent: &Sent) -> Shown {
    let saved = sent.saved(&form(&sent.body)["taskId"]);
    shown_of(sent, &form(&saved.body)["messageJson"])
}

fn shown_of(sent: &Sent, message: &str) -> Shown {
    let message: Value = serde_json::from_str(message).expect("JSON");
    let hours = message["pushTimeInfo"]["validTime"].as_u64();
    let mut shown = Shown::new(message)
        .title_at("/noticeBarInfo/title")
        .body_at("/noticeBarInfo/content")
        .ext_at("/clickTypeInfo/parameters/ext")
        .delivery_at("/clickTypeInfo/parameters/delivery")
        .receiver_at("/clickTypeInfo/parameters/receiver")
        .collapse_at("/advanceInfo/notifyKey")
        .tag_at("/extra/callback.param");
    shown.ttl = hours.map(|hours| Duration::from_secs(hours * 60 * 60));
    shown.tokens = ids(&sent.body);
    shown
}

fn posted(fields: &[(&str, &str)]) -> Request<Bytes> {
    let body = push_kit::form::encode(fields.iter().copied());
    Request::post("https://gateway.example.com/receipts")
        .body(body.expose().to_owned().into())
        .expect("a request")
}

fn receipts(tag: &str, token: &str, kind: u32) -> String {
    let key = format!("c2ee5c3bf00448cfbceb7fdf68c3c8eb-{kind}");
    json!({ key: { "param": tag, "type": kind, "targets": [token] } }).to_string()
}

push_testkit::provider_conformance! {
    plugin: push_provider_meizu::Meizu,
    descriptor: push_provider_meizu::PLUGIN,

    config: |endpoint, ca_pem| json!({
        "app_id": "110000",
        "app_secret": "the-app-secret-of-a-test",
        "activity": "com.example.im.ChatActivity",
        "notice_type": "private",
        "packages": ["com.example.im"],
        "receipts": true,
        "receipt_url": "https://push.example.com/meizu",
        "receipt_token": "the-receipt-token-of-a-test",
        "redirect_domains": ["meizu.com"],
        "endpoint": endpoint,
        "http": { "extra_ca_pem": ca_pem },
    }),
    wrong_config: [
        ("app_id", json!("11 00")),
        ("app_secret", json!("has a blank")),
        ("activity", json!("ChatActivity")),
        ("packages", json!(["com example"])),
        ("batch", json!(101)),
        ("receipt_url", json!("push.example.com")),
        ("receipt_token", json!("has a blank")),
        ("max_message", json!(12)),
        ("redirect_domains", json!(["com"])),
        ("endpoint", json!("https://localhost/path")),
    ],
    secrets: ["the-app-secret-of-a-test", "the-receipt-token-of-a-test"],
    verify_accepted: [
        Reply::new(200).json(json!({ "code": "200", "message": "", "redirect": "", "value": [] })),
        Reply::new(200).json(json!({ "code": "200", "value": [{ "date": "2023-11-15", "pushedNo": 7 }] })),
        said(200, "1005"),
    ],

    token: TOKEN,
    token_forms: [(" RA50c634 ", "RA50c634"), ("RA/50=", "RA/50=")],
    wrong_tokens: ["RA50c634,RA50c635", "\"RA50c634\"", "RA50c634\\n"],
    shown: shown,
    ttl_unit: Duration::from_secs(60 * 60),
    overlay: [
        json!({ "noticeBarInfo": { "noticeMsgType": 0, "noticeBarType": 2 } }),
        json!({
            "pushTimeInfo": { "offLine": 0 },
            "advanceInfo": { "clearNoticeBar": 0, "notificationType": { "sound": 0 } },
            "vipInfo": { "notGroup": 1 },
        }),
    ],
    protected_fields: [
        json!({ "clickTypeInfo": { "clickType": 3, "customAttribute": "x" } }),
        json!({ "clickTypeInfo": null }),
        json!({ "extra": { "callback": "https://elsewhere.example" } }),
        json!({ "extra": null }),
        json!({ "pushIds": "x" }),
        json!({ "alias": "x" }),
        json!({ "taskId": "1" }),
        json!({ "sign": "x" }),
        json!({ "restrictedPackageNames": "x" }),
    ],

    ok: but("", &[]),
    unconfirmed: [
        json!({ "code": "200", "message": "", "value": {}, "redirect": "" }),
        json!({ "code": "200", "message": "", "value": {}, "msgId": "" }),
        json!({ "code": "200", "message": "", "value": {}, "msgId": 7 }),
        json!({ "code": "200", "message": "", "value": "", "redirect": "" }),
        json!({ "code": "200", "message": "", "value": true, "msgId": "m" }),
        json!({ "code": "200", "message": "", "value": { "110002": 7 }, "msgId": "m" }),
    ]
    .map(|body| (200, body)),
    partial: |_, dead| but("110002", dead),
    token_dead: [each("110002"), each("110003"), said(200, "110002"), said(200, "110003")],
    token_unusable: [(TokenFault::App, each("201")), (TokenFault::Muted, each("110010"))],
    target_refused: [each("999999"), each("110005")],
    credential_refused: ["1006", "110000", "110001", "110009", "110031", "110033"]
        .map(|code| said(200, code)),
    payload_refused: ["1005", "110004", "110032", "110053"].map(|code| said(200, code)),
    rate_limited: [
        (Scope::Credential, said(200, "110010").header("retry-after", "7")),
        (Scope::Credential, said(200, "110010")),
        (Scope::Credential, said(200, "110019")),
        (Scope::Credential, said(200, "110051")),
        (Scope::Credential, each("518")),
        (Scope::Token, each("520")),
        (Scope::Token, each("110011")),
    ],
    retry_after_dates: true,
    unavailable: [
        said(200, "1003").header("retry-after", "7"),
        said(503, "1003"),
        said(200, "500"),
        said(200, "1001"),
        said(200, "300"),
        each("501"),
        each("513"),
        each("519"),
    ],
    unknown: said,

    receipt: |tag, token| [(1, Late::Delivered), (2, Late::Clicked)]
        .map(|(kind, what)| {
            let cb = receipts(tag, token, kind);
            (posted(&[("cb", &cb), ("access_token", "the-receipt-token-of-a-test")]), what)
        })
        .into(),
    receipt_forged: |tag, token| {
        let cb = receipts(tag, token, 1);
        vec![
            posted(&[("cb", &cb)]),
            posted(&[("cb", &cb), ("access_token", "")]),
            posted(&[("cb", &cb), ("access_token", "another")]),
        ]
    },
}

/// Every message is saved first.
mod saved {
    use super::*;

    push_testkit::provider_conformance! {
        plugin: push_provider_meizu::Meizu,
        descriptor: push_provider_meizu::PLUGIN,

        config: |endpoint, ca_pem| json!({
            "app_id": "110000",
            "app_secret": "the-app-secret-of-a-test",
            "save_from": 1,
            "receipts": true,
            "endpoint": endpoint,
            "http": { "extra_ca_pem": ca_pem },
        }),
        wrong_config: [("app_id", json!("")), ("save_from", json!(101))],
        secrets: ["the-app-secret-of-a-test"],
        verify_accepted: [Reply::new(200).json(json!({ "code": "200", "value": [] }))],

        step: ("/garcia/api/server/push/pushTask/getTaskId", |id: &str| {
            let task = json!({ "taskId": id, "pushType": 0, "appId": 110_000 });
            let body = json!({ "code": "200", "message": "", "value": task, "redirect": "" });
            Reply::new(200).json(body)
        }),
        step_refused: ["1005", "110004", "110053"].map(|code| said(200, code)),

        token: TOKEN,
        shown: shown_by_task,
        ttl_unit: Duration::from_secs(60 * 60),
        overlay: [json!({ "noticeBarInfo": { "noticeMsgType": 0 } })],
        protected_fields: [json!({ "taskId": "1" }), json!({ "clickTypeInfo": null })],

        ok: but("", &[]),
        unconfirmed: [(200, json!({ "code": "200", "value": {} }))],
        partial: |_, dead| but("110002", dead),
        token_dead: [each("110002"), said(200, "110003")],
        token_unusable: [(TokenFault::Muted, each("110010"))],
        credential_refused: [said(200, "1006")],
        payload_refused: [said(200, "1005")],
        rate_limited: [(Scope::Credential, said(200, "110010").header("retry-after", "7"))],
        unavailable: [said(200, "1003"), each("501")],
        unknown: said,

        receipts_unsigned: true,
        receipt: |tag, token| vec![(posted(&[("cb", &receipts(tag, token, 1))]), Late::Delivered)],
    }
}
