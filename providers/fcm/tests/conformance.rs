//! FCM's answers, as its documentation shows them.
use push_testkit::{fixtures, json, serde_json::Value};

fn error(code: u16, status: &str, fcm: &str) -> Value {
    json!({"error": {"code": code, "message": "…", "status": status, "details": [
        {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": fcm},
    ]}})
}

fn plain(code: u16, status: &str) -> Value {
    json!({"error": {"code": code, "message": "…", "status": status}})
}

fn invalid(field: &str) -> Value {
    let mut body = error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT");
    if let Some(details) = body["error"]["details"].as_array_mut() {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": field, "description": "…"}],
        }));
    }
    body
}

/// The interface is not enabled in the project.
fn disabled() -> Value {
    let mut body = plain(403, "PERMISSION_DENIED");
    body["error"]["details"] = json!([{
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "SERVICE_DISABLED",
        "domain": "googleapis.com",
    }]);
    body
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

push_testkit::provider_conformance! {
    plugin: push_provider_fcm::Fcm,
    descriptor: push_provider_fcm::PLUGIN,
    config: config,
    secrets: ["ya29.access-of-a-test", "MIIEvgIBADANBgkqhkiG9w0BAQEFAASC"],
    token: "dJ7xTest0:APA91bFakeFakeFakeFakeFakeFake000000",
    auth: ("/token", (200, r#"{"access_token":"ya29.access-of-a-test","expires_in":3599,"token_type":"Bearer"}"#)),
    auth_refused: [
        (400, r#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#),
        (401, r#"{"error":"invalid_client"}"#),
        (400, r#"{"error":"invalid_scope"}"#),
    ],
    ok: (200, r#"{"name":"projects/demo-project/messages/0:1500415314455276%31bd1c9631bd1c96"}"#),
    token_dead: [(404, error(404, "NOT_FOUND", "UNREGISTERED")), (400, invalid("message.token"))],
    token_mismatch: [(403, error(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"))],
    credential_refused: [(401, plain(401, "UNAUTHENTICATED")), (403, disabled())],
    payload_refused: [(400, invalid("message.android.ttl")), (400, plain(400, "INVALID_ARGUMENT"))],
    rate_limited: [
        (429, "retry-after: 7", error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED").to_string().as_str()),
        (429, "", plain(429, "RESOURCE_EXHAUSTED").to_string().as_str()),
    ],
    retry_after_dates: true,
    unavailable: [
        (503, "retry-after: 7", error(503, "UNAVAILABLE", "UNAVAILABLE").to_string().as_str()),
        (500, "", error(500, "INTERNAL", "INTERNAL").to_string().as_str()),
        (502, "", "<html>"),
    ],
    unknown: ((400, error(400, "FAILED_PRECONDITION", "BRAND_NEW")), "BRAND_NEW"),
    access_expired: (401, plain(401, "UNAUTHENTICATED")),
}
