//! The plugin `provider/meizu`, and one credential of it.
use std::{collections::HashSet, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header};
use push_core::{
    BadgeStyle, Batch, Batching, BuildContext, Capabilities, Channel, Clock, DeviceToken,
    DynProvider, Health, Plugin, Provider, ProviderKind, Received, Result, Scope, Slot, Timestamp,
    TokenFault, VendorAnswer, Verdict, VerdictKind, Verdicts, async_trait,
};
use push_http::{Client, HttpClient};
use push_kit::{
    endpoint::Endpoint,
    health::health,
    quota::CHINA,
    token,
    verdict::{unanswered, unconfirmed, unsupported},
};
use serde_json::{Map, Value};

mod prepared;

use self::prepared::Prepared;
use crate::{
    classify::{Answer, Outcome},
    config::{MeizuConfig, Settings, StatisticsMethod},
    receive,
    render::{MAX_TTL, MIN_TTL, OVERLAY, TEXT},
};

const FORM: HeaderValue =
    HeaderValue::from_static("application/x-www-form-urlencoded;charset=UTF-8");

/// How long a saved message is sent by its task id. Meizu does not say how long it keeps one.
const TASK_LIFE: Duration = Duration::from_secs(10 * 60);

/// How long Meizu's copy of a picture is used.
const PICTURE_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a picture that Meizu did not take is left out without another question.
const NO_PICTURE_LIFE: Duration = Duration::from_secs(10 * 60);

/// The longest address of a copy, in bytes. It takes room from the message.
const LONGEST_PICTURE: usize = 512;

/// `imgType` of a picture below an expanded notification.
const EXPANDED: &str = "1";

/// What to look at if Meizu refuses the App ID or the signature.
const REPAIR: &str = "check in the console of Flyme Push that App ID and App Secret are those of the app, and that the app is not blocked; rotate the credential, and the deliveries that wait for it go out";

/// The plugin.
#[derive(Debug)]
pub struct Meizu;

impl Plugin for Meizu {
    type Kind = ProviderKind;
    type Config = MeizuConfig;
    const NAME: &'static str = "meizu";

    fn build(config: MeizuConfig, context: &BuildContext) -> Result<DynProvider> {
        let settings = config.check(context.receipts.as_ref())?;
        let clock = Arc::clone(&context.clock);
        let client = Client::new(config.http.within(context), Arc::clone(&clock))?;
        Ok(Arc::new(MeizuProvider {
            capabilities: capabilities(&settings),
            settings,
            client: Arc::new(client),
            clock,
            tasks: Prepared::default(),
            pictures: Prepared::default(),
        }))
    }
}

fn capabilities(settings: &Settings) -> Capabilities {
    let batching = match settings.batch {
        1 => Batching::Mixed,
        _ => Batching::Uniform,
    };
    Capabilities::new(Channel::known(Meizu::NAME), settings.look.max_message)
        .with_batch(settings.batch, batching)
        .with_badge(BadgeStyle::None)
        .with_title_needed()
        .with_collapse()
        .with_ttl(MIN_TTL, MAX_TTL)
        .with_text(TEXT)
        .with_repair(REPAIR)
}

/// Sends with one credential.
pub struct MeizuProvider {
    capabilities: Capabilities,
    settings: Settings,
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    /// Task ids of saved messages, by message.
    tasks: Prepared,
    /// Meizu's copies of pictures, by the address of the original.
    pictures: Prepared,
}

impl MeizuProvider {
    async fn push(&self, batch: &Batch) -> Result<Outcome, Verdict> {
        let Some(content) = batch.content() else {
            return Err(Verdict::payload_refused("empty", "the batch has no target"));
        };
        let wanted = &content.notification;
        if let Some(verdict) = unsupported(&self.capabilities, batch.slot, wanted.kind) {
            return Err(verdict);
        }
        // A phone gets one notification, however often its push id is in the batch.
        let mut seen = HashSet::with_capacity(batch.targets.len());
        let tokens = batch.targets.iter().map(|target| target.token.expose());
        let ids: Vec<&str> = tokens
            .filter(|token| is_id(token) && seen.insert(*token))
            .collect();
        if ids.is_empty() {
            return Err(malformed());
        }
        let texts = [&wanted.title, &wanted.subtitle, &wanted.body, &wanted.ext];
        let mut private = ids.clone();
        private.extend(texts.map(String::as_str));
        let is_saved = (1..=ids.len()).contains(&self.settings.save_from);
        // One that is saved for several is not for this batch alone.
        let is_shared = is_saved && batch.targets.len() > 1;
        let (look, now) = (&self.settings.look, self.clock.now());
        let with = |picture| look.message(batch, content, picture, is_shared, now);
        let mut message = with(None)?;
        if let Some(image) = look.picture(wanted)
            && let Some(copy) = self.copy_of(image).await
            && let Ok(shown) = with(Some(copy.as_str()))
        {
            message = shown;
        }
        let push_ids = ids.join(",");
        let answer = if is_saved {
            let task = self.task_of(&message, &private).await?;
            let parameters = [("taskId", task.as_str()), ("pushIds", &push_ids)];
            let calls = &self.settings.calls;
            let answer = self.post(&calls.send_saved, &parameters, &private).await?;
            if answer.has_no_task() {
                self.tasks.forget(&message);
                return Err(unavailable(answer.whole));
            }
            answer
        } else {
            let parameters = [("pushIds", push_ids.as_str()), ("messageJson", &message)];
            let parameters = self.with_packages(&parameters);
            self.post(&self.settings.calls.send, &parameters, &private)
                .await?
        };
        Ok(answer.outcome(ids.len()))
    }

