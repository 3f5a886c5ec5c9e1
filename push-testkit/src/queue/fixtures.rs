//! Deliveries, and shorter words for what the cases do.
use std::{sync::Arc, time::Duration};

use push_core::{
    AppId, Cancel, CertificateId, Channel, Delivery, DeliveryId, DeviceId, DeviceToken,
    Environment, Lane, LaneState, Lease, LeaseId, MessageId, Notification, Put, Return, Slot,
    Timestamp, UserId,
};

use super::QueueKit;
use crate::sample::NOW;

/// How long the cases lease.
pub(super) const HOLD: Duration = Duration::from_secs(30);

pub(super) fn app(id: &str) -> AppId {
    AppId::new(id).expect("an app id")
}

pub(super) fn user(id: &str) -> UserId {
    UserId::new(id).expect("a user id")
}

pub(super) fn device(id: &str) -> DeviceId {
    DeviceId::new(id).expect("a device id")
}

pub(super) fn message(id: &str) -> MessageId {
    MessageId::new(id).expect("a message id")
}

/// So many seconds after the beginning.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(NOW.unix_seconds() + seconds)
}

pub(super) fn lane() -> Lane {
    Lane {
        app: app("im"),
        certificate: CertificateId::new(31287).expect("a certificate id"),
    }
}

/// A delivery of message `of` to the phone of `to`, by certificate 31287 of the app `im`, decided at
/// [`NOW`](crate::sample::NOW).
///
/// # Panics
/// If `of` or `to` is no id.
pub fn delivery(of: &str, to: &str) -> Delivery {
    Delivery {
        id: DeliveryId::new(NOW),
        app: app("im"),
        message: message(of),
        user: user(to),
        device: device(&format!("{to}-phone")),
        slot: Slot::Alert,
        channel: Channel::APNS,
        certificate: lane().certificate,
        environment: Environment::Sandbox,
        token: DeviceToken::new(format!("token-of-{to}")).expect("a device token"),
        told_at: NOW,
        created_at: NOW,
        notification: Arc::new(Notification {
            title: of.to_owned(),
            ..Notification::default()
        }),
    }
}

impl QueueKit {
    pub(super) async fn put(&self, deliveries: Vec<Delivery>) -> Vec<Put> {
        let count = deliveries.len();
        let done = self.queue.put(deliveries).await.expect("puts");
        assert_eq!(done.len(), count, "one answer for each delivery");
        done
    }

    /// Puts what is new.
    pub(super) async fn put_new(&self, deliveries: Vec<Delivery>) {
        let done = self.put(deliveries).await;
        assert!(done.iter().all(|it| *it == Put::New));
    }

    pub(super) async fn lease(&self, limit: usize, now: Timestamp) -> Vec<Lease> {
        self.lease_from(&lane(), limit, now).await
    }

    pub(super) async fn lease_from(&self, of: &Lane, limit: usize, now: Timestamp) -> Vec<Lease> {
        let leased = self.queue.lease(of, limit, now, HOLD).await;
        leased.expect("leases")
    }

    /// Leases until there is nothing left that is due.
    pub(super) async fn lease_all(&self, now: Timestamp) -> Vec<Lease> {
        let mut all = Vec::new();
        loop {
            let more = self.lease(usize::MAX, now).await;
            if more.is_empty() {
                return all;
            }
            all.extend(more);
        }
    }

    pub(super) async fn ack(&self, leases: &[Lease]) -> u64 {
        self.ack_ids(leases.iter().map(|it| it.id).collect()).await
    }

    pub(super) async fn ack_ids(&self, leases: Vec<LeaseId>) -> u64 {
        self.queue.ack(leases).await.expect("acknowledges")
    }

    pub(super) async fn nack(&self, lease: &Lease, due: Timestamp, attempted: bool) -> u64 {
        let back = Return {
            lease: lease.id,
            due,
            attempted,
        };
        self.queue.nack(vec![back]).await.expect("gives back")
    }

    pub(super) async fn cancel(&self, within: &str, what: Cancel) -> Vec<Delivery> {
        let mut gone = self
            .queue
            .cancel(&app(within), &what)
            .await
            .expect("cancels");
        gone.sort_by_key(|it| it.id);
        gone
    }

    pub(super) async fn lanes(&self) -> Vec<LaneState> {
        let mut found = self.queue.lanes().await.expect("lists lanes");
        found.sort_by(|a, b| a.lane.cmp(&b.lane));
        found
    }
}

/// Whom leases are for.
pub(super) fn users(leases: &[Lease]) -> Vec<&str> {
    leases.iter().map(|it| it.delivery.user.as_str()).collect()
}
