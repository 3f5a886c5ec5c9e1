//! What the gateway must remember: which user is logged in on which device with which tokens, credentials, and traces.
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    AppId, Audience, CertificateId, Channel, CredentialRef, Cursor, DeliveryId, DeviceId,
    DeviceToken, EndCause, Ending, Environment, Error, ErrorKind, Instance, MessageId, Page,
    Permission, Platform, Presence, Result, ShownTicket, Slot, Stage, Tag, TicketRefusal,
    Timestamp, TraceEvent, UserId, async_trait,
};

/// Everything the gateway must remember but its queue. A store plugin builds one.
///
/// Every method is atomic and durable when it returns, except [`TraceStore::append`], which may be durable a moment later.
/// Methods are called concurrently; an implementation groups them.
///
/// What belongs to one app is never read or changed through another: the same ids in two apps are different objects.
///
/// # Errors
/// Besides those named at each method, [`ErrorKind::Busy`] if a limit of the store is reached,
/// [`ErrorKind::Unavailable`] if the medium cannot be reached, and
/// [`ErrorKind::Corrupt`] if it cannot be read. A call that fails has changed nothing. Lists leave out single entries that are
/// damaged: those never stop the others from being read.
pub trait Store: RegistrationStore + CredentialStore + TraceStore {}

impl<T: RegistrationStore + CredentialStore + TraceStore> Store for T {}

/// A device of a user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeviceRef {
    /// The app.
    pub app: AppId,
    /// The user.
    pub user: UserId,
    /// The device.
    pub device: DeviceId,
}

impl DeviceRef {
    /// Names `device` of `user` in `app`.
    pub const fn new(app: AppId, user: UserId, device: DeviceId) -> Self {
        Self { app, user, device }
    }
}

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

/// What an app reports of the device it runs on. What is absent is left as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceFacts {
    /// What kind of client it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The language of the app's interface, a BCP 47 tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The time zone, a name of the IANA database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Whether notifications may be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission: Option<Permission>,
    /// The brand of the phone, as its system names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// The version of the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_version: Option<String>,
}

impl DeviceFacts {
    /// The longest text of any fact, in bytes; callers refuse longer ones.
    pub const MAX_BYTES: usize = 128;

    /// Takes over what `newer` says. Returns `true` if anything changed.
    pub fn update(&mut self, newer: &Self) -> bool {
        fn take<T: Clone + PartialEq>(old: &mut Option<T>, new: &Option<T>) -> bool {
            let changes = new.is_some() && old != new;
            if changes {
                old.clone_from(new);
            }
            changes
        }
        let changed = [
            take(&mut self.platform, &newer.platform),
            take(&mut self.language, &newer.language),
            take(&mut self.time_zone, &newer.time_zone),
            take(&mut self.permission, &newer.permission),
            take(&mut self.brand, &newer.brand),
            take(&mut self.app_version, &newer.app_version),
        ];
        changed.contains(&true)
    }
}

/// What [`RegistrationStore::register`] did with one registration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registered {
    /// Whether anything but times changed. Leaving quarantine and becoming [`Presence::Online`] again count.
    pub changed: bool,
    /// What lost a registration to this one: this device under its former user, and other devices that held the
    /// same token. Their queued deliveries are to be cancelled.
    pub displaced: Vec<Ended>,
}

/// The result of a registration with a ticket: as [`RegistrationStore::register`] returns it, or why the store refused it.
pub type Admitted<T = Vec<Registered>> = Result<T, TicketRefusal>;

impl Registered {
    /// What a registration did.
    pub const fn new(changed: bool, displaced: Vec<Ended>) -> Self {
        Self { changed, displaced }
    }
}

/// A user's device, or one slot of it, on which push has ended: it logged out, was kicked, or lost its token to another.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// Why a token is quarantined: kept, but not pushed to until the app registers it again.
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
    /// Set if the token is quarantined.
    pub quarantine: Option<Quarantine>,
}

