//! Credentials, and the tokens that belong to them.
use offline_push::{
    AppId, CertificateId, Channel, CredentialRef, DeviceId, DeviceToken, Environment, Slot, UserId,
    api::RegistrationBody,
    gateway::{Gateway, Upload},
};
use push_provider_apns::ApnsConfig;
use serde_json::{Value, json};

use super::{Mistake, message, names::registry, run};

async fn gateway() -> Gateway {
    let builder = Gateway::builder().registry(registry()).in_memory();
    builder.start().await.expect("a gateway")
}

fn im() -> AppId {
    AppId::new("im").expect("an id")
}

/// A credential of APNs without a mistake.
fn good() -> Value {
    json!({
        "key": push_testkit::fixtures::apns_key(1), "key_id": "ABC123DEFG", "team_id": "DEF123GHIJ",
        "topic": "com.example.im", "environment": "production",
    })
}

fn upload(provider: &str, config: Value) -> Upload {
    let mut upload = Upload::of(&ApnsConfig::default());
    upload.provider = provider.to_owned();
    upload.config = config;
    upload
}

/// The message about a credential of this provider with this configuration.
fn added(provider: &str, config: Value) -> String {
    run(async {
        let gateway = gateway().await;
        message(
            gateway
                .add_credential(&im(), upload(provider, config))
                .await,
        )
    })
}

/// The message about the good credential with another value for `key`.
fn with(key: &str, value: Value) -> String {
    let mut config = good();
    config[key] = value;
    added("apns", config)
}

/// The answer to a token of `channel` with the id of the good credential and one more than it.
fn registered(channel: &Channel, more: i64, token: &str, environment: Environment) -> String {
    run(async {
        let gateway = gateway().await;
        let mut upload = upload("apns", good());
        upload.id = Some(CertificateId::new(7).expect("an id"));
        let added = gateway.add_credential(&im(), upload).await;
        added.expect("a good credential");
        let token = RegistrationBody::new(
            channel.clone(),
            CertificateId::new(7 + more).expect("an id"),
            environment,
            DeviceToken::new(token).expect("a token"),
        );
        let (alice, phone) = (UserId::new("alice"), DeviceId::new("phone"));
        let (alice, phone) = (alice.expect("an id"), phone.expect("an id"));
        let app = im();
        let registered = gateway.register(&app, &alice, &phone, Slot::Alert, token);
        match registered.await {
            Ok(answer) => answer
                .warning
                .map_or_else(String::new, |warning| warning.text),
            Err(error) => error.to_string(),
        }
    })
}

const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

pub(super) const MISTAKES: &[Mistake] = &[
    ("a provider is misspelt", || added("apn", good()), ""),
    (
        "a provider that is not enabled",
        || added("fcm", json!({})),
        "",
    ),
    ("a store for a provider", || added("memory", json!({})), ""),
    (
        "a key is misspelt",
        || with("topik", json!("com.example.im")),
        "",
    ),
    ("a key is missing", || with("key_id", Value::Null), ""),
    (
        "a credential without anything",
        || added("apns", json!({})),
        "",
    ),
    (
        "another file than the key",
        || with("key", json!("-----BEGIN CERTIFICATE-----")),
        "",
    ),
    (
        "a topic with a suffix",
        || with("topic", json!("com.example.im.voip")),
        "",
    ),
    (
        "a topic with the team",
        || with("topic", json!("DEF123GHIJ.com.example.im")),
        "",
    ),
    (
        "an environment that does not exist",
        || with("environment", json!("staging")),
        "",
    ),
    (
        "a file for its content",
        || with("key_file", json!("AuthKey.p8")),
        "",
    ),
    (
        "an id that is taken",
        || {
            run(async {
                let gateway = gateway().await;
                let mut upload = upload("apns", good());
                upload.id = Some(CertificateId::new(7).expect("an id"));
                let first = gateway.add_credential(&im(), upload.clone()).await;
                first.expect("a free id");
                message(gateway.add_credential(&im(), upload).await)
            })
        },
        "",
    ),
    (
        "a rotation to the other environment",
        || {
            run(async {
                let gateway = gateway().await;
                let added = gateway.add_credential(&im(), upload("apns", good())).await;
                let credential = CredentialRef::new(im(), added.expect("it is good").id);
                let mut other = good();
                other["environment"] = json!("sandbox");
                message(
                    gateway
                        .rotate_credential(&credential, upload("apns", other))
                        .await,
                )
            })
        },
        "",
    ),
    (
        "a credential that is not there",
        || {
            run(async {
                let credential = CredentialRef::new(im(), CertificateId::new(9).expect("an id"));
                message(gateway().await.verify_credential(&credential).await)
            })
        },
        "",
    ),
    (
        "a certificate id out of range",
        || message(CertificateId::new(0)),
        "",
    ),
    (
        "a token with an id of no credential",
        || registered(&Channel::APNS, 1, TOKEN, Environment::Production),
        "",
    ),
    (
        "a token of another channel than the credential's",
        || registered(&Channel::FCM, 0, TOKEN, Environment::Production),
        "",
    ),
    (
        "a text that is no token of the channel",
        || registered(&Channel::APNS, 0, "token-of-alice", Environment::Production),
        "",
    ),
    (
        "a token of a debug build with the credential of released apps",
        || registered(&Channel::APNS, 0, TOKEN, Environment::Sandbox),
        "",
    ),
    (
        "a token with a line break",
        || message(DeviceToken::new("abc\n")),
        "",
    ),
    ("an app without a name", || message(AppId::new("")), ""),
    (
        "a channel in capitals",
        || message(Channel::new("APNs")),
        "",
    ),
];
