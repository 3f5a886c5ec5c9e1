//! Huawei's token service, push service and phones on loopback, as strict as the real ones are documented to be.
//!
//! ```no_run
//! # async fn f() -> std::io::Result<()> {
//! use push_provider_huawei::simulator::{Options, Simulator};
//!
//! let huawei = Simulator::start(Options::default()).await?;
//! let phone = huawei.install();
//! let config = huawei.config(); // for `provider/huawei`: endpoints, app, authority
//! // … send something to phone.token() …
//! phone.wait_for(1).await;
//! let opened = phone.tap_newest().expect("a click opens the app");
//! println!("{}", opened.ext());
//! # Ok(()) }
//! ```
//!
//! It knows only the tokens of phones that a test made; every other token is illegal. What the real services check is
//! checked: who may use which access token for which app, the form of the message field by field, sizes and counts. A
//! phone that is switched off gets later what Huawei would have kept, and every status of a receipt but 14 and 22 can be brought
//! about. It does not classify text, count test messages, or know topics and service-account tokens.
//!
//! # What Huawei does not document, and what the simulator does
//!
//! - The HTTP status of a refusal: the matching 4xx, or 200 with [`Options::codes_with_200`].
//! - An access token of another app than the one in the path: 80300002. Huawei's pages give 80200001 for it as well.
//! - An access token that was never granted: 80200003, as for a damaged one.
//! - An unknown `client_id` of the right form: sub_error 12304, as for a wrong secret.
//! - What counts as marketing: the category `MARKETING` alone. With [`Options::with_quotas`] a phone gets 2 such messages a day
//!   (apps of news get 5), and 3,000 of all; days begin at midnight in China.
//! - What a phone does with a push that names a profile: 144 unless the user who is logged in has it.
//! - `android.data` beside `message.data`: the phone gets `android.data`, as the same field of Honor is documented.

mod arrival;
mod check;
mod device;
mod intent;
mod phone;
mod receipts;
mod running;
mod service;

use std::{fmt, io, sync::Arc, time::Duration};

use push_core::Secret;
use push_http::HttpClient;
use push_testkit::{Faults, HttpServer, Log, simulator, simulator_options};
use serde_json::{Value, json};

use self::service::Service;
pub use self::{
    arrival::Arrival,
    intent::Intent,
    phone::Phone,
    service::{Counters, TOKEN_KEY},
};
pub use push_testkit::simulator::Posted;

/// The largest body of a request, in bytes: a thousand tokens are far more than the rest, which is limited by itself.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// An app that the simulated Huawei knows.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct App {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: Secret,
    /// The project it belongs to.
    pub project: String,
    /// Whether it may ask for high urgency (else code 80300011).
    pub high_urgency: bool,
}

impl App {
    push_core::setters! {
        with_id(id: impl Into<String>);
        with_secret(secret: Secret);
        with_project(project: impl Into<String>);
        with_high_urgency(high_urgency: bool);
    }
}

impl Default for App {
    /// App `100000001` of project `736430079244623000`, with the secret `huawei-simulator-secret`.
    fn default() -> Self {
        Self {
            id: "100000001".to_owned(),
            secret: Secret::new("huawei-simulator-secret"),
            project: "736430079244623000".to_owned(),
            high_urgency: false,
        }
    }
}

/// How a [`Simulator`] listens and behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// What every simulator has.
    pub base: simulator::Options,
    /// The apps it knows; [`Simulator::config`] and [`Simulator::install`] are for the first. Default: one, [`App::default`].
    pub apps: Vec<App>,
    /// How long an access token holds. Default: 1 h.
    pub token_lifetime: Duration,
    /// Whether codes for refusals come with status 200 instead of the matching 4xx: the real service does both.
    /// Default: false.
    pub codes_with_200: bool,
    /// Whether messages to one phone are limited in a day, as receipts 102 and 256 report. Default: false.
    pub quotas: bool,
}

impl Default for Options {
    fn default() -> Self {
        simulator::Options::default().into()
    }
}

impl From<simulator::Options> for Options {
    fn from(base: simulator::Options) -> Self {
        Self {
            base,
            apps: vec![App::default()],
            token_lifetime: Duration::from_secs(3600),
            codes_with_200: false,
            quotas: false,
        }
    }
}

simulator_options!(Options);

impl Options {
    /// Knows these apps.
    #[must_use]
    pub fn with_apps(mut self, apps: Vec<App>) -> Self {
        self.apps = apps;
        self
    }

