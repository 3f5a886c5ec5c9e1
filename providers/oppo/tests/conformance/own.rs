//! Each phone gets a message of its own: `unicast` and `unicast_batch`.
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use push_core::{Scope, TokenFault};
use push_testkit::{
    Reply,
    conformance::{Sent, Shown},
    json,
    serde_json::{self, Value},
};

use super::{AUTH, GRANTED, ID, data, form, permit, receipts, said, shown, unknown};

const MESSAGE_ID: &str = "3610865-1-1-5e3f0c5e8d1a2b0001c3d4e5";

/// The messages of a request; none of another request.
fn messages(body: &[u8]) -> Vec<Value> {
    let fields = form(body);
    let read = |key: &str| {
        let text = fields.get(key)?;
        Some(serde_json::from_str::<Value>(text).expect("JSON"))
    };
    match (read("message"), read("messages")) {
        (Some(one), None) => vec![one],
        (None, Some(Value::Array(all))) => all,
        _ => Vec::new(),
    }
}

fn of_messages(sent: &Sent) -> Vec<Shown> {
    let messages = messages(&sent.body).into_iter();
    messages
        .map(|message| {
            assert_eq!(message["target_type"], 2);
            assert_eq!(message["verify_registration_id"], true);
            shown(message, "/notification").tokens_at("/target_value")
        })
        .collect()
}

/// The answer to a request in which these ids are dead.
fn answer(ids: &[String], dead: &[String], is_batch: bool) -> Reply {
    if !is_batch {
        return match dead {
            [] => data(&json!({ "messageId": MESSAGE_ID })),
            _ => said(10_000, "registration_id格式不正确"),
        };
    }
    let entries = ids.iter().map(|id| match dead.contains(id) {
        false => json!({ "messageId": MESSAGE_ID, "registrationId": id }),
        true => json!({
            "registrationId": id, "errorCode": 10_000, "errorMessage": "registration_id格式不正确",
        }),
    });
    data(&Value::from_iter(entries))
}

fn answer_to(request: &Request<Bytes>, dies: bool) -> Reply {
    let sent = messages(request.body());
    let ids = sent
        .iter()
        .map(|message| message["target_value"].as_str().expect("text").to_owned());
    let ids: Vec<String> = ids.collect();
    let dead = if dies { ids.clone() } else { Vec::new() };
    answer(&ids, &dead, request.uri().path().ends_with("_batch"))
}

/// What OPPO answers to a send, and to the question of `verify`.
fn fine(request: &Request<Bytes>) -> Reply {
    if request.uri().path().contains("feedback") {
        return permit();
    }
    answer_to(request, false)
}

