//! What a store must know of the tickets that phones show.
use std::{fmt, time::Duration};

use crate::Timestamp;

/// What distinguishes a ticket from every other one. Not a secret: it is a part of the ticket's signature, from which the
/// ticket cannot be made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId([u8; 16]);

impl TicketId {
    /// The id of these bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketId(")?;
        for byte in &self.0[..4] {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("…)")
    }
}

/// A ticket of the user of a [`DeviceRef`](crate::DeviceRef), whose signature was checked, as a phone shows it for the device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShownTicket {
    /// Which ticket.
    pub id: TicketId,
    /// When it was issued. A kick or logout later than this revokes it.
    pub issued_at: Timestamp,
    /// When it can no longer be used, not even for a logout. After this the store may delete the binding to a device.
    pub ends_at: Timestamp,
}

impl ShownTicket {
    /// A ticket that was issued at `issued_at` and is void from `ends_at`.
    pub const fn new(id: TicketId, issued_at: Timestamp, ends_at: Timestamp) -> Self {
        Self {
            id,
            issued_at,
            ends_at,
        }
    }

    /// The earliest time of a kick or logout that revokes it.
    pub fn revoked_from(&self) -> Timestamp {
        self.issued_at + Duration::from_millis(1)
    }

    /// The longest time from [`issued_at`](Self::issued_at) to [`ends_at`](Self::ends_at). A store may delete older kicks
    /// and logouts, because every ticket from before them has ended.
    pub const MAX_LIFE: Duration = Duration::from_secs(210 * 24 * 60 * 60);
}

/// Why a store refuses a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TicketRefusal {
    /// The user was kicked, or logged out on this device, after the ticket was issued; or, where the device is not the user's,
    /// was kicked or logged out on any.
    Revoked,
    /// It is bound to another device.
    OtherDevice,
    /// The user has as many devices as may be registered at the same time.
    TooManyDevices,
    /// What is stored of the device that it is bound to cannot be read.
    Damaged,
}

impl TicketRefusal {
    /// What is wrong, and what to do.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Revoked => {
                "the user was kicked or logged out after this ticket was issued; get a new ticket from the IM server and log in again"
            }
            Self::OtherDevice => {
                "the ticket belongs to another device; get a ticket of its own for each login"
            }
            Self::Damaged => {
                "the stored record of this ticket is damaged; get a new ticket from the IM server"
            }
            Self::TooManyDevices => {
                "the user has as many devices as may be registered; log out on one, or report one as offline"
            }
        }
    }
}
