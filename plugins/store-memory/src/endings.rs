//! What last ended push for users, devices and slots.
use std::collections::{BTreeMap, HashMap};

use push_core::{DeviceId, EndCause, Ending, Slot, UserId};

/// The most users of an app of whom endings are remembered; those of further users are not.
const MAX_USERS: usize = 100_000;

/// A device or a slot of it; without a device, the user.
type Key = (Option<DeviceId>, Option<Slot>);

/// The endings of one app's users.
#[derive(Default)]
pub(crate) struct Endings(HashMap<UserId, BTreeMap<Key, Ending>>);

impl Endings {
    /// Returns the endings of a user: that of the user first, then by device and slot.
    pub(crate) fn of(&self, user: &UserId) -> Vec<Ending> {
        let all = self.0.get(user).into_iter().flat_map(BTreeMap::values);
        all.cloned().collect()
    }

    /// Remembers `ending`, which includes the slots of its device.
    pub(crate) fn add(&mut self, user: &UserId, ending: Ending) {
        if self.0.len() >= MAX_USERS && !self.0.contains_key(user) {
            return;
        }
        let all = self.0.entry(user.clone()).or_default();
        if ending.device.is_some() && ending.slot.is_none() {
            all.retain(|(device, _), _| *device != ending.device);
        }
        all.insert((ending.device.clone(), ending.slot), ending);
    }

    /// Why the device is offline, if that is known.
    pub(crate) fn cause(&self, user: &UserId, device: &DeviceId) -> Option<EndCause> {
        let all = self.0.get(user)?;
        let ending = all.get(&(Some(device.clone()), None))?;
        Some(ending.cause)
    }

    /// The user registered `slot` of `device`.
    pub(crate) fn clear(&mut self, user: &UserId, device: &DeviceId, slot: Slot) {
        let device = Some(device);
        self.remove(user, |of, ended| {
            of.is_none() || (of.as_ref() == device && ended.is_none_or(|ended| ended == slot))
        });
    }

    /// The device is not the user's any more.
    pub(crate) fn clear_device(&mut self, user: &UserId, device: &DeviceId) {
        self.remove(user, |of, _| of.as_ref() == Some(device));
    }

    fn remove(&mut self, user: &UserId, which: impl Fn(&Option<DeviceId>, Option<Slot>) -> bool) {
        if let Some(all) = self.0.get_mut(user) {
            all.retain(|(device, slot), _| !which(device, *slot));
            if all.is_empty() {
                self.0.remove(user);
            }
        }
    }
}
