//! The store of device registrations, presence, badges and tags.
use std::fmt;

use crate::{
    Admitted, AppId, Audience, BadgeChange, Channel, CredentialRef, Cursor, DeviceFacts, DeviceRef,
    DeviceToken, EndCause, Ended, Ending, Page, PresenceChange, PresenceSet, Receiver, Registered,
    Registration, Result, ShownTicket, Slot, SlotRef, StoredRegistration, Tag, Timestamp, UserId,
    async_trait,
};

/// Device registrations, presence, badges and tags.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store of registrations",
    note = "a store implements `RegistrationStore`, `CredentialStore` and `TraceStore`, each with `#[async_trait]` above the `impl`"
)]
#[async_trait]
pub trait RegistrationStore: fmt::Debug + Send + Sync + 'static {
    /// Returns how many rows, of any table, were skipped since the start because they are damaged. A store in which single rows
    /// cannot be damaged returns 0.
    fn damaged_rows(&self) -> u64 {
        0
    }

    /// Looks whether what the store keeps is still there and in order, as far as that takes no time: for a health check.
    ///
    /// # Errors
    /// What is wrong, and where. A store that cannot lose its data while it runs finds nothing.
    async fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Stores what a device reports, in order, and returns what each registration did. Every registration is of the device
    /// `owner`. A token registered again leaves quarantine. A change of the facts counts as one of the first registration.
    ///
    /// A device seen for the first time starts [`Presence::Online`](crate::Presence::Online) at the first registration's time with a badge of 0; one that
    /// was [`Presence::Offline`](crate::Presence::Offline) or of another user does so again. Its revision grows.
    ///
    /// Of a slot at most [`Instance::MAX_PER_SLOT`](crate::Instance::MAX_PER_SLOT) instances are kept.
    ///
    /// Without any registration only the facts are stored: a device that is not known yet starts online as of now by the
    /// store's clock; presence, badge and revision of a known one stay; one of another user is not changed, because nothing
    /// says that `owner` logged in after that user.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if a registration is not of the device `owner`.
    async fn register(
        &self,
        owner: &DeviceRef,
        facts: &DeviceFacts,
        registrations: Vec<Registration>,
    ) -> Result<Vec<Registered>>;

    /// Checks a ticket that a phone shows for the device `owner`. A ticket that is bound to no device yet is bound to this one, and
    /// is refused for every other device from then on.
    ///
    /// Refuses with [`TicketRefusal::Revoked`](crate::TicketRefusal::Revoked) a ticket that was issued before
    /// - the user, the user's devices of this platform, or this device was reported [`Presence::Offline`](crate::Presence::Offline), by the time of that
    ///   report, whether or not the store knew the device, and whether or not a newer presence was known;
    /// - the user's last [`unregister`](Self::unregister) of this device without a slot, by the store's clock;
    ///
    /// except where the cause was [`EndCause::SwitchedOff`], which does not end the login.
    ///
    /// On a device that is not the user's at that time, any of these ends revokes it, of whichever of the user's devices: a phone
    /// that was kicked must not come back under another device id with a ticket that it had not shown.
    ///
    /// The platform of a device is the one that is known, or else the one in `facts`; without either, a device that is not known
    /// is of every platform, and a known one of none.
    ///
    /// An [`unregister`](Self::unregister) and a report that is the latest ([`PresenceChange::is_latest`]) also revoke the tickets that are bound to
    /// the devices, if they are dated later because a clock was set back since. Both kinds of end are remembered for [`ShownTicket::MAX_LIFE`], a binding until
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
    /// `max_devices` of the user which have a registration and are not [`Presence::Offline`](crate::Presence::Offline).
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

    /// Removes the registrations of the user on the device; with a `slot`, those of that slot only, all channels and instances.
    ///
    /// - Returns `None` if nothing changed: there was no registration, or the device belongs to another user by now, so that a late
    ///   logout does not end a newer login (S43, S47).
    /// - Without a slot, a device that is still the user's becomes [`Presence::Offline`](crate::Presence::Offline) as of now by the
    ///   store's clock, so that a presence from before the logout is ignored afterwards. `Some` is returned if it was not offline
    ///   already. The device stays known. A repeated logout only moves the time of its presence.
    /// - Without a slot, the user's tickets for the device are revoked in any case, unless push was switched off
    ///   ([`admit`](Self::admit)).
    ///
    /// `cause` is one that can be reported ([`EndCause::is_reported`]).
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
    /// - A device: it became [`Presence::Offline`](crate::Presence::Offline). If it is offline already, the first cause stays, unless that was
    ///   [`EndCause::Offline`].
    /// - A slot: its tokens were unregistered, died, or were registered by another device.
    /// - [`RegistrationStore::refuse`].
    ///
    /// A registration removes those of its slot, its device and its user; the end of a device those of its slots; and a
    /// device that changes hands all of the former user's on it.
    async fn endings(&self, app: &AppId, users: &[UserId]) -> Result<Vec<Vec<Ending>>>;

    /// Returns each of `users`, in their order, with the devices that are currently theirs; without devices for a user who is
    /// not known. What is damaged is left out and named as such ([`Receiver::damaged`], [`Device::has_damaged`](crate::Device::has_damaged)), so that a
    /// decision does not say that there is none.
    async fn receivers(&self, app: &AppId, users: &[UserId]) -> Result<Vec<Receiver>>;

    /// Returns a page of the users that `audience` selects, of at most `limit` users, from `after` on. Every user
    /// who is selected before the first call and is not removed meanwhile comes exactly once, also across restarts.
    ///
    /// - [`Audience::Everybody`] and [`Audience::Tags`]: users with at least one device, damaged or not, by id.
    /// - [`Audience::Users`]: the listed users in their order, without devices for one who is not known.
    /// - [`Audience::Devices`]: the users of the listed devices in their order, with only those devices; a device that is not
    ///   known is left out. Here every device comes exactly once; a user whose devices come on several pages comes on each.
    /// - [`Audience::Tokens`]: none, because tokens need no registration.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if `limit` is 0, if `after` does not come from a scan of such an
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
    /// A device that accepts [`Presence::Offline`](crate::Presence::Offline) gets a new revision and is returned as ended, also if it was offline already:
    /// a kick that is reported again after a failure still cancels and fences. Returning from offline gives a new revision, too.
    /// [`Presence::Offline`](crate::Presence::Offline) revokes tickets, unless push was switched off ([`admit`](Self::admit)).
    ///
    /// [`Presence::Offline`](crate::Presence::Offline) is compared with the login, not with the presence, so that a phone that reports often cannot outlast
    /// a kick: it is ignored if it is older than the registration with which the device started online, or than another
    /// presence since that the phone did not report itself ([`PresenceChange::by_phone`]). Of a device that registered with a
    /// ticket it is ignored if it does not revoke the newest ticket ([`ShownTicket::revoked_from`]). The time of a presence never
    /// goes back. A change that is the latest ([`PresenceChange::is_latest`]) is never ignored for its time.
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
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if there are more than [`Tag::MAX_PER_USER`].
    async fn set_tags(&self, app: &AppId, user: &UserId, tags: Vec<Tag>) -> Result<()>;

    /// Returns the tags of `user`, sorted.
    async fn tags(&self, app: &AppId, user: &UserId) -> Result<Vec<Tag>>;

    /// Returns how many registrations an app has.
    async fn count(&self, app: &AppId) -> Result<u64>;
}
