//! The provider: one credential, one environment, one app.
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use http::{
    Response,
    uri::{Authority, Scheme},
};
use push_core::{
    Batch, BuildContext, Capabilities, Channel, Clock, DeliveryId, DeviceToken, DynProvider,
    Environment, Error, ErrorKind, Health, Mismatch, Notification, NotificationKind, Plugin,
    Provider, ProviderKind, Result, Slot, Target, Timestamp, VendorAnswer, Verdict, VerdictKind,
    Verdicts, async_trait,
};
use push_http::{Client, HttpClient};
use serde_json::json;

use crate::{
    classify::{Action, classify, classify_error, stale},
    config::{ApnsConfig, Auth, Checked},
    push_type::PushType,
    request::{Context, MAX_TTL, Prepared},
    token::{Bearer, Renewed, SigningFailed},
};

/// Targets in one batch at most. Their requests all run at the same time on one task; more than this would only wait for
/// each other, on a connection that Apple gives about a thousand streams.
const MAX_BATCH: usize = 500;

/// No phone has it: every digit is zero.
const NOBODY: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The plugin `provider/apns`.
#[derive(Debug)]
pub enum Apns {}

impl Plugin for Apns {
    type Kind = ProviderKind;
    type Config = ApnsConfig;
    const NAME: &'static str = "apns";
    const EXAMPLE: &'static str = include_str!("example.toml");

    fn build(config: ApnsConfig, context: &BuildContext) -> Result<DynProvider> {
        ApnsProvider::new(config, context).map(|it| Arc::new(it) as DynProvider)
    }
}

/// Sends to Apple's service as one key or certificate, to one environment, for one app.
///
/// A provider has connections of its own, and with a key one provider token that all of them share, so that neither a key
/// nor an environment ever meets another's connection. Two providers with the same key sign a token each: Apple counts
/// tokens by connection.
#[derive(Debug)]
pub struct ApnsProvider {
    auth: Auth,
    topic: String,
    scheme: Scheme,
    authority: Authority,
    environment: Environment,
    capabilities: Capabilities,
    client: Client,
    clock: Arc<dyn Clock>,
}

impl ApnsProvider {
    /// Checks `config` and keeps it. Nothing is touched before the first send.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], with everything that is wrong.
    pub fn new(config: ApnsConfig, context: &BuildContext) -> Result<Self> {
        let Checked {
            auth,
            topic,
            environment,
            scheme,
            authority,
            http,
        } = config.check(&context.clock)?;
        let client = Client::new(http, Arc::clone(&context.clock)).map_err(|it| it.at("http"))?;
        Ok(Self {
            capabilities: capabilities(&auth, environment, &topic),
            auth,
            topic,
            scheme,
            authority,
            environment,
            client,
            clock: Arc::clone(&context.clock),
        })
    }

    /// What Apple wrote into the certificate, if this sends with one.
    pub fn certificate(&self) -> Option<&crate::CertificateFacts> {
        match &self.auth {
            Auth::Certificate(facts) => Some(facts),
            Auth::Token(_) => None,
        }
    }

    /// The connections and requests of this moment.
    pub fn connections(&self) -> Vec<push_http::OriginStats> {
        self.client.stats()
    }

    /// One verdict for the whole batch, where it is known without a request.
    fn refuse_all(&self, batch: &Batch, now: Timestamp) -> Option<Verdict> {
        if batch.environment != self.environment {
            let text = format!(
                "the token is of the {} environment, the credential of {}: register the device with the certificate id of its own build",
                batch.environment, self.environment
            );
            let kind = VerdictKind::TokenMismatch(Mismatch::Environment);
            return Some(Verdict::new(kind, VendorAnswer::none(text)));
        }
        if let Auth::Certificate(facts) = &self.auth {
            let text = if now > facts.valid_until {
                "the certificate has expired: upload the renewed one under the same certificate id"
            } else if now < facts.valid_from {
                "the certificate is not valid yet: check this machine's clock"
            } else {
                return None;
            };
            return Some(Verdict::new(
                VerdictKind::CredentialRefused,
                VendorAnswer::none(text),
            ));
        }
        None
    }

    fn prepare(
        &self,
        notification: &Notification,
        slot: Slot,
        dated: Timestamp,
        now: Timestamp,
    ) -> Result<Prepared, Verdict> {
        let context = Context {
            topic: &self.topic,
            by_certificate: matches!(self.auth, Auth::Certificate(_)),
            now,
        };
        Prepared::new(notification, slot, dated, context)
            .map_err(|refusal| Verdict::payload_refused(refusal.code, refusal.text))
    }

