//! One app's devices, tags and credentials. Apps cannot mix, because each has its own.
use std::collections::{BTreeMap, BTreeSet, HashMap};

use push_core::{
    CertificateId, Channel, Device, DeviceFacts, DeviceId, DeviceRef, DeviceToken, EndCause, Ended,
    Ending, Instance, Presence, PresenceChange, PresenceSet, Registered, Registration, Slot,
    SlotRef, StoredCredential, StoredRegistration, Tag, Timestamp, UserId,
};

use crate::{
    endings::Endings,
    tickets::{Revoked, Tickets},
};

/// The key of a registration within its device. Slots come in the order in which [`Slot`] declares them.
type Key = (Slot, Channel, Instance);

#[derive(Default)]
pub(crate) struct App {
    pub(crate) devices: BTreeMap<DeviceId, DeviceRow>,
    pub(crate) users: BTreeMap<UserId, BTreeSet<DeviceId>>,
    pub(crate) tokens: HashMap<(Channel, DeviceToken), DeviceId>,
    /// Sorted; users without tags are not in it.
    pub(crate) tags: BTreeMap<UserId, Vec<Tag>>,
    pub(crate) credentials: BTreeMap<CertificateId, StoredCredential>,
    /// The ids of removed credentials, which are not given again.
    pub(crate) removed: BTreeSet<CertificateId>,
    pub(crate) tickets: Tickets,
    pub(crate) endings: Endings,
}

pub(crate) struct DeviceRow {
    pub(crate) user: UserId,
    pub(crate) facts: DeviceFacts,
    pub(crate) presence: Presence,
    pub(crate) presence_at: Timestamp,
    /// From when on a report that the device is offline ends its login.
    pub(crate) ends_from: Timestamp,
    pub(crate) badge: u32,
    pub(crate) revision: u64,
    pub(crate) registrations: BTreeMap<Key, StoredRegistration>,
}

impl DeviceRow {
    /// A device that is seen for the first time.
    fn new(user: UserId, at: Timestamp) -> Self {
        Self {
            user,
            facts: DeviceFacts::default(),
            presence: Presence::Online,
            presence_at: at,
            ends_from: at,
            badge: 0,
            revision: 0,
            registrations: BTreeMap::new(),
        }
    }

    /// Moves the revision on, and returns the new one.
    fn advance(&mut self, now: Timestamp) -> u64 {
        self.revision = Device::revision_after(self.revision, now);
        self.revision
    }

    fn is_meant_by(&self, id: &DeviceId, change: &PresenceChange) -> bool {
        match &change.device {
            Some(device) => device == id,
            None => change.platform.is_none() || change.platform == self.facts.platform,
        }
    }

    /// Whether the change is news.
    fn accepts(&self, change: &PresenceChange) -> bool {
        let is_end = change.presence == Presence::Offline;
        if change.by_phone && !is_end && self.presence == Presence::Offline {
            return false;
        }
        let known = if is_end {
            self.ends_from
        } else {
            self.presence_at
        };
        change.is_latest || change.at >= known
    }

    /// The key of the instance that was reported longest ago, if the slot has no place for `new`.
    fn instance_in_the_way_of(&self, new: &Registration) -> Option<Key> {
        let is_known = self.registrations.contains_key(&key_of(new));
        let of_slot = || {
            let all = self
                .registrations
                .values()
                .map(|stored| &stored.registration);
            all.filter(|registration| registration.slot == new.slot)
        };
        if new.instance.is_only() || is_known || of_slot().count() < Instance::MAX_PER_SLOT {
            return None;
        }
        of_slot().min_by_key(|old| old.reported_at).map(key_of)
    }

    fn as_device(&self, id: &DeviceId) -> Device {
        let mut device = Device::new(id.clone(), self.presence_at, self.revision);
        device.facts = self.facts.clone();
        device.presence = self.presence;
        device.badge = self.badge;
        device.registrations = self.registrations.values().cloned().collect();
        device
    }
}

fn key_of(registration: &Registration) -> Key {
    (
        registration.slot,
        registration.channel.clone(),
        registration.instance.clone(),
    )
}

impl App {
    /// The device, if it is currently this user's.
    pub(crate) fn device_of(&mut self, user: &UserId, device: &DeviceId) -> Option<&mut DeviceRow> {
        self.devices.get_mut(device).filter(|row| row.user == *user)
    }

