//! The plugin `provider/xiaomi`, and one credential of it.
use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header};
use push_core::{
    Badge, BadgeStyle, Batch, Batching, BuildContext, Capabilities, Channel, Clock, ContentId,
    DeviceToken, DynProvider, Health, Notification, NotificationKind, Plugin, Provider,
    ProviderKind, Received, Result, Slot, Target, TokenFault, VendorAnswer, Verdict, VerdictKind,
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
    classify::{Answer, Asked, NO_CHANNEL, Sent},
    config::{Settings, XiaomiConfig},
    receive,
    render::{self, MAX_PAYLOAD, MIN_TTL, Message, TEXT, Wanted},
};

const FORM: HeaderValue =
    HeaderValue::from_static("application/x-www-form-urlencoded;charset=UTF-8");

/// The registration id of [`Provider::verify`]: no phone has it.
const UNKNOWN_ID: &str = "offline-push-verify";

/// The plugin.
#[derive(Debug)]
pub struct Xiaomi;

impl Plugin for Xiaomi {
    type Kind = ProviderKind;
    type Config = XiaomiConfig;
    const NAME: &'static str = "xiaomi";

    fn build(config: XiaomiConfig, context: &BuildContext) -> Result<DynProvider> {
        let settings = config.check(context.receipts.as_ref())?;
        let clock = Arc::clone(&context.clock);
        let http = config.http.within(context);
        Ok(Arc::new(XiaomiProvider {
            capabilities: capabilities(&settings),
            settings,
            client: Arc::new(Client::new(http, Arc::clone(&clock))?),
            clock,
        }))
    }
}

/// What to look at if Xiaomi refuses the credential.
const REPAIR: &str = "check in the push console of dev.mi.com that the App Secret and the package name are those of the app, that push is enabled for it, and that the region is the users'; rotate the credential, and the deliveries that wait for it go out";

fn capabilities(settings: &Settings) -> Capabilities {
    let batching = match settings.batch {
        1 => Batching::Mixed,
        _ if settings.multi_messages => Batching::Mixed,
        _ => Batching::Uniform,
    };
    let badge = match settings.look.sends_badge {
        true => BadgeStyle::Set,
        false => BadgeStyle::None,
    };
    Capabilities::new(Channel::known(Xiaomi::NAME), MAX_PAYLOAD)
        .with_kinds(&[NotificationKind::Alert, NotificationKind::Background])
        .with_batch(settings.batch, batching)
        .with_badge(badge)
        .with_title_needed()
        .with_collapse()
        .with_ttl(MIN_TTL, settings.look.max_ttl)
        .with_text(TEXT)
        .with_repair(REPAIR)
}

/// Sends with one credential.
pub struct XiaomiProvider {
    capabilities: Capabilities,
    settings: Settings,
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
}

/// A request, and the targets that it sends to with their places in the batch.
struct Prepared<'a> {
    url: &'a Uri,
    body: String,
    asked: Asked,
    sent: Vec<Sent<'a>>,
    places: Vec<usize>,
}

impl XiaomiProvider {
    /// Renders the request for these targets of `batch`, each with its place; reports those that cannot be sent to. `None` if
    /// none is left.
    fn prepare<'a>(
        &'a self,
        batch: &'a Batch,
        targets: Vec<(usize, &'a Target)>,
        verdicts: &Verdicts,
    ) -> Option<Prepared<'a>> {
        let ((_, first), others) = targets.split_first()?;
        let same = |(_, target): &(usize, &Target)| {
            target.content.id == first.content.id
                && target.content.notification == first.content.notification
                && target.badge == first.badge
        };
        let asked = match others {
            [] => Asked::One,
            others if others.iter().all(same) => Asked::Same,
            _ => Asked::Different,
        };
        let rendered = |target: &Target| {
            let shown = &target.content.notification;
            if let Some(verdict) = unsupported(&self.capabilities, batch.slot, shown.kind) {
                return Err(verdict);
            }
            let is_alone = asked != Asked::Same;
            let wanted = Wanted {
                notification: shown,
                content: target.content.id,
                badge: target.badge,
                tag: Some(target.delivery),
                delivery: is_alone.then_some(target.delivery),
                receiver: match asked {
                    Asked::Same => batch.receiver(),
                    _ => target.receiver.as_ref(),
                },
            };
            self.settings.look.message(&wanted, self.clock.now())
        };
        let mut prepared = Prepared {
            url: &self.settings.one,
            body: String::new(),
            asked,
            sent: Vec::new(),
            places: Vec::new(),
        };
        if asked != Asked::Different {
            let message = match rendered(first) {
                Ok(message) => message,
                Err(verdict) => {
                    verdicts.report_rest(&verdict);
                    return None;
                }
            };
            for (place, target) in targets {
                prepared.add(place, target, &message);
            }
            let tokens: Vec<&str> = prepared.sent.iter().map(|sent| sent.token).collect();
            prepared.body = render::one(&message, &tokens);
            return Some(prepared);
        }
        let mut messages = Vec::new();
        for (place, target) in targets {
            match rendered(target) {
                Ok(message) => {
                    prepared.add(place, target, &message);
                    messages.push((target.token.expose(), message));
                }
                Err(verdict) => verdicts.report(place, verdict),
            }
        }
        if let [(token, message)] = messages.as_slice() {
            prepared.asked = Asked::One;
            prepared.body = render::one(message, &[token]);
        } else {
            prepared.url = &self.settings.multi;
            prepared.body = render::multi(messages);
        }
        (!prepared.sent.is_empty()).then_some(prepared)
    }

    /// Posts `body` and reads the answer. Nothing of `private` stays in it.
    async fn post(
        &self,
        url: &Uri,
        body: String,
        asked: Asked,
        private: &[&str],
    ) -> Result<Answer, Verdict> {
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = url.clone();
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, FORM);
        let authorization = self.settings.authorization.clone();
        headers.insert(header::AUTHORIZATION, authorization);
        let response = self.client.send(request).await;
        let response = response.map_err(|error| unanswered(&error))?;
        // The address of receipts is as good as a secret.
        let callback = self.settings.look.callback.as_ref();
        let own = [
            self.settings.app_secret.expose(),
            callback.map_or("", |(url, _)| url),
        ];
        let private = [private, &own].concat();
        Ok(Answer::read(&response, asked, &private, self.clock.now()))
    }
}