    fn bearer(&self) -> Result<Option<Bearer>, SigningFailed> {
        match &self.auth {
            Auth::Token(source) => source.bearer().map(Some),
            Auth::Certificate(_) => Ok(None),
        }
    }

    /// Sends to one token, and once more where Apple certainly did not take it and another attempt can help at once.
    async fn deliver(
        &self,
        prepared: &Prepared,
        delivery: DeliveryId,
        token: &DeviceToken,
    ) -> Verdict {
        self.exchange(prepared, delivery, token)
            .await
            .unwrap_or_else(|SigningFailed| {
                Verdict::unavailable("the provider token could not be signed")
            })
    }

    async fn exchange(
        &self,
        prepared: &Prepared,
        delivery: DeliveryId,
        token: &DeviceToken,
    ) -> Result<Verdict, SigningFailed> {
        let bearer = self.bearer()?;
        let (verdict, action) = self.once(prepared, delivery, token, bearer.as_ref()).await;
        let bearer = match (action, &self.auth, bearer) {
            (Action::Resend, _, bearer) => bearer,
            (Action::RenewToken | Action::CheckTokenDate, Auth::Token(source), Some(refused)) => {
                if action == Action::CheckTokenDate && !source.is_from_the_future(&refused) {
                    return Ok(verdict);
                }
                match source.after_refusal(&refused)? {
                    Renewed::Again(bearer) => Some(bearer),
                    Renewed::TooEarly(wait) => return Ok(stale(verdict.answer, wait)),
                }
            }
            _ => return Ok(verdict),
        };
        Ok(self
            .once(prepared, delivery, token, bearer.as_ref())
            .await
            .0)
    }

    /// One request and its answer.
    async fn once(
        &self,
        prepared: &Prepared,
        delivery: DeliveryId,
        token: &DeviceToken,
        bearer: Option<&Bearer>,
    ) -> (Verdict, Action) {
        let authorization = bearer.map(|it| it.header.clone());
        let origin = (&self.scheme, &self.authority);
        let Some(request) = prepared.request(origin, token, delivery, authorization) else {
            return (not_a_token(), Action::None);
        };
        let (verdict, action) = match self.client.send(request).await {
            Ok(response) => self.judge(&response),
            Err(error) => (classify_error(&error), Action::None),
        };
        let answer = verdict.answer.without(token);
        (Verdict { answer, ..verdict }, action)
    }

    fn judge(&self, response: &Response<Bytes>) -> (Verdict, Action) {
        let (verdict, action) = classify(response, self.clock.now());
        if verdict.answer.code == "UnrelatedKeyIdInToken" {
            // The connection is bound to another key for good; a new one is not.
            self.client.retire_connections();
        }
        (verdict, action)
    }
}

fn not_a_token() -> Verdict {
    let answer = VendorAnswer::none(
        "this is not a token of Apple's, which has an even number of hexadecimal digits: another channel's token may be registered here",
    );
    Verdict::new(VerdictKind::TokenMismatch(Mismatch::App), answer)
}

fn capabilities(auth: &Auth, environment: Environment, topic: &str) -> Capabilities {
    const ALL: &[Slot] = &[Slot::Alert, Slot::Voip, Slot::LiveActivity];
    let capabilities = Capabilities::new(Channel::APNS, PushType::Alert.max_payload())
        .with_batch(MAX_BATCH)
        .with_environment(environment)
        .with_collapse()
        .with_ttl(MAX_TTL);
    match auth {
        Auth::Token(_) => capabilities.with_slots(ALL),
        Auth::Certificate(facts) => {
            let voip = topic.ends_with(".voip") || facts.topics.iter().any(|it| it.kind == "voip");
            let app = facts.topics.is_empty() || facts.topics.iter().any(|it| it.kind == "app");
            // ActivityKit pushes are for keys only.
            let slots: &'static [Slot] = match (app, voip) {
                (false, true) => &[Slot::Voip],
                (_, true) => &[Slot::Alert, Slot::Voip],
                (_, false) => &[Slot::Alert],
            };
            capabilities
                .with_slots(slots)
                .with_expiry(facts.valid_until)
        }
    }
}

