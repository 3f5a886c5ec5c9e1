//! OPPO's two push services, its feedback service and phones on 127.0.0.1, as strict as OPPO's pages.
//!
//! One address has all of them: `/cn` before the path is the service of mainland China, `/intl` the other one, and
//! `/feedback` the feedback service. The limits are those of the pages, taken a second time and not from the provider. Assumed,
//! because the pages do not say it (November 2026):
//!
//! | what | here |
//! |---|---|
//! | the HTTP status of a refusal | 200 |
//! | a registration id that no phone has | code 10000; with [`Options::with_argument_errors`] code 41, as OPPO's present host was seen to answer |
//! | an id of the other region | as one that no phone has |
//! | an `app_message_id` that was sent to the phone before | code 32, unless [`Options::with_silent_repetitions`] |
//! | the longest text of style 1 | 50 characters, or [`Options::with_long_content`] 200, as older pages say |
//! | a character | a UTF-16 unit |
//! | the shortest `off_line_ttl` | none, unless [`Options::with_min_ttl`] |
//! | fields of `notification` that no page names | refused with 41, so that a misspelt one is found |
//! | which messages are private | those of the channel [`PRIVATE_CHANNEL`], and those of a category of communication and service |
//! | private messages and templates | a template may be used; with [`Options::with_templates_required`] one is needed (54) |
//! | `notify_level` 16 | for categories of communication and service |
//! | quotas | public messages: [`Options::public_quota`] for the app (33), [`Options::user_quota`] for a phone (receipt `user_daily_limit`); 2,000 of any kind for a phone (33) |
//! | calls a second, pictures, `show_time`, `push_time`, `fix_speed`, network | checked in form, without effect |
//! | `eventTime` | milliseconds, as a number |
//! | `notify_id` | a later notification with the same number replaces the earlier one |
//! | a channel that the app has not created | the phone shows nothing |
//! | a message that ends while the phone is off | no receipt |
mod check;
mod message;
mod owed;
mod phone;
mod quota;
mod running;
mod send;
mod service;

use std::{fmt, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, header::CONTENT_TYPE};
use push_http::HttpClient;
pub use push_testkit::simulator::Posted;
use push_testkit::{Faults, Log, simulator, simulator_options};
use serde_json::{Value, json};

use self::service::Service;
pub use self::{
    phone::{Arrival, Phone},
    service::Counters,
};

/// AppKey and MasterSecret of the only app.
const APP: [&str; 2] = [
    "0123456789abcdef0123456789abcdef",
    "oppo-simulator-master-secret",
];

/// The app's id in message ids and receipts.
const APP_ID: &str = "3610865";

/// The activity that a click may open, and the action of its intent filter.
const ACTIVITY: [&str; 2] = ["com.example.im.ChatActivity", "com.example.im.OPEN_CHAT"];

/// The channel that the app created and the console registered as private.
pub const PRIVATE_CHANNEL: &str = "im";

/// The channel that the app created and that is public.
pub const PUBLIC_CHANNEL: &str = "news";

/// The template of private messages that the console has: its id, title and text.
pub const TEMPLATE: [&str; 3] = ["662f0c5e8d1a2b0001c3d4e5", "$sender$", "says: $message$"];

/// The most receipts in one request.
const RECEIPTS: usize = 100;

/// How a [`Simulator`] listens and behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// What every simulator has.
    pub base: simulator::Options,
    /// Whether an id that no phone has gets code 41 instead of 10000. Default: `false`.
    pub argument_errors: bool,
    /// Whether a repetition is answered as the first time instead of with 32. Default: `false`.
    pub silent_repetitions: bool,
    /// Whether private messages need a template. Default: `false`.
    pub templates_required: bool,
    /// The longest text of style 1. Default: 50.
    pub content: usize,
    /// The shortest `off_line_ttl`; a shorter one is refused. Default: zero.
    pub min_ttl: Duration,
    /// How many public messages the app may send in a day. Default: 100,000.
    pub public_quota: u64,
    /// How many public messages a phone shows in a day. Default: 2.
    pub user_quota: u64,
}

