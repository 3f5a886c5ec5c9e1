//! A vendor that answers as a test says, and the provider that speaks to it.
#![allow(dead_code, unreachable_pub)]
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use push_core::{
    Badge, Batch, BatchId, Batching, BuildContext, Capabilities, Channel, CredentialRef,
    DeliveryId, Describe, Descriptor, DeviceToken, DynProvider, Environment, Health, Notification,
    NotificationKind, Plugin, Provider, ProviderKind, Result, Secret, Slot, Timestamp, UserId,
    VendorAnswer, Verdict, VerdictKind, Verdicts, async_trait,
};
use serde::Deserialize;

/// What its provider says of a refused credential.
pub const REPAIR: &str = "look at the script";

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
    /// Answers so for the whole batch.
    Spoil(Verdict),
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
    /// Whether the vendor never says if it accepts the credential.
    pub is_silent_about_health: AtomicBool,
}

impl Plan {
    /// A plan, and the name by which the configuration of a credential chooses it.
    pub fn named() -> (String, Arc<Self>) {
        let plan = Arc::new(Self::default());
        let mut plans = PLANS.lock().expect("no test panics while holding it");
        let plans = plans.get_or_insert_default();
        let name = format!("plan-{}", plans.len());
        plans.insert(name.clone(), Arc::clone(&plan));
        (name, plan)
    }
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
#[derive(Debug, Deserialize, Describe)]
#[serde(deny_unknown_fields)]
pub struct ScriptedConfig {
    /// The plan of the answers.
    #[describe(example = "")]
    plan: String,
    /// The channel that it speaks.
    #[describe(example = "sample")]
    channel: Channel,
    /// The environment.
    #[serde(default)]
    environment: Option<Environment>,
    /// The most targets in one call.
    #[serde(default = "hundred")]
    max_batch: usize,
    /// Whether all targets of a call share their content.
    #[serde(default)]
    uniform: bool,
    /// Whether it sends calls instead of alerts.
    #[serde(default)]
    voip: bool,
    /// What goes wrong when it is built.
    #[serde(default)]
    build: String,
    /// When the credential expires, in seconds since 1970.
    #[serde(default)]
    expires_at: Option<i64>,
    /// The longest life of a push, in seconds.
    #[serde(default)]
    max_ttl: Option<u64>,
    /// A secret.
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
            .with_slots(slots)
            .with_repair(REPAIR);
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
        let mut spoilt = None;
        let mut answers = Vec::new();
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
                Reply::Verdict(verdict) => answers.push((position, verdict)),
                Reply::Held(release, verdict) => held.push((position, release, verdict)),
                Reply::Silence => silent = true,
                Reply::Panic => panic!("a provider's fault"),
                Reply::Spoil(verdict) => spoilt = Some(verdict),
            }
        }
        if let Some(verdict) = spoilt {
            return verdicts.report_rest(&verdict);
        }
        // One by one: each as soon as it is known.
        for (position, verdict) in answers {
            verdicts.report(position, verdict);
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
        let has = |field| fields.contains_key(field);
        let what = if has("topic") {
            "`topic` would change the receiver"
        } else if has("no-such-field") {
            "there is no `no-such-field`"
        } else if has("exclusive") && has("exclusive-too") {
            "`exclusive` excludes `exclusive-too`"
        } else {
            return Ok(());
        };
        Err(push_core::Error::new(push_core::ErrorKind::Invalid, what))
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
        if self.plan.is_silent_about_health.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        Ok(self
            .plan
            .health
            .lock()
            .expect("no test panics while holding it")
            .clone()
            .unwrap_or_else(|| Health::accepted("the script says so")))
    }
}
