//! A simulator, and the provider that sends to it.
use std::sync::Arc;

use http::Uri;
use push_core::{Batch, BuildContext, Clock, DynProvider, ManualClock, RawConfig, VerdictKind};
use push_provider_xiaomi::{
    PLUGIN,
    simulator::{Options, Phone, Simulator},
};
use push_testkit::{json, sample, serde_json::Value};

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) simulator: Simulator,
    pub(crate) provider: DynProvider,
}

pub(crate) async fn world() -> World {
    with(Options::default(), &json!({})).await
}

/// A simulator, and a provider whose configuration is the simulator's with these keys over it.
pub(crate) async fn with(options: Options, keys: &Value) -> World {
    with_receipts(options, keys, None).await
}

/// The same, with an address for receipts.
pub(crate) async fn with_receipts(options: Options, keys: &Value, receipts: Option<Uri>) -> World {
    let clock = Arc::new(sample::clock());
    let options = options.with_clock(Arc::<ManualClock>::clone(&clock));
    let simulator = Simulator::start(options).await.expect("a free port");
    let mut config = simulator.config();
    for (key, value) in keys.as_object().expect("an object") {
        config[key] = value.clone();
    }
    let config = RawConfig::from_json(&config).expect("a configuration");
    let context = BuildContext::new(Arc::<ManualClock>::clone(&clock)).with_receipts(receipts);
    let provider = PLUGIN.build(config, &context);
    World {
        clock,
        simulator,
        provider: provider.expect("the simulator takes it"),
    }
}

impl World {
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::<ManualClock>::clone(&self.clock)
    }

    pub(crate) async fn send(&self, batch: Batch) -> Vec<VerdictKind> {
        let verdicts = sample::send(&self.provider, batch).await;
        verdicts.into_iter().map(|verdict| verdict.kind).collect()
    }

    pub(crate) async fn send_to(&self, phone: &Phone) -> VerdictKind {
        sample::send_one(&self.provider, phone.token()).await.kind
    }
}