/// A device of a user, with everything a decision needs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Device {
    /// The device.
    pub device: DeviceId,
    /// What the app reported of it.
    pub facts: DeviceFacts,
    /// Whether it can be reached over the IM connection.
    pub presence: Presence,
    /// When its presence was last reported.
    pub presence_at: Timestamp,
    /// The number on the app's icon, as far as the gateway knows.
    pub badge: u32,
    /// Grows with every registration, logout, kick and return from [`Presence::Offline`]; never repeats, not even after the
    /// store was lost. A queue fences off what was decided at an earlier revision.
    pub revision: u64,
    /// Its registrations.
    pub registrations: Vec<StoredRegistration>,
}

impl Device {
    /// Returns the revision that follows `last`: the time `now` in microseconds, or `last + 1` if that is not later. Stores
    /// use it, so that a revision neither repeats after a lost store nor goes back with the clock.
    pub fn revision_after(last: u64, now: Timestamp) -> u64 {
        let micros = u64::try_from(now.unix_millis())
            .unwrap_or_default()
            .saturating_mul(1000);
        last.saturating_add(1).max(micros)
    }

    /// A device without registrations that was seen at `at` in the foreground.
    pub fn new(device: DeviceId, at: Timestamp, revision: u64) -> Self {
        Self {
            device,
            facts: DeviceFacts::default(),
            presence: Presence::Online,
            presence_at: at,
            badge: 0,
            revision,
            registrations: Vec::new(),
        }
    }
}

/// A user, with everything a decision needs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receiver {
    /// The user.
    pub user: UserId,
    /// The devices that are currently the user's, those without any registration included.
    pub devices: Vec<Device>,
}

impl Receiver {
    /// A user with these devices.
    pub const fn new(user: UserId, devices: Vec<Device>) -> Self {
        Self { user, devices }
    }
}

/// The key of a registration together with whose it must be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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

/// One device's presence, as it was reported.
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
    /// Why it is [`Presence::Offline`], if the reporter said so ([`EndCause::is_reported`]).
    pub because: Option<EndCause>,
}

/// What [`RegistrationStore::set_presence`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PresenceSet {
    /// How often a device accepted a change, also one that it had already.
    pub accepted: u64,
    /// The devices that are [`Presence::Offline`] by these changes, once for each change that made them so. Their queued
    /// deliveries are to be cancelled.
    pub ended: Vec<Ended>,
}

impl PresenceSet {
    /// What some changes did.
    pub const fn new(accepted: u64, ended: Vec<Ended>) -> Self {
        Self { accepted, ended }
    }
}

/// What one push does to a device's badge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadgeChange {
    /// The message that the push is for: one message changes a device's badge once, however often it is submitted.
    pub message: MessageId,
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

