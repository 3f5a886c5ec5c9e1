//! The suite that every provider passes, in Huawei's words.
use push_testkit::{Reply, json};

const OK: &str = r#"{"code":"80000000","msg":"Success","requestId":"157278422841836431010901"}"#;

fn coded(status: u16, code: &str, msg: &str) -> Reply {
    Reply::new(status).json(json!({ "code": code, "msg": msg, "requestId": "1572784" }))
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
        "http": { "extra_ca_pem": ca_pem },
    }),
    secrets: ["the-app-secret-of-a-test", "CgB6e3x9"],
    token: "IQAAAACy0000huawei-token-000000",
    ok: (200, OK),
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
        Reply::from((200, r#"{"code":80100003,"msg":"a number for once"}"#)),
    ],
    rate_limited: [
        coded(200, "80100017", "").header("retry-after", "7"),
        coded(200, "80300006", ""),
    ],
    retry_after_dates: true,
    unavailable: [
        coded(500, "81000001", "system error"),
        coded(200, "81000001", "system error"),
        coded(200, "80600003", "OAuth service"),
        Reply::from((503, "retry-after: 60", "")),
    ],
    unknown: (coded(200, "89999999", "nobody knows"), "89999999"),
    auth: (
        "/oauth2/v3/token",
        (200, r#"{"access_token":"CgB6e3x9\/abc\/==","expires_in":3600,"token_type":"Bearer"}"#),
    ),
    auth_refused: [
        (401, r#"{"error":1101,"sub_error":20042,"error_description":"client_secret is wrong"}"#),
        (400, r#"{"error":1101,"sub_error":20001,"error_description":"no such client"}"#),
        (200, r#"{"error":1101,"sub_error":20042}"#),
    ],
    access_expired: coded(401, "80200003", "OAuth token expired"),
    verify_accepted: [
        Reply::from((200, OK)),
        coded(200, "80300007", "All tokens are invalid"),
        coded(400, "80100001", "some parameter"),
    ],
}
