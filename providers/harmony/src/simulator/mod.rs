//! Push Kit for HarmonyOS and its phones on 127.0.0.1, as strict as the pages of the interface v3.
//!
//! ```no_run
//! # async fn f() -> std::io::Result<()> {
//! use push_provider_harmony::simulator::{Options, Simulator};
//!
//! let push_kit = Simulator::start(Options::default()).await?;
//! let phone = push_kit.install();
//! let config = push_kit.config(); // for `provider/harmony`: key file, endpoint, authority
//! // … send something to phone.token() …
//! phone.wait_for(1).await;
//! let want = phone.tap().expect("a click opens the app");
//! println!("{}", want.text("ext").unwrap_or_default());
//! # Ok(()) }
//! ```
//!
//! It verifies the JWT (PS256 with a salt of 32 bytes, key id, account, audience, dates), the header `push-type` against the shape of
//! the message, every field, sizes and counts. It counts the quotas of a phone, of marketing and of test messages, drops what has the
//! `appMessageId` of an earlier message, recalls notifications, and posts receipts of the second version. The limits are the pages',
//! read a second time and not taken from the provider. It knows one app of one project.
//!
//! Assumed, because it is not documented (November 2026):
//!
//! | what | here |
//! |---|---|
//! | the status of a refusal | the matching 4xx or 500, or 200 with [`Options::with_codes_with_200`] |
//! | RS256 instead of PS256 | refused, unless [`Options::with_rs256`]: one client in use signs so |
//! | a JWT from the future | refused from five minutes on |
//! | a JWT that is valid for exactly a day | accepted |
//! | a token that no phone has, or whose app is gone | the reason `tokenFormatError` |
//! | how fast test messages may be sent | 10 requests in a second |
//! | the quota of a phone | 3,000 messages a day, the number of earlier pages |
//! | a category without the right to it | counts as `MARKETING`; with [`Options::without_category_rights`] every one |
//! | a message beyond a quota | accepted, not shown, receipt 102 or 256 |
//! | a message with the `appMessageId` of an earlier one | accepted, not shown, no receipt |
//! | the days of quotas | China Standard Time |
//! | messages that wait for a phone that is off | each until its time is over; no receipt then |
//! | an action or URI that no ability has | the phone shows it, and a click opens nothing |
//! | `http` pictures | refused with 80100003 |
//!
//! Not simulated: the picture itself and its verification (script 80100022), classification of texts, quotas of live views.
mod access;
mod check;
mod phone;
mod quota;
mod running;
mod schema;
mod service;

use std::{fmt, io, sync::Arc};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, Response, header::CONTENT_TYPE};
use push_core::Secret;
use push_http::HttpClient;
use push_testkit::{Faults, Log, fixtures, simulator, simulator_options};
use serde_json::{Value, json};

use self::service::Service;
pub use self::{
    phone::{Arrival, Phone, Want},
    service::Counters,
};
pub use push_testkit::simulator::Posted;

/// The project, and the app's client id.
const PROJECT: &str = "101653523863440882";
const CLIENT: &str = "100000001";

/// The service account and the id of its key.
const ACCOUNT: &str = "100000001";
const KEY_ID: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// The most receipts in one request.
const RECEIPTS: usize = 100;

/// The largest body of a request, in bytes: a thousand tokens are far more than the rest, which is limited by itself.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// How a [`Simulator`] listens and behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// What every simulator has.
    pub base: simulator::Options,
    /// The account's private key, PKCS#8 in PEM. Default: an RSA key of 2,048 bits of no account.
    pub key: Secret,
    /// Whether a JWT that is signed with RS256 is accepted, too. Default: false.
    pub rs256: bool,
    /// Whether refusals have the status 200. Default: false.
    pub codes_with_200: bool,
    /// Whether the app may choose its categories; without the right all count as marketing. Default: true.
    pub category_rights: bool,
    /// The values of `push-type` besides 0 to which the app has a right. Default: 1, 2, 6, 7, 10.
    pub push_types: Vec<u8>,
    /// How many messages a day one phone gets. Default: 3,000.
    pub daily_limit: u32,
    /// How many marketing messages a day one phone gets: 2, or 5 by the app's type. Default: 2.
    pub marketing_limit: u32,
}

