//! TPNS and phones on 127.0.0.1, as strict as Tencent's page on the push API.
//!
//! It has two apps, one for Android and one for iOS. Pushes to tokens and to all reach phones; those to accounts, tags and
//! packages are checked and reach none. The limits are those of the page, read a second time and not taken from the provider.
//! Assumed, because it could not be read or is not recorded in any source (November 2026):
//!
//! | what | here |
//! |---|---|
//! | the status of a refusal | 200, with `ret_code` |
//! | a `TimeStamp` that is far from now | refused with 1008003 from 5 minutes on |
//! | an Access ID that is no app of the access point | 1008035 |
//! | a field that the page does not have, or of another type | 1008007; a missing one 1008002; no JSON 1008001 |
//! | an `expire_time` above its maximum | 1008007 |
//! | a token that is unknown, has more than 36 characters or is of the other environment | invalid |
//! | an invalid token without `ignore_invalid_token` | 1008029; with it, and no valid one beside it, too |
//! | `result` | a code for each token that was not left out as invalid |
//! | `invalid_targe_list` | only if a token was left out |
//! | the largest `message` | 4,096 bytes |
//! | a `collapse_id` | refused: none was issued |
//! | the same push to all or to tags within an hour | 10010018 |
//! | a notification that the vendor's channel cuts or refuses | texts over the vendor's limit and a `vivo_category` that is not upper case are dropped without a word |
//! | the badge | on Android only with the channels of Huawei and vivo |
//! | a phone of a vendor | gets notifications by the vendor's channel only, and messages that are not shown not at all |
//! | quotas of the vendors' channels, the review of contents | not there |
mod check;
mod phone;
mod running;
mod service;

use std::{fmt, io, sync::Arc};

use bytes::Bytes;
use http::Request;
use push_core::Environment;
use push_testkit::{Faults, Log, simulator};
use serde_json::{Value, json};

use self::service::Service;
pub use self::{
    phone::{Arrival, Phone, Route},
    service::Counters,
};
pub use push_testkit::simulator::Options;

/// The Access IDs of the app for Android and of the one for iOS.
const APPS: [&str; 2] = ["1500000001", "1600000001"];

/// The Secret Key of both.
const SECRET_KEY: &str = "tpns-simulator-secret";

/// The activity of the Android app that a click may open: scheme, host and path of its intent filter.
const ACTIVITY: &str = "imchat://com.example.im/chat";

/// TPNS. It stops when it drops.
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
        let listener = options.serve(service::MAX_BODY, handler).await?;
        Ok(Self { listener, service })
    }

    /// A credential of the provider `tpns` for the app on Android, whose clicks open the app's activity.
    pub fn android(&self) -> Value {
        let mut config = self.config(APPS[0]);
        config["intent"] = ACTIVITY.into();
        config
    }

    /// A credential of the provider `tpns` for the app on iOS.
    pub fn ios(&self) -> Value {
        self.config(APPS[1])
    }

    fn config(&self, app: &str) -> Value {
        json!({
            "access_id": app,
            "secret_key": SECRET_KEY,
            "endpoint": self.listener.server().url(),
            "http": { "extra_ca_pem": self.listener.ca_pem(), "only_extra_ca": true },
        })
    }

    /// A new Android phone with the app, which is reached by `route`.
    pub fn install(&self, route: Route) -> Phone {
        self.service.install(0, route, Environment::Production)
    }

    /// A new iPhone with the app, a debug build if the environment is the sandbox.
    pub fn install_ios(&self, environment: Environment) -> Phone {
        self.service.install(1, Route::Apns, environment)
    }

    /// Scripted answers, by token.
    pub fn faults(&self) -> &Faults {
        &self.service.faults
    }

    /// Scripted codes in `result`, by token: the token is not pushed to.
    pub fn results(&self) -> &Faults<i64> {
        &self.service.results
    }

    /// The requests so far.
    pub fn log(&self) -> &Log {
        self.listener.server().log()
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.service.counters()
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
