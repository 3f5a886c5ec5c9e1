//! The plugin `provider/webpush`, and one credential of it.
use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, header::AUTHORIZATION};
use push_core::{
    AddressPolicy, BadgeStyle, Batch, Batching, BuildContext, Capabilities, Channel, Clock,
    DeviceToken, DynProvider, Error, ErrorKind, Health, NotificationKind, Plugin, Provider,
    ProviderKind, Result, Slot, Target, TokenFault, VendorAnswer, Verdict, VerdictKind, Verdicts,
    async_trait,
};
use push_http::{Client, HttpClient};
use push_kit::verdict::unsupported;
use serde_json::{Map, Value};

use crate::{
    auth::{Signed, Vapid},
    classify::{self, Answer, Trust, classify},
    config::{Refusal, Services, Settings, WebpushConfig},
    render::{
        Look, MAX_PAYLOAD, MAX_TTL, MIN_TTL, OVERLAY, Push,
        encrypt::encrypt,
        subscription::{Subscription, wrong},
    },
};

/// The plugin.
#[derive(Debug)]
pub struct Webpush;

impl Plugin for Webpush {
    type Kind = ProviderKind;
    type Config = WebpushConfig;
    const NAME: &'static str = "webpush";

    fn build(config: WebpushConfig, context: &BuildContext) -> Result<DynProvider> {
        let Settings {
            key,
            subject,
            look,
            background,
            services,
        } = config.check()?;
        let clock = Arc::clone(&context.clock);
        let addresses = services.addresses(&context.addresses);
        let mut http = config.http.within(context);
        http.max_response_bytes = http.max_response_bytes.min(LONGEST_ANSWER);
        let http = http.with_addresses(addresses.clone());
        Ok(Arc::new(WebpushProvider {
            capabilities: capabilities(background),
            vapid: Vapid::new(key, subject, Arc::clone(&clock)),
            look,
            services,
            addresses,
            client: Arc::new(Client::new(http, Arc::clone(&clock))?),
            clock,
        }))
    }
}

/// The longest answer that is read, in bytes. Those of push services have some hundred; users register endpoints of their own, too.
const LONGEST_ANSWER: usize = 64 * 1024;

/// What to look at if a push service refuses the signature.
const REPAIR: &str = "check that `private_key` belongs to the applicationServerKey of the web page, that `subject` is a mailto: or https: address, and that this server's clock is right, whose time the signatures carry; rotate the credential, and the deliveries that wait for it go out";

fn capabilities(background: bool) -> Capabilities {
    let kinds: &[NotificationKind] = match background {
        true => &[NotificationKind::Alert, NotificationKind::Background],
        false => &[NotificationKind::Alert],
    };
    Capabilities::new(Channel::WEBPUSH, MAX_PAYLOAD)
        .with_kinds(kinds)
        .with_batch(1, Batching::Mixed)
        .with_badge(BadgeStyle::Set)
        .with_collapse()
        .with_ttl(MIN_TTL, MAX_TTL)
        .with_repair(REPAIR)
}

/// Sends with one key pair, to the push service that each subscription names.
pub struct WebpushProvider {
    capabilities: Capabilities,
    vapid: Vapid,
    look: Look,
    services: Services,
    addresses: AddressPolicy,
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
}

