//! The provider: one request for a whole batch, one verdict for each target.
use std::{collections::HashSet, fmt, sync::Arc};

use bytes::Bytes;
use http::{Request, Uri, header};
use push_core::{
    Batch, BuildContext, Capabilities, Channel, Clock, DeviceToken, DynProvider, Error, ErrorKind,
    Health, Notification, Plugin, Provider, ProviderKind, Result, Slot, Target, TextLimits,
    TextUnit, VendorAnswer, Verdict, VerdictKind, Verdicts, async_trait,
};
use push_http::{Client, HttpClient, Processed, Protocols};

use crate::{
    HuaweiConfig, MAX_PAYLOAD, MAX_TOKENS, MAX_TTL,
    classify::{Answer, Outcome, explain},
    message::{Rendered, Style},
    token::{Bearer, TokenSource},
};

/// A token that no phone can have: what [`Provider::verify`] asks about.
const NOBODY: &str = "offline-push-verify-this-token-belongs-to-nobody";

/// The plugin `provider/huawei`.
#[derive(Debug)]
pub struct Huawei;

impl Plugin for Huawei {
    type Kind = ProviderKind;
    type Config = HuaweiConfig;
    const NAME: &'static str = "huawei";
    const EXAMPLE: &'static str = include_str!("example.toml");

    fn build(config: HuaweiConfig, context: &BuildContext) -> Result<DynProvider> {
        let http = config.http.clone().with_protocols(Protocols::Negotiate);
        let client = Client::new(http, Arc::clone(&context.clock))?;
        let clock = Arc::clone(&context.clock);
        Ok(Arc::new(HuaweiProvider::new(
            config,
            Arc::new(client),
            clock,
        )?))
    }
}

/// One Huawei credential.
pub struct HuaweiProvider {
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    url: Uri,
    style: Style,
    tokens: TokenSource,
    capabilities: Capabilities,
}

impl HuaweiProvider {
    /// A provider that sends with `client`; [`HuaweiConfig::http`] is the caller's to heed.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], naming the key that is wrong and what to write there.
    pub fn new(
        config: HuaweiConfig,
        client: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let settings = config.check()?;
        let tokens = TokenSource::new(&settings, Arc::clone(&client), Arc::clone(&clock));
        Ok(Self {
            client,
            clock,
            url: settings.send_url,
            style: settings.style,
            tokens,
            capabilities: Capabilities::new(Channel::HUAWEI, MAX_PAYLOAD)
                .with_batch(MAX_TOKENS)
                .with_collapse()
                .with_ttl(MAX_TTL)
                .with_text(TextLimits {
                    title: 60,
                    body: 600,
                    unit: TextUnit::Utf16,
                }),
        })
    }

    /// Posts `rendered` to `tokens`, with another access token if the first is refused for its age, once (S120).
    async fn post(&self, rendered: &Rendered, tokens: &[&DeviceToken]) -> Result<Answer, Verdict> {
        let body = Bytes::from(rendered.body(tokens.iter().copied()));
        let bearer = self.tokens.bearer().await?;
        let answer = self.post_once(&bearer, body.clone()).await?;
        if !answer.wants_another_token() {
            return Ok(answer);
        }
        let bearer = self.tokens.after_refusal(&bearer).await?;
        self.post_once(&bearer, body).await
    }

    async fn post_once(&self, bearer: &Bearer, body: Bytes) -> Result<Answer, Verdict> {
        let request = Request::post(self.url.clone())
            .header(header::AUTHORIZATION, bearer.header.clone())
            .header(header::CONTENT_TYPE, "application/json; charset=UTF-8")
            .body(body)
            .map_err(|_| Verdict::unavailable("the request to Huawei cannot be built"))?;
        match self.client.send(request).await {
            Ok(response) => Ok(Answer::read(&response, self.clock.now())),
            Err(error) => Err(match error.processed() {
                Processed::Never => Verdict::unavailable(error.to_string()),
                Processed::Unknown => Verdict::unknown(error.to_string()),
            }),
        }
    }