/// Device registrations, presence, badges and tags.
#[async_trait]
pub trait RegistrationStore: fmt::Debug + Send + Sync + 'static {
    /// Returns how often a row of the store was skipped since the start because it cannot be read, whatever it holds. A store
    /// that cannot lose its data piece by piece returns 0.
    fn damaged_rows(&self) -> u64 {
        0
    }

    /// Stores what a device reports, in order, and returns what each registration did. Every registration is of the device
    /// `owner`. A token registered again leaves quarantine. A change of the facts counts as one of the first registration.
    ///
    /// A device seen for the first time starts [`Presence::Online`] at the first registration's time with a badge of 0; one that
    /// was [`Presence::Offline`] or of another user does so again. Its revision grows.
    ///
    /// Without any registration only the facts are stored: a device that is not known yet starts online as of now by the
    /// store's clock; presence, badge and revision of a known one stay; one of another user is not changed, because nothing
    /// says that `owner` logged in after that user.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if a registration is not of the device `owner`.
    async fn register(
        &self,
        owner: &DeviceRef,
        facts: &DeviceFacts,
        registrations: Vec<Registration>,
    ) -> Result<Vec<Registered>>;

    /// Checks a ticket that a phone shows for the device `owner`, and binds it to that device if it is bound to none yet: it is
    /// good for no other one from then on, not even for another user's.
    ///
    /// Refuses with [`TicketRefusal::Revoked`](crate::TicketRefusal::Revoked) a ticket that was issued before
    /// - the user, the user's devices of this platform, or this device was reported [`Presence::Offline`], by the time of that
    ///   report, whether or not the store knew the device, and whether or not a newer presence was known;
    /// - the user's last [`unregister`](Self::unregister) of this device without a slot, by the store's clock;
    ///
    /// except where the cause was [`EndCause::SwitchedOff`]: then the login goes on.
    ///
    /// The platform of a device is the one that is known, or else the one in `facts`; without either, a device that is not known
    /// is of every platform, and a known one of none. Both kinds of end are remembered for [`ShownTicket::MAX_LIFE`], a binding until
    /// [`ShownTicket::ends_at`], by the store's clock.
    async fn admit(
        &self,
        owner: &DeviceRef,
        ticket: &ShownTicket,
        facts: &DeviceFacts,
    ) -> Result<Admitted<()>>;

    /// [`admit`](Self::admit) and [`register`](Self::register) in one step, so that no kick comes between them. What is
    /// refused changes nothing.
    ///
    /// Refuses with [`TicketRefusal::TooManyDevices`](crate::TicketRefusal::TooManyDevices) a device that would be one more than
    /// `max_devices` of the user which have a registration and are not [`Presence::Offline`].
    ///
    /// # Errors
    /// As [`register`](Self::register).
    async fn register_with(
        &self,
        ticket: &ShownTicket,
        max_devices: usize,
        owner: &DeviceRef,
        facts: &DeviceFacts,
        registrations: Vec<Registration>,
    ) -> Result<Admitted<Vec<Registered>>>;

    /// Removes the registrations of `user` on `device` (`slot`: only that one, all channels and instances). Returns `None` if
    /// there was none, or if the device is not `user`'s any more: then nothing changes, so that a late logout undoes nothing
    /// (S43, S47). Without a slot a device that is still the user's also becomes [`Presence::Offline`] as of now by the store's
    /// clock, so that a presence from before the logout cannot bring it back, and `Some` is returned if it was not already; it
    /// stays known. A repeated logout moves the time of its presence on, and changes nothing else. Without a slot the user's
    /// tickets for the device are revoked in any case, unless push was switched off ([`admit`](Self::admit)). `cause` is one that is reported
    /// ([`EndCause::is_reported`]).
    async fn unregister(
        &self,
        owner: &DeviceRef,
        slot: Option<Slot>,
        cause: EndCause,
    ) -> Result<Option<Ended>>;

    /// Remembers that the gateway refused a registration of `slot` for the reason with this code, so that it can be explained
    /// later why the user gets no push. On a device that is not the user's, it is remembered for the user.
    async fn refuse(&self, owner: &DeviceRef, slot: Slot, reason: &str) -> Result<()>;

    /// Returns, for each of `users`, what last ended push or kept it from beginning, where that still holds: at most one
    /// [`Ending`] for the user, for each of the user's devices, and for each slot of them.
    ///
    /// - The user: another user registered on one of the user's devices ([`EndCause::DeviceTaken`]).
    /// - A device: it became [`Presence::Offline`]. If it is offline already, the first cause stays, unless that was
    ///   [`EndCause::Offline`].
    /// - A slot: its tokens were unregistered, died, or were registered by another device.
    /// - [`RegistrationStore::refuse`].
    ///
    /// A registration removes those of its slot, its device and its user; the end of a device those of its slots; and a
    /// device that changes hands all of the former user's on it.
    async fn endings(&self, app: &AppId, users: &[UserId]) -> Result<Vec<Vec<Ending>>>;

    /// Returns each of `users`, in their order, with the devices that are currently theirs; without devices for a user who is
    /// not known.
    async fn receivers(&self, app: &AppId, users: &[UserId]) -> Result<Vec<Receiver>>;

    /// Returns a page of the users that `audience` selects, of at most `limit` users, from `after` on. Every user
    /// who is selected before the first call and is not removed meanwhile comes exactly once, also across restarts.
    ///
    /// - [`Audience::Everybody`] and [`Audience::Tags`]: users with at least one device, by id.
    /// - [`Audience::Users`]: the listed users in their order, without devices for one who is not known.
    /// - [`Audience::Devices`]: the users of the listed devices in their order, with only those devices; a device that is not
    ///   known is left out. Here every device comes exactly once; a user whose devices come on several pages comes on each.
    /// - [`Audience::Tokens`]: none, because tokens need no registration.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if `limit` is 0, if `after` does not come from a scan of such an
    /// audience, or if [`TagExpr::check`](crate::TagExpr::check) refuses the condition.
    async fn scan(
        &self,
        app: &AppId,
        audience: &Audience,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Receiver>>;

    /// Returns, for each of `slots`, the registration that it has now; `None` if it has none or the device is not that user's
    /// any more.
    async fn resolve(
        &self,
        app: &AppId,
        slots: &[SlotRef],
    ) -> Result<Vec<Option<StoredRegistration>>>;

    /// Returns, for each of `tokens`, the registration that holds it now; the first by slot if one device has it in several.
    async fn holders(
        &self,
        app: &AppId,
        channel: &Channel,
        tokens: &[DeviceToken],
    ) -> Result<Vec<Option<StoredRegistration>>>;

    /// Removes a dead token, unless the app registered it again after `dead_since` (S114). Returns `true` if it did. The
    /// device stays known.
    async fn forget(
        &self,
        app: &AppId,
        channel: &Channel,
        token: &DeviceToken,
        dead_since: Timestamp,
    ) -> Result<bool>;

    /// Quarantines a token as of `since`, unless the app registered it again after that. Returns `true` if it did. For one that
    /// is quarantined already, the new reason and time count.
    async fn quarantine(
        &self,
        app: &AppId,
        channel: &Channel,
        token: &DeviceToken,
        reason: &str,
        since: Timestamp,
    ) -> Result<bool>;

    /// Releases the tokens of one credential from quarantine: its configuration was repaired. Returns how many.
    async fn release(&self, credential: &CredentialRef) -> Result<u64>;

    /// Applies presence changes, in order. Unknown devices are ignored, and a device of unknown platform is of none.
    ///
    /// A device that accepts [`Presence::Offline`] gets a new revision and is returned as ended, also if it was offline already:
    /// a kick that is reported again after a failure still cancels and fences. Returning from offline gives a new revision, too.
    /// [`Presence::Offline`] revokes tickets, unless push was switched off ([`admit`](Self::admit)).
    async fn set_presence(&self, app: &AppId, changes: Vec<PresenceChange>) -> Result<PresenceSet>;

    /// Applies badge changes, in order, and returns each new number, at most [`u32::MAX`]; 0 for an unknown device.
    ///
    /// Idempotent: a change of a message that changed the badge of this user's device before, at least within a day by the
    /// store's clock, changes nothing and returns the number that it led to then.
    async fn change_badges(&self, app: &AppId, changes: Vec<BadgeChange>) -> Result<Vec<u32>>;

    /// Replaces the tags of `user`, which [`Audience::Tags`] selects by. A user without devices may have tags. The same tag
    /// twice is one.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if there are more than [`Tag::MAX_PER_USER`].
    async fn set_tags(&self, app: &AppId, user: &UserId, tags: Vec<Tag>) -> Result<()>;

    /// Returns the tags of `user`, sorted.
    async fn tags(&self, app: &AppId, user: &UserId) -> Result<Vec<Tag>>;

    /// Returns how many registrations an app has.
    async fn count(&self, app: &AppId) -> Result<u64>;
}

