//! The plugin `provider/tpns`, and one credential of it.
use std::{fmt, sync::Arc};

use http::{Request, header::CONTENT_TYPE};
use push_core::{
    BadgeStyle, Batch, Batching, BuildContext, Capabilities, Channel, Clock, DeviceToken,
    DynProvider, Health, NotificationKind, Plugin, Provider, ProviderKind, Result, Slot, Verdict,
    Verdicts, async_trait,
};
use push_http::{Client, HttpClient};
use push_kit::{
    health::health,
    token,
    verdict::{unanswered, unsupported},
};
use serde_json::{Map, Value};

use crate::{
    auth::Auth,
    classify::Answer,
    config::{Settings, TpnsConfig},
    render::{MAX_PAYLOAD, MAX_TTL, MIN_TTL, OVERLAY, System},
};

/// The token of [`Provider::verify`]: no phone has it.
const UNKNOWN_TOKEN: &str = "offline-push-verify";

/// What to look at if TPNS refuses the id and the key.
const REPAIR: &str = "check in the TPNS console that `access_id` and `secret_key` are those of the app and platform, that `access_point` is where the app was created, that TPNS is paid for, and for iOS that the uploaded certificate has not expired; check that this server's clock is right; rotate or resume the credential, and the deliveries that wait for it go out";

/// The plugin.
#[derive(Debug)]
pub struct Tpns;

impl Plugin for Tpns {
    type Kind = ProviderKind;
    type Config = TpnsConfig;
    const NAME: &'static str = "tpns";

    fn build(config: TpnsConfig, context: &BuildContext) -> Result<DynProvider> {
        let settings = config.check()?;
        let clock = Arc::clone(&context.clock);
        let http = config.http.within(context);
        let (id, key) = (&settings.access_id, &settings.secret_key);
        Ok(Arc::new(TpnsProvider {
            capabilities: capabilities(&settings),
            auth: Auth::new(id, key, settings.auth, Arc::clone(&clock)),
            client: Arc::new(Client::new(http, Arc::clone(&clock))?),
            settings,
            clock,
        }))
    }
}

fn capabilities(settings: &Settings) -> Capabilities {
    let batching = match settings.batch {
        1 => Batching::Mixed,
        _ => Batching::Uniform,
    };
    let capabilities = Capabilities::new(Channel::known(Tpns::NAME), MAX_PAYLOAD)
        .with_kinds(&[NotificationKind::Alert, NotificationKind::Background])
        .with_batch(settings.batch, batching)
        .with_badge(BadgeStyle::Set)
        .with_title_needed()
        .with_ttl(MIN_TTL, MAX_TTL)
        .with_text(settings.look.text)
        .with_repair(REPAIR);
    match settings.look.system {
        System::Android => capabilities.with_collapse(),
        // Only pushes to all or to tags have a collapse id, which TPNS issues.
        System::Ios => capabilities,
    }
}

/// Sends with one credential.
pub struct TpnsProvider {
    capabilities: Capabilities,
    settings: Settings,
    auth: Auth,
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
}

impl TpnsProvider {
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
        let tokens: Vec<&str> = tokens.collect();
        let texts = [&shown.title, &shown.body, &shown.ext].map(String::as_str);
        self.post(body, &tokens, &texts).await
    }

    /// Posts `body`, a request for `tokens`. Nothing of them and of `private` stays in the answer.
    async fn post(
        &self,
        body: String,
        tokens: &[&str],
        private: &[&str],
    ) -> Result<Answer, Verdict> {
        let headers = self.auth.headers(&body);
        let mut request = Request::post(self.settings.send.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(body.into())
            .map_err(|error| Verdict::unavailable(error.to_string()))?;
        request.headers_mut().extend(headers);
        let response = match self.client.send(request).await {
            Ok(response) => response,
            Err(error) => return Err(unanswered(&error)),
        };
        let own = [self.settings.secret_key.expose()];
        let private = [tokens, private, &own].concat();
        Ok(Answer::read(&response, tokens, &private, self.clock.now()))
    }
}

#[async_trait]
impl Provider for TpnsProvider {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        match self.push(&batch).await {
            Ok(answer) => {
                let positions = 0..batch.targets.len();
                verdicts.report_many(positions.map(|at| (at, answer.of(at))));
            }
            Err(verdict) => verdicts.report_rest(&verdict),
        }
    }

    /// Sends a message to a token that no phone has. TPNS has no documented way to ask without sending.
    async fn verify(&self) -> Result<Health> {
        let question = self.settings.look.question(UNKNOWN_TOKEN);
        let answer = self.post(question, &[UNKNOWN_TOKEN], &[]).await;
        health(
            "TPNS",
            &answer.map_or_else(|verdict| verdict, |answer| answer.of(0)),
        )
    }

    /// A token of TPNS has at most 36 characters today, which is not checked: it may become longer.
    fn check_token(&self, _: Slot, text: &DeviceToken) -> Result<DeviceToken> {
        token::opaque(text)
    }

    fn check_fields(&self, fields: &Map<String, Value>) -> Result<()> {
        OVERLAY.check(fields)
    }
}

impl fmt::Debug for TpnsProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("TpnsProvider");
        shown.field("auth", &self.auth).finish_non_exhaustive()
    }
}
