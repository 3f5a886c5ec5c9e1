//! Ways into the gateway: webhooks of IM servers, receipts of vendors, APIs of other push servers.
use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    AppId, DeliveryId, Message, MessageId, PresenceChange, Result, Timestamp, UserId, async_trait,
};

/// A way in: turns requests of a foreign protocol into calls of the [`Gateway`].
#[async_trait]
pub trait Ingress: fmt::Debug + Send + Sync + 'static {
    /// The path below which it is mounted, as in `/tencent`.
    fn prefix(&self) -> &str;

    /// Answers one request. It authenticates the caller itself, in the manner of its protocol: there is no other guard.
    async fn handle(
        &self,
        gateway: &dyn Gateway,
        request: http::Request<Bytes>,
    ) -> http::Response<Bytes>;
}

/// What a way in can ask of the gateway.
#[async_trait]
pub trait Gateway: fmt::Debug + Send + Sync + 'static {
    /// Takes messages of one app, and answers for each, in order, when its deliveries are durable.
    ///
    /// # Errors
    /// Only if nothing could be taken; what concerns one message is in its [`Submitted`].
    async fn submit(&self, app: &AppId, messages: Vec<Message>) -> Result<Vec<Submitted>>;

    /// Takes presence of one app's users.
    async fn set_presence(&self, app: &AppId, changes: Vec<PresenceChange>) -> Result<()>;

    /// Cancels what of a message is still queued, and answers how many deliveries that were.
    async fn recall(&self, app: &AppId, message: &MessageId) -> Result<u64>;

    /// Takes receipts: what vendors or phones say of deliveries.
    async fn receipts(&self, app: &AppId, receipts: Vec<Receipt>) -> Result<()>;
}

/// What became of a submitted message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// The message.
    pub message: MessageId,
    /// Its deliveries, one for each token that gets a push.
    pub deliveries: Vec<DeliveryRef>,
    /// Receivers and devices that get none, and why.
    pub skipped: Vec<Skipped>,
}

/// A delivery and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRef {
    /// The delivery.
    pub id: DeliveryId,
    /// The receiver.
    pub user: UserId,
    /// The device.
    pub device: crate::DeviceId,
    /// The vendor's way.
    pub channel: crate::Channel,
}

/// Somebody who gets no push, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The receiver; `None` if it holds for the whole message.
    pub user: Option<UserId>,
    /// The device, if only that one is passed over.
    pub device: Option<crate::DeviceId>,
    /// The code of a [`Reason`](crate::Reason).
    pub reason: String,
}

/// What a vendor or a phone says of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The delivery.
    pub delivery: DeliveryId,
    /// What happened to it.
    pub what: ReceiptKind,
    /// When.
    pub at: Timestamp,
}

/// What happened to a delivery on the phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReceiptKind {
    /// It reached the phone.
    Delivered,
    /// A person clicked on it.
    Clicked,
}
