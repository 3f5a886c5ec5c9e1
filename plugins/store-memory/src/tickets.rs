//! Which device a ticket is bound to, and which tickets are revoked.
use std::collections::{BTreeMap, HashMap};

use push_core::{
    Admitted, DeviceFacts, DeviceId, DeviceRef, Platform, Presence, ShownTicket, TicketId,
    TicketRefusal, Timestamp, UserId,
};

use crate::app::App;

/// Of which devices of a user tickets are revoked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Revoked {
    /// Of all.
    User,
    /// Of those of a platform.
    Platform(&'static str),
    /// Of one.
    Device(DeviceId),
}

impl Revoked {
    /// Of which devices a report that they are offline revokes tickets.
    pub(crate) fn of(device: Option<&DeviceId>, platform: Option<Platform>) -> Self {
        match (device, platform) {
            (Some(device), _) => Self::Device(device.clone()),
            (None, Some(platform)) => Self::Platform(platform.as_str()),
            (None, None) => Self::User,
        }
    }
}

#[derive(Default)]
pub(crate) struct Tickets {
    /// The device that each is bound to, and when it ends.
    bound: HashMap<TicketId, (DeviceId, Timestamp)>,
    /// From when on a ticket must be.
    revoked: BTreeMap<(UserId, Revoked), Timestamp>,
}

impl Tickets {
    /// How many facts it remembers.
    pub(crate) fn len(&self) -> usize {
        self.bound.len() + self.revoked.len()
    }

    /// Forgets what matters to no ticket any more.
    pub(crate) fn prune(&mut self, now: Timestamp) {
        self.bound.retain(|_, (_, ends_at)| *ends_at >= now);
        let oldest = now - ShownTicket::MAX_LIFE;
        self.revoked.retain(|_, at| *at >= oldest);
    }

    pub(crate) fn revoke(&mut self, user: &UserId, of: Revoked, at: Timestamp) {
        let known = self.revoked.entry((user.clone(), of)).or_insert(at);
        *known = at.max(*known);
    }

    fn is_revoked(&self, user: &UserId, of: Revoked, issued_at: Timestamp) -> bool {
        let at = self.revoked.get(&(user.clone(), of));
        at.is_some_and(|at| issued_at < *at)
    }
}

impl App {
    /// Checks a ticket, and binds it to the device if it is bound to none. `facts` are what an unknown device reports of itself.
    pub(crate) fn admit(
        &mut self,
        owner: &DeviceRef,
        ticket: &ShownTicket,
        facts: &DeviceFacts,
        max_devices: usize,
    ) -> Admitted<()> {
        let known = self.devices.get(&owner.device);
        let platform = known.and_then(|row| row.facts.platform).or(facts.platform);
        let issued_at = ticket.issued_at;
        let revoked = |of| self.tickets.is_revoked(&owner.user, of, issued_at);
        let of_platform = match platform {
            Some(platform) => revoked(Revoked::Platform(platform.as_str())),
            // It may be of any.
            None if known.is_none() => Platform::ALL
                .iter()
                .any(|platform| revoked(Revoked::Platform(platform.as_str()))),
            None => false,
        };
        if of_platform || revoked(Revoked::User) || revoked(Revoked::Device(owner.device.clone())) {
            return Err(TicketRefusal::Revoked);
        }
        let bound = self.tickets.bound.get(&ticket.id);
        if bound.is_some_and(|(device, _)| *device != owner.device) {
            return Err(TicketRefusal::OtherDevice);
        }
        if self.others_of(owner) >= max_devices {
            return Err(TicketRefusal::TooManyDevices);
        }
        let binding = (owner.device.clone(), ticket.ends_at);
        self.tickets.bound.entry(ticket.id).or_insert(binding);
        Ok(())
    }

    /// How many other devices of the user can get pushes.
    fn others_of(&self, owner: &DeviceRef) -> usize {
        let devices = self.users.get(&owner.user).into_iter().flatten();
        devices
            .filter(|device| **device != owner.device)
            .filter_map(|device| self.devices.get(device))
            .filter(|row| row.presence != Presence::Offline && !row.registrations.is_empty())
            .count()
    }
}
