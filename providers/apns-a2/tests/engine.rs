//! What can be tested of the engine without Apple, because it can be pointed at no other server.
use std::sync::Arc;

use push_core::{
    BuildContext, Collected, Environment, ErrorKind, ManualClock, Notification, RawConfig,
    Timestamp, VerdictKind, Verdicts,
};
use push_provider_apns_a2::PLUGIN;
use push_testkit::{fixtures, sample};

fn context() -> BuildContext {
    BuildContext::new(Arc::new(ManualClock::new(Timestamp::from_unix_seconds(
        1_700_000_000,
    ))))
}

fn config(key: &str) -> RawConfig {
    RawConfig::from_json(&serde_json::json!({
        "key": key,
        "key_id": "ABC123DEFG",
        "team_id": "DEF123GHIJ",
        "topic": "com.example.im",
        "environment": "sandbox",
    }))
    .expect("a table")
}

#[test]
fn a_key_that_is_no_key_is_refused_before_the_first_push() {
    let error = PLUGIN.build(config("not a key"), &context()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("provider/apns-a2"), "{error}");
    assert!(!error.to_string().contains("not a key"), "{error}");
}

#[test]
fn it_shows_neither_key_nor_text() {
    let provider = PLUGIN
        .build(config(&fixtures::apns_key(1)), &context())
        .unwrap();
    assert_eq!(provider.capabilities().channel.as_str(), "apns");
    assert!(!format!("{provider:?}").contains("PRIVATE"));
    assert!(PLUGIN.example().contains("key_file = "));
}

#[tokio::test]
async fn what_apple_would_refuse_is_refused_before_it_is_sent() {
    let provider = PLUGIN
        .build(config(&fixtures::apns_key(1)), &context())
        .unwrap();
    for (notification, code) in [
        (
            Notification::default()
                .with_body("a")
                .with_ext("a".repeat(5000)),
            "PayloadTooLarge",
        ),
        (
            Notification::default()
                .with_body("a")
                .with_collapse("a".repeat(65)),
            "BadCollapseId",
        ),
    ] {
        let mut batch = sample::batch(notification, ["aa"]);
        batch.environment = Environment::Sandbox;
        let seen = Collected::new();
        provider
            .send(batch, Verdicts::new(1, Arc::clone(&seen) as _))
            .await;
        let verdict = seen.get(0).unwrap();
        assert_eq!(verdict.kind, VerdictKind::PayloadRefused);
        assert_eq!(verdict.answer.code, code);
    }
}
