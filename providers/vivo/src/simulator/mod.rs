//! vivo's service and phones on 127.0.0.1, as strict as vivo's API document 2.9.2.
//!
//! The limits are the document's, read a second time and not taken from the provider. Numbers may be written as text, as vivo
//! takes them. Assumed, because it could not be read or only one source has it (November 2026):
//!
//! | what | here |
//! |---|---|
//! | the numbers of single checks (10050 to 10060, 10082, 10086, 10089, 10150, 10303, 10353) | one for each field |
//! | a field that the document does not have | refused with 10054, so that a misspelt one is found |
//! | what counts in `clientCustomMap` | the UTF-16 units of keys and values |
//! | a `requestId` that sent something before | the same answer, and nothing is sent |
//! | the content rule of formal messages (10104) | only with [`Options::with_content_rule`] |
//! | system and operation messages of a day | 20,000 each: twice the smallest number of subscriptions |
//! | saved messages of a day (10252) | 10,000 |
//! | more than 5 operation messages of a day to one phone | accepted, and not delivered |
//! | which class a test message must have | each; 10,000 system and 100 operation messages of a day |
//! | `skipType` 2 and 3 | accepted; a click opens nothing of the app |
//! | an intent that starts no activity of the app | the notification shows, and a click opens nothing |
//! | a pair of `clientCustomMap` and an extra of the intent with one name | the extra counts |
//! | receipts | unsigned, in the form that two receivers recorded; of deliveries only |
//! | a message that ends while the phone is off | no receipt |
//! | requests a second | only those for access tokens are counted |
//! | pushes to aliases, tags and everybody, statistics | not there |
//!
//! With [`Options::with_any_token`] no quota and no hour counts, for load.
mod check;
mod phone;
mod quota;
mod running;
mod service;

use std::{fmt, io, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, header::CONTENT_TYPE};
use push_http::HttpClient;
use push_testkit::{Faults, Log, simulator, simulator_options};
use serde_json::{Map, Value, json};

use self::service::Service;
pub use self::{
    phone::{Arrival, Phone, Standing},
    service::Counters,
};
pub use push_testkit::simulator::Posted;

/// The only app: App ID, App Key and App Secret.
const APP_ID: u64 = 10004;
const APP_KEY: &str = "25509283-3767-4b9e-83fe-b6e55ac6b123";
const APP_SECRET: &str = "00000000-test-secret-0001";

/// The only app's activity that a click may open, by its component and by its intent filter.
const ACTIVITY: (&str, &str) = ("com.example.im/.ChatActivity", "push://im/chat");

/// The key of [`Simulator::faults`] for requests for access tokens.
pub const AUTH_KEY: &str = "/message/auth";

/// The key of [`Simulator::faults`] for requests that save a message.
pub const SAVE_KEY: &str = "/message/saveListPayload";

/// The key of [`Simulator::faults`] for requests that send a saved message.
pub const LIST_KEY: &str = "/message/pushToList";

/// The most receipts in one request of the newer kind.
const RECEIPTS: usize = 100;

/// How a [`Simulator`] listens and behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// What every simulator has.
    pub base: simulator::Options,
    /// Whether formal messages in Latin letters and digits alone, with "测试" or with braces are refused (10104). Default: false.
    pub refuses_trial_texts: bool,
    /// System messages of a day. Default: 20,000.
    pub system_quota: u64,
    /// Operation messages of a day. Default: 20,000.
    pub operation_quota: u64,
    /// Saved messages of a day. Default: 10,000.
    pub list_quota: u64,
}

impl Options {
    /// Refuses trial texts in formal messages.
    #[must_use]
    pub const fn with_content_rule(mut self) -> Self {
        self.refuses_trial_texts = true;
        self
    }

    /// Takes this many system messages, operation messages and saved messages a day.
    #[must_use]
    pub const fn with_quotas(mut self, system: u64, operation: u64, lists: u64) -> Self {
        self.system_quota = system;
        self.operation_quota = operation;
        self.list_quota = lists;
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
            refuses_trial_texts: false,
            system_quota: 20_000,
            operation_quota: 20_000,
            list_quota: 10_000,
        }
    }
}

simulator_options!(Options);

/// vivo. It stops when it drops.
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

    /// A credential of the provider `vivo` that it accepts, whose clicks open the app's activity.
    pub fn config(&self) -> Value {
        json!({
            "app_id": APP_ID.to_string(),
            "app_key": APP_KEY,
            "app_secret": APP_SECRET,
            "intent": format!("intent://im/chat#Intent;component={};end", ACTIVITY.0),
            "endpoint": self.listener.server().url(),
            "http": { "extra_ca_pem": self.listener.ca_pem(), "only_extra_ca": true },
        })
    }

    /// A new phone with the app.
    pub fn install(&self) -> Phone {
        self.service.install()
    }

    /// Scripted answers, by registration id or by one of the keys of this module. Of a list push, a scripted id is invalid.
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

    /// Makes every access token expire now.
    pub fn expire_access_tokens(&self) {
        self.service.expire_access();
    }

    /// Posts the receipts that are due through `client`: those of the older kind to the address in each push, those of the newer
    /// kind to `registered`, as vivo does to the address in its console.
    pub async fn post_receipts(&self, client: &dyn HttpClient, registered: &str) -> Posted {
        let request = |url: &str, body: &Map<String, Value>| {
            let post = Request::post(url).header(CONTENT_TYPE, "application/json");
            post.body(Bytes::from(Value::from(body.clone()).to_string()))
                .ok()
        };
        let accepted = |response: &Response<Bytes>| response.status() == 200;
        let due = &self.service.receipts;
        let called_back = |_, receipts: Vec<Value>| {
            let receipt = receipts.first()?;
            request(receipt["url"].as_str()?, &by_task(&receipts))
        };
        let one = due.called_back.post(client, 1, called_back, accepted).await;
        let newer = |_, receipts: Vec<Value>| request(registered, &by_task(&receipts));
        let mut posted = due.registered.post(client, RECEIPTS, newer, accepted).await;
        posted.requests += one.requests;
        posted.taken += one.taken;
        posted.due += one.due;
        posted
    }
}

/// Receipts as vivo writes them: one member for each task, with its targets in one text.
fn by_task(receipts: &[Value]) -> Map<String, Value> {
    let mut tasks = Map::new();
    for receipt in receipts {
        let task = receipt["task"].as_str().unwrap_or_default();
        let target = receipt["target"].as_str().unwrap_or_default();
        let entry = tasks.entry(task).or_insert_with(|| {
            let mut entry = json!({ "param": receipt["param"], "targets": "" });
            if !receipt["at"].is_null() {
                entry["ackType"] = "0".into();
                entry["ackTime"] = receipt["at"].clone();
            }
            entry
        });
        let targets = match entry["targets"].as_str() {
            None | Some("") => target.to_owned(),
            Some(others) => format!("{others},{target}"),
        };
        entry["targets"] = targets.into();
    }
    tasks
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator")
            .field("listener", &self.listener)
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}
