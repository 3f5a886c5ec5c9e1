//! The queue of deliveries: durable, leased, at least once.
use std::{fmt, time::Duration};

use crate::{
    AppId, BatchRef, CredentialRef, Delivery, DeliveryId, DeviceId, Lane, MessageId, RemovalCause,
    Removed, Result, Slot, Sought, Timestamp, UserId, async_trait,
};

/// The longest time for which [`Queue::lease`] holds a delivery and [`Queue::nack`] postpones one; a longer time is shortened to
/// it: the longest wait that a vendor can impose ([`Retry::MAX_AFTER`](crate::Retry::MAX_AFTER)).
pub const LONGEST_WAIT: Duration = crate::Retry::MAX_AFTER;

/// Deliveries on their way to providers.
///
/// A delivery that [`Queue::put`] accepted is not lost by a crash or by an expired lease. It may be leased twice
/// after a crash; its id is the same, so that vendors and phones can recognise it.
///
/// Due times, leases and expiry are judged by the queue's own clock (for a database: the database's), never by the caller's, so
/// that callers whose clocks differ cannot take each other's leases. When that clock is set back, every wait that was computed
/// from the later time is shortened by the step; [`Delivery::due`] still counts.
///
/// The content of deliveries with equal [`Content::id`](crate::Content::id), app and message is stored once: the first one put
/// counts for all of them while one of them waits.
///
/// Stored data that cannot be read does not stop a lane: the queue moves such a delivery aside, logs and counts it
/// ([`Queue::damaged`]), and leases the others.
///
/// A queue of bounded size shares its room: see [`Held::has_room`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a queue",
    note = "implement `Queue` for it, with `#[async_trait]` above the `impl`"
)]
#[async_trait]
pub trait Queue: fmt::Debug + Send + Sync + 'static {
    /// Stores deliveries durably and returns, for each, what it did. One whose [`Delivery::due`] is `None` or past is due at
    /// once.
    ///
    /// One of the same app, message, address and channel as an earlier one is [`Put::Duplicate`], also after that
    /// was acknowledged or cancelled, for as long as the queue remembers the message: at least a day by its own clock after the
    /// last put or recall of the message. Any other one that an earlier [`Queue::cancel`] concerns is [`Put::Fenced`], and is not
    /// remembered. One whose app or credential holds its share of the queue already is [`Put::Full`], and is not remembered
    /// either.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`](crate::ErrorKind::Busy) if the queue is full; none of the deliveries is stored then.
    async fn put(&self, deliveries: Vec<Delivery>) -> Result<Vec<Put>>;

    /// Leases up to `limit` due deliveries of `lane` for `hold` (at most [`LONGEST_WAIT`]), the one due first before the
    /// others; of several due at the same time, the one put first. Deliveries that were returned together with one
    /// [`BatchRef`] and due at the same time follow each other, at the place of the one put first. A lease that is neither
    /// acknowledged nor returned by then is due again, and the next lease of the delivery ends the old one. It may lease fewer
    /// than there are, but none only if none is due.
    async fn lease(&self, lane: &Lane, limit: usize, hold: Duration) -> Result<Vec<Lease>>;

    /// Ends leases: their deliveries are done. Returns how many were still held.
    async fn ack(&self, leases: Vec<LeaseId>) -> Result<u64>;

    /// Returns leases, each due again after its time (at most [`LONGEST_WAIT`]). Returns how many were still held.
    async fn nack(&self, returns: Vec<Return>) -> Result<u64>;

    /// Replaces leased deliveries by changed ones of the same id, atomically: the lease ends, and the changed delivery is due
    /// at once in its own lane, with the attempts that it had and without a batch. For a delivery whose device registered under
    /// another credential meanwhile. Its new identity is remembered beside the old one. Returns how many
    /// leases were still held; one that was not is left alone.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if a delivery has another id, app or message than the leased one;
    /// nothing is replaced then.
    async fn replace(&self, replacements: Vec<(LeaseId, Delivery)>) -> Result<u64>;

    /// Makes every delivery of `credential` that waits for a later time due at once: the credential was repaired. Deliveries
    /// that are leased, and those whose [`Delivery::due`] is still to come, are left alone. Returns how many it moved.
    async fn hasten(&self, credential: &CredentialRef) -> Result<u64>;

    /// Removes up to `limit` deliveries that are not done yet, leased or not, and returns which. A push that is with the vendor
    /// already cannot be stopped, but its lease ends. Fewer than `limit` means that there are no more; otherwise the caller
    /// calls again. A `limit` of 0 fences and removes nothing.
    ///
    /// What was removed is remembered until [`confirm`](Self::confirm) is called for it ([`unconfirmed`](Self::unconfirmed)).
    ///
    /// The first call also fences: what was decided before and is put afterwards is [`Put::Fenced`] (see [`Cancel`]). Fence and
    /// removal are one transaction.
    async fn cancel(&self, app: &AppId, what: &Cancel, limit: usize) -> Result<Vec<Cancelled>>;

    /// Returns every lane that has deliveries.
    async fn lanes(&self) -> Result<Vec<LaneState>>;

    /// Returns how many deliveries were moved aside so far because what is stored of them cannot be read, over restarts. A queue
    /// that cannot lose its data piece by piece returns 0.
    async fn damaged(&self) -> Result<u64> {
        Ok(0)
    }

    /// Returns, for each message, whether the queue remembers it: every message of which a delivery waits, and for at least a
    /// day every one that was put or recalled. A message that was put within the last day and is not remembered was in a queue
    /// that this one has replaced, or its record is damaged. `None` if the queue does not know.
    async fn remembered(&self, app: &AppId, messages: Vec<MessageId>) -> Result<Option<Vec<bool>>> {
        let _ = (app, messages);
        Ok(None)
    }

    /// Returns, for each delivery, whether the queue has it: it waits or is leased. `None` if the queue does not know. A delivery
    /// of a remembered message that is not there was acknowledged or removed, or its record is damaged.
    async fn holds(&self, app: &AppId, deliveries: Vec<Sought>) -> Result<Option<Vec<bool>>> {
        let _ = (app, deliveries);
        Ok(None)
    }

    /// Returns up to `limit` deliveries that the queue removed for this cause, without an acknowledgement, and whose end was not
    /// [confirmed](Self::confirm). They are kept in the transaction that removes them, and over restarts: a gateway that is
    /// killed before it has stored why they ended can store it afterwards. Fewer than `limit` means that there are no more.
    ///
    /// A queue that does not survive a restart itself returns none. A delivery whose id or app cannot be read is not among them.
    async fn unconfirmed(&self, cause: RemovalCause, limit: usize) -> Result<Vec<Removed>> {
        let _ = (cause, limit);
        Ok(Vec::new())
    }

    /// Forgets these ends of deliveries, whose traces are stored. Others are ignored.
    async fn confirm(&self, deliveries: Vec<DeliveryId>) -> Result<()> {
        let _ = deliveries;
        Ok(())
    }

    /// Looks whether what the queue keeps is still there and in order, as far as that takes no time: for a health check.
    ///
    /// # Errors
    /// What is wrong, and where. A queue that cannot lose its data while it runs finds nothing.
    async fn check(&self) -> Result<()> {
        Ok(())
    }
}

