//! The deliveries that the queue holds, and what it remembers of earlier ones.
mod cancel;
mod leases;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Arc, Weak},
    time::Duration,
};

use push_core::{
    Address, AppId, BatchRef, Channel, Content, ContentId, CredentialRef, Delivery, DeviceId, Held,
    Lane, LaneState, LeaseId, MessageId, Put, Slot, Sought, Timestamp, UserId,
};

use crate::{KEEP_FENCE, REMEMBER};

/// The clock was set back if it shows a time this much earlier than before.
const STEP: Duration = Duration::from_secs(1);
/// How long a lease lasts at least after the clock was set back: longer than an attempt.
const SHORTEST_HOLD: Duration = Duration::from_secs(120);

/// How often the queue looks for messages and fences that it need not remember.
const PRUNE_EVERY: Duration = Duration::from_secs(60);

/// The order in which deliveries were put.
type Order = u64;

/// A place in a lane: when the delivery is due (a leased one: when its lease ends), its rank, and its own order. The rank is
/// the order of the first delivery of the batch that it was returned with, or its own.
type Position = (Timestamp, Order, Order);

#[derive(Default)]
pub(crate) struct State {
    rows: BTreeMap<Order, Row>,
    lanes: BTreeMap<Lane, Waiting>,
    by_user: HashMap<(AppId, UserId), BTreeSet<Order>>,
    leases: HashMap<LeaseId, Order>,
    seen: HashMap<(AppId, MessageId), Seen>,
    fences: HashMap<FenceKey, Fence>,
    /// How many deliveries are held, by app and by credential.
    by_app: HashMap<AppId, u64>,
    by_credential: HashMap<CredentialRef, u64>,
    remembered: usize,
    /// How many deliveries of each app are remembered.
    remembered_by_app: HashMap<AppId, u64>,
    /// The latest time that the clock has shown since it was last set back.
    latest: Timestamp,
    pruned_at: Timestamp,
    next_order: Order,
    next_lease: i64,
}

/// The deliveries of a lane, by position and by age.
#[derive(Default)]
struct Waiting {
    positions: BTreeSet<Position>,
    created: BTreeSet<(Timestamp, Order)>,
}

struct Row {
    delivery: Delivery,
    due: Timestamp,
    rank: Order,
    lease: Option<LeaseId>,
    attempts: u32,
    batch: Option<BatchRef>,
}

impl Row {
    /// Whether it waits although its own due time does not demand that.
    fn is_postponed(&self, now: Timestamp) -> bool {
        self.lease.is_none()
            && self.due > now
            && self.delivery.due.is_none_or(|scheduled| scheduled <= now)
    }
}

/// What is remembered of one message.
#[derive(Default)]
struct Seen {
    /// When a delivery of it was put, or it was recalled, last.
    newest: Timestamp,
    waiting: BTreeSet<Order>,
    identities: HashSet<(Address, Channel)>,
    contents: HashMap<ContentId, Weak<Content>>,
    is_recalled: bool,
}

/// App, user, device, and the slot if the fence is for one slot only.
type FenceKey = (AppId, UserId, DeviceId, Option<Slot>);

/// Deliveries of an earlier revision than `before` are fenced off.
struct Fence {
    before: u64,
    set_at: Timestamp,
}

impl State {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn remembered(&self) -> usize {
        self.remembered
    }

    /// How many messages and logouts it remembers.
    pub(crate) fn fences(&self) -> usize {
        self.seen.len() + self.fences.len()
    }

    /// Notes the time. If the clock was set back, shortens the waits that were computed from the later time.
    pub(crate) fn tick(&mut self, now: Timestamp) {
        if now + STEP < self.latest {
            let step = self.latest.since(now);
            self.latest = now;
            let late: Vec<_> = self
                .rows
                .iter()
                .filter(|(_, row)| row.due > now)
                .map(|(order, row)| {
                    let due = row.due - step;
                    let due = match (row.lease.is_some(), row.delivery.due) {
                        // A lease that was taken at the right time must not end early.
                        (true, _) => due.max(row.due.min(now + SHORTEST_HOLD)),
                        (false, Some(scheduled)) => due.max(scheduled).max(now),
                        (false, None) => due.max(now),
                    };
                    (*order, due)
                })
                .collect();
            for (order, due) in late {
                self.move_to(order, due);
            }
            for fence in self.fences.values_mut() {
                fence.set_at = fence.set_at.min(now);
            }
            for seen in self.seen.values_mut() {
                seen.newest = seen.newest.min(now);
            }
            self.pruned_at = self.pruned_at.min(now);
        }
        self.latest = self.latest.max(now);
    }

