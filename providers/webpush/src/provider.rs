//! The plugin, and the provider.
use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{Method, Request, Uri, header};
use push_core::{
    Batch, Batching, BuildContext, Capabilities, Channel, Clock, DeviceToken, DynProvider, Health,
    Plugin, Provider, ProviderKind, Result, Slot, Verdict, Verdicts, async_trait,
};
use push_http::{Client, HttpClient};
use push_kit::{health::health, token, verdict};
use serde_json::{Map, Value};

use crate::auth::{self, Auth};
use crate::{
    classify::{self, Answer},
    config::{Settings, WebpushConfig},
    render,
};

/// The plugin `provider/webpush`.
#[derive(Debug)]
pub struct Webpush;

impl Plugin for Webpush {
    type Kind = ProviderKind;
    type Config = WebpushConfig;
    const NAME: &'static str = "webpush";

    fn build(config: WebpushConfig, context: &BuildContext) -> Result<DynProvider> {
        let settings = config.check()?;
        let http = config.http.within(context);
        let client = Client::new(http, Arc::clone(&context.clock))?;
        let clock = Arc::clone(&context.clock);
        Ok(Arc::new(WebpushProvider::new(
            settings,
            Arc::new(client),
            clock,
        )))
    }
}

push_core::config_values!(WebpushConfig for Webpush {
    app_id,
    app_secret,
    category,
    endpoint,
    http,
} default Self::new("", ""));

/// One credential at the vendor.
pub struct WebpushProvider {
    settings: Settings,
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    auth: Auth,
    capabilities: Capabilities,
}

impl WebpushProvider {
    fn new(settings: Settings, client: Arc<dyn HttpClient>, clock: Arc<dyn Clock>) -> Self {
        Self {
            auth: auth::new(&settings, Arc::clone(&clock)),
            settings,
            client,
            clock,
            capabilities: Capabilities::new(Channel::known(Webpush::NAME), render::MAX_PAYLOAD)
                .with_batch(
                    render::MAX_TOKENS,
                    Batching::Mixed,
                )
                .with_collapse()
                .with_ttl(render::MIN_TTL, render::MAX_TTL)
                .with_text(render::TEXT)
                // What an operator looks at if the vendor refuses the credential.
                .with_repair(
                    "compare the credential with Webpush's console; rotate it, and the deliveries that wait for it go out",
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

    /// Sends a request. What is `private` does not remain in the answer.
    async fn post(
        &self,
        method: Method,
        url: &Uri,
        body: Bytes,
        mut private: Vec<&str>,
    ) -> Result<Answer, Verdict> {
        let mut request = Request::builder()
            .method(method)
            .uri(url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(|_| Verdict::unavailable("the request cannot be built"))?;
        request.headers_mut().extend(self.auth.headers());
        let response = self.client.send(request).await;
        let response = response.map_err(|error| verdict::unanswered(&error))?;
        private.push(self.settings.app_secret.expose());
        classify::read(&response, &private, self.clock.now())
    }
}

#[async_trait]
impl Provider for WebpushProvider {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        match self.push(&batch).await {
            Ok(answer) => verdicts.report_rest(&answer.whole()),
            Err(verdict) => verdicts.report_rest(&verdict),
        }
    }

    async fn verify(&self) -> Result<Health> {
        let check = &self.settings.check;
        let answer = self
            .post(Method::GET, check, Bytes::new(), Vec::new())
            .await;
        let verdict = answer.map_or_else(|verdict| verdict, Answer::whole);
        health("Webpush", &verdict)
    }

    fn check_token(&self, _: Slot, text: &DeviceToken) -> Result<DeviceToken> {
        token::opaque(text)
    }

    fn check_fields(&self, fields: &Map<String, Value>) -> Result<()> {
        render::OVERLAY.check(fields)
    }
}

impl fmt::Debug for WebpushProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebpushProvider")
            .field("url", &self.settings.send)
            .finish_non_exhaustive()
    }
}
