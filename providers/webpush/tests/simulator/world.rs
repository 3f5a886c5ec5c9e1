//! A simulator, and a provider that sends to it.
use std::sync::Arc;

use push_core::{
    AddressPolicy, Batch, BuildContext, DeviceToken, DynProvider, ManualClock, Notification,
    RawConfig, Slot, Verdict, VerdictKind,
};
use push_provider_webpush::{
    PLUGIN,
    simulator::{Options, Phone, Simulator},
};
use push_testkit::{json, sample, serde_json::Value};

pub(crate) const DEAD: VerdictKind = VerdictKind::TokenDead { since: None };

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) simulator: Simulator,
    pub(crate) provider: DynProvider,
}

pub(crate) async fn world() -> World {
    with(&json!({}), AddressPolicy::any()).await
}

/// A simulator, and a provider whose configuration is the simulator's with these keys over it.
pub(crate) async fn with(keys: &Value, addresses: AddressPolicy) -> World {
    let clock = Arc::new(sample::clock());
    let options = Options::default().with_clock(Arc::<ManualClock>::clone(&clock));
    let simulator = Simulator::start(options).await.expect("a free port");
    let mut config = simulator.config();
    for (key, value) in keys.as_object().expect("an object") {
        config[key] = value.clone();
    }
    let config = RawConfig::from_json(&config).expect("a configuration");
    let context = BuildContext::new(Arc::<ManualClock>::clone(&clock)).with_addresses(addresses);
    let provider = PLUGIN.build(config, &context);
    World {
        clock,
        simulator,
        provider: provider.expect("the simulator takes it"),
    }
}

impl World {
    pub(crate) async fn send(&self, batch: Batch) -> Verdict {
        sample::send(&self.provider, batch).await.remove(0)
    }

    pub(crate) async fn notify(&self, phone: &Phone, notification: Notification) -> Verdict {
        self.send(sample::batch(notification, [phone.token()]))
            .await
    }

    pub(crate) async fn send_to(&self, token: &str) -> Verdict {
        sample::send_one(&self.provider, token).await
    }

    pub(crate) fn checked(&self, token: &str) -> Result<DeviceToken, push_core::Error> {
        let token = DeviceToken::new(token).expect("printable ASCII");
        self.provider.check_token(Slot::Alert, &token)
    }

    pub(crate) fn last(&self) -> push_testkit::Recorded {
        let mut requests = self.simulator.log().requests();
        requests.pop().expect("a request")
    }
}