    /// The devices of a user, by id.
    pub(crate) fn devices_of(&self, user: &UserId) -> Vec<Device> {
        let ids = self.users.get(user).into_iter().flatten();
        ids.filter_map(|id| Some(self.devices.get(id)?.as_device(id)))
            .collect()
    }

    /// A device and whose it is.
    pub(crate) fn device(&self, id: &DeviceId) -> Option<(&UserId, Device)> {
        let row = self.devices.get(id)?;
        Some((&row.user, row.as_device(id)))
    }

    pub(crate) fn register(
        &mut self,
        owner: &DeviceRef,
        facts: &DeviceFacts,
        registrations: Vec<Registration>,
        ends_from: Option<Timestamp>,
        now: Timestamp,
    ) -> Vec<Registered> {
        let Some(first) = registrations.first() else {
            self.store_facts(owner, facts, now);
            return Vec::new();
        };
        let (started, mut displaced) = self.take_device(owner, first.reported_at, ends_from, now);
        let row = self.devices.get_mut(&owner.device);
        let mut news = row.is_some_and(|row| row.facts.update(facts)) || started;
        registrations
            .into_iter()
            .map(|new| {
                let mut displaced = std::mem::take(&mut displaced);
                displaced.extend(self.take_token(&new, now));
                let changed = self.put(new) | std::mem::take(&mut news);
                Registered::new(changed, displaced)
            })
            .collect()
    }

    /// Stores facts that came without a registration.
    fn store_facts(&mut self, owner: &DeviceRef, facts: &DeviceFacts, now: Timestamp) {
        if !self.devices.contains_key(&owner.device) {
            self.take_device(owner, now, None, now);
        }
        if let Some(row) = self.device_of(&owner.user, &owner.device) {
            row.facts.update(facts);
        }
    }

    /// Makes the device the user's. Returns whether it starts online, and the former user if that lost a registration.
    fn take_device(
        &mut self,
        owner: &DeviceRef,
        at: Timestamp,
        ends_from: Option<Timestamp>,
        now: Timestamp,
    ) -> (bool, Vec<Ended>) {
        let known = self.devices.contains_key(&owner.device);
        let row = self
            .devices
            .entry(owner.device.clone())
            .or_insert_with(|| DeviceRow::new(owner.user.clone(), at));
        let revision = row.advance(now);
        let former = std::mem::replace(&mut row.user, owner.user.clone());
        let moved = former != owner.user;
        let started = !known || moved || row.presence == Presence::Offline;
        if started {
            row.presence = Presence::Online;
            row.presence_at = at;
            row.ends_from = ends_from.unwrap_or(at);
            row.badge = 0;
        } else if let Some(ends_from) = ends_from {
            row.ends_from = row.ends_from.max(ends_from);
        }
        let lost = if moved {
            std::mem::take(&mut row.registrations)
        } else {
            BTreeMap::new()
        };
        for stored in lost.values() {
            let old = &stored.registration;
            self.tokens
                .remove(&(old.channel.clone(), old.token.clone()));
        }
        if moved && let Some(devices) = self.users.get_mut(&former) {
            devices.remove(&owner.device);
            if devices.is_empty() {
                self.users.remove(&former);
            }
        }
        if moved {
            self.endings.clear_device(&former, &owner.device);
            self.endings
                .add(&former, Ending::new(EndCause::DeviceTaken, now));
        }
        self.users
            .entry(owner.user.clone())
            .or_default()
            .insert(owner.device.clone());
        let displaced = (!lost.is_empty()).then(|| {
            Ended::new(
                former,
                owner.device.clone(),
                None,
                EndCause::DeviceTaken,
                revision,
            )
        });
        (started, displaced.into_iter().collect())
    }

