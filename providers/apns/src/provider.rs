//! The provider: one credential, one environment, one app.
use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use http::{HeaderMap, HeaderValue, Method, Response, Uri, header::AUTHORIZATION};
use push_core::{
    AppId, Batch, Batching, BuildContext, Capabilities, Channel, Class, Clock, Content, ContentId,
    DeliveryId, DeviceToken, DynProvider, Environment, Error, ErrorKind, Health, MessageId,
    Notification, NotificationKind, Plugin, Provider, ProviderKind, Result, Slot, Target,
    Timestamp, TokenFault, VendorAnswer, Verdict, VerdictKind, Verdicts, async_trait,
};
use push_http::{Client, Head, HttpClient, HttpError, Item};
use push_kit::verdict::unanswered;
use serde_json::{Map, Value};

use crate::{
    auth::{
        Auth,
        token::{Bearer, Renewed, SigningFailed},
    },
    classify::{Action, Asked, TopicOrigin, classify, classify_error, stale},
    config::{ApnsConfig, Checked},
    render::{
        Cache, Context, MAX_TTL, MIN_TTL, Path, PushType, Refusal, Rendered, number,
        request::{APNS_ID, canonical},
    },
};

/// The most targets in one batch. Their requests share a connection, on which Apple allows about a thousand streams.
const MAX_BATCH: usize = 500;

/// A token that no phone has: every digit is zero.
const NO_PHONE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What to look at if Apple refuses a key.
const REPAIR_KEY: &str = "check in the developer account that the .p8 key was not revoked, and that `key_id`, `team_id`, `topic` and environment are those of the app, and that this server's clock is right, whose time the provider tokens carry; rotate or resume the credential, and the deliveries that wait for it go out";

/// What to look at if Apple refuses a certificate.
const REPAIR_CERTIFICATE: &str = "check in the developer account that the push certificate has not expired, was not revoked, and is for the app's bundle id and environment; rotate the credential with a new one, and the deliveries that wait for it go out";

/// The plugin `provider/apns`.
#[derive(Debug)]
pub struct Apns;

impl Plugin for Apns {
    type Kind = ProviderKind;
    type Config = ApnsConfig;
    const NAME: &'static str = "apns";

    fn build(config: ApnsConfig, context: &BuildContext) -> Result<DynProvider> {
        ApnsProvider::new(config, context).map(|provider| Arc::new(provider) as DynProvider)
    }
}

/// Sends to Apple's service with one key or certificate, to one environment, for one app.
///
/// A provider has connections of its own, and with a key one provider token for all of them, so that no connection ever sees
/// two keys or environments. Two providers with the same key sign a token each: Apple counts tokens by connection.
#[derive(Debug)]
pub struct ApnsProvider {
    auth: Auth,
    topic: String,
    origin: Uri,
    environment: Environment,
    capabilities: Capabilities,
    client: Arc<dyn HttpClient>,
    /// The same client, if it is the pool and not one that the caller brought.
    pool: Option<Client>,
    clock: Arc<dyn Clock>,
    rendered: Cache,
}

impl ApnsProvider {
    /// Checks `config` and builds the provider. Uses no network before the first send.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], with every fault.
    pub fn new(config: ApnsConfig, context: &BuildContext) -> Result<Self> {
        let Checked {
            auth,
            topic,
            environment,
            origin,
            client,
        } = config.check(context)?;
        Ok(Self {
            capabilities: capabilities(&auth, environment),
            auth,
            topic,
            origin,
            environment,
            client: Arc::new(client.clone()),
            pool: Some(client),
            clock: Arc::clone(&context.clock),
            rendered: Cache::default(),
        })
    }

    /// Sends through `client` instead of a pool of the provider's own. A certificate must be part of `client` then.
    #[must_use]
    pub fn with_client(mut self, client: Arc<dyn HttpClient>) -> Self {
        self.client = client;
        self.pool = None;
        self
    }

    /// Returns what Apple wrote into the certificate, if the provider authenticates with one.
    pub const fn certificate(&self) -> Option<&crate::CertificateFacts> {
        self.auth.certificate()
    }

    /// Returns the state of the connections; empty with a client of the caller's.
    pub fn connections(&self) -> Vec<push_http::OriginStats> {
        self.pool.as_ref().map(Client::stats).unwrap_or_default()
    }

