//! The provider: one request for each target, many at a time.
use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderValue, Method, Request, Response, Uri, header};
use push_core::{
    Batch, Batching, BuildContext, Capabilities, Channel, Clock, DeviceToken, DynProvider, Health,
    NotificationKind, Plugin, Provider, ProviderKind, Result, Slot, Target, Verdict, VerdictKind,
    Verdicts, async_trait,
};
use push_http::{Client, HttpClient, HttpError};
use push_kit::{
    access::{AccessCache, AccessToken},
    endpoint::Endpoint,
    health::health,
    token,
    verdict::{self, unsupported},
};
use serde_json::{Map, Value};

use crate::{
    auth::GoogleTokens,
    classify,
    config::FcmConfig,
    render::{self, MAX_PAYLOAD, MAX_TTL, Rendered, Style, fields},
};

/// The most targets of one batch. FCM takes one token a request; this bounds how many requests are sent together, as in Google's
/// own libraries.
const MAX_BATCH: usize = 500;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=UTF-8");

/// What to look at if Google refuses the service account.
const REPAIR: &str = "check in the Google Cloud console that the service account's key was not deleted, that the account may send messages in its project (cloudmessaging.messages.create), and that the FCM API (HTTP v1) is enabled there, and that this server's clock is right, whose time the requests for access tokens carry; rotate or resume the credential, and the deliveries that wait for it go out";

mod topics;

pub use self::topics::Audience;

/// The plugin `provider/fcm`.
#[derive(Debug)]
pub struct Fcm;

impl Plugin for Fcm {
    type Kind = ProviderKind;
    type Config = FcmConfig;
    const NAME: &'static str = "fcm";

    fn build(config: FcmConfig, context: &BuildContext) -> Result<DynProvider> {
        let clock = Arc::clone(&context.clock);
        let http = config.http.clone().within(context);
        let client = Client::new(http, Arc::clone(&clock))?;
        Ok(Arc::new(FcmProvider::new(
            &config,
            Arc::new(client),
            clock,
        )?))
    }
}

/// One service account at FCM.
pub struct FcmProvider {
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    access: AccessCache<GoogleTokens>,
    url: Uri,
    /// Where the subscriptions of registrations are.
    registrations: Endpoint,
    project: String,
    style: Style,
    capabilities: Capabilities,
}

impl FcmProvider {
    /// A provider that sends with `client`; [`FcmConfig::http`] is not read.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](push_core::ErrorKind::Config), naming every key that is wrong.
    pub fn new(
        config: &FcmConfig,
        client: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let settings = config.check()?;
        let project = settings.account.project_id.clone();
        let tokens = GoogleTokens {
            account: settings.account,
            url: settings.token_url,
            client: Arc::clone(&client),
            clock: Arc::clone(&clock),
        };
        Ok(Self {
            client,
            access: AccessCache::new(tokens, Arc::clone(&clock)),
            clock,
            url: settings.send_url,
            registrations: settings.registrations,
            project,
            style: settings.style,
            capabilities: Capabilities::new(Channel::FCM, MAX_PAYLOAD)
                .with_kinds(&[
                    NotificationKind::Alert,
                    NotificationKind::Background,
                    NotificationKind::Voip,
                ])
                .with_batch(MAX_BATCH, Batching::Mixed)
                .with_collapse()
                .with_ttl(Duration::ZERO, MAX_TTL)
                .with_repair(REPAIR),
        })
    }

    /// Posts `body`, once more if FCM refuses the access token alone (S120), and judges the answer: with `unanswered` one that is not
    /// complete. `private` is what the body holds.
    async fn exchange(
        &self,
        body: Bytes,
        private: &[&str],
        unanswered: fn(&HttpError) -> Verdict,
    ) -> Result<Verdict, Verdict> {
        let (method, url) = (Method::POST, &self.url);
        let (response, access) = self.ask(method, url, body, unanswered).await?;
        let private: Vec<_> = private.iter().copied().chain([access.expose()]).collect();
        let (project, now) = (&self.project, self.clock.now());
        Ok(classify::answered(&response, project, &private, now))
    }