    /// Takes the token away from another device that has it, and returns the slots that lost it.
    fn take_token(&mut self, new: &Registration, now: Timestamp) -> Vec<Ended> {
        let key = (new.channel.clone(), new.token.clone());
        let Some(other) = self.tokens.get(&key).filter(|other| **other != new.device) else {
            return Vec::new();
        };
        let other = other.clone();
        self.tokens.remove(&key);
        let Some(row) = self.devices.get_mut(&other) else {
            return Vec::new();
        };
        let lost = row.registrations.extract_if(.., |_, stored| {
            (&stored.registration.channel, &stored.registration.token) == (&key.0, &key.1)
        });
        let slots: BTreeSet<Slot> = lost.map(|((slot, ..), _)| slot).collect();
        let revision = row.advance(now);
        let ended = slots.into_iter().map(|slot| {
            let ending = Ending::new(EndCause::TokenTaken, now).on(other.clone(), Some(slot));
            self.endings.add(&row.user, ending);
            Ended::new(
                row.user.clone(),
                other.clone(),
                Some(slot),
                EndCause::TokenTaken,
                revision,
            )
        });
        ended.collect()
    }

    /// Stores the registration. Returns `true` if it differs from the one that was there.
    fn put(&mut self, new: Registration) -> bool {
        let Some(row) = self.devices.get_mut(&new.device) else {
            return false;
        };
        let extra = row.instance_in_the_way_of(&new);
        self.endings.clear(&new.user, &new.device, new.slot);
        let token = (new.channel.clone(), new.token.clone());
        let device = new.device.clone();
        let key = key_of(&new);
        let reported_at = new.reported_at;
        let new = StoredRegistration::new(new);
        let old = row.registrations.insert(key.clone(), new.clone());
        let changed = old.as_ref().is_none_or(|old| {
            let mut same = old.clone();
            same.registration.reported_at = reported_at;
            same != new
        });
        if let Some(old) = old {
            self.drop_token(&old.registration);
        }
        if let Some(extra) = extra {
            self.remove(&device, |stored| key_of(&stored.registration) == extra);
        }
        self.tokens.insert(token, device);
        changed
    }

    /// Removes registrations of a device. Returns them.
    fn remove(
        &mut self,
        device: &DeviceId,
        which: impl Fn(&StoredRegistration) -> bool,
    ) -> Vec<StoredRegistration> {
        let Some(row) = self.devices.get_mut(device) else {
            return Vec::new();
        };
        let gone: Vec<_> = row
            .registrations
            .extract_if(.., |_, stored| which(stored))
            .map(|(_, stored)| stored)
            .collect();
        for stored in &gone {
            self.drop_token(&stored.registration);
        }
        gone
    }

    /// Removes a dead token from the slots of `device`. Returns `true` if there were any.
    pub(crate) fn forget(
        &mut self,
        device: &DeviceId,
        now: Timestamp,
        which: impl Fn(&StoredRegistration) -> bool,
    ) -> bool {
        let gone = self.remove(device, which);
        for StoredRegistration { registration, .. } in &gone {
            let ending =
                Ending::new(EndCause::TokenDead, now).on(device.clone(), Some(registration.slot));
            self.endings.add(&registration.user, ending);
        }
        !gone.is_empty()
    }

    /// Remembers a refused registration.
    pub(crate) fn refuse(&mut self, owner: &DeviceRef, slot: Slot, reason: &str, now: Timestamp) {
        let ending = Ending::new(EndCause::Refused, now).because(Some(reason.to_owned()));
        let ending = match self.device_of(&owner.user, &owner.device) {
            Some(_) => ending.on(owner.device.clone(), Some(slot)),
            None => ending,
        };
        self.endings.add(&owner.user, ending);
    }

    /// Remembers why a device is offline. If it `was_offline` before, the first cause that was known stays.
    fn went_offline(
        &mut self,
        user: &UserId,
        device: &DeviceId,
        cause: EndCause,
        at: Timestamp,
        was_offline: bool,
    ) {
        let known = self.endings.cause(user, device);
        if !was_offline || known.is_none_or(|known| known == EndCause::Offline) {
            let ending = Ending::new(cause, at).on(device.clone(), None);
            self.endings.add(user, ending);
        }
    }

    /// Forgets which device has the token, unless another registration of the device has it, too.
    fn drop_token(&mut self, old: &Registration) {
        let still = self.devices.get(&old.device).is_some_and(|row| {
            row.registrations.values().any(|stored| {
                stored.registration.channel == old.channel && stored.registration.token == old.token
            })
        });
        if !still {
            self.tokens
                .remove(&(old.channel.clone(), old.token.clone()));
        }
    }

