//! One app's devices and credentials. Apps cannot mix, because each has its own.
use std::collections::{BTreeMap, BTreeSet, HashMap};

use push_core::{
    CertificateId, Channel, DeviceId, DeviceToken, Displaced, Platform, Presence, PresenceChange,
    Registered, Registration, Slot, StoredCredential, StoredRegistration, Timestamp, UserId,
};

#[derive(Default)]
pub(crate) struct App {
    pub(crate) devices: BTreeMap<DeviceId, DeviceRow>,
    pub(crate) users: HashMap<UserId, BTreeSet<DeviceId>>,
    pub(crate) tokens: HashMap<(Channel, DeviceToken), DeviceId>,
    pub(crate) credentials: BTreeMap<CertificateId, StoredCredential>,
}

pub(crate) struct DeviceRow {
    pub(crate) user: UserId,
    pub(crate) platform: Option<Platform>,
    pub(crate) presence: Presence,
    pub(crate) presence_at: Timestamp,
    pub(crate) badge: u32,
    pub(crate) registrations: BTreeMap<Slot, StoredRegistration>,
}

impl App {
    /// The device, if it is currently this user's.
    pub(crate) fn device_of(&mut self, user: &UserId, device: &DeviceId) -> Option<&mut DeviceRow> {
        self.devices.get_mut(device).filter(|it| it.user == *user)
    }

    pub(crate) fn register(&mut self, new: Registration) -> Registered {
        let mut done = Registered::default();
        let mut started = false;
        if let Some(row) = self.devices.get_mut(&new.device) {
            if row.user != new.user {
                let former = std::mem::replace(&mut row.user, new.user.clone());
                let lost = std::mem::take(&mut row.registrations);
                if let Some(devices) = self.users.get_mut(&former) {
                    devices.remove(&new.device);
                    if devices.is_empty() {
                        self.users.remove(&former);
                    }
                }
                if !lost.is_empty() {
                    done.displaced.push(Displaced {
                        user: former,
                        device: new.device.clone(),
                    });
                }
                for it in lost.into_values() {
                    self.tokens
                        .remove(&(it.registration.channel, it.registration.token));
                }
                started = true;
            }
            started |= row.presence == Presence::Offline;
        } else {
            started = true;
        }
        done.displaced.extend(self.take_token(&new));
        done.changed = started | self.put(new, started);
        done
    }

    /// Takes the token away from another device that has it.
    fn take_token(&mut self, new: &Registration) -> Option<Displaced> {
        let key = (new.channel.clone(), new.token.clone());
        let other = self
            .tokens
            .get(&key)
            .filter(|it| **it != new.device)?
            .clone();
        self.tokens.remove(&key);
        let row = self.devices.get_mut(&other)?;
        row.registrations
            .retain(|_, it| (&it.registration.channel, &it.registration.token) != (&key.0, &key.1));
        Some(Displaced {
            user: row.user.clone(),
            device: other,
        })
    }

    /// Puts the registration into its slot; answers whether it differs from what was there.
    fn put(&mut self, new: Registration, started: bool) -> bool {
        let row = self
            .devices
            .entry(new.device.clone())
            .or_insert_with(|| DeviceRow {
                user: new.user.clone(),
                platform: None,
                presence: Presence::Online,
                presence_at: new.told_at,
                badge: 0,
                registrations: BTreeMap::new(),
            });
        if started {
            row.presence = Presence::Online;
            row.presence_at = new.told_at;
            row.badge = 0;
        }
        self.users
            .entry(new.user.clone())
            .or_default()
            .insert(new.device.clone());
        let old = row.registrations.insert(
            new.slot,
            StoredRegistration {
                registration: new.clone(),
                quarantine: None,
            },
        );
        let changed = old.as_ref().is_none_or(|old| {
            let same = Registration {
                told_at: new.told_at,
                ..old.registration.clone()
            };
            old.quarantine.is_some() || same != new
        });
        if let Some(old) = old {
            self.drop_token(&old.registration);
        }
        self.tokens.insert((new.channel, new.token), new.device);
        changed
    }

    /// Takes registrations of a device away that `which` names; answers whether there were any.
    pub(crate) fn remove(
        &mut self,
        device: &DeviceId,
        which: impl Fn(&StoredRegistration) -> bool,
    ) -> bool {
        let Some(row) = self.devices.get_mut(device) else {
            return false;
        };
        let gone: Vec<_> = row
            .registrations
            .extract_if(.., |_, it| which(it))
            .collect();
        for (_, it) in &gone {
            self.drop_token(&it.registration);
        }
        !gone.is_empty()
    }

    /// Forgets whose token it is, unless another slot of the device has the same.
    fn drop_token(&mut self, old: &Registration) {
        let still = self.devices.get(&old.device).is_some_and(|row| {
            row.registrations.values().any(|it| {
                it.registration.channel == old.channel && it.registration.token == old.token
            })
        });
        if !still {
            self.tokens
                .remove(&(old.channel.clone(), old.token.clone()));
        }
    }

    pub(crate) fn set_presence(&mut self, change: &PresenceChange) -> u64 {
        let Some(devices) = self.users.get(&change.user) else {
            return 0;
        };
        let mut taken = 0;
        for id in devices {
            let Some(row) = self.devices.get_mut(id) else {
                continue;
            };
            let meant = match &change.device {
                Some(device) => device == id,
                None => change.platform.is_none() || change.platform == row.platform,
            };
            if !meant || change.at < row.presence_at {
                continue;
            }
            row.presence = change.presence;
            row.presence_at = change.at;
            row.platform = change.platform.or(row.platform);
            row.badge = change.badge.unwrap_or(row.badge);
            taken += 1;
        }
        taken
    }
}
