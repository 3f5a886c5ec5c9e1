//! What an operator can write, and what they read when it is wrong.

use std::sync::Arc;

use crate::support::{KEY_ID, TEAM_ID, TOPIC};
use push_core::{BuildContext, Environment, ErrorKind, Provider, RawConfig, Slot};
use push_provider_apns::{
    ApnsProvider, PLUGIN,
    simulator::{CertificateRequest, Options, PushCertificate, Simulator},
};
use push_testkit::{block_on, fixtures, json, rcgen, sample};
use serde_json::Value;

fn context() -> BuildContext {
    BuildContext::new(Arc::new(sample::clock()))
}

/// What an operator reads.
fn fault(config: &Value) -> String {
    let raw = RawConfig::from_json(config).expect("a table");
    let error = PLUGIN.build(raw, &context()).expect_err("a fault");
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    assert!(text.starts_with("provider/apns: "), "{text}");
    let shown = format!("{text} {error:?}");
    for secret in ["MIGHAgEA", "pass word", "MII"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    text
}

fn build(config: Value) -> ApnsProvider {
    let config = serde_json::from_value(config).expect("a configuration");
    ApnsProvider::new(config, &context()).expect("a configuration that is right")
}

fn key() -> Value {
    json!({
        "key": fixtures::apns_key(1),
        "key_id": KEY_ID,
        "team_id": TEAM_ID,
        "topic": TOPIC,
        "environment": "production",
    })
}

fn certificate(request: &CertificateRequest) -> PushCertificate {
    block_on(async {
        let apple = Simulator::start(Options::default())
            .await
            .expect("loopback");
        apple.issue_certificate(request)
    })
}

fn fixture(name: &str) -> String {
    use base64::Engine as _;
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    base64::engine::general_purpose::STANDARD.encode(std::fs::read(path).expect("a fixture"))
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let text = fault(&json!({
        "key": rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem(),
        "key_id": "short",
        "password": "pass word",
        "topic": "com example",
        "endpoint": "api.push.apple.com/3/device",
    }));
    for part in [
        "`key` is not an EC key on the curve P-256",
        "`key_id` has 10 letters and digits, not 5",
        "`team_id` is missing",
        "`password` belongs to a .p12",
        "`topic` is the app's bundle id",
        "`environment` is missing",
        "`endpoint` is a URL without a path",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn what_is_missing_or_contradicts_is_named() {
    let without = |name: &str| {
        let mut config = key();
        config.as_object_mut().unwrap().remove(name);
        fault(&config)
    };
    assert!(without("key").contains("`key` is missing"));
    assert!(without("key_id").contains("AuthKey_<key id>.p8"));
    assert!(without("team_id").contains("membership details"));
    assert!(without("topic").contains("com.example.chat"));
    assert!(without("environment").contains("sandbox for debug builds"));
    assert!(fault(&json!({})).contains("there is no credential"));
    let mut both = key();
    both["certificate"] = json!(fixture("openssl3.p12"));
    both["password"] = json!("secret");
    assert!(fault(&both).contains("exclude each other"));
    let mut http = key();
    http["http"] = json!({ "max_connections": 0 });
    assert!(fault(&http).contains("http.max_connections"));
    let mut environment = key();
    environment["environment"] = json!("debug");
    assert!(fault(&environment).contains("environment"));
}

#[test]
fn a_key_sends_to_every_slot_of_its_environment() {
    let provider = build(key());
    let can = provider.capabilities();
    assert_eq!(can.environment, Some(Environment::Production));
    assert_eq!(can.slots, [Slot::Alert, Slot::Voip, Slot::LiveActivity]);
    assert_eq!(can.expires_at, None);
    assert_eq!(can.max_payload, 4096);
    assert!(can.collapse);
}

/// Files of Keychain Access are encrypted with RC2 and triple DES, which OpenSSL 3 refuses.
#[test]
fn p12_files_of_every_age_read() {
    for (name, password) in [
        ("keychain-legacy.p12", "secret"),
        ("keychain-empty-password.p12", ""),
        ("openssl3.p12", "secret"),
    ] {
        let provider = build(json!({
            "certificate": fixture(name),
            "password": password,
            "environment": "sandbox",
        }));
        let facts = provider.certificate().unwrap();
        assert_eq!(facts.name, "Apple Push Services: com.example.im");
        assert_eq!(facts.bundle_id(), Some("com.example.im"));
        assert_eq!(
            facts.environments,
            [Environment::Sandbox, Environment::Production]
        );
        let topics: Vec<_> = facts
            .topics
            .iter()
            .map(|it| (it.topic.as_str(), it.kind.as_str()))
            .collect();
        assert_eq!(
            topics,
            [
                ("com.example.im", "app"),
                ("com.example.im.voip", "voip"),
                ("com.example.im.complication", "complication"),
            ]
        );
        let can = provider.capabilities();
        assert_eq!(can.slots, [Slot::Alert, Slot::Voip]);
        assert_eq!(can.expires_at, Some(facts.valid_until));
    }
}

#[test]
fn a_p12_file_that_does_not_open_says_why() {
    let wrong = |config: Value| fault(&config);
    let environment = "production";
    let text = wrong(
        json!({ "certificate": fixture("keychain-legacy.p12"), "password": "pass word", "environment": environment }),
    );
    assert!(text.contains("the password is not the one"), "{text}");
    let text =
        wrong(json!({ "certificate": fixture("keychain-legacy.p12"), "environment": environment }));
    assert!(text.contains("needs the password"), "{text}");
    let text = wrong(json!({ "certificate": fixture("without-key.p12"), "password": "secret" }));
    assert!(text.contains("without its private key"), "{text}");
    let text = wrong(json!({ "certificate": "%%%", "password": "secret" }));
    assert!(text.contains("base64 -w0"), "{text}");
    let text = wrong(json!({ "certificate": "AAAA", "password": "secret" }));
    assert!(text.contains("does not read as a .p12 file"), "{text}");
}

#[test]
fn topic_and_environment_come_from_the_certificate_where_it_says_them() {
    for environment in [Environment::Sandbox, Environment::Production] {
        let push = certificate(&CertificateRequest::new(TOPIC, &[environment]));
        let config = json!({ "certificate": push.p12("secret", false), "password": "secret" });
        let provider = build(config.clone());
        assert_eq!(provider.capabilities().environment, Some(environment));
        assert_eq!(provider.capabilities().slots, [Slot::Alert]);

        let mut other = config.clone();
        other["topic"] = json!("com.example.other");
        let text = fault(&other);
        assert!(
            text.contains("the certificate is for com.example.chat"),
            "{text}"
        );

        let mut other = config;
        let opposite = match environment {
            Environment::Sandbox => Environment::Production,
            Environment::Production => Environment::Sandbox,
        };
        other["environment"] = json!(opposite.as_str());
        let text = fault(&other);
        assert!(
            text.contains(&format!("the certificate is for {environment} only")),
            "{text}"
        );
    }
    let both = certificate(&CertificateRequest::new(TOPIC, Environment::ALL));
    let text = fault(&json!({ "certificate": both.p12("x", false), "password": "x" }));
    assert!(text.contains("`environment` is missing"), "{text}");
}

#[test]
fn a_certificate_in_pem_reads_in_one_text_or_two() {
    let push = certificate(&CertificateRequest::new(TOPIC, &[Environment::Production]));
    let (chain, key) = (push.certificate_pem(), push.key_pem());
    for config in [
        json!({ "certificate": format!("{chain}{key}") }),
        json!({ "certificate": format!("{key}{chain}") }),
        json!({ "certificate": chain, "key": key }),
        json!({ "certificate": format!("{chain}{key}").replace('\n', "\\n") }),
    ] {
        assert_eq!(
            build(config).certificate().unwrap().bundle_id(),
            Some(TOPIC)
        );
    }
    let text = fault(&json!({ "certificate": chain }));
    assert!(text.contains("has no private key"), "{text}");
    let text = fault(&json!({ "certificate": chain, "key": fixtures::apns_key(1) }));
    assert!(
        text.contains("does not belong to the private key"),
        "{text}"
    );
    let text = fault(&json!({ "certificate": key }));
    assert!(text.contains("there is only a private key"), "{text}");
}

/// The right leaf is found wherever it stands, and the rest goes along as its chain.
#[test]
fn the_order_of_certificates_in_a_file_does_not_matter() {
    let request = CertificateRequest::new(TOPIC, &[Environment::Production]);
    let (push, other) = (certificate(&request), certificate(&request));
    let text = format!(
        "{}{}{}",
        other.certificate_pem(),
        push.certificate_pem(),
        push.key_pem()
    );
    assert!(
        build(json!({ "certificate": text }))
            .certificate()
            .is_some()
    );
}

#[test]
fn the_configuration_shows_no_secret() {
    let push = certificate(&CertificateRequest::new(TOPIC, &[Environment::Production]));
    for config in [
        key(),
        json!({ "certificate": push.p12("pass word", false), "password": "pass word" }),
        json!({ "certificate": push.certificate_pem() + &push.key_pem() }),
    ] {
        let read: push_provider_apns::ApnsConfig = serde_json::from_value(config.clone()).unwrap();
        let provider = build(config);
        let shown = format!("{read:?} {provider:?} {push:?}");
        for secret in ["MIG", "MII", "pass word", "PRIVATE"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