    pub(crate) fn unregister(
        &mut self,
        owner: &DeviceRef,
        slot: Option<Slot>,
        cause: EndCause,
        now: Timestamp,
    ) -> Option<Ended> {
        if slot.is_none() && cause != EndCause::SwitchedOff {
            let of = Revoked::Device(owner.device.clone());
            self.tickets.revoke(&owner.user, of, now);
            let is_later = self
                .device_of(&owner.user, &owner.device)
                .is_some_and(|row| row.ends_from > now);
            if is_later {
                self.tickets.revoke_bound(&owner.device);
            }
        }
        self.device_of(&owner.user, &owner.device)?;
        let removed = self.remove(&owner.device, |stored| {
            slot.is_none_or(|slot| slot == stored.registration.slot)
        });
        let row = self.devices.get_mut(&owner.device)?;
        let was_offline = row.presence == Presence::Offline;
        if slot.is_none() {
            row.presence = Presence::Offline;
            row.presence_at = row.presence_at.max(now);
        }
        if removed.is_empty() && (slot.is_some() || was_offline) {
            return None;
        }
        let revision = row.advance(now);
        if slot.is_some() {
            let ending = Ending::new(cause, now).on(owner.device.clone(), slot);
            self.endings.add(&owner.user, ending);
        } else {
            self.went_offline(&owner.user, &owner.device, cause, now, was_offline);
        }
        Some(Ended::new(
            owner.user.clone(),
            owner.device.clone(),
            slot,
            cause,
            revision,
        ))
    }

    pub(crate) fn resolve(&self, slot: &SlotRef) -> Option<StoredRegistration> {
        let row = self
            .devices
            .get(&slot.device)
            .filter(|row| row.user == slot.user)?;
        let key = (slot.slot, slot.channel.clone(), slot.instance.clone());
        row.registrations.get(&key).cloned()
    }

    pub(crate) fn holder(
        &self,
        channel: &Channel,
        token: &DeviceToken,
    ) -> Option<StoredRegistration> {
        let device = self.tokens.get(&(channel.clone(), token.clone()))?;
        let row = self.devices.get(device)?;
        let mut all = row.registrations.values();
        all.find(|stored| {
            stored.registration.channel == *channel && stored.registration.token == *token
        })
        .cloned()
    }

    /// Applies one change, and adds to `set` what it did.
    pub(crate) fn set_presence(
        &mut self,
        change: &PresenceChange,
        now: Timestamp,
        set: &mut PresenceSet,
    ) {
        let switched_off = change.because == Some(EndCause::SwitchedOff);
        if change.presence == Presence::Offline && !switched_off {
            let of = Revoked::of(change.device.as_ref(), change.platform);
            self.tickets.revoke(&change.user, of, change.at);
            let devices = self.users.get(&change.user).into_iter().flatten();
            for (id, row) in devices.filter_map(|id| Some((id, self.devices.get(id)?))) {
                if change.is_latest && row.is_meant_by(id, change) && row.ends_from > change.at {
                    self.tickets.revoke_bound(id);
                }
            }
        }
        let cause = change.because.unwrap_or(EndCause::Offline);
        let mut offline = Vec::new();
        for id in self.users.get(&change.user).into_iter().flatten() {
            let Some(row) = self.devices.get_mut(id) else {
                continue;
            };
            if !row.is_meant_by(id, change) || !row.accepts(change) {
                continue;
            }
            set.accepted += 1;
            if change.presence == Presence::Offline {
                offline.push((id.clone(), row.presence == Presence::Offline));
                set.ended.push(Ended::new(
                    change.user.clone(),
                    id.clone(),
                    None,
                    cause,
                    row.advance(now),
                ));
            } else if row.presence == Presence::Offline {
                row.advance(now);
            }
            if change.presence != Presence::Offline && !change.by_phone {
                row.ends_from = row.ends_from.max(change.at);
            }
            row.presence = change.presence;
            row.presence_at = row.presence_at.max(change.at);
            row.facts.platform = change.platform.or(row.facts.platform);
            row.badge = change.badge.unwrap_or(row.badge);
        }
        for (device, was_offline) in offline {
            self.went_offline(&change.user, &device, cause, change.at, was_offline);
        }
    }
}