    /// Saves `message` at Meizu, unless it was saved a short while ago, and returns its task id.
    ///
    /// # Errors
    /// The verdict on every target: nothing was sent to a phone.
    async fn task_of(&self, message: &str, private: &[&str]) -> Result<String, Verdict> {
        if let Some(task) = self.tasks.get(message, self.clock.now()) {
            return Ok(task);
        }
        let parameters = self.with_packages(&[("pushType", "0"), ("messageJson", message)]);
        let saved = self.post(&self.settings.calls.save, &parameters, private);
        let task = saved
            .await
            .map_err(not_sent)?
            .prepared("the message was saved", "taskId")?;
        self.tasks.put(message, &task, self.clock.now(), TASK_LIFE);
        Ok(task)
    }

    /// The parameters of a message, which may be for some packages of the app only.
    fn with_packages<'a>(&'a self, parameters: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let packages = self.settings.packages.as_str();
        let more = (!packages.is_empty()).then_some(("restrictedPackageNames", packages));
        parameters.iter().copied().chain(more).collect()
    }

    /// Returns the address of Meizu's copy of the picture at `image`, which it makes if there is none. `None` if it does not: the push
    /// goes out without it.
    async fn copy_of(&self, image: &str) -> Option<String> {
        let known = self.pictures.get(image, self.clock.now());
        let copy = match known {
            Some(copy) => copy,
            None => {
                let parameters = [("imgType", EXPANDED), ("imgUrl", image)];
                let answer = self
                    .post(&self.settings.calls.upload, &parameters, &[])
                    .await;
                let copy = answer
                    .and_then(|answer| answer.prepared("the picture was uploaded", "imgUrl"))
                    .ok()
                    .filter(|copy| copy.starts_with("http") && copy.len() <= LONGEST_PICTURE)
                    .unwrap_or_default();
                let life = if copy.is_empty() {
                    NO_PICTURE_LIFE
                } else {
                    PICTURE_LIFE
                };
                self.pictures.put(image, &copy, self.clock.now(), life);
                copy
            }
        };
        Some(copy).filter(|copy| !copy.is_empty())
    }

    async fn post(
        &self,
        url: &Uri,
        parameters: &[(&str, &str)],
        private: &[&str],
    ) -> Result<Answer, Verdict> {
        self.ask(Method::POST, url, parameters, private).await
    }

    /// Sends a signed request, and once more where Meizu redirects it to: it did not process it then. Nothing of `private` stays in
    /// the answer.
    async fn ask(
        &self,
        method: Method,
        url: &Uri,
        parameters: &[(&str, &str)],
        private: &[&str],
    ) -> Result<Answer, Verdict> {
        let form = self.settings.signer.form(parameters);
        let settings = &self.settings;
        let mut private = private.to_vec();
        private.push(settings.signer.secret());
        private.extend(settings.receipt_token.as_ref().map(|token| token.expose()));
        private.extend(settings.look.callback.as_deref());
        let answer = self.exchange(&method, url, &form, &private).await?;
        let domains = &settings.redirect_domains;
        let redirect = answer.redirect.as_deref();
        match redirect.and_then(|redirect| allowed(redirect, url, domains)) {
            Some(url) => self.exchange(&method, &url, &form, &private).await,
            None => Ok(answer),
        }
    }

    async fn exchange(
        &self,
        method: &Method,
        url: &Uri,
        form: &str,
        private: &[&str],
    ) -> Result<Answer, Verdict> {
        let request = Request::builder().method(method);
        let request = if *method == Method::GET {
            request.uri(format!("{url}?{form}")).body(Bytes::new())
        } else {
            request
                .uri(url.clone())
                .header(header::CONTENT_TYPE, FORM)
                .body(Bytes::from(form.to_owned()))
        };
        let request =
            request.map_err(|_| Verdict::unavailable("the request to Meizu cannot be written"))?;
        let response = self.client.send(request).await;
        let response = response.map_err(|error| unanswered(&error))?;
        Answer::read(&response, private, self.clock.now())
    }
}

