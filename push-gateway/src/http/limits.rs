//! Who may run how many requests at the same time, and how often.
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::StatusCode;
use push_core::{AppId, DeviceId, Timestamp, api};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{problem::Problem, rate::Rate, settings::HttpSettings};
use crate::ticket::Ticket;

/// How many users, tickets, devices and addresses are remembered at the same time: about 4 MiB each.
const REMEMBERED: usize = 65_536;

/// Who a request is from, as its path says. Each kind has places of its own, so that none keeps another one out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// An IM server or an operator, with a key.
    Server,
    /// A phone.
    Phone,
    /// A vendor with receipts.
    Vendor,
    /// What a plugin answers.
    WayIn,
}

impl Kind {
    pub(super) fn of(path: &str) -> Self {
        let below = |prefix: &str| path.starts_with(prefix);
        if below("/v1/devices/") || below("/v1/apps/") {
            Self::Phone
        } else if below("/v1/vendor-receipts/") {
            Self::Vendor
        } else if below("/v1/") {
            Self::Server
        } else {
            Self::WayIn
        }
    }
}

/// A place among the requests that may run at the same time, held while one runs.
pub(crate) type Place = OwnedSemaphorePermit;

/// The places.
pub(super) struct Limits {
    server: Arc<Semaphore>,
    phone: Arc<Semaphore>,
    vendor: Arc<Semaphore>,
    way_in: Arc<Semaphore>,
    of_app: usize,
    phones_of_app: usize,
    /// At most three for each app that showed a key, a ticket, a signature or the secret of an address.
    apps: Mutex<HashMap<(Kind, AppId), Arc<Semaphore>>>,
    users: Rate,
    tickets: Rate,
    devices: Rate,
    wrong_keys: Rate,
}

impl Limits {
    pub(super) fn new(settings: &HttpSettings) -> Self {
        let HttpSettings { phones, .. } = settings;
        let places = |count| Arc::new(Semaphore::new(count));
        Self {
            server: places(settings.requests),
            phone: places(phones.requests),
            vendor: places(phones.requests),
            way_in: places(settings.requests),
            of_app: settings.requests_of_app,
            phones_of_app: phones.requests_of_app,
            apps: Mutex::default(),
            users: Rate::new(phones.user_rate, REMEMBERED),
            tickets: Rate::new(phones.ticket_rate, REMEMBERED),
            devices: Rate::new(phones.ticket_rate, REMEMBERED),
            wrong_keys: Rate::new(settings.wrong_keys, REMEMBERED),
        }
    }

    /// A place among the requests of this kind.
    pub(super) fn place(&self, kind: Kind) -> Result<Place, Problem> {
        let places = match kind {
            Kind::Server => &self.server,
            Kind::Phone => &self.phone,
            Kind::Vendor => &self.vendor,
            Kind::WayIn => &self.way_in,
        };
        Arc::clone(places).try_acquire_owned().map_err(|_| {
            Problem::overloaded("the gateway has as many requests under way as it may")
        })
    }

    /// A place among the requests of this kind that belong to `app`.
    pub(super) fn place_of(&self, kind: Kind, app: &AppId) -> Result<Place, Problem> {
        let places = {
            let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
            let places = apps.entry((kind, app.clone())).or_insert_with(|| {
                Arc::new(Semaphore::new(match kind {
                    Kind::Server | Kind::WayIn => self.of_app,
                    Kind::Phone | Kind::Vendor => self.phones_of_app,
                }))
            });
            Arc::clone(places)
        };
        places.try_acquire_owned().map_err(|_| {
            too_frequent(
                "this app has as many requests under way as it may",
                Duration::from_secs(1),
            )
        })
    }

    /// Counts a request with a ticket.
    pub(super) fn count_ticket(&self, ticket: &Ticket, now: Timestamp) -> Result<(), Problem> {
        let of_ticket = self.tickets.take(ticket.id, now);
        if let Some(wait) = of_ticket.wait {
            return Err(too_frequent("this ticket is shown too often", wait));
        }
        let of_user = self.users.take((&ticket.app, &ticket.user), now);
        match of_user.wait {
            Some(wait) => Err(too_frequent("this user's phones ask too often", wait)),
            None => Ok(()),
        }
    }

    /// Counts a request that a device signed.
    pub(super) fn count_device(
        &self,
        app: &AppId,
        device: &DeviceId,
        now: Timestamp,
    ) -> Result<(), Problem> {
        match self.devices.take((app, device), now).wait {
            Some(wait) => Err(too_frequent("this device sends receipts too often", wait)),
            None => Ok(()),
        }
    }

    /// Refuses to look at keys of an address that has shown too many wrong ones and never a right one.
    pub(super) fn may_show_key(&self, peer: Option<IpAddr>, now: Timestamp) -> Result<(), Problem> {
        let standing = self.wrong_keys.look(network(peer), now);
        match standing.wait {
            Some(wait) if !standing.trusted => Err(too_many_keys(wait)),
            _ => Ok(()),
        }
    }

    /// An address showed a right key.
    pub(super) fn right_key(&self, peer: Option<IpAddr>, now: Timestamp) {
        self.wrong_keys.trust(network(peer), now);
    }

    /// An address showed a wrong key. Returns how many it has shown.
    ///
    /// # Errors
    /// If it shows too many.
    pub(super) fn wrong_key(&self, peer: Option<IpAddr>, now: Timestamp) -> Result<u32, Problem> {
        let standing = self.wrong_keys.take(network(peer), now);
        match standing.wait {
            Some(wait) => Err(too_many_keys(wait)),
            None => Ok(standing.count),
        }
    }
}

fn too_frequent(detail: &str, wait: Duration) -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, api::code::TOO_FREQUENT)
        .detail(format!("{detail}; try again later"))
        .retry_after(wait)
}

fn too_many_keys(wait: Duration) -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-wrong-keys")
        .detail(
            "this address has shown too many wrong API keys; correct the key, and try again later",
        )
        .retry_after(wait)
}

/// What of an address one client cannot change at will.
fn network(peer: Option<IpAddr>) -> Option<u64> {
    Some(match peer? {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        // The first 64 bits; no IPv4 address is among them.
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => u64::from(address.to_bits()),
            None => u64::try_from(address.to_bits() >> 64).unwrap_or_default() | 1 << 63,
        },
    })
}
