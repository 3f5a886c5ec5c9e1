//! The simulator against requests that Push Kit refuses, and under the control of the command line.
use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;
use push_core::{BuildContext, Clock, ManualClock, RawConfig, VerdictKind};
use push_http::{Client, HttpClient};
use push_provider_harmony::{
    PLUGIN,
    simulator::{Options, Simulator},
};
use push_testkit::{
    block_on, json, sample,
    serde_json::{self, Value},
    simulator::{self, Install, Order, simulators},
};

mod access;
mod messages;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../fixtures/vectors.json")).expect("JSON")
}

/// A JWT of the vectors that is valid from [`sample::NOW`] for an hour.
fn jwt() -> String {
    vectors()["harmony_jwt"][0]["jwt"]
        .as_str()
        .expect("text")
        .to_owned()
}

const SEND: &str = "/v3/101653523863440882/messages:send";
const REVOKE: &str = "/v1/100000001/messages:revoke";

struct World {
    clock: Arc<ManualClock>,
    simulator: Simulator,
    client: Client,
}

impl World {
    async fn new(options: Options) -> Self {
        let clock = Arc::new(sample::clock());
        let shared: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let options = options.with_clock(Arc::clone(&shared));
        let simulator = Simulator::start(options).await.expect("a free port");
        let http = serde_json::from_value(simulator.config()["http"].clone()).expect("a table");
        let client = Client::new(http, shared).expect("a client");
        Self {
            clock,
            simulator,
            client,
        }
    }

    /// Sends a request as a client of its own would; returns status, code and words of the answer.
    async fn ask(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> (u16, String, String) {
        let url = format!("{}{path}", self.simulator.endpoint());
        let mut request = Request::post(url).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Bytes::from(body.to_string()))
            .expect("a request");
        let answer = self.client.send(request).await.expect("an answer");
        let json: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
        (answer.status().as_u16(), text("code"), text("msg"))
    }

    /// Sends a message with the JWT of the vectors.
    async fn send(&self, push_type: &str, body: &Value) -> (u16, String, String) {
        let bearer = format!("Bearer {}", jwt());
        let headers = [("authorization", bearer.as_str()), ("push-type", push_type)];
        self.ask(SEND, &headers, body).await
    }
}

/// A message with these fields over those that are mandatory.
fn message(fields: &Value) -> Value {
    let mut shown = json!({
        "category": "IM", "title": "Ann", "body": "hello", "clickAction": { "actionType": 0 },
    });
    for (key, value) in fields.as_object().expect("an object") {
        shown[key] = value.clone();
    }
    json!({ "payload": { "notification": shown }, "target": { "token": ["t"] } })
}

/// The message with these members, each at its JSON pointer.
fn with(mut message: Value, members: &[(&str, &str, Value)]) -> Value {
    for (pointer, key, value) in members {
        message.pointer_mut(pointer).expect("an object")[*key] = value.clone();
    }
    message
}

/// `setNum` counts where both numbers are there, and only the newest of a group waits for a phone that is off.
#[test]
fn a_phone_follows_the_badge_and_the_group_of_a_message() {
    block_on(async {
        let world = World::new(Options::default()).await;
        let phone = world.simulator.install();
        let to_phone = |fields: Value, options: Value| {
            let message = message(&fields);
            with(
                message,
                &[
                    ("/target", "token", json!([phone.token()])),
                    ("", "pushOptions", options),
                ],
            )
        };
        let both = json!({ "badge": { "addNum": 5, "setNum": 2 } });
        assert_eq!(
            world.send("0", &to_phone(both, json!({}))).await.1,
            "80000000"
        );
        assert_eq!(phone.badge(), 2);
        phone.set_power(false);
        for (title, group) in [("a", 1), ("b", 2), ("c", 1), ("d", -1), ("e", -1)] {
            let message = to_phone(json!({ "title": title }), json!({ "collapseKey": group }));
            assert_eq!(world.send("0", &message).await.1, "80000000");
        }
        phone.set_power(true);
        let arrivals = phone.arrivals();
        let titles: Vec<_> = arrivals
            .iter()
            .skip(1)
            .map(|arrival| arrival.text("title"))
            .collect();
        assert_eq!(titles, ["b", "c", "d", "e"]);
    });
}

#[test]
fn a_recall_of_another_form_is_refused() {
    block_on(async {
        let world = World::new(Options::default().with_any_token()).await;
        let bearer = format!("Bearer {}", jwt());
        for (push_type, body, code) in [
            ("", json!({ "notifyId": 7, "token": ["t"] }), "80100003"),
            ("6", json!({ "notifyId": 7, "token": ["t"] }), "80100003"),
            ("0", json!({ "token": ["t"] }), "80100020"),
            ("0", json!({ "notifyId": -1, "token": ["t"] }), "80100020"),
            ("0", json!({ "notifyId": 7 }), "80100020"),
            (
                "0",
                json!({ "notifyId": 7, "token": vec!["t"; 1001] }),
                "80100020",
            ),
            (
                "0",
                json!({ "notifyId": 7, "token": ["t"], "title": "x" }),
                "80100020",
            ),
            ("0", json!({ "notifyId": 7, "token": ["t"] }), "80300007"),
        ] {
            let headers = [("authorization", bearer.as_str()), ("push-type", push_type)];
            let (_, answered, said) = world.ask(REVOKE, &headers, &body).await;
            assert_eq!(answered, code, "{said}");
        }
    });
}

/// As `offline-push simulate harmony` does.
#[test]
fn it_runs_under_the_control_of_the_command_line() {
    block_on(async {
        let known = simulators();
        let own = known.iter().find(|simulator| simulator.name == "harmony");
        let own = own.expect("the simulator is registered");
        let running = (own.start)(simulator::Options::default());
        let running = running.await.expect("a free port");
        let credential = running.credentials().remove(0);
        let config = RawConfig::from_json(&credential.config).expect("an object");
        let clock: Arc<dyn Clock> = Arc::new(push_http::TokioClock);
        let provider = PLUGIN.build(config, &BuildContext::new(clock));
        let provider = provider.expect("its credential is a configuration");
        let phone = running.install(&Install::default()).expect("a phone");
        let (_, token) = phone.tokens().remove(0);
        let order = json!({ "code": "80300037", "phone": 1, "times": 1 });
        let order: Order = serde_json::from_value(order).expect("an order");
        let script = running.script(&order, std::slice::from_ref(&token));
        script.expect("an answer of Push Kit");
        let mut kinds = Vec::new();
        for _ in 0..2 {
            kinds.push(sample::send_one(&provider, &token).await.kind);
        }
        let click = phone
            .inbox()
            .newest_click()
            .expect("a click reaches the app");
        assert_eq!(click.raw()["ext"], sample::EXT);
        phone.uninstall();
        kinds.push(sample::send_one(&provider, &token).await.kind);
        let dead = VerdictKind::TokenDead { since: None };
        let refused = VerdictKind::CredentialRefused;
        assert_eq!(kinds, [refused, VerdictKind::Accepted, dead]);
        assert_eq!(phone.inbox().arrived(), 1);
        let counters = running.counters();
        assert_eq!(
            (&counters["requests"], &counters["accepted"]),
            (&json!(3), &json!(1))
        );
        let (name, file) = &credential.files[0];
        assert_eq!(*name, "service-account.json");
        assert!(file.contains("sub_account"));
        let other: Install = serde_json::from_value(json!({ "app": "7" })).expect("an order");
        assert!(running.install(&other).is_err());
    });
}
