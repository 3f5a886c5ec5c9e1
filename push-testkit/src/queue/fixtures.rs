//! Deliveries, and shorter words for what the cases do.
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use push_core::{
    Address, AppId, BatchId, BatchRef, Cancel, Cancelled, CertificateId, Channel, Class, Content,
    ContentId, CredentialRef, Delivery, DeliveryId, DeviceId, DeviceToken, Environment, Instance,
    Lane, LaneState, Lease, LeaseId, MessageId, Notification, Put, Return, Slot, Timestamp, UserId,
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

pub(super) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// The time `count` seconds after [`NOW`].
pub(super) fn at(count: i64) -> Timestamp {
    Timestamp::from_unix_seconds(NOW.unix_seconds() + count)
}

pub(super) fn certificate(id: i64) -> CertificateId {
    CertificateId::new(id).expect("a certificate id")
}

pub(super) fn credential(within: &str, id: i64) -> CredentialRef {
    CredentialRef::new(app(within), certificate(id))
}

/// The lane of [`delivery`].
pub(super) fn lane() -> Lane {
    lane_of("im", 31287, Class::CHAT)
}

pub(super) fn lane_of(within: &str, id: i64, class: Class) -> Lane {
    Lane::new(credential(within, id), class)
}

/// An id that is equal for equal seeds.
pub(super) fn content_id(seed: &str) -> ContentId {
    let half = |number: u8| {
        let mut hasher = DefaultHasher::new();
        (number, seed).hash(&mut hasher);
        hasher.finish()
    };
    let text = format!("{:016x}{:016x}", half(0), half(1));
    text.parse().expect("a content id")
}

/// A delivery of message `of` to the phone of `to`, by certificate 31287 of the app `im`, of class `chat`, decided at
/// [`NOW`] and revision 1. All deliveries of a message have equal contents.
///
/// # Panics
/// If `of` or `to` is no id.
pub fn delivery(of: &str, to: &str) -> Delivery {
    let notification = Notification::default().with_title(of);
    delivery_with(of, to, notification)
}

/// As [`delivery`], with this notification.
///
/// # Panics
/// If `of` or `to` is no id.
pub fn delivery_with(of: &str, to: &str, notification: Notification) -> Delivery {
    let seed = serde_json::to_string(&notification).expect("a notification is JSON");
    let content = Content::new(
        content_id(&seed),
        app("im"),
        message(of),
        Class::CHAT,
        notification,
    );
    let address = Address::Device {
        user: user(to),
        device: device(&format!("{to}-phone")),
        slot: Slot::Alert,
        instance: Instance::ONLY,
    };
    Delivery::new(
        DeliveryId::new(NOW),
        Arc::new(content),
        address,
        Channel::known("sample"),
        certificate(31287),
        NOW,
    )
    .with_revision(1)
}

/// `delivery` after `change`.
pub(super) fn changed(mut delivery: Delivery, change: impl FnOnce(&mut Delivery)) -> Delivery {
    change(&mut delivery);
    delivery
}

/// `delivery` in another app, of another certificate and class.
pub(super) fn within(mut delivery: Delivery, of: &Lane) -> Delivery {
    let content = Arc::make_mut(&mut delivery.content);
    content.app = of.credential.app.clone();
    content.class = of.class.clone();
    delivery.certificate = of.credential.certificate;
    delivery
}

/// The address of a device's slot.
pub(super) fn to(user_id: &str, device_id: &str, slot: Slot, instance: &str) -> Address {
    Address::Device {
        user: user(user_id),
        device: device(device_id),
        slot,
        instance: Instance::new(instance).expect("an instance"),
    }
}

/// The address of a token.
pub(super) fn to_token(token: &str) -> Address {
    Address::Token {
        slot: Slot::Alert,
        environment: Environment::Production,
        token: DeviceToken::new(token).expect("a device token"),
    }
}

/// A batch of `size` deliveries.
pub(super) fn batch(size: u32) -> BatchRef {
    BatchRef::new(BatchId::new(NOW), size)
}

/// What a device's logout at revision `before` cancels.
pub(super) fn logout(of: &str, on: &str, before: u64) -> Cancel {
    Cancel::Device {
        user: user(of),
        device: device(on),
        slot: None,
        before,
    }
}

/// What was read of a conversation.
pub(super) fn read(by: &str, conversation: &str, until: Timestamp) -> Cancel {
    Cancel::Conversation {
        user: user(by),
        conversation: conversation.to_owned(),
        until,
    }
}

impl QueueKit {
    pub(super) async fn put(&self, deliveries: Vec<Delivery>) -> Vec<Put> {
        let count = deliveries.len();
        let done = self.queue.put(deliveries).await.expect("puts");
        assert_eq!(done.len(), count, "one answer for each delivery");
        done
    }

    /// Puts deliveries that are new.
    pub(super) async fn put_new(&self, deliveries: Vec<Delivery>) {
        let done = self.put(deliveries).await;
        assert!(done.iter().all(|put| *put == Put::New), "{done:?}");
    }

    pub(super) async fn lease(&self, limit: usize) -> Vec<Lease> {
        self.lease_from(&lane(), limit).await
    }

    pub(super) async fn lease_from(&self, of: &Lane, limit: usize) -> Vec<Lease> {
        self.queue.lease(of, limit, HOLD).await.expect("leases")
    }

    /// Leases until no more is due.
    pub(super) async fn lease_all(&self) -> Vec<Lease> {
        let mut all = Vec::new();
        loop {
            let more = self.lease(usize::MAX).await;
            if more.is_empty() {
                return all;
            }
            all.extend(more);
        }
    }

    pub(super) async fn ack(&self, leases: &[Lease]) -> u64 {
        self.ack_ids(ids(leases)).await
    }

    pub(super) async fn ack_ids(&self, leases: Vec<LeaseId>) -> u64 {
        self.queue.ack(leases).await.expect("acknowledges")
    }

    /// Returns a lease, due again after `after` seconds.
    pub(super) async fn nack(&self, lease: &Lease, after: u64) -> u64 {
        self.nack_all(vec![Return::new(lease.id.clone(), seconds(after))])
            .await
    }

    pub(super) async fn nack_all(&self, returns: Vec<Return>) -> u64 {
        self.queue.nack(returns).await.expect("returns")
    }

    pub(super) async fn hasten(&self, of: &CredentialRef) -> u64 {
        self.queue.hasten(of).await.expect("hastens")
    }

    pub(super) async fn replace(&self, lease: &Lease, by: Delivery) -> u64 {
        let replacement = (lease.id.clone(), by);
        self.queue
            .replace(vec![replacement])
            .await
            .expect("replaces")
    }

    /// Cancels, 3 deliveries a call, until there are no more.
    pub(super) async fn cancel(&self, within: &str, what: &Cancel) -> Vec<Cancelled> {
        const LIMIT: usize = 3;
        let mut all = Vec::new();
        loop {
            let some = self.queue.cancel(&app(within), what, LIMIT).await;
            let some = some.expect("cancels");
            assert!(some.len() <= LIMIT, "{} at once", some.len());
            let is_last = some.len() < LIMIT;
            all.extend(some);
            if is_last {
                all.sort_by_key(|cancelled| cancelled.id);
                return all;
            }
        }
    }

    pub(super) async fn lanes(&self) -> Vec<LaneState> {
        let mut found = self.queue.lanes().await.expect("lists lanes");
        found.sort_by(|a, b| a.lane.cmp(&b.lane));
        found
    }

    /// How many deliveries all lanes hold.
    pub(super) async fn depth(&self) -> u64 {
        self.lanes().await.iter().map(|state| state.depth).sum()
    }

    pub(super) fn advance(&self, count: u64) {
        self.clock.advance(seconds(count));
    }
}

/// What is to be known of cancelled deliveries, by id.
pub(super) fn cancelled(deliveries: &[Delivery]) -> Vec<Cancelled> {
    let mut all: Vec<_> = deliveries.iter().map(Cancelled::of).collect();
    all.sort_by_key(|cancelled| cancelled.id);
    all
}

pub(super) fn ids(leases: &[Lease]) -> Vec<LeaseId> {
    leases.iter().map(|lease| lease.id.clone()).collect()
}

/// The users that leases are for; `-` for a token.
pub(super) fn users(leases: &[Lease]) -> Vec<&str> {
    leases
        .iter()
        .map(|lease| lease.delivery.user().map_or("-", UserId::as_str))
        .collect()
}
