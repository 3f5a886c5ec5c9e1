//! The provider against the simulated vivo, and the simulator against requests that vivo refuses.
use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Uri};
use push_core::{
    Badge, Batch, BuildContext, Clock, Content, DynProvider, ManualClock, Notification, RawConfig,
    Retry, Scope, TokenFault, Verdict, VerdictKind,
};
use push_http::{Client, HttpClient, HttpConfig};
use push_provider_vivo::{
    PLUGIN,
    simulator::{AUTH_KEY, LIST_KEY, Options, Phone, SAVE_KEY, Simulator, Standing},
};
use push_testkit::{
    Reply, block_on, json, sample,
    serde_json::{self, Map, Value},
};

mod access;
mod answers;
mod arrival;
mod receipts;
mod strictness;

const DEAD: VerdictKind = VerdictKind::TokenDead { since: None };
const DOWN: VerdictKind = VerdictKind::Unavailable(Scope::Credential);

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
    posting_to(options, keys, None).await
}

/// The same, whose receipts go to this address.
async fn posting_to(options: Options, keys: &Value, receipts: Option<Uri>) -> World {
    let clock = Arc::new(sample::clock());
    let options = options.with_clock(Arc::<ManualClock>::clone(&clock));
    let simulator = Simulator::start(options).await.expect("a free port");
    let context = BuildContext::new(Arc::<ManualClock>::clone(&clock)).with_receipts(receipts);
    let provider = build(&simulator, keys, &context);
    World {
        clock,
        simulator,
        provider,
    }
}

fn build(simulator: &Simulator, keys: &Value, context: &BuildContext) -> DynProvider {
    let mut config = simulator.config();
    for (key, value) in keys.as_object().expect("an object") {
        config[key] = value.clone();
    }
    let config = RawConfig::from_json(&config).expect("a configuration");
    let provider = PLUGIN.build(config, context);
    provider.expect("the simulator takes it")
}

impl World {
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::<ManualClock>::clone(&self.clock)
    }

    /// A client that trusts the simulator.
    fn client(&self) -> Client {
        let http = serde_json::from_value(self.simulator.config()["http"].clone());
        Client::new(http.expect("settings of a client"), self.clock()).expect("a client")
    }

    fn phones<const N: usize>(&self) -> [Phone; N] {
        std::array::from_fn(|_| self.simulator.install())
    }

    async fn send(&self, batch: Batch) -> Vec<VerdictKind> {
        let verdicts = sample::send(&self.provider, batch).await;
        verdicts.into_iter().map(|verdict| verdict.kind).collect()
    }

    /// Sends the sample to `phones`.
    async fn send_to(&self, phones: &[Phone]) -> Vec<Verdict> {
        let batch = batch(sample::notification(), phones);
        sample::send(&self.provider, batch).await
    }

    /// The bodies of the requests to `path`.
    fn sent(&self, path: &str) -> Vec<Value> {
        let requests = self.simulator.log().to(path);
        requests.iter().map(push_testkit::Recorded::json).collect()
    }
}

/// A batch of one content that leaves the number on the icon.
fn batch(notification: Notification, phones: &[Phone]) -> Batch {
    let content: Arc<Content> = sample::content(notification);
    let targets = phones.iter();
    sample::batch_of(targets.map(|phone| sample::target(phone.token(), &content)))
}

fn fields(json: Value) -> Map<String, Value> {
    serde_json::from_value(json).expect("an object")
}

fn kinds(verdicts: &[Verdict]) -> Vec<VerdictKind> {
    verdicts.iter().map(|verdict| verdict.kind).collect()
}
