//! APNs through the `a2` crate: a second engine for people who come from it, off by default.
//!
//! `provider-apns` is the engine to use. The limits of this one, and what follows from each, are in the crate's README;
//! where one bites, a comment here says so.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod classify;
mod payload;

use std::{fmt, io::Cursor, sync::OnceLock, time::Duration};

use a2::{
    Client, ClientConfig, CollapseId, Endpoint, NotificationOptions, Priority as A2Priority,
    PushType,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use push_core::{
    Batch, BuildContext, Capabilities, Channel, DynProvider, Environment, Error, ErrorKind, Health,
    Notification, NotificationKind, Plugin, Priority, Provider, ProviderKind, Result, Secret, Slot,
    Verdict, Verdicts, async_trait, register_plugin,
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
                .with_batch(100)
                .with_slots(&[Slot::Alert, Slot::Voip])
                .with_environment(config.environment)
                .with_collapse()
                .with_ttl(MAX_TTL),
            config,
            client: OnceLock::new(),
        };
        // Signs nothing and connects nowhere, but says now that the key is no key.
        provider.connect()?;
        Ok(std::sync::Arc::new(provider))
    }
}

struct Engine {
    config: Config,
    capabilities: Capabilities,
    /// Made at the first send: `a2` wants a runtime for its pool.
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

    fn topic(&self, notification: &Notification, slot: Slot) -> String {
        match push_type(notification, slot) {
            PushType::Voip => format!("{}.voip", self.config.topic),
            PushType::LiveActivity => format!("{}.push-type.liveactivity", self.config.topic),
            _ => self.config.topic.clone(),
        }
    }
}

fn push_type(notification: &Notification, slot: Slot) -> PushType {
    match (notification.kind, slot) {
        (NotificationKind::Voip, Slot::Voip) => PushType::Voip,
        (NotificationKind::LiveActivity, _) => PushType::LiveActivity,
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
        let notification = &*batch.notification;
        let json = match payload::render(notification, self.capabilities.max_payload) {
            Ok(json) => json,
            Err(verdict) => return verdicts.report_rest(&verdict),
        };
        let collapse = match notification.collapse.as_str() {
            "" => None,
            id => match CollapseId::new(id) {
                Ok(id) => Some(id),
                Err(_) => {
                    return verdicts.report_rest(&Verdict::payload_refused(
                        "BadCollapseId",
                        "the collapse key is longer than 64 bytes",
                    ));
                }
            },
        };
        let topic = self.topic(notification, batch.slot);
        let ids: Vec<String> = batch
            .targets
            .iter()
            .map(|it| it.delivery.to_string())
            .collect();
        let mut sending: FuturesUnordered<_> = batch
            .targets
            .iter()
            .enumerate()
            .map(|(position, target)| {
                let options = NotificationOptions {
                    apns_id: Some(&ids[position]),
                    apns_push_type: Some(push_type(notification, batch.slot)),
                    apns_expiration: notification
                        .expires_at
                        .map(|it| it.unix_seconds().max(1).unsigned_abs()),
                    apns_priority: Some(priority(notification)),
                    apns_topic: Some(&topic),
                    apns_collapse_id: collapse.as_ref().map(|it| CollapseId { value: it.value }),
                };
                let payload = Rendered {
                    json: &json,
                    token: target.token.expose(),
                    options,
                };
                async move { (position, client.send(payload).await) }
            })
            .collect();
        while let Some((position, outcome)) = sending.next().await {
            let token = &batch.targets[position].token;
            let mut verdict = classify::classify(outcome);
            verdict.answer = verdict.answer.without(token);
            verdicts.report(position, verdict);
        }
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
