//! A gateway over memory plugins, a clock that stands still, and a vendor that answers as a test says.
#![allow(dead_code, unreachable_pub)]
pub mod served;

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use push_core::{
    AppId, Audience, Badge, Batch, BatchId, Batching, BuildContext, Capabilities, CertificateId,
    Channel, CredentialRef, DeliveryId, Descriptor, DeviceId, DeviceToken, DynProvider,
    Environment, Gateway as _, Health, Lane, ManualClock, Message, MessageId, Notification,
    NotificationKind, OfflinePushInfo, Platform, Plugin, Presence, PresenceChange, Provider,
    ProviderKind, Queue, Registry, Result, Secret, Sender, Slot, Store, Submitted, Timestamp,
    TraceEvent, UserId, VendorAnswer, Verdict, VerdictKind, Verdicts, api::RegistrationBody,
    async_trait,
};
use push_gateway::{Gateway, LaneStatus, MasterKey, Parts, PipelineSettings, Settings, Upload};
use push_queue_memory::MemoryQueue;
use push_store_memory::MemoryStore;
use serde::Deserialize;

pub const START: Timestamp = Timestamp::from_unix_seconds(1_760_000_000);
pub const KEY: &str = "0101010101010101010101010101010101010101010101010101010101010101";
pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_secs(60);

/// What the vendor does with one target.
#[derive(Clone, Debug)]
pub enum Reply {
    Verdict(Verdict),
    /// Answers when it is released.
    Held(Arc<tokio::sync::Notify>, Verdict),
    /// Never answers.
    Silence,
    /// Drops the verdicts of the whole batch.
    Panic,
}

/// One push that the vendor saw.
#[derive(Clone, Debug)]
pub struct Seen {
    pub delivery: DeliveryId,
    pub token: DeviceToken,
    pub notification: Notification,
    pub badge: Badge,
    pub receiver: Option<UserId>,
    pub batch: usize,
    pub batch_id: BatchId,
    pub slot: Slot,
    pub build: String,
}

/// What the vendor does, and what it saw.
#[derive(Debug, Default)]
pub struct Plan {
    by_token: Mutex<HashMap<String, VecDeque<Reply>>>,
    default: Mutex<Option<Reply>>,
    by_build: Mutex<HashMap<String, Reply>>,
    seen: Mutex<Vec<Seen>>,
    receipts: Mutex<Option<String>>,
    pub health: Mutex<Option<Health>>,
}

impl Plan {
    /// The next answers for this token; the default afterwards.
    pub fn script(&self, token: &str, replies: impl IntoIterator<Item = Reply>) {
        let mut all = self
            .by_token
            .lock()
            .expect("no test panics while holding it");
        all.entry(token.to_owned()).or_default().extend(replies);
    }
    /// The answer for every token without a script.
    pub fn always(&self, reply: Reply) {
        *self
            .default
            .lock()
            .expect("no test panics while holding it") = Some(reply);
    }
    /// The answer of one build of the credential.
    pub fn build_always(&self, build: &str, reply: Reply) {
        self.by_build
            .lock()
            .expect("no test panics while holding it")
            .insert(build.to_owned(), reply);
    }
    pub fn seen(&self) -> Vec<Seen> {
        self.seen
            .lock()
            .expect("no test panics while holding it")
            .clone()
    }
    pub fn count(&self) -> usize {
        self.seen
            .lock()
            .expect("no test panics while holding it")
            .len()
    }
    pub fn count_of(&self, token: &str) -> usize {
        let seen = self.seen.lock().expect("no test panics while holding it");
        seen.iter().filter(|it| it.token.expose() == token).count()
    }
    /// The address to which the vendor posts receipts of a credential, as the provider was last built with it.
    pub fn receipts_of(&self, _: &CredentialRef) -> String {
        let receipts = self
            .receipts
            .lock()
            .expect("no test panics while holding it");
        receipts.clone().expect("the gateway has a public URL")
    }
    fn reply(&self, token: &str, build: &str) -> Reply {
        if let Some(reply) = self
            .by_build
            .lock()
            .expect("no test panics while holding it")
            .get(build)
        {
            return reply.clone();
        }
        let scripted = self
            .by_token
            .lock()
            .expect("no test panics while holding it")
            .get_mut(token)
            .and_then(VecDeque::pop_front);
        scripted
            .or_else(|| {
                self.default
                    .lock()
                    .expect("no test panics while holding it")
                    .clone()
            })
            .unwrap_or_else(accepted)
    }
}

