//! The suite that every provider passes, twice: each phone gets a message of its own, and a message is saved and then sent.
//!
//! OPPO's answers are those of its pages, as the sheet of the wire facts has them.
mod own;
mod saved;

use std::collections::HashMap;

use bytes::Bytes;
use http::Request;
use percent_encoding::percent_decode;
use push_core::{Late, Scope, Timestamp, VendorAnswer, Verdict, VerdictKind};
use push_testkit::{
    Reply,
    conformance::Shown,
    json,
    serde_json::{self, Map, Value},
};

/// A registration id of mainland China; the suite writes numbers over its end.
const ID: &str = "CN_8fa0618f178145d8c2a44091a1326411";

const GRANTED: &str = r#"{"code":0,"message":"success","data":{"auth_token":"58ad47319e8d725350a5afd5","create_time":1489000000000}}"#;

const AUTH: &str = "/server/v1/auth";

fn said(code: i64, message: &str) -> Reply {
    Reply::new(200).json(json!({ "code": code, "message": message }))
}

fn data(data: &Value) -> Reply {
    Reply::new(200).json(json!({ "code": 0, "message": "success", "data": data }))
}

/// An error of OPPO's form with any status.
fn unknown(status: u16, code: &str) -> Reply {
    let code: i64 = code.parse().expect("digits");
    Reply::new(status).json(json!({ "code": code, "message": "new" }))
}

/// What OPPO answers to the question that `verify` asks.
fn permit() -> Reply {
    data(&json!({ "total_count": 100_000, "push_count": 12, "remain_count": 99_988 }))
}

/// The fields of a form.
fn form(body: &[u8]) -> HashMap<String, String> {
    let decode = |bytes: &[u8]| {
        let text = percent_decode(bytes).decode_utf8().expect("UTF-8");
        text.into_owned()
    };
    let pairs = body
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=').expect("a pair");
        (decode(&pair[..at]), decode(&pair[at + 1..]))
    });
    pairs.collect()
}

/// What a phone shows of a `notification`, and what an app reads of the intent that a click starts. `payload` is what the suite
/// compares.
fn shown(payload: Value, notification: &str) -> Shown {
    let at = |key: &str| format!("{notification}/{key}");
    let mut shown = Shown::new(payload)
        .title_at(&at("title"))
        .body_at(&at("content"))
        .ttl_at(&at("off_line_ttl"))
        .collapse_at(&at("notify_id"))
        .tag_at(&at("call_back_parameter"))
        .dedup_at(&at("app_message_id"));
    if shown.payload.pointer(&at("badge_operation_type")) == Some(&json!(0)) {
        shown = shown.badge_at(&at("badge_message_count"));
    }
    let parameters = shown.payload.pointer(&at("action_parameters"));
    let parameters = parameters.and_then(Value::as_str).expect("text");
    let mut extras: Map<String, Value> = serde_json::from_str(parameters).expect("an object");
    let mut take = |key: &str| match extras.remove(key) {
        Some(Value::String(text)) => Some(text),
        None => None,
        Some(other) => panic!("`{key}` is {other}"),
    };
    (shown.delivery, shown.receiver) = (take("delivery"), take("receiver"));
    shown.ext = match (extras.len(), extras.get("ext")) {
        (0, _) => Some(String::new()),
        // What cannot be taken apart is an extra of its own.
        (1, Some(Value::String(whole))) => Some(whole.clone()),
        _ => Some(Value::from(extras).to_string()),
    };
    shown
}

/// A receipt of this type.
fn posted(tag: &str, token: &str, kind: &str) -> Request<Bytes> {
    let body = json!([{
        "messageId": "3610865-1-1-5e3f0c5e8d1a2b0001c3d4e5", "appId": "3610865", "taskId": "t-1",
        "registrationIds": token, "eventTime": 1_700_000_000_123_i64, "param": tag, "eventType": kind,
    }]);
    Request::post("https://gateway.example.com/receipts")
        .body(body.to_string().into())
        .expect("a request")
}

fn receipts(tag: &str, token: &str) -> Vec<(Request<Bytes>, Late)> {
    let verdict = |kind| Late::Verdict(Verdict::new(kind, VendorAnswer::default()));
    let since = Some(Timestamp::from_unix_millis(1_700_000_000_000));
    vec![
        (posted(tag, token, "push_arrive"), Late::Delivered),
        (
            posted(tag, &format!(" {token} "), "regid_invalid"),
            verdict(VerdictKind::TokenDead { since }),
        ),
        (
            posted(tag, token, "user_daily_limit"),
            verdict(VerdictKind::RateLimited(Scope::Token)),
        ),
    ]
}
