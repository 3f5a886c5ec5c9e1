//! A message is saved and then sent by its id: `save_message_content` and `broadcast`.
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use push_core::{Scope, TokenFault};
use push_testkit::{
    Reply,
    conformance::{Sent, Shown},
    json,
    serde_json::{self, Map, Value},
};

use super::{AUTH, GRANTED, ID, data, form, permit, receipts, said, shown, unknown};

const SAVE: &str = "/server/v1/message/notification/save_message_content";

/// The fields of the saved message, numbers and flags as such.
fn of_saved(sent: &Sent) -> Vec<Shown> {
    let fields = form(&sent.body);
    let Some(id) = fields.get("message_id") else {
        return Vec::new();
    };
    assert_eq!(fields["target_type"], "2");
    let plain = [
        "title",
        "sub_title",
        "content",
        "action_parameters",
        "call_back_parameter",
        "channel_id",
    ];
    let saved = form(&sent.saved(id).body).into_iter();
    let payload: Map<String, Value> = saved
        .filter(|(key, _)| key != "auth_token")
        .map(|(key, text)| {
            let json = serde_json::from_str(&text).ok();
            let json = json.filter(|_| !plain.contains(&key.as_str()));
            (key, json.unwrap_or_else(|| Value::from(text)))
        })
        .collect();
    assert!(!payload.contains_key("app_message_id"));
    let mut shown = shown(payload.into(), "");
    shown.tokens = fields["target_value"]
        .split(';')
        .map(str::to_owned)
        .collect();
    vec![shown]
}

/// The answer to a broadcast, in which this code has these ids.
fn listed(request: &Request<Bytes>, code: &str, ids: impl Fn(Vec<String>) -> Vec<String>) -> Reply {
    if request.uri().path().contains("feedback") {
        return permit();
    }
    let fields = form(request.body());
    let all = fields["target_value"]
        .split(';')
        .map(str::to_owned)
        .collect();
    let mut answer = json!({
        "message_id": fields["message_id"], "task_id": "5e3f0c5e8d1a2b0001c3d4e6", "status": "call_success",
    });
    let ids = ids(all);
    if !ids.is_empty() {
        answer[code] = ids.into();
    }
    data(&answer)
}

fn fine() -> Reply {
    Reply::with(|request| listed(request, "10000", |_| Vec::new()))
}

fn all(code: &'static str) -> Reply {
    Reply::with(move |request| listed(request, code, |ids| ids))
}

/// An answer to a broadcast whose `data` is changed.
fn changed(change: fn(&mut Value)) -> Reply {
    Reply::with(move |request| {
        let fields = form(request.body());
        let mut answer = json!({ "message_id": fields.get("message_id"), "task_id": "t-1" });
        change(&mut answer);
        data(&answer)
    })
}

push_testkit::provider_conformance! {
    plugin: push_provider_oppo::Oppo,
    descriptor: push_provider_oppo::PLUGIN,

    config: |endpoint, ca_pem| json!({
        "app_key": "0123456789abcdef0123456789abcdef",
        "master_secret": "the-master-secret-of-a-test",
        "channel_id": "news",
        "category": "NEWS",
        "action": "com.example.im.OPEN_CHAT",
        "long_text": true,
        "saved_from": 1,
        "endpoint": endpoint,
        "overseas_endpoint": "",
        "feedback_endpoint": endpoint,
        "http": { "extra_ca_pem": ca_pem },
    }),
    wrong_config: [("app_key", json!("")), ("saved_from", json!(-1))],
    secrets: ["the-master-secret-of-a-test", "58ad47319e8d725350a5afd5"],
    auth: (AUTH, (200, GRANTED)),
    access_lifetime: Duration::from_secs(24 * 60 * 60),
    auth_refused: [said(16, "Invalid Signature")],
    access_expired: said(11, "Invalid AuthToken"),
    verify_accepted: [permit()],

    token: ID,
    shown: of_saved,
    ext_split: true,
    step: (SAVE, |id| data(&json!({ "message_id": id }))),
    step_refused: [
        said(40, "Missing required arguments"),
        said(41, "Invalid arguments: title"),
        said(51, "picture"),
        said(54, "template"),
        said(67, "category"),
    ],
    overlay: [
        json!({ "channel_id": "im", "category": "IM", "notify_level": 16 }),
        json!({ "style": 3, "big_picture_id": "b-1", "show_ttl": 60 }),
        json!({ "fix_speed": true, "fix_speed_rate": 1000, "push_time_type": 1, "push_start_time": 1_700_000_000_000_i64 }),
        json!({ "private_msg_template_id": "tpl", "private_content_parameters": { "a": "b" } }),
    ],
    protected_fields: [json!({ "app_message_id": "x" }), json!({ "message_id": "x" }), json!({ "target_value": "x" })],

    ok: fine(),
    unconfirmed: [
        Reply::from((200, json!({ "code": 0, "message": "success" }))),
        Reply::from((200, json!({ "code": 0, "message": "success", "data": {} }))),
        changed(|answer| answer["task_id"] = Value::Null),
        changed(|answer| answer["task_id"] = json!("")),
        changed(|answer| answer["message_id"] = json!("5e3f0c5e8d1a2b0001c3d4e5")),
        changed(|answer| *answer = json!({ "messageId": "3610865-1-1-1", "10000": ["x"] })),
    ],
    partial: |_, dead| {
        let dead = dead.to_vec();
        Reply::with(move |request| listed(request, "10000", |_| dead.clone()))
    },
    token_dead: [
        all("10000"),
        // Several in one text, with blanks.
        Reply::with(|request| listed(request, "10000", |ids| vec![format!("x, {} ;y", ids.join(" , "))])),
    ],
    token_unusable: [(TokenFault::App, all("41"))],
    target_refused: [all("11"), all("987")],
    credential_refused: [said(11, "Invalid AuthToken"), said(27, "access denied")],
    payload_refused: [said(31, "Data Not Exist"), said(40, "Missing required arguments"), all("67")],
    rate_limited: [
        (Scope::Credential, said(13, "App Call Limited").header("retry-after", "7")),
        (Scope::Class, said(33, "daily limit")),
        (Scope::Token, all("33")),
        (Scope::Token, all("13")),
    ],
    unavailable: [said(-1, "Service Currently Unavailable")],
    unknown: unknown,

    receipts_unsigned: true,
    receipt: receipts,
}
