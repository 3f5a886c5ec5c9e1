//! Random calls, against a model of the queue that is too simple to be wrong.
use std::{collections::HashMap, fmt::Debug, sync::Arc, time::Duration};

use proptest::{
    collection::vec,
    test_runner::{Config, TestCaseError},
};
use push_core::{
    Address, AppId, BatchRef, Cancel, Cancelled, Channel, Clock, CredentialRef, Delivery, DeviceId,
    Lane, LaneState, Lease, LeaseId, MessageId, Put, Queue, Return, Slot, Timestamp, UserId,
};

use super::{
    calls::{Call, call},
    fixtures::{batch, credential, device, logout, message, read, seconds, user},
};
use crate::{place::Place, random::RandomCases, run::block_on};

/// Makes random calls of the queues that `make` builds, and compares what they return with the model.
///
/// # Panics
/// If a queue returns something else. The message has the seed, which `OFFLINE_PUSH_SEED` sets again; the case is kept in
/// `proptest-regressions/queue-model.txt` of the queue's crate.
pub fn check_model(make: impl Fn(&Place) -> Arc<dyn Queue>) {
    let config = Config {
        cases: 48,
        max_shrink_iters: 1000,
        ..Config::default()
    };
    let cases = RandomCases::new("queue-model", config);
    let result = cases.check(&vec(call(), 1..80), |calls| {
        let place = Place::new();
        let queue = make(&place);
        block_on(async {
            let mut run = Run {
                model: Model::default(),
                queue,
                start: place.clock.now(),
                batches: [batch(2), batch(3)],
                place: &place,
                leases: Vec::new(),
            };
            for call in calls {
                run.make(call).await?;
            }
            // In the end, everything that is left.
            run.make(Call::Lanes).await
        })
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

/// A delivery that waits in the model.
#[derive(Clone, Debug)]
struct Entry {
    delivery: Delivery,
    order: usize,
    rank: usize,
    due: Timestamp,
    lease: Option<LeaseId>,
    attempts: u32,
    batch: Option<BatchRef>,
}

type Identity = (AppId, MessageId, Address, Channel);

fn identity(of: &Delivery) -> Identity {
    (
        of.app().clone(),
        of.message().clone(),
        of.to.clone(),
        of.channel.clone(),
    )
}

/// Lists, searched from the beginning to the end.
#[derive(Debug, Default)]
struct Model {
    entries: Vec<Entry>,
    seen: Vec<Identity>,
    recalled: Vec<(AppId, MessageId)>,
    logouts: Vec<(AppId, UserId, DeviceId, Option<Slot>, u64)>,
    orders: usize,
}

impl Model {
    fn put(&mut self, delivery: &Delivery, now: Timestamp) -> Put {
        if self.seen.contains(&identity(delivery)) {
            return Put::Duplicate;
        }
        let message = (delivery.app().clone(), delivery.message().clone());
        let is_fenced = self
            .logouts
            .iter()
            .any(|(app, user, device, slot, before)| {
                delivery.app() == app
                    && delivery.user() == Some(user)
                    && delivery.device() == Some(device)
                    && slot.is_none_or(|slot| slot == delivery.slot())
                    && delivery.revision < *before
            });
        if is_fenced || self.recalled.contains(&message) {
            return Put::Fenced;
        }
        self.seen.push(identity(delivery));
        self.entries.push(Entry {
            delivery: delivery.clone(),
            order: self.orders,
            rank: self.orders,
            due: delivery.due.map_or(now, |due| due.max(now)),
            lease: None,
            attempts: 0,
            batch: None,
        });
        self.orders += 1;
        Put::New
    }

    /// The due deliveries of a lane in their order.
    fn due(&self, lane: &Lane, now: Timestamp) -> Vec<usize> {
        let mut due: Vec<_> = (0..self.entries.len())
            .filter(|position| {
                let entry = &self.entries[*position];
                entry.delivery.lane() == *lane && entry.due <= now
            })
            .collect();
        due.sort_by_key(|position| {
            let entry = &self.entries[*position];
            (entry.due, entry.rank, entry.order)
        });
        due
    }

    fn held(&mut self, lease: &LeaseId) -> Option<&mut Entry> {
        let mut entries = self.entries.iter_mut();
        entries.find(|entry| entry.lease.as_ref() == Some(lease))
    }

    fn remove(&mut self, mut is_meant: impl FnMut(&Entry) -> bool) -> u64 {
        let before = self.entries.len();
        self.entries.retain(|entry| !is_meant(entry));
        (before - self.entries.len()) as u64
    }

    fn nack(&mut self, returns: &[Return], now: Timestamp) -> u64 {
        let mut ranks = HashMap::new();
        for back in returns {
            if let (Some(entry), Some(batch)) = (self.held(&back.lease), back.batch) {
                let rank = ranks.entry((batch, back.after)).or_insert(entry.order);
                *rank = entry.order.min(*rank);
            }
        }
        let mut count = 0;
        for back in returns {
            let Some(entry) = self.held(&back.lease) else {
                continue;
            };
            entry.lease = None;
            entry.due = now + back.after;
            entry.batch = back.batch;
            entry.rank = back
                .batch
                .map_or(entry.order, |batch| ranks[&(batch, back.after)]);
            entry.attempts -= u32::from(!back.attempted);
            count += 1;
        }
        count
    }

    fn hasten(&mut self, credential: &CredentialRef, now: Timestamp) -> u64 {
        let mut count = 0;
        for entry in &mut self.entries {
            let is_postponed = entry.delivery.credential() == *credential
                && entry.lease.is_none()
                && entry.due > now
                && entry.delivery.due.is_none_or(|due| due <= now);
            if is_postponed {
                entry.due = now;
                count += 1;
            }
        }
        count
    }

    /// Fences, and returns what is to be removed.
    fn cancel(&mut self, app: &AppId, what: &Cancel, now: Timestamp) -> Vec<Cancelled> {
        let is_meant: Box<dyn Fn(&Entry) -> bool + '_> = match what {
            Cancel::Message(message) => {
                self.recalled.push((app.clone(), message.clone()));
                Box::new(move |entry| entry.delivery.message() == message)
            }
            Cancel::Device {
                user,
                device,
                slot,
                before,
            } => {
                let logout = (app.clone(), user.clone(), device.clone(), *slot, *before);
                self.logouts.push(logout);
                Box::new(move |entry| {
                    entry.delivery.user() == Some(user)
                        && entry.delivery.device() == Some(device)
                        && slot.is_none_or(|slot| slot == entry.delivery.slot())
                        && entry.delivery.revision < *before
                })
            }
            Cancel::Conversation {
                user,
                conversation,
                until,
            } => Box::new(move |entry| {
                entry.delivery.user() == Some(user)
                    && entry.delivery.content.notification.thread == *conversation
                    && entry.delivery.created_at <= *until
            }),
            Cancel::Expired(credential) => Box::new(move |entry| {
                entry.delivery.credential() == *credential
                    && entry.lease.is_none()
                    && entry.delivery.expires_at().is_some_and(|end| end <= now)
            }),
            _ => Box::new(move |_| false),
        };
        let of_app = self.entries.iter();
        let of_app = of_app.filter(|entry| entry.delivery.app() == app && is_meant(entry));
        of_app.map(|entry| Cancelled::of(&entry.delivery)).collect()
    }

    fn lanes(&self, now: Timestamp) -> Vec<LaneState> {
        let mut lanes: Vec<_> = self
            .entries
            .iter()
            .map(|entry| entry.delivery.lane())
            .collect();
        lanes.sort();
        lanes.dedup();
        let state = |lane: Lane| {
            let of = || {
                let entries = self.entries.iter();
                entries.filter(|entry| entry.delivery.lane() == lane)
            };
            let next = of().map(|entry| entry.due.since(now)).min();
            let oldest = of().map(|entry| now.since(entry.delivery.created_at)).max();
            LaneState::new(
                lane.clone(),
                of().count() as u64,
                next.unwrap_or_default(),
                oldest.unwrap_or_default(),
            )
        };
        lanes.into_iter().map(state).collect()
    }
}

/// A queue and its model.
struct Run<'a> {
    model: Model,
    queue: Arc<dyn Queue>,
    place: &'a Place,
    start: Timestamp,
    batches: [BatchRef; 2],
    leases: Vec<LeaseId>,
}

/// Compares what the queue returned with what it should.
fn same<T: PartialEq + Debug>(found: &T, right: &T, what: &str) -> Result<(), TestCaseError> {
    if found == right {
        return Ok(());
    }
    Err(TestCaseError::fail(format!(
        "{what} returned {found:?} instead of {right:?}"
    )))
}

impl Run<'_> {
    fn lease(&self, number: usize) -> Option<LeaseId> {
        let count = self.leases.len().max(1);
        self.leases.get(number % count).cloned()
    }

    async fn make(&mut self, call: Call) -> Result<(), TestCaseError> {
        let now = self.place.clock.now();
        let failed = |error: push_core::Error| TestCaseError::fail(error.to_string());
        match call {
            Call::Put(specs) => {
                let all: Vec<_> = specs
                    .iter()
                    .map(|spec| spec.delivery(self.start, now))
                    .collect();
                let right: Vec<_> = all.iter().map(|one| self.model.put(one, now)).collect();
                let found = self.queue.put(all).await.map_err(failed)?;
                same(&found, &right, "put")
            }
            Call::Lease(of, limit, hold) => {
                let hold = seconds(hold.into());
                let leased = self.queue.lease(&of.lane(), limit, hold).await;
                self.leased(&of.lane(), limit, hold, leased.map_err(failed)?)
            }
            Call::Ack(numbers) => {
                let leases: Vec<_> = numbers
                    .into_iter()
                    .filter_map(|number| self.lease(number))
                    .collect();
                let right = self.model.remove(|entry| {
                    let lease = entry.lease.as_ref();
                    lease.is_some_and(|lease| leases.contains(lease))
                });
                same(
                    &self.queue.ack(leases).await.map_err(failed)?,
                    &right,
                    "ack",
                )
            }
            Call::Nack(picks) => {
                let mut returns: Vec<Return> = Vec::new();
                for (number, after, attempted, of) in picks {
                    let Some(lease) = self.lease(number) else {
                        continue;
                    };
                    if returns.iter().any(|back| back.lease == lease) {
                        continue;
                    }
                    let of = self.batches.get(usize::from(of)).copied();
                    // Few different times, so that batches meet.
                    let back = Return::new(lease, seconds(u64::from(after / 10) * 10));
                    let back = back.with_batch(of);
                    returns.push(if attempted {
                        back
                    } else {
                        back.without_attempt()
                    });
                }
                let right = self.model.nack(&returns, now);
                same(
                    &self.queue.nack(returns).await.map_err(failed)?,
                    &right,
                    "nack",
                )
            }
            Call::Replace(picks) => {
                let mut replacements = Vec::new();
                let mut right = 0;
                for (number, spec) in picks {
                    let Some(lease) = self.lease(number) else {
                        continue;
                    };
                    let mut new = spec.delivery(self.start, now);
                    if let Some(entry) = self.model.held(&lease) {
                        new.id = entry.delivery.id;
                        let content = Arc::make_mut(&mut new.content);
                        content.app = entry.delivery.app().clone();
                        content.message = entry.delivery.message().clone();
                        entry.delivery = new.clone();
                        entry.due = now;
                        entry.rank = entry.order;
                        entry.lease = None;
                        entry.batch = None;
                        self.model.seen.push(identity(&new));
                        right += 1;
                    }
                    replacements.push((lease, new));
                }
                // A lease that was replaced a moment ago is not held any more, and cannot be refused.
                let mut done = 0;
                for replacement in replacements {
                    let one = self.queue.replace(vec![replacement]).await;
                    done += one.map_err(failed)?;
                }
                same(&done, &right, "replace")
            }
            Call::Hasten(of) => {
                let of = of.lane().credential;
                let right = self.model.hasten(&of, now);
                let found = self.queue.hasten(&of).await.map_err(failed)?;
                same(&found, &right, "hasten")
            }
            Call::Cancel(of, what, limit) => {
                let app = of.lane().credential.app;
                let what = match what {
                    0 => Cancel::Message(message(&format!("m{}", of.message))),
                    1 => logout("u0", "phone", of.revision),
                    2 => Cancel::Device {
                        user: user("u0"),
                        device: device("phone"),
                        slot: Some(Slot::Voip),
                        before: of.revision,
                    },
                    3 => read("u0", "ann", now - seconds(of.age.into())),
                    _ => Cancel::Expired(credential(app.as_str(), of.certificate)),
                };
                self.cancel(&app, &what, limit).await
            }
            Call::Lanes => {
                let mut found = self.queue.lanes().await.map_err(failed)?;
                found.sort_by(|a, b| a.lane.cmp(&b.lane));
                same(&found, &self.model.lanes(now), "lanes")
            }
            Call::Advance(count) => {
                self.place.clock.advance(seconds(count.into()));
                Ok(())
            }
        }
    }

    fn leased(
        &mut self,
        of: &Lane,
        limit: usize,
        hold: Duration,
        leased: Vec<Lease>,
    ) -> Result<(), TestCaseError> {
        let now = self.place.clock.now();
        let mut due = self.model.due(of, now);
        due.truncate(limit);
        // It may lease fewer, but not none.
        if leased.is_empty() != due.is_empty() || leased.len() > due.len() {
            let (found, right) = (leased.len(), due.len());
            return same(&found, &right, "the number of leases");
        }
        for (lease, position) in leased.iter().zip(due) {
            let entry = &mut self.model.entries[position];
            entry.attempts += 1;
            entry.due = now + hold;
            entry.lease = Some(lease.id.clone());
            same(&lease.delivery, &entry.delivery, "lease")?;
            same(&lease.attempt, &entry.attempts, "the attempt of a lease")?;
            same(&lease.batch, &entry.batch, "the batch of a lease")?;
            if self.leases.contains(&lease.id) {
                return Err(TestCaseError::fail(
                    "a lease has the name of an earlier one",
                ));
            }
            self.leases.push(lease.id.clone());
        }
        Ok(())
    }

    async fn cancel(
        &mut self,
        app: &AppId,
        what: &Cancel,
        limit: usize,
    ) -> Result<(), TestCaseError> {
        let right = self.model.cancel(app, what, self.place.clock.now());
        let found = self.queue.cancel(app, what, limit).await;
        let found = found.map_err(|error| TestCaseError::fail(error.to_string()))?;
        same(
            &found.len(),
            &right.len().min(limit),
            "the number of cancelled deliveries",
        )?;
        for cancelled in &found {
            if !right.contains(cancelled) {
                return Err(TestCaseError::fail(format!(
                    "{what:?} returned {cancelled:?}, which it does not concern"
                )));
            }
            let removed = self
                .model
                .remove(|entry| Cancelled::of(&entry.delivery) == *cancelled);
            same(&removed, &1, "the number of deliveries of one id")?;
        }
        Ok(())
    }
}
