//! What the queue holds and remembers.
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    time::Duration,
};

use push_core::{
    AppId, Cancel, Delivery, DeviceId, Lane, LaneState, Lease, LeaseId, MessageId, Put, Return,
    Slot, Timestamp, UserId,
};

use crate::REMEMBER;

/// How often the memory is searched for what may be forgotten.
const PRUNE_EVERY: Duration = Duration::from_secs(60 * 60);

/// In which order deliveries were put.
type Order = u64;

#[derive(Default)]
pub(crate) struct State {
    rows: BTreeMap<Order, Row>,
    /// The rows of each lane by when they are due: held ones when their lease ends.
    lanes: BTreeMap<Lane, BTreeSet<(Timestamp, Order)>>,
    leases: HashMap<LeaseId, Order>,
    seen: HashMap<(AppId, MessageId), Seen>,
    remembered: usize,
    pruned_at: Timestamp,
    newest: Timestamp,
    next_order: Order,
    next_lease: i64,
}

struct Row {
    delivery: Delivery,
    due: Timestamp,
    lease: Option<LeaseId>,
    attempts: u32,
}

/// The deliveries of one message that were put.
#[derive(Default)]
struct Seen {
    newest: Timestamp,
    live: usize,
    deliveries: HashSet<(UserId, DeviceId, Slot)>,
}

impl State {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn remembered(&self) -> usize {
        self.remembered
    }

    pub(crate) fn put(&mut self, delivery: Delivery, now: Timestamp) -> Put {
        let seen = self
            .seen
            .entry((delivery.app.clone(), delivery.message.clone()))
            .or_default();
        let key = (
            delivery.user.clone(),
            delivery.device.clone(),
            delivery.slot,
        );
        if !seen.deliveries.insert(key) {
            return Put::Duplicate;
        }
        seen.newest = seen.newest.max(delivery.created_at);
        seen.live += 1;
        self.remembered += 1;
        self.newest = self.newest.max(delivery.created_at);
        // Decided in the future by another clock than ours, it is still due at once.
        let due = delivery.created_at.min(now);
        let order = self.next_order;
        self.next_order += 1;
        self.lanes
            .entry(delivery.lane())
            .or_default()
            .insert((due, order));
        self.rows.insert(
            order,
            Row {
                delivery,
                due,
                lease: None,
                attempts: 0,
            },
        );
        Put::New
    }

    pub(crate) fn lease(
        &mut self,
        lane: &Lane,
        limit: usize,
        now: Timestamp,
        hold: Duration,
    ) -> Vec<Lease> {
        let Some(waiting) = self.lanes.get_mut(lane) else {
            return Vec::new();
        };
        let until = now + hold;
        let due: Vec<_> = waiting
            .range(..=(now, Order::MAX))
            .take(limit)
            .copied()
            .collect();
        let mut leased = Vec::with_capacity(due.len());
        for (due, order) in due {
            let Some(row) = self.rows.get_mut(&order) else {
                continue;
            };
            waiting.remove(&(due, order));
            waiting.insert((until, order));
            self.next_lease += 1;
            let id = LeaseId(self.next_lease);
            if let Some(old) = row.lease.replace(id) {
                self.leases.remove(&old);
            }
            self.leases.insert(id, order);
            row.due = until;
            row.attempts = row.attempts.saturating_add(1);
            leased.push(Lease {
                id,
                delivery: row.delivery.clone(),
                attempt: row.attempts,
            });
        }
        leased
    }

    pub(crate) fn ack(&mut self, lease: LeaseId) -> bool {
        let order = self.leases.get(&lease).copied();
        order.and_then(|order| self.remove(order)).is_some()
    }

    pub(crate) fn nack(&mut self, back: Return) -> bool {
        let Some(order) = self.leases.remove(&back.lease) else {
            return false;
        };
        let Some(row) = self.rows.get_mut(&order) else {
            return false;
        };
        row.lease = None;
        if !back.attempted {
            row.attempts = row.attempts.saturating_sub(1);
        }
        let old = std::mem::replace(&mut row.due, back.due);
        if let Some(waiting) = self.lanes.get_mut(&row.delivery.lane()) {
            waiting.remove(&(old, order));
            waiting.insert((back.due, order));
        }
        true
    }

    pub(crate) fn hasten(&mut self, lane: &Lane, now: Timestamp) -> u64 {
        let Some(waiting) = self.lanes.get_mut(lane) else {
            return 0;
        };
        let mut moved = 0;
        let later: Vec<_> = waiting.iter().filter(|it| it.0 > now).copied().collect();
        for (due, order) in later {
            let Some(row) = self.rows.get_mut(&order).filter(|it| it.lease.is_none()) else {
                continue;
            };
            row.due = now;
            waiting.remove(&(due, order));
            waiting.insert((now, order));
            moved += 1;
        }
        moved
    }

    pub(crate) fn cancel(&mut self, app: &AppId, what: &Cancel) -> Vec<Delivery> {
        let most = match what {
            Cancel::Expired(..) => Cancel::MOST_EXPIRED,
            _ => usize::MAX,
        };
        let meant = |row: &Row| {
            let it = &row.delivery;
            it.app == *app
                && match what {
                    Cancel::Message(message) => it.message == *message,
                    Cancel::Device(user, device) => it.user == *user && it.device == *device,
                    Cancel::Expired(certificate, at) => {
                        it.certificate == *certificate
                            && row.lease.is_none()
                            && it.notification.expires_at.is_some_and(|it| it <= *at)
                    }
                }
        };
        let orders: Vec<_> = self
            .rows
            .iter()
            .filter(|(_, row)| meant(row))
            .map(|(order, _)| *order)
            .take(most)
            .collect();
        orders
            .into_iter()
            .filter_map(|it| self.remove(it))
            .map(|it| it.delivery)
            .collect()
    }

    pub(crate) fn lanes(&self) -> Vec<LaneState> {
        self.lanes
            .iter()
            .filter_map(|(lane, waiting)| {
                let (next_due, _) = *waiting.first()?;
                Some(LaneState {
                    lane: lane.clone(),
                    depth: waiting.len() as u64,
                    next_due,
                })
            })
            .collect()
    }

    fn remove(&mut self, order: Order) -> Option<Row> {
        let row = self.rows.remove(&order)?;
        if let Some(lease) = row.lease {
            self.leases.remove(&lease);
        }
        let lane = row.delivery.lane();
        if let Some(waiting) = self.lanes.get_mut(&lane) {
            waiting.remove(&(row.due, order));
            if waiting.is_empty() {
                self.lanes.remove(&lane);
            }
        }
        let message = (row.delivery.app.clone(), row.delivery.message.clone());
        if let Some(seen) = self.seen.get_mut(&message) {
            seen.live -= 1;
        }
        Some(row)
    }

    /// Forgets messages whose deliveries are all done and older than [`REMEMBER`]: by the clock, and by the newest
    /// delivery too, so that neither a clock set wrong nor one odd date forgets too early.
    pub(crate) fn prune(&mut self, now: Timestamp) {
        let now = now.min(self.newest);
        if now.since(self.pruned_at) < PRUNE_EVERY {
            return;
        }
        self.pruned_at = now;
        let before = now - REMEMBER;
        self.seen.retain(|_, it| it.live > 0 || it.newest >= before);
        self.remembered = self.seen.values().map(|it| it.deliveries.len()).sum();
    }
}
