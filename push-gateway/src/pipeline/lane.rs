//! A lane's dispatcher: leases what is due, groups it into batches, hands them to the provider.
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use push_core::{
    Batch, Lane, Lease, Notification, Reason, Stage, Target, Timestamp, TraceEvent, Verdict,
    VerdictSink, Verdicts,
};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
};

use super::{
    Shared,
    control::{Control, Next},
};
use crate::{
    credentials::{LaneStatus, Loaded},
    decision::reasons,
};

/// Longer than an attempt may take, so that no lease ends while the vendor still thinks.
const HOLD_MARGIN: Duration = Duration::from_secs(30);
/// How long to wait after the queue or the store failed.
const TROUBLE: Duration = Duration::from_secs(1);

/// What a lane's two tasks share.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) lane: Lane,
    control: Mutex<Control>,
    changed: Notify,
    in_flight: AtomicUsize,
}

impl Cell {
    pub(super) fn new(lane: Lane, control: Control) -> Self {
        Self {
            lane,
            control: Mutex::new(control),
            changed: Notify::new(),
            in_flight: AtomicUsize::new(0),
        }
    }

    pub(super) fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deliveries are due at `at`.
    pub(super) fn wake(&self, at: Timestamp, now: Timestamp) {
        if at <= now {
            self.control().due_now(now);
        } else {
            self.control().due(at);
        }
        self.changed.notify_one();
    }

    /// The control was changed: have a look.
    pub(super) fn look(&self) {
        self.changed.notify_one();
    }

    pub(super) fn landed(&self, count: usize) {
        self.in_flight.fetch_sub(count, Ordering::Relaxed);
        self.changed.notify_one();
    }

    pub(super) fn status(&self, now: Timestamp) -> LaneStatus {
        self.control().status(now)
    }
}

/// One batch, while it is with the provider.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) leases: Vec<Lease>,
    pub(super) began: Timestamp,
    pub(super) loaded: Arc<Loaded>,
    pub(super) trial: bool,
    /// How often the credential had been mended when it began.
    pub(super) mended: u64,
}

/// What the settle loop is told.
#[derive(Debug)]
pub(super) enum Item {
    /// A verdict on one delivery of a batch.
    Answer(Arc<Attempt>, usize, Verdict),
    /// A delivery that was not sent, and why it never will be.
    Drop(Box<Lease>, Reason),
}

struct Sink {
    attempt: Arc<Attempt>,
    items: mpsc::UnboundedSender<Item>,
}

impl VerdictSink for Sink {
    fn take(&self, position: usize, verdict: Verdict) {
        let item = Item::Answer(Arc::clone(&self.attempt), position, verdict);
        // The settle loop outlives every sender; the channel is bounded by what may be in flight.
        drop(self.items.send(item));
    }
}

