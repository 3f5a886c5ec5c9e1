//! The plugin `provider/vivo`, and one credential of it.
use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Uri, header};
use push_core::{
    BadgeStyle, Batch, Batching, BuildContext, Capabilities, Channel, Clock, DeviceToken,
    DynProvider, Health, Plugin, Provider, ProviderKind, Received, Result, Slot, Verdict, Verdicts,
    async_trait,
};
use push_http::{Client, HttpClient};
use push_kit::{
    access::{AccessCache, AccessToken},
    health::health,
    token,
    verdict::{unanswered, unprepared, unsupported},
};
use serde_json::{Map, Value};

use crate::{
    auth::{self, Gate},
    classify::{Answer, Call, JSON},
    config::{Settings, VivoConfig},
    receive,
    render::{self, MAX_CUSTOM, MAX_TTL, MIN_TTL, OVERLAY, Receipts, TEXT},
};

/// The header of the access token.
const AUTH_TOKEN: HeaderName = HeaderName::from_static("authtoken");

/// The registration id of [`Provider::verify`]: no phone has it.
const UNKNOWN_TOKEN: &str = "offline-push-verify";

/// The plugin.
#[derive(Debug)]
pub struct Vivo;

impl Plugin for Vivo {
    type Kind = ProviderKind;
    type Config = VivoConfig;
    const NAME: &'static str = "vivo";

    fn build(config: VivoConfig, context: &BuildContext) -> Result<DynProvider> {
        let settings = config.check()?;
        let clock = Arc::clone(&context.clock);
        let http = config.http.within(context);
        let client: Arc<dyn HttpClient> = Arc::new(Client::new(http, Arc::clone(&clock))?);
        Ok(Arc::new(VivoProvider {
            capabilities: capabilities(&settings),
            access: auth::cache(&settings, &client, &clock),
            receipts: context.receipts.as_ref().map(Uri::to_string),
            settings,
            client,
            clock,
        }))
    }
}

/// What to look at if vivo refuses the credential.
const REPAIR: &str = "compare app id, app key and app secret with the app's page in the Push console of dev.vivo.com.cn, check that the app passed review and that this machine's clock is right; rotate the credential, and the deliveries that wait for it go out";

fn capabilities(settings: &Settings) -> Capabilities {
    let batching = match settings.batch {
        1 => Batching::Mixed,
        _ => Batching::Uniform,
    };
    let badge = match settings.look.count_badge {
        true => BadgeStyle::CountUp,
        false => BadgeStyle::None,
    };
    Capabilities::new(Channel::known(Vivo::NAME), MAX_CUSTOM)
        .with_batch(settings.batch, batching)
        .with_badge(badge)
        .with_title_needed()
        .with_collapse()
        .with_ttl(MIN_TTL, MAX_TTL)
        .with_text(TEXT)
        .with_repair(REPAIR)
}

/// Sends with one credential.
pub struct VivoProvider {
    capabilities: Capabilities,
    settings: Settings,
    access: AccessCache<Gate>,
    /// The credential's receipt address.
    receipts: Option<String>,
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
}

impl VivoProvider {
    async fn push(&self, batch: &Batch) -> Result<Answer, Verdict> {
        let Some(content) = batch.content() else {
            return Err(Verdict::payload_refused("empty", "the batch has no target"));
        };
        let shown = &content.notification;
        if let Some(verdict) = unsupported(&self.capabilities, batch.slot, shown.kind) {
            return Err(verdict);
        }
        let (look, urls) = (&self.settings.look, &self.settings.urls);
        let receipts = Receipts {
            id: self.settings.receipt_id.as_deref(),
            address: self.receipts.as_deref(),
            is_test: look.push_mode != 0,
        };
        let message = look.message(batch, content, &receipts, self.clock.now())?;
        let tokens = batch.targets.iter().map(|target| target.token.expose());
        let texts = [&shown.title, &shown.body, &shown.ext];
        let private: Vec<&str> = tokens.chain(texts.map(String::as_str)).collect();
        if let [only] = batch.targets.as_slice() {
            let body = look.single(message, only.token.expose(), &batch.id.to_string());
            return self.post(&urls.single, Call::Single, body, &private).await;
        }
        // A message is saved anew when its batch is repeated, under an id of its own: only the list push is to be recognised.
        let id = format!("{}-{}", batch.id, self.clock.now().unix_millis());
        let body = render::saved(message, &id);
        let saved = self.post(&urls.save, Call::Save, body, &private).await?;
        let body = look.list(batch, saved.saved()?);
        self.post(&urls.list, Call::List, body, &private).await
    }

