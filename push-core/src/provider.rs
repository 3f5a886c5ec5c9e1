//! The contract of a push vendor.
use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    Badge, BatchId, Channel, Content, DeliveryId, DeviceToken, Environment, Error, ErrorKind,
    NotificationKind, Result, Slot, TextLimits, Timestamp, UserId, Verdict, Verdicts, async_trait,
};

/// Names of vendor fields, of all vendors, that choose the receiver, the app, the credential or the address of a request.
/// [`Provider::check_fields`] refuses each of them at the root of a message's fields, for every vendor, because only the credential
/// and the registration may choose these. Each provider refuses its vendor's other names in addition.
pub const ADDRESSING_FIELDS: &[&str] = &[
    "app_id",
    "appid",
    "authorization",
    "certificate",
    "client_id",
    "client_secret",
    "condition",
    "credential",
    "device",
    "device_token",
    "endpoint",
    "environment",
    "headers",
    "host",
    "package",
    "package_name",
    "path",
    "project",
    "project_id",
    "regid",
    "registration_id",
    "registration_ids",
    "restricted_package_name",
    "target",
    "targets",
    "to",
    "token",
    "tokens",
    "topic",
    "url",
];

/// A push vendor, holding one credential.
///
/// A provider speaks its vendor's protocol and classifies the answers. It never retries a delivery, logs, counts, or
/// touches the store: the pipeline alone acts on verdicts.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a provider",
    note = "implement `Provider` for it, with `#[async_trait]` above the `impl`",
    note = "`Plugin::build` returns the provider as `Arc::new(…)`; the plugin itself can be another type"
)]
#[async_trait]
pub trait Provider: fmt::Debug + Send + Sync + 'static {
    /// What this provider can do. Callers ask this, never the provider's name.
    fn capabilities(&self) -> &Capabilities;

    /// Sends the targets of `batch`, once, and reports each target's verdict as soon as it is known. A slow target never
    /// delays the verdict on another.
    ///
    /// It may renew its own authentication and repeat, once, a request that the vendor refused for that reason alone (S120),
    /// and may send again what the peer certainly did not process.
    ///
    /// The future may be dropped at any await point. Every target without a verdict then counts as
    /// [`VerdictKind::Unknown`](crate::VerdictKind::Unknown). A provider that sends in several steps (saves a message at the
    /// vendor, then sends it) reports [`VerdictKind::Unavailable`](crate::VerdictKind::Unavailable) if a step before the
    /// last one fails or gets no answer: nothing was sent to a phone. Only the last step can leave a delivery unknown.
    async fn send(&self, batch: Batch, verdicts: Verdicts);

    /// Asks the vendor whether it accepts the credential, without disturbing a user.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the vendor could not be asked. A refusal is not an error but
    /// [`Acceptance::Refused`].
    async fn verify(&self) -> Result<Health>;

    /// Returns `token` in the vendor's canonical form, which is what is stored and compared. The default accepts any token as
    /// it is.
    ///
    /// Checks only what makes a token impossible: vendors lengthen their tokens without notice, and a check that is too
    /// strict refuses a live device.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if `token` cannot be a token of this vendor, in words about its form, without its content.
    fn check_token(&self, slot: Slot, token: &DeviceToken) -> Result<DeviceToken> {
        let _ = slot;
        Ok(token.clone())
    }

    /// Checks fields in the vendor's format that a message or an operator's class policy lays over a rendered payload.
    /// The default refuses every field.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], naming the first field that is unknown, has a wrong type, or would change the receiver, the
    /// credential, the environment or the click data (`ext`); [`ADDRESSING_FIELDS`] among them.
    fn check_fields(&self, fields: &Map<String, Value>) -> Result<()> {
        match fields.keys().next() {
            None => Ok(()),
            Some(field) => Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "channel {} takes no vendor fields, but there is `{field}`",
                    self.capabilities().channel
                ),
            )),
        }
    }

    /// Reads a request that the vendor posted to the credential's receipt address
    /// ([`BuildContext::receipts`](crate::BuildContext::receipts)), after checking its signature where the vendor signs. Pure.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] by default: the vendor posts no receipts. [`ErrorKind::Denied`] if the signature is wrong,
    /// [`ErrorKind::Invalid`] if the request cannot be read. The caller answers 404, 403 or 400.
    fn receive(&self, request: &http::Request<Bytes>) -> Result<Received> {
        let _ = request;
        Err(Error::new(
            ErrorKind::Unsupported,
            format!("channel {} posts no receipts", self.capabilities().channel),
        ))
    }
}

/// A provider behind a pointer.
pub type DynProvider = Arc<dyn Provider>;