pub fn accepted() -> Reply {
    Reply::Verdict(Verdict::accepted(VendorAnswer::new(200, "")))
}

pub fn verdict(status: u16, code: &str, kind: VerdictKind) -> Reply {
    Reply::Verdict(Verdict::new(kind, VendorAnswer::new(status, code)))
}

static PLANS: Mutex<Option<HashMap<String, Arc<Plan>>>> = Mutex::new(None);

/// The configuration of a scripted credential.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptedConfig {
    plan: String,
    channel: Channel,
    #[serde(default)]
    environment: Option<Environment>,
    #[serde(default = "hundred")]
    max_batch: usize,
    #[serde(default)]
    uniform: bool,
    #[serde(default)]
    voip: bool,
    #[serde(default)]
    build: String,
    #[serde(default)]
    expires_at: Option<i64>,
    #[serde(default)]
    max_ttl: Option<u64>,
    #[serde(default)]
    secret: Option<Secret>,
}

fn hundred() -> usize {
    100
}

pub struct ScriptedPlugin;

impl Plugin for ScriptedPlugin {
    type Kind = ProviderKind;
    type Config = ScriptedConfig;
    const NAME: &'static str = "scripted";
    const EXAMPLE: &'static str = "plan = \"\"\nchannel = \"apns\"";
    fn build(config: ScriptedConfig, context: &BuildContext) -> Result<DynProvider> {
        let plan = PLANS
            .lock()
            .expect("no test panics while holding it")
            .as_ref()
            .and_then(|it| it.get(&config.plan).cloned());
        let slots: &'static [Slot] = if config.voip {
            &[Slot::Voip]
        } else {
            &[Slot::Alert]
        };
        let batching = match config.uniform {
            true => Batching::Uniform,
            false => Batching::Mixed,
        };
        let mut capabilities = Capabilities::new(config.channel, 4096)
            .with_kinds(&[
                NotificationKind::Alert,
                NotificationKind::Background,
                NotificationKind::Voip,
            ])
            .with_batch(config.max_batch, batching)
            .with_slots(slots);
        if let Some(environment) = config.environment {
            capabilities = capabilities.with_environment(environment);
        }
        if let Some(at) = config.expires_at {
            capabilities = capabilities.with_expiry(Timestamp::from_unix_seconds(at));
        }
        if let Some(ttl) = config.max_ttl {
            capabilities = capabilities.with_ttl(Duration::ZERO, Duration::from_secs(ttl));
        }
        let plan = plan.expect("the test made a plan");
        *plan
            .receipts
            .lock()
            .expect("no test panics while holding it") =
            context.receipts.as_ref().map(ToString::to_string);
        Ok(Arc::new(Scripted {
            plan,
            capabilities,
            build: config.build,
        }))
    }
}

pub static SCRIPTED: Descriptor<ProviderKind> = Descriptor::of::<ScriptedPlugin>();

#[derive(Debug)]
struct Scripted {
    plan: Arc<Plan>,
    capabilities: Capabilities,
    build: String,
}

