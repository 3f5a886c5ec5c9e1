//! The plugin `provider/oppo`, and one credential of it.
use std::{collections::HashSet, fmt, sync::Arc};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderValue, Request, Uri, header::CONTENT_TYPE};
use push_core::{
    BadgeStyle, Batch, Batching, BuildContext, Capabilities, Channel, Clock, DeviceToken,
    DynProvider, Health, Plugin, Provider, ProviderKind, Received, Result, Scope, Slot, Target,
    TokenFault, VendorAnswer, Verdict, VerdictKind, Verdicts, async_trait,
};
use push_http::{Client, HttpClient, HttpError};
use push_kit::{
    access::{AccessCache, AccessToken},
    form,
    health::health,
    token,
    verdict::{unanswered, unprepared, unsupported},
};
use serde_json::{Map, Value};

use crate::{
    auth::{self, Auth},
    classify::Envelope,
    config::{OppoConfig, Settings, Urls},
    receive,
    render::{self, MAX_PAYLOAD, MAX_TTL, region::is_overseas},
};

/// The type of every body, as OPPO's samples write it.
pub(crate) const FORM: HeaderValue =
    HeaderValue::from_static("application/x-www-form-urlencoded;charset=UTF-8");

/// How much of the JSON of messages goes into one `unicast_batch`, in bytes. OPPO documents no limit.
const MAX_MESSAGES: usize = 1024 * 1024;

/// The plugin.
#[derive(Debug)]
pub struct Oppo;

impl Plugin for Oppo {
    type Kind = ProviderKind;
    type Config = OppoConfig;
    const NAME: &'static str = "oppo";

    fn build(config: OppoConfig, context: &BuildContext) -> Result<DynProvider> {
        let mut settings = config.check(context)?;
        let clock = Arc::clone(&context.clock);
        let http = config.http.within(context);
        let client: Arc<dyn HttpClient> = Arc::new(Client::new(http, Arc::clone(&clock))?);
        let overseas = settings.overseas.take();
        let service = |urls: Urls, is_overseas| Service {
            access: auth::cache(&settings, &urls.auth, &client, &clock),
            urls,
            is_overseas,
        };
        let overseas = overseas.map(|urls| service(urls, true));
        let home = Urls::clone(&settings.home);
        Ok(Arc::new(OppoProvider {
            capabilities: capabilities(&settings),
            home: service(home, false),
            overseas,
            settings,
            client,
            clock,
        }))
    }
}

/// What to look at if OPPO refuses key and secret.
const REPAIR: &str = "check at push.oppo.com that AppKey and MasterSecret (not AppSecret) are those of the app, that its right to push is not withdrawn, and that the address of this machine is not blocked; check that its clock is right within ten minutes; rotate the credential, and the deliveries that wait for it go out";

fn capabilities(settings: &Settings) -> Capabilities {
    let batching = match settings.saved_from {
        0 => Batching::Mixed,
        _ => Batching::Uniform,
    };
    let badge = if settings.look.badge {
        BadgeStyle::Set
    } else {
        BadgeStyle::None
    };
    Capabilities::new(Channel::known(Oppo::NAME), MAX_PAYLOAD)
        .with_batch(settings.batch, batching)
        .with_badge(badge)
        .with_title_needed()
        .with_collapse()
        .with_ttl(settings.look.min_ttl, MAX_TTL)
        .with_text(settings.look.text())
        .with_repair(REPAIR)
}

/// Sends with one credential.
pub struct OppoProvider {
    capabilities: Capabilities,
    settings: Settings,
    home: Service,
    overseas: Option<Service>,
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
}

/// One of OPPO's services, with an auth token of its own.
struct Service {
    urls: Urls,
    access: AccessCache<Auth>,
    is_overseas: bool,
}

/// One push to one service: the targets at these positions of the batch, and how they are sent.
struct Parcel<'a> {
    service: &'a Service,
    positions: Vec<usize>,
    way: Way,
}

/// How a parcel is sent.
enum Way {
    /// `unicast` with this `message`.
    One(String),
    /// `unicast_batch` with these `messages`.
    Each(String),
    /// `save_message_content` with these fields, then `broadcast`.
    Saved(Vec<(String, String)>),
}

impl OppoProvider {
    fn service(&self, token: &str) -> &Service {
        match &self.overseas {
            Some(overseas) if is_overseas(token) => overseas,
            _ => &self.home,
        }
    }

