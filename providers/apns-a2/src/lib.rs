//! APNs through the `a2` crate: a second engine for people who come from it. It is part of no default and no named stack.
//!
//! `provider-apns` is the engine to use. `a2` brings a second TLS stack: rustls 0.22 with `ring` and rustls-webpki 0.102, which
//! has open security advisories. The other limits, and what follows from each, are in the crate's README.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod classify;
mod payload;

use std::{
    fmt,
    io::Cursor,
    sync::{Arc, OnceLock},
    time::Duration,
};

use a2::{
    Client, ClientConfig, CollapseId, Endpoint, NotificationOptions, Priority as A2Priority,
    PushType,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use push_core::{
    Batch, Batching, BuildContext, Capabilities, Channel, DeviceToken, DynProvider, Environment,
    Error, ErrorKind, Health, Notification, NotificationKind, Plugin, Priority, Provider,
    ProviderKind, Result, Secret, Slot, Target, Verdict, Verdicts, async_trait, register_plugin,
};
use serde::Deserialize;

use crate::payload::Rendered;

register_plugin!(ApnsA2);

/// Apple keeps a notification for at most thirty days.
const MAX_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// A token that no phone has: it shows whether the credential is accepted.
const NOBODY: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The plugin `provider/apns-a2`.
#[derive(Debug)]
pub enum ApnsA2 {}

/// What a credential consists of: the key of a team, and the app it is used for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The `.p8` key, PEM.
    pub key: Secret,
    /// The key's id, ten characters.
    pub key_id: String,
    /// The team's id, ten characters.
    pub team_id: String,
    /// The app's bundle id.
    pub topic: String,
    /// Which of Apple's hosts it sends to.
    pub environment: Environment,
    /// How long to wait for an answer, in seconds. Default: 20.
    #[serde(default = "twenty")]
    pub timeout_seconds: u64,
}

const fn twenty() -> u64 {
    20
}

impl Plugin for ApnsA2 {
    type Kind = ProviderKind;
    type Config = Config;
    const NAME: &'static str = "apns-a2";
    const EXAMPLE: &'static str = r#"key_file = "AuthKey_ABC123DEFG.p8"
key_id = "ABC123DEFG"
team_id = "DEF123GHIJ"
topic = "com.example.im"
environment = "production"
"#;

    fn build(config: Config, _: &BuildContext) -> Result<DynProvider> {
        for (key, value) in [("key_id", &config.key_id), ("team_id", &config.team_id)] {
            if value.len() != 10 {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!("`{key}` has {} characters; Apple's have ten", value.len()),
                ));
            }
        }
        if config.topic.is_empty() {
            return Err(Error::new(ErrorKind::Config, "`topic` is empty")
                .advise("write the app's bundle id"));
        }
        let provider = Engine {
            capabilities: Capabilities::new(Channel::APNS, 4096)
                .with_kinds(&[
                    NotificationKind::Alert,
                    NotificationKind::Background,
                    NotificationKind::Voip,
                ])
                .with_batch(100, Batching::Mixed)
                .with_slots(&[Slot::Alert, Slot::Voip])
                .with_environment(config.environment)
                .with_collapse()
                .with_ttl(Duration::from_secs(1), MAX_TTL)
                .with_repair(
                    "check in the developer account that the .p8 key was not revoked, and that `key_id`, `team_id`, `topic` and environment are those of the app",
                ),
            config,
            client: OnceLock::new(),
        };
        // Neither signs nor connects, but fails if the key cannot be read.
        provider.connect()?;
        Ok(Arc::new(provider))
    }
}

struct Engine {
    config: Config,
    capabilities: Capabilities,
    /// Built at the first send, because the pool of `a2` needs a runtime.
    client: OnceLock<Client>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApnsA2")
            .field("topic", &self.config.topic)
            .field("environment", &self.config.environment)
            .finish_non_exhaustive()
    }
}

