//! Which device a ticket is bound to, and which tickets are revoked.
use std::collections::{BTreeMap, HashMap};

use push_core::{DeviceId, Platform, ShownTicket, TicketId, Timestamp, UserId};

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
    /// The device that each is bound to, `None` if it is revoked, and when it ends.
    pub(crate) bound: HashMap<TicketId, (Option<DeviceId>, Timestamp)>,
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

    /// Revokes the tickets that are bound to the device, whatever they are dated.
    pub(crate) fn revoke_bound(&mut self, device: &DeviceId) {
        for (bound, _) in self.bound.values_mut() {
            if bound.as_ref() == Some(device) {
                *bound = None;
            }
        }
    }

    /// Whether push has ended since on any of the user's devices.
    pub(crate) fn is_before_an_end(&self, user: &UserId, issued_at: Timestamp) -> bool {
        let of_user = self.revoked.range((user.clone(), Revoked::User)..);
        of_user
            .take_while(|((of, _), _)| of == user)
            .any(|(_, at)| issued_at < *at)
    }

    pub(crate) fn is_revoked(&self, user: &UserId, of: Revoked, issued_at: Timestamp) -> bool {
        let at = self.revoked.get(&(user.clone(), of));
        at.is_some_and(|at| issued_at < *at)
    }
}
