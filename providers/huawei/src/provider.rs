//! The provider: one request for a whole batch, one verdict for each target.
use std::{collections::HashSet, fmt, sync::Arc};

use bytes::Bytes;
use http::{Request, Uri, header};
use push_core::{
    BadgeStyle, Batch, Batching, BuildContext, Capabilities, Channel, Clock, Content, DeviceToken,
    DynProvider, Health, NotificationKind, Plugin, Provider, ProviderKind, Received, Result, Slot,
    Verdict, Verdicts, async_trait,
};
use push_http::{Client, HttpClient, Protocols};
use push_kit::{
    access::{AccessCache, AccessToken},
    health::health,
    token,
    verdict::{unanswered, unsupported},
};
use serde_json::{Map, Value};

use crate::{
    HuaweiConfig, MAX_PAYLOAD, MAX_TOKENS, MAX_TTL,
    auth::HuaweiTokens,
    classify::{Answer, Outcome},
    receive::{Signer, receive},
    render::{self, MIN_TTL, Rendered, Style, TEXT, fields},
};

/// A token that no phone can have: what [`Provider::verify`] asks about.
const NO_PHONE: &str = "offline-push-verify-this-token-belongs-to-no-phone";

/// What to look at if Huawei refuses the app's id and secret.
const REPAIR: &str = "check in AppGallery Connect that app id and app secret are those of the app, and that Push Kit is enabled for it; rotate the credential, and the deliveries that wait for it go out";

/// The plugin `provider/huawei`.
#[derive(Debug)]
pub struct Huawei;

impl Plugin for Huawei {
    type Kind = ProviderKind;
    type Config = HuaweiConfig;
    const NAME: &'static str = "huawei";

    fn build(config: HuaweiConfig, context: &BuildContext) -> Result<DynProvider> {
        let clock = Arc::clone(&context.clock);
        let http = config.http.clone().with_protocols(Protocols::Negotiate);
        let http = http.within(context);
        let client = Client::new(http, Arc::clone(&clock))?;
        let provider = HuaweiProvider::new(&config, Arc::new(client), clock)?;
        Ok(Arc::new(provider))
    }
}

/// One Huawei credential.
pub struct HuaweiProvider {
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    access: AccessCache<HuaweiTokens>,
    url: Uri,
    app_id: String,
    style: Style,
    signer: Option<Signer>,
    capabilities: Capabilities,
}

impl HuaweiProvider {
    /// A provider that sends with `client`; [`HuaweiConfig::http`] is not read.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](push_core::ErrorKind::Config), naming every key that is wrong.
    pub fn new(
        config: &HuaweiConfig,
        client: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let settings = config.check()?;
        let badge = if settings.style.badge_class.is_empty() {
            BadgeStyle::None
        } else {
            BadgeStyle::Set
        };
        let tokens = HuaweiTokens {
            url: settings.token_url,
            app_id: settings.app_id.clone(),
            app_secret: settings.app_secret,
            client: Arc::clone(&client),
            clock: Arc::clone(&clock),
        };
        Ok(Self {
            client,
            access: AccessCache::new(tokens, Arc::clone(&clock)),
            clock,
            url: settings.send_url,
            app_id: settings.app_id,
            style: settings.style,
            signer: settings.signer,
            capabilities: Capabilities::new(Channel::HUAWEI, MAX_PAYLOAD)
                .with_kinds(&[
                    NotificationKind::Alert,
                    NotificationKind::Background,
                    NotificationKind::Voip,
                ])
                .with_batch(MAX_TOKENS, Batching::Uniform)
                .with_badge(badge)
                .with_title_needed()
                .with_collapse()
                .with_ttl(MIN_TTL, MAX_TTL)
                .with_text(TEXT)
                .with_repair(REPAIR),
        })
    }