/// A credential as it is stored: its configuration is sealed, and only the gateway has the key.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredCredential {
    /// The app it belongs to.
    pub app: AppId,
    /// Its id within the app, which survives rotation (S58).
    pub id: CertificateId,
    /// The provider plugin it configures, by its name in the registry.
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
    /// [`ErrorKind::Conflict`] if the number is taken, or was that of a removed credential.
    async fn add_credential(
        &self,
        id: Option<CertificateId>,
        credential: NewCredential,
    ) -> Result<StoredCredential>;

    /// Replaces a credential's content, label and expiry in place; id, provider, channel and environment stay (S58).
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such credential,
    /// [`ErrorKind::Conflict`] if provider, channel or environment differ.
    async fn rotate_credential(
        &self,
        id: CertificateId,
        credential: NewCredential,
    ) -> Result<StoredCredential>;

    /// The credentials of an app, by id; of every app if `app` is `None`.
    async fn credentials(&self, app: Option<&AppId>) -> Result<Vec<StoredCredential>>;

    /// One credential.
    async fn credential(&self, credential: &CredentialRef) -> Result<Option<StoredCredential>>;

    /// Removes a credential; its id is never given to another. Returns `true` if there was one. Registrations that name it
    /// stay.
    async fn remove_credential(&self, credential: &CredentialRef) -> Result<bool>;
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

