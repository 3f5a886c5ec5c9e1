//! The suite that every provider passes, with one message for all targets and with a message for each: Xiaomi's answers, from its
//! table of codes and from what other clients recorded.
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use push_core::{Late, Scope, TokenFault, VendorAnswer, Verdict, VerdictKind};
use push_testkit::{
    Reply,
    conformance::{Sent, Shown},
    json,
    serde_json::{self, Map, Value},
    simulator::form,
};

/// What Xiaomi answers to a request that it accepts.
fn accepted() -> Value {
    json!({
        "result": "ok",
        "trace_id": "Xdm01b11700000000000x",
        "code": 0,
        "data": { "id": "sdm01b11700000000000x", "day_quota": "20000", "day_acked": "7" },
        "description": "成功",
        "info": "Received push messages for 2 REGID",
    })
}

/// The same, with these invalid targets.
fn without(bad: &[String]) -> Reply {
    let mut answer = accepted();
    answer["data"]["bad_regids"] = bad.join(",").into();
    Reply::new(200).json(answer)
}

fn error(status: u16, code: i64) -> Reply {
    Reply::new(status).json(json!({
        "result": "error",
        "reason": "in English",
        "trace_id": "Xdm01b11700000000000x",
        "code": code,
        "description": "失败",
    }))
}

fn errors(codes: &[i64]) -> impl Iterator<Item = Reply> {
    codes.iter().map(|code| error(200, *code))
}

/// The targets of a request.
fn targets(request: &Request<Bytes>) -> Vec<String> {
    let fields = form(request.body());
    match (fields.get("registration_id"), fields.get("messages")) {
        (Some(ids), _) => ids.split(',').map(str::to_owned).collect(),
        (None, list) => {
            let list: Vec<Value> = serde_json::from_str(list.expect("messages")).expect("JSON");
            let target = |entry: &Value| entry["target"].as_str().expect("text").to_owned();
            list.iter().map(target).collect()
        }
    }
}

/// What the phones show, and what the app reads of `MiPushMessage`.
fn shown(sent: &Sent) -> Vec<Shown> {
    let mut fields = form(&sent.body);
    if let Some(list) = fields.remove("messages") {
        assert_eq!(sent.uri.path(), "/v2/multi_messages/regids");
        let list: Vec<Value> = serde_json::from_str(&list).expect("JSON");
        return list
            .into_iter()
            .map(|mut entry| {
                let target = entry["target"].as_str().expect("text").to_owned();
                of_message(entry["message"].take()).token(target)
            })
            .collect();
    }
    assert_eq!(sent.uri.path(), "/v3/message/regid");
    let ids = fields.remove("registration_id").expect("targets");
    let (mut message, mut extra) = (Map::new(), Map::new());
    for (key, text) in fields {
        match key.strip_prefix("extra.") {
            Some(key) => drop(extra.insert(key.to_owned(), text.into())),
            None => {
                let is_number = ["pass_through", "notify_type", "notify_id", "time_to_live"]
                    .contains(&key.as_str());
                let value = if is_number {
                    serde_json::from_str(&text).expect("a number")
                } else {
                    text.into()
                };
                message.insert(key, value);
            }
        }
    }
    message.insert("extra".to_owned(), extra.into());
    vec![
        ids.split(',')
            .fold(of_message(message.into()), Shown::token),
    ]
}

fn of_message(message: Value) -> Shown {
    let content = message["payload"].as_str().map(str::to_owned);
    let extra = message["extra"]["ext"].as_str().map(str::to_owned);
    if let Some(extra) = &extra {
        assert_eq!(
            Some(extra),
            content.as_ref(),
            "`ext` reaches the app both ways"
        );
    }
    let ttl = message["time_to_live"].as_u64().map(Duration::from_millis);
    let mut shown = Shown::new(message)
        .title_at("/title")
        .body_at("/description")
        .badge_at("/extra/badge")
        .delivery_at("/extra/delivery")
        .receiver_at("/extra/receiver")
        .collapse_at("/notify_id")
        .tag_at("/extra/callback.param");
    shown.ext = content;
    shown.ttl = ttl;
    shown
}

