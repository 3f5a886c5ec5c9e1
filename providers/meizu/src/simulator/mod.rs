//! Meizu's push service and phones on 127.0.0.1, as strict as Meizu's page.
//!
//! The limits are the page's, read a second time and not taken from the provider. Assumed, because it is not documented
//! (November 2026):
//!
//! | what | here |
//! |---|---|
//! | what a message refuses that breaks a rule of the page | code 1005 |
//! | a parameter that is absent, and an App ID that is not the app's | 110004 and 110000, before the signature is looked at |
//! | members of a message that the page does not have | refused |
//! | a character of a limit | a UTF-16 code unit |
//! | the largest message | 4,096 bytes |
//! | a push that names an address of receipts which is not registered | refused, unless [`Options::with_any_callback`] |
//! | subtitles, pictures and the like of an app that is no VIP, and pictures that were not uploaded | refused |
//! | a push that is folded (520) or over the user's public messages of the day (110011) | does not reach the phone |
//! | public messages of a user and a day | five |
//! | pushes of an app | 500 a second and 1,000 a day, which other clients report as the limits of a new app |
//! | the day | begins at midnight in China |
//! | a task | is kept as long as the simulator runs |
//! | `clickTypeInfo.parameters` | each text is an extra of the intent |
//! | receipts | one entry for a push and type, with all its phones; in any number of requests |
//! | pushes by alias, to tags and to everybody, and the subscription service | not simulated: 404 |
mod check;
mod limits;
mod phone;
mod running;
mod service;

use std::{fmt, io, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, header::CONTENT_TYPE};
use push_http::HttpClient;
use push_kit::form;
use push_testkit::{Faults, Log, simulator, simulator_options};
use serde_json::{Map, Value, json};

use self::service::Service;
pub use self::{
    phone::{Arrival, Phone},
    service::Counters,
};
pub use push_testkit::simulator::Posted;

/// The only app.
const APP_ID: &str = "110000";

/// Its secret.
const APP_SECRET: &str = "meizu-simulator-secret";

/// The access token that is posted with receipts.
const RECEIPT_TOKEN: &str = "meizu-simulator-receipts";

/// The only app's activity that a click may open besides its entry activity.
const ACTIVITY: &str = "com.example.im.ChatActivity";

/// The most receipts in one request.
const RECEIPTS: usize = 1000;

/// How a [`Simulator`] listens and behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// What every simulator has. Limits of the app are off if any token is accepted.
    pub base: simulator::Options,
    /// Whether the app is a VIP app. Default: false.
    pub vip: bool,
    /// Whether pushes may name any address for receipts. Default: only those that were registered.
    pub any_callback: bool,
    /// The most pushes of the app in a second. Default: 500.
    pub per_second: u64,
    /// The most pushes of the app in a day. Default: 1,000.
    pub daily_pushes: u64,
    /// The most pushes to one phone in a minute; more are folded. Default: 5.
    pub per_minute: u64,
    /// The most public messages to one phone in a day. Default: 5.
    pub daily_public: u64,
}

impl Options {
    push_core::setters! {
        with_vip(vip: bool);
        with_any_callback(any_callback: bool);
        with_per_second(per_second: u64);
        with_daily_pushes(daily_pushes: u64);
        with_per_minute(per_minute: u64);
        with_daily_public(daily_public: u64);
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
            vip: false,
            any_callback: false,
            per_second: 500,
            daily_pushes: 1000,
            per_minute: 5,
            daily_public: 5,
        }
    }
}

simulator_options!(Options);

/// Meizu. It stops when it drops.
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
        service.listens_at(listener.server().url());
        Ok(Self { listener, service })
    }

    /// A credential of the provider `meizu` that it accepts, whose clicks open the app's activity.
    pub fn config(&self) -> Value {
        json!({
            "app_id": APP_ID,
            "app_secret": APP_SECRET,
            "activity": ACTIVITY,
            "receipt_token": RECEIPT_TOKEN,
            "endpoint": self.listener.server().url(),
            "http": { "extra_ca_pem": self.listener.ca_pem(), "only_extra_ca": true },
        })
    }

    /// A new phone with the app.
    pub fn install(&self) -> Phone {
        self.service.install()
    }

    /// Registers an address for receipts, as in the console.
    pub fn register(&self, callback: &str) {
        self.service.register(callback);
    }

    /// Redirects every request to another path (code 300), or no longer.
    pub fn set_redirects(&self, redirects: bool) {
        self.service.set_redirects(redirects);
    }

    /// Forgets the messages that were saved.
    pub fn forget_tasks(&self) {
        self.service.forget_tasks();
    }

    /// Scripted answers, by push id.
    pub fn faults(&self) -> &Faults {
        &self.service.faults
    }

    /// Scripted answers, by the path of a call: for what is not a push.
    pub fn calls(&self) -> &Faults {
        &self.service.calls
    }

    /// The requests so far.
    pub fn log(&self) -> &Log {
        self.listener.server().log()
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.service.counters()
    }

    /// Posts the receipts that are due to `url` through `client`, as Meizu does each second to the address that a push named.
    pub async fn post_receipts(&self, client: &dyn HttpClient, url: &str) -> Posted {
        let request = |_, due: Vec<Value>| {
            let cb = grouped(due).to_string();
            let body = form::encode([("cb", cb.as_str()), ("access_token", RECEIPT_TOKEN)]);
            let post = Request::post(url).header(CONTENT_TYPE, form::CONTENT_TYPE);
            post.body(Bytes::from(body.expose().to_owned())).ok()
        };
        let accepted = |response: &Response<Bytes>| response.status() == 200;
        let due = &self.service.receipts;
        due.post(client, RECEIPTS, request, accepted).await
    }
}

/// Receipts as Meizu writes them: by message and type, each with its phones.
fn grouped(due: Vec<Value>) -> Value {
    let mut entries: Map<String, Value> = Map::new();
    for receipt in due {
        let key = receipt["key"].as_str().unwrap_or_default().to_owned();
        let entry = entries.entry(key).or_insert_with(
            || json!({ "param": receipt["param"], "type": receipt["type"], "targets": [] }),
        );
        if let Some(targets) = entry["targets"].as_array_mut() {
            targets.push(receipt["target"].clone());
        }
    }
    entries.into()
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator")
            .field("listener", &self.listener)
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}
