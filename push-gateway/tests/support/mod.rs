//! A gateway over memory plugins, a clock that stands still, and a vendor that answers as a test says.
#![allow(dead_code, unreachable_pub, unused_imports)]
mod fickle;
pub mod served;
mod vendor;

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use push_core::{
    AppId, Audience, BuildContext, CertificateId, Channel, CredentialRef, DeliveryId, DeviceId,
    DeviceToken, Environment, Gateway as _, Layers, ManualClock, Message, MessageId,
    OfflinePushInfo, Platform, Presence, PresenceChange, Queue, Registry, Secret, Sender, Slot,
    Store, Submitted, Timestamp, TraceEvent, UserId, api::RegistrationBody,
};
use push_gateway::{Gateway, LaneStatus, MasterKey, Parts, PipelineSettings, Settings, Upload};
use push_queue_memory::MemoryQueue;
use push_store_memory::MemoryStore;

pub use fickle::Fickle;
pub use vendor::{Plan, REPAIR, Reply, SCRIPTED, Seen, accepted, verdict};

pub const START: Timestamp = Timestamp::from_unix_seconds(1_760_000_000);

pub const KEY: &str = "0101010101010101010101010101010101010101010101010101010101010101";

pub const SECOND: Duration = Duration::from_secs(1);

pub const MINUTE: Duration = Duration::from_secs(60);

pub fn app() -> AppId {
    AppId::new("chat").expect("the fixture works")
}

pub fn user(id: &str) -> UserId {
    UserId::new(id).expect("the fixture works")
}

pub fn device(id: &str) -> DeviceId {
    DeviceId::new(id).expect("the fixture works")
}

pub fn token(text: &str) -> DeviceToken {
    DeviceToken::new(text).expect("the fixture works")
}

static NUMBER: AtomicU64 = AtomicU64::new(1);

/// A message of `text` from `bob`.
pub fn message(text: &str, to: &[&str]) -> Message {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let id = MessageId::new(format!("message-{number}")).expect("the fixture works");
    let receivers = to.iter().map(|name| user(name)).collect();
    Message::new(id, Audience::Users(receivers))
        .with_sender(Sender::new(user("bob")).with_nickname("Bob"))
        .with_text(text)
}

pub fn with_ttl(mut message: Message, seconds: u32) -> Message {
    message.push = Some(OfflinePushInfo::default().with_ttl_seconds(seconds));
    message
}

pub struct World {
    pub clock: ManualClock,
    pub gateway: Gateway,
    pub store: Arc<MemoryStore>,
    pub queue: Arc<dyn Queue>,
    pub plan: Arc<Plan>,
    pub name: String,
}

impl World {
    /// A running gateway without any credential.
    pub fn new(change: impl FnOnce(&mut PipelineSettings)) -> Self {
        Self::with(change, |queue| queue)
    }

    /// As [`World::new`], with another queue around the one in memory.
    pub fn with(
        change: impl FnOnce(&mut PipelineSettings),
        wrap: impl FnOnce(Arc<dyn Queue>) -> Arc<dyn Queue>,
    ) -> Self {
        Self::with_settings(|settings| change(&mut settings.pipeline), wrap)
    }

    /// As [`World::with`], with all settings.
    pub fn with_settings(
        change: impl FnOnce(&mut Settings),
        wrap: impl FnOnce(Arc<dyn Queue>) -> Arc<dyn Queue>,
    ) -> Self {
        Self::made(|_| Layers::new(), change, wrap)
    }

    /// As [`World::new`], with layers.
    pub fn layered(layers: Layers, change: impl FnOnce(&mut PipelineSettings)) -> Self {
        Self::layered_with(|_| layers, change)
    }

    /// As [`World::layered`], with layers that take the clock.
    pub fn layered_with(
        layers: impl FnOnce(&ManualClock) -> Layers,
        change: impl FnOnce(&mut PipelineSettings),
    ) -> Self {
        Self::made(
            layers,
            |settings| change(&mut settings.pipeline),
            |queue| queue,
        )
    }

    fn made(
        layers: impl FnOnce(&ManualClock) -> Layers,
        change: impl FnOnce(&mut Settings),
        wrap: impl FnOnce(Arc<dyn Queue>) -> Arc<dyn Queue>,
    ) -> Self {
        let clock = ManualClock::new(START);
        let context = BuildContext::new(Arc::new(clock.clone()));
        let store = Arc::new(MemoryStore::new(Default::default(), &context));
        let queue = wrap(Arc::new(MemoryQueue::new(Default::default(), &context)));
        let mut settings = Settings::default();
        settings.pipeline.seed = Some(7);
        change(&mut settings);
        let (name, plan) = Plan::named();
        let parts = parts(&clock, &store, &queue, settings);
        let gateway = Gateway::new(parts.with_layers(layers(&clock))).expect("the fixture works");
        start(&gateway);
        Self {
            clock,
            gateway,
            store,
            queue,
            plan,
            name,
        }
    }

    pub fn upload(&self, extra: serde_json::Value) -> Upload {
        let mut config = serde_json::json!({"plan": self.name, "channel": "apns"});
        let members = config.as_object_mut().expect("the fixture works");
        members.extend(extra.as_object().expect("the fixture works").clone());
        Upload::new("scripted", config)
    }

    /// Uploads a credential.
    pub async fn credential(&self, extra: serde_json::Value) -> CertificateId {
        let info = self
            .gateway
            .add_credential(&app(), self.upload(extra))
            .await
            .expect("the fixture works");
        info.id
    }

    /// A second plan, for another credential's vendor.
    pub fn another_plan(&self) -> (String, Arc<Plan>) {
        Plan::named()
    }