    /// One request: at most [`MAX_TOKENS`] targets, the first at `position` of the batch.
    async fn send_chunk(
        &self,
        notification: &Notification,
        rendered: &Rendered,
        (position, targets): (usize, &[Target]),
        verdicts: &Verdicts,
    ) {
        // One phone rings once, however often its token stands in the batch.
        let mut seen = HashSet::with_capacity(targets.len());
        let tokens: Vec<&DeviceToken> = targets
            .iter()
            .map(|it| &it.token)
            .filter(|it| seen.insert(*it))
            .collect();
        let outcome = match self.post(rendered, &tokens).await {
            Ok(answer) => answer.outcome(notification, &tokens),
            Err(verdict) => Outcome::All(verdict),
        };
        for (at, target) in targets.iter().enumerate() {
            verdicts.report(position + at, outcome.verdict(&target.token));
        }
    }
}

#[async_trait]
impl Provider for HuaweiProvider {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        if batch.slot != Slot::Alert {
            verdicts.report_rest(&Verdict::payload_refused(
                "slot",
                "Huawei has one kind of token, for alerts",
            ));
            return;
        }
        // Receipts name the request, not the delivery; where the two are the same they can say so.
        let bi_tag = match batch.targets.as_slice() {
            [only] => Some(only.delivery),
            _ => None,
        };
        let now = self.clock.now();
        match self.style.render(&batch.notification, now, bi_tag, false) {
            Ok(rendered) => {
                let chunks = batch.targets.chunks(MAX_TOKENS).enumerate();
                for (number, targets) in chunks {
                    let targets = (number * MAX_TOKENS, targets);
                    self.send_chunk(&batch.notification, &rendered, targets, &verdicts)
                        .await;
                }
            }
            Err(verdict) => verdicts.report_rest(&verdict),
        }
    }

    /// Fetches an access token and asks Huawei to check, not to deliver, a message to a token that nobody has.
    async fn verify(&self) -> Result<Health> {
        if let Err(verdict) = self.tokens.fetch().await {
            return health(&verdict, "the token service", &verdict.answer.text);
        }
        let question = Notification {
            title: "verify".into(),
            body: "verify".into(),
            ..Notification::default()
        };
        let internal = || Error::new(ErrorKind::Internal, "the test message cannot be rendered");
        let rendered = self
            .style
            .render(&question, self.clock.now(), None, true)
            .map_err(|_| internal())?;
        let nobody = DeviceToken::new(NOBODY)?;
        let verdict = match self.post(&rendered, &[&nobody]).await {
            Ok(answer) => answer.outcome(&question, &[&nobody]).verdict(&nobody),
            Err(verdict) => verdict,
        };
        health(&verdict, "the push service", "")
    }
}

/// What a verdict on the test message says of the credential. `words` are the vendor's, where they can be shown.
fn health(verdict: &Verdict, who: &str, words: &str) -> Result<Health> {
    let mut said = describe(&verdict.answer);
    if !words.is_empty() && said != words {
        said = format!("{said}, {words}");
    }
    match verdict.kind {
        VerdictKind::CredentialRefused => Ok(Health {
            accepted: false,
            evidence: format!("{who} refuses the credential: {said}"),
        }),
        // A word on the message or its token means that the credential was accepted before.
        VerdictKind::Accepted | VerdictKind::TokenDead { .. } | VerdictKind::PayloadRefused => {
            Ok(Health {
                accepted: true,
                evidence: format!(
                    "{who} accepts the credential; to a test message it said: {said}"
                ),
            })
        }
        _ => Err(Error::new(
            ErrorKind::Unavailable,
            format!("{who} of Huawei could not be asked: {said}"),
        )
        .advise(
            "try again later; if it stays so, check `endpoint`, `token_endpoint` and the network",
        )),
    }
}

/// Status and code, with our words for them: the vendor's may repeat what it was asked.
fn describe(answer: &VendorAnswer) -> String {
    let mut said = match answer.status {
        Some(status) => format!("HTTP {status}"),
        None => answer.text.clone(),
    };
    for part in [answer.code.as_str(), explain(&answer.code)] {
        if !part.is_empty() {
            said = format!("{said}, {part}");
        }
    }
    said
}

impl fmt::Debug for HuaweiProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HuaweiProvider")
            .field("url", &self.url)
            .field("tokens", &self.tokens)
            .finish_non_exhaustive()
    }
}
