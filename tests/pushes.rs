//! Every provider of this build delivers a push by way of a gateway.
//!
//! A provider that is linked may still not work: with other features of the crates that it shares, or with the stores and queues
//! of the build. So `cargo xtask matrix` builds and runs this for every choice of features with a provider.
//!
//! No provider is named here. Its crate registers the simulator of its vendor (`register_simulator!`).

use std::{
    sync::{Arc, LazyLock},
    time::Instant,
};

use offline_push::{
    AddressPolicy, AnyDescriptor, AppId, BUILTIN, Batch, BuildContext, Capabilities, Channel,
    DeliveryId, Describe, DeviceId, DeviceToken, DynProvider, EXPECTED, Environment, Gateway as _,
    Health, Kind, Message, Plugin, Presence, PresenceChange, Provider, ProviderKind, QueueKind,
    RawConfig, Registry, Slot, Stage, StoreKind, TraceEvent, UserId, VendorAnswer, Verdict,
    Verdicts, api::RegistrationBody, async_trait,
};
use push_gateway::{Gateway, Upload};
use push_testkit::{
    Place, block_on, eventually, patience,
    simulator::{Arrives, Inbox, Install, Options, SimulatedPhone, View, simulators},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// What the user writes, and what the phone must get.
const TEXT: &str = "lunch at noon?";

#[test]
fn every_provider_of_the_build_delivers_a_push_to_its_simulator() {
    let place = Place::new();
    block_on(async {
        let linked = offline_push::registry().expect("the plugins are linked");
        let gateway = gateway(linked, &place).await;
        let (mut pushed, mut without, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for name in of_kind::<ProviderKind>() {
            let all = simulators();
            let Some(simulator) = all.into_iter().find(|simulator| simulator.name == name) else {
                without.push(name);
                continue;
            };
            let simulator = (simulator.start)(Options::default())
                .await
                .unwrap_or_else(|error| panic!("the simulator {name} does not start: {error}"));
            let phone = simulator
                .install(&Install::default())
                .unwrap_or_else(|problem| panic!("{name} installs no app: {}", problem.detail));
            let credential = simulator.credentials().into_iter().next();
            let config = credential.map(|credential| credential.config);
            let config = config.unwrap_or_else(|| panic!("the simulator {name} has no credential"));
            match deliver(&gateway, name, config, &*phone).await {
                Ok(()) => pushed.push(name),
                Err(reason) => failed.push(format!("provider/{name} delivered no push: {reason}")),
            }
        }
        gateway.shutdown().await;
        // The matrix compares this number with its own count.
        println!("pushed {}: {}", pushed.len(), pushed.join(", "));
        if !without.is_empty() {
            println!(
                "not pushed, because there is no simulator: {}",
                without.join(", ")
            );
        }
        assert!(failed.is_empty(), "{}", failed.join("\n"));
    });
}

#[test]
fn a_provider_that_does_not_deliver_is_reported_with_the_reason() {
    let place = Place::new();
    block_on(async {
        let plugins = BUILTIN.iter().copied().chain([
            AnyDescriptor::Provider(&PLUGIN),
            AnyDescriptor::Store(&push_store_memory::PLUGIN),
            AnyDescriptor::Queue(&push_queue_memory::PLUGIN),
        ]);
        let registry = Registry::new(plugins).expect("names are unique");
        let gateway = gateway(registry, &place).await;
        let deliver = async |does: Does| {
            let config = json!({ "does": does.word() });
            deliver(&gateway, Sample::NAME, config, &Phone(does)).await
        };
        assert_eq!(deliver(Does::Deliver).await, Ok(()));
        for (does, reason) in [
            (Does::Swallow, "accepted it, but nothing arrived"),
            (Does::Garble, "arrived without the text"),
            (
                Does::Refuse,
                "content-unsendable (TooOdd: the payload is odd)",
            ),
        ] {
            let refused = deliver(does).await.expect_err(does.word());
            assert!(refused.contains(reason), "{refused}");
        }
        gateway.shutdown().await;
    });
}

/// The names of this kind's plugins that the enabled features promise.
fn of_kind<K: Kind>() -> impl Iterator<Item = &'static str> {
    EXPECTED.iter().filter_map(|id| {
        let (kind, name) = id.split_once('/')?;
        (kind == K::LABEL).then_some(name)
    })
}

/// A gateway with the store and the queue of this build if a file is all that they need, else with those in memory.
async fn gateway(registry: Registry, place: &Place) -> Gateway {
    let (store, store_config) = files::<StoreKind>(&registry, place);
    let (queue, queue_config) = files::<QueueKind>(&registry, place);
    Gateway::builder()
        .registry(registry)
        .store_with(store, store_config)
        .queue_with(queue, queue_config)
        .temporary_master_key()
        // The simulators listen on this machine.
        .addresses(AddressPolicy::public_only().allow_loopback())
        .start()
        .await
        .expect("a gateway starts")
}

/// A plugin of this build that needs a file and nothing else, and its configuration; else `memory`.
fn files<K: Kind>(registry: &Registry, place: &Place) -> (&'static str, Value) {
    let config = json!({ "path": place.path(K::LABEL) });
    let is_enough = |name: &&str| {
        let plugin = registry
            .find(K::LABEL, name)
            .expect("the plugins are linked");
        let raw = RawConfig::from_json(&config).expect("a table");
        plugin.check(raw, &place.context()).is_ok()
    };
    match of_kind::<K>().find(is_enough) {
        Some(name) => (name, config),
        None => ("memory", json!({})),
    }
}

/// Logs a user in on `phone`, and sends the user a message by the provider `name`. Returns why it did not arrive if it did not.
async fn deliver(
    gateway: &Gateway,
    name: &str,
    config: Value,
    phone: &dyn SimulatedPhone,
) -> Result<(), String> {
    let why = |error: offline_push::Error| error.to_string();
    let app = AppId::new("im").map_err(why)?;
    let upload = Upload::new(name, config);
    let credential = gateway.add_credential(&app, upload).await.map_err(why)?;
    let user = UserId::new(format!("user-{}", credential.id)).map_err(why)?;
    let device = DeviceId::new("phone").map_err(why)?;
    let tokens = phone.tokens();
    let (_, token) = tokens.first().ok_or("the simulated phone has no token")?;
    let registration = RegistrationBody::new(
        credential.channel.clone(),
        credential.id,
        credential.environment.unwrap_or(Environment::Production),
        DeviceToken::new(token.as_str()).map_err(why)?,
    );
    let registered = gateway
        .register(&app, &user, &device, Slot::Alert, registration)
        .await
        .map_err(|refused| format!("the token was not registered: {refused:?}"))?;
    if let Some(warning) = registered.warning {
        return Err(format!(
            "the token was registered with a warning: {warning:?}"
        ));
    }
    let locked = PresenceChange::new(user.clone(), Presence::Background, gateway.now()).on(device);
    gateway
        .set_presence(&app, vec![locked])
        .await
        .map_err(why)?;

    let message: Message = serde_json::from_value(json!({
        "id": format!("message-{}", credential.id),
        "sender": { "user": "bob", "nickname": "Bob" },
        "receivers": [user.as_str()],
        "elements": [{ "type": "text", "text": TEXT }],
    }))
    .map_err(|error| error.to_string())?;
    let submitted = gateway.submit(&app, vec![message]).await.map_err(why)?;
    let [delivery] = submitted[0].deliveries.as_slice() else {
        return Err(format!(
            "nothing was sent, because of {:?}",
            submitted[0].skipped
        ));
    };
    let trace = settled(gateway, &app, delivery.id).await;
    let end = trace.last().and_then(|event| event.reason.as_deref());
    if end != Some("vendor-accepted") {
        return Err(trace.iter().map(shown).collect::<Vec<_>>().join(" → "));
    }
    // A simulator answers after it has handed the push to the phone.
    let arrivals = phone.inbox().arrivals_after(0, 1);
    match arrivals.first() {
        None => Err("the vendor accepted it, but nothing arrived on the phone".to_owned()),
        Some(arrival) if !arrival.to_string().contains(TEXT) => {
            Err("it arrived without the text of the message".to_owned())
        }
        Some(_) => Ok(()),
    }
}

/// The trace of a delivery once it is settled or attempted again, or after half of the patience as it is then.
async fn settled(gateway: &Gateway, app: &AppId, delivery: DeliveryId) -> Vec<TraceEvent> {
    let begun = Instant::now();
    eventually(async || {
        let trace = gateway.trace_of_delivery(app, delivery).await;
        let trace = trace.expect("the store answers");
        let is_over =
            |event: &TraceEvent| event.stage >= Stage::Settled || event.stage == Stage::Attempt;
        (trace.iter().any(is_over) || begun.elapsed() > patience() / 2).then_some(trace)
    })
    .await
}

/// An event as in `answered: content-unsendable (TooLarge: more than 4,096 bytes)`.
fn shown(event: &TraceEvent) -> String {
    let mut text = event.stage.as_str().to_owned();
    if let Some(reason) = &event.reason {
        text = format!("{text}: {reason}");
    }
    match &event.answer {
        Some(answer) => format!("{text} ({}: {})", answer.code, answer.text),
        None => text,
    }
}

/// What a [`Sample`] does with a push.
#[derive(Clone, Copy, Debug, Deserialize, Describe)]
#[serde(rename_all = "kebab-case")]
enum Does {
    /// Sends it.
    Deliver,
    /// Reports that it was accepted, and sends nothing.
    Swallow,
    /// Sends an empty push.
    Garble,
    /// Refuses it.
    Refuse,
}

impl Does {
    const fn word(self) -> &'static str {
        match self {
            Self::Deliver => "deliver",
            Self::Swallow => "swallow",
            Self::Garble => "garble",
            Self::Refuse => "refuse",
        }
    }

    /// The inbox of its phone.
    fn inbox(self) -> &'static Inbox<Text> {
        static INBOXES: LazyLock<[Inbox<Text>; 4]> = LazyLock::new(Default::default);
        &INBOXES[self as usize]
    }
}

