//! The plugin `provider/honor`, and one credential of it.
use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, header};
use push_core::{
    BadgeStyle, Batch, Batching, BuildContext, Capabilities, Channel, Clock, DeviceToken,
    DynProvider, Health, NotificationKind, Plugin, Provider, ProviderKind, Received, Result, Slot,
    Verdict, Verdicts, async_trait,
};
use push_http::{Client, HttpClient};
use push_kit::{
    access::{AccessCache, AccessToken},
    health::health,
    token,
    verdict::{unanswered, unsupported},
};
use serde_json::{Map, Value};

use crate::{
    auth::{self, Iam},
    classify::Answer,
    config::{HonorConfig, Settings},
    receive,
    render::{MAX_PAYLOAD, MAX_TTL, MIN_TTL, OVERLAY, TEXT},
};

/// Milliseconds since the epoch, UTC.
const TIMESTAMP: HeaderName = HeaderName::from_static("timestamp");

/// The token of [`Provider::verify`]: no phone has it.
const UNKNOWN_TOKEN: &str = "offline-push-verify";

/// The plugin.
#[derive(Debug)]
pub struct Honor;

impl Plugin for Honor {
    type Kind = ProviderKind;
    type Config = HonorConfig;
    const NAME: &'static str = "honor";

    fn build(config: HonorConfig, context: &BuildContext) -> Result<DynProvider> {
        let settings = config.check()?;
        let clock = Arc::clone(&context.clock);
        let http = config.http.within(context);
        let client: Arc<dyn HttpClient> = Arc::new(Client::new(http, Arc::clone(&clock))?);
        Ok(Arc::new(HonorProvider {
            capabilities: capabilities(&settings),
            access: auth::cache(&settings, &client, &clock),
            settings,
            client,
            clock,
        }))
    }
}

/// What to look at if Honor refuses the client's id and secret.
const REPAIR: &str = "check in Honor's developer console that app id, client id and client secret are those of the app, and that push is enabled for it; rotate the credential, and the deliveries that wait for it go out";

fn capabilities(settings: &Settings) -> Capabilities {
    let batching = match settings.batch {
        1 => Batching::Mixed,
        _ => Batching::Uniform,
    };
    let badge = match settings.look.badge_class {
        Some(_) => BadgeStyle::Set,
        None => BadgeStyle::None,
    };
    Capabilities::new(Channel::known(Honor::NAME), MAX_PAYLOAD)
        .with_kinds(&[NotificationKind::Alert, NotificationKind::Background])
        .with_batch(settings.batch, batching)
        .with_badge(badge)
        .with_title_needed()
        .with_collapse()
        .with_ttl(MIN_TTL, MAX_TTL)
        .with_text(TEXT)
        .with_repair(REPAIR)
}

/// Sends with one credential.
pub struct HonorProvider {
    capabilities: Capabilities,
    settings: Settings,
    access: AccessCache<Iam>,
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
}

impl HonorProvider {
    async fn push(&self, batch: &Batch) -> Result<Answer, Verdict> {
        let Some(content) = batch.content() else {
            return Err(Verdict::payload_refused("empty", "the batch has no target"));
        };
        let shown = &content.notification;
        if let Some(verdict) = unsupported(&self.capabilities, batch.slot, shown.kind) {
            return Err(verdict);
        }
        let body = self.settings.look.body(batch, content, self.clock.now())?;
        let tokens = batch.targets.iter().map(|target| target.token.expose());
        let texts = [&shown.title, &shown.body, &shown.ext];
        let private: Vec<&str> = tokens.chain(texts.map(String::as_str)).collect();
        self.post(body.into(), &private).await
    }

    /// Posts `body` to the send URL, once more if the access token is refused (S120). Nothing of `private` stays in the answer.
    async fn post(&self, body: Bytes, private: &[&str]) -> Result<Answer, Verdict> {
        let exchange = |access| self.exchange(access, body.clone(), private);
        self.access
            .send(exchange, |answer| answer.wants_access)
            .await
    }

    async fn exchange(
        &self,
        access: Arc<AccessToken>,
        body: Bytes,
        private: &[&str],
    ) -> Result<Answer, Verdict> {
        let mut request = Request::post(self.settings.send.clone())
            .header(header::CONTENT_TYPE, "application/json; charset=UTF-8")
            .header(header::AUTHORIZATION, access.bearer());
        if self.settings.send_timestamp {
            let now = HeaderValue::from(self.clock.now().unix_millis());
            request = request.header(TIMESTAMP, now);
        }
        let request = request
            .body(body)
            .map_err(|error| Verdict::unavailable(error.to_string()))?;
        let response = match self.client.send(request).await {
            Ok(response) => response,
            Err(error) => return Err(unanswered(&error)),
        };
        let own = [self.settings.client_secret.expose(), access.expose()];
        let private = [private, &own].concat();
        let success = &self.settings.success_codes;
        Ok(Answer::read(&response, success, &private, self.clock.now()))
    }
}

#[async_trait]
impl Provider for HonorProvider {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        let answer = match self.push(&batch).await {
            Ok(answer) => answer,
            Err(verdict) => return verdicts.report_rest(&verdict),
        };
        let targets = batch.targets.iter();
        verdicts.report_many(
            targets
                .map(|target| answer.of(target.token.expose()))
                .enumerate(),
        );
    }

    /// Sends a test message to a token that no phone has: unlike the grant of an access token, its answer also shows that the
    /// App ID belongs to the credential. Honor has no documented way to ask without sending.
    async fn verify(&self) -> Result<Health> {
        let question = self.settings.look.question(UNKNOWN_TOKEN);
        match self.post(question.into(), &[]).await {
            // It knows no such token, as it should.
            Ok(answer) if answer.names(UNKNOWN_TOKEN) => health(
                "Honor",
                &Verdict::accepted(Arc::clone(&answer.whole().answer)),
            ),
            Ok(answer) => health("Honor", answer.whole()),
            Err(verdict) => health("Honor", &verdict),
        }
    }

    /// Honor documents neither length nor alphabet of its tokens.
    fn check_token(&self, _: Slot, text: &DeviceToken) -> Result<DeviceToken> {
        token::opaque(text)
    }

    fn check_fields(&self, fields: &Map<String, Value>) -> Result<()> {
        OVERLAY.check(fields)
    }

    fn receive(&self, request: &Request<Bytes>) -> Result<Received> {
        receive::read(
            request,
            &self.settings.app_id,
            &self.settings.receipt_codes,
            self.clock.now(),
        )
    }
}

impl fmt::Debug for HonorProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("HonorProvider");
        shown.field("app_id", &self.settings.app_id);
        shown.field("access", &self.access).finish_non_exhaustive()
    }
}