impl WebpushProvider {
    async fn push(&self, slot: Slot, target: &Target) -> Result<Verdict, Verdict> {
        let shown = &target.content.notification;
        if let Some(verdict) = unsupported(&self.capabilities, slot, shown.kind) {
            return Ok(verdict);
        }
        let to = Subscription::read(target.token.expose()).map_err(malformed)?;
        let admitted = self.services.admit(&to, &self.addresses);
        admitted.map_err(|refusal| match refusal {
            Refusal::Impossible(what) => malformed(what),
            Refusal::NotAllowed(what) => {
                let answer = VendorAnswer::none(format!("the device token {what}"));
                Verdict::new(VerdictKind::TargetRefused, answer.with_code("not-allowed"))
            }
        })?;
        let push = self.look.push(target, self.clock.now())?;
        let body = encrypt(&to, push.text.as_bytes(), push.size);
        let body = Bytes::from(body.map_err(|_| classify::unprepared("encrypted"))?);
        let unsigned = || classify::unprepared("signed");
        let signed = self.vapid.header(&to.origin).ok_or_else(unsigned)?;
        let texts = [&shown.title, &shown.body, &shown.ext].map(String::as_str);
        let private = [&to.private()[..], &texts, &[target.token.expose()]].concat();
        let exchange = |signed: Signed| self.exchange(&to, &push, body.clone(), signed, &private);
        let answer = exchange(signed.clone()).await;
        if !answer.wants_signature {
            return Ok(answer.verdict);
        }
        // Refused once, it is signed anew and sent again (S120), unless the signature was just made.
        match self.vapid.renewed(&to.origin, &signed) {
            Some(other) => Ok(exchange(other).await.verdict),
            None => Ok(answer.verdict),
        }
    }

    async fn exchange(
        &self,
        to: &Subscription,
        push: &Push,
        body: Bytes,
        signed: Signed,
        private: &[&str],
    ) -> Answer {
        let private = [private, &[signed.token.expose()]].concat();
        let trust = Trust {
            statuses: self.services.trust_status,
            accusations: self.services.believe(&to.origin),
        };
        let mut request = Request::post(to.endpoint.clone());
        if let Some(headers) = request.headers_mut() {
            headers.clone_from(&push.headers);
            headers.insert(AUTHORIZATION, signed.header.clone());
        }
        let response: Result<Response<Bytes>, Verdict> = match request.body(body) {
            Ok(request) => self
                .client
                .send(request)
                .await
                .map_err(|error| classify::unanswered(&error, &private, trust)),
            Err(_) => Err(malformed("has an `endpoint` that cannot be requested")),
        };
        match response {
            Ok(response) => classify(&response, &private, trust, self.clock.now()),
            Err(verdict) => Answer {
                verdict,
                wants_signature: false,
            },
        }
    }
}

fn malformed(what: &'static str) -> Verdict {
    let kind = VerdictKind::TokenUnusable(TokenFault::Malformed);
    let error = wrong(what);
    Verdict::new(kind, VendorAnswer::none(error.to_string()))
}

#[async_trait]
impl Provider for WebpushProvider {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        for (position, target) in batch.targets.iter().enumerate() {
            let sent = self.push(batch.slot, target).await;
            verdicts.report(position, sent.unwrap_or_else(|verdict| verdict));
        }
    }

    /// No push service can be asked about a key without a subscription, and a push to one disturbs its user.
    async fn verify(&self) -> Result<Health> {
        Ok(Health::cannot_tell(format!(
            "push services cannot be asked without sending a push; the key pair is whole, and the applicationServerKey of the web page must be {}",
            self.vapid.public()
        )))
    }

    fn check_token(&self, _: Slot, text: &DeviceToken) -> Result<DeviceToken> {
        let subscription = Subscription::read(text.expose()).map_err(wrong)?;
        match self.services.admit(&subscription, &self.addresses) {
            Ok(()) => subscription.token(),
            Err(Refusal::Impossible(what)) => Err(wrong(what)),
            Err(Refusal::NotAllowed(what)) => Err(Error::new(
                ErrorKind::Invalid,
                format!("the device token {what}"),
            )
            .advise("add the origin of the push service to `origins` of the credential, or ask the operator to allow its network")),
        }
    }

    fn check_fields(&self, fields: &Map<String, Value>) -> Result<()> {
        OVERLAY.check(fields)
    }
}

impl fmt::Debug for WebpushProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebpushProvider")
            .field("vapid", &self.vapid)
            .field("services", &self.services)
            .finish_non_exhaustive()
    }
}