    /// Logs `who` in on the device `<who>-phone` with the token `<who>-token`, and puts the app into background.
    pub async fn login(&self, who: &str, certificate: CertificateId) {
        let phone = format!("{who}-phone");
        self.register(who, &phone, &format!("{who}-token"), certificate)
            .await;
        self.background(who, &phone).await;
    }

    pub async fn register(&self, who: &str, on: &str, text: &str, certificate: CertificateId) {
        self.gateway
            .register(
                &app(),
                &user(who),
                &device(on),
                Slot::Alert,
                registration(text, certificate),
            )
            .await
            .expect("the fixture works");
    }

    pub async fn background(&self, who: &str, on: &str) {
        self.presence(who, on, Presence::Background).await;
    }

    pub async fn presence(&self, who: &str, on: &str, presence: Presence) {
        let mut change =
            PresenceChange::new(user(who), presence, self.gateway.now()).on(device(on));
        change.platform = Some(Platform::Ios);
        self.gateway
            .set_presence(&app(), vec![change])
            .await
            .expect("the fixture works");
    }

    pub async fn submit(&self, message: Message) -> Submitted {
        let mut answers = self
            .gateway
            .submit(&app(), vec![message])
            .await
            .expect("the fixture works");
        assert_eq!(answers.len(), 1);
        answers.pop().expect("the fixture works")
    }

    /// Submits a text to `who` and lets everything happen that happens at once.
    pub async fn text(&self, who: &str) -> DeliveryId {
        let answer = self.submit(message("hello", &[who])).await;
        assert_eq!(answer.deliveries.len(), 1, "{:?}", answer.skipped);
        self.calm().await;
        answer.deliveries[0].id
    }

    /// Lets everything happen that needs no time.
    pub async fn calm(&self) {
        push_testkit::until_idle().await;
    }

    /// Moves the clock in steps, so that what one timer starts can meet the next.
    ///
    /// What is under way ends before: a step longer than a lease would look like a server that stood still meanwhile, whose pushes
    /// are sent again.
    pub async fn pass(&self, time: Duration) {
        let steps = 20;
        self.calm().await;
        for _ in 0..steps {
            self.clock.advance(time / steps);
            self.calm().await;
        }
    }

    pub async fn trace(&self, delivery: DeliveryId) -> Vec<TraceEvent> {
        self.gateway
            .trace_of_delivery(&app(), delivery)
            .await
            .expect("the fixture works")
    }

    /// The reason that settled a delivery; `None` while it is not settled.
    pub async fn settled(&self, delivery: DeliveryId) -> Option<String> {
        let trace = self.trace(delivery).await;
        let settled = trace
            .iter()
            .filter(|it| it.stage == push_core::Stage::Settled);
        assert!(settled.clone().count() <= 1, "settled twice: {trace:?}");
        settled
            .max_by_key(|it| it.at)
            .and_then(|it| it.reason.as_deref().map(str::to_owned))
    }

    /// Whether the store has the token of `who`, and why it is quarantined if it is.
    pub async fn stored(&self, who: &str) -> Option<Option<String>> {
        use push_core::RegistrationStore as _;
        let devices = self
            .store
            .receivers(&app(), &[user(who)])
            .await
            .expect("the fixture works");
        let registration = devices.first()?.devices.first()?.registrations.first()?;
        Some(registration.quarantine.as_ref().map(|it| it.reason.clone()))
    }

    pub async fn status(&self, id: CertificateId) -> LaneStatus {
        let all = self
            .gateway
            .credentials(&app())
            .await
            .expect("the fixture works");
        all.into_iter()
            .find(|it| it.id == id)
            .expect("the fixture works")
            .lane
    }

    /// Why the lane is suspended, if it is.
    pub async fn suspended(&self, id: CertificateId) -> Option<&'static str> {
        match self.status(id).await {
            LaneStatus::Suspended { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// How many deliveries the queue holds.
    pub async fn depth(&self) -> u64 {
        let lanes = self.queue.lanes().await.expect("the fixture works");
        lanes.iter().map(|it| it.depth).sum()
    }
}

/// Starts a gateway whose store answers at once, as the one in memory does.
pub fn start(gateway: &Gateway) {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match pin!(gateway.start()).poll(&mut context) {
        std::task::Poll::Ready(started) => started.expect("the fixture works"),
        std::task::Poll::Pending => panic!("the store lets the gateway wait"),
    }
}

pub fn gateway(
    clock: &ManualClock,
    store: &Arc<MemoryStore>,
    queue: &Arc<dyn Queue>,
    settings: Settings,
) -> Gateway {
    Gateway::new(parts(clock, store, queue, settings)).expect("the fixture works")
}

fn parts(
    clock: &ManualClock,
    store: &Arc<MemoryStore>,
    queue: &Arc<dyn Queue>,
    settings: Settings,
) -> Parts {
    let store: Arc<dyn Store> = Arc::clone(store) as _;
    Parts::new(
        store,
        Arc::clone(queue),
        Arc::new(Registry::new([SCRIPTED.any()]).expect("the fixture works")),
        Arc::new(clock.clone()),
        MasterKey::parse(&Secret::new(KEY)).expect("the fixture works"),
    )
    .with_settings(settings)
}

pub fn registration(text: &str, certificate: CertificateId) -> RegistrationBody {
    let mut body = RegistrationBody::new(
        Channel::APNS,
        certificate,
        Environment::Production,
        token(text),
    );
    body.facts.platform = Some(Platform::Ios);
    body
}

pub fn credential(id: CertificateId) -> CredentialRef {
    CredentialRef::new(app(), id)
}