fn posted(tag: &str, token: &str, kind: u32) -> (String, Request<Bytes>) {
    let body = json!({ "sdm01b11700000000000x": {
        "param": tag, "type": kind, "targets": token, "jobkey": "", "barStatus": "Enable",
        "timestamp": 1_700_000_000_000_i64, "extra": { "ack": "1" },
    }})
    .to_string();
    let encoded = push_kit::form::encode([("data", body.as_str())]);
    let request = Request::post("https://gateway.example.com/receipts")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(encoded.expose().to_owned()))
        .expect("a request");
    (body, request)
}

fn receipts(tag: &str, token: &str) -> Vec<(Request<Bytes>, Late)> {
    let late = |kind| Late::Verdict(Verdict::new(kind, VendorAnswer::default()));
    let (json, _) = posted(tag, token, 1);
    let mut receipts = vec![(Request::new(Bytes::from(json)), Late::Delivered)];
    for (kind, what) in [
        (1, Late::Delivered),
        (2, Late::Clicked),
        (16, late(VerdictKind::TokenDead { since: None })),
        (32, late(VerdictKind::TokenUnusable(TokenFault::Muted))),
        (64, late(VerdictKind::TargetRefused)),
        (128, late(VerdictKind::RateLimited(Scope::Class))),
        (1024, late(VerdictKind::TargetRefused)),
    ] {
        receipts.push((posted(tag, token, kind).1, what));
    }
    receipts
}

