//! APNs through the `a2` crate: a second engine for people who come from it. It is part of no default and no named stack.
//!
//! `provider-apns` is the engine to use. `a2` brings a second TLS stack: rustls 0.22 with `ring` and rustls-webpki 0.102, which
//! has open security advisories. The other limits, and what follows from each, are in the crate's README.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod classify;
mod config;
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
    Batch, Batching, BuildContext, Capabilities, Channel, Clock, DeliveryId, DeviceToken,
    DynProvider, Environment, Error, ErrorKind, Health, NotificationKind, Plugin, Priority,
    Provider, ProviderKind, Result, Slot, Target, Verdict, Verdicts, async_trait, register_plugin,
};
use push_kit::token::{self, trimmed};

pub use crate::config::Config;
use crate::{
    config::Settings,
    payload::{Rendered, sets_badge, shows_text},
};

register_plugin!(ApnsA2);

/// Apple keeps a notification for at most thirty days.
const MAX_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// A token that no phone has: it shows whether the credential is accepted.
const UNKNOWN_TOKEN: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The plugin `provider/apns-a2`.
#[derive(Debug)]
pub enum ApnsA2 {}

impl Plugin for ApnsA2 {
    type Kind = ProviderKind;
    type Config = Config;
    const NAME: &'static str = "apns-a2";

    fn build(config: Config, context: &BuildContext) -> Result<DynProvider> {
        let config = config.check()?;
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
                    "check in the developer account that the .p8 key was not revoked, and that `key_id`, `team_id`, `topic` and environment are those of the app, and that this server's clock is right",
                ),
            config,
            clock: Arc::clone(&context.clock),
            client: OnceLock::new(),
        };
        // Neither signs nor connects, but fails if the key cannot be read.
        provider.connect()?;
        Ok(Arc::new(provider))
    }
}

struct Engine {
    config: Settings,
    capabilities: Capabilities,
    clock: Arc<dyn Clock>,
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
            Error::new(
                ErrorKind::Config,
                "is damaged, or not in PKCS#8 as Apple's keys are",
            )
            .at("key")
            .advise("use the .p8 file as Apple's site provided it")
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
        let topic = self.topic(target, slot);
        let options = NotificationOptions {
            apns_id: Some(&id),
            apns_push_type: Some(push_type(target, slot)),
            apns_expiration: notification
                .expires_at
                .map(|at| at.unix_seconds().max(1).unsigned_abs()),
            apns_priority: Some(priority(target)),
            apns_topic: Some(&topic),
            apns_collapse_id: Some(collapse),
        };
        let payload = Rendered {
            json: &json,
            token: target.token.expose(),
            options,
        };
        let outcome = client.send(payload).await;
        let mut verdict = classify::classify(outcome, &id, self.clock.now());
        let answer = Arc::unwrap_or_clone(verdict.answer);
        verdict.answer = Arc::new(answer.without(&target.token));
        verdict
    }

    fn topic(&self, target: &Target, slot: Slot) -> String {
        match push_type(target, slot) {
            PushType::Voip => format!("{}.voip", self.config.topic),
            _ => self.config.topic.clone(),
        }
    }
}

/// A background push cannot set the number on the icon, so one that does is sent as an alert that shows nothing.
fn push_type(target: &Target, slot: Slot) -> PushType {
    match (target.content.notification.kind, slot) {
        (NotificationKind::Voip, Slot::Voip) => PushType::Voip,
        (NotificationKind::Background, _) if !sets_badge(target) => PushType::Background,
        _ => PushType::Alert,
    }
}

fn priority(target: &Target) -> A2Priority {
    let notification = &target.content.notification;
    match (notification.kind, notification.priority) {
        (NotificationKind::Background, _) | (_, Priority::Normal | Priority::Low) => {
            A2Priority::Normal
        }
        // Nothing is seen or heard, so the phone need not wake.
        (NotificationKind::Alert, _) if !shows_text(notification) => A2Priority::Normal,
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
        let token = trimmed(token)?;
        let text = token.expose();
        if text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return DeviceToken::new(text.to_ascii_lowercase());
        }
        let what = token::fault(text)
            .unwrap_or("is not an even number of hexadecimal digits, as tokens of APNs are");
        Err(token::wrong(what)
            .advise("write each byte of the `Data` that iOS hands over as two hexadecimal digits"))
    }

    async fn verify(&self) -> Result<Health> {
        let id = DeliveryId::new(self.clock.now()).to_string();
        let options = NotificationOptions {
            apns_id: Some(&id),
            apns_topic: Some(&self.config.topic),
            apns_push_type: Some(PushType::Alert),
            ..NotificationOptions::default()
        };
        let payload = Rendered {
            json: r#"{"aps":{"alert":"?"}}"#,
            token: UNKNOWN_TOKEN,
            options,
        };
        let outcome = self.client()?.send(payload).await;
        classify::health(outcome, &id, self.clock.now())
    }
}
