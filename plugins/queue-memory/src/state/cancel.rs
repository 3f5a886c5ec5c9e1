//! Removing deliveries on request, and the fences that a logout leaves.
use push_core::{
    Address, AppId, Cancel, Cancelled, Delivery, Error, ErrorKind, Result, Timestamp, UserId,
};

use super::{Fence, Order, Row, State};

impl State {
    pub(crate) fn cancel(
        &mut self,
        app: &AppId,
        what: &Cancel,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Cancelled>> {
        let orders: Vec<_> = match what {
            Cancel::Message(message) => {
                let seen = self.seen.entry((app.clone(), message.clone())).or_default();
                seen.newest = seen.newest.max(now);
                seen.is_recalled = true;
                seen.waiting.iter().take(limit).copied().collect()
            }
            Cancel::Device {
                user,
                device,
                slot,
                before,
            } => {
                let key = (app.clone(), user.clone(), device.clone(), *slot);
                let fence = self.fences.entry(key).or_insert(Fence {
                    before: *before,
                    set_at: now,
                });
                fence.before = fence.before.max(*before);
                fence.set_at = now;
                self.of_user(app, user, limit, |row| {
                    row.delivery.device() == Some(device)
                        && slot.is_none_or(|slot| row.delivery.slot() == slot)
                        && row.delivery.revision < *before
                })
            }
            Cancel::Conversation {
                user,
                conversation,
                until,
            } => self.of_user(app, user, limit, |row| {
                row.delivery.content.notification.thread == *conversation
                    && row.delivery.created_at <= *until
            }),
            Cancel::Expired(credential) => self
                .lanes
                .iter()
                .filter(|(lane, _)| lane.credential == *credential && credential.app == *app)
                .flat_map(|(_, waiting)| &waiting.positions)
                .map(|(_, _, order)| *order)
                .filter(|order| {
                    self.rows.get(order).is_some_and(|row| {
                        row.lease.is_none()
                            && row.delivery.expires_at().is_some_and(|end| end <= now)
                    })
                })
                .take(limit)
                .collect(),
            _ => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "this queue does not know that kind of cancellation",
                )
                .at("queue/memory")
                .advise("use a queue of the same version as the gateway"));
            }
        };
        let removed = orders.into_iter().filter_map(|order| self.remove(order));
        Ok(removed.map(|row| Cancelled::of(&row.delivery)).collect())
    }

    fn of_user(
        &self,
        app: &AppId,
        user: &UserId,
        limit: usize,
        is_meant: impl Fn(&Row) -> bool,
    ) -> Vec<Order> {
        let orders = self.by_user.get(&(app.clone(), user.clone()));
        orders
            .into_iter()
            .flatten()
            .filter(|order| self.rows.get(order).is_some_and(&is_meant))
            .take(limit)
            .copied()
            .collect()
    }

    pub(super) fn is_fenced(&self, delivery: &Delivery) -> bool {
        let Address::Device {
            user, device, slot, ..
        } = &delivery.to
        else {
            return false;
        };
        [None, Some(*slot)].into_iter().any(|slot| {
            let key = (delivery.app().clone(), user.clone(), device.clone(), slot);
            self.fences
                .get(&key)
                .is_some_and(|fence| delivery.revision < fence.before)
        })
    }
}
