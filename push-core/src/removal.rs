//! What a queue removed by itself or on request, and what it is asked for when traces are compared with it.
use serde::{Deserialize, Serialize};

use crate::{AppId, CertificateId, DeliveryId, DeviceId, MessageId, UserId, channel::word_enum};

/// A delivery that is looked for in a queue ([`Queue::holds`](crate::Queue::holds)).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sought {
    /// The delivery.
    pub id: DeliveryId,
    /// The message that caused it.
    pub message: MessageId,
    /// The user it is for; `None` if the caller addressed a token.
    pub user: Option<UserId>,
}

impl Sought {
    /// The delivery `id` of a message, to this user.
    pub const fn new(id: DeliveryId, message: MessageId, user: Option<UserId>) -> Self {
        Self { id, message, user }
    }
}

word_enum! {
    /// Why a queue removed a delivery that was not acknowledged.
    #[non_exhaustive]
    RemovalCause("cause of a removal") {
        /// [`Cancel::Message`](crate::Cancel::Message).
        Recalled = "recalled",
        /// [`Cancel::Device`](crate::Cancel::Device).
        Ended = "ended",
        /// [`Cancel::Conversation`](crate::Cancel::Conversation).
        Read = "read",
        /// [`Cancel::Expired`](crate::Cancel::Expired).
        Expired = "expired",
        /// What is stored of it cannot be read.
        Damaged = "damaged",
    }
}

/// A delivery that a queue removed without an acknowledgement, as far as it can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Removed {
    /// The delivery.
    pub id: DeliveryId,
    /// Its app.
    pub app: AppId,
    /// The message that caused it.
    pub message: Option<MessageId>,
    /// The user it was for.
    pub user: Option<UserId>,
    /// The device it was for.
    pub device: Option<DeviceId>,
    /// The credential it waited for.
    pub certificate: Option<CertificateId>,
}

impl Removed {
    /// A delivery of which nothing else is known.
    pub const fn new(id: DeliveryId, app: AppId) -> Self {
        Self {
            id,
            app,
            message: None,
            user: None,
            device: None,
            certificate: None,
        }
    }
}
