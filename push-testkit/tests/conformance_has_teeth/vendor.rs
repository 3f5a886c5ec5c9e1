//! The vendor, as its documentation describes it.
use std::time::Duration;

use aws_lc_rs::hmac;
use bytes::Bytes;
use http::Request;
use push_core::{Late, Scope, TokenFault, VendorAnswer, Verdict, VerdictKind};
use push_testkit::{
    Reply,
    conformance::{Sent, Shown},
    json,
    serde_json::Value,
};

pub(crate) const SECRET: &str = "the-secret-of-a-test";
pub(crate) const ACCESS: &str = "access-of-a-test";

pub(crate) fn config(endpoint: &str, ca_pem: &str) -> Value {
    json!({
        "app_id": "1001",
        "app_secret": SECRET,
        "endpoint": endpoint,
        "category": "WORK",
        "http": { "extra_ca_pem": ca_pem },
    })
}

pub(crate) fn coded(status: u16, code: i64) -> Reply {
    Reply::new(status).json(json!({ "code": code, "message": "as documented" }))
}

/// Without the message that Acme's answers have.
pub(crate) fn unconfirmed() -> [Reply; 2] {
    [json!({ "code": 0 }), json!({ "code": 0, "message": "" })]
        .map(|body| Reply::new(200).json(body))
}

pub(crate) fn unknown(status: u16, code: &str) -> Reply {
    let code: i64 = code.parse().expect("digits");
    Reply::new(status).json(json!({ "code": code, "message": "new" }))
}

pub(crate) fn limits() -> [(Scope, Reply); 2] {
    [
        (
            Scope::Credential,
            coded(429, 4290).header("retry-after", "7"),
        ),
        (Scope::Token, coded(429, 4291)),
    ]
}

pub(crate) fn unusable() -> [(TokenFault, Reply); 2] {
    [
        (TokenFault::App, coded(400, 4102)),
        (TokenFault::Muted, coded(200, 4103)),
    ]
}

pub(crate) fn partial(_: &[String], dead: &[String]) -> Reply {
    Reply::new(200).json(json!({ "code": 0, "message": "ok", "bad": dead }))
}

pub(crate) fn granted() -> Reply {
    Reply::new(200).json(json!({ "access_token": ACCESS, "expires_in": 3600 }))
}

pub(crate) fn auth_refused() -> Reply {
    Reply::new(401).json(json!({ "error": "invalid_client" }))
}

pub(crate) fn saved(id: &str) -> Reply {
    Reply::new(200).json(json!({ "code": 0, "message": "ok", "id": id }))
}

pub(crate) fn shown(sent: &Sent) -> Vec<Shown> {
    let body = sent.json();
    let id = body["id"].as_str().map(str::to_owned);
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    messages
        .into_iter()
        .map(|mut message| {
            if let Some(saved) = message["message_id"].as_str() {
                let to = message["to"].clone();
                message = sent.saved(saved).json();
                message["to"] = to;
            }
            let mut shown = Shown::new(message)
                .tokens_at("/to")
                .title_at("/title")
                .body_at("/text")
                .ext_at("/data/ext")
                .delivery_at("/data/delivery")
                .receiver_at("/data/receiver")
                .badge_at("/badge")
                .ttl_at("/ttl")
                .collapse_at("/replaces")
                .tag_at("/tag");
            if !shown.payload["badge_add"].is_null() {
                shown = shown.badge_added_at("/badge_add");
            }
            shown.dedup.clone_from(&id);
            shown
        })
        .collect()
}

fn receipt(event: &str, tag: &str, token: &str) -> Vec<u8> {
    let at = 1_700_000_000_000_i64;
    json!({ "event": event, "tag": tag, "token": token, "at": at })
        .to_string()
        .into_bytes()
}

fn posted(body: Vec<u8>, key: &str) -> Request<Bytes> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let tag = hmac::sign(&key, &body);
    let digits: String = tag
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Request::post("/receipts")
        .header("x-signature", digits)
        .body(Bytes::from(body))
        .expect("a request")
}

pub(crate) fn receipts(tag: &str, token: &str) -> Vec<(Request<Bytes>, Late)> {
    let dead = Verdict::new(
        VerdictKind::TokenDead { since: None },
        VendorAnswer::default(),
    );
    vec![
        (
            posted(receipt("delivered", tag, token), SECRET),
            Late::Delivered,
        ),
        (
            posted(receipt("dead", tag, token), SECRET),
            Late::Verdict(dead),
        ),
    ]
}

pub(crate) fn forged(tag: &str, token: &str) -> Vec<Request<Bytes>> {
    let body = receipt("dead", tag, token);
    let mut unsigned = posted(body.clone(), SECRET);
    unsigned.headers_mut().clear();
    vec![posted(body, "another-secret"), unsigned]
}

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// The conformance tests of Acme in one step, with the keys that stand before the others. The crates that include this module
/// have the plugin and what the keys use in scope.
macro_rules! acme_conformance {
    ($($first:tt)*) => {
        push_testkit::provider_conformance! {
            plugin: Acme,
            descriptor: PLUGIN,
            $($first)*
            config: vendor::config,
            wrong_config: [("app_id", ""), ("endpoint", "ftp://push.acme.example")],
            secrets: [vendor::SECRET, vendor::ACCESS],
            token: "acme-token-000000",
            token_forms: [("ACME-Token-000001", "acme-token-000001")],
            wrong_tokens: ["acme token 000001"],
            shown: vendor::shown,
            overlay: [json!({ "category": "IM" }), json!({ "android": { "light": false, "led": 3 } })],
            protected_fields: [json!({ "topic": "everyone" })],
            ok: coded(200, 0),
            unconfirmed: vendor::unconfirmed(),
            partial: vendor::partial,
            token_dead: [coded(200, 4101), coded(410, 4101)],
            token_unusable: vendor::unusable(),
            target_refused: [coded(400, 4104)],
            credential_refused: [coded(401, 4010)],
            payload_refused: [coded(400, 4003)],
            rate_limited: vendor::limits(),
            retry_after_dates: true,
            unavailable: [coded(503, 5030).header("retry-after", "7"), coded(500, 5000)],
            unknown: vendor::unknown,
            auth: ("/oauth", granted()),
            access_lifetime: vendor::HOUR,
            auth_refused: [vendor::auth_refused()],
            auth_limited: [(429, "retry-after: 9", r#"{"error":"slow_down"}"#)],
            access_expired: coded(401, 4011),
            receipt: vendor::receipts,
            receipt_forged: vendor::forged,
        }
    };
}
pub(crate) use acme_conformance;