#[async_trait]
impl Provider for ApnsProvider {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        let now = self.clock.now();
        if let Some(verdict) = self.refuse_all(&batch, now) {
            verdicts.report_rest(&verdict);
            return;
        }
        let prepared = match self.prepare(&batch.notification, batch.slot, made_at(&batch), now) {
            Ok(prepared) => prepared,
            Err(verdict) => {
                verdicts.report_rest(&verdict);
                return;
            }
        };
        let prepared = &prepared;
        let mut running: FuturesUnordered<_> = batch
            .targets
            .iter()
            .enumerate()
            .map(|(position, Target { delivery, token })| async move {
                (position, self.deliver(prepared, *delivery, token).await)
            })
            .collect();
        while let Some((position, verdict)) = running.next().await {
            verdicts.report(position, verdict);
        }
    }

    /// Sends a background push to a token that no phone has: Apple checks the credential and the topic before it finds
    /// that out.
    async fn verify(&self) -> Result<Health> {
        let now = self.clock.now();
        let slot = self
            .capabilities
            .slots
            .first()
            .copied()
            .unwrap_or(Slot::Alert);
        let probe = Batch {
            notification: Arc::new(probe(slot)),
            environment: self.environment,
            slot,
            targets: Vec::new(),
        };
        if let Some(verdict) = self.refuse_all(&probe, now) {
            return Ok(refused(&verdict));
        }
        let internal = |text: &str| Error::new(ErrorKind::Internal, text).at("verify");
        let prepared = self
            .prepare(&probe.notification, slot, now, now)
            .map_err(|verdict| internal(&verdict.answer.text))?;
        let token = DeviceToken::new(NOBODY)?;
        let verdict = self.deliver(&prepared, DeliveryId::new(now), &token).await;
        match verdict.kind {
            VerdictKind::CredentialRefused => Ok(refused(&verdict)),
            VerdictKind::RateLimited(_) if verdict.answer.status == Some(403) => {
                Ok(refused(&verdict))
            }
            VerdictKind::Accepted
            | VerdictKind::TokenMismatch(_)
            | VerdictKind::TokenDead { .. } => Ok(Health {
                accepted: true,
                evidence: format!(
                    "{} accepts the credential for {}: it answered a push to a token that no phone has with {} {}",
                    self.authority,
                    self.topic,
                    verdict.answer.status.unwrap_or_default(),
                    verdict.answer.code
                ),
            }),
            _ => Err(Error::new(
                ErrorKind::Unavailable,
                format!(
                    "Apple could not be asked ({} {} {})",
                    verdict.kind.as_str(),
                    verdict.answer.code,
                    verdict.answer.text
                ),
            )
            .at(&self.authority)
            .advise("try again later")),
        }
    }
}

fn refused(verdict: &Verdict) -> Health {
    let VendorAnswer {
        status, code, text, ..
    } = &verdict.answer;
    let advice = match code.as_str() {
        "InvalidProviderToken" => {
            "key_id, team_id and key do not belong together, or the key was revoked"
        }
        "ExpiredProviderToken" => "this machine's clock is wrong",
        "TopicDisallowed" => "the topic is not one of this team's or this certificate's apps",
        "BadCertificateEnvironment" | "BadEnvironmentKeyIdInToken" | "BadEnvironmentKeyInToken" => {
            "the credential is for the other environment"
        }
        "BadCertificate" => "the certificate was revoked or is not one for push",
        "Forbidden" => {
            "the account may not send: look into the developer account for agreements to accept"
        }
        _ => "",
    };
    let words = [
        status.map(|it| it.to_string()).unwrap_or_default(),
        code.clone(),
        advice.to_owned(),
        text.clone(),
    ];
    let words: Vec<_> = words.into_iter().filter(|it| !it.is_empty()).collect();
    Health {
        accepted: false,
        evidence: format!("refused: {}", words.join(", ")),
    }
}

/// What disturbs nobody even if the token belonged to a phone.
fn probe(slot: Slot) -> Notification {
    let mut notification = Notification {
        kind: NotificationKind::Background,
        ..Notification::default()
    };
    if slot == Slot::Voip {
        let fields = json!({ "push-type": "voip", "expiration": 0 });
        notification.vendor.insert(Channel::APNS, fields);
    }
    notification
}

/// When the notification was made: the earliest of the deliveries' ids, which carry their date (RFC 9562 §5.7) and stay
/// the same on a retry.
fn made_at(batch: &Batch) -> Timestamp {
    batch
        .targets
        .iter()
        .filter_map(|it| it.delivery.as_uuid().get_timestamp())
        .map(|it| {
            let (seconds, nanos) = it.to_unix();
            Timestamp::from_unix_millis(
                i64::try_from(seconds)
                    .unwrap_or(i64::MAX)
                    .saturating_mul(1000)
                    .saturating_add(i64::from(nanos / 1_000_000)),
            )
        })
        .min()
        .unwrap_or_default()
}
