//! The provider against the simulated OPPO, and the simulator against requests that OPPO refuses.
mod batches;
mod faults;
mod phones;
mod receipts;
mod refusals;

use std::sync::Arc;

use push_core::{
    Batch, BuildContext, Clock, DynProvider, ManualClock, Notification, RawConfig, Verdict,
    VerdictKind,
};
use push_provider_oppo::{
    PLUGIN,
    simulator::{Options, Phone, Simulator},
};
use push_testkit::{
    json, sample,
    serde_json::{self, Map, Value},
};

const DEAD: VerdictKind = VerdictKind::TokenDead { since: None };

/// Where receipts are posted, unless a test has a server for them.
const RECEIPTS: &str = "https://gateway.example/r";

struct World {
    clock: Arc<ManualClock>,
    simulator: Simulator,
    provider: DynProvider,
}

async fn world() -> World {
    with(Options::default(), &json!({})).await
}

/// A simulator, and a provider whose configuration is the simulator's with these keys over it.
async fn with(options: Options, keys: &Value) -> World {
    with_receipts(options, keys, RECEIPTS).await
}

async fn with_receipts(options: Options, keys: &Value, receipts: &str) -> World {
    let clock = Arc::new(sample::clock());
    let options = options.with_clock(Arc::<ManualClock>::clone(&clock));
    let simulator = Simulator::start(options).await.expect("a free port");
    let mut config = simulator.config();
    for (key, value) in keys.as_object().expect("an object") {
        config[key] = value.clone();
    }
    let config = RawConfig::from_json(&config).expect("a configuration");
    let context = BuildContext::new(Arc::<ManualClock>::clone(&clock))
        .with_receipts(Some(receipts.parse().expect("a URL")));
    let provider = PLUGIN
        .build(config, &context)
        .expect("the simulator takes it");
    World {
        clock,
        simulator,
        provider,
    }
}

impl World {
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::<ManualClock>::clone(&self.clock)
    }

    async fn verdicts(&self, batch: Batch) -> Vec<Verdict> {
        sample::send(&self.provider, batch).await
    }

    async fn send(&self, batch: Batch) -> Vec<VerdictKind> {
        let verdicts = self.verdicts(batch).await;
        verdicts.into_iter().map(|verdict| verdict.kind).collect()
    }

    async fn send_to(&self, phone: &Phone) -> VerdictKind {
        sample::send_one(&self.provider, phone.token()).await.kind
    }

    /// Sends `notification` to one phone, which must be accepted.
    async fn deliver(&self, phone: &Phone, notification: Notification) {
        let batch = sample::batch(notification, [phone.token()]);
        assert_eq!(self.send(batch).await, [VerdictKind::Accepted]);
    }

    /// How many requests of this path there were.
    fn asked(&self, path: &str) -> usize {
        let requests = self.simulator.log().requests();
        let of_path = |uri: &http::Uri| uri.path().ends_with(path);
        requests
            .iter()
            .filter(|request| of_path(&request.uri))
            .count()
    }
}

fn fields(fields: Value) -> Map<String, Value> {
    serde_json::from_value(fields).expect("an object")
}
