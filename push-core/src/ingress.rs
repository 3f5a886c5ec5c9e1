//! Ways into the gateway: webhooks of IM servers, receipts of vendors, APIs of other push servers.
use std::{fmt, sync::Arc};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    AppId, Channel, DeliveryId, DeviceId, Message, MessageId, PresenceChange, Result, Stage,
    Timestamp, UserId, async_trait,
};

/// A way in: turns requests of a foreign protocol into calls of the [`Gateway`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a way in (an ingress)",
    note = "implement `Ingress` for it, with `#[async_trait]` above the `impl`"
)]
#[async_trait]
pub trait Ingress: fmt::Debug + Send + Sync + 'static {
    /// The path below which it is mounted, as in `/tencent`.
    fn prefix(&self) -> &str;

    /// Answers one request. It authenticates the caller itself, in the manner of its protocol: there is no other guard.
    async fn handle(
        &self,
        gateway: Arc<dyn Gateway>,
        request: http::Request<Bytes>,
    ) -> http::Response<Bytes>;

    /// Runs beside the requests from the gateway's start until the future is dropped: for ways in that fetch or listen
    /// themselves. The default does nothing.
    async fn run(&self, gateway: Arc<dyn Gateway>) {
        let _ = gateway;
        std::future::pending().await
    }
}

/// What a way in can ask of the gateway.
#[async_trait]
pub trait Gateway: fmt::Debug + Send + Sync + 'static {
    /// Accepts messages of one app, and returns what it did with each, in order, once their deliveries are durable.
    ///
    /// # Errors
    /// Only if none could be accepted; what concerns one message is in its [`Submitted`].
    async fn submit(&self, app: &AppId, messages: Vec<Message>) -> Result<Vec<Submitted>>;

    /// Applies presence of one app's users.
    async fn set_presence(&self, app: &AppId, changes: Vec<PresenceChange>) -> Result<()>;

    /// Cancels the deliveries of a message that are still queued, and returns how many.
    async fn recall(&self, app: &AppId, message: &MessageId) -> Result<u64>;

    /// Records receipts: what phones or other servers report of deliveries.
    async fn receipts(&self, app: &AppId, receipts: Vec<Receipt>) -> Result<()>;
}

/// What the gateway did with a submitted message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Submitted {
    /// The message.
    pub message: MessageId,
    /// Its deliveries, one for each token that gets a push.
    pub deliveries: Vec<DeliveryRef>,
    /// Receivers and devices that get none, and why.
    pub skipped: Vec<Skipped>,
}

impl Submitted {
    /// A message of which nothing is known yet.
    pub const fn new(message: MessageId) -> Self {
        Self {
            message,
            deliveries: Vec::new(),
            skipped: Vec::new(),
        }
    }
}

/// A delivery and its receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeliveryRef {
    /// The delivery.
    pub id: DeliveryId,
    /// The receiver; `None` if the caller addressed a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// The device; `None` if the caller addressed a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    /// The place of the token in the message's audience, if the caller addressed tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<usize>,
    /// The channel.
    pub channel: Channel,
}

impl DeliveryRef {
    /// A delivery through `channel`, without a receiver.
    pub const fn new(id: DeliveryId, channel: Channel) -> Self {
        Self {
            id,
            user: None,
            device: None,
            token: None,
            channel,
        }
    }

    crate::setters! {
        with_user(user: impl Into<Option<UserId>>);
        with_device(device: impl Into<Option<DeviceId>>);
        with_token(token: impl Into<Option<usize>>);
    }
}

/// A receiver, device or token that gets no push, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Skipped {
    /// The receiver; `None` if it holds for the whole message or a token.
    pub user: Option<UserId>,
    /// The device, if only that one gets none.
    pub device: Option<DeviceId>,
    /// The place of the token in the message's audience, if the caller addressed tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<usize>,
    /// The code of a [`Reason`](crate::Reason).
    pub reason: String,
}

impl Skipped {
    /// A receiver that gets no push for the reason of this code.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            ..Self::default()
        }
    }

    crate::setters! {
        with_user(user: impl Into<Option<UserId>>);
        with_device(device: impl Into<Option<DeviceId>>);
        with_token(token: impl Into<Option<usize>>);
    }
}

/// What a phone reports of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Receipt {
    /// The delivery.
    pub delivery: DeliveryId,
    /// What happened to it.
    pub what: ReceiptKind,
    /// When.
    pub at: Timestamp,
}

impl Receipt {
    /// What happened to `delivery` at `at`, by the device's clock.
    pub const fn new(delivery: DeliveryId, what: ReceiptKind, at: Timestamp) -> Self {
        Self { delivery, what, at }
    }
}

/// What happened to a delivery on the phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ReceiptKind {
    /// It reached the phone.
    Delivered,
    /// A person clicked on it.
    Clicked,
}

impl ReceiptKind {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Clicked => "clicked",
        }
    }

    /// The stage that the delivery has reached.
    pub const fn stage(self) -> Stage {
        match self {
            Self::Delivered => Stage::Delivered,
            Self::Clicked => Stage::Clicked,
        }
    }
}