/// Runs until `stop`: then waits for what is in flight, for at most the time allowed.
pub(super) async fn dispatch(
    shared: Arc<Shared>,
    cell: Arc<Cell>,
    items: mpsc::UnboundedSender<Item>,
    mut stop: watch::Receiver<bool>,
) {
    let mut flights = JoinSet::new();
    while !*stop.borrow_and_update() {
        while let Some(landed) = flights.try_join_next() {
            complain(&cell, landed);
        }
        let now = shared.clock.now();
        let next = cell
            .control()
            .next(now, cell.in_flight.load(Ordering::Relaxed));
        match next {
            Next::Lease { limit, trial } => {
                if let Err(error) = round(&shared, &cell, &items, &mut flights, limit, trial).await
                {
                    tracing::warn!(lane = ?cell.lane, %error, "the lane cannot lease deliveries");
                    cell.control().due(shared.clock.now() + TROUBLE);
                }
            }
            Next::Wait(until) => {
                let sleep = async {
                    match until {
                        Some(until) => shared.clock.sleep(until.since(now)).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = cell.changed.notified() => {}
                    () = sleep => {}
                    _ = stop.changed() => {}
                }
            }
        }
    }
    let landing = async {
        while let Some(landed) = flights.join_next().await {
            complain(&cell, landed);
        }
    };
    tokio::select! {
        () = landing => {}
        () = shared.clock.sleep(shared.settings.drain) => {
            tracing::warn!(lane = ?cell.lane, "the vendor did not answer before the shutdown; what is in flight will be tried again");
        }
    }
    // Verdicts that drop report that it may have been sent.
    flights.shutdown().await;
}

fn complain(cell: &Cell, landed: Result<(), tokio::task::JoinError>) {
    if landed.is_err_and(|it| it.is_panic()) {
        tracing::error!(lane = ?cell.lane, "a provider panicked; its deliveries count as unanswered");
    }
}

/// One lease and its dispatch.
async fn round(
    shared: &Arc<Shared>,
    cell: &Cell,
    items: &mpsc::UnboundedSender<Item>,
    flights: &mut JoinSet<()>,
    limit: usize,
    trial: bool,
) -> push_core::Result<()> {
    let mended = cell.control().mended();
    let loaded = match shared.vault.load(&cell.lane).await? {
        Ok(loaded) => loaded,
        Err(unusable) => {
            let now = shared.clock.now();
            cell.control().due_now(now);
            shared.suspend(cell, unusable.reason, &unusable.evidence, now, trial);
            return Ok(());
        }
    };
    let now = shared.clock.now();
    let hold = shared.settings.attempt_timeout + HOLD_MARGIN;
    let leases = shared.queue.lease(&cell.lane, limit, now, hold).await?;
    if leases.is_empty() {
        return Ok(());
    }
    cell.in_flight.fetch_add(leases.len(), Ordering::Relaxed);
    // The queue may have given fewer than there are.
    cell.control().due_now(now);

    let mut sendable = Vec::with_capacity(leases.len());
    for lease in leases {
        let expired = lease
            .delivery
            .notification
            .expires_at
            .is_some_and(|it| it <= now);
        let reason = if expired {
            reasons::EXPIRED
        } else if lease.attempt > shared.settings.max_attempts {
            reasons::ATTEMPTS_EXHAUSTED
        } else {
            sendable.push(lease);
            continue;
        };
        drop(items.send(Item::Drop(Box::new(lease), reason)));
    }
    shared.recorder.append(sendable.iter().map(|it| TraceEvent {
        attempt: Some(it.attempt),
        ..TraceEvent::of(&it.delivery, now, Stage::Attempt)
    }));
    let max_batch = loaded.provider.capabilities().max_batch.max(1);
    for leases in group(sendable, max_batch) {
        let Some(first) = leases.first() else {
            continue;
        };
        let batch = Batch {
            notification: Arc::clone(&first.delivery.notification),
            environment: first.delivery.environment,
            slot: first.delivery.slot,
            targets: leases
                .iter()
                .map(|it| Target {
                    delivery: it.delivery.id,
                    token: it.delivery.token.clone(),
                })
                .collect(),
        };
        let attempt = Arc::new(Attempt {
            leases,
            began: now,
            loaded: Arc::clone(&loaded),
            trial,
            mended,
        });
        let sink = Sink {
            attempt,
            items: items.clone(),
        };
        let verdicts = Verdicts::new(batch.targets.len(), Arc::new(sink));
        let provider = Arc::clone(&loaded.provider);
        let deadline = shared.clock.sleep(shared.settings.attempt_timeout);
        flights.spawn(async move {
            tokio::select! {
                () = provider.send(batch, verdicts) => {}
                () = deadline => {}
            }
        });
    }
    Ok(())
}

/// Puts together what one `send` can carry: equal notification, environment and slot, at most `max` targets.
///
/// Deliveries of one message share their notification's memory while they stay in memory; out of a file, equal ones are
/// equal in content. Only the last few groups are compared with, so that many different messages cost little.
fn group(leases: Vec<Lease>, max: usize) -> Vec<Vec<Lease>> {
    const OPEN: usize = 8;
    if max == 1 {
        return leases.into_iter().map(|it| vec![it]).collect();
    }
    let same = |one: &Arc<Notification>, other: &Arc<Notification>| {
        Arc::ptr_eq(one, other) || one == other
    };
    let mut groups: Vec<Vec<Lease>> = Vec::new();
    for lease in leases {
        let delivery = &lease.delivery;
        let open = groups.iter_mut().rev().take(OPEN).find(|group| {
            group.len() < max
                && group.first().is_some_and(|first| {
                    let first = &first.delivery;
                    first.environment == delivery.environment
                        && first.slot == delivery.slot
                        && same(&first.notification, &delivery.notification)
                })
        });
        match open {
            Some(group) => group.push(lease),
            None => groups.push(vec![lease]),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use push_core::{
        AppId, CertificateId, Channel, Delivery, DeliveryId, DeviceId, DeviceToken, Environment,
        LeaseId, MessageId, Slot, UserId,
    };

    use super::*;

    fn leases(count: i64, notification: &Arc<Notification>) -> Vec<Lease> {
        let now = Timestamp::default();
        let lease = |number| Lease {
            id: LeaseId(number),
            attempt: 1,
            delivery: Delivery {
                id: DeliveryId::new(now),
                app: AppId::new("app").expect("an id"),
                message: MessageId::new("message").expect("an id"),
                user: UserId::new("user").expect("an id"),
                device: DeviceId::new("device").expect("an id"),
                slot: Slot::Alert,
                channel: Channel::APNS,
                certificate: CertificateId::new(1).expect("an id"),
                environment: Environment::Production,
                token: DeviceToken::new("token").expect("a token"),
                told_at: now,
                created_at: now,
                notification: Arc::clone(notification),
            },
        };
        (0..count).map(lease).collect()
    }

    /// S121.
    #[test]
    fn every_delivery_is_in_exactly_one_batch_whatever_the_limit() {
        let notification = Arc::new(Notification::default());
        const MAX: usize = 5;
        for count in [0, 1, MAX - 1, MAX, MAX + 1, 3 * MAX + 7] {
            let groups = group(leases(count as i64, &notification), MAX);
            assert!(groups.iter().all(|it| (1..=MAX).contains(&it.len())));
            assert_eq!(groups.len(), count.div_ceil(MAX));
            let mut ids: Vec<i64> = groups.iter().flatten().map(|it| it.id.0).collect();
            ids.sort_unstable();
            assert_eq!(ids, (0..count as i64).collect::<Vec<_>>());
        }
    }

    #[test]
    fn equal_content_travels_together_and_different_content_never_does() {
        let one = Arc::new(Notification {
            title: "one".into(),
            ..Notification::default()
        });
        let copy = Arc::new(Notification::clone(&one));
        let other = Arc::new(Notification::default());
        let mut mixed = leases(2, &one);
        mixed.extend(leases(2, &other));
        mixed.extend(leases(2, &copy));
        let mut sandbox = leases(1, &one);
        sandbox[0].delivery.environment = Environment::Sandbox;
        mixed.extend(sandbox);
        let sizes: Vec<usize> = group(mixed, 100).iter().map(Vec::len).collect();
        assert_eq!(sizes, [4, 2, 1]);
    }
}