    /// Distributes the targets over requests, and reports those that cannot be sent to.
    fn parcels(&self, batch: &Batch, verdicts: &Verdicts) -> Vec<Parcel<'_>> {
        let (mut home, mut overseas) = (Vec::new(), Vec::new());
        for (position, target) in batch.targets.iter().enumerate() {
            let kind = target.content.notification.kind;
            let unsupported = unsupported(&self.capabilities, batch.slot, kind);
            match unsupported.or_else(|| malformed(target)) {
                Some(verdict) => verdicts.report(position, verdict),
                None if self.service(target.token.expose()).is_overseas => overseas.push(position),
                None => home.push(position),
            }
        }
        let mut parcels = Vec::new();
        for (service, positions) in [(Some(&self.home), home), (self.overseas.as_ref(), overseas)] {
            if let Some(service) = service {
                self.pack(service, positions, batch, verdicts, &mut parcels);
            }
        }
        parcels
    }

    fn pack<'a>(
        &self,
        service: &'a Service,
        positions: Vec<usize>,
        batch: &Batch,
        verdicts: &Verdicts,
        parcels: &mut Vec<Parcel<'a>>,
    ) {
        let look = &self.settings.look;
        let now = self.clock.now();
        let targets: Vec<&Target> = positions.iter().map(|at| &batch.targets[*at]).collect();
        let from = self.settings.saved_from;
        if from != 0 && targets.len() >= from && alike(&targets) {
            match look.saved(&targets, now) {
                Ok(fields) => parcels.push(Parcel {
                    service,
                    positions,
                    way: Way::Saved(fields),
                }),
                Err(verdict) => {
                    verdicts.report_many(positions.into_iter().map(|at| (at, verdict.clone())))
                }
            }
            return;
        }
        let mut open = (Vec::new(), Vec::new());
        let mut size = 0;
        let mut close = |(positions, messages): (Vec<usize>, Vec<String>)| {
            let way = match messages.as_slice() {
                [] => return,
                [only] => Way::One(only.clone()),
                some => Way::Each(format!("[{}]", some.join(","))),
            };
            parcels.push(Parcel {
                service,
                positions,
                way,
            });
        };
        for (position, target) in positions.into_iter().zip(targets) {
            let message = match look.message(target, now) {
                Ok(message) => message.to_string(),
                Err(verdict) => {
                    verdicts.report(position, verdict);
                    continue;
                }
            };
            if size + message.len() > MAX_MESSAGES {
                close(std::mem::take(&mut open));
                size = 0;
            }
            size += message.len();
            open.0.push(position);
            open.1.push(message);
        }
        close(open);
    }

    /// Sends a parcel, and returns the verdicts on its targets in their order.
    async fn deliver(&self, parcel: &Parcel<'_>, batch: &Batch) -> Vec<Verdict> {
        let targets: Vec<&Target> = parcel
            .positions
            .iter()
            .map(|at| &batch.targets[*at])
            .collect();
        let (ids, urls) = (ids(&targets), &parcel.service.urls);
        let private = private(&targets);
        let sent = match &parcel.way {
            Way::One(message) => {
                let fields = [("message", message.as_str())];
                let answer =
                    self.post(parcel.service, &urls.unicast, &fields, &private, unanswered);
                answer.await.map(|answer| vec![answer.of_one(&private)])
            }
            Way::Each(messages) => {
                let fields = [("messages", messages.as_str())];
                let answer = self.post(
                    parcel.service,
                    &urls.unicast_batch,
                    &fields,
                    &private,
                    unanswered,
                );
                let own = |at: usize| texts(targets[at]).to_vec();
                let alike = alike(&targets);
                answer.await.map(|answer| answer.of_each(&ids, alike, &own))
            }
            Way::Saved(fields) => self.save_and_send(parcel, fields, &ids, &private).await,
        };
        let verdicts = sent.unwrap_or_else(|verdict| vec![verdict; targets.len()]);
        let verdicts = verdicts.into_iter();
        verdicts
            .map(|verdict| parcel.service.judge(verdict))
            .collect()
    }

    async fn save_and_send(
        &self,
        parcel: &Parcel<'_>,
        fields: &[(String, String)],
        ids: &[&str],
        private: &[&str],
    ) -> Result<Vec<Verdict>, Verdict> {
        let (service, urls) = (parcel.service, &parcel.service.urls);
        let fields: Vec<_> = fields
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        let lost = |error: &HttpError| unprepared("OPPO did not save the message", error);
        let saved = self
            .post(service, &urls.save, &fields, private, lost)
            .await?
            .saved()?;
        let receivers = ids.join(";");
        let fields = [
            ("message_id", saved.as_str()),
            ("target_type", "2"),
            ("target_value", receivers.as_str()),
        ];
        let answer = self.post(service, &urls.broadcast, &fields, private, unanswered);
        Ok(answer.await?.of_broadcast(ids, &saved))
    }

    /// Posts `fields`, once more if the auth token is refused (S120). Nothing of `private` stays in the answer; `lost` is the
    /// verdict if there is none.
    async fn post(
        &self,
        service: &Service,
        url: &Uri,
        fields: &[(&str, &str)],
        private: &[&str],
        lost: impl Fn(&HttpError) -> Verdict + Send + Sync,
    ) -> Result<Envelope, Verdict> {
        let lost = &lost;
        let exchange = |access: Arc<AccessToken>| async move {
            let token = ("auth_token", access.expose());
            let body = form::encode(std::iter::once(token).chain(fields.iter().copied()));
            let request = Request::post(url.clone()).header(CONTENT_TYPE, FORM);
            let request = request.body(Bytes::from(body.expose().to_owned()));
            self.exchange(request, &access, private, lost).await
        };
        service.access.send(exchange, Envelope::wants_access).await
    }

    async fn exchange(
        &self,
        request: http::Result<Request<Bytes>>,
        access: &AccessToken,
        private: &[&str],
        lost: &(impl Fn(&HttpError) -> Verdict + Send + Sync),
    ) -> Result<Envelope, Verdict> {
        let request = request.map_err(|error| Verdict::unavailable(error.to_string()))?;
        let response = self
            .client
            .send(request)
            .await
            .map_err(|error| lost(&error))?;
        let own = [self.settings.master_secret.expose(), access.expose()];
        Envelope::read(&response, &[private, &own].concat(), self.clock.now())
    }

    /// Asks for the permit to push: how many public messages of today are sent and can be.
    async fn permit(&self) -> Result<(i64, i64), Verdict> {
        let exchange = |access: Arc<AccessToken>| async move {
            let query = form::encode([("auth_token", access.expose())]);
            let url = format!("{}?{}", self.settings.permit, query.expose());
            let request = Request::get(url).body(Bytes::new());
            self.exchange(request, &access, &[], &unanswered).await
        };
        let answer = self.home.access.send(exchange, Envelope::wants_access);
        answer.await?.permit()
    }
}

