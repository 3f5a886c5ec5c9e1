//! What whole-product tests share: an Apple on loopback, a gateway, and an IM server's way to a gateway.
#![allow(dead_code)] // Every test program uses its own part.
#![allow(clippy::future_not_send)] // Tests wait on one thread.
pub(crate) mod gateway;
pub(crate) mod process;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use offline_push::{
    Environment, Secret,
    http::{Client, HttpClient, HttpConfig, Protocols, TokioClock},
};
use push_provider_apns::simulator::{Options, Simulator};
use serde_json::{Value, json};

pub(crate) const TOPIC: &str = "com.example.im";
pub(crate) const KEY_ID: &str = "ABC123DEFG";
pub(crate) const TEAM_ID: &str = "DEF123GHIJ";
/// How long anything on one machine may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// An Apple that knows the key of [`apns_config`].
pub(crate) async fn apple(options: Options) -> Simulator {
    let apple = Simulator::start(options)
        .await
        .expect("the simulator starts");
    apple
        .register_key(KEY_ID, TEAM_ID, &push_testkit::fixtures::apns_key(1))
        .expect("the fixture is a key");
    apple
}

/// The configuration of a credential for `apple`'s production.
pub(crate) fn apns_config(apple: &Simulator) -> Value {
    json!({
        "key": push_testkit::fixtures::apns_key(1),
        "key_id": KEY_ID,
        "team_id": TEAM_ID,
        "topic": TOPIC,
        "environment": "production",
        "endpoint": apple.endpoint(Environment::Production),
        "http": {"extra_ca_pem": apple.ca_pem()},
    })
}

/// An IM server, as the gateway sees it.
#[derive(Debug)]
pub(crate) struct Caller {
    base: String,
    key: Secret,
    client: Client,
}

impl Caller {
    pub(crate) fn new(base: impl Into<String>, key: &str) -> Self {
        let config = HttpConfig::default().with_protocols(Protocols::Negotiate);
        Self {
            base: base.into(),
            key: Secret::new(key),
            client: Client::new(config, Arc::new(TokioClock)).expect("the default works"),
        }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        key: &str,
        body: &Value,
    ) -> (StatusCode, Value) {
        let answer = self.attempt(method, path, key, body).await;
        answer.expect("the gateway answers")
    }

    /// `None` if the gateway does not answer.
    async fn attempt(
        &self,
        method: Method,
        path: &str,
        key: &str,
        body: &Value,
    ) -> Option<(StatusCode, Value)> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .body(Bytes::from(body.to_string()))
            .expect("a well-formed request");
        let response = self.client.send(request).await.ok()?;
        let body = match serde_json::from_slice(response.body()) {
            Ok(body) => body,
            Err(_) => json!(String::from_utf8_lossy(response.body())),
        };
        Some((response.status(), body))
    }

    /// An answer in 2xx, or a panic that shows it.
    async fn good(&self, method: Method, path: &str, key: &str, body: &Value) -> Value {
        let (status, answer) = self.call(method, path, key, body).await;
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        self.good(Method::POST, path, self.key.expose(), body).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Value {
        self.good(Method::PUT, path, self.key.expose(), body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.good(Method::GET, path, self.key.expose(), &Value::Null)
            .await
    }

    pub(crate) async fn try_get(&self, path: &str) -> (StatusCode, Value) {
        self.call(Method::GET, path, self.key.expose(), &Value::Null)
            .await
    }

    /// Posts to a gateway that may be gone; `None` if it is.
    pub(crate) async fn try_post(&self, path: &str, body: &Value) -> Option<(StatusCode, Value)> {
        self.attempt(Method::POST, path, self.key.expose(), body)
            .await
    }

    /// Registers a token for the alert slot of `device` with a new ticket of `user`, as a phone does.
    pub(crate) async fn register(
        &self,
        user: &str,
        device: &str,
        body: &Value,
    ) -> (StatusCode, Value) {
        let ticket = self.post("/v1/tickets", &json!({"user": user})).await;
        let ticket = ticket["ticket"].as_str().expect("a ticket").to_owned();
        let path = format!("/v1/devices/{device}/registrations/alert");
        self.call(Method::PUT, &path, &ticket, body).await
    }

    /// Reports that the app on `device` is in background.
    pub(crate) async fn background(&self, user: &str, device: &str) {
        let change = json!({"user": user, "device": device, "presence": "background"});
        self.post("/v1/presence", &json!({"changes": [change]}))
            .await;
    }

    pub(crate) async fn upload(&self, provider: &str, config: &Value) -> i64 {
        let body = json!({"provider": provider, "config": config});
        let answer = self.post("/v1/credentials", &body).await;
        answer["id"].as_i64().expect("a certificate id")
    }

    /// Logs `user` in on a phone that has `token`, and puts the app in background.
    pub(crate) async fn log_in(&self, user: &str, channel: &str, certificate: i64, token: &str) {
        let ticket = self.post("/v1/tickets", &json!({"user": user})).await;
        let ticket = ticket["ticket"].as_str().expect("a ticket").to_owned();
        let body = json!({
            "channel": channel, "certificate_id": certificate, "environment": "production", "token": token,
        });
        let path = format!("/v1/devices/{user}-phone");
        self.good(
            Method::PUT,
            &format!("{path}/registrations/alert"),
            &ticket,
            &body,
        )
        .await;
        self.post(
            "/v1/presence",
            &json!({"changes": [{"user": user, "device": format!("{user}-phone"), "presence": "background"}]}),
        )
        .await;
    }

    /// Submits a text message to `user`, which must get exactly one delivery, and answers its id.
    pub(crate) async fn text(&self, id: &str, user: &str) -> String {
        let answer = self.post("/v1/messages", &message(id, &[user])).await;
        let deliveries = answer["messages"][0]["deliveries"].as_array().cloned();
        let [only] = &deliveries.unwrap_or_default()[..] else {
            panic!("not one delivery: {answer}");
        };
        only["id"].as_str().expect("an id").to_owned()
    }

    /// The tokens of `user` that the gateway has.
    pub(crate) async fn tokens(&self, user: &str) -> Vec<Value> {
        let answer = self.get(&format!("/v1/users/{user}/devices")).await;
        let devices = answer["devices"].as_array().cloned().unwrap_or_default();
        let tokens = devices
            .iter()
            .filter_map(|it| it["registrations"].as_array());
        tokens.flatten().cloned().collect()
    }

    /// The trace of a delivery, once it satisfies `wanted`.
    pub(crate) async fn trace(&self, delivery: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/v1/deliveries/{delivery}/trace");
        eventually("the trace", async || {
            let (status, trace) = self.try_get(&path).await;
            (status.is_success() && wanted(&trace)).then_some(trace)
        })
        .await
    }

    /// The trace of a delivery, once nothing more will be tried.
    pub(crate) async fn settled(&self, delivery: &str) -> Value {
        self.trace(delivery, |it| it["settled"] == json!(true))
            .await
    }
}

/// A text message from bob.
pub(crate) fn message(id: &str, receivers: &[&str]) -> Value {
    json!({
        "id": id,
        "sender": {"user": "bob", "nickname": "Bob"},
        "receivers": receivers,
        "elements": [{"type": "text", "text": "hello"}],
    })
}

/// Polls `ask` until it returns a value, because there is no event to wait for.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        loop {
            tick.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(answer) => answer,
        Err(_) => panic!("{what} did not come within {PATIENCE:?}"),
    }
}