#[async_trait]
impl Provider for Scripted {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        assert!((1..=self.capabilities.max_batch).contains(&batch.targets.len()));
        let mut silent = false;
        let mut held = Vec::new();
        for (position, target) in batch.targets.iter().enumerate() {
            self.plan
                .seen
                .lock()
                .expect("no test panics while holding it")
                .push(Seen {
                    delivery: target.delivery,
                    token: target.token.clone(),
                    notification: target.content.notification.clone(),
                    badge: target.badge,
                    receiver: target.receiver.clone(),
                    batch: batch.targets.len(),
                    batch_id: batch.id,
                    slot: batch.slot,
                    build: self.build.clone(),
                });
            match self.plan.reply(target.token.expose(), &self.build) {
                Reply::Verdict(verdict) => verdicts.report(position, verdict),
                Reply::Held(release, verdict) => held.push((position, release, verdict)),
                Reply::Silence => silent = true,
                Reply::Panic => panic!("a provider's fault"),
            }
        }
        for (position, release, verdict) in held {
            release.notified().await;
            verdicts.report(position, verdict);
        }
        if silent {
            std::future::pending::<()>().await;
        }
    }

    /// Tokens are lower-case here, and a blank makes one impossible.
    fn check_token(&self, _: Slot, token: &DeviceToken) -> Result<DeviceToken> {
        if token.expose().contains(' ') {
            return Err(push_core::Error::new(
                push_core::ErrorKind::Invalid,
                "a token of this vendor has no blank",
            ));
        }
        DeviceToken::new(token.expose().to_lowercase())
    }

    fn check_fields(&self, fields: &serde_json::Map<String, serde_json::Value>) -> Result<()> {
        match fields.contains_key("topic") {
            true => Err(push_core::Error::new(
                push_core::ErrorKind::Invalid,
                "`topic` would change the receiver",
            )),
            false => Ok(()),
        }
    }

    /// `{"signature":"good","receipts":[{"tag":…,"token":…,"what":"delivered"|"shown"|"clicked"|"dead"}]}`
    fn receive(&self, request: &http::Request<bytes::Bytes>) -> Result<push_core::Received> {
        use push_core::{Error, ErrorKind, Late, VendorReceipt};
        let posted: serde_json::Value = serde_json::from_slice(request.body())
            .map_err(|_| Error::new(ErrorKind::Invalid, "this is no receipt"))?;
        if posted["signature"] != "good" {
            return Err(Error::new(ErrorKind::Denied, "the signature is wrong"));
        }
        let receipts = posted["receipts"].as_array().into_iter().flatten();
        let receipts = receipts.map(|it| {
            let text = |member: &str| it[member].as_str().unwrap_or_default();
            let what = match text("what") {
                "delivered" => Late::Delivered,
                "shown" => Late::Shown,
                "clicked" => Late::Clicked,
                _ => Late::Verdict(Verdict::new(
                    VerdictKind::TokenDead { since: None },
                    VendorAnswer::new(200, "uninstalled"),
                )),
            };
            let at = Timestamp::from_unix_millis(it["at"].as_i64().unwrap_or_default());
            let tag = text("tag").parse()?;
            let token = DeviceToken::new(text("token")).ok();
            Ok(VendorReceipt::new(tag, token, at, what))
        });
        let reply = http::Response::new(bytes::Bytes::from_static(b"taken"));
        Ok(push_core::Received::new(
            receipts.collect::<Result<_>>()?,
            reply,
        ))
    }

    async fn verify(&self) -> Result<Health> {
        Ok(self
            .plan
            .health
            .lock()
            .expect("no test panics while holding it")
            .clone()
            .unwrap_or_else(|| Health::accepted("the script says so")))
    }
}

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
        .with_sender(Sender {
            user: user("bob"),
            nickname: "Bob".into(),
            face_url: String::new(),
        })
        .with_text(text)
}