    /// Posts `body` to `url`, once more if the access token is refused (S120). Nothing of `private` stays in the answer.
    async fn post(
        &self,
        url: &Uri,
        call: Call,
        body: String,
        private: &[&str],
    ) -> Result<Answer, Verdict> {
        let body = Bytes::from(body);
        let exchange = |access| self.exchange(access, url, call, body.clone(), private);
        self.access
            .send(exchange, |answer| answer.wants_access)
            .await
    }

    async fn exchange(
        &self,
        access: Arc<AccessToken>,
        url: &Uri,
        call: Call,
        body: Bytes,
        private: &[&str],
    ) -> Result<Answer, Verdict> {
        let mut token = HeaderValue::from_str(access.expose())
            .map_err(|_| Verdict::unavailable("the access token cannot be sent in a header"))?;
        token.set_sensitive(true);
        let request = Request::post(url.clone())
            .header(header::CONTENT_TYPE, JSON)
            .header(AUTH_TOKEN, token)
            .body(body)
            .map_err(|error| Verdict::unavailable(error.to_string()))?;
        let response = self.client.send(request).await;
        let response = response.map_err(|error| match call {
            // Nothing was sent to a phone, whatever became of the request.
            Call::Save => unprepared("the message was not saved at vivo", &error),
            Call::Single | Call::List => unanswered(&error),
        })?;
        let own = [self.settings.app_secret.expose(), access.expose()];
        let private = [private, &own].concat();
        Ok(Answer::read(&response, call, &private, self.clock.now()))
    }
}

#[async_trait]
impl Provider for VivoProvider {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        match self.push(&batch).await {
            Ok(answer) => {
                let tokens = batch.targets.iter().map(|target| target.token.expose());
                verdicts.report_many(tokens.map(|token| answer.of(token)).enumerate());
            }
            Err(verdict) => verdicts.report_rest(&verdict),
        }
    }

    /// Sends a test message to a registration id that no phone has: the answer shows that the access token was accepted, and no
    /// user is disturbed. vivo has no documented way to ask without sending.
    async fn verify(&self) -> Result<Health> {
        let urls = &self.settings.urls;
        let question = self.settings.look.question(UNKNOWN_TOKEN, self.clock.now());
        match self.post(&urls.single, Call::Single, question, &[]).await {
            // It knows no such phone, as it should.
            Ok(answer) if answer.names(UNKNOWN_TOKEN) => health("vivo", &answer.of(UNKNOWN_TOKEN)),
            Ok(answer) => health("vivo", answer.whole()),
            Err(verdict) => health("vivo", &verdict),
        }
    }

    /// Registration ids had 23 characters; newer ones begin with `v2-` and have more than 50. Their form is not documented.
    fn check_token(&self, _: Slot, text: &DeviceToken) -> Result<DeviceToken> {
        token::opaque(text)
    }

    fn check_fields(&self, fields: &Map<String, Value>) -> Result<()> {
        OVERLAY.check(fields)
    }

    fn receive(&self, request: &Request<Bytes>) -> Result<Received> {
        receive::read(request, &self.settings.receipt_types, self.clock.now())
    }
}

impl fmt::Debug for VivoProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("VivoProvider");
        shown.field("app_id", &self.settings.look.app_id);
        shown.field("access", &self.access).finish_non_exhaustive()
    }
}