    /// Makes a request, once more if the access token alone is refused. Returns the answer and the access token that it had.
    async fn ask(
        &self,
        method: Method,
        url: &Uri,
        body: Bytes,
        unanswered: fn(&HttpError) -> Verdict,
    ) -> Result<(Response<Bytes>, Arc<AccessToken>), Verdict> {
        let exchange = |access: Arc<AccessToken>| {
            let mut request = Request::new(body.clone());
            *request.method_mut() = method.clone();
            *request.uri_mut() = url.clone();
            let headers = request.headers_mut();
            headers.insert(header::CONTENT_TYPE, JSON);
            headers.insert(header::AUTHORIZATION, access.bearer().clone());
            async move {
                let response = self.client.send(request).await;
                let response = response.map_err(|error| unanswered(&error))?;
                Ok((response, access))
            }
        };
        self.access
            .send(exchange, |(response, _)| {
                classify::is_access_refused(response)
            })
            .await
    }

    /// Renders and sends to one target.
    async fn deliver(
        &self,
        target: &Target,
        rendered: &Result<Rendered, Verdict>,
    ) -> Result<Verdict, Verdict> {
        let body = rendered.as_ref().map_err(Clone::clone)?.body(target)?;
        let notification = &target.content.notification;
        let private = [
            target.token.expose(),
            &notification.title,
            &notification.body,
            &notification.ext,
        ];
        self.exchange(body, &private, classify::unanswered).await
    }
}

#[async_trait]
impl Provider for FcmProvider {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        let now = self.clock.now();
        let mut contents = HashMap::new();
        for target in &batch.targets {
            contents.entry(&target.content.id).or_insert_with(|| {
                let kind = target.content.notification.kind;
                match unsupported(&self.capabilities, batch.slot, kind) {
                    Some(verdict) => Err(verdict),
                    None => Rendered::new(&target.content, &self.style, now),
                }
            });
        }
        let (contents, verdicts) = (&contents, &verdicts);
        stream::iter(batch.targets.iter().enumerate())
            .for_each_concurrent(None, |(position, target)| async move {
                let rendered = &contents[&target.content.id];
                let (Ok(verdict) | Err(verdict)) = self.deliver(target, rendered).await;
                verdicts.report(position, verdict);
            })
            .await;
    }

    /// Asks for a new access token, and lets FCM check a message to a topic without subscribers.
    async fn verify(&self) -> Result<Health> {
        if let Err(verdict) = self.access.check().await {
            return health("Google's token service", &verdict);
        }
        // The head of an answer shows nothing here: without its end it need not be Google's.
        let answer = self.exchange(render::dry_run(), &[], verdict::unanswered);
        let (Ok(mut verdict) | Err(mut verdict)) = answer.await;
        // The dry run names no phone, so a target that is refused in these words is the project itself: without the interface,
        // the role, or at all.
        if verdict.kind == VerdictKind::TargetRefused
            && matches!(&*verdict.answer.code, "PERMISSION_DENIED" | "NOT_FOUND")
        {
            verdict.kind = VerdictKind::CredentialRefused;
        }
        health("FCM", &verdict)
    }

    /// Registration tokens and installation ids are base64url, with colons and dots in some. Google documents neither length nor
    /// alphabet, so only what no such text can be is refused.
    fn check_token(&self, _slot: Slot, text: &DeviceToken) -> Result<DeviceToken> {
        let checked = token::opaque(text)?;
        let text = checked.expose();
        let is_hex_number = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex_number {
            return Err(token::wrong(
                "is a number of 32 bytes in hexadecimal digits, which FCM does not issue",
            )
            .advise(
                "register the token of Firebase's library, not the one of the phone's system",
            ));
        }
        if text.contains(['[', ']', '(', ')', '%', '/', '?', '&', ',']) {
            return Err(token::wrong(
                "has brackets, percent signs, slashes or commas, which FCM's tokens have not",
            ));
        }
        Ok(checked)
    }

    fn check_fields(&self, fields: &Map<String, Value>) -> Result<()> {
        fields::check(fields, self.style.android)
    }
}

impl fmt::Debug for FcmProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FcmProvider")
            .field("url", &self.url)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is signed carries the server's time: a clock that is wrong looks like a wrong key.
    #[test]
    fn the_advice_for_a_refused_key_names_the_clock() {
        assert!(REPAIR.contains("this server's clock"));
    }
}