    /// Posts `rendered` to `tokens`, once more if Huawei refuses the access token for its age (S120), and judges the answer.
    async fn exchange(
        &self,
        content: Option<&Content>,
        rendered: &Rendered,
        tokens: &[&DeviceToken],
    ) -> Result<Outcome, Verdict> {
        let body = Bytes::from(rendered.body(tokens.iter().copied()));
        let (answer, access) = self
            .access
            .send(
                |access| self.post(body.clone(), access),
                |(answer, _): &(Answer, _)| answer.is_access_refused(),
            )
            .await?;
        let mut private = vec![access.expose(), self.access.service().app_secret.expose()];
        private.extend(self.signer.as_ref().map(|signer| signer.key.expose()));
        if let Some(content) = content {
            let notification = &content.notification;
            private.extend([
                notification.title.as_str(),
                &notification.body,
                &notification.ext,
            ]);
        }
        Ok(answer.outcome(tokens, &private, self.clock.now()))
    }

    async fn post(
        &self,
        body: Bytes,
        access: Arc<AccessToken>,
    ) -> Result<(Answer, Arc<AccessToken>), Verdict> {
        let request = Request::post(self.url.clone())
            .header(header::AUTHORIZATION, access.bearer())
            .header(header::CONTENT_TYPE, "application/json; charset=UTF-8")
            .body(body)
            .map_err(|_| Verdict::unavailable("the request to Huawei cannot be written"))?;
        let response = self.client.send(request).await;
        let response = response.map_err(|error| unanswered(&error))?;
        Ok((Answer::read(&response), access))
    }

    /// Sends a batch that has at least one target.
    async fn deliver(&self, batch: &Batch, content: &Content) -> Result<Outcome, Verdict> {
        let kind = content.notification.kind;
        if let Some(verdict) = unsupported(&self.capabilities, batch.slot, kind) {
            return Err(verdict);
        }
        let first = batch.targets.first();
        let request = render::Request {
            badge: first.map(|target| target.badge).unwrap_or_default(),
            tag: first.map(|target| target.delivery),
            delivery: first
                .filter(|_| batch.targets.len() == 1)
                .map(|target| target.delivery),
            receiver: batch.receiver(),
        };
        let rendered = self.style.render(content, self.clock.now(), &request)?;
        // A phone rings once, however often its token is in the batch.
        let mut seen = HashSet::with_capacity(batch.targets.len());
        let tokens: Vec<&DeviceToken> = batch
            .targets
            .iter()
            .map(|target| &target.token)
            .filter(|token| seen.insert(*token))
            .collect();
        self.exchange(Some(content), &rendered, &tokens).await
    }

    /// Lets Huawei check, not deliver, a message to a token that no phone has.
    async fn dry_run(&self) -> Result<Verdict, Verdict> {
        let no_phone = DeviceToken::new(NO_PHONE)
            .map_err(|_| Verdict::unavailable("the test message cannot be written"))?;
        let rendered = self.style.render_check()?;
        let outcome = self.exchange(None, &rendered, &[&no_phone]).await?;
        Ok(outcome.verdict(&no_phone))
    }
}

#[async_trait]
impl Provider for HuaweiProvider {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        let Some(content) = batch.content() else {
            return;
        };
        match self.deliver(&batch, content).await {
            Ok(outcome) => {
                let targets = batch.targets.iter().enumerate();
                verdicts.report_many(
                    targets.map(|(position, target)| (position, outcome.verdict(&target.token))),
                );
            }
            Err(verdict) => verdicts.report_rest(&verdict),
        }
    }

    /// Fetches an access token, and lets Huawei check a message to a token that no phone has.
    async fn verify(&self) -> Result<Health> {
        if let Err(verdict) = self.access.check().await {
            return health("the token service of Huawei", &verdict);
        }
        let (Ok(verdict) | Err(verdict)) = self.dry_run().await;
        health("the push service of Huawei", &verdict)
    }

    /// Huawei documents neither length nor alphabet of its tokens.
    fn check_token(&self, _slot: Slot, text: &DeviceToken) -> Result<DeviceToken> {
        token::opaque(text)
    }

    fn check_fields(&self, fields: &Map<String, Value>) -> Result<()> {
        fields::check(fields)
    }

    fn receive(&self, request: &Request<Bytes>) -> Result<Received> {
        receive(
            request,
            &self.app_id,
            self.signer.as_ref(),
            self.clock.now(),
        )
    }
}

impl fmt::Debug for HuaweiProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HuaweiProvider")
            .field("url", &self.url)
            .field("token_url", &self.access.service().url)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}