macro_rules! suite {
    ($multi:expr) => {
        push_testkit::provider_conformance! {
            plugin: push_provider_xiaomi::Xiaomi,
            descriptor: push_provider_xiaomi::PLUGIN,

            config: |endpoint, ca_pem| json!({
                "app_secret": "the-app-secret-of-a-test",
                "package": "com.example.im",
                "channel_id": "104086",
                "template_id": "T10001",
                "template_param": { "sender": "{title}", "kind": "message" },
                "click": "launcher",
                "intent": "intent://im/chat#Intent;scheme=push;end",
                "badge": true,
                "multi_messages": $multi,
                "api_version": "v3",
                "region": "europe",
                "ttl_days": 10,
                "endpoint": endpoint,
                "http": { "extra_ca_pem": ca_pem },
            }),
            wrong_config: [
                ("app_secret", json!("has a blank")),
                ("package", json!("im")),
                ("channel_id", json!("10 4086")),
                ("template_id", json!("T/1")),
                ("template_param", json!({ "sender": " " })),
                ("intent", json!("intent://im/chat")),
                ("notify_type", json!(8)),
                ("receipt_types", json!(246)),
                ("batch", json!(1001)),
                ("ttl_days", json!(11)),
                ("max_extra", json!(1)),
                ("endpoint", json!("http://api.xmpush.xiaomi.com")),
            ],
            secrets: ["the-app-secret-of-a-test"],
            verify_accepted: [
                Reply::new(200).json(accepted()),
                without(&["offline-push-verify".to_owned()]),
                error(200, 20_301),
                error(200, 27_001),
                error(200, 10_017),
            ],

            token: "IQAAAACy0tEjAgBD0PrvuzM0000000",
            token_forms: [(" IQAAAACy0tEjAgBD0PrvuzM/4+Q== ", "IQAAAACy0tEjAgBD0PrvuzM/4+Q==")],
            wrong_tokens: ["IQAAAACy0tEj,AgBD0PrvuzM", "\"IQAAAACy0tEj\"", "null"],
            shown: shown,
            ttl_unit: Duration::from_millis(1),
            overlay: [
                json!({ "notify_type": 4, "notify_id": 7, "time_to_live": 60_000 }),
                json!({ "extra": { "channel_id": "104087", "flow_control": "3000", "badge": "9" } }),
                json!({ "extra": {
                    "template_id": "T2", "template_param": "{\"a\":\"one\",\"b\":\"two\"}",
                }}),
            ],
            protected_fields: [
                json!({ "alias": "ann" }),
                json!({ "user_account": "ann" }),
                json!({ "topics": "a;$;b" }),
                json!({ "topic_op": "UNION" }),
                json!({ "pass_through": 1 }),
                json!({ "title": "x" }),
                json!({ "description": "x" }),
                json!({ "messages": "[]" }),
                json!({ "payload": null }),
                json!({ "extra": null }),
                json!({ "extra": { "notify_effect": "3" } }),
                json!({ "extra": { "web_uri": "https://example.com" } }),
                json!({ "extra": { "intent_uri": "x" } }),
                json!({ "extra": { "callback": "https://example.com" } }),
                json!({ "extra": { "callback.type": "3" } }),
            ],

            ok: Reply::new(200).json(accepted()),
            unconfirmed: [
                json!({ "result": "ok", "code": 0 }),
                json!({ "result": "ok", "code": "0", "trace_id": "X1" }),
                json!({ "result": "ok", "code": 0, "trace_id": "X1", "data": null }),
                json!({ "result": "ok", "code": 0, "trace_id": "X1", "data": {} }),
                json!({ "result": "ok", "code": 0, "trace_id": "X1", "data": { "id": "" } }),
                json!({ "result": "ok", "code": 0, "trace_id": "X1", "data": { "id": 7 } }),
                json!({ "result": "ok", "code": 0, "trace_id": "X1", "data": "sdm1" }),
                json!({ "result": "error", "code": 0, "trace_id": "X1", "data": { "id": "s1" } }),
            ]
            .map(|body| (200, body)),
            partial: |_, dead| without(dead),
            token_dead: [
                error(200, 20_301),
                error(200, 10_029),
                Reply::with(|request| without(&targets(request))),
            ],
            target_refused: [error(200, 65_003)],
            credential_refused: errors(&[
                10_004, 10_005, 10_006, 10_013, 10_014, 10_026, 10_031, 10_033, 10_036, 10_038,
                21_301, 21_302, 21_303, 22_000, 22_001, 22_002, 22_006, 22_007, 22_008, 22_021,
                22_022,
            ])
            .chain([error(401, 21_301)]),
            payload_refused: errors(&[
                100, 10_007, 10_008, 10_012, 10_016, 10_017, 10_018, 10_020, 10_021, 10_025,
                10_035, 20_209, 20_215, 20_216, 20_315, 21_305, 22_102, 26_005, 26_006, 27_001,
                65_006, 65_007, 65_008, 65_009, 65_010, 65_011, 65_012, 65_013, 65_014, 65_015,
                65_016, 65_017, 65_028, 65_030, 65_035, 65_036, 65_037, 65_038, 65_040, 65_041,
                66_108,
            ]),
            rate_limited: [
                (Scope::Credential, error(200, 10_027).header("retry-after", "7")),
                (Scope::Class, error(200, 200_001).header("retry-after", "7")),
                (Scope::Credential, error(200, 200_002).header("retry-after", "7")),
                (Scope::Class, error(200, 10_034)),
                (Scope::Class, error(200, 200_001)),
                (Scope::Credential, error(200, 200_002)),
                (Scope::Credential, error(200, 10_022)),
                (Scope::Credential, error(200, 10_023)),
                (Scope::Credential, error(200, 10_024)),
                (Scope::Credential, error(200, 10_028)),
                (Scope::Credential, error(200, 10_030)),
                (Scope::Credential, error(200, 10_032)),
                (Scope::Credential, error(200, 10_039)),
                (Scope::Credential, error(200, 22_101)),
                (Scope::Credential, error(200, 26_004)),
            ],
            retry_after_dates: true,
            unavailable: errors(&[
                -1, 1, 10_001, 10_002, 10_003, 10_009, 10_010, 10_011, 10_037, 20_607, 26_003,
                65_029,
            ])
            .chain([
                error(503, 10_002).header("retry-after", "7"),
                error(500, 98_765),
                Reply::new(502),
            ]),
            unknown: |status, code| error(status, code.parse().expect("digits")),

            receipts_unsigned: true,
            receipt: receipts,
        }
    };
}

mod one_message_for_all {
    use super::*;
    suite!(false);
}

mod a_message_for_each {
    use super::*;
    suite!(true);
}