/// How many deliveries a queue of bounded size holds, for deciding whether one more fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// Of all apps.
    pub total: u64,
    /// Of one app.
    pub app: u64,
    /// Of one credential of that app.
    pub credential: u64,
}

impl Held {
    /// Returns `true` if one more delivery of the app and credential may be put into a queue of `capacity` deliveries.
    ///
    /// An app may hold four fifths of what it holds and what is free together; a credential four fifths of what it holds and
    /// what its app may still put. One app alone therefore fills at most about 80 % of a queue (64 % with one credential), two
    /// fill 89 %, and an app that has little in the queue finds room whatever others put before.
    pub const fn has_room(self, capacity: u64) -> bool {
        if Self::has_room_for_all(self.total, capacity) {
            return true;
        }
        let left = self.left_of_app(capacity);
        left > 0 && self.credential < share(self.credential, left)
    }

    /// As [`Held::has_room`], for the app alone, without its credentials.
    pub const fn app_has_room(self, capacity: u64) -> bool {
        Self::has_room_for_all(self.total, capacity) || self.left_of_app(capacity) > 0
    }

    const fn left_of_app(self, capacity: u64) -> u64 {
        let free = capacity.saturating_sub(self.total);
        share(self.app, free).saturating_sub(self.app)
    }

    /// Returns `true` if a queue of `capacity` deliveries that holds `total` has room for every app and credential, whatever
    /// holds what: it is at most half full, and callers need not count.
    pub const fn has_room_for_all(total: u64, capacity: u64) -> bool {
        total <= capacity / 2
    }