impl Options {
    push_core::setters! {
        with_key(key: Secret);
        with_push_types(push_types: Vec<u8>);
        with_daily_limit(daily_limit: u32);
    }

    /// Accepts RS256, too.
    #[must_use]
    pub const fn with_rs256(mut self) -> Self {
        self.rs256 = true;
        self
    }

    /// Answers refusals with the status 200.
    #[must_use]
    pub const fn with_codes_with_200(mut self) -> Self {
        self.codes_with_200 = true;
        self
    }

    /// Takes every category for marketing.
    #[must_use]
    pub const fn without_category_rights(mut self) -> Self {
        self.category_rights = false;
        self
    }
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
            key: Secret::new(fixtures::rsa_key()),
            rs256: false,
            codes_with_200: false,
            category_rights: true,
            push_types: vec![1, 2, 6, 7, 10],
            daily_limit: 3000,
            marketing_limit: 2,
        }
    }
}

simulator_options!(Options);

/// Push Kit. It stops when it drops.
pub struct Simulator {
    listener: simulator::Service,
    service: Arc<Service>,
    key: Secret,
}

impl Simulator {
    /// Listens, with TLS.
    ///
    /// # Errors
    /// The address is taken or not this machine's.
    ///
    /// # Panics
    /// If the key is no RSA key of PKCS#8 in PEM.
    pub async fn start(options: Options) -> io::Result<Self> {
        let (base, key) = (options.base.clone(), options.key.clone());
        let service = Arc::new(Service::new(options));
        let own = Arc::clone(&service);
        let handler = move |request: &Request<Bytes>| own.handle(request);
        let listener = base.serve(MAX_BODY, handler).await?;
        Ok(Self {
            listener,
            service,
            key,
        })
    }

    /// Where to send to: the value of `endpoint`.
    pub fn endpoint(&self) -> String {
        self.listener.server().url()
    }

    /// The key file of the service account, as the console issues it.
    pub fn key_file(&self) -> Value {
        json!({
            "project_id": PROJECT,
            "key_id": KEY_ID,
            "private_key": self.key.expose(),
            "sub_account": ACCOUNT,
            "auth_uri": "https://oauth-login.cloud.huawei.com/oauth2/v3/authorize",
            "token_uri": access::AUDIENCE,
            "auth_provider_cert_uri": "https://oauth-login.cloud.huawei.com/oauth2/v3/certs",
            "client_cert_uri": "https://oauth-login.cloud.huawei.com/oauth2/v3/x509?client_id=",
        })
    }

    /// A credential of the provider `harmony` that it accepts.
    pub fn config(&self) -> Value {
        json!({
            "service_account": self.key_file(),
            "client_id": CLIENT,
            "endpoint": self.endpoint(),
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

    /// Makes Push Kit call this token illegal for `reason`, as in `countryNotSupport`.
    pub fn refuse(&self, token: &str, reason: &str) {
        self.service.refuse(token, reason);
    }

    /// The requests so far.
    pub fn log(&self) -> &Log {
        self.listener.server().log()
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.service.counters()
    }

    /// Posts the receipts that are due to `url`, at most 100 in a request; with user name and key, signed.
    pub async fn post_receipts(
        &self,
        client: &dyn HttpClient,
        url: &str,
        signer: Option<(&str, &Secret)>,
    ) -> Posted {
        let request = |number: usize, statuses: Vec<Value>| {
            let mut post = Request::post(url).header(CONTENT_TYPE, "application/json");
            if let Some((user, key)) = signer {
                post = post.header("x-huawei-callback-id", self.signature(user, key, number));
            }
            let body = json!({ "statuses": statuses }).to_string();
            post.body(Bytes::from(body)).ok()
        };
        let accepted = |response: &Response<Bytes>| response.status() == 200;
        let due = &self.service.receipts;
        due.post(client, RECEIPTS, request, accepted).await
    }

    fn signature(&self, user: &str, key: &Secret, number: usize) -> String {
        let timestamp = self.service.now().unix_millis();
        let nonce = simulator::random_text(16);
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
        let value = hmac::sign(&key, format!("{timestamp}{nonce}{user}").as_bytes());
        let value = STANDARD.encode(value);
        // Both spellings are on the pages.
        let end = if number.is_multiple_of(2) { "; " } else { ";" };
        format!("timestamp={timestamp}{end}nonce={nonce}{end}value={value}")
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
