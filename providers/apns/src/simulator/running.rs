//! The service as `offline-push simulate` runs it: a key of a team is known, and phones are installed from outside.
use std::time::Duration;

use push_core::Environment;
use push_testkit::{
    fixtures, json, register_simulator,
    serde_json::{self, Value},
    simulator::{
        Action, Credential, Install, Order, Problem, RunningSimulator, SimulatedPhone, View,
    },
};
use serde::Deserialize;

use super::{CertificateRequest, Options, Outcome, Phone, Simulator};
use crate::PushType;

/// The team and the key that the running service knows, and the app of its credentials.
pub(super) const TEAM_ID: &str = "DEF123GHIJ";
pub(super) const KEY_ID: &str = "ABC123DEFG";
const APP: &str = "com.example.im";

/// The password of a `.p12` that the control API issues.
const PASSWORD: &str = "simulator";

/// What starts is a service that knows one key.
#[derive(Debug)]
struct Running(Simulator);

impl Running {
    async fn start(options: Options) -> std::io::Result<Self> {
        let simulator = Simulator::start(options).await?;
        simulator.credential(APP, Environment::Production);
        Ok(Self(simulator))
    }
}

register_simulator!("apns", 4, Running, Options);

impl RunningSimulator for Running {
    fn endpoints(&self) -> Vec<(&'static str, String)> {
        let apple = &self.0;
        vec![
            ("production", apple.endpoint(Environment::Production)),
            ("sandbox", apple.endpoint(Environment::Sandbox)),
            (
                "production_channels",
                apple.channels_endpoint(Environment::Production),
            ),
            (
                "sandbox_channels",
                apple.channels_endpoint(Environment::Sandbox),
            ),
        ]
    }

    fn ca_pem(&self) -> String {
        self.0.ca_pem()
    }

    fn credentials(&self) -> Vec<Credential> {
        [
            ("production", Environment::Production),
            ("sandbox", Environment::Sandbox),
        ]
        .map(|(label, environment)| {
            Credential::new(
                label,
                json!({
                    "key": fixtures::apns_key(1),
                    "key_id": KEY_ID,
                    "team_id": TEAM_ID,
                    "topic": APP,
                    "environment": environment.as_str(),
                    "endpoint": self.0.endpoint(environment),
                    "http": { "extra_ca_pem": self.0.ca_pem() },
                }),
            )
            .with_files(vec![("AuthKey.p8", fixtures::apns_key(1))])
        })
        .into()
    }

    fn install(&self, install: &Install) -> Result<Box<dyn SimulatedPhone>, Problem> {
        let topic = install.app.as_deref().unwrap_or(APP);
        let good = (1..=255).contains(&topic.len())
            && topic
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
        if !good {
            return Err(Problem::invalid("`app` is not a bundle id"));
        }
        let environment = install.environment.unwrap_or(Environment::Production);
        Ok(Box::new(self.0.install(topic, environment)))
    }

    fn script(&self, order: &Order, tokens: &[String]) -> Result<(), Problem> {
        let outcome = outcome(order, self.0.now())?;
        order.write(self.0.faults(), tokens, &outcome);
        Ok(())
    }

    fn heal(&self) {
        self.0.heal();
    }

    fn set_delay(&self, delay: Duration) {
        self.0.set_delay(delay);
    }

    fn disconnect(&self, reason: Option<&str>) {
        for environment in [Environment::Production, Environment::Sandbox] {
            match reason {
                Some(reason) => self.0.go_away(environment, reason),
                None => self.0.cut_connections(environment),
            }
        }
    }

    fn counters(&self) -> Value {
        self.0.counters().to_json()
    }