impl Options {
    /// Answers 41 for an id that no phone has.
    #[must_use]
    pub const fn with_argument_errors(mut self) -> Self {
        self.argument_errors = true;
        self
    }

    /// Answers a repetition as the first time.
    #[must_use]
    pub const fn with_silent_repetitions(mut self) -> Self {
        self.silent_repetitions = true;
        self
    }

    /// Refuses private messages without a template.
    #[must_use]
    pub const fn with_templates_required(mut self) -> Self {
        self.templates_required = true;
        self
    }

    /// Takes texts of 200 characters, as older pages say.
    #[must_use]
    pub const fn with_long_content(mut self) -> Self {
        self.content = 200;
        self
    }

    /// Refuses a shorter `off_line_ttl`.
    #[must_use]
    pub const fn with_min_ttl(mut self, min_ttl: Duration) -> Self {
        self.min_ttl = min_ttl;
        self
    }

    /// Sets the daily quotas of public messages: of the app, and of a phone.
    #[must_use]
    pub const fn with_quotas(mut self, app: u64, user: u64) -> Self {
        (self.public_quota, self.user_quota) = (app, user);
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
            argument_errors: false,
            silent_repetitions: false,
            templates_required: false,
            content: 50,
            min_ttl: Duration::ZERO,
            public_quota: 100_000,
            user_quota: 2,
        }
    }
}

simulator_options!(Options);

/// OPPO. It stops when it drops.
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
        let base = options.base.clone();
        let service = Arc::new(Service::new(options));
        let own = Arc::clone(&service);
        let handler = move |request: &Request<Bytes>| own.handle(request);
        let listener = base.serve(service::MAX_BODY, handler).await?;
        Ok(Self { listener, service })
    }

    /// A credential of the provider `oppo` that it accepts, with the app's private channel and activity.
    pub fn config(&self) -> Value {
        let url = self.listener.server().url();
        json!({
            "app_key": APP[0],
            "master_secret": APP[1],
            "channel_id": PRIVATE_CHANNEL,
            "category": "IM",
            "activity": ACTIVITY[0],
            "endpoint": format!("{url}/cn"),
            "overseas_endpoint": format!("{url}/intl"),
            "feedback_endpoint": format!("{url}/feedback"),
            "http": { "extra_ca_pem": self.listener.ca_pem(), "only_extra_ca": true },
        })
    }

    /// A new phone of mainland China with the app.
    pub fn install(&self) -> Phone {
        self.service.install("CN")
    }

    /// A new phone of `region`, as in `US`, with the app.
    pub fn install_in(&self, region: &str) -> Phone {
        self.service.install(region)
    }

    /// Scripted answers to requests that send, by registration id.
    pub fn faults(&self) -> &Faults {
        &self.service.faults
    }

    /// Makes OPPO forget every auth token that it granted.
    pub fn forget_auth_tokens(&self) {
        self.service.forget_auth_tokens();
    }

    /// The requests so far.
    pub fn log(&self) -> &Log {
        self.listener.server().log()
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.service.counters()
    }

    /// Posts the receipts that are due through `client`, each to the address in its message, in arrays as OPPO does.
    pub async fn post_receipts(&self, client: &dyn HttpClient) -> Posted {
        let mut all = Posted::default();
        for (url, receipts) in self.service.receipts() {
            let request = |_, entries: Vec<Value>| {
                let post = Request::post(&url).header(CONTENT_TYPE, "application/json");
                post.body(Bytes::from(Value::from(entries).to_string()))
                    .ok()
            };
            let accepted = |response: &Response<Bytes>| response.status() == 200;
            let posted = receipts.post(client, RECEIPTS, request, accepted).await;
            all.requests += posted.requests;
            all.taken += posted.taken;
            all.due += posted.due;
        }
        all
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