/// The most events of one trace that are returned: a message to a million phones has millions.
pub const TRACE_LIMIT: usize = 10_000;

/// Which events [`TraceStore::find`] returns. What is `None` does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceQuery {
    /// Those of this user.
    pub user: Option<UserId>,
    /// Those of this device.
    pub device: Option<DeviceId>,
    /// Those of this message.
    pub message: Option<MessageId>,
    /// Those at this time or later.
    pub from: Option<Timestamp>,
    /// Those before this time.
    pub until: Option<Timestamp>,
}

impl Mark {
    /// Checks that the stage is one that a phone or a vendor reports.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] otherwise.
    pub fn check(&self) -> Result<()> {
        match self.stage {
            Stage::Delivered | Stage::Shown | Stage::Clicked => Ok(()),
            other => Err(Error::new(
                ErrorKind::Invalid,
                format!("the stage `{other}` cannot be recorded"),
            )
            .advise("record `delivered`, `shown` or `clicked`; append other events")),
        }
    }
}

impl TraceQuery {
    /// Every event of an app.
    pub fn all() -> Self {
        Self::default()
    }

    /// Returns `true` if `event` is one of those.
    pub fn selects(&self, event: &TraceEvent) -> bool {
        (self.user.is_none() || self.user == event.user)
            && (self.device.is_none() || self.device == event.device)
            && self
                .message
                .as_ref()
                .is_none_or(|message| *message == event.message)
            && self.from.is_none_or(|from| from <= event.at)
            && self.until.is_none_or(|until| event.at < until)
    }
}

/// A stage that a delivery reached on the phone, reported by the phone or the vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Only if it went to this device; `None` for any.
    pub device: Option<DeviceId>,
    /// [`Stage::Delivered`], [`Stage::Shown`] or [`Stage::Clicked`].
    pub stage: Stage,
    /// When it reached it.
    pub at: Timestamp,
}

/// The traces of messages and deliveries.
#[async_trait]
pub trait TraceStore: fmt::Debug + Send + Sync + 'static {
    /// Appends events. May return before they are durable: a trace explains a push, it does not carry it. A trace read
    /// afterwards has them.
    async fn append(&self, events: Vec<TraceEvent>) -> Result<()>;

    /// Records stages that deliveries reached on the phone, durably, and returns, for each, whether it was new. The event takes
    /// message, user, device, channel and credential from those that the delivery has. A stage that the delivery has already, a
    /// delivery that is not known, or one that went to another device is not recorded. Atomic: the same mark recorded twice at
    /// the same time is one event.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if a mark has another stage than those of [`Mark::stage`].
    async fn record(&self, app: &AppId, marks: Vec<Mark>) -> Result<Vec<bool>>;

    /// Returns the events of one delivery, oldest first, with those of its message that concern no other delivery, user or
    /// device; at most [`TRACE_LIMIT`]. Events of one moment are in the order they were appended.
    async fn trace_of_delivery(&self, app: &AppId, delivery: DeliveryId)
    -> Result<Vec<TraceEvent>>;

    /// Returns the events of one message, oldest first; at most [`TRACE_LIMIT`]. Events of one moment are in the order they
    /// were appended.
    async fn trace_of_message(&self, app: &AppId, message: &MessageId) -> Result<Vec<TraceEvent>>;

    /// Returns a page of the events that `query` selects, newest first, of at most `limit` events, from `after` on. Events of
    /// one moment are in the reverse of the order they were appended.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if `limit` is 0, or `after` does not come from this method.
    async fn find(
        &self,
        app: &AppId,
        query: &TraceQuery,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<TraceEvent>>;

    /// Deletes events older than `before`; returns how many.
    async fn prune_traces(&self, before: Timestamp) -> Result<u64>;
}