/// What one [`Provider::send`] sends: 1 to [`Capabilities::max_batch`] targets of one environment and slot.
///
/// With [`Batching::Uniform`] all targets have the same content and badge.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Batch {
    /// The same as at the last attempt if exactly these targets were sent together then and the outcome is unknown: for
    /// vendors that recognise a repeated request by its id.
    pub id: BatchId,
    /// The environment of every token.
    pub environment: Environment,
    /// What every token is for.
    pub slot: Slot,
    /// The tokens, each with its content and badge.
    pub targets: Vec<Target>,
}

impl Batch {
    /// A batch of `targets`.
    pub const fn new(
        id: BatchId,
        environment: Environment,
        slot: Slot,
        targets: Vec<Target>,
    ) -> Self {
        Self {
            id,
            environment,
            slot,
            targets,
        }
    }

    /// The content of the first target: of all targets, with [`Batching::Uniform`].
    pub fn content(&self) -> Option<&Arc<Content>> {
        self.targets.first().map(|target| &target.content)
    }

    /// The receiver that all targets share; `None` if they differ or one has none.
    pub fn receiver(&self) -> Option<&UserId> {
        let first = self.targets.first()?.receiver.as_ref()?;
        self.targets
            .iter()
            .all(|target| target.receiver.as_ref() == Some(first))
            .then_some(first)
    }
}

/// One token of a batch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Target {
    /// The delivery's id, the same on every attempt.
    pub delivery: DeliveryId,
    /// The token.
    pub token: DeviceToken,
    /// What the person will see.
    pub content: Arc<Content>,
    /// What happens to the number on the app's icon.
    pub badge: Badge,
    /// The user it is for. The payload names this user wherever it is made for one receiver, so that a click never opens in
    /// another account's session; `None` if the caller addressed a token.
    pub receiver: Option<UserId>,
}

impl Target {
    /// A target that leaves the badge as it is and names no receiver.
    pub const fn new(delivery: DeliveryId, token: DeviceToken, content: Arc<Content>) -> Self {
        Self {
            delivery,
            token,
            content,
            badge: Badge::Leave,
            receiver: None,
        }
    }

    /// Sets what happens to the number on the icon.
    #[must_use]
    pub const fn with_badge(mut self, badge: Badge) -> Self {
        self.badge = badge;
        self
    }

    /// Names the receiver.
    #[must_use]
    pub fn with_receiver(mut self, receiver: Option<UserId>) -> Self {
        self.receiver = receiver;
        self
    }
}

/// What [`Provider::receive`] read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Received {
    /// The receipts, in the vendor's order.
    pub receipts: Vec<VendorReceipt>,
    /// What the vendor expects as the answer.
    pub reply: http::Response<Bytes>,
}

impl Received {
    /// Receipts, answered with `reply`.
    pub const fn new(receipts: Vec<VendorReceipt>, reply: http::Response<Bytes>) -> Self {
        Self { receipts, reply }
    }
}

/// What a vendor reported later about one target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VendorReceipt {
    /// The delivery whose id the provider sent as the request's tag: that of the batch's first target.
    pub tag: DeliveryId,
    /// The token it concerns, in canonical form; `None` if the vendor names only the tag.
    pub token: Option<DeviceToken>,
    /// When it happened, by the vendor's clock.
    pub at: Timestamp,
    /// What happened.
    pub what: Late,
}

impl VendorReceipt {
    /// A receipt.
    pub const fn new(
        tag: DeliveryId,
        token: Option<DeviceToken>,
        at: Timestamp,
        what: Late,
    ) -> Self {
        Self {
            tag,
            token,
            at,
            what,
        }
    }
}

/// What a vendor can report after it accepted a push.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Late {
    /// The push reached the phone.
    Delivered,
    /// The phone showed it.
    Shown,
    /// A person clicked on it.
    Clicked,
    /// The push failed after all, or the vendor learned something about the token. Handled as a verdict on the attempt.
    Verdict(Verdict),
}

/// What a provider can do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// The channel it speaks.
    pub channel: Channel,
    /// The kinds of notification it can send.
    pub kinds: &'static [NotificationKind],
    /// The most targets it takes in one [`Provider::send`].
    pub max_batch: usize,
    /// How many targets at most should be with it at the same time, over all batches of one lane; `None` for as many as the
    /// pipeline sends. For what sends slowly by itself: what is with it is leased, and must be answered before the lease ends.
    pub max_in_flight: Option<usize>,
    /// Whether the targets of a batch may differ in content and badge.
    pub batching: Batching,
    /// How it changes the number on the icon.
    pub badge: BadgeStyle,
    /// Whether a notification without a title is refused.
    pub needs_title: bool,
    /// The largest rendered payload, in bytes.
    pub max_payload: usize,
    /// The slots whose tokens it can send to.
    pub slots: &'static [Slot],
    /// The environment it sends to; `None` if the vendor has only one, and a token's environment is of no consequence.
    pub environment: Option<Environment>,
    /// When its credential expires, if the vendor dates credentials.
    pub expires_at: Option<Timestamp>,
    /// Whether a later notification can replace an earlier one.
    pub collapse: bool,
    /// The shortest time to live that the vendor accepts; shorter ones are raised to it.
    pub min_ttl: Duration,
    /// The longest time the vendor keeps a notification for an absent phone; `None` if it has no time to live.
    pub max_ttl: Option<Duration>,
    /// How much of title and body it accepts; the gateway cuts what is longer (S99).
    pub text: TextLimits,
    /// What an operator looks at if the vendor refuses this credential, as in "check that the key was not revoked". Depends on
    /// what the credential consists of; empty for nothing in particular.
    pub repair: &'static str,
}

