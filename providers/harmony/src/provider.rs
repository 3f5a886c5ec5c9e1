//! The plugin `provider/harmony`, and one credential of it.
use std::{collections::HashSet, fmt, sync::Arc};

use bytes::Bytes;
use http::{Request, Uri, header};
use push_core::{
    BadgeStyle, Batch, Batching, BuildContext, Capabilities, Channel, Clock, Content, DeviceToken,
    DynProvider, Error, ErrorKind, Health, NotificationKind, Plugin, Provider, ProviderKind,
    Received, Result, Slot, Verdict, Verdicts, async_trait,
};
use push_http::{Client, HttpClient};
use push_kit::{
    access::{AccessCache, AccessToken},
    health::health,
    token,
    verdict::{unanswered, unsupported},
};
use serde_json::{Map, Value, json};

use crate::{
    HarmonyConfig, MAX_PAYLOAD, MAX_TOKENS,
    auth::Issuer,
    classify::{Answer, Call, Outcome},
    config::Settings,
    receive::{self, Signer},
    render::{MAX_TTL, MIN_TTL, OVERLAY, PushType, Style, TEXT, notify_id},
};

/// A token that no phone can have: what [`Provider::verify`] asks about.
const NO_PHONE: &str = "offline-push-verify-this-token-belongs-to-no-phone";

/// What to look at if Push Kit refuses the service account.
const REPAIR: &str = "check in AppGallery Connect that Push Kit is enabled for the app, that the service account is one of the app's project and its key is not disabled, and that this server's clock is right, whose time the JWT carries; rotate the credential, and the deliveries that wait for it go out";

/// The plugin.
#[derive(Debug)]
pub struct Harmony;

impl Plugin for Harmony {
    type Kind = ProviderKind;
    type Config = HarmonyConfig;
    const NAME: &'static str = "harmony";

    fn build(config: HarmonyConfig, context: &BuildContext) -> Result<DynProvider> {
        let clock = Arc::clone(&context.clock);
        let http = config.http.clone().within(context);
        let client = Client::new(http, Arc::clone(&clock))?;
        let provider = HarmonyProvider::new(&config, Arc::new(client), clock)?;
        Ok(Arc::new(provider))
    }
}

/// Sends with one service account.
pub struct HarmonyProvider {
    capabilities: Capabilities,
    style: Style,
    send: Uri,
    revoke: Option<Uri>,
    access: AccessCache<Issuer>,
    receipts: Option<Signer>,
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
}

impl HarmonyProvider {
    /// A provider that sends with `client`; [`HarmonyConfig::http`] is not read.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], naming every key that is wrong.
    pub fn new(
        config: &HarmonyConfig,
        client: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let settings = config.check()?;
        let capabilities = capabilities(&settings);
        let issuer = Issuer {
            account: settings.account,
            clock: Arc::clone(&clock),
        };
        Ok(Self {
            capabilities,
            style: settings.style,
            send: settings.send,
            revoke: settings.revoke,
            access: AccessCache::new(issuer, Arc::clone(&clock)),
            receipts: settings.receipts,
            client,
            clock,
        })
    }

    /// Recalls the notification `content` from the phones with these tokens, at most [`MAX_TOKENS`]: what was not delivered yet, and
    /// what is shown and was not tapped. The number on the icon stays. Returns one verdict for each token.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the configuration has no `client_id`, [`ErrorKind::Invalid`] if there are no tokens or too many.
    pub async fn revoke(&self, content: &Content, tokens: &[DeviceToken]) -> Result<Vec<Verdict>> {
        let Some(url) = &self.revoke else {
            let what = "the credential has no `client_id`, which a recall needs";
            return Err(Error::new(ErrorKind::Unsupported, what).advise(
                "copy it from AppGallery Connect > Project settings > General information",
            ));
        };
        let list = distinct(tokens);
        if list.is_empty() || list.len() > MAX_TOKENS {
            let what = "a recall has 1 to 1000 tokens";
            return Err(Error::new(ErrorKind::Invalid, what).advise("divide the list"));
        }
        let push_type = self.style.push_type(&content.notification);
        let body = json!({ "notifyId": notify_id(content), "token": list }).to_string();
        let request = (url, push_type, body);
        let outcome = self.exchange(Call::Revoke, request, &list, None).await;
        let outcome = outcome.unwrap_or_else(Outcome::from);
        let verdicts = tokens
            .iter()
            .map(|token| outcome.of(token.expose()).clone());
        Ok(verdicts.collect())
    }

