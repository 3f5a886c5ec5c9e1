//! The vendor on 127.0.0.1, as strict as its pages say.
//!
//! The limits below are the vendor's, taken from its pages a second time and not from the provider: a wrong number there must
//! not be excused by the same number here.
mod phone;
mod running;
mod service;

use std::{fmt, io, sync::Arc};

use push_testkit::{Faults, Log, simulator, simulator_options};
use serde_json::{Value, json};

pub use self::phone::{Arrival, Phone};
use self::service::Service;

/// The only app of the simulator.
const APP_ID: &str = "1001";
/// Its secret.
const APP_SECRET: &str = "webpush-simulator-secret";

/// How a [`Simulator`] listens and behaves.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// What every simulator has.
    pub base: simulator::Options,
}

impl From<simulator::Options> for Options {
    fn from(base: simulator::Options) -> Self {
        Self { base }
    }
}

simulator_options!(Options);

/// The simulated vendor. Everything stops when it drops.
pub struct Simulator {
    http: simulator::Service,
    service: Arc<Service>,
}

impl Simulator {
    /// Starts to listen, with TLS by an authority of its own.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn start(options: Options) -> io::Result<Self> {
        let service = Arc::new(Service::new(&options.base));
        let answers = Arc::clone(&service);
        let http = options
            .base
            .serve(service::MAX_BODY, move |request| answers.answer(request))
            .await?;
        Ok(Self { http, service })
    }

    /// A complete configuration of `provider/webpush`.
    pub fn config(&self) -> Value {
        json!({
            "app_id": APP_ID,
            "app_secret": APP_SECRET,
            "endpoint": self.http.server().url(),
            "http": { "extra_ca_pem": self.http.ca_pem(), "only_extra_ca": true },
        })
    }

    /// Installs the app on a new phone.
    pub fn install(&self) -> Phone {
        self.service.install()
    }

    /// Answers that a test wants instead of the usual ones, by token.
    pub fn faults(&self) -> &Faults {
        &self.service.faults
    }

    /// What it was asked.
    pub fn log(&self) -> &Log {
        self.http.server().log()
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.http.fmt(f)
    }
}