    const fn context(&self) -> Context<'_> {
        Context {
            topic: self.topic.as_str(),
            by_certificate: self.auth.certificate().is_some(),
        }
    }

    /// Returns the one verdict on all targets, if it is known without a request.
    fn refuse_all(&self, environment: Environment, now: Timestamp) -> Option<Verdict> {
        if environment != self.environment {
            let text = format!(
                "the token is of the {environment} environment, the credential of {}: register the device with the certificate id of its own build",
                self.environment
            );
            let kind = VerdictKind::TokenUnusable(TokenFault::Environment);
            return Some(Verdict::new(kind, VendorAnswer::none(text)));
        }
        let fault = self.auth.fault(now)?;
        Some(Verdict::new(
            VerdictKind::CredentialRefused,
            VendorAnswer::none(fault),
        ))
    }

    fn bearer(&self) -> Result<Option<Bearer>, Verdict> {
        match &self.auth {
            Auth::Token(source) => source.bearer().map(Some).map_err(not_signed),
            Auth::Certificate(_) => Ok(None),
        }
    }

    /// Returns what all requests with this provider token have in common.
    fn head(&self, bearer: Option<&Bearer>) -> Result<Arc<Head>, Verdict> {
        let authorization = bearer.map(|bearer| (AUTHORIZATION, bearer.header.clone()));
        let headers: HeaderMap = authorization.into_iter().collect();
        Head::new(Method::POST, &self.origin, headers)
            .map(Arc::new)
            .map_err(|error| classify_error(&error, ""))
    }

    /// Returns the request to one target, as far as it differs from the others.
    fn item(
        &self,
        position: usize,
        target: &Target,
        rendered: &Rendered,
        now: Timestamp,
    ) -> Result<Item, Verdict> {
        let path = Path::of(&target.token).ok_or_else(not_a_token)?.0;
        let mut headers = rendered.headers(now).map_err(refused)?;
        if let Ok(mut id) = HeaderValue::try_from(target.delivery.to_string()) {
            // HPACK then does not index it: it differs each time, and would displace what repeats.
            id.set_sensitive(true);
            headers.push((APNS_ID, id));
        }
        Ok(Item::new(
            position,
            path,
            headers,
            rendered.body(target).map_err(refused)?,
        ))
    }

    fn rendered(&self, target: &Target, slot: Slot) -> Result<Arc<Rendered>, Verdict> {
        let has_badge = number(target.badge).is_some();
        self.rendered
            .get(&target.content, slot, has_badge, self.context())
            .map_err(refused)
    }

    fn judge(
        &self,
        answer: Result<Response<Bytes>, HttpError>,
        topic: TopicOrigin,
        target: &Target,
    ) -> (Verdict, Action) {
        let id = &target.delivery.to_string();
        let (mut verdict, action) = match answer {
            Ok(response) => {
                let asked = Asked { topic, id };
                let (verdict, action) = classify(&response, asked, self.clock.now());
                // A proxy or a simulator without client certificates cannot be answered by a newer token.
                let action = match self.auth {
                    Auth::Certificate(_)
                        if matches!(action, Action::RenewToken | Action::CheckTokenDate) =>
                    {
                        Action::None
                    }
                    _ => action,
                };
                (verdict, action)
            }
            Err(error) => (classify_error(&error, id), Action::None),
        };
        if verdict.kind != VerdictKind::Accepted {
            let answer = Arc::unwrap_or_clone(verdict.answer);
            verdict.answer = Arc::new(answer.without(&target.token));
        }
        (verdict, action)
    }

    /// Judges the answer to a check, where the head of an answer whose end was lost shows nothing.
    fn judge_check(
        &self,
        answer: Result<Response<Bytes>, HttpError>,
        topic: TopicOrigin,
        target: &Target,
    ) -> (Verdict, Action) {
        match answer {
            Err(error) if error.response_head().is_some() => (unanswered(&error), Action::None),
            answer => self.judge(answer, topic, target),
        }
    }

    /// Sends to one target again, if Apple certainly did not accept the push and another attempt can help at once.
    ///
    /// # Errors
    /// `first`, the verdict on the first attempt, if another would not help; and the verdict if there cannot be another.
    async fn again(
        &self,
        target: &Target,
        rendered: &Rendered,
        bearer: Option<&Bearer>,
        first: Verdict,
        action: Action,
    ) -> Result<Result<Response<Bytes>, HttpError>, Verdict> {
        let renewed = match (action, &self.auth, bearer) {
            (Action::RenewToken | Action::CheckTokenDate, Auth::Token(source), Some(refused)) => {
                if action == Action::CheckTokenDate && !source.is_from_the_future(refused) {
                    return Err(first);
                }
                match source.after_refusal(refused) {
                    Ok(Renewed::Again(bearer)) => Some(bearer),
                    Ok(Renewed::TooEarly(wait)) => {
                        return Err(stale(Arc::unwrap_or_clone(first.answer), wait));
                    }
                    Err(error) => return Err(not_signed(error)),
                }
            }
            (Action::Reconnect, ..) => {
                if let Some(pool) = &self.pool {
                    pool.retire_connections();
                }
                bearer.cloned()
            }
            _ => bearer.cloned(),
        };
        let head = self.head(renewed.as_ref())?;
        let item = self.item(0, target, rendered, self.clock.now())?;
        Ok(self.client.send(head.whole(&item)).await)
    }
}