    async fn deliver(&self, batch: &Batch, content: &Content) -> Result<Outcome, Verdict> {
        let kind = content.notification.kind;
        if let Some(verdict) = unsupported(&self.capabilities, batch.slot, kind) {
            return Err(verdict);
        }
        // A phone rings once, however often its token is in the batch.
        let list = distinct(batch.targets.iter().map(|target| &target.token));
        let now = self.clock.now();
        let rendered = self.style.render(batch, content, &list, now)?;
        let call = Call::Send(rendered.push_type);
        let request = (&self.send, rendered.push_type, rendered.body);
        self.exchange(call, request, &list, Some(content)).await
    }

    /// Posts a request, once more if Push Kit refuses the JWT for its age (S120), and judges the answer on `tokens`.
    async fn exchange(
        &self,
        call: Call,
        (url, push_type, body): (&Uri, PushType, String),
        tokens: &[&str],
        content: Option<&Content>,
    ) -> Result<Outcome, Verdict> {
        let body = Bytes::from(body);
        let post = |access| self.post(url, push_type, body.clone(), access);
        let is_refused = |(answer, _): &(Answer, _)| answer.is_expired();
        let (answer, access) = self.access.send(post, is_refused).await?;
        let mut private = vec![access.expose()];
        private.extend(self.receipts.as_ref().map(|signer| signer.key.expose()));
        if let Some(content) = content {
            let shown = &content.notification;
            private.extend([&shown.title, &shown.body, &shown.ext].map(String::as_str));
        }
        Ok(answer.outcome(call, tokens, &private, self.clock.now()))
    }

    async fn post(
        &self,
        url: &Uri,
        push_type: PushType,
        body: Bytes,
        access: Arc<AccessToken>,
    ) -> Result<(Answer, Arc<AccessToken>), Verdict> {
        let request = Request::post(url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, access.bearer())
            .header("push-type", push_type as u16)
            .body(body)
            .map_err(|_| Verdict::unavailable("the request to Push Kit cannot be written"))?;
        let response = self.client.send(request).await;
        let response = response.map_err(|error| unanswered(&error))?;
        Ok((Answer::read(&response), access))
    }

    /// Sends a test message to a token that no phone has.
    async fn ask(&self) -> Result<Outcome, Verdict> {
        let question = self.style.question(NO_PHONE)?;
        let call = Call::Send(question.push_type);
        let request = (&self.send, question.push_type, question.body);
        self.exchange(call, request, &[NO_PHONE], None).await
    }
}

fn capabilities(settings: &Settings) -> Capabilities {
    use NotificationKind::{Alert, Background, Voip};
    let batching = match settings.batch {
        1 => Batching::Mixed,
        _ => Batching::Uniform,
    };
    let can = Capabilities::new(Channel::HARMONY, MAX_PAYLOAD)
        .with_kinds(&[Alert, Background])
        .with_batch(settings.batch, batching)
        .with_badge(BadgeStyle::Set)
        .with_title_needed()
        .with_collapse()
        .with_ttl(MIN_TTL, MAX_TTL)
        .with_text(TEXT)
        .with_repair(REPAIR);
    if settings.calls {
        can.with_kinds(&[Alert, Background, Voip])
            .with_slots(&[Slot::Alert, Slot::Voip])
    } else {
        can
    }
}

/// The tokens in their order, each once.
fn distinct<'a>(tokens: impl IntoIterator<Item = &'a DeviceToken>) -> Vec<&'a str> {
    let mut seen = HashSet::new();
    let tokens = tokens.into_iter().map(DeviceToken::expose);
    tokens.filter(|token| seen.insert(*token)).collect()
}

#[async_trait]
impl Provider for HarmonyProvider {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        let Some(content) = batch.content() else {
            return;
        };
        let outcome = self.deliver(&batch, content).await;
        let outcome = outcome.unwrap_or_else(Outcome::from);
        let targets = batch.targets.iter().enumerate();
        verdicts.report_many(
            targets.map(|(at, target)| (at, outcome.of(target.token.expose()).clone())),
        );
    }

    /// Sends a test message to a token that no phone has: v3 has no way to ask without sending, and a JWT that is signed here
    /// shows nothing.
    async fn verify(&self) -> Result<Health> {
        let outcome = self.ask().await.unwrap_or_else(Outcome::from);
        health("Push Kit", outcome.of(NO_PHONE))
    }

    /// Push Kit documents neither length nor alphabet of its tokens.
    fn check_token(&self, _: Slot, text: &DeviceToken) -> Result<DeviceToken> {
        token::opaque(text)
    }

    fn check_fields(&self, fields: &Map<String, Value>) -> Result<()> {
        OVERLAY.check(fields)
    }

    fn receive(&self, request: &Request<Bytes>) -> Result<Received> {
        let is_test = self.style.test_message;
        receive::read(request, self.receipts.as_ref(), is_test, self.clock.now())
    }
}

impl fmt::Debug for HarmonyProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HarmonyProvider")
            .field("url", &self.send)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}
