//! A token of a device as the app reports it and as a store keeps it.
use serde::{Deserialize, Serialize};

use crate::{
    AppId, CertificateId, Channel, CredentialRef, DeviceId, DeviceRef, DeviceToken, EndCause,
    Environment, Instance, Result, Slot, TicketRefusal, Timestamp, UserId,
};

/// A user's token on a device.
///
/// Key: app, device, slot, channel and instance. A device belongs to one user at a time (S61), and a token of a channel to
/// one device: registering it for another takes it away from the first. The last registration wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Registration {
    /// The app.
    pub app: AppId,
    /// The user who is logged in.
    pub user: UserId,
    /// The device.
    pub device: DeviceId,
    /// What the token is for.
    pub slot: Slot,
    /// The channel to the device.
    pub channel: Channel,
    /// Which instance of the slot.
    pub instance: Instance,
    /// The order in which the channels of a slot are tried, smallest first; of equal ones, the one registered last.
    pub rank: u8,
    /// The credential that sends to it.
    pub certificate: CertificateId,
    /// The token's environment.
    pub environment: Environment,
    /// The token, in the vendor's canonical form.
    pub token: DeviceToken,
    /// When the app last reported it.
    pub reported_at: Timestamp,
}

impl Registration {
    /// A token for alerts of the only instance, with rank 0.
    pub fn new(
        owner: DeviceRef,
        channel: Channel,
        certificate: CertificateId,
        environment: Environment,
        token: DeviceToken,
        reported_at: Timestamp,
    ) -> Self {
        Self {
            app: owner.app,
            user: owner.user,
            device: owner.device,
            slot: Slot::Alert,
            channel,
            instance: Instance::ONLY,
            rank: 0,
            certificate,
            environment,
            token,
            reported_at,
        }
    }

    /// Sets what the token is for.
    #[must_use]
    pub const fn with_slot(mut self, slot: Slot) -> Self {
        self.slot = slot;
        self
    }

    /// Sets which instance of the slot it is for.
    #[must_use]
    pub fn with_instance(mut self, instance: Instance) -> Self {
        self.instance = instance;
        self
    }

    /// Sets its place among the channels of the slot.
    #[must_use]
    pub const fn with_rank(mut self, rank: u8) -> Self {
        self.rank = rank;
        self
    }

    /// The device it is on.
    pub fn owner(&self) -> DeviceRef {
        DeviceRef::new(self.app.clone(), self.user.clone(), self.device.clone())
    }

    /// The credential that sends to it.
    pub fn credential(&self) -> CredentialRef {
        CredentialRef::new(self.app.clone(), self.certificate)
    }
}

/// Why a token is quarantined: kept, but not pushed to until the app registers it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Quarantine {
    /// The code of a [`Reason`](crate::Reason).
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
}

impl Quarantine {
    /// A quarantine since `at`, for the reason of this code.
    pub fn new(reason: impl Into<String>, at: Timestamp) -> Self {
        Self {
            reason: reason.into(),
            at,
        }
    }
}

/// A registration as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredRegistration {
    /// The registration.
    pub registration: Registration,
    /// Set if the token is quarantined.
    pub quarantine: Option<Quarantine>,
}

impl StoredRegistration {
    /// A registration whose token may be used.
    pub const fn new(registration: Registration) -> Self {
        Self {
            registration,
            quarantine: None,
        }
    }

    crate::setters! {
        with_quarantine(quarantine: impl Into<Option<Quarantine>>);
    }
}

/// The key of a registration together with whose it must be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SlotRef {
    /// The user.
    pub user: UserId,
    /// The device.
    pub device: DeviceId,
    /// The slot.
    pub slot: Slot,
    /// The channel.
    pub channel: Channel,
    /// The instance of the slot.
    pub instance: Instance,
}

impl SlotRef {
    /// Names a slot of a user's device.
    pub const fn new(
        user: UserId,
        device: DeviceId,
        slot: Slot,
        channel: Channel,
        instance: Instance,
    ) -> Self {
        Self {
            user,
            device,
            slot,
            channel,
            instance,
        }
    }
}

/// What [`RegistrationStore::register`](crate::RegistrationStore::register) did with one registration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registered {
    /// Whether anything but times changed. Leaving quarantine and becoming [`Presence::Online`](crate::Presence::Online) again count.
    pub changed: bool,
    /// The devices or slots that lost a registration to this one: this device of its former user, and other devices that held the
    /// same token. The caller cancels their queued deliveries.
    pub displaced: Vec<Ended>,
}

impl Registered {
    /// What a registration did.
    pub const fn new(changed: bool, displaced: Vec<Ended>) -> Self {
        Self { changed, displaced }
    }
}

/// The result of a registration with a ticket: as [`RegistrationStore::register`](crate::RegistrationStore::register) returns it, or why the store refused it.
pub type Admitted<T = Vec<Registered>> = Result<T, TicketRefusal>;

/// A user's device, or one slot of it, on which push has ended: it logged out, was kicked, or lost its token to another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// The user who had it.
    pub user: UserId,
    /// The device.
    pub device: DeviceId,
    /// The slot; `None` for the whole device.
    pub slot: Option<Slot>,
    /// Why.
    pub cause: EndCause,
    /// The revision that this gave the device: whatever was decided at an earlier one must not be sent.
    pub revision: u64,
}

impl Ended {
    /// What ended on a device: one slot, or with `None` everything.
    pub const fn new(
        user: UserId,
        device: DeviceId,
        slot: Option<Slot>,
        cause: EndCause,
        revision: u64,
    ) -> Self {
        Self {
            user,
            device,
            slot,
            cause,
            revision,
        }
    }
}
