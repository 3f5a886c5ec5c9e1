//! The suite that every provider passes: FCM's answers, as its documentation shows them.
use std::time::Duration;

use push_core::{Scope, TokenFault};
use push_testkit::{
    Reply,
    conformance::{Sent, Shown},
    fixtures, json,
    serde_json::Value,
};

fn plain(status: u16, word: &str) -> Value {
    json!({"error": {"code": status, "message": "…", "status": word}})
}

fn with_detail(mut body: Value, detail: Value) -> Value {
    match &mut body["error"]["details"] {
        Value::Array(details) => details.push(detail),
        none => *none = json!([detail]),
    }
    body
}

fn error(status: u16, word: &str, code: &str) -> Value {
    let fcm = "type.googleapis.com/google.firebase.fcm.v1.FcmError";
    with_detail(
        plain(status, word),
        json!({"@type": fcm, "errorCode": code}),
    )
}

fn invalid(field: &str) -> Value {
    with_detail(
        error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        json!({
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": field, "description": "…"}],
        }),
    )
}

/// The interface is not enabled in the project.
fn disabled() -> Value {
    with_detail(
        plain(403, "PERMISSION_DENIED"),
        json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "SERVICE_DISABLED",
            "domain": "googleapis.com",
        }),
    )
}

/// More messages to one device than FCM accepts.
fn device_limit() -> Value {
    with_detail(
        error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"),
        json!({
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{"subject": "device", "description": "…"}],
        }),
    )
}

fn config(endpoint: &str, ca_pem: &str) -> Value {
    let account = json!({
        "type": "service_account",
        "project_id": "demo-project",
        "private_key_id": "0123456789abcdef0123456789abcdef01234567",
        "private_key": fixtures::rsa_key(),
        "client_email": "push@demo-project.iam.gserviceaccount.com",
        "token_uri": format!("{endpoint}/token"),
    });
    json!({
        "service_account": account.to_string(),
        "endpoint": endpoint,
        "http": { "extra_ca_pem": ca_pem },
    })
}

fn shown(sent: &Sent) -> Shown {
    Shown::new(sent.json()["message"].clone())
        .tokens_at("/token")
        .title_at("/notification/title")
        .body_at("/notification/body")
        .ext_at("/data/ext")
        .delivery_at("/data/delivery")
        .receiver_at("/data/receiver")
        .badge_at("/android/notification/notification_count")
        .ttl_at("/android/ttl")
        .collapse_at("/android/notification/tag")
}

