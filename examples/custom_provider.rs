//! A provider for your own push vendor: its configuration, its plugin, and the classification of its answers.
//!
//! The vendor is invented and runs in this example. The code above `vendor` can be a crate of its own, with `push-core` and
//! `push-http` instead of what is re-exported here; a program that depends on it writes `use push_provider_acme as _;`, so
//! that the linker keeps it. The folder `outside-vendor` is such a crate, in the program `offline-push`.
//!
//! ```toml
//! [dependencies]
//! bytes = "1"
//! http = "1"
//! offline-push = { version = "0.1", default-features = false, features = ["gateway", "queue-memory", "store-memory"] }
//! serde = { version = "1", features = ["derive"] }
//! serde_json = "1"
//! tokio = { version = "1", features = ["macros", "rt-multi-thread", "time"] }
//!
//! # For the vendor, which is elsewhere.
//! [dev-dependencies]
//! push-testkit = "0.1"
//! ```
//!
//! Run it: `cargo run --example custom_provider`. It all happens on 127.0.0.1.
//!
//! For production, change: message and `classify`, to what the vendor's manual says; the configuration, which `build`
//! should check as far as that goes without I/O. `cargo xtask new-provider` writes a provider with all of that and tests.
#![allow(clippy::print_stdout, reason = "an example prints what it does")]

use std::{future::ready, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, header};
use offline_push::{
    Acceptance, AppId, Batch, BuildContext, Capabilities, CertificateId, Channel, CredentialRef,
    Describe, DeviceId, DynProvider, Error, ErrorKind, Gateway as _, Health, Message, Plugin,
    Presence, PresenceChange, Provider, ProviderKind, Scope, Secret, Slot, Target, UserId,
    VendorAnswer, Verdict, VerdictKind, Verdicts,
    api::RegistrationBody,
    async_trait,
    gateway::{Gateway, Upload},
    http::{Client, HttpClient, HttpConfig, Processed},
    register_plugin,
};
use push_testkit::{HttpServer, Reply, ServerOptions};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

/// The vendor's credential, and how to connect.
#[derive(Debug, Deserialize, Describe)]
#[serde(deny_unknown_fields)]
#[describe(plugin = Acme, crate = offline_push)] // in your own crate, which depends on push-core, leave `crate` out
struct AcmeConfig {
    /// The secret from the console.
    #[describe(example = "from the console")]
    secret: Secret,
    /// Where the vendor listens.
    #[describe(example = "https://push.acme.example")]
    endpoint: String,
    /// How to connect.
    #[serde(default)]
    http: HttpConfig,
}

/// One credential at the vendor.
#[derive(Debug)]
struct Acme {
    secret: Secret,
    endpoint: String,
    client: Client,
    capabilities: Capabilities,
}

register_plugin!(Acme);

impl Plugin for Acme {
    type Kind = ProviderKind;
    type Config = AcmeConfig;
    const NAME: &'static str = "acme";

    fn build(config: AcmeConfig, context: &BuildContext) -> offline_push::Result<DynProvider> {
        Ok(Arc::new(Self {
            secret: config.secret,
            endpoint: config.endpoint,
            client: Client::new(config.http, Arc::clone(&context.clock))?,
            capabilities: Capabilities::new(Channel::known(Self::NAME), 4096),
        }))
    }
}

#[async_trait]
impl Provider for Acme {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Sends to each target once and returns a verdict. It does not retry; the pipeline does.
    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        for (position, target) in batch.targets.iter().enumerate() {
            let message = json!({
                "token": target.token.expose(),
                "title": target.content.notification.title,
                "body": target.content.notification.body,
                "ext": target.content.notification.ext, // names the chat that a click opens
            });
            verdicts.report(position, self.push(&message, target).await);
        }
    }

    async fn verify(&self) -> offline_push::Result<Health> {
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

impl Acme {
    fn request(&self, path: &str, body: &Value) -> offline_push::Result<Request<Bytes>> {
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
    let answer = VendorAnswer::new(status, text).without(&target.token);
    Verdict::new(kind, answer)
}

/// The vendor, with one secret and one phone.
fn vendor(request: &Request<Bytes>) -> Reply {
    let message: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    let is_known = request
        .headers()
        .get(header::AUTHORIZATION)
        .is_some_and(|it| it == "Bearer s3cret");
    match request.uri().path() {
        _ if !is_known => Reply::from((401, "unknown secret")),
        "/hello" => Reply::from((200, "hello")),
        _ if message["token"] != "token-of-alice" => Reply::from((410, "uninstalled")),
        _ => Reply::from((200, "sent")),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let vendor = HttpServer::start(ServerOptions::default(), |it| ready(vendor(&it))).await?;
    println!("linked: {:?}", offline_push::registry()?);
    let gateway = Gateway::in_memory().start().await?;

    // The configuration selects our provider; in JSON, its name does.
    let (app, certificate) = (AppId::new("im")?, CertificateId::new(7)?);
    let upload = Upload::of(&AcmeConfig {
        secret: Secret::new("s3cret"),
        endpoint: vendor.url(),
        http: HttpConfig::default(),
    })
    .with_id(certificate);
    gateway.add_credential(&app, upload).await?;
    let credential = CredentialRef::new(app.clone(), certificate);
    let health = gateway.verify_credential(&credential).await?;
    println!("the credential is accepted: {}", health.evidence);
    assert_eq!(health.acceptance, Acceptance::Accepted);

    // The requests of the app half when alice logs in, and when she locks the screen.
    let (alice, device) = (UserId::new("alice")?, DeviceId::new("alice's phone")?);
    let token: RegistrationBody = serde_json::from_value(json!({
        "channel": "acme", "certificate_id": 7, "environment": "production", "token": "token-of-alice",
    }))?;
    gateway
        .register(&app, &alice, &device, Slot::Alert, token)
        .await
        .map_err(|refused| format!("the token was refused: {refused:?}"))?;
    let locked = PresenceChange::new(alice, Presence::Background, gateway.now()).on(device);
    gateway.set_presence(&app, vec![locked]).await?;

    let message: Message = serde_json::from_value(json!({
        "id": "m-1",
        "sender": {"user": "bob", "nickname": "Bob"},
        "receivers": ["alice"],
        "elements": [{"type": "text", "text": "lunch at noon?"}],
    }))?;
    let submitted = gateway.submit(&app, vec![message]).await?.remove(0);
    let delivery = submitted.deliveries.first().ok_or("no push")?.id;
    // One request to verify, one to send. The shutdown waits for the vendor's answer.
    timeout(Duration::from_secs(10), vendor.log().wait_for(2)).await?;
    gateway.shutdown().await;
    let sent = vendor.log().to("/send").remove(0).json();
    println!("the vendor was requested to show: {}", sent["body"]);
    assert_eq!(sent["body"], "Bob:lunch at noon?");
    let trace = gateway.trace_of_delivery(&app, delivery).await?;
    let end = trace.last().and_then(|it| it.reason.as_deref());
    println!("the push ended as: {}", end.unwrap_or_default());
    assert_eq!(end, Some("vendor-accepted"));
    Ok(())
}
