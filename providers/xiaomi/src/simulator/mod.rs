//! Xiaomi's push service and phones on 127.0.0.1, as strict as dev.mi.com's documents 1558, 1560, 1854 and 2314.
//!
//! The limits are the documents', read a second time and not taken from the provider. The only app has a private channel
//! (`104086`) with the template `T10001` (variables `sender` and `text`), and a public one (`104087`). Assumed, because
//! it could not be read or is not recorded in any source (November 2026):
//!
//! | what | here |
//! |---|---|
//! | a wrong App Secret | code 21301 with HTTP 200, or 401 with [`Options::with_unauthorized_status`] |
//! | all targets are invalid | code 20301 |
//! | invalid targets of `/v2/multi_messages/regids` | in `bad_regids` |
//! | a private channel without template, or with wrong values | code 21305 or 10017; [`Options::without_templates`] asks for none |
//! | characters beyond the first 65,536 in title and description | count twice |
//! | a field that is not documented, an undocumented content type, a `payload` that is encoded twice | code 10008 |
//! | the largest `payload` | 4,096 bytes; code 65009 |
//! | own extras | 10 at most, 1,024 characters each; codes 65014 and 65015 |
//! | the daily quota | 20,000 public messages, 10,000 of the default channel; code 200001, and `channel_exceed_quota` for several messages. Days are China's |
//! | a phone's daily quota | 5 public messages, 1 of the default channel; later ones are accepted, not shown, and have the receipt 128 |
//! | requests a second | 500; code 200002 |
//! | `extra.badge` | becomes the number on the icon |
//! | a message without `time_to_live` | kept as long as its channel allows |
//! | messages of one `notify_id` for a phone that is off | all are kept, and replace each other when they arrive |
//! | receipts | one message in each request, to the address of its `extra.callback`, of the form of two other receivers |
//!
//! Aliases, accounts, topics, statistics, pictures, scheduled messages, recall and conditions of delivery are not simulated.
mod check;
mod phone;
mod running;
mod service;

use std::{fmt, io, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, header::CONTENT_TYPE};
use push_http::HttpClient;
use push_kit::form;
use push_testkit::{Faults, Log, simulator, simulator_options};
use serde_json::{Value, json};

use self::service::Service;
pub use self::{
    phone::{Arrival, Phone, Undeliverable},
    service::Counters,
};
pub use push_testkit::simulator::Posted;

/// App Secret and package of the only app.
const SECRET: &str = "xiaomi-simulator-secret==";
const PACKAGE: &str = "com.example.im";

/// How a [`Simulator`] listens and behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// What every simulator has.
    pub base: simulator::Options,
    /// Whether messages of a private channel need a template. Default: true.
    pub requires_template: bool,
    /// The HTTP status of the answer to a wrong App Secret. Default: 200.
    pub unauthorized_status: u16,
    /// How many public messages the app may send a day; half as many of the default channel. Default: 20,000.
    pub daily_quota: u64,
    /// How many requests a second are answered. Default: 500.
    pub requests_a_second: u64,
    /// Whether receipts are posted as JSON, and not as a form. Default: false.
    pub raw_receipts: bool,
}

impl Options {
    /// Accepts messages of a private channel without template.
    #[must_use]
    pub const fn without_templates(mut self) -> Self {
        self.requires_template = false;
        self
    }

    push_core::setters! {
        with_unauthorized_status(unauthorized_status: u16);
        with_daily_quota(daily_quota: u64);
        with_requests_a_second(requests_a_second: u64);
        with_raw_receipts(raw_receipts: bool);
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
            requires_template: true,
            unauthorized_status: 200,
            daily_quota: 20_000,
            requests_a_second: 500,
            raw_receipts: false,
        }
    }
}

simulator_options!(Options);

/// Xiaomi. It stops when it drops.
pub struct Simulator {
    listener: simulator::Service,
    service: Arc<Service>,
    raw_receipts: bool,
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
        Ok(Self {
            listener,
            service,
            raw_receipts: options.raw_receipts,
        })
    }

    /// A credential of the provider `xiaomi` that it accepts: private channel, template, the number on the icon.
    pub fn config(&self) -> Value {
        json!({
            "app_secret": SECRET,
            "package": PACKAGE,
            "channel_id": check::PRIVATE,
            "template_id": check::TEMPLATE,
            "template_param": { "sender": "{title}", "text": "{body}" },
            "badge": true,
            "endpoint": self.listener.server().url(),
            "http": { "extra_ca_pem": self.listener.ca_pem(), "only_extra_ca": true },
        })
    }

    /// A new phone with the app.
    pub fn install(&self) -> Phone {
        self.service.install()
    }

    /// Scripted answers, by registration id.
    pub fn faults(&self) -> &Faults {
        &self.service.faults
    }

    /// The requests so far.
    pub fn log(&self) -> &Log {
        self.listener.server().log()
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.service.counters()
    }

    /// Posts the receipts that are due through `client`, each to the address that its message named.
    pub async fn post_receipts(&self, client: &dyn HttpClient) -> Posted {
        let request = |_, due: Vec<Value>| {
            let receipt = due.into_iter().next()?;
            let (url, body) = (receipt["url"].as_str()?, receipt["body"].to_string());
            let (kind, body) = if self.raw_receipts {
                ("application/json", body)
            } else {
                let fields = form::encode([("data", body.as_str())]);
                let kind = "application/x-www-form-urlencoded";
                (kind, fields.expose().to_owned())
            };
            let post = Request::post(url).header(CONTENT_TYPE, kind);
            post.body(Bytes::from(body)).ok()
        };
        let accepted = |response: &Response<Bytes>| response.status() == 200;
        self.service
            .receipts
            .post(client, 1, request, accepted)
            .await
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
