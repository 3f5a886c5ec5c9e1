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
    let builder = Gateway::in_memory().registry(registry());
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

/// What a developer account offers for download beside the key.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

pub(super) const MISTAKES: &[Mistake] = &[
    (
        "a provider is misspelt",
        || added("apn", good()),
        "no provider `apn` in this build; compiled in: apns; did you mean `apns`?",
    ),
    (
        "a provider that is not enabled",
        || added("fcm", json!({})),
        "no provider `fcm` in this build; compiled in: apns; add its feature to the dependency: offline-push = { version = \"0.1\", features = [\"provider-fcm\"] }",
    ),
    (
        "a store for a provider",
        || added("memory", json!({})),
        "no provider `memory` in this build; compiled in: apns; `memory` is the name of a plugin of kind queue; write that of a provider",
    ),
    (
        "a key is misspelt",
        || with("topik", json!("com.example.im")),
        "provider/apns: topik: is not a known key: did you mean `topic`? Known are `key`, `key_id`, `team_id`, `certificate`, `password`, `topic`, `environment`, `endpoint`, `http`; a complete example is `registry.find(\"provider\", \"apns\")?.example()`",
    ),
    (
        "a key is missing",
        || with("key_id", Value::Null),
        "provider/apns: key_id: is missing; it is in the name of the file, AuthKey_<key id>.p8",
    ),
    (
        "a credential without anything",
        || added("apns", json!({})),
        "provider/apns: key: is missing, and there is no certificate either; set key, key_id and team_id of a .p8 key, or certificate and password of a .p12 file; also provider/apns: topic: is missing; set it to the app's bundle id, as in com.example.chat; also provider/apns: environment: is missing; write \"sandbox\" for debug builds, \"production\" for released apps and TestFlight",
    ),
    (
        "another file than the key",
        || with("key", json!(CERTIFICATE)),
        "provider/apns: key: is not the text of a .p8 file; use the whole file, from BEGIN PRIVATE KEY to END PRIVATE KEY; a complete example is `registry.find(\"provider\", \"apns\")?.example()`",
    ),
    (
        "a topic with a suffix",
        || with("topic", json!("com.example.im.voip")),
        "provider/apns: topic: ends in .voip, and the gateway adds the suffix of each push type itself; write the bundle id without .voip",
    ),
    (
        "a topic with the team",
        || with("topic", json!("DEF123GHIJ.com.example.im")),
        "provider/apns: topic: begins with a team id; write the bundle id alone, which is com.example.im",
    ),
    (
        "an environment that does not exist",
        || with("environment", json!("staging")),
        "provider/apns: environment: is not one of the words that can stand here; write \"sandbox\" for debug builds, \"production\" for released apps and TestFlight",
    ),
    (
        "a file for its content",
        || with("key_file", json!("AuthKey.p8")),
        "the configuration names a file in `key_file`; send the file's content under the key without `_file`",
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
        "app im has a credential 7 already; rotate that one, or choose another number",
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
        "certificate 1 is for another environment than this content; rotate it with content for the same environment; the other environment has an id of its own",
    ),
    (
        "a credential that is not there",
        || {
            run(async {
                let credential = CredentialRef::new(im(), CertificateId::new(9).expect("an id"));
                message(gateway().await.verify_credential(&credential).await)
            })
        },
        "app im has no certificate 9; list the credentials of the app: each has its id",
    ),
    (
        "a certificate id out of range",
        || message(CertificateId::new(0)),
        "0 is not a certificate id: they are whole numbers from 1 up; use the id that the gateway gave the credential when it was uploaded",
    ),
    (
        "a token with an id of no credential",
        || registered(&Channel::APNS, 1, TOKEN, Environment::Production),
        "certificate-unknown: the certificate id of the token names no credential of this app; upload the credential, or correct the id in the app. A certificate is renewed in place: deleting and adding it again changes its id",
    ),
    (
        "a token of another channel than the credential's",
        || registered(&Channel::FCM, 0, TOKEN, Environment::Production),
        "channel-mismatch: the certificate id belongs to a credential of another vendor than the token; correct the certificate id for this channel in the app",
    ),
    (
        "a text that is no token of the channel",
        || registered(&Channel::APNS, 0, "token-of-alice", Environment::Production),
        "the device token has characters that are no hexadecimal digits, so it is not a token of APNs; write each byte of the `Data` that iOS hands over as two hexadecimal digits, nothing in between",
    ),
    (
        "a token of a debug build with the credential of released apps",
        || registered(&Channel::APNS, 0, TOKEN, Environment::Sandbox),
        "the token does not belong to the certificate's environment: a debug build's token needs the development certificate's id, a release build's the production one's; give the build the certificate id of its own environment: certificate_id!(…, debug = …, release = …)",
    ),
    (
        "a token with a line break",
        || message(DeviceToken::new("abc\n")),
        "the device token has a character that is not printable ASCII; pass it as the phone's system or the vendor's SDK returned it",
    ),
    (
        "an app without a name",
        || message(AppId::new("")),
        "the app id is empty",
    ),
    (
        "a channel in capitals",
        || message(Channel::new("APNs")),
        "a channel's name is 1 to 32 lower-case letters, digits and single hyphens, beginning with a letter",
    ),
];
