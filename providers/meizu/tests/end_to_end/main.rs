//! The provider against the simulated Meizu.
use std::sync::Arc;

use push_core::{
    Batch, BuildContext, Clock, DynProvider, ManualClock, Notification, RawConfig, VerdictKind,
};
use push_provider_meizu::{
    PLUGIN,
    simulator::{Options, Phone, Simulator},
};
use push_testkit::{json, sample, serde_json::Value};

mod batches;
mod faults;
mod messages;
mod prepared;
mod receipts;

/// The address of receipts of the credential.
const RECEIPTS: &str = "https://gateway.example/v1/vendor-receipts/app/1/0123456789abcdef";

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
    let clock = Arc::new(sample::clock());
    let options = options.with_clock(Arc::<ManualClock>::clone(&clock));
    let simulator = Simulator::start(options).await.expect("a free port");
    simulator.register(RECEIPTS);
    let provider = provider(&simulator, keys, &clock);
    World {
        clock,
        simulator,
        provider,
    }
}

fn provider(simulator: &Simulator, keys: &Value, clock: &Arc<ManualClock>) -> DynProvider {
    let mut config = simulator.config();
    for (key, value) in keys.as_object().expect("an object") {
        config[key] = value.clone();
    }
    let config = RawConfig::from_json(&config).expect("a configuration");
    let context = BuildContext::new(Arc::<ManualClock>::clone(clock));
    let address = http::Uri::from_static(RECEIPTS);
    let built = PLUGIN.build(config, &context.with_receipts(Some(address)));
    built.expect("the simulator takes it")
}

impl World {
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::<ManualClock>::clone(&self.clock)
    }

    async fn send(&self, batch: Batch) -> Vec<VerdictKind> {
        let verdicts = sample::send(&self.provider, batch).await;
        verdicts.into_iter().map(|verdict| verdict.kind).collect()
    }

    async fn send_to(&self, phone: &Phone) -> VerdictKind {
        sample::send_one(&self.provider, phone.token()).await.kind
    }

    /// Sends `notification` to `phone`, and returns the message that reached it.
    async fn shown(&self, phone: &Phone, notification: Notification) -> Value {
        let kinds = self
            .send(sample::batch(notification, [phone.token()]))
            .await;
        assert_eq!(kinds, [VerdictKind::Accepted]);
        let arrival = phone.arrivals().pop().expect("it arrived");
        arrival.message().clone()
    }
}
