//! What a decision says: where pushes go, and who gets none and why.
use push_core::{
    Badge, BadgeArithmetic, BadgeStyle, CertificateId, DeviceId, NotificationKind, Reason,
    Registration, Timestamp, TokenAddress, UserId,
};

use super::CredentialFacts;

/// Where one push goes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum To<'a> {
    /// A registered token of a device.
    Device {
        /// The registration.
        registration: &'a Registration,
        /// The device's revision.
        revision: u64,
    },
    /// A token that the caller named.
    Token {
        /// Its place in the audience.
        place: usize,
        /// The token.
        address: &'a TokenAddress,
    },
}

/// One push that is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Push<'a> {
    /// Where it goes.
    pub to: To<'a>,
    /// The credential that sends it.
    pub certificate: CertificateId,
    /// What it does to the device's badge.
    pub badge: Option<BadgeArithmetic>,
    pub(super) kind: NotificationKind,
    pub(super) expires_at: Timestamp,
}

impl Push<'_> {
    /// What a push does to the number on the icon when the gateway counted `number` for the device.
    pub(crate) fn badge_of(&self, facts: &CredentialFacts, number: Option<u32>) -> Badge {
        match (self.badge, facts.badge, number) {
            (None, ..) | (_, BadgeStyle::None, _) => Badge::Leave,
            (Some(BadgeArithmetic::Add(more)), BadgeStyle::CountUp, _) => Badge::Add(more),
            (Some(BadgeArithmetic::Set(number)), _, None) => Badge::Set(number),
            (Some(BadgeArithmetic::Add(_)), _, None) => Badge::Leave,
            (Some(_), _, Some(number)) => Badge::Set(number),
        }
    }
}

/// A receiver, device or token that gets no push.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skip {
    /// The receiver; `None` for a token, or a device that belongs to no user.
    pub user: Option<UserId>,
    /// The device, if only that one gets none.
    pub device: Option<DeviceId>,
    /// The token's place in the audience.
    pub token: Option<usize>,
    /// Why.
    pub reason: Reason,
}

impl Skip {
    /// A user gets none.
    pub fn user(user: &UserId, reason: Reason) -> Self {
        Self {
            user: Some(user.clone()),
            device: None,
            token: None,
            reason,
        }
    }

    /// A device gets none.
    pub fn device(user: Option<&UserId>, device: &DeviceId, reason: Reason) -> Self {
        Self {
            user: user.cloned(),
            device: Some(device.clone()),
            token: None,
            reason,
        }
    }

    /// A token gets none.
    pub const fn token(place: usize, reason: Reason) -> Self {
        Self {
            user: None,
            device: None,
            token: Some(place),
            reason,
        }
    }
}

/// Who gets a push of one message, and who does not.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Decision<'a> {
    /// Who does.
    pub pushes: Vec<Push<'a>>,
    /// Who does not, and why.
    pub skips: Vec<Skip>,
}
