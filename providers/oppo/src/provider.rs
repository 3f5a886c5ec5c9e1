//! The plugin, and the provider.
use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{Method, Request, Uri, header};
use push_core::{
    Batch, Batching, BuildContext, Capabilities, Channel, Clock, DeviceToken, DynProvider, Health,
    Plugin, Provider, ProviderKind, Result, Slot, Verdict, Verdicts, async_trait,
};
use push_http::{Client, HttpClient};
use push_kit::{access::AccessToken, health::health, token, verdict};
use serde_json::{Map, Value};

use crate::auth::{self, Auth};
use crate::{
    classify::{self, Answer},
    config::{OppoConfig, Settings},
    render,
};

/// The plugin `provider/oppo`.
#[derive(Debug)]
pub struct Oppo;

impl Plugin for Oppo {
    type Kind = ProviderKind;
    type Config = OppoConfig;
    const NAME: &'static str = "oppo";

    fn build(config: OppoConfig, context: &BuildContext) -> Result<DynProvider> {
        let settings = config.check()?;
        let http = config.http.within(context);
        let client = Client::new(http, Arc::clone(&context.clock))?;
        let clock = Arc::clone(&context.clock);
        Ok(Arc::new(OppoProvider::new(
            settings,
            Arc::new(client),
            clock,
        )))
    }
}

push_core::config_values!(OppoConfig for Oppo {
    app_id,
    app_secret,
    category,
    endpoint,
    http,
} default Self::new("", ""));

/// One credential at the vendor.
pub struct OppoProvider {
    settings: Settings,
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    auth: Auth,
    capabilities: Capabilities,
}

impl OppoProvider {
    fn new(settings: Settings, client: Arc<dyn HttpClient>, clock: Arc<dyn Clock>) -> Self {
        Self {
            auth: auth::new(&settings, Arc::clone(&client), Arc::clone(&clock)),
            settings,
            client,
            clock,
            capabilities: Capabilities::new(Channel::known(Oppo::NAME), render::MAX_PAYLOAD)
                .with_batch(
                    render::MAX_TOKENS,
                    Batching::Uniform,
                )
                .with_collapse()
                .with_ttl(render::MIN_TTL, render::MAX_TTL)
                .with_text(render::TEXT)
                // What an operator looks at if the vendor refuses the credential.
                .with_repair(
                    "compare the credential with Oppo's console; rotate it, and the deliveries that wait for it go out",
                ),
        }
    }

    async fn push(&self, batch: &Batch) -> Result<Answer, Verdict> {
        let Some(content) = batch.content() else {
            return Err(Verdict::payload_refused("empty", "a batch without targets"));
        };
        let kind = content.notification.kind;
        if let Some(verdict) = verdict::unsupported(&self.capabilities, batch.slot, kind) {
            return Err(verdict);
        }
        let category = self.settings.category.as_deref();
        let body = render::body(batch, content, category, self.clock.now())?;
        let shown = &content.notification;
        let mut private = vec![
            shown.title.as_str(),
            shown.body.as_str(),
            shown.ext.as_str(),
        ];
        private.extend(batch.targets.iter().map(|target| target.token.expose()));
        self.post(Method::POST, &self.settings.send, body, private)
            .await
    }

    /// Sends a request, with another access token if the first was refused for its age, once (S120). What is `private` does not
    /// remain in the answer.
    async fn post(
        &self,
        method: Method,
        url: &Uri,
        body: Bytes,
        private: Vec<&str>,
    ) -> Result<Answer, Verdict> {
        let private = &private;
        self.auth
            .send(
                |access| self.exchange(method.clone(), url, access, body.clone(), private),
                |answer| answer.wants_access,
            )
            .await
    }

    async fn exchange(
        &self,
        method: Method,
        url: &Uri,
        access: Arc<AccessToken>,
        body: Bytes,
        private: &[&str],
    ) -> Result<Answer, Verdict> {
        let request = Request::builder()
            .method(method)
            .uri(url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, access.bearer().clone())
            .body(body)
            .map_err(|_| Verdict::unavailable("the request cannot be built"))?;
        let response = self.client.send(request).await;
        let response = response.map_err(|error| verdict::unanswered(&error))?;
        let mut private = private.to_vec();
        private.extend([self.settings.app_secret.expose(), access.expose()]);
        classify::read(&response, &private, self.clock.now())
    }
}

#[async_trait]
impl Provider for OppoProvider {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        match self.push(&batch).await {
            Ok(answer) => verdicts.report_many(
                batch
                    .targets
                    .iter()
                    .map(|target| answer.verdict(target.token.expose()))
                    .enumerate(),
            ),
            Err(verdict) => verdicts.report_rest(&verdict),
        }
    }

    async fn verify(&self) -> Result<Health> {
        let check = &self.settings.check;
        let answer = self
            .post(Method::GET, check, Bytes::new(), Vec::new())
            .await;
        let verdict = answer.map_or_else(|verdict| verdict, Answer::whole);
        health("Oppo", &verdict)
    }

    fn check_token(&self, _: Slot, text: &DeviceToken) -> Result<DeviceToken> {
        token::opaque(text)
    }

    fn check_fields(&self, fields: &Map<String, Value>) -> Result<()> {
        render::OVERLAY.check(fields)
    }
}

impl fmt::Debug for OppoProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OppoProvider")
            .field("url", &self.settings.send)
            .finish_non_exhaustive()
    }
}