    crate::setters! {
        with_total(total: u64);
        with_app(app: u64);
        with_credential(credential: u64);
    }
}

/// Four fifths, rounded down, so that something is always left.
const fn share(held: u64, free: u64) -> u64 {
    let all = held.saturating_add(free);
    all - all.div_ceil(5)
}

/// What [`Queue::put`] did with one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Put {
    /// It is queued.
    New,
    /// It was put before.
    Duplicate,
    /// It was decided before a logout or recall that the queue knows, and is not queued.
    Fenced,
    /// Its app or credential holds its share of the queue already ([`Held::has_room`]). It is not queued, and may be put again
    /// later.
    Full,
}

/// Names a lease, in the queue's own encoding. Never used twice within a queue's life, restarts included.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(Box<[u8]>);

impl LeaseId {
    /// A lease that the queue encodes as `bytes`.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The queue's encoding.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<i64> for LeaseId {
    fn from(number: i64) -> Self {
        Self::new(number.to_be_bytes())
    }
}

impl LeaseId {
    /// The number that this lease was made from; `None` if it was made from something else.
    pub fn number(&self) -> Option<i64> {
        self.0.as_ref().try_into().ok().map(i64::from_be_bytes)
    }
}

impl fmt::Debug for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in &*self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// A delivery, held for a while by the caller that leased it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Lease {
    /// The lease.
    pub id: LeaseId,
    /// The delivery.
    pub delivery: Delivery,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// The batch in which the last attempt sent it, if its outcome is unknown.
    pub batch: Option<BatchRef>,
}

impl Lease {
    /// The first lease of `delivery`.
    pub const fn new(id: LeaseId, delivery: Delivery) -> Self {
        Self {
            id,
            delivery,
            attempt: 1,
            batch: None,
        }
    }

    /// Sets which attempt it is.
    #[must_use]
    pub const fn with_attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// Sets the batch of the last attempt.
    #[must_use]
    pub const fn with_batch(mut self, batch: Option<BatchRef>) -> Self {
        self.batch = batch;
        self
    }
}

/// A lease that is returned to the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Return {
    /// The lease.
    pub lease: LeaseId,
    /// After how long it is due again.
    pub after: Duration,
    /// Whether the attempt counts: `false` if the vendor was not asked.
    pub attempted: bool,
    /// The batch in which it was sent, if the outcome is unknown; the next lease has it.
    pub batch: Option<BatchRef>,
}

impl Return {
    /// Returns `lease`, due again after `after`; the attempt counts.
    pub const fn new(lease: LeaseId, after: Duration) -> Self {
        Self {
            lease,
            after,
            attempted: true,
            batch: None,
        }
    }

    /// The attempt does not count: the vendor was not asked.
    #[must_use]
    pub const fn without_attempt(mut self) -> Self {
        self.attempted = false;
        self
    }

    /// It was sent in `batch`, and the outcome is unknown.
    #[must_use]
    pub const fn with_batch(mut self, batch: Option<BatchRef>) -> Self {
        self.batch = batch;
        self
    }
}

/// Which deliveries to cancel, and which later ones to fence off.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cancel {
    /// Those of one message: it was recalled (S84). Fences every later delivery of the message, which the queue need not have
    /// seen before, for as long as it remembers the message.
    Message(MessageId),
    /// Those to one user's device (`slot`: to that slot only) that were decided before revision `before` of the device: it
    /// logged out, was kicked, or switched push off. Fences deliveries of an earlier revision for at least an hour, which
    /// is longer than a submission can be under way.
    Device {
        /// The user.
        user: UserId,
        /// The device.
        device: DeviceId,
        /// Only this slot.
        slot: Option<Slot>,
        /// The revision that the logout gave the device.
        before: u64,
    },
    /// Those to one user of one conversation ([`Notification::thread`](crate::Notification::thread)) that were created at
    /// `until` or earlier: the user read it elsewhere. Fences nothing.
    Conversation {
        /// The user.
        user: UserId,
        /// The conversation.
        conversation: String,
        /// Up to which time it was read.
        until: Timestamp,
    },
    /// Those of one credential whose life has ended and that are not leased: none is leased while the credential is
    /// suspended. Fences nothing.
    Expired(CredentialRef),
}

