//! Leasing deliveries, and what becomes of leases.
use std::{collections::HashMap, time::Duration};

use push_core::{
    BatchRef, CredentialRef, Delivery, Error, ErrorKind, LONGEST_WAIT, Lane, Lease, LeaseId,
    Result, Return, Timestamp,
};

use super::{Order, Row, State, share};

impl State {
    pub(crate) fn lease(
        &mut self,
        lane: &Lane,
        limit: usize,
        now: Timestamp,
        hold: Duration,
    ) -> Vec<Lease> {
        let Some(waiting) = self.lanes.get(lane) else {
            return Vec::new();
        };
        let until = now + hold.min(LONGEST_WAIT);
        let due: Vec<_> = waiting
            .positions
            .range(..=(now, Order::MAX, Order::MAX))
            .take(limit)
            .map(|(_, _, order)| *order)
            .collect();
        let mut leased = Vec::with_capacity(due.len());
        for order in due {
            self.move_to(order, until);
            let Some(row) = self.rows.get_mut(&order) else {
                continue;
            };
            self.next_lease += 1;
            let id = LeaseId::from(self.next_lease);
            if let Some(old) = row.lease.replace(id.clone()) {
                self.leases.remove(&old);
            }
            self.leases.insert(id.clone(), order);
            row.attempts = row.attempts.saturating_add(1);
            let lease = Lease::new(id, row.delivery.clone());
            leased.push(lease.with_attempt(row.attempts).with_batch(row.batch));
        }
        leased
    }

    pub(crate) fn ack(&mut self, lease: &LeaseId) -> bool {
        let order = self.leases.get(lease).copied();
        order.and_then(|order| self.remove(order)).is_some()
    }

    pub(crate) fn nack(&mut self, returns: &[Return], now: Timestamp) -> u64 {
        // Of each batch and due time, the delivery that was put first.
        let mut first: HashMap<(BatchRef, Duration), Order> = HashMap::new();
        for back in returns {
            if let (Some(order), Some(batch)) = (self.leases.get(&back.lease), back.batch) {
                let after = back.after.min(LONGEST_WAIT);
                let rank = first.entry((batch, after)).or_insert(*order);
                *rank = (*rank).min(*order);
            }
        }
        let mut count = 0;
        for back in returns {
            let Some(order) = self.leases.remove(&back.lease) else {
                continue;
            };
            let after = back.after.min(LONGEST_WAIT);
            self.move_to(order, now + after);
            let rank = back.batch.map(|batch| first[&(batch, after)]);
            self.rank(order, rank.unwrap_or(order));
            let Some(row) = self.rows.get_mut(&order) else {
                continue;
            };
            row.lease = None;
            row.batch = back.batch;
            if !back.attempted {
                row.attempts = row.attempts.saturating_sub(1);
            }
            count += 1;
        }
        count
    }

    pub(crate) fn replace(
        &mut self,
        replacements: Vec<(LeaseId, Delivery)>,
        now: Timestamp,
    ) -> Result<u64> {
        for (lease, delivery) in &replacements {
            let held = self
                .leases
                .get(lease)
                .and_then(|order| self.rows.get(order));
            if held.is_some_and(|row| {
                row.delivery.id != delivery.id
                    || row.delivery.app() != delivery.app()
                    || row.delivery.message() != delivery.message()
            }) {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    "a replacement has another id, app or message than the delivery it replaces",
                )
                .at("queue/memory"));
            }
        }
        let mut count = 0;
        for (lease, mut delivery) in replacements {
            let Some(order) = self.leases.get(&lease).copied() else {
                continue;
            };
            let Some(old) = self.remove(order) else {
                continue;
            };
            let message = (delivery.app().clone(), delivery.message().clone());
            let seen = self.seen.entry(message).or_default();
            let identity = (delivery.to.clone(), delivery.channel.clone());
            if seen.identities.insert(identity) {
                self.remembered += 1;
                let app = delivery.app().clone();
                *self.remembered_by_app.entry(app).or_default() += 1;
            }
            share(seen, &mut delivery);
            seen.waiting.insert(order);
            let row = Row {
                delivery,
                due: now,
                rank: order,
                lease: None,
                attempts: old.attempts,
                batch: None,
            };
            self.insert(order, row);
            count += 1;
        }
        Ok(count)
    }

    pub(crate) fn hasten(&mut self, credential: &CredentialRef, now: Timestamp) -> u64 {
        let postponed: Vec<_> = self
            .lanes
            .iter()
            .filter(|(lane, _)| lane.credential == *credential)
            .flat_map(|(_, waiting)| &waiting.positions)
            .map(|(_, _, order)| *order)
            .filter(|order| {
                self.rows
                    .get(order)
                    .is_some_and(|row| row.is_postponed(now))
            })
            .collect();
        for order in &postponed {
            self.move_to(*order, now);
        }
        postponed.len() as u64
    }
}
