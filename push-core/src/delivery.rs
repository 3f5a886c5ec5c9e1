//! One notification to one token: the unit of queueing, retry and trace.
use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    AppId, CertificateId, Channel, DeliveryId, DeviceId, DeviceToken, Environment, MessageId,
    Notification, Slot, Timestamp, UserId,
};

/// One notification on its way to one token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// The delivery's id, the same on every retry.
    pub id: DeliveryId,
    /// The app it belongs to.
    pub app: AppId,
    /// The message that caused it.
    pub message: MessageId,
    /// The user it is for.
    pub user: UserId,
    /// The device it is for.
    pub device: DeviceId,
    /// Which of the device's tokens.
    pub slot: Slot,
    /// The vendor's way.
    pub channel: Channel,
    /// The credential that sends it.
    pub certificate: CertificateId,
    /// The token's environment.
    pub environment: Environment,
    /// The token.
    pub token: DeviceToken,
    /// When the app last told this token. A verdict can only cost a token that was not told again since (S114).
    pub told_at: Timestamp,
    /// When the delivery was decided.
    pub created_at: Timestamp,
    /// What the person will see; shared by all deliveries of one message.
    pub notification: Arc<Notification>,
}

impl Delivery {
    /// The lane it travels in.
    pub fn lane(&self) -> Lane {
        Lane {
            app: self.app.clone(),
            certificate: self.certificate,
        }
    }
}

/// All deliveries of one credential: bounded and suspended together, so that one vendor's outage starves nobody else.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Lane {
    /// The app.
    pub app: AppId,
    /// The credential.
    pub certificate: CertificateId,
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.app, self.certificate)
    }
}
