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
fn every_fault_is_reported_at_once() {
    let text = fault(&json!({
        "key": rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem(),
        "key_id": "short",
        "password": "pass word",
        "topic": "com example",
        "endpoint": "api.push.apple.com/3/device",
        "http": { "max_connections": 0 },
    }));
    for part in [
        "key: is an EC key on another curve than P-256",
        "key_id: has 5 characters, and Apple's have 10 letters and digits",
        "team_id: is missing",
        "password: belongs to a .p12",
        "topic: is not a bundle id",
        "environment: is missing",
        "endpoint: is not a URL",
        "http.max_connections",
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
    assert!(without("key").contains("key: is missing"));
    assert!(without("key_id").contains("AuthKey_<key id>.p8"));
    assert!(without("team_id").contains("membership details"));
    assert!(without("topic").contains("com.example.chat"));
    assert!(without("environment").contains("\"sandbox\" for debug builds"));
    assert!(fault(&json!({})).contains("there is no certificate either"));
    let mut both = key();
    both["certificate"] = json!(fixture("openssl3.p12"));
    both["password"] = json!("secret");
    assert!(fault(&both).contains("exclude each other"));
    let mut http = key();
    http["http"] = json!({ "max_connections": 0 });
    assert!(fault(&http).contains("http.max_connections"));
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
    assert!(text.contains("environment: is missing"), "{text}");
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

fn text_fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("a fixture")
}

/// Files that editors and shells changed, and keys that went through environment variables.
#[test]
fn a_key_is_read_however_its_line_breaks_were_lost() {
    let pem = fixtures::apns_key(1);
    for text in [
        text_fixture("p8-bom-crlf.p8"),
        text_fixture("p8-one-line.txt"),
        pem.replace('\n', ""),
        pem.replace('\n', "\\n"),
        pem.replace('\n', "\\\\n"),
        pem.replace('\n', "\n    "),
        format!("\"{}\"", pem.replace('\n', "\\n")),
    ] {
        let mut config = key();
        config["key"] = json!(text);
        build(config);
    }
}

#[test]
fn a_key_that_is_cut_off_is_named_as_such() {
    let mut config = key();
    let pem = fixtures::apns_key(1);
    config["key"] = json!(pem[..pem.len() - 40]);
    let text = fault(&config);
    assert!(text.contains("key: is cut off"), "{text}");
    config["key"] = json!("AuthKey_ABC123DEFG.p8");
    let text = fault(&config);
    assert!(text.contains("is not the text of a .p8 file"), "{text}");
}

/// `echo secret > password.txt` ends the file with a line break, and editors of Windows begin it with a byte order mark.
#[test]
fn what_was_added_around_a_password_is_ignored() {
    for password in [
        text_fixture("p12-password.txt"),
        "secret\r\n".to_owned(),
        "secret\n\n".to_owned(),
        "\u{feff}secret".to_owned(),
        "  secret ".to_owned(),
        "secret\\n".to_owned(),
        "secret\\\\r\\\\n".to_owned(),
        "\"secret\"".to_owned(),
        "secret".to_owned(),
    ] {
        let provider = build(json!({ "certificate": fixture("push.p12"), "password": password }));
        assert_eq!(
            provider.certificate().unwrap().bundle_id(),
            Some("com.example.im")
        );
    }
    let text = fault(&json!({ "certificate": fixture("push.p12"), "password": "se cret\n" }));
    assert!(text.contains("the password is not the one"), "{text}");
}

#[test]
fn a_certificate_that_is_not_for_push_is_refused_by_its_name() {
    let text = fault(&json!({
        "certificate": text_fixture("distribution-certificate.pem"),
        "environment": "production",
    }));
    assert!(
        text.contains("certificate: is not a push certificate"),
        "{text}"
    );
    assert!(text.contains("iPhone Distribution"), "{text}");
    assert!(text.contains("Apple Push Services:"), "{text}");
    assert!(!text.contains("topic"), "{text}");
}

#[test]
fn of_several_certificates_the_push_certificate_of_the_topic_is_taken() {
    let chat = certificate(&CertificateRequest::new(TOPIC, &[Environment::Production]));
    let mail = certificate(&CertificateRequest::new(
        "com.example.mail",
        &[Environment::Production],
    ));
    let signing = text_fixture("distribution-certificate.pem");
    let of = |parts: &[String]| json!({ "certificate": parts.concat() });
    let pem = |push: &PushCertificate| push.certificate_pem() + &push.key_pem();
    let provider = build(of(&[signing.clone(), pem(&chat)]));
    assert_eq!(provider.certificate().unwrap().bundle_id(), Some(TOPIC));
    let mut both = of(&[pem(&mail), signing, pem(&chat)]);
    let text = fault(&both);
    assert!(
        text.contains("several apps (com.example.chat, com.example.mail)"),
        "{text}"
    );
    both["topic"] = json!(TOPIC);
    assert_eq!(build(both).certificate().unwrap().bundle_id(), Some(TOPIC));
}

#[test]
fn of_two_certificates_of_one_app_the_one_that_is_valid_longer_is_taken() {
    let until = |minutes: u32| {
        let end = sample::NOW + crate::support::minutes(minutes);
        certificate(
            &CertificateRequest::new(TOPIC, &[Environment::Production]).valid(sample::NOW, end),
        )
    };
    let (old, new) = (until(60), until(600));
    for parts in [[&old, &new], [&new, &old]] {
        let text: String = parts
            .iter()
            .map(|push| push.certificate_pem() + &push.key_pem())
            .collect();
        let facts = build(json!({ "certificate": text }))
            .certificate()
            .unwrap()
            .clone();
        assert_eq!(
            facts.valid_until,
            sample::NOW + crate::support::minutes(600)
        );
    }
}

#[test]
fn a_topic_is_the_bundle_id_alone() {
    for (topic, words) in [
        ("com.example.im.voip", "write the bundle id without .voip"),
        (
            "com.example.im.push-type.liveactivity",
            "without .push-type.liveactivity",
        ),
        ("com.example.im.complication", "without .complication"),
        ("DEF123GHIJ.com.example.im", "which is com.example.im"),
        ("ZYX987WVUT.com.example.im", "which is com.example.im"),
        ("com example", "is not a bundle id"),
    ] {
        let mut config = key();
        config["topic"] = json!(topic);
        let text = fault(&config);
        assert!(text.contains("topic: "), "{text}");
        assert!(text.contains(words), "{text}");
    }
    for topic in [
        "com.example.im",
        "com.example.voip-chat",
        " com.example.im\n",
    ] {
        let mut config = key();
        config["topic"] = json!(topic);
        build(config);
    }
}

#[test]
fn an_environment_is_known_by_the_names_that_others_use() {
    for (word, environment) in [
        ("sandbox", Environment::Sandbox),
        ("development", Environment::Sandbox),
        ("Development", Environment::Sandbox),
        ("dev", Environment::Sandbox),
        ("production", Environment::Production),
        ("prod", Environment::Production),
        ("PRODUCTION\n", Environment::Production),
    ] {
        let mut config = key();
        config["environment"] = json!(word);
        assert_eq!(build(config).capabilities().environment, Some(environment));
    }
    let mut config = key();
    config["environment"] = json!("staging");
    let text = fault(&config);
    assert!(
        text.contains("\"sandbox\"") && text.contains("\"production\""),
        "{text}"
    );
    assert!(!text.contains("variant"), "{text}");
}
