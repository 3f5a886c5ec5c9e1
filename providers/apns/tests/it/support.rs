//! The service, an app of a team, and providers that send for it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use push_core::{
    Badge, BuildContext, Clock, DynProvider, Environment, ManualClock, Notification, Secret,
    Verdict,
};
use push_http::{Client, ClientCertificate, HttpConfig, Protocols};
use push_provider_apns::{
    ApnsProvider,
    simulator::{CertificateRequest, Options, Simulator},
};
use push_testkit::{fixtures, json, sample};
use serde_json::{Map, Value};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn minutes(count: u32) -> Duration {
    MINUTE * count
}

pub(crate) const TOPIC: &str = "com.example.chat";
pub(crate) const KEY_ID: &str = "ABC123DEFG";
pub(crate) const TEAM_ID: &str = "DEF123GHIJ";

/// The service with one key of one team, on a clock that stands at [`sample::NOW`].
pub(crate) struct Apple {
    pub(crate) service: Simulator,
    pub(crate) clock: ManualClock,
}

impl Apple {
    pub(crate) async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let clock = sample::clock();
        let options = options.with_clock(Arc::new(clock.clone()));
        Self {
            service: service(options).await,
            clock,
        }
    }

    /// A provider with the team's key, on the service's clock.
    pub(crate) fn provider(&self, environment: Environment) -> Arc<ApnsProvider> {
        provider(
            key_config(&self.service, environment),
            Arc::new(self.clock.clone()),
        )
    }
}

pub(crate) async fn service(options: Options) -> Simulator {
    let service = Simulator::start(options)
        .await
        .expect("loopback can be bound");
    service
        .register_key(KEY_ID, TEAM_ID, &fixtures::apns_key(1))
        .expect("a P-256 key");
    service
}

pub(crate) fn key_config(service: &Simulator, environment: Environment) -> Value {
    json!({
        "key": fixtures::apns_key(1),
        "key_id": KEY_ID,
        "team_id": TEAM_ID,
        "topic": TOPIC,
        "environment": environment.as_str(),
        "endpoint": service.endpoint(environment),
        "http": { "extra_ca_pem": service.ca_pem() },
    })
}

pub(crate) fn provider(config: Value, clock: Arc<dyn Clock>) -> Arc<ApnsProvider> {
    let config = serde_json::from_value(config).expect("a configuration");
    let provider = ApnsProvider::new(config, &BuildContext::new(clock));
    Arc::new(provider.expect("a configuration that is right"))
}

/// Sends one notification to one token of production.
pub(crate) async fn send(provider: &Arc<ApnsProvider>, token: &str, it: Notification) -> Verdict {
    let provider: DynProvider = Arc::clone(provider) as DynProvider;
    sample::send(&provider, sample::batch(it, [token]))
        .await
        .remove(0)
}

/// Sends one notification that sets the number on the icon.
pub(crate) async fn send_with(
    provider: &Arc<ApnsProvider>,
    token: &str,
    notification: Notification,
    badge: Badge,
) -> Verdict {
    let target = sample::target(token, &sample::content(notification)).with_badge(badge);
    sample::send(&dynamic(provider), sample::batch_of([target]))
        .await
        .remove(0)
}

/// The fields of a JSON object.
pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is an object"),
    }
}

pub(crate) async fn send_sample(provider: &Arc<ApnsProvider>, token: &str) -> Verdict {
    send(provider, token, sample::notification()).await
}

pub(crate) fn dynamic(provider: &Arc<ApnsProvider>) -> DynProvider {
    Arc::clone(provider) as DynProvider
}

/// A plain HTTP client of the service.
pub(crate) fn client(apple: &Apple) -> Client {
    client_with(apple, Protocols::H2Only)
}

pub(crate) fn client_with(apple: &Apple, protocols: Protocols) -> Client {
    let mut config = HttpConfig::default().with_protocols(protocols);
    config.extra_ca_pem = Some(apple.service.ca_pem());
    Client::new(config, Arc::new(apple.clock.clone())).expect("a client")
}

/// A client that shows a certificate which the service issues for it.
pub(crate) fn client_with_certificate(apple: &Apple, wanted: &CertificateRequest) -> Client {
    let certificate = apple.service.issue_certificate(wanted);
    let mut config = HttpConfig::default().with_protocols(Protocols::H2Only);
    config.extra_ca_pem = Some(apple.service.ca_pem());
    let (chain, key) = (certificate.certificate_pem(), certificate.key_pem());
    let identity = ClientCertificate::from_pem(&chain, &Secret::new(key));
    let config = config.with_client_certificate(identity.expect("a certificate"));
    Client::new(config, Arc::new(apple.clock.clone())).expect("a client")
}

pub(crate) fn vector(number: usize) -> Value {
    fixtures::vectors()["apns_jwt"][number - 1].clone()
}

/// The token of the vector with this number, as a header.
pub(crate) fn bearer(number: usize) -> String {
    format!("bearer {}", vector(number)["jwt"].as_str().expect("text"))
}

pub(crate) fn reason(response: &Response<Bytes>) -> (u16, String) {
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    let reason = body["reason"].as_str().unwrap_or_default().to_owned();
    (response.status().as_u16(), reason)
}

pub(crate) fn set(request: &mut Request<Bytes>, name: &'static str, value: &str) {
    let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header's value");
    request.headers_mut().insert(name, value);
}

pub(crate) fn payload_of(bytes: usize) -> Bytes {
    let frame = r#"{"aps":{"alert":""}}"#.len();
    format!(r#"{{"aps":{{"alert":"{}"}}}}"#, "x".repeat(bytes - frame)).into()
}