fn refused(refusal: Refusal) -> Verdict {
    Verdict::payload_refused(refusal.code, refusal.text)
}

fn not_signed(SigningFailed: SigningFailed) -> Verdict {
    Verdict::unavailable("the provider token could not be signed")
}

fn not_a_token() -> Verdict {
    let answer = VendorAnswer::none(
        "Apple was not asked: its tokens are an even number of hexadecimal digits, and this is not; check what the app registers",
    );
    Verdict::new(VerdictKind::TokenUnusable(TokenFault::Malformed), answer)
}

fn capabilities(auth: &Auth, environment: Environment) -> Capabilities {
    use NotificationKind::{Alert, Background, LiveActivity, Voip};
    let capabilities = Capabilities::new(Channel::APNS, PushType::Alert.max_payload())
        .with_batch(MAX_BATCH, Batching::Mixed)
        .with_environment(environment)
        .with_collapse()
        .with_ttl(MIN_TTL, MAX_TTL);
    let Some(facts) = auth.certificate() else {
        return capabilities
            .with_repair(REPAIR_KEY)
            .with_kinds(&[Alert, Background, Voip, LiveActivity])
            .with_slots(&[Slot::Alert, Slot::Voip, Slot::LiveActivity]);
    };
    let has = |kind: &str| facts.topics.iter().any(|topic| topic.kind == kind);
    // Apple takes ActivityKit pushes with keys only.
    let capabilities = match (facts.topics.is_empty() || has("app"), has("voip")) {
        (false, true) => capabilities.with_kinds(&[Voip]).with_slots(&[Slot::Voip]),
        (_, true) => capabilities
            .with_kinds(&[Alert, Background, Voip])
            .with_slots(&[Slot::Alert, Slot::Voip]),
        (_, false) => capabilities
            .with_kinds(&[Alert, Background])
            .with_slots(&[Slot::Alert]),
    };
    capabilities
        .with_repair(REPAIR_CERTIFICATE)
        .with_expiry(facts.valid_until)
}

#[async_trait]
impl Provider for ApnsProvider {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        let now = self.clock.now();
        if let Some(verdict) = self.refuse_all(batch.environment, now) {
            verdicts.report_rest(&verdict);
            return;
        }
        let bearer = match self.bearer() {
            Ok(bearer) => bearer,
            Err(verdict) => return verdicts.report_rest(&verdict),
        };
        let head = match self.head(bearer.as_ref()) {
            Ok(head) => head,
            Err(verdict) => return verdicts.report_rest(&verdict),
        };
        let mut items = Vec::with_capacity(batch.targets.len());
        let mut sent = Vec::with_capacity(batch.targets.len());
        let mut refused = Vec::new();
        for (position, target) in batch.targets.iter().enumerate() {
            let rendered = self.rendered(target, batch.slot);
            match rendered
                .and_then(|rendered| Ok((self.item(position, target, &rendered, now)?, rendered)))
            {
                Ok((item, rendered)) => {
                    items.push(item);
                    sent.push(Some(rendered));
                }
                Err(verdict) => {
                    refused.push((position, verdict));
                    sent.push(None);
                }
            }
        }
        verdicts.report_many(refused);