impl Capabilities {
    /// A vendor that takes one alert at a time, sets badges, and has neither collapse nor time to live.
    pub const fn new(channel: Channel, max_payload: usize) -> Self {
        Self {
            channel,
            kinds: &[NotificationKind::Alert],
            max_batch: 1,
            max_in_flight: None,
            batching: Batching::Mixed,
            badge: BadgeStyle::Set,
            needs_title: false,
            max_payload,
            slots: &[Slot::Alert],
            environment: None,
            expires_at: None,
            collapse: false,
            min_ttl: Duration::ZERO,
            max_ttl: None,
            text: TextLimits::NONE,
            repair: "",
        }
    }

    /// Sends these kinds of notification.
    #[must_use]
    pub const fn with_kinds(mut self, kinds: &'static [NotificationKind]) -> Self {
        self.kinds = kinds;
        self
    }

    /// Takes up to `targets` targets at once.
    #[must_use]
    pub const fn with_batch(mut self, targets: usize, batching: Batching) -> Self {
        self.max_batch = targets;
        self.batching = batching;
        self
    }

    /// Should be given up to `targets` targets at a time, over all batches of a lane.
    #[must_use]
    pub const fn with_max_in_flight(mut self, targets: usize) -> Self {
        self.max_in_flight = Some(targets);
        self
    }

    /// Changes the number on the icon in this way.
    #[must_use]
    pub const fn with_badge(mut self, badge: BadgeStyle) -> Self {
        self.badge = badge;
        self
    }

    /// Refuses a notification without a title.
    #[must_use]
    pub const fn with_title_needed(mut self) -> Self {
        self.needs_title = true;
        self
    }

    /// Sends to tokens of these slots.
    #[must_use]
    pub const fn with_slots(mut self, slots: &'static [Slot]) -> Self {
        self.slots = slots;
        self
    }

    /// Sends to this environment only.
    #[must_use]
    pub const fn with_environment(mut self, environment: Environment) -> Self {
        self.environment = Some(environment);
        self
    }

    /// Its credential expires then.
    #[must_use]
    pub const fn with_expiry(mut self, at: Timestamp) -> Self {
        self.expires_at = Some(at);
        self
    }

    /// Can replace an earlier notification.
    #[must_use]
    pub const fn with_collapse(mut self) -> Self {
        self.collapse = true;
        self
    }

    /// Keeps a notification for at least `min` and at most `max`.
    #[must_use]
    pub const fn with_ttl(mut self, min: Duration, max: Duration) -> Self {
        self.min_ttl = min;
        self.max_ttl = Some(max);
        self
    }

    /// If the vendor refuses the credential, this is to be looked at.
    #[must_use]
    pub const fn with_repair(mut self, advice: &'static str) -> Self {
        self.repair = advice;
        self
    }

    /// Shows at most this much text.
    #[must_use]
    pub const fn with_text(mut self, text: TextLimits) -> Self {
        self.text = text;
        self
    }
}

/// Whether the targets of a batch may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Batching {
    /// Each target may have its own content and badge.
    Mixed,
    /// All targets have one content and one badge.
    Uniform,
}

/// How a vendor changes the number on the app's icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadgeStyle {
    /// A push sets the number.
    Set,
    /// A push adds to the number.
    CountUp,
    /// A push cannot change it.
    None,
}

/// What a vendor said of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Whether the vendor accepts it.
    pub acceptance: Acceptance,
    /// The evidence, in words an operator understands.
    pub evidence: String,
}

impl Health {
    /// The vendor accepts the credential.
    pub fn accepted(evidence: impl Into<String>) -> Self {
        Self::new(Acceptance::Accepted, evidence)
    }

    /// The vendor refuses the credential.
    pub fn refused(evidence: impl Into<String>) -> Self {
        Self::new(Acceptance::Refused, evidence)
    }

    /// The vendor cannot be asked without disturbing a user.
    pub fn cannot_tell(evidence: impl Into<String>) -> Self {
        Self::new(Acceptance::CannotTell, evidence)
    }

    fn new(acceptance: Acceptance, evidence: impl Into<String>) -> Self {
        Self {
            acceptance,
            evidence: evidence.into(),
        }
    }
}

/// Whether a vendor accepts a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Acceptance {
    /// It does.
    Accepted,
    /// It does not.
    Refused,
    /// The protocol has no way to ask: a push service of the web, for instance.
    CannotTell,
}