    /// Whether the app and credential of `delivery` may put one more; `limits` are the most that are held and remembered.
    fn has_room(&self, delivery: &Delivery, (held, remembered): (u64, u64)) -> bool {
        let app = delivery.app();
        let total = self.len() as u64;
        let of_app = |counts: &HashMap<AppId, u64>| counts.get(app).copied().unwrap_or_default();
        let is_in_share = || {
            let credential = self.by_credential.get(&delivery.credential());
            Held::default()
                .with_total(total)
                .with_app(of_app(&self.by_app))
                .with_credential(credential.copied().unwrap_or_default())
                .has_room(held)
        };
        let is_remembered = || {
            Held::default()
                .with_total(self.remembered as u64)
                .with_app(of_app(&self.remembered_by_app))
                .with_credential(0)
                .app_has_room(remembered)
        };
        (Held::has_room_for_all(total, held) || is_in_share())
            && (Held::has_room_for_all(self.remembered as u64, remembered) || is_remembered())
    }

    pub(crate) fn put(
        &mut self,
        mut delivery: Delivery,
        now: Timestamp,
        limits: (u64, u64),
    ) -> Put {
        let has_room = self.has_room(&delivery, limits);
        let is_fenced = self.is_fenced(&delivery);
        let message = (delivery.app().clone(), delivery.message().clone());
        if is_fenced && !self.seen.contains_key(&message) {
            return Put::Fenced;
        }
        if !has_room && !self.seen.contains_key(&message) {
            return Put::Full;
        }
        let seen = self.seen.entry(message).or_default();
        seen.newest = seen.newest.max(now);
        let identity = (delivery.to.clone(), delivery.channel.clone());
        if seen.identities.contains(&identity) {
            return Put::Duplicate;
        }
        if is_fenced || seen.is_recalled {
            return Put::Fenced;
        }
        if !has_room {
            return Put::Full;
        }
        seen.identities.insert(identity);
        self.remembered += 1;
        *self
            .remembered_by_app
            .entry(delivery.app().clone())
            .or_default() += 1;
        share(seen, &mut delivery);
        let order = self.next_order;
        self.next_order += 1;
        seen.waiting.insert(order);
        let row = Row {
            due: delivery.due.map_or(now, |due| due.max(now)),
            delivery,
            rank: order,
            lease: None,
            attempts: 0,
            batch: None,
        };
        self.insert(order, row);
        Put::New
    }

    /// Whether each delivery waits or is leased.
    pub(crate) fn holds(&self, app: &AppId, deliveries: &[Sought]) -> Vec<bool> {
        let is_held = |one: &Sought| {
            let seen = self.seen.get(&(app.clone(), one.message.clone()));
            let waiting = seen.into_iter().flat_map(|seen| &seen.waiting);
            waiting
                .filter_map(|order| self.rows.get(order))
                .any(|row| row.delivery.id == one.id)
        };
        deliveries.iter().map(is_held).collect()
    }

    pub(crate) fn remembers(&self, app: &AppId, message: MessageId) -> bool {
        self.seen.contains_key(&(app.clone(), message))
    }

    pub(crate) fn lanes(&self, now: Timestamp) -> Vec<LaneState> {
        self.lanes
            .iter()
            .filter_map(|(lane, waiting)| {
                let (due, ..) = *waiting.positions.first()?;
                let (created, _) = *waiting.created.first()?;
                Some(LaneState::new(
                    lane.clone(),
                    waiting.positions.len() as u64,
                    due.since(now),
                    now.since(created),
                ))
            })
            .collect()
    }