impl<'a> Prepared<'a> {
    fn add(&mut self, place: usize, target: &'a Target, message: &Message) {
        let extra = message.get("extra");
        let channel = extra.and_then(|extra| extra["channel_id"].as_str());
        self.sent.push(Sent {
            token: target.token.expose(),
            channel: channel.unwrap_or(NO_CHANNEL).to_owned(),
        });
        self.places.push(place);
    }
}

/// The texts of `targets` and their tokens.
fn private(batch: &Batch) -> Vec<&str> {
    let targets = batch.targets.iter();
    let mut private: Vec<&str> = targets
        .flat_map(|target| {
            let shown = &target.content.notification;
            let texts = [&shown.title, &shown.body, &shown.ext].map(String::as_str);
            [target.token.expose()].into_iter().chain(texts)
        })
        .collect();
    private.sort_unstable();
    private.dedup();
    private
}

/// Registration ids are listed with commas between them: one with a comma would be two.
fn is_listable(target: &Target) -> bool {
    !target.token.expose().contains(',')
}

#[async_trait]
impl Provider for XiaomiProvider {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        let targets = batch.targets.iter().enumerate();
        let (targets, malformed): (Vec<_>, Vec<_>) =
            targets.partition(|(_, target)| is_listable(target));
        let refused = Verdict::new(
            VerdictKind::TokenUnusable(TokenFault::Malformed),
            VendorAnswer::none("a registration id has no comma"),
        );
        let malformed = malformed.into_iter();
        verdicts.report_many(malformed.map(|(place, _)| (place, refused.clone())));
        let Some(prepared) = self.prepare(&batch, targets, &verdicts) else {
            return;
        };
        let Prepared {
            url,
            body,
            asked,
            sent,
            places,
        } = prepared;
        match self.post(url, body, asked, &private(&batch)).await {
            Ok(answer) => verdicts.report_many(places.into_iter().zip(answer.verdicts(&sent))),
            Err(verdict) => verdicts.report_rest(&verdict),
        }
    }

    /// Sends a message to a registration id that no phone has: its answer shows whether secret and package belong together. Xiaomi's
    /// check of registration ids would not look at the package.
    async fn verify(&self) -> Result<Health> {
        let notification = Notification::default()
            .with_title("verify")
            .with_body("verify");
        let now = self.clock.now();
        let wanted = Wanted {
            notification: &notification,
            content: ContentId::new(now),
            badge: Badge::Leave,
            tag: None,
            delivery: None,
            receiver: None,
        };
        let asked = async {
            let message = self.settings.look.message(&wanted, now)?;
            let body = render::one(&message, &[UNKNOWN_ID]);
            self.post(&self.settings.one, body, Asked::One, &[]).await
        };
        let sent = Sent {
            token: UNKNOWN_ID,
            channel: NO_CHANNEL.to_owned(),
        };
        let verdict = match asked.await {
            Ok(answer) => answer.verdicts(&[sent]).remove(0),
            Err(verdict) => verdict,
        };
        health("Xiaomi", &verdict)
    }

    /// Xiaomi documents neither length nor alphabet of registration ids; their lists are separated by commas.
    fn check_token(&self, _: Slot, text: &DeviceToken) -> Result<DeviceToken> {
        let token = token::opaque(text)?;
        match token.expose().contains(',') {
            true => Err(token::wrong("has a comma, which no registration id has")),
            false => Ok(token),
        }
    }

    fn check_fields(&self, fields: &Map<String, Value>) -> Result<()> {
        render::check_fields(fields)
    }

    fn receive(&self, request: &Request<Bytes>) -> Result<Received> {
        receive::read(request, self.clock.now())
    }
}

impl fmt::Debug for XiaomiProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XiaomiProvider")
            .field("package", &self.settings.look.packages)
            .finish_non_exhaustive()
    }
}
