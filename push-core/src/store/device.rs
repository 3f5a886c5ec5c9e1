//! Devices and users: what apps and servers report of them, and what a decision reads.
use serde::{Deserialize, Serialize};

use crate::{
    AppId, DeviceId, EndCause, Ended, MessageId, Permission, Platform, Presence,
    StoredRegistration, Timestamp, UserId,
};

/// A device of a user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
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

/// What an app reports about its device. An absent fact keeps its stored value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
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

    crate::setters! {
        with_platform(platform: impl Into<Option<Platform>>);
        with_language(language: impl Into<Option<String>>);
        with_time_zone(time_zone: impl Into<Option<String>>);
        with_permission(permission: impl Into<Option<Permission>>);
        with_brand(brand: impl Into<Option<String>>);
        with_app_version(app_version: impl Into<Option<String>>);
    }
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
    /// Whether the store also has a registration that is damaged and cannot be read, which may be this device's.
    pub has_damaged: bool,
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
            has_damaged: false,
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
    /// Devices of the user whose records are damaged and cannot be read: the id of each, if that can be.
    pub damaged: Vec<Option<DeviceId>>,
}

impl Receiver {
    /// A user with these devices.
    pub const fn new(user: UserId, devices: Vec<Device>) -> Self {
        Self {
            user,
            devices,
            damaged: Vec::new(),
        }
    }

    /// Adds devices whose records cannot be read.
    #[must_use]
    pub fn with_damaged(mut self, damaged: Vec<Option<DeviceId>>) -> Self {
        self.damaged = damaged;
        self
    }

    /// Returns `true` if nothing is known of any device of the user.
    pub const fn is_unknown(&self) -> bool {
        self.devices.is_empty() && self.damaged.is_empty()
    }
}

/// One device's presence, as it was reported.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PresenceChange {
    /// The user.
    pub user: UserId,
    /// The device; `None` for all of the user's devices of `platform`, or all of them.
    pub device: Option<DeviceId>,
    /// What kind of client it is, if known.
    pub platform: Option<Platform>,
    /// The new presence.
    pub presence: Presence,
    /// When it began. A change older than the stored one is ignored (S71). An end, [`Presence::Offline`], is older only if the
    /// login began since, or another reporter than the phone said since that it goes on.
    pub at: Timestamp,
    /// The unread count it went to background with: the base of the badge (S65); `None` leaves it.
    pub badge: Option<u32>,
    /// Why it is [`Presence::Offline`], if the reporter said so ([`EndCause::is_reported`]).
    pub because: Option<EndCause>,
    /// Whether the phone says so itself. That it is used does not mean that its login is good: an end that the IM server reports
    /// of an earlier time counts.
    ///
    /// It does not bring back a device that is [`Presence::Offline`] either: a registration does.
    pub by_phone: bool,
    /// Whether it counts after everything that is known, whatever the times say: it is of the moment in which it came, and a clock
    /// may have been set back since the last one.
    pub is_latest: bool,
}

impl PresenceChange {
    /// A change of all devices of a user, reported by the IM server, without a badge.
    pub const fn new(user: UserId, presence: Presence, at: Timestamp) -> Self {
        Self {
            user,
            device: None,
            platform: None,
            presence,
            at,
            badge: None,
            because: None,
            by_phone: false,
            is_latest: false,
        }
    }

    /// Sets the only device that it concerns.
    #[must_use]
    pub fn on(mut self, device: DeviceId) -> Self {
        self.device = Some(device);
        self
    }

    /// Sets the unread count.
    #[must_use]
    pub const fn with_badge(mut self, badge: u32) -> Self {
        self.badge = Some(badge);
        self
    }

    /// Sets the cause of an end.
    #[must_use]
    pub const fn because(mut self, cause: EndCause) -> Self {
        self.because = Some(cause);
        self
    }
}

/// What [`RegistrationStore::set_presence`](crate::RegistrationStore::set_presence) did.
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
#[non_exhaustive]
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

impl BadgeChange {
    /// A change of the badge of `device` that `message` causes.
    pub const fn new(
        message: MessageId,
        user: UserId,
        device: DeviceId,
        change: BadgeArithmetic,
    ) -> Self {
        Self {
            message,
            user,
            device,
            change,
        }
    }
}

/// How a badge changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// Closed: every store sets numbers and adds to them.
pub enum BadgeArithmetic {
    /// The new number.
    Set(u32),
    /// What is added to the number.
    Add(u32),
}
