//! The suite that every provider passes: the answers of Mozilla's, Apple's and Google's push services.
use std::time::Duration;

use push_core::{Scope, TokenFault};
use push_provider_webpush::simulator::Keys;
use push_testkit::{
    Reply,
    conformance::{Sent, Shown},
    json,
    serde_json::{self, Value},
};

/// The keys of the suite's browser.
fn keys() -> Keys {
    Keys::read(
        "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94",
        "BTBZMqHH6r4Tts7J_aSIgg",
    )
}

fn token(url: &str, number: usize) -> String {
    keys().subscription(&format!("{url}/wpush/v2/gAAAAABsubscription-{number:06}"))
}

/// The path of the endpoint in a token.
fn path(token: &str) -> String {
    let token: Value = serde_json::from_str(token).expect("JSON");
    let endpoint = token["endpoint"].as_str().expect("an endpoint");
    let (_, rest) = endpoint.split_once("://").expect("a URL");
    rest[rest.find('/').expect("a path")..].to_owned()
}

/// What the service worker reads, with the header `Urgency`.
fn shown(sent: &Sent) -> Shown {
    assert_eq!(sent.header("content-encoding"), Some("aes128gcm"));
    let opened = keys().open(&sent.body).expect("it is for this browser");
    let mut json: Value = serde_json::from_slice(&opened.text).expect("JSON");
    if let Some(urgency) = sent.header("urgency") {
        json["urgency"] = urgency.into();
    }
    let mut shown = Shown::new(json)
        .token(sent.uri.path())
        .title_at("/title")
        .body_at("/body")
        .ext_at("/ext")
        .delivery_at("/delivery")
        .receiver_at("/receiver")
        .badge_at("/badge");
    let ttl = sent.header("ttl").expect("a TTL").parse();
    shown.ttl = Some(Duration::from_secs(ttl.expect("seconds")));
    shown.collapse = sent.header("topic").map(str::to_owned);
    shown
}

fn created() -> Reply {
    Reply::new(201)
        .header(
            "location",
            "https://updates.push.services.mozilla.com/m/gAAAAAB",
        )
        .header("ttl", "86400")
}

fn mozilla(status: u16, errno: i64, message: &str) -> Reply {
    Reply::new(status).json(json!({
        "code": status, "errno": errno, "error": "words", "message": message,
        "more_info": "http://autopush.readthedocs.io/en/latest/http.html#error-codes",
    }))
}

fn apple(status: u16, reason: &str) -> Reply {
    Reply::new(status).json(json!({ "reason": reason }))
}

fn google(status: u16, line: &str) -> Reply {
    Reply::new(status)
        .header("content-type", "text/plain; charset=utf-8")
        .body(format!("{line}\n"))
}

