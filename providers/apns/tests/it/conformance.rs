//! The suite of every provider, in Apple's words.

use crate::support::{KEY_ID, TEAM_ID, TOPIC};
use push_testkit::{Alpn, fixtures, json};

push_testkit::provider_conformance! {
    plugin: push_provider_apns::Apns,
    descriptor: push_provider_apns::PLUGIN,
    config: |endpoint, ca_pem| {
        let mut http = json!({});
        if !ca_pem.is_empty() {
            http["extra_ca_pem"] = json!(ca_pem);
        }
        json!({
            "key": fixtures::apns_key(1),
            "key_id": KEY_ID,
            "team_id": TEAM_ID,
            "topic": TOPIC,
            "environment": "production",
            "endpoint": endpoint,
            "http": http,
        })
    },
    secrets: ["MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg1o"],
    token: "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0",
    protocols: [Alpn::H2],
    ok: (200, "apns-id: eabeae54-14a8-11e5-b60b-1697f925ec7b", ""),
    token_dead: [
        (410, r#"{"reason":"Unregistered","timestamp":1454948015990}"#),
        (410, r#"{"reason":"ExpiredToken","timestamp":1454948015990}"#),
    ],
    token_mismatch: [
        (400, r#"{"reason":"BadDeviceToken"}"#),
        (400, r#"{"reason":"DeviceTokenNotForTopic"}"#),
    ],
    credential_refused: [
        (403, r#"{"reason":"InvalidProviderToken"}"#),
        (403, r#"{"reason":"MissingProviderToken"}"#),
        (403, r#"{"reason":"Forbidden"}"#),
        (403, r#"{"reason":"BadCertificateEnvironment"}"#),
        (400, r#"{"reason":"TopicDisallowed"}"#),
    ],
    payload_refused: [
        (400, r#"{"reason":"BadCollapseId"}"#),
        (400, r#"{"reason":"PayloadEmpty"}"#),
        (413, r#"{"reason":"PayloadTooLarge"}"#),
    ],
    rate_limited: [
        (429, "retry-after: 7", r#"{"reason":"TooManyRequests"}"#),
    ],
    retry_after_dates: true,
    unavailable: [
        (500, "", r#"{"reason":"InternalServerError"}"#),
        (503, "retry-after: 7", r#"{"reason":"ServiceUnavailable"}"#),
        (503, "", r#"{"reason":"Shutdown"}"#),
    ],
    unknown: ((400, r#"{"reason":"InventedTomorrow"}"#), "InventedTomorrow"),
    verify_accepted: [(400, r#"{"reason":"BadDeviceToken"}"#)],
}
