//! The provider against the simulated Push Kit.
use std::sync::Arc;

use push_core::{
    Batch, BuildContext, Clock, DynProvider, ManualClock, Notification, RawConfig, Verdict,
    VerdictKind,
};
use push_http::Client;
use push_provider_harmony::{
    HarmonyConfig, HarmonyProvider, PLUGIN,
    simulator::{Options, Phone, Simulator},
};
use push_testkit::{
    json, sample,
    serde_json::{self, Map, Value},
};

mod access;
mod batches;
mod faults;
mod phones;
mod recall;
mod receipts;

const ACCEPTED: VerdictKind = VerdictKind::Accepted;
const DEAD: VerdictKind = VerdictKind::TokenDead { since: None };

struct World {
    clock: Arc<ManualClock>,
    simulator: Simulator,
    config: Value,
    provider: DynProvider,
}

async fn world() -> World {
    World::with(Options::default(), &json!({})).await
}

impl World {
    /// A simulator, and a provider whose configuration is the simulator's with these keys over it.
    async fn with(options: Options, keys: &Value) -> Self {
        let clock = Arc::new(sample::clock());
        let options = options.with_clock(Arc::<ManualClock>::clone(&clock));
        let simulator = Simulator::start(options).await.expect("a free port");
        let mut config = simulator.config();
        for (key, value) in keys.as_object().expect("an object") {
            config[key] = value.clone();
        }
        let raw = RawConfig::from_json(&config).expect("a configuration");
        let context = BuildContext::new(Arc::<ManualClock>::clone(&clock));
        let provider = PLUGIN.build(raw, &context).expect("the simulator takes it");
        Self {
            clock,
            simulator,
            config,
            provider,
        }
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::<ManualClock>::clone(&self.clock)
    }

    fn client(&self) -> Client {
        let http = serde_json::from_value(self.config["http"].clone()).expect("a table");
        Client::new(http, self.clock()).expect("a client")
    }

    /// The provider as a program holds it that recalls notifications.
    fn typed(&self) -> HarmonyProvider {
        let config: HarmonyConfig =
            serde_json::from_value(self.config.clone()).expect("a configuration");
        HarmonyProvider::new(&config, Arc::new(self.client()), self.clock()).expect("it is right")
    }

    async fn send(&self, batch: Batch) -> Vec<VerdictKind> {
        let verdicts = sample::send(&self.provider, batch).await;
        verdicts.into_iter().map(|verdict| verdict.kind).collect()
    }

    async fn push(&self, notification: Notification, phone: &Phone) -> Verdict {
        let batch = sample::batch(notification, [phone.token()]);
        sample::send(&self.provider, batch).await.remove(0)
    }

    /// Sends what must be accepted.
    async fn accepted(&self, notification: Notification, phone: &Phone) {
        let verdict = self.push(notification, phone).await;
        assert_eq!(verdict.kind, ACCEPTED, "{verdict:?}");
    }

    /// The body of the last request.
    fn sent(&self) -> Value {
        let requests = self.simulator.log().requests();
        requests.last().expect("a request").json()
    }
}

/// The vendor fields of a class policy.
fn fields(fields: &Value) -> Map<String, Value> {
    fields.as_object().cloned().expect("an object")
}

fn marketing() -> Map<String, Value> {
    fields(&json!({ "payload": { "notification": { "category": "MARKETING" } } }))
}