push_testkit::provider_conformance! {
    plugin: push_provider_webpush::Webpush,
    descriptor: push_provider_webpush::PLUGIN,

    config: |endpoint, ca_pem| json!({
        "private_key": "Fu-1S7TkL8oI0FMVdllcOHwf7qcEks-8H8qJKcqr3zA",
        "public_key": "BJ5e4UjtKtT-1LyuZkIKvxjro_NdSwqT2MLfojYWqcHCdmzR5q48ASmHwVeLkk-xz2Hes7UB-UmA9Wvi6bmRY-0",
        "subject": "mailto:ops@example.com",
        "origins": [endpoint, "https://localhost:1"],
        "icon": "https://im.example.com/icon.png",
        "badge_icon": "/badge.png",
        "background": true,
        "trust_status": false,
        "http": { "extra_ca_pem": ca_pem },
    }),
    wrong_config: [
        ("private_key", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        ("subject", json!("mailto:mailto:ops@example.com")),
        ("origins", json!(["http://push.example.com"])),
        ("urgency", json!("urgent")),
        ("icon", json!("http://im.example.com/icon.png")),
        ("badge_icon", json!("badge.png")),
        ("ttl", json!("29d")),
    ],
    secrets: ["Fu-1S7TkL8oI0FMVdllcOHwf7qcEks-8H8qJKcqr3zA"],
    signature: (Duration::from_secs(12 * 3600), |sent: &Sent| {
        sent.header("authorization").expect("a signature").to_owned()
    }),
    cannot_verify: true,

    tokens: token,
    seen_as: path,
    token_forms: [
        (
            r#"{"endpoint":"https://localhost:1/p","expirationTime":null,"keys":{"auth":"BTBZMqHH6r4Tts7J_aSIgg==","p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4="}}"#,
            r#"{"endpoint":"https://localhost:1/p","keys":{"p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4","auth":"BTBZMqHH6r4Tts7J_aSIgg"}}"#,
        ),
    ],
    wrong_tokens: [
        "https://fcm.googleapis.com/fcm/send/the-endpoint-alone",
        "[object PushSubscription]",
        r#"{"endpoint":"https://localhost:1/p","keys":{}}"#,
    ],
    shown: shown,
    overlay: [
        json!({ "urgency": "very-low", "icon": "https://im.example.com/other.png" }),
        json!({ "require_interaction": true, "renotify": true, "lang": "zh", "dir": "ltr", "vibrate": [100, 50] }),
        json!({ "actions": [{ "action": "reply", "title": "Reply" }], "data": { "a": [1] }, "silent": true }),
    ],
    protected_fields: [
        json!({ "ext": "{}" }),
        json!({ "tag": "other" }),
        json!({ "background": false }),
    ],

    ok: created(),
    unconfirmed: [
        Reply::new(200),
        Reply::new(201),
        Reply::new(202),
        Reply::new(201).header("ttl", "86400"),
        Reply::new(201).header("location", "/"),
    ],
    token_dead: [
        mozilla(404, 102, "Invalid endpoint"),
        mozilla(410, 103, "Expired"),
        mozilla(410, 105, "Became unavailable"),
        mozilla(410, 106, "No such subscription"),
        apple(404, "BadPath"),
        apple(410, "Unregistered"),
        google(410, "push subscription has unsubscribed or expired."),
        google(404, "A valid push subscription endpoint should be specified in the URL as such: https://fcm.googleapis.com/wp/dHIoDxE7Hdg:APA91bH1Zj0kNa..."),
        Reply::new(410).header("x-wns-status", "dropped"),
    ],
    token_unusable: [
        (TokenFault::App, mozilla(401, 109, "VAPID public key mismatch")),
        (TokenFault::App, apple(400, "VapidPkHashMismatch")),
        (TokenFault::App, apple(403, "VapidPkHashMismatch")),
        (TokenFault::App, google(403, "the VAPID credentials in the authorization header do not correspond to the credentials used to create the subscriptions.")),
    ],
    target_refused: [mozilla(400, 108, "router type"), Reply::new(403).header("x-wns-msg-id", "1")],
    credential_refused: [
        mozilla(401, 109, "Invalid VAPID audience"),
        apple(403, "BadJwtToken"),
        apple(403, "BadVapidPublicKey"),
        apple(403, "BadAuthorizationHeader"),
        google(403, "token has expired"),
        google(403, "invalid JWT provided"),
    ],
    payload_refused: [
        mozilla(400, 111, "Missing TTL"),
        mozilla(413, 104, "too large"),
        apple(400, "BadTtl"),
        apple(400, "BadWebPushTopic"),
        apple(405, "MethodNotAllowed"),
        apple(413, "PayloadTooLarge"),
    ],
    rate_limited: [
        (Scope::Token, apple(429, "TooManyRequests").header("retry-after", "7")),
        (Scope::Origin, mozilla(429, 7, "slow down").header("retry-after", "3600")),
        (Scope::Origin, Reply::new(429).header("retry-after", "7")),
        (Scope::Origin, Reply::new(406).header("x-wns-status", "channelthrottled").header("retry-after", "7")),
    ],
    retry_after_dates: true,
    unavailable: [
        mozilla(503, 201, "back off").header("retry-after", "120"),
        mozilla(503, 202, "retry"),
        mozilla(502, 902, "bridge"),
        mozilla(500, 999, "unknown"),
        apple(400, "IdleTimeout"),
        apple(500, "InternalServerError"),
        apple(503, "Shutdown"),
        google(503, "try again").header("retry-after", "7"),
    ],
    unknown: |status, code| mozilla(status, code.parse().expect("digits"), "new"),
    status_is_final: true,
}