        // Repeated at once, while the others are still on their way: a slow target delays no other.
        let to_repeat = Mutex::new(Vec::new());
        let answers = |position: usize, answer: Result<Response<Bytes>, HttpError>| {
            let (Some(target), Some(Some(rendered))) =
                (batch.targets.get(position), sent.get(position))
            else {
                return;
            };
            match self.judge(answer, rendered.topic, target) {
                (verdict, Action::None) => verdicts.report(position, verdict),
                (verdict, action) => to_repeat
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push((position, target, rendered, verdict, action)),
            }
        };
        let mut first = pin!(self.client.send_many(head, items, &answers));
        let mut is_first_done = false;
        let mut repeated = FuturesUnordered::new();
        poll_fn(|context| {
            if !is_first_done {
                is_first_done = first.as_mut().poll(context).is_ready();
            }
            let due =
                std::mem::take(&mut *to_repeat.lock().unwrap_or_else(PoisonError::into_inner));
            for (position, target, rendered, verdict, action) in due {
                let bearer = bearer.as_ref();
                repeated.push(async move {
                    let answer = self.again(target, rendered, bearer, verdict, action).await;
                    let judge = |answer| self.judge(answer, rendered.topic, target).0;
                    let (Ok(verdict) | Err(verdict)) = answer.map(judge);
                    (position, verdict)
                });
            }
            loop {
                match repeated.poll_next_unpin(context) {
                    Poll::Ready(Some((position, verdict))) => verdicts.report(position, verdict),
                    Poll::Ready(None) if is_first_done => return Poll::Ready(()),
                    Poll::Ready(None) | Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
    }

    /// Sends a push that shows nothing to a token that no phone has: Apple checks credential and topic before the token.
    async fn verify(&self) -> Result<Health> {
        let now = self.clock.now();
        if let Some(verdict) = self.refuse_all(self.environment, now) {
            return Ok(Health::refused(verdict.answer.text.clone()));
        }
        let slots = self.capabilities.slots;
        let slot = slots.first().copied().unwrap_or(Slot::Alert);
        let content = Arc::new(Content::new(
            ContentId::new(now),
            AppId::new("verify")?,
            MessageId::new("verify")?,
            Class::default(),
            Notification::default().with_kind(NotificationKind::Background),
        ));
        let target = Target::new(DeliveryId::new(now), DeviceToken::new(NO_PHONE)?, content);
        let internal =
            |refusal: Refusal| Error::new(ErrorKind::Internal, refusal.text).at("verify");
        let mut rendered =
            Rendered::new(&target.content, slot, false, self.context()).map_err(internal)?;
        // Whatever topic is asked with, the question is whether the credential may send to it.
        rendered.topic = TopicOrigin::Credential;
        let verdict = self.ask(&target, &rendered, now).await;
        self.health(&verdict)
    }

    fn check_token(&self, _: Slot, token: &DeviceToken) -> Result<DeviceToken> {
        canonical(token)
    }

    fn check_fields(&self, fields: &Map<String, Value>) -> Result<()> {
        let by_certificate = self.auth.certificate().is_some();
        crate::VendorFields::read(fields, by_certificate)?;
        Ok(())
    }
}

impl ApnsProvider {
    /// Sends to one target, twice if the first attempt asks for it.
    async fn ask(&self, target: &Target, rendered: &Rendered, now: Timestamp) -> Verdict {
        let request = self.bearer().and_then(|bearer| {
            let head = self.head(bearer.as_ref())?;
            Ok((head.whole(&self.item(0, target, rendered, now)?), bearer))
        });
        let (request, bearer) = match request {
            Ok(request) => request,
            Err(verdict) => return verdict,
        };
        let answer = self.client.send(request).await;
        match self.judge_check(answer, rendered.topic, target) {
            (verdict, Action::None) => verdict,
            (verdict, action) => {
                let bearer = bearer.as_ref();
                let answer = self.again(target, rendered, bearer, verdict, action).await;
                let judge = |answer| self.judge_check(answer, rendered.topic, target).0;
                let (Ok(verdict) | Err(verdict)) = answer.map(judge);
                verdict
            }
        }
    }

    fn health(&self, verdict: &Verdict) -> Result<Health> {
        let service = self
            .origin
            .authority()
            .map_or("APNs", |authority| authority.as_str());
        let VendorAnswer { code, text, .. } = &*verdict.answer;
        match verdict.kind {
            // It is refused for its date, and no other can be had yet.
            VerdictKind::RateLimited(_) if code == "ExpiredProviderToken" => Ok(Health::refused(
                format!("{service} refused the credential: {code}, {text}"),
            )),
            _ => push_kit::health::health(service, verdict),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is signed carries the server's time: a clock that is wrong looks like a wrong key.
    #[test]
    fn the_advice_for_a_refused_key_names_the_clock() {
        assert!(REPAIR_KEY.contains("this server's clock"));
    }
}