push_testkit::provider_conformance! {
    plugin: push_provider_oppo::Oppo,
    descriptor: push_provider_oppo::PLUGIN,

    config: |endpoint, ca_pem| json!({
        "app_key": "0123456789abcdef0123456789abcdef",
        "master_secret": "the-master-secret-of-a-test",
        "channel_id": "im",
        "category": "IM",
        "notify_level": 2,
        "activity": "com.example.im.ChatActivity",
        "action": "",
        "template": "662f0c5e8d1a2b0001c3d4e5",
        "title_parameter": "sender",
        "content_parameter": "message",
        "long_text": false,
        "batch": 1000,
        "endpoint": endpoint,
        "overseas_endpoint": endpoint,
        "feedback_endpoint": endpoint,
        "http": { "extra_ca_pem": ca_pem },
    }),
    wrong_config: [
        ("app_key", json!("has a blank")),
        ("master_secret", json!("")),
        ("channel_id", json!("has a blank")),
        ("category", json!("has a blank")),
        ("notify_level", json!(15)),
        ("template", json!("has a blank")),
        ("title_parameter", json!("has a blank")),
        ("content_parameter", json!("has a blank")),
        ("activity", json!("ChatActivity")),
        ("action", json!("OPEN_CHAT")),
        ("min_ttl", json!("0s")),
        ("batch", json!(1001)),
        ("saved_from", json!(1001)),
        ("endpoint", json!("http://api-push-cn.heytapmobi.com")),
        ("overseas_endpoint", json!("api-intl.push.oppomobile.com")),
        ("feedback_endpoint", json!("https://feedback.push.oppomobile.com/?a=b")),
    ],
    secrets: ["the-master-secret-of-a-test", "58ad47319e8d725350a5afd5"],
    auth: (AUTH, (200, GRANTED)),
    access_lifetime: Duration::from_secs(24 * 60 * 60),
    auth_refused: [
        said(14, "Invalid App Key"),
        said(15, "Missing App Key"),
        said(16, "Invalid Signature"),
        said(17, "Missing Signature"),
        said(18, "Missing Timestamp"),
        said(19, "Invalid Timestamp"),
        said(26, "IP blacklisted"),
        said(27, "access denied"),
        said(28, "app disabled"),
        said(41, "Illegal argument: app_key"),
    ],
    auth_limited: [said(13, "App Call Limited"), said(55, "too often"), said(-2, "flow control"), said(-1, "try again")],
    access_expired: said(11, "Invalid AuthToken"),
    verify_accepted: [permit(), Reply::with(fine)],

    token: ID,
    token_forms: [
        (" CN_8fa0618f178145d8c2a44091a1326411 ", ID),
        // Of any length and with any prefix: OPPO may change both.
        ("OPPO_US_8fa0618f178145d8c2a44091a1326411", "OPPO_US_8fa0618f178145d8c2a44091a1326411"),
        ("CN_8fa0618f178145d8c2a44091a13264110", "CN_8fa0618f178145d8c2a44091a13264110"),
        ("newer-form.1:2", "newer-form.1:2"),
    ],
    wrong_tokens: [
        "CN_8fa0618f178145d8c2a44091a1326411;CN_8fa0618f178145d8c2a44091a1326411",
        "CN_8fa0618f178145d8c2a44091a1326411,CN_8fa0618f178145d8c2a44091a1326411",
        "\"CN_8fa0618f178145d8c2a44091a1326411\"",
    ],
    shown: of_messages,
    ext_split: true,
    overlay_root: "/notification",
    overlay: [
        json!({ "channel_id": "news", "category": "NEWS", "notify_level": 1 }),
        json!({ "show_ttl": 3600, "off_line": true, "off_line_ttl": 60, "network_type": 1 }),
        json!({ "private_title_parameters": { "group": "Friends" }, "notify_id": 7 }),
        json!({ "style": 2, "show_time_type": 1, "show_start_time": 1_700_000_000_000_i64, "show_end_time": 1_700_000_100_000_i64 }),
    ],
    protected_fields: [
        json!({ "app_message_id": "x" }),
        json!({ "click_action_type": 0 }),
        json!({ "click_action_activity": "a.B" }),
        json!({ "click_action_url": "https://elsewhere.example" }),
        json!({ "action_parameters": "{}" }),
        json!({ "call_back_url": "https://elsewhere.example" }),
        json!({ "call_back_parameter": "x" }),
        json!({ "target_type": 6 }),
        json!({ "target_value": "x" }),
        json!({ "auth_token": "x" }),
    ],

    ok: Reply::with(fine),
    unconfirmed: [
        json!({ "code": 0, "message": "success" }),
        json!({ "code": "0", "message": "success", "data": null }),
        json!({ "code": 0, "message": "success", "data": {} }),
        json!({ "code": 0, "message": "success", "data": [] }),
        json!({ "code": 0, "message": "success", "data": { "messageId": "" } }),
        json!({ "code": 0, "message": "success", "data": { "messageId": null } }),
        json!({ "code": 0, "message": "success", "data": { "messageId": { "id": 1 } } }),
        json!({ "code": 0, "message": "success", "data": { "message_id": "5e3f0c5e8d1a2b0001c3d4e5" } }),
    ]
    .map(|body| (200, body)),
    partial: |all, dead| answer(all, dead, all.len() > 1),
    token_dead: [
        said(10_000, "registration_id格式不正确"),
        said(10_000, "Invalid RegistrationId"),
        Reply::with(|request| answer_to(request, true)),
    ],
    token_unusable: [
        (TokenFault::App, said(41, "Illegal argument: registration_id")),
    ],
    target_refused: [
        // It does not say that the id is at fault.
        said(10_000, "system error"),
        said(987, "new"),
    ],
    credential_refused: [
        said(11, "Invalid AuthToken"),
        said(14, "Invalid App Key"),
        said(15, "Missing App Key"),
        said(16, "Invalid Signature"),
        said(17, "Missing Signature"),
        said(18, "Missing Timestamp"),
        said(19, "Invalid Timestamp"),
        said(26, "IP blacklisted"),
        said(27, "access denied"),
        said(28, "app disabled"),
        said(30, "no API right"),
        said(59, "no permission"),
    ],
    payload_refused: [
        said(12, "method"),
        said(20, ""),
        said(21, ""),
        said(22, ""),
        said(23, ""),
        said(24, ""),
        said(25, "encoding"),
        said(29, "Missing Auth Token"),
        said(31, "Data Not Exist"),
        said(40, "Missing required arguments"),
        said(41, "Invalid arguments: title"),
        said(51, "picture"),
        said(54, "template"),
        said(67, "category"),
    ],
    rate_limited: [
        (Scope::Credential, said(13, "App Call Limited").header("retry-after", "7")),
        (Scope::Credential, said(55, "too often")),
        (Scope::Credential, said(-2, "flow control")),
        (Scope::Class, said(33, "daily limit")),
        (Scope::Class, said(34, "daily limit of pictures").header("retry-after", "7")),
    ],
    retry_after_dates: true,
    unavailable: [
        said(-1, "Service Currently Unavailable"),
        Reply::new(503).header("retry-after", "7").json(json!({ "code": -1, "message": "try again" })),
    ],
    unknown: unknown,

    receipts_unsigned: true,
    receipt: receipts,
}
