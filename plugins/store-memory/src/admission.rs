//! Decides whether a ticket may register a device.
use push_core::{Admitted, DeviceFacts, DeviceRef, Platform, Presence, ShownTicket, TicketRefusal};

use crate::{app::App, tickets::Revoked};

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
        // A phone that was kicked may call itself another device.
        let is_of_user = known.is_some_and(|row| row.user == owner.user);
        if !is_of_user && self.tickets.is_before_an_end(&owner.user, issued_at) {
            return Err(TicketRefusal::Revoked);
        }
        match self.tickets.bound.get(&ticket.id) {
            Some((None, _)) => return Err(TicketRefusal::Revoked),
            Some((Some(device), _)) if *device != owner.device => {
                return Err(TicketRefusal::OtherDevice);
            }
            _ => {}
        }
        if self.others_of(owner) >= max_devices {
            return Err(TicketRefusal::TooManyDevices);
        }
        let binding = (Some(owner.device.clone()), ticket.ends_at);
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
