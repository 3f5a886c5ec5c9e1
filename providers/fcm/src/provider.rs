//! Sending.
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderValue, Request, Response, Uri, header};
use push_core::{
    Batch, BuildContext, Capabilities, Channel, Clock, DynProvider, Error, ErrorKind, Health,
    Plugin, Provider, ProviderKind, Result, Target, Verdict, VerdictKind, Verdicts, async_trait,
};
use push_http::{Client, HttpClient};

use crate::{
    auth::{Access, Auth},
    classify,
    config::FcmConfig,
    wire::{self, Defaults, MAX_PAYLOAD, MAX_TTL, Message},
};

/// The most targets of one batch. FCM takes one token a request; this bounds how many are on their way together, as Google's
/// own libraries do.
const MAX_BATCH: usize = 500;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=UTF-8");

/// One service account at FCM.
#[derive(Debug)]
pub struct Fcm {
    auth: Auth,
    url: Uri,
    client: Client,
    clock: Arc<dyn Clock>,
    defaults: Defaults,
    capabilities: Capabilities,
}

impl Plugin for Fcm {
    type Kind = ProviderKind;
    type Config = FcmConfig;
    const NAME: &'static str = "fcm";
    const EXAMPLE: &'static str = include_str!("example.toml");

    fn build(config: FcmConfig, context: &BuildContext) -> Result<DynProvider> {
        let client = Client::new(config.http.clone(), Arc::clone(&context.clock))?;
        Ok(Arc::new(Self {
            auth: Auth::new(&config, client.clone(), Arc::clone(&context.clock))?,
            url: config.send_url()?,
            client,
            clock: Arc::clone(&context.clock),
            defaults: Defaults {
                channel_id: config.channel_id,
                click_action: config.click_action,
            },
            capabilities: Capabilities::new(Channel::FCM, MAX_PAYLOAD)
                .with_batch(MAX_BATCH)
                .with_collapse()
                .with_ttl(MAX_TTL),
        }))
    }
}

#[async_trait]
impl Provider for Fcm {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        if batch.targets.is_empty() {
            return;
        }
        let now = self.clock.now();
        let message = match Message::render(&batch.notification, &self.defaults, now) {
            Ok(it) => it,
            Err(verdict) => return verdicts.report_rest(&verdict),
        };
        let access = match self.auth.access().await {
            Ok(it) => it,
            Err(verdict) => return verdicts.report_rest(&verdict),
        };
        let (message, access, verdicts) = (&message, &access, &verdicts);
        stream::iter(batch.targets.iter().enumerate())
            .for_each_concurrent(None, |(position, target)| async move {
                let verdict = self.deliver(message, target, access).await;
                verdicts.report(position, verdict);
            })
            .await;
    }

    async fn verify(&self) -> Result<Health> {
        let verdict = match self.dry_run().await {
            Ok(it) | Err(it) => it,
        };
        let evidence = [verdict.answer.code.as_str(), verdict.answer.text.as_str()]
            .into_iter()
            .filter(|it| !it.is_empty())
            .collect::<Vec<_>>()
            .join(": ");
        match verdict.kind {
            VerdictKind::Accepted => Ok(Health {
                accepted: true,
                evidence: "FCM granted access and accepted a dry run".to_owned(),
            }),
            VerdictKind::CredentialRefused => Ok(Health {
                accepted: false,
                evidence: format!("Google refused the service account: {evidence}"),
            }),
            // Whoever complains about the message has let the sender in.
            VerdictKind::PayloadRefused => Ok(Health {
                accepted: true,
                evidence: format!("FCM granted access, and would not have the dry run: {evidence}"),
            }),
            kind => Err(Error::new(
                ErrorKind::Unavailable,
                format!("FCM could not be asked ({}): {evidence}", kind.as_str()),
            )
            .advise("try again later")),
        }
    }
}

impl Fcm {
    /// Sends to one token, a second time if all that FCM had against it was the age of the access token (S120).
    async fn deliver(&self, message: &Message, target: &Target, access: &Arc<Access>) -> Verdict {
        let body = message.to(&target.token, target.delivery);
        let sent = async {
            let response = self.post(&body, access).await?;
            if !classify::wants_other_access(&response) {
                return Ok(response);
            }
            let access = self.auth.renew(access).await?;
            self.post(&body, &access).await
        };
        match sent.await {
            Ok(response) => classify::answered(&response, Some(&target.token), self.clock.now()),
            Err(verdict) => verdict,
        }
    }

    /// Asks for access anew, and lets FCM check a message that goes to nobody.
    async fn dry_run(&self) -> Result<Verdict, Verdict> {
        let access = self.auth.fetch().await?;
        let response = self.post(&wire::dry_run(), &access).await?;
        Ok(classify::answered(&response, None, self.clock.now()))
    }

    async fn post(&self, body: &Bytes, access: &Access) -> Result<Response<Bytes>, Verdict> {
        let mut request = Request::new(body.clone());
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.url.clone();
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, JSON);
        headers.insert(header::AUTHORIZATION, access.bearer.clone());
        self.client
            .send(request)
            .await
            .map_err(|error| classify::unanswered(&error))
    }
}
