//! The queue of deliveries: durable, leased, at least once.
use std::{fmt, time::Duration};

use crate::{
    AppId, CertificateId, Delivery, DeviceId, Lane, MessageId, Result, Timestamp, UserId,
    async_trait,
};

/// Deliveries on their way to providers.
///
/// What [`Queue::put`] has answered is not lost: not by a crash, not by an expired lease. A delivery may come twice
/// after a crash; its id is the same, so that vendors and phones can tell.
#[async_trait]
pub trait Queue: fmt::Debug + Send + Sync + 'static {
    /// Stores deliveries, due at once, and answers for each whether it was new, durably.
    ///
    /// One of an app, message, user, device and slot that was put before is [`Put::Duplicate`], also after it was
    /// acknowledged or cancelled, for as long as the queue remembers (at least a day by the deliveries' own dates).
    ///
    /// # Errors
    /// [`ErrorKind::Busy`](crate::ErrorKind::Busy) if the queue is full; none of the deliveries is stored then.
    async fn put(&self, deliveries: Vec<Delivery>) -> Result<Vec<Put>>;

    /// Takes up to `limit` due deliveries of `lane`, oldest due first, for `hold` from `now` on; of several due at the
    /// same time, the one put first. A lease that is neither acknowledged nor given back by then is due again, and
    /// whoever takes it next ends the old lease. It may take fewer than there are.
    async fn lease(
        &self,
        lane: &Lane,
        limit: usize,
        now: Timestamp,
        hold: Duration,
    ) -> Result<Vec<Lease>>;

    /// Ends leases: their deliveries are done. Answers how many were still held.
    async fn ack(&self, leases: Vec<LeaseId>) -> Result<u64>;

    /// Gives leases back, each due again at its time. Answers how many were still held.
    async fn nack(&self, returns: Vec<Return>) -> Result<u64>;

    /// Makes every delivery of `lane` that waits for a later time due at once: the credential was mended. Held ones are
    /// left alone. Answers how many it moved.
    async fn hasten(&self, lane: &Lane, now: Timestamp) -> Result<u64>;

    /// Removes deliveries that are not done yet, leased or not, and answers them: what is on the wire already cannot
    /// be called back, but its lease ends.
    async fn cancel(&self, app: &AppId, what: &Cancel) -> Result<Vec<Delivery>>;

    /// Every lane that has deliveries, with when the next one of them is due (held ones: when their lease ends).
    async fn lanes(&self) -> Result<Vec<LaneState>>;
}

/// What [`Queue::put`] did with one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is queued.
    New,
    /// It was put before.
    Duplicate,
}

/// Names a lease. Never used twice within a queue's life, restarts included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub i64);

/// A delivery, held for a while by whoever leased it.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The lease.
    pub id: LeaseId,
    /// The delivery.
    pub delivery: Delivery,
    /// Which attempt this is, from 1.
    pub attempt: u32,
}

/// A lease given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Return {
    /// The lease.
    pub lease: LeaseId,
    /// When it is due again.
    pub due: Timestamp,
    /// Whether the vendor was asked at all: if not, the attempt does not count.
    pub attempted: bool,
}

/// Which deliveries to cancel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cancel {
    /// Those of one message: it was recalled (S84).
    Message(MessageId),
    /// Those to one user's device: it logged out.
    Device(UserId, DeviceId),
    /// Those of one credential whose time to live had passed then, and that nobody holds: while the credential is
    /// suspended, nobody would lease them. At most [`Cancel::MOST_EXPIRED`] at a time; what is left takes another call.
    Expired(CertificateId, Timestamp),
}

impl Cancel {
    /// The most deliveries that one [`Cancel::Expired`] removes, since all are answered.
    pub const MOST_EXPIRED: usize = 20_000;
}

/// What waits in a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneState {
    /// The lane.
    pub lane: Lane,
    /// How many deliveries it holds, leased ones included.
    pub depth: u64,
    /// When the next one is due.
    pub next_due: Timestamp,
}