push_testkit::provider_conformance! {
    plugin: push_provider_fcm::Fcm,
    descriptor: push_provider_fcm::PLUGIN,

    config: config,
    wrong_config: [
        ("service_account", "{}"),
        ("endpoint", "ftp://fcm.googleapis.com"),
        ("token_endpoint", "http://oauth2.googleapis.com/token"),
        ("web_link", "http://chat.example.com"),
    ],
    secrets: ["ya29.access-of-a-test", "MIIEvgIBADANBgkqhkiG9w0BAQEFAASC"],
    auth: ("/token", (200, r#"{"access_token":"ya29.access-of-a-test","expires_in":3599,"token_type":"Bearer"}"#)),
    access_lifetime: Duration::from_secs(3599),
    auth_refused: [
        (400, r#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#),
        (401, r#"{"error":"invalid_client"}"#),
        (400, r#"{"error":"invalid_scope"}"#),
    ],
    access_expired: (401, plain(401, "UNAUTHENTICATED")),

    token: "dJ7xTest0:APA91bFakeFakeFakeFakeFakeFake000000",
    token_forms: [(" dJ7x:APA91b ", "dJ7x:APA91b")],
    wrong_tokens: [
        "4f1c0a9be27d83365ad1908cfe74b2013c66d5ea918f47b0237ad4e6c15980fb",
        "dJ7x%3AAPA91bFake",
        "ExponentPushToken[xxxxxxxxxxxxxxxxxxxxxx]",
    ],
    shown: shown,
    overlay: [
        json!({"android": {"notification": {"channel_id": "calls"}, "priority": "NORMAL"}}),
        json!({"data": {"more": "1"}, "fcm_options": {"analytics_label": "chat"}}),
    ],
    protected_fields: [
        json!({"topic": "everyone"}),
        json!({"condition": "'a' in topics"}),
        json!({"fid": "cAAAAAAAAAAAAAAAAAAAAA"}),
        json!({"android_v2": {"background_sync": {}}}),
        json!({"android": {"restricted_package_name": "com.example.other"}}),
        json!({"apns": {"headers": {"apns-topic": "com.example.other"}}}),
        json!({"apns": {"headers": {"authorization": "bearer x"}}}),
        json!({"webpush": {"headers": {"Authorization": "vapid x"}}}),
        json!({"android": {"data": {"ext": "{}"}}}),
        json!({"data": null}),
    ],

    ok: Reply::new(200)
        .json(json!({"name": "projects/demo-project/messages/0:1500415314455276%31bd1c9631bd1c96"})),
    unconfirmed: [
        json!({"name": ""}),
        json!({"name": "0:1500415314455276%31bd1c9631bd1c96"}),
        json!({"name": "projects/demo-project/messages/"}),
        json!({"name": "projects/demo-project/messages/1/2"}),
        json!({"name": "projects/another-project/messages/1"}),
        json!({"name": "projects//messages/1"}),
        json!({"name": "x/projects/demo-project/messages/1"}),
        json!({"name": 7}),
    ]
    .map(|body| (200, body)),
    status_is_final: true,
    partial: |all, dead| {
        // One request has one token.
        if all.iter().any(|token| dead.contains(token)) {
            (404, error(404, "NOT_FOUND", "UNREGISTERED")).into()
        } else {
            (200, r#"{"name":"projects/demo-project/messages/1"}"#).into()
        }
    },
    token_dead: [(404, error(404, "NOT_FOUND", "UNREGISTERED")), (400, invalid("message.token"))],
    token_unusable: [(TokenFault::App, (403, error(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH")))],
    target_refused: [
        (401, error(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR")),
        (403, plain(403, "PERMISSION_DENIED")),
        (404, plain(404, "NOT_FOUND")),
    ],
    credential_refused: [(401, plain(401, "UNAUTHENTICATED")), (403, disabled())],
    payload_refused: [(400, invalid("message.android.ttl")), (400, plain(400, "INVALID_ARGUMENT"))],
    rate_limited: [
        (Scope::Credential, Reply::from((429, error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"))).header("retry-after", "7")),
        (Scope::Credential, Reply::from((429, plain(429, "RESOURCE_EXHAUSTED")))),
        (Scope::Token, Reply::from((429, device_limit()))),
    ],
    retry_after_dates: true,
    unavailable: [
        Reply::from((503, error(503, "UNAVAILABLE", "UNAVAILABLE"))).header("retry-after", "7"),
        Reply::from((500, error(500, "INTERNAL", "INTERNAL"))),
        Reply::from((502, "<html>")),
    ],
    unknown: |status, code| Reply::from((status, error(status, "FAILED_PRECONDITION", code))),
}

/// The same provider with the form `android_v2`.
mod preview {
    use super::*;

    fn config_of_preview(endpoint: &str, ca_pem: &str) -> Value {
        let mut config = config(endpoint, ca_pem);
        config["android_v2"] = true.into();
        config
    }

    fn shown_in_preview(sent: &Sent) -> Shown {
        shown(sent)
            .badge_at("/android_v2/remote_notification/notification/notification_count")
            .ttl_at("/android_v2/ttl")
            .collapse_at("/android_v2/remote_notification/notification/tag")
    }

    push_testkit::provider_conformance! {
        plugin: push_provider_fcm::Fcm,
        descriptor: push_provider_fcm::PLUGIN,

        config: config_of_preview,
        wrong_config: [
            ("service_account", "{}"),
            ("web_link", "http://chat.example.com"),
        ],
        secrets: ["ya29.access-of-a-test", "MIIEvgIBADANBgkqhkiG9w0BAQEFAASC"],
        auth: ("/token", (200, r#"{"access_token":"ya29.access-of-a-test","expires_in":3599,"token_type":"Bearer"}"#)),
        access_lifetime: Duration::from_secs(3599),
        auth_refused: [(400, r#"{"error":"invalid_grant"}"#)],
        access_expired: (401, plain(401, "UNAUTHENTICATED")),
        token: "dJ7xTest0:APA91bFakeFakeFakeFakeFakeFake000000",
        shown: shown_in_preview,
        overlay: [
            json!({"android_v2": {"remote_notification": {"notification": {"channel_id": "calls"}}}}),
            json!({"data": {"more": "1"}, "apns": {"payload": {"own": 1}}}),
        ],
        protected_fields: [
            json!({"topic": "everyone"}),
            json!({"android": {"priority": "HIGH"}}),
            json!({"android_v2": {"background_sync": {}}}),
            json!({"android_v2": {"restricted_package_name": "com.example.other"}}),
            json!({"android_v2": {"data": {"ext": "{}"}}}),
            json!({"android_v2": {"data": {"receiver": "other"}}}),
        ],
        ok: Reply::new(200).json(json!({"name": "projects/demo-project/messages/1"})),
        unconfirmed: [(200, json!({"name": ""}))],
        status_is_final: true,
        partial: |all, dead| {
            if all.iter().any(|token| dead.contains(token)) {
                (404, error(404, "NOT_FOUND", "UNREGISTERED")).into()
            } else {
                (200, r#"{"name":"projects/demo-project/messages/1"}"#).into()
            }
        },
        token_dead: [(404, error(404, "NOT_FOUND", "UNREGISTERED"))],
        credential_refused: [(401, plain(401, "UNAUTHENTICATED"))],
        payload_refused: [(400, plain(400, "INVALID_ARGUMENT"))],
        rate_limited: [(Scope::Credential, (429, plain(429, "RESOURCE_EXHAUSTED")))],
        unavailable: [(503, error(503, "UNAVAILABLE", "UNAVAILABLE"))],
        unknown: |status, code| Reply::from((status, error(status, "FAILED_PRECONDITION", code))),
    }
}
