//! Deliveries: the unit of queueing, retry and trace.
use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    AppId, Badge, BatchId, CertificateId, Channel, Class, Content, DeliveryId, DeviceId,
    DeviceToken, Environment, Instance, MessageId, Slot, Timestamp, UserId,
};

/// One notification on its way to one device slot, or to one token that the caller named itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Delivery {
    /// The delivery's id, the same on every attempt.
    pub id: DeliveryId,
    /// What the person will see, shared by all deliveries that look the same.
    pub content: Arc<Content>,
    /// Where it goes.
    pub to: Address,
    /// The channel of its credential.
    pub channel: Channel,
    /// The credential that sends it.
    pub certificate: CertificateId,
    /// The number on the app's icon.
    pub badge: Badge,
    /// When it is due first; `None` for at once.
    pub due: Option<Timestamp>,
    /// The revision of the device when the delivery was decided (see [`Device::revision`](crate::Device::revision)): a
    /// logout after that fences the delivery off. 0 for [`Address::Token`], which no logout concerns.
    pub revision: u64,
    /// When the delivery was decided.
    pub created_at: Timestamp,
}

impl Delivery {
    /// A delivery that is due at once and leaves the badge as it is.
    pub fn new(
        id: DeliveryId,
        content: Arc<Content>,
        to: Address,
        channel: Channel,
        certificate: CertificateId,
        created_at: Timestamp,
    ) -> Self {
        Self {
            id,
            content,
            to,
            channel,
            certificate,
            badge: Badge::Leave,
            due: None,
            revision: 0,
            created_at,
        }
    }

    /// Sets the number on the app's icon.
    #[must_use]
    pub const fn with_badge(mut self, badge: Badge) -> Self {
        self.badge = badge;
        self
    }

    /// Sets the device's revision.
    #[must_use]
    pub const fn with_revision(mut self, revision: u64) -> Self {
        self.revision = revision;
        self
    }

    /// Sets when it is due first.
    #[must_use]
    pub const fn with_due(mut self, due: Timestamp) -> Self {
        self.due = Some(due);
        self
    }

    /// The app it belongs to.
    pub fn app(&self) -> &AppId {
        &self.content.app
    }

    /// The message that caused it.
    pub fn message(&self) -> &MessageId {
        &self.content.message
    }

    /// The user it is for; `None` for [`Address::Token`].
    pub const fn user(&self) -> Option<&UserId> {
        match &self.to {
            Address::Device { user, .. } => Some(user),
            Address::Token { .. } => None,
        }
    }

    /// The device it is for; `None` for [`Address::Token`].
    pub const fn device(&self) -> Option<&DeviceId> {
        match &self.to {
            Address::Device { device, .. } => Some(device),
            Address::Token { .. } => None,
        }
    }

    /// What its token is for.
    pub const fn slot(&self) -> Slot {
        match self.to {
            Address::Device { slot, .. } | Address::Token { slot, .. } => slot,
        }
    }

    /// When it is no longer worth delivering.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.content.notification.expires_at
    }

    /// The credential that sends it.
    pub fn credential(&self) -> CredentialRef {
        CredentialRef {
            app: self.content.app.clone(),
            certificate: self.certificate,
        }
    }

    /// The lane it travels in.
    pub fn lane(&self) -> Lane {
        Lane {
            credential: self.credential(),
            class: self.content.class.clone(),
        }
    }
}

/// Where a delivery goes.
///
/// Together with app, message and channel it is the delivery's identity: the same message to the same address through the same
/// channel is one delivery (S79).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Address {
    /// A device's slot. Its token is looked up at each attempt, so that a token that was replaced meanwhile receives the push.
    Device {
        /// The user who is logged in.
        user: UserId,
        /// The device.
        device: DeviceId,
        /// Which of its tokens.
        slot: Slot,
        /// Which instance of the slot.
        instance: Instance,
    },
    /// A token that the caller keeps itself, without registration.
    Token {
        /// What the token is for.
        slot: Slot,
        /// The token's environment.
        environment: Environment,
        /// The token.
        token: DeviceToken,
    },
}

/// A credential of an app.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CredentialRef {
    /// The app.
    pub app: AppId,
    /// The credential's id within the app.
    pub certificate: CertificateId,
}

impl CredentialRef {
    /// Names credential `certificate` of `app`.
    pub const fn new(app: AppId, certificate: CertificateId) -> Self {
        Self { app, certificate }
    }
}

impl fmt::Debug for CredentialRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.app, self.certificate)
    }
}

/// All deliveries of one credential and one class. Lanes are bounded and backed off separately, so that a call never waits
/// behind a broadcast and one vendor's outage delays no other vendor's pushes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Lane {
    /// The credential.
    pub credential: CredentialRef,
    /// The class of its messages.
    pub class: Class,
}

impl Lane {
    /// The lane of `credential` and `class`.
    pub const fn new(credential: CredentialRef, class: Class) -> Self {
        Self { credential, class }
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.credential.fmt(f)?;
        write!(f, "/{}", self.class)
    }
}

/// A batch that was sent before without an answer, and how many deliveries it had.
///
/// Vendors that recognise a repeated request by its id drop the repetition: deliveries of such a batch are sent again under the
/// same id, and only all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct BatchRef {
    /// The batch's id.
    pub id: BatchId,
    /// How many deliveries it had.
    pub size: u32,
}

impl BatchRef {
    /// Batch `id` of `size` deliveries.
    pub const fn new(id: BatchId, size: u32) -> Self {
        Self { id, size }
    }
}