#[async_trait]
impl Provider for MeizuProvider {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        let outcome = match self.push(&batch).await {
            Ok(outcome) => outcome,
            Err(verdict) => return verdicts.report_rest(&verdict),
        };
        let targets = batch.targets.iter().enumerate();
        verdicts.report_many(targets.map(|(position, target)| {
            let token = target.token.expose();
            let verdict = if is_id(token) {
                outcome.of(token)
            } else {
                malformed()
            };
            (position, verdict)
        }));
    }

    /// Asks for the statistics of the day, which are the app's own: no phone is concerned, and no quota used.
    async fn verify(&self) -> Result<Health> {
        let today = day(self.clock.now());
        let parameters = [("startTime", today.as_str()), ("endTime", &today)];
        let method = match self.settings.statistics_method {
            StatisticsMethod::Get => Method::GET,
            StatisticsMethod::Post => Method::POST,
        };
        let statistics = &self.settings.calls.statistics;
        let verdict = match self.ask(method, statistics, &parameters, &[]).await {
            Ok(answer) if answer.whole.kind != VerdictKind::Accepted || answer.value.is_array() => {
                answer.whole
            }
            Ok(answer) => {
                let of_what = VendorAnswer::clone(&answer.whole.answer);
                unconfirmed(of_what, "the answer has no statistics")
            }
            Err(verdict) => verdict,
        };
        health("Meizu", &verdict)
    }

    /// Meizu documents neither length nor alphabet of push ids. They are sent with commas between them.
    fn check_token(&self, _: Slot, text: &DeviceToken) -> Result<DeviceToken> {
        let token = token::opaque(text)?;
        if is_id(token.expose()) {
            Ok(token)
        } else {
            Err(token::wrong("has a comma, which separates push ids"))
        }
    }

    fn check_fields(&self, fields: &Map<String, Value>) -> Result<()> {
        OVERLAY.check(fields)
    }

    fn receive(&self, request: &Request<Bytes>) -> Result<Received> {
        let token = self.settings.receipt_token.as_ref();
        receive::read(request, token, self.clock.now())
    }
}

/// Returns where a request to `own` may be repeated: `redirect`, if it is at the same place, or below one of `domains`.
fn allowed(redirect: &str, own: &Uri, domains: &[String]) -> Option<Uri> {
    let uri = Endpoint::new(redirect).ok()?.uri().clone();
    let is_own = (uri.scheme(), uri.authority()) == (own.scheme(), own.authority());
    let host = uri.host()?.to_ascii_lowercase();
    let is_below = |domain: &String| {
        let rest = host.strip_suffix(domain.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let is_listed =
        uri.scheme_str() == Some("https") && uri.port().is_none() && domains.iter().any(is_below);
    (is_own || is_listed).then_some(uri)
}

/// Whether `token` stays one push id among others with commas between them.
fn is_id(token: &str) -> bool {
    !token.is_empty() && !token.contains(',')
}

fn malformed() -> Verdict {
    Verdict::new(
        VerdictKind::TokenUnusable(TokenFault::Malformed),
        VendorAnswer::none(
            "the push id has a comma, which separates push ids; nothing was sent to it",
        ),
    )
}

/// The verdict on a push of which only a step before the last one was tried, and failed so.
fn not_sent(verdict: Verdict) -> Verdict {
    match verdict.kind {
        VerdictKind::Unknown => unavailable(verdict),
        _ => verdict,
    }
}

fn unavailable(verdict: Verdict) -> Verdict {
    Verdict::new(VerdictKind::Unavailable(Scope::Credential), verdict.answer)
}

/// The day in China, as in `20261130`.
fn day(now: Timestamp) -> String {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    // Days since the first of March of the year 0 of the Gregorian calendar, whose years end with the leap day.
    let days = (now + CHINA).unix_millis().div_euclid(DAY) + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12 + 1;
    let year = era * 400 + year + i64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}")
}

impl fmt::Debug for MeizuProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeizuProvider")
            .field("app_id", &self.settings.signer.app_id())
            .field("url", &self.settings.calls.send)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_leads_to_the_same_place_or_below_a_domain() {
        let own = Uri::from_static("https://127.0.0.1:8443/garcia/push");
        let domains = ["meizu.com".to_owned()];
        for (redirect, is_allowed) in [
            ("https://127.0.0.1:8443/elsewhere", true),
            ("https://meizu.com/push", true),
            ("https://server-api-push.IN.meizu.com/push", true),
            ("http://127.0.0.1:8443/elsewhere", false),
            ("https://127.0.0.1:8444/elsewhere", false),
            ("https://127.0.0.1/elsewhere", false),
            ("http://meizu.com/push", false),
            ("https://evilmeizu.com/push", false),
            ("https://meizu.com.example/push", false),
            ("https://meizu.com:8443/push", false),
            ("https://user@meizu.com/push", false),
            ("https://meizu.com/push?a=b", false),
            ("/push", false),
            ("", false),
        ] {
            let found = allowed(redirect, &own, &domains);
            assert_eq!(found.is_some(), is_allowed, "{redirect}");
        }
    }

    #[test]
    fn the_day_is_that_of_china() {
        for (seconds, wanted) in [
            (0, "19700101"),
            (57_599, "19700101"),
            (57_600, "19700102"),
            (951_753_599, "20000228"),
            (951_753_600, "20000229"),
            (951_840_000, "20000301"),
            (1_700_000_000, "20231115"),
            (1_798_732_799, "20261231"),
            (1_798_732_800, "20270101"),
        ] {
            assert_eq!(day(Timestamp::from_unix_seconds(seconds)), wanted);
        }
    }
}