    fn issue_certificate(&self, request: &Value) -> Result<Value, Problem> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wanted {
            app: Option<String>,
            environments: Option<Vec<Environment>>,
            #[serde(default)]
            also: Vec<String>,
        }
        let wanted: Wanted = serde_json::from_value(request.clone()).map_err(|error| {
            Problem::invalid(format!("the body is not as it should be: {error}"))
        })?;
        let app = wanted.app.as_deref().unwrap_or(APP);
        if !(1..=255).contains(&app.len()) || !app.is_ascii() {
            return Err(Problem::invalid("`app` is not a bundle id"));
        }
        let both = vec![Environment::Production, Environment::Sandbox];
        let environments = wanted.environments.unwrap_or(both);
        let mut certificate = CertificateRequest::new(app, &environments);
        for kind in &wanted.also {
            certificate = match kind.as_str() {
                "voip" => certificate.with("voip"),
                "complication" => certificate.with("complication"),
                _ => return Err(Problem::invalid("`also` holds `voip` and `complication`")),
            };
        }
        let issued = self.0.issue_certificate(&certificate);
        Ok(json!({
            "certificate_pem": issued.certificate_pem(),
            "key_pem": issued.key_pem(),
            "p12_base64": issued.p12(PASSWORD, false),
            "password": PASSWORD,
        }))
    }
}

/// What an order of the control API means.
fn outcome(order: &Order, now: push_core::Timestamp) -> Result<Outcome, Problem> {
    let reason = order.code.as_deref();
    let outcome = match order.action {
        Some(Action::Reset) => Outcome::reset(),
        Some(Action::Silence) => Outcome::silence(),
        Some(Action::Close) => Outcome::close(),
        Some(Action::Refuse) => Outcome::refuse(),
        Some(Action::GoAway) => Outcome::go_away(reason.unwrap_or("Shutdown")),
        None => match reason {
            None => Outcome::as_usual(),
            Some(reason) => {
                let status = order.status()?.map(|status| status.as_u16());
                let answer = Outcome::answer(status.unwrap_or_else(|| status_of(reason)), reason);
                let answer = match order.retry_after()? {
                    Some(value) => answer.with_retry_after(value),
                    None => answer,
                };
                match reason {
                    "Unregistered" | "ExpiredToken" => answer.with_timestamp(now),
                    _ => answer,
                }
            }
        },
    };
    Ok(outcome.after(order.delay()))
}

/// The status that Apple documents for a reason (*Handling notification responses from APNs*); 400 for an unknown one.
fn status_of(reason: &str) -> u16 {
    match reason {
        "BadCertificate"
        | "BadCertificateEnvironment"
        | "BadEnvironmentKeyIdInToken"
        | "BadEnvironmentKeyInToken"
        | "ExpiredProviderToken"
        | "Forbidden"
        | "InvalidProviderToken"
        | "MissingProviderToken"
        | "TopicMismatch"
        | "UnrelatedKeyIdInToken" => 403,
        "BadPath" => 404,
        "MethodNotAllowed" => 405,
        "ExpiredToken" | "Unregistered" => 410,
        "PayloadTooLarge" => 413,
        "TooManyProviderTokenUpdates" | "TooManyRequests" => 429,
        "InternalServerError" => 500,
        "ServiceUnavailable" | "Service Unavailable" | "Shutdown" => 503,
        _ => 400,
    }
}

impl SimulatedPhone for Phone {
    fn tokens(&self) -> Vec<(&'static str, String)> {
        [
            ("alert", PushType::Alert),
            ("voip", PushType::Voip),
            ("live_activity", PushType::LiveActivity),
            ("complication", PushType::Complication),
            ("fileprovider", PushType::FileProvider),
            ("location", PushType::Location),
            ("pushtotalk", PushType::PushToTalk),
            ("widgets", PushType::Widgets),
            ("controls", PushType::Controls),
        ]
        .map(|(purpose, push_type)| (purpose, self.token_for(push_type)))
        .into()
    }

    fn inbox(&self) -> &dyn View {
        &self.inner.inbox
    }

    fn set_power(&self, on: bool) {
        if on {
            self.switch_on();
        } else {
            self.switch_off();
        }
    }

    fn uninstall(&self) {
        Self::uninstall(self);
    }
}
