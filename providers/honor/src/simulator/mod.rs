//! Honor's account service, push service and phones on 127.0.0.1, as strict as Honor's guide to downlink messages.
//!
//! The limits are the guide's, read a second time and not taken from the provider. Assumed, because it could not be read
//! or is not recorded in any source (November 2026):
//!
//! | what | here |
//! |---|---|
//! | the answer to a request that Honor refuses | HTTP status and `code` are the same: 400, 401, 403 or 404 |
//! | a request without `timestamp` | refused with 400, unless [`Options::with_optional_timestamp`] |
//! | a `timestamp` that is far from now | accepted |
//! | `sendResult` | `false` if no phone gets the message |
//! | the largest message | 4,096 bytes without the tokens; at most 1,000 tokens |
//! | receipts | unsigned, up to 100 in one request, in the form that another server recorded |
//! | `importance` is absent | a picture is refused, as with `LOW` |
//! | a message that ends while the phone is off | no receipt |
//! | the form of `when` | not checked |
//! | quotas of marketing and test messages | not counted |
mod check;
mod phone;
mod running;
mod service;

use std::{fmt, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, header::CONTENT_TYPE};
use push_http::HttpClient;
use push_testkit::{Faults, Log, Reply, simulator, simulator_options};
use serde_json::{Value, json};

use self::service::Service;
pub use self::{
    phone::{Arrival, Phone},
    service::Counters,
};
pub use push_testkit::simulator::Posted;

/// App ID, Client ID and Client Secret of the only app.
const APP: [&str; 3] = ["104400000", "honor-client", "honor-simulator-secret"];

/// The only app's activity that a click may open: scheme, host and path of its intent filter.
const ACTIVITY: &str = "push://im/chat";

/// The most receipts in one request.
const RECEIPTS: usize = 100;

/// How a [`Simulator`] listens and behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// What every simulator has.
    pub base: simulator::Options,
    /// Whether a request without `timestamp` is refused. Default: true.
    pub requires_timestamp: bool,
    /// `expires_in` of an access token. Default: one hour.
    pub access_life: Duration,
}

impl Options {
    /// Accepts requests without `timestamp`.
    #[must_use]
    pub const fn with_optional_timestamp(mut self) -> Self {
        self.requires_timestamp = false;
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::from(simulator::Options::default())
    }
}

impl From<simulator::Options> for Options {
    fn from(base: simulator::Options) -> Self {
        Self {
            base,
            requires_timestamp: true,
            access_life: Duration::from_secs(3600),
        }
    }
}

simulator_options!(Options);

/// Honor. It stops when it drops.
pub struct Simulator {
    listener: simulator::Service,
    service: Arc<Service>,
}

impl Simulator {
    /// Listens, with TLS.
    ///
    /// # Errors
    /// The address is taken or not this machine's.
    pub async fn start(options: Options) -> io::Result<Self> {
        let service = Arc::new(Service::new(&options));
        let own = Arc::clone(&service);
        let handler = move |request: &Request<Bytes>| own.handle(request);
        let listener = options.base.serve(service::MAX_BODY, handler).await?;
        Ok(Self { listener, service })
    }

    /// A credential of the provider `honor` that it accepts, which opens the app's activity and changes the number on its icon.
    pub fn config(&self) -> Value {
        let url = self.listener.server().url();
        json!({
            "app_id": APP[0],
            "client_id": APP[1],
            "client_secret": APP[2],
            "intent": "intent://im/chat#Intent;scheme=push;launchFlags=0x4000000;end",
            "badge_class": "com.example.im.MainActivity",
            "endpoint": format!("{url}/api/v1"),
            "token_endpoint": format!("{url}/auth/token"),
            "http": { "extra_ca_pem": self.listener.ca_pem(), "only_extra_ca": true },
        })
    }

    /// A new phone with the app.
    pub fn install(&self) -> Phone {
        self.service.install()
    }

    /// Scripted answers, by token.
    pub fn faults(&self) -> &Faults {
        &self.service.faults
    }

    /// Answers every request to the account service so from now on; `None` ends that.
    pub fn fail_account_service(&self, reply: Option<Reply>) {
        self.service.fail_grants(reply);
    }

    /// Makes every access token unknown.
    pub fn forget_access(&self) {
        self.service.forget_access();
    }

    /// The requests so far.
    pub fn log(&self) -> &Log {
        self.listener.server().log()
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.service.counters()
    }

    /// Posts the receipts that are due to `url` through `client`, as Honor does to the address in its console.
    pub async fn post_receipts(&self, client: &dyn HttpClient, url: &str) -> Posted {
        let request = |_, statuses: Vec<Value>| {
            let body = json!({ "statuses": statuses }).to_string();
            let post = Request::post(url).header(CONTENT_TYPE, "application/json");
            post.body(Bytes::from(body)).ok()
        };
        let accepted = |response: &Response<Bytes>| {
            let is_json = serde_json::from_slice::<Value>(response.body()).is_ok();
            response.status() == 200 && is_json
        };
        let due = &self.service.receipts;
        due.post(client, RECEIPTS, request, accepted).await
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator")
            .field("listener", &self.listener)
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}