    /// Hands out access tokens that hold so long.
    #[must_use]
    pub fn with_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = lifetime;
        self
    }

    /// Answers refusals with status 200.
    #[must_use]
    pub fn with_codes_with_200(mut self) -> Self {
        self.codes_with_200 = true;
        self
    }

    /// Limits messages to one phone in a day.
    #[must_use]
    pub const fn with_quotas(mut self) -> Self {
        self.quotas = true;
        self
    }
}

/// The simulated Huawei. Everything stops when it drops.
pub struct Simulator {
    http: simulator::Service,
    service: Arc<Service>,
}

impl Simulator {
    /// Begins to listen, with TLS by an authority of its own.
    ///
    /// # Errors
    /// If the address cannot be bound.
    ///
    /// # Panics
    /// If there is no app.
    pub async fn start(options: Options) -> io::Result<Self> {
        assert!(!options.apps.is_empty(), "the simulator needs an app");
        let base = options.base.clone();
        let service = Arc::new(Service::new(options));
        let handler = Arc::clone(&service);
        let http = base
            .serve(MAX_BODY, move |request| handler.answer(request))
            .await?;
        Ok(Self { http, service })
    }

    /// Where to send to: the value of `endpoint` in the provider's configuration.
    pub fn endpoint(&self) -> String {
        self.http.server().url()
    }

    /// Where access tokens come from: the value of `token_endpoint`.
    pub fn token_endpoint(&self) -> String {
        format!("{}{TOKEN_KEY}", self.http.server().url())
    }

    /// The authority of the service's certificate, as PEM: the value of `http.extra_ca_pem`.
    pub fn ca_pem(&self) -> String {
        self.http.ca_pem()
    }

    /// A complete configuration of `provider/huawei` for the first app.
    pub fn config(&self) -> Value {
        let app = self.service.app();
        json!({
            "app_id": app.id,
            "app_secret": app.secret.expose(),
            "endpoint": self.endpoint(),
            "token_endpoint": self.token_endpoint(),
            "intent": "intent://im/chat#Intent;scheme=push;launchFlags=0x4000000;component=com.example.im/.ChatActivity;end",
            "badge_class": "com.example.im.MainActivity",
            "http": { "extra_ca_pem": self.ca_pem(), "only_extra_ca": true },
        })
    }

    /// Puts the first app on a new phone.
    pub fn install(&self) -> Phone {
        self.install_app(&self.service.app().id.clone())
    }

    /// Puts an app on a new phone. Its token serves that app alone: for another it is illegal.
    pub fn install_app(&self, app_id: &str) -> Phone {
        Phone::new(Arc::clone(&self.service), app_id, service::device_token())
    }

    /// Puts the first app on a phone that gets this token.
    pub fn install_as(&self, token: impl Into<String>) -> Phone {
        let app_id = self.service.app().id.clone();
        Phone::new(Arc::clone(&self.service), &app_id, token.into())
    }

    /// Scripted outcomes. The keys are [`TOKEN_KEY`] for the token service, and the path or a device token for the push service.
    /// What is scripted for the next requests concerns the push service alone; an outcome of one token is that of its whole
    /// request.
    pub fn faults(&self) -> &Faults {
        &self.service.faults
    }

    /// Answers the next `requests` pushes with 503 and no body, as Huawei's flow control does, with `Retry-After` if given.
    pub fn burst(&self, requests: usize, retry_after: Option<Duration>) {
        self.service.burst(requests, retry_after);
    }

    /// Makes every access token unknown, as if the secret had been reset.
    pub fn forget_access_tokens(&self) {
        self.service.forget_access_tokens();
    }

    /// Makes every access token expired, whatever the clock says.
    pub fn expire_access_tokens(&self) {
        self.service.expire_access_tokens();
    }

    /// Replaces an app's secret; access tokens that are out hold on.
    pub fn reset_secret(&self, app_id: &str, secret: Secret) {
        self.service.reset_secret(app_id, secret);
    }

    /// What was counted since the start.
    pub fn counters(&self) -> Counters {
        self.service.counters()
    }

    /// The requests.
    pub fn log(&self) -> &Log {
        self.http.server().log()
    }

    /// The server below: its connections.
    pub fn server(&self) -> &HttpServer {
        self.http.server()
    }

    /// Posts the receipts that are due to `url`, at most 100 in a request; with user name and key, signed. What is not
    /// taken stays due.
    pub async fn post_receipts(
        &self,
        client: &dyn HttpClient,
        url: &str,
        signer: Option<(&str, &Secret)>,
    ) -> Posted {
        receipts::post(&self.service, client, url, signer).await
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator")
            .field("endpoint", &self.endpoint())
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}
