//! The provider against the simulated Huawei and its phones.
use std::{collections::HashSet, sync::Arc, time::Duration};

use push_core::{
    Acceptance, Badge, BuildContext, Clock, DynProvider, ManualClock, Notification,
    NotificationKind, Priority, RawConfig, Retry, Scope, Secret, Slot, Sound, UserId, VerdictKind,
    payload::ClickTarget,
};
use push_provider_huawei::{
    PLUGIN,
    simulator::{App, Options, Phone, Simulator, TOKEN_KEY},
};
use push_testkit::{
    Reply, block_on, json, sample,
    serde_json::{self, Value},
};

mod access;
mod arrival;
mod batches;
mod faults;
mod fields;
mod phones;
mod refusals;

const DEAD: VerdictKind = VerdictKind::TokenDead { since: None };
const DOWN: VerdictKind = VerdictKind::Unavailable(Scope::Credential);

fn build(config: &Value, clock: &ManualClock) -> DynProvider {
    let raw = RawConfig::from_json(config).expect("the configuration is an object");
    PLUGIN
        .build(raw, &BuildContext::new(Arc::new(clock.clone())))
        .expect("the configuration is right")
}

/// The simulated Huawei, a provider for its first app, and the clock of both.
struct Stage {
    huawei: Simulator,
    provider: DynProvider,
    clock: ManualClock,
}

impl Stage {
    async fn new() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        Self::configured(options, |_| {}).await
    }

    async fn configured(options: Options, change: impl FnOnce(&mut Value)) -> Self {
        let clock = sample::clock();
        let huawei = Simulator::start(options.with_clock(Arc::new(clock.clone())))
            .await
            .expect("loopback can be bound");
        let mut config = huawei.config();
        change(&mut config);
        Self {
            provider: build(&config, &clock),
            huawei,
            clock,
        }
    }

    async fn send(&self, notification: Notification, phones: &[&Phone]) -> Vec<VerdictKind> {
        let tokens: Vec<&str> = phones.iter().map(|phone| phone.token()).collect();
        self.send_to(notification, &tokens).await
    }

    async fn send_to(&self, notification: Notification, tokens: &[&str]) -> Vec<VerdictKind> {
        let batch = sample::batch(notification, tokens.iter().copied());
        let verdicts = sample::send(&self.provider, batch).await;
        verdicts.into_iter().map(|verdict| verdict.kind).collect()
    }

    /// Sends to one phone, which gets it, and gives `message.android` as it arrived.
    async fn android(&self, notification: Notification) -> Value {
        let phone = self.huawei.install();
        let kinds = self.send(notification, &[&phone]).await;
        assert_eq!(kinds, [VerdictKind::Accepted]);
        phone.arrivals().remove(0).android
    }

    /// The token lists of every push so far.
    fn token_lists(&self) -> Vec<Vec<String>> {
        let mut requests = self.huawei.log().requests();
        requests.retain(|request| request.uri.path() != TOKEN_KEY);
        requests
            .iter()
            .map(|request| {
                let tokens = request.json()["message"]["token"].clone();
                serde_json::from_value(tokens).expect("a list of tokens")
            })
            .collect()
    }
}

fn with_body(body: &str) -> Notification {
    sample::notification().with_body(body)
}