    /// Adds a row to everything but `seen`.
    fn insert(&mut self, order: Order, row: Row) {
        let waiting = self.lanes.entry(row.delivery.lane()).or_default();
        waiting.positions.insert((row.due, row.rank, order));
        waiting.created.insert((row.delivery.created_at, order));
        if let Some(user) = row.delivery.user() {
            let user = (row.delivery.app().clone(), user.clone());
            self.by_user.entry(user).or_default().insert(order);
        }
        let credential = row.delivery.credential();
        *self.by_app.entry(credential.app.clone()).or_default() += 1;
        *self.by_credential.entry(credential).or_default() += 1;
        self.rows.insert(order, row);
    }

    fn remove(&mut self, order: Order) -> Option<Row> {
        let row = self.rows.remove(&order)?;
        if let Some(lease) = &row.lease {
            self.leases.remove(lease);
        }
        let lane = row.delivery.lane();
        if let Some(waiting) = self.lanes.get_mut(&lane) {
            waiting.positions.remove(&(row.due, row.rank, order));
            waiting.created.remove(&(row.delivery.created_at, order));
            if waiting.positions.is_empty() {
                self.lanes.remove(&lane);
            }
        }
        if let Some(user) = row.delivery.user() {
            let user = (row.delivery.app().clone(), user.clone());
            if let Some(orders) = self.by_user.get_mut(&user) {
                orders.remove(&order);
                if orders.is_empty() {
                    self.by_user.remove(&user);
                }
            }
        }
        let credential = row.delivery.credential();
        one_less(&mut self.by_app, &credential.app);
        one_less(&mut self.by_credential, &credential);
        let message = (row.delivery.app().clone(), row.delivery.message().clone());
        if let Some(seen) = self.seen.get_mut(&message) {
            seen.waiting.remove(&order);
            if seen.waiting.is_empty() {
                seen.contents.clear();
            }
        }
        Some(row)
    }

    fn move_to(&mut self, order: Order, due: Timestamp) {
        self.reposition(order, |row| row.due = due);
    }

    fn rank(&mut self, order: Order, rank: Order) {
        self.reposition(order, |row| row.rank = rank);
    }

    fn reposition(&mut self, order: Order, change: impl FnOnce(&mut Row)) {
        let Some(row) = self.rows.get_mut(&order) else {
            return;
        };
        let old = (row.due, row.rank, order);
        change(row);
        let new = (row.due, row.rank, order);
        if let Some(waiting) = self.lanes.get_mut(&row.delivery.lane()) {
            waiting.positions.remove(&old);
            waiting.positions.insert(new);
        }
    }

    /// Forgets messages that have no delivery waiting and were put or recalled last more than [`REMEMBER`] ago, and fences
    /// older than [`KEEP_FENCE`].
    pub(crate) fn prune(&mut self, now: Timestamp) {
        if now.since(self.pruned_at) < PRUNE_EVERY {
            return;
        }
        self.pruned_at = now;
        self.seen
            .retain(|_, seen| !seen.waiting.is_empty() || seen.newest >= now - REMEMBER);
        self.fences
            .retain(|_, fence| fence.set_at >= now - KEEP_FENCE);
        self.remembered = 0;
        self.remembered_by_app.clear();
        for ((app, _), seen) in &self.seen {
            self.remembered += seen.identities.len();
            *self.remembered_by_app.entry(app.clone()).or_default() += seen.identities.len() as u64;
        }
    }
}

/// Counts one delivery less; what counts to zero is forgotten.
fn one_less<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, u64>, of: &K) {
    if let Some(count) = counts.get_mut(of) {
        *count -= 1;
        if *count == 0 {
            counts.remove(of);
        }
    }
}

/// Lets `delivery` share the content of the same id that other deliveries of its message wait with.
fn share(seen: &mut Seen, delivery: &mut Delivery) {
    let known = seen.contents.get(&delivery.content.id).map(Weak::upgrade);
    match known.flatten() {
        Some(content) if content.class == delivery.content.class => delivery.content = content,
        _ => {
            let content = Arc::downgrade(&delivery.content);
            seen.contents.insert(delivery.content.id, content);
        }
    }
}
