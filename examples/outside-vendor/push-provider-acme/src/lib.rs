//! A provider for the vendor Acme, in a crate of its own.
use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, header};
use push_core::{
    Batch, BuildContext, Capabilities, Channel, Describe, DynProvider, Error, ErrorKind, Health,
    Plugin, Provider, ProviderKind, Result, Scope, Secret, Target, VendorAnswer, Verdict,
    VerdictKind, Verdicts, async_trait,
};
use push_http::{Client, HttpClient, HttpConfig, Processed};
use serde::Deserialize;
use serde_json::{Value, json};

/// The plugin `provider/acme`.
#[derive(Debug)]
pub struct Acme;

push_core::register_plugin!(Acme);

/// What the vendor's console gives the app's owner.
#[derive(Debug, Deserialize, Describe)]
#[serde(deny_unknown_fields)]
#[describe(plugin = Acme)]
#[non_exhaustive]
pub struct AcmeConfig {
    /// The app's secret.
    #[describe(example = "from the console")]
    pub secret: Secret,
    /// Where the vendor listens: scheme, host and perhaps port.
    #[describe(example = "https://push.acme.example")]
    pub endpoint: String,
    /// How to connect.
    #[serde(default)]
    pub http: HttpConfig,
}

impl AcmeConfig {
    /// The secret of an app, and where the vendor listens.
    pub fn new(secret: impl Into<String>, endpoint: impl Into<String>) -> Self {
        Self {
            secret: Secret::new(secret),
            endpoint: endpoint.into(),
            http: HttpConfig::default(),
        }
    }
}

// For programs that write the configuration in Rust.
impl Plugin for Acme {
    type Kind = ProviderKind;
    type Config = AcmeConfig;
    const NAME: &'static str = "acme";

    fn build(config: AcmeConfig, context: &BuildContext) -> Result<DynProvider> {
        let http = config.http.within(context);
        Ok(Arc::new(AcmeProvider {
            secret: config.secret,
            endpoint: config.endpoint,
            client: Client::new(http, Arc::clone(&context.clock))?,
            capabilities: Capabilities::new(Channel::known(Self::NAME), 4096),
        }))
    }
}

/// One credential at the vendor.
struct AcmeProvider {
    secret: Secret,
    endpoint: String,
    client: Client,
    capabilities: Capabilities,
}

#[async_trait]
impl Provider for AcmeProvider {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        for (position, target) in batch.targets.iter().enumerate() {
            let shown = &target.content.notification;
            let message = json!({
                "token": target.token.expose(),
                "title": shown.title,
                "body": shown.body,
                "ext": shown.ext,
            });
            verdicts.report(position, self.push(&message, target).await);
        }
    }

    async fn verify(&self) -> Result<Health> {
        let request = self.request("/hello", &json!({}))?;
        let status = self.client.send(request).await?.status();
        let evidence = format!("the vendor answered {status}");
        match status.as_u16() {
            200 => Ok(Health::accepted(evidence)),
            401 | 403 => Ok(Health::refused(evidence)),
            _ => Err(Error::new(ErrorKind::Unavailable, evidence)),
        }
    }
}

impl AcmeProvider {
    fn request(&self, path: &str, body: &Value) -> Result<Request<Bytes>> {
        let secret = self.secret.expose();
        Request::post(format!("{}{path}", self.endpoint))
            .header(header::AUTHORIZATION, format!("Bearer {secret}"))
            .body(body.to_string().into())
            .map_err(|_| Error::new(ErrorKind::Config, "endpoint or secret is malformed"))
    }

    async fn push(&self, message: &Value, target: &Target) -> Verdict {
        let request = match self.request("/send", message) {
            Ok(request) => request,
            Err(error) => return Verdict::payload_refused("no-request", error.to_string()),
        };
        if request.body().len() > self.capabilities.max_payload {
            return Verdict::payload_refused("too-large", "more than the vendor takes");
        }
        match self.client.send(request).await {
            Ok(response) => classify(&response, target),
            Err(error) => match error.processed() {
                Processed::Never => Verdict::unavailable(error.to_string()),
                Processed::Unknown => Verdict::unknown(error.to_string()),
            },
        }
    }
}

/// Returns the verdict for the vendor's answer. An answer that is not documented never costs a token.
fn classify(response: &Response<Bytes>, target: &Target) -> Verdict {
    let status = response.status().as_u16();
    let kind = match status {
        200 => VerdictKind::Accepted,
        410 => VerdictKind::TokenDead { since: None },
        400 | 413 => VerdictKind::PayloadRefused,
        401 | 403 => VerdictKind::CredentialRefused,
        429 => VerdictKind::RateLimited(Scope::Credential),
        500.. => VerdictKind::Unavailable(Scope::Credential),
        _ => VerdictKind::Unknown,
    };
    let text = String::from_utf8_lossy(response.body());
    Verdict::new(kind, VendorAnswer::new(status, text).without(&target.token))
}

impl fmt::Debug for AcmeProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcmeProvider")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}