impl Engine {
    fn connect(&self) -> Result<Client> {
        let mut settings = ClientConfig::new(match self.config.environment {
            Environment::Production => Endpoint::Production,
            Environment::Sandbox => Endpoint::Sandbox,
        });
        settings.request_timeout_secs = Some(self.config.timeout_seconds);
        Client::token(
            &mut Cursor::new(self.config.key.expose().as_bytes()),
            &self.config.key_id,
            &self.config.team_id,
            settings,
        )
        .map_err(|_| {
            Error::new(ErrorKind::Config, "`key` is not a P-256 key in PEM")
                .advise("use the .p8 file as Apple gave it")
        })
    }

    fn client(&self) -> Result<&Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = self.connect()?;
        Ok(self.client.get_or_init(|| client))
    }

    async fn send_one(&self, client: &Client, target: &Target, slot: Slot) -> Verdict {
        let notification = &target.content.notification;
        let json = match payload::render(target, self.capabilities.max_payload) {
            Ok(json) => json,
            Err(verdict) => return verdict,
        };
        let id = target.delivery.to_string();
        // Every push has a collapse id, because one without cannot be replaced later.
        let collapse = match notification.collapse.as_str() {
            "" => CollapseId::new(&id),
            key => CollapseId::new(key),
        };
        let Ok(collapse) = collapse else {
            return Verdict::payload_refused(
                "BadCollapseId",
                "the collapse key is longer than 64 bytes",
            );
        };
        let topic = self.topic(notification, slot);
        let options = NotificationOptions {
            apns_id: Some(&id),
            apns_push_type: Some(push_type(notification, slot)),
            apns_expiration: notification
                .expires_at
                .map(|at| at.unix_seconds().max(1).unsigned_abs()),
            apns_priority: Some(priority(notification)),
            apns_topic: Some(&topic),
            apns_collapse_id: Some(collapse),
        };
        let payload = Rendered {
            json: &json,
            token: target.token.expose(),
            options,
        };
        let mut verdict = classify::classify(client.send(payload).await);
        let answer = Arc::unwrap_or_clone(verdict.answer);
        verdict.answer = Arc::new(answer.without(&target.token));
        verdict
    }

    fn topic(&self, notification: &Notification, slot: Slot) -> String {
        match push_type(notification, slot) {
            PushType::Voip => format!("{}.voip", self.config.topic),
            _ => self.config.topic.clone(),
        }
    }
}

fn push_type(notification: &Notification, slot: Slot) -> PushType {
    match (notification.kind, slot) {
        (NotificationKind::Voip, Slot::Voip) => PushType::Voip,
        (NotificationKind::Background, _) => PushType::Background,
        _ => PushType::Alert,
    }
}

fn priority(notification: &Notification) -> A2Priority {
    match (notification.kind, notification.priority) {
        (NotificationKind::Background, _) | (_, Priority::Normal | Priority::Low) => {
            A2Priority::Normal
        }
        (_, Priority::High) => A2Priority::High,
    }
}

#[async_trait]
impl Provider for Engine {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        let client = match self.client() {
            Ok(client) => client,
            Err(error) => return verdicts.report_rest(&Verdict::unavailable(error.to_string())),
        };
        let mut sending: FuturesUnordered<_> = batch
            .targets
            .iter()
            .enumerate()
            .map(|(position, target)| async move {
                (position, self.send_one(client, target, batch.slot).await)
            })
            .collect();
        while let Some((position, verdict)) = sending.next().await {
            verdicts.report(position, verdict);
        }
    }

    fn check_token(&self, _: Slot, token: &DeviceToken) -> Result<DeviceToken> {
        let digits = token.expose();
        if digits.len().is_multiple_of(2) && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return DeviceToken::new(digits.to_ascii_lowercase());
        }
        Err(Error::new(
            ErrorKind::Invalid,
            "a token of APNs is an even number of hexadecimal digits, and this is not",
        )
        .advise("write each byte of the `Data` that iOS hands over as two hexadecimal digits"))
    }

    async fn verify(&self) -> Result<Health> {
        let options = NotificationOptions {
            apns_topic: Some(&self.config.topic),
            apns_push_type: Some(PushType::Alert),
            ..NotificationOptions::default()
        };
        let payload = Rendered {
            json: r#"{"aps":{"alert":"?"}}"#,
            token: NOBODY,
            options,
        };
        classify::health(self.client()?.send(payload).await)
    }
}