impl Service {
    /// Limits the verdict to this service's phones: an outage or a limit of it is none of the other one, and a credential that it
    /// alone refuses is good for the others, so that its phones are of another app.
    fn judge(&self, mut verdict: Verdict) -> Verdict {
        if !self.is_overseas {
            return verdict;
        }
        match verdict.kind {
            VerdictKind::CredentialRefused => {
                let foreign = VerdictKind::TokenUnusable(TokenFault::App);
                return Verdict::new(foreign, verdict.answer);
            }
            VerdictKind::Unavailable(Scope::Credential) => {
                verdict.kind = VerdictKind::Unavailable(Scope::Origin);
            }
            VerdictKind::RateLimited(Scope::Credential) => {
                verdict.kind = VerdictKind::RateLimited(Scope::Origin);
            }
            _ => {}
        }
        verdict
    }
}

fn ids<'a>(targets: &[&'a Target]) -> Vec<&'a str> {
    targets.iter().map(|target| target.token.expose()).collect()
}

/// Whether all have one content and badge.
fn alike(targets: &[&Target]) -> bool {
    targets
        .windows(2)
        .all(|pair| (pair[0].content.id, pair[0].badge) == (pair[1].content.id, pair[1].badge))
}

/// The texts of a target that must not stay in an answer.
fn texts(target: &Target) -> [&str; 5] {
    let shown = &target.content.notification;
    [
        target.token.expose(),
        &shown.title,
        &shown.subtitle,
        &shown.body,
        &shown.ext,
    ]
}

/// Those of all targets, each once.
fn private<'a>(targets: &[&'a Target]) -> Vec<&'a str> {
    let texts: HashSet<&str> = targets.iter().flat_map(|target| texts(target)).collect();
    texts.into_iter().collect()
}

/// The verdict on an id that would be several in a list of OPPO's.
fn malformed(target: &Target) -> Option<Verdict> {
    let is_odd =
        |letter: char| matches!(letter, ';' | ',') || letter.is_whitespace() || letter.is_control();
    target.token.expose().contains(is_odd).then(|| {
        let answer = VendorAnswer::none("the registration id has a blank or a separator");
        Verdict::new(VerdictKind::TokenUnusable(TokenFault::Malformed), answer)
    })
}

#[async_trait]
impl Provider for OppoProvider {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        let (batch, verdicts) = (&batch, &verdicts);
        let sends = self
            .parcels(batch, verdicts)
            .into_iter()
            .map(|parcel| async move {
                let found = self.deliver(&parcel, batch).await;
                verdicts.report_many(parcel.positions.into_iter().zip(found));
            });
        join_all(sends).await;
    }

    /// Asks how much of the daily quota of public messages is left: that needs the credential, and reaches no phone.
    async fn verify(&self) -> Result<Health> {
        match self.permit().await {
            Ok((sent, most)) => Ok(Health::accepted(format!(
                "OPPO accepted the credential; {sent} of {most} public messages of today are sent"
            ))),
            Err(verdict) => health("OPPO", &verdict),
        }
    }

    /// OPPO's ids have a region and may have a brand; newer ones may be longer. An id with a separator would be two in a list.
    fn check_token(&self, _: Slot, text: &DeviceToken) -> Result<DeviceToken> {
        let token = token::opaque(text)?;
        if token.expose().contains([';', ',']) {
            return Err(token::wrong(
                "has `;` or `,`, which separate registration ids",
            ));
        }
        Ok(token)
    }

    fn check_fields(&self, fields: &Map<String, Value>) -> Result<()> {
        render::check(fields)
    }

    fn receive(&self, request: &Request<Bytes>) -> Result<Received> {
        receive::read(request, self.clock.now())
    }
}

impl fmt::Debug for OppoProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("OppoProvider");
        shown.field("access", &self.home.access);
        if let Some(overseas) = &self.overseas {
            shown.field("overseas", &overseas.access);
        }
        shown.finish_non_exhaustive()
    }
}
