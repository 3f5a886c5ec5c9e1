//! What the gateway must remember: who is logged in where, with which token; credentials; traces.
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    AppId, CertificateId, Channel, DeliveryId, DeviceId, DeviceToken, Environment, Lane, MessageId,
    Platform, Presence, Result, Slot, Timestamp, TraceEvent, UserId, async_trait,
};

/// Everything the gateway must remember but its queue. A store plugin builds one.
///
/// Every method is atomic and durable when it returns, but [`TraceStore::append`], which may lag behind by a moment.
/// Several calls at once are the rule; an implementation groups them.
///
/// Nothing that belongs to one app is ever seen or changed through another: the same ids in two apps are two things.
///
/// # Errors
/// Besides those named at each method, [`ErrorKind::Busy`](crate::ErrorKind::Busy) if a bound of the store is reached,
/// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if what it stores in cannot be reached, and
/// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if that cannot be read. A call that fails has changed nothing.
pub trait Store: RegistrationStore + CredentialStore + TraceStore {}

impl<T: RegistrationStore + CredentialStore + TraceStore> Store for T {}

/// A user's token on a device: user + device + slot + channel + certificate id + environment + token + time.
///
/// Key: app, device and slot. A device belongs to one user at a time (S61), and a token of a channel to one device:
/// telling it for another takes it away from the first. The last one told wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The app.
    pub app: AppId,
    /// The user who is logged in.
    pub user: UserId,
    /// The device.
    pub device: DeviceId,
    /// What the token is for.
    pub slot: Slot,
    /// The vendor's way to the device.
    pub channel: Channel,
    /// The credential that sends to it.
    pub certificate: CertificateId,
    /// The token's environment.
    pub environment: Environment,
    /// The token.
    pub token: DeviceToken,
    /// When the app last told it.
    pub told_at: Timestamp,
}

/// What [`RegistrationStore::register`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registered {
    /// Whether anything but times changed. Leaving quarantine and starting [`Presence::Online`] again count.
    pub changed: bool,
    /// Devices that lost a registration to this one: this device under its former user, and other devices that held the
    /// same token. Their queued deliveries are to be cancelled.
    pub displaced: Vec<Displaced>,
}

/// A user's device that lost a registration to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Displaced {
    /// The user who had it.
    pub user: UserId,
    /// The device it was on.
    pub device: DeviceId,
}

/// Why a token is set aside: kept, but not pushed to until the app tells it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// The code of a [`Reason`](crate::Reason).
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
}

/// A registration as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRegistration {
    /// The registration.
    pub registration: Registration,
    /// Set if the token is set aside.
    pub quarantine: Option<Quarantine>,
}

/// A device of a user, with everything a decision needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The device.
    pub device: DeviceId,
    /// What kind of client it is, if it was told.
    pub platform: Option<Platform>,
    /// Whether it can be reached over the IM connection.
    pub presence: Presence,
    /// When its presence was last told.
    pub presence_at: Timestamp,
    /// The number on the app's icon, as far as the gateway knows.
    pub badge: u32,
    /// Its registrations, one for each slot.
    pub registrations: Vec<StoredRegistration>,
}

/// One device's presence, as it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceChange {
    /// The user.
    pub user: UserId,
    /// The device; `None` for all of the user's devices of `platform`, or all of them.
    pub device: Option<DeviceId>,
    /// What kind of client it is, if known.
    pub platform: Option<Platform>,
    /// Where it is now.
    pub presence: Presence,
    /// When that was so. Older than what is known already: ignored (S71).
    pub at: Timestamp,
    /// The unread count it went to background with: the base of the badge (S65); `None` leaves it.
    pub badge: Option<u32>,
}

/// What one push does to a device's badge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadgeChange {
    /// The user.
    pub user: UserId,
    /// The device.
    pub device: DeviceId,
    /// Set it to this, or add this.
    pub change: BadgeArithmetic,
}

/// Set or add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadgeArithmetic {
    /// It becomes this.
    Set(u32),
    /// It becomes this much more.
    Add(u32),
}