pub fn with_ttl(mut message: Message, seconds: u32) -> Message {
    message.push = Some(OfflinePushInfo {
        ttl_seconds: Some(seconds),
        ..OfflinePushInfo::default()
    });
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
        let clock = ManualClock::new(START);
        let context = BuildContext::new(Arc::new(clock.clone()));
        let store = Arc::new(MemoryStore::new(Default::default(), &context));
        let queue = wrap(Arc::new(MemoryQueue::new(Default::default(), &context)));
        let mut settings = Settings::default();
        settings.pipeline.seed = Some(7);
        change(&mut settings);
        let plan = Arc::new(Plan::default());
        let name = format!("plan-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut plans = PLANS.lock().expect("no test panics while holding it");
        plans
            .get_or_insert_default()
            .insert(name.clone(), Arc::clone(&plan));
        drop(plans);
        let gateway = gateway(&clock, &store, &queue, settings);
        gateway.start();
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
        Upload {
            provider: "scripted".into(),
            config,
            id: None,
            label: String::new(),
        }
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
        let plan = Arc::new(Plan::default());
        let name = format!("plan-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        PLANS
            .lock()
            .expect("no test panics while holding it")
            .get_or_insert_default()
            .insert(name.clone(), Arc::clone(&plan));
        (name, plan)
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
        let change = PresenceChange {
            user: user(who),
            device: Some(device(on)),
            platform: Some(Platform::Ios),
            presence,
            at: self.gateway.now(),
            badge: None,
        };
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
        for _ in 0..300 {
            tokio::task::yield_now().await;
        }
    }

    /// Moves the clock in steps, so that what one timer starts can meet the next.
    pub async fn pass(&self, time: Duration) {
        let steps = 20;
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

pub fn gateway(
    clock: &ManualClock,
    store: &Arc<MemoryStore>,
    queue: &Arc<dyn Queue>,
    settings: Settings,
) -> Gateway {
    let store: Arc<dyn Store> = Arc::clone(store) as _;
    Gateway::new(Parts {
        store,
        queue: Arc::clone(queue),
        registry: Arc::new(Registry::new([SCRIPTED.any()]).expect("the fixture works")),
        clock: Arc::new(clock.clone()),
        master_key: MasterKey::parse(&Secret::new(KEY)).expect("the fixture works"),
        settings,
    })
    .expect("the fixture works")
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

/// A queue whose calls can be held up, or made to fail.
#[derive(Debug)]
pub struct Fickle {
    inner: Arc<dyn Queue>,
    /// Puts wait while this has no permit; closed, it holds up nothing.
    pub gate: tokio::sync::Semaphore,
    pub failures: AtomicU64,
}

impl Fickle {
    pub fn new(inner: Arc<dyn Queue>) -> Arc<Self> {
        let gate = tokio::sync::Semaphore::new(0);
        gate.close();
        Arc::new(Self {
            inner,
            gate,
            failures: AtomicU64::new(0),
        })
    }

    /// Holds up every put until a permit is added.
    pub fn held(inner: Arc<dyn Queue>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            gate: tokio::sync::Semaphore::new(0),
            failures: AtomicU64::new(0),
        })
    }

    fn trouble(&self) -> Result<()> {
        let left = self
            .failures
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |it| it.checked_sub(1));
        match left {
            Ok(_) => Err(push_core::Error::new(
                push_core::ErrorKind::Unavailable,
                "the queue is away",
            )),
            Err(_) => Ok(()),
        }
    }
}

#[async_trait]
impl Queue for Fickle {
    async fn put(&self, deliveries: Vec<push_core::Delivery>) -> Result<Vec<push_core::Put>> {
        if let Ok(permit) = self.gate.acquire().await {
            permit.forget();
        }
        self.trouble()?;
        self.inner.put(deliveries).await
    }
    async fn lease(
        &self,
        lane: &Lane,
        limit: usize,
        hold: Duration,
    ) -> Result<Vec<push_core::Lease>> {
        self.trouble()?;
        self.inner.lease(lane, limit, hold).await
    }
    async fn ack(&self, leases: Vec<push_core::LeaseId>) -> Result<u64> {
        self.trouble()?;
        self.inner.ack(leases).await
    }
    async fn nack(&self, returns: Vec<push_core::Return>) -> Result<u64> {
        self.trouble()?;
        self.inner.nack(returns).await
    }
    async fn replace(
        &self,
        replacements: Vec<(push_core::LeaseId, push_core::Delivery)>,
    ) -> Result<u64> {
        self.trouble()?;
        self.inner.replace(replacements).await
    }
    async fn hasten(&self, credential: &CredentialRef) -> Result<u64> {
        self.inner.hasten(credential).await
    }
    async fn cancel(
        &self,
        app: &AppId,
        what: &push_core::Cancel,
        limit: usize,
    ) -> Result<Vec<push_core::Cancelled>> {
        self.inner.cancel(app, what, limit).await
    }
    async fn lanes(&self) -> Result<Vec<push_core::LaneState>> {
        self.inner.lanes().await
    }
}
