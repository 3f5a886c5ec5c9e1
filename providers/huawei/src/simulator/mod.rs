//! Huawei's token service, push service and phones on loopback, as strict as the real ones are documented to be.
//!
//! ```no_run
//! # async fn f() -> std::io::Result<()> {
//! use push_provider_huawei::simulator::{Options, Simulator};
//!
//! let huawei = Simulator::start(Options::default()).await?;
//! let phone = huawei.phone("IQAAAACy0phone-1");
//! let config = huawei.config(); // for `provider/huawei`: endpoints, app, authority
//! // … send something …
//! let arrived = phone.wait_for(1).await.remove(0);
//! let opened = phone.tap(&arrived).expect("a click opens the app");
//! println!("{}", opened.ext());
//! # Ok(()) }
//! ```
//!
//! It knows only the tokens of phones that a test made; every other token is illegal. What the real services check is
//! checked: who may use which access token for which app, the form of the message field by field, sizes and counts. It
//! does not classify text, cap anybody's daily quota, or know topics.

mod check;
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

/// How a [`Simulator`] starts.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens. Default: a free port of 127.0.0.1.
    pub address: SocketAddr,
    /// The apps it knows; [`Simulator::config`] and [`Simulator::phone`] are for the first. Default: one, [`App::default`].
    pub apps: Vec<App>,
    /// How long an access token holds. Default: 1 h.
    pub token_lifetime: Duration,
    /// Whether codes for refusals come with status 200 instead of the matching 4xx: the real service does both.
    /// Default: false.
    pub codes_with_200: bool,
    /// What access tokens expire by, and what receipts are dated with. Default: the system's.
    pub clock: Arc<dyn Clock>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: LOOPBACK,
            apps: vec![App::default()],
            token_lifetime: Duration::from_secs(3600),
            codes_with_200: false,
            clock: Arc::new(TokioClock),
        }
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
            ..ServerOptions::tls(&authority)
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

    /// Scheme, host and port, as in `https://localhost:9443`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The authority to trust, as PEM.
    pub fn ca_pem(&self) -> String {
        self.authority.pem()
    }

    /// A complete configuration of `provider/huawei` for the first app.
    pub fn config(&self) -> Value {
        let app = self.service.app();
        json!({
            "app_id": app.id,
            "app_secret": app.secret.expose(),
            "endpoint": self.url(),
            "token_endpoint": format!("{}/oauth2/v3/token", self.url()),
            "intent": "intent://im/chat#Intent;scheme=push;launchFlags=0x4000000;component=com.example.im/.ChatActivity;end",
            "badge_class": "com.example.im.MainActivity",
            "http": { "extra_ca_pem": self.ca_pem(), "only_extra_ca": true },
        })
    }

    /// Puts the first app on a phone, which reaches it by `token`; the same phone if it is there already.
    pub fn phone(&self, token: impl Into<String>) -> Phone {
        self.phone_of(&self.service.app().id.clone(), token)
    }

    /// Puts an app on a phone. A token serves one app: for another it is illegal.
    pub fn phone_of(&self, app_id: &str, token: impl Into<String>) -> Phone {
        Phone::new(Arc::clone(&self.service), app_id, token.into())
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
            .field("url", &self.url())
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}
