//! The suite that every provider passes, in the vendor's terms. Take each answer from the vendor's page.
use push_core::{Scope, TokenFault};
use push_testkit::{Reply, conformance::Shown, json};

fn coded(status: u16, code: i64) -> Reply {
    Reply::new(status)
        .json(json!({ "code": code, "message": "as documented", "request_id": "r-1" }))
}

push_testkit::provider_conformance! {
    plugin: push_provider_webpush::Webpush,
    descriptor: push_provider_webpush::PLUGIN,

    // The credential.
    config: |endpoint, ca_pem| json!({
        "app_id": "1001",
        "app_secret": "the-secret-of-a-test",
        "endpoint": endpoint,
        "category": "WORK",
        "http": { "extra_ca_pem": ca_pem },
    }),
    wrong_config: [("app_id", "10 01"), ("app_secret", ""), ("endpoint", "https://localhost/path")],
    secrets: ["the-secret-of-a-test"],

    // A request, read as the vendor and its phones read it.
    token: "webpush-token-000000",
    token_forms: [(" webpush-token-000001 ", "webpush-token-000001")],
    shown: |sent| Shown::new(sent.json())
        .tokens_at("/to")
        .title_at("/title")
        .body_at("/text")
        .ext_at("/data/ext")
        .delivery_at("/data/delivery")
        .receiver_at("/data/receiver")
        .badge_at("/badge")
        .ttl_at("/ttl")
        .collapse_at("/replaces")
        .dedup_at("/id"),
    overlay: [json!({ "category": "IM" }), json!({ "style": { "picture": "https://img.example/1.png" } })],
    protected_fields: [json!({ "topic": "everyone" }), json!({ "id": "1" })],

    // What the vendor answers.
    ok: coded(200, 0),
    unconfirmed: [(200, json!({ "code": 0, "message": "ok" })), (200, json!({ "code": 0, "request_id": "" }))],
    token_dead: [coded(400, 40001)],
    token_unusable: [(TokenFault::App, coded(400, 40002))],
    credential_refused: [coded(401, 40100)],
    payload_refused: [coded(400, 40003)],
    rate_limited: [(Scope::Credential, coded(429, 42900).header("retry-after", "7"))],
    retry_after_dates: true,
    unavailable: [coded(503, 50300).header("retry-after", "7"), coded(500, 50000)],
    unknown: |status, code| coded(status, code.parse().expect("digits")),
}