/// Device registrations and presence.
#[async_trait]
pub trait RegistrationStore: fmt::Debug + Send + Sync + 'static {
    /// Stores registrations, in order; answers for each. A token told again leaves quarantine.
    ///
    /// A device seen for the first time starts [`Presence::Online`] at `told_at` with a badge of 0; one that was
    /// [`Presence::Offline`] or of another user does so again.
    async fn register(&self, registrations: Vec<Registration>) -> Result<Vec<Registered>>;

    /// Takes the registrations of `user` on `device` away (`slot`: only that one), and answers whether there were any.
    /// Without a slot the device becomes [`Presence::Offline`], as of now by the store's clock, so that a presence from
    /// before the logout cannot bring it back; it stays known. A device that is not `user`'s any more is left alone, so
    /// that a late logout undoes nothing (S43, S47).
    async fn unregister(
        &self,
        app: &AppId,
        user: &UserId,
        device: &DeviceId,
        slot: Option<Slot>,
    ) -> Result<bool>;

    /// The devices of each of `users`, in their order; only devices that are currently theirs, those without any
    /// registration included. None for a user who is not known.
    async fn devices_of(&self, app: &AppId, users: &[UserId]) -> Result<Vec<Vec<Device>>>;

    /// Forgets a dead token, unless the app told it again after `dead_since` (S114). Answers whether it did. The device
    /// stays known.
    async fn forget(
        &self,
        app: &AppId,
        channel: &Channel,
        token: &DeviceToken,
        dead_since: Timestamp,
    ) -> Result<bool>;

    /// Sets a token aside as of `since`, unless the app told it again after that. Answers whether it did. For one that is
    /// aside already, the new reason and time count.
    async fn quarantine(
        &self,
        app: &AppId,
        channel: &Channel,
        token: &DeviceToken,
        reason: &str,
        since: Timestamp,
    ) -> Result<bool>;

    /// Takes the tokens of one credential out of quarantine: its configuration was mended. Answers how many.
    async fn release(&self, lane: &Lane) -> Result<u64>;

    /// Applies presence changes, in order. Unknown devices are ignored, and a device of unknown platform is of none.
    /// Answers how often a device took a change, be it what was known already.
    async fn set_presence(&self, app: &AppId, changes: Vec<PresenceChange>) -> Result<u64>;

    /// Applies badge changes, in order, and answers each new number, at most [`u32::MAX`]; 0 for an unknown device.
    async fn change_badges(&self, app: &AppId, changes: Vec<BadgeChange>) -> Result<Vec<u32>>;

    /// How many registrations an app has.
    async fn count(&self, app: &AppId) -> Result<u64>;
}

/// A credential as it is stored: its configuration is sealed, and only the gateway has the key.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredCredential {
    /// The app it belongs to.
    pub app: AppId,
    /// Its id within the app, which survives rotation (S58).
    pub id: CertificateId,
    /// The provider plugin it configures, as in `apns`.
    pub provider: String,
    /// The channel that plugin speaks.
    pub channel: Channel,
    /// The environment it sends to; `None` if the vendor has only one.
    pub environment: Option<Environment>,
    /// A name for people; empty for none.
    pub label: String,
    /// The encrypted configuration.
    pub sealed: Vec<u8>,
    /// When it was uploaded.
    pub created_at: Timestamp,
    /// When its content was last replaced.
    pub rotated_at: Timestamp,
    /// When it expires, if the vendor dates it.
    pub expires_at: Option<Timestamp>,
}

impl fmt::Debug for StoredCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredCredential")
            .field("app", &self.app)
            .field("id", &self.id)
            .field("provider", &self.provider)
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

/// Credentials, by app and integer id.
#[async_trait]
pub trait CredentialStore: fmt::Debug + Send + Sync + 'static {
    /// Stores a new credential. `id` `None` takes a free number of the app; a number keeps the ids of apps that come
    /// from another system.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the number is taken.
    async fn add_credential(
        &self,
        id: Option<CertificateId>,
        credential: NewCredential,
    ) -> Result<StoredCredential>;

    /// Replaces a credential's content, label and expiry in place; id, provider, channel and environment stay (S58).
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such credential,
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if provider, channel or environment differ.
    async fn rotate_credential(
        &self,
        id: CertificateId,
        credential: NewCredential,
    ) -> Result<StoredCredential>;

    /// The credentials of an app, by id; of every app if `app` is `None`.
    async fn credentials(&self, app: Option<&AppId>) -> Result<Vec<StoredCredential>>;

    /// One credential.
    async fn credential(&self, lane: &Lane) -> Result<Option<StoredCredential>>;
}

/// What a new or rotated credential consists of. The fields are those of [`StoredCredential`].
#[derive(Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct NewCredential {
    pub app: AppId,
    pub provider: String,
    pub channel: Channel,
    pub environment: Option<Environment>,
    pub label: String,
    pub sealed: Vec<u8>,
    pub at: Timestamp,
    pub expires_at: Option<Timestamp>,
}

impl fmt::Debug for NewCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewCredential")
            .field("app", &self.app)
            .field("provider", &self.provider)
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

/// The most events that one trace is answered with: a message to a million phones has millions.
pub const TRACE_LIMIT: usize = 10_000;

/// The traces of messages and deliveries.
#[async_trait]
pub trait TraceStore: fmt::Debug + Send + Sync + 'static {
    /// Appends events. May return before they are durable: a trace explains a push, it does not carry it. A trace asked
    /// for afterwards has them.
    async fn append(&self, events: Vec<TraceEvent>) -> Result<()>;

    /// The events of one delivery, oldest first, with those of its message that concern no other delivery, user or
    /// device; at most [`TRACE_LIMIT`]. Events of one moment are in the order they were appended.
    async fn trace_of_delivery(&self, app: &AppId, delivery: DeliveryId)
    -> Result<Vec<TraceEvent>>;

    /// The events of one message, oldest first; at most [`TRACE_LIMIT`]. Events of one moment are in the order they were
    /// appended.
    async fn trace_of_message(&self, app: &AppId, message: &MessageId) -> Result<Vec<TraceEvent>>;

    /// Drops events older than `before`; answers how many.
    async fn prune_traces(&self, before: Timestamp) -> Result<u64>;
}