impl Cancel {
    /// The cause with which it removes deliveries.
    pub const fn cause(&self) -> RemovalCause {
        match self {
            Self::Message(_) => RemovalCause::Recalled,
            Self::Device { .. } => RemovalCause::Ended,
            Self::Conversation { .. } => RemovalCause::Read,
            Self::Expired(_) => RemovalCause::Expired,
        }
    }
}

/// A delivery that was cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cancelled {
    /// The delivery.
    pub id: DeliveryId,
    /// The message that caused it.
    pub message: MessageId,
    /// The user it was for; `None` if the caller addressed a token.
    pub user: Option<UserId>,
    /// The device it was for; `None` if the caller addressed a token.
    pub device: Option<DeviceId>,
    /// The credential and class it waited for.
    pub lane: Lane,
}

impl Cancelled {
    /// Describes `delivery`, which was cancelled.
    pub fn of(delivery: &Delivery) -> Self {
        Self::new(
            delivery.id,
            delivery.message().clone(),
            delivery.user().cloned(),
            delivery.device().cloned(),
            delivery.lane(),
        )
    }

    /// A cancelled delivery.
    pub const fn new(
        id: DeliveryId,
        message: MessageId,
        user: Option<UserId>,
        device: Option<DeviceId>,
        lane: Lane,
    ) -> Self {
        Self {
            id,
            message,
            user,
            device,
            lane,
        }
    }
}

impl From<&Cancelled> for Removed {
    fn from(cancelled: &Cancelled) -> Self {
        let credential = &cancelled.lane.credential;
        Self {
            id: cancelled.id,
            app: credential.app.clone(),
            message: Some(cancelled.message.clone()),
            user: cancelled.user.clone(),
            device: cancelled.device.clone(),
            certificate: Some(credential.certificate),
        }
    }
}

/// What waits in a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaneState {
    /// The lane.
    pub lane: Lane,
    /// How many deliveries it holds, leased ones included.
    pub depth: u64,
    /// After how long the next one is due (a leased one: when its lease ends); zero if one is due now.
    pub next_due: Duration,
    /// How long ago the oldest one was created.
    pub oldest: Duration,
}

impl LaneState {
    /// The state of `lane`.
    pub const fn new(lane: Lane, depth: u64, next_due: Duration, oldest: Duration) -> Self {
        Self {
            lane,
            depth,
            next_due,
            oldest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: u64 = 1000;

    /// Puts for one credential of one app until there is no room, beside what `others` hold.
    fn fill(others: u64, of_app: u64) -> u64 {
        let mut credential = 0;
        let held = |credential| Held {
            total: others + of_app + credential,
            app: of_app + credential,
            credential,
        };
        while held(credential).has_room(CAPACITY) {
            credential += 1;
        }
        credential
    }

    #[test]
    fn a_burst_leaves_room_for_other_credentials_and_apps() {
        let first = fill(0, 0);
        assert!((600..700).contains(&first), "{first}");
        let second = fill(0, first);
        assert!(second > 0);
        let app = first + second;
        assert!(app <= 800, "{app}");
        // Any number of apps, each of which takes what it gets.
        let mut total = app;
        for _ in 0..5 {
            let more = fill(total, 0);
            assert!(more > 0, "{total} of {CAPACITY} are held");
            total += more;
        }
        assert!(total < CAPACITY);
    }

    #[test]
    fn a_queue_that_is_half_empty_has_room_for_all() {
        for total in 0..=CAPACITY / 2 {
            assert!(Held::has_room_for_all(total, CAPACITY));
            let held = Held {
                total,
                app: total,
                credential: total,
            };
            assert!(held.has_room(CAPACITY), "{total}");
        }
        for capacity in 1..10 {
            assert!(Held::default().has_room(capacity));
        }
    }
}
