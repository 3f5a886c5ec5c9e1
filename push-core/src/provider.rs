//! The contract of a push vendor.
use std::{fmt, sync::Arc, time::Duration};

use crate::{
    Channel, DeliveryId, DeviceToken, Environment, Notification, Result, Slot, Timestamp, Verdicts,
    async_trait,
};

/// A push vendor, holding one credential.
///
/// A provider speaks its vendor's protocol and classifies the answers. It never retries a delivery, logs, counts, or
/// touches the store: the pipeline alone acts on verdicts.
#[async_trait]
pub trait Provider: fmt::Debug + Send + Sync + 'static {
    /// What this provider can do. Callers ask this, never the provider's name.
    fn capabilities(&self) -> &Capabilities;

    /// Sends one notification to the targets of `batch`, once, and reports each target's verdict as soon as it is
    /// known. One slow target never delays the verdict on its neighbours.
    ///
    /// It may renew its own authentication and repeat what the vendor certainly refused for that reason alone, once
    /// (S120), and may re-send what the peer certainly did not process.
    async fn send(&self, batch: Batch, verdicts: Verdicts);

    /// Asks the vendor whether it accepts the credential, without disturbing a user.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the vendor could not be asked. A refusal is not
    /// an error but [`Health::accepted`] `false`.
    async fn verify(&self) -> Result<Health>;
}

/// A provider behind a pointer.
pub type DynProvider = Arc<dyn Provider>;

/// One notification and the tokens it goes to: 1 to [`Capabilities::max_batch`] of them, all of one environment and slot.
#[derive(Clone, Debug)]
pub struct Batch {
    /// What the people will see.
    pub notification: Arc<Notification>,
    /// The environment of every token.
    pub environment: Environment,
    /// What every token is for.
    pub slot: Slot,
    /// Where it goes.
    pub targets: Vec<Target>,
}

/// One token of a batch.
#[derive(Clone, Debug)]
pub struct Target {
    /// The delivery's id, the same on every retry.
    pub delivery: DeliveryId,
    /// The token.
    pub token: DeviceToken,
}

/// What a provider can do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// The channel it speaks.
    pub channel: Channel,
    /// The most targets it takes in one [`Provider::send`].
    pub max_batch: usize,
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
    /// The longest time the vendor keeps a notification for an absent phone, if it knows a time to live.
    pub max_ttl: Option<Duration>,
    /// How much of title and body it shows.
    pub text: TextLimits,
}

impl Capabilities {
    /// What a vendor can do that takes one alert at a time and knows neither collapse nor time to live.
    pub const fn new(channel: Channel, max_payload: usize) -> Self {
        Self {
            channel,
            max_batch: 1,
            max_payload,
            slots: &[Slot::Alert],
            environment: None,
            expires_at: None,
            collapse: false,
            max_ttl: None,
            text: TextLimits::NONE,
        }
    }

    /// Takes this many targets at once.
    #[must_use]
    pub const fn with_batch(mut self, targets: usize) -> Self {
        self.max_batch = targets;
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

    /// Keeps a notification for at most this long.
    #[must_use]
    pub const fn with_ttl(mut self, max: Duration) -> Self {
        self.max_ttl = Some(max);
        self
    }

    /// Shows at most this much text.
    #[must_use]
    pub const fn with_text(mut self, text: TextLimits) -> Self {
        self.text = text;
        self
    }
}

/// How much text a vendor shows (S99).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextLimits {
    /// The longest title, in `unit`s.
    pub title: usize,
    /// The longest body, in `unit`s.
    pub body: usize,
    /// What is counted.
    pub unit: TextUnit,
}

impl TextLimits {
    /// No limit but the payload's.
    pub const NONE: Self = Self {
        title: usize::MAX,
        body: usize::MAX,
        unit: TextUnit::Utf16,
    };
}

/// What a vendor counts when it limits text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextUnit {
    /// UTF-16 code units.
    Utf16,
    /// Half-width columns: an ideograph counts two.
    HalfWidth,
}

/// What a vendor said of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether the vendor accepts it.
    pub accepted: bool,
    /// The evidence, in words an operator understands.
    pub evidence: String,
}
