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
//! phone that is switched off gets later what Huawei would have kept. It does not classify text, cap anybody's daily
//! quota, or know topics.

mod check;
mod device;
mod intent;
mod phone;
mod receipts;
mod service;

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use push_core::{Clock, Secret};
use push_http::{HttpClient, TokioClock};
use push_testkit::{Authority, Faults, HttpServer, LOOPBACK, Log, ServerOptions};
use serde_json::{Value, json};

use self::service::Service;
pub use self::{
    intent::Intent,
    phone::{Arrival, Phone},
    receipts::Posted,
    service::{Counters, TOKEN_KEY},
};

/// An app that the simulated Huawei knows.
#[derive(Clone, Debug)]
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
    /// Where it listens. Default: a free port of 127.0.0.1.
    pub address: SocketAddr,
    /// The apps it knows; [`Simulator::config`] and [`Simulator::install`] are for the first. Default: one, [`App::default`].
    pub apps: Vec<App>,
    /// How long an access token holds. Default: 1 h.
    pub token_lifetime: Duration,
    /// Whether codes for refusals come with status 200 instead of the matching 4xx: the real service does both.
    /// Default: false.
    pub codes_with_200: bool,
    /// What access tokens expire by, receipts are dated with and delays wait on. Default: real time.
    pub clock: Arc<dyn Clock>,
    /// How long every answer of the push service takes. Default: none.
    pub delay: Duration,
    /// Whether every token that no phone has belongs to one that takes everything: for load. Default: false.
    pub any_token: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: LOOPBACK,
            apps: vec![App::default()],
            token_lifetime: Duration::from_secs(3600),
            codes_with_200: false,
            clock: Arc::new(TokioClock),
            delay: Duration::ZERO,
            any_token: false,
        }
    }
}

impl Options {
    /// Listens on this port of 127.0.0.1.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.address = SocketAddr::new(LOOPBACK.ip(), port);
        self
    }

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

    /// Compares dates with this clock, and waits on it.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Answers after this long.
    #[must_use]
    pub fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Delivers to every token.
    #[must_use]
    pub fn with_any_token(mut self) -> Self {
        self.any_token = true;
        self
    }
}

/// The simulated Huawei. Everything stops when it drops.
pub struct Simulator {
    server: HttpServer,
    authority: Authority,
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
        let authority = Authority::new();
        let server_options = ServerOptions {
            address: options.address,
            // A thousand tokens are far more than the body that is limited.
            max_body: 8 * 1024 * 1024,
            ..ServerOptions::tls(&authority).with_clock(Arc::clone(&options.clock))
        };
        let service = Arc::new(Service::new(options));
        let handler = Arc::clone(&service);
        let server = HttpServer::start(server_options, move |request| {
            std::future::ready(handler.answer(&request))
        })
        .await?;
        Ok(Self {
            server,
            authority,
            service,
        })
    }

    /// Where to send to: the value of `endpoint` in the provider's configuration.
    pub fn endpoint(&self) -> String {
        self.server.url()
    }

    /// Where access tokens come from: the value of `token_endpoint`.
    pub fn token_endpoint(&self) -> String {
        format!("{}{TOKEN_KEY}", self.server.url())
    }

    /// The authority of the service's certificate, as PEM: the value of `http.extra_ca_pem`.
    pub fn ca_pem(&self) -> String {
        self.authority.pem()
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

    /// What goes wrong next. The keys are [`TOKEN_KEY`] for the token service and the path for the push service.
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
        self.server.log()
    }

    /// The server below: its connections.
    pub fn server(&self) -> &HttpServer {
        &self.server
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