/// A text that arrived.
#[derive(Clone, Debug)]
struct Text(String);

impl Arrives for Text {
    fn is_shown(&self) -> bool {
        true
    }

    fn replaces(&self, _: &Self) -> bool {
        false
    }

    fn badge_after(&self, now: u32) -> u32 {
        now
    }

    fn to_json(&self) -> Value {
        json!(self.0)
    }

    fn click_payload(&self) -> Option<offline_push::payload::Payload> {
        None
    }
}

/// The phone that a [`Sample`] pushes to.
#[derive(Debug)]
struct Phone(Does);

impl SimulatedPhone for Phone {
    fn tokens(&self) -> Vec<(&'static str, String)> {
        vec![("token", self.0.word().to_owned())]
    }

    fn inbox(&self) -> &dyn View {
        self.0.inbox()
    }

    fn set_power(&self, _: bool) {}

    fn uninstall(&self) {}
}

/// A provider that works or fails as its configuration says.
#[derive(Debug)]
struct Sample {
    does: Does,
    capabilities: Capabilities,
}

#[derive(Debug, Deserialize, Describe)]
struct SampleConfig {
    /// What it does.
    #[describe(example = "deliver")]
    does: Does,
}

offline_push::register_plugin!(Sample);

impl Plugin for Sample {
    type Kind = ProviderKind;
    type Config = SampleConfig;
    const NAME: &'static str = "sample-of-pushes";

    fn build(config: SampleConfig, _: &BuildContext) -> offline_push::Result<DynProvider> {
        Ok(Arc::new(Self {
            does: config.does,
            capabilities: Capabilities::new(Channel::known(Self::NAME), 4096),
        }))
    }
}

#[async_trait]
impl Provider for Sample {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        for (position, target) in batch.targets.iter().enumerate() {
            let verdict = match self.does {
                Does::Refuse => Verdict::payload_refused("TooOdd", "the payload is odd"),
                _ => Verdict::accepted(VendorAnswer::new(200, "ok")),
            };
            match self.does {
                Does::Deliver => {
                    let text = target.content.notification.body.to_string();
                    self.does.inbox().receive(Text(text));
                }
                Does::Garble => self.does.inbox().receive(Text(String::new())),
                Does::Swallow | Does::Refuse => {}
            }
            verdicts.report(position, verdict);
        }
    }

    async fn verify(&self) -> offline_push::Result<Health> {
        Ok(Health::accepted("a sample"))
    }
}
