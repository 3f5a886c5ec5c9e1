//! A lane's dispatcher: leases what is due, looks up tokens, groups deliveries into batches and hands them to the provider.
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use push_core::{
    Address, BatchRef, DeviceId, Lane, Lease, LeaseId, Reason, Receiver, Result, Return, SlotRef,
    Stage, StoredRegistration, Timestamp, TraceEvent, UserId, Verdict, VerdictSink, Verdicts,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tracing::Instrument;

use super::{
    attempt::{Attempt, Item, Sendable, slot_of},
    batch::{Group, group},
    cell::Cell,
    control::Next,
    credential::{BEHIND_TRIAL, Permit},
    refusals::Mark,
    shared::Shared,
    steady::Moment,
};
use crate::{
    credentials::Loaded,
    decision::{quarantine_reason, reasons},
};

/// Longer than an attempt may take, so that no lease ends while the vendor may still answer.
const HOLD_MARGIN: Duration = Duration::from_secs(30);
/// How long to wait after the queue or the store failed.
const TROUBLE: Duration = Duration::from_secs(1);

struct Sink {
    attempt: Arc<Attempt>,
    items: mpsc::UnboundedSender<Item>,
}

impl VerdictSink for Sink {
    fn take(&self, verdicts: Vec<(usize, Verdict)>) {
        let item = Item::Answers(Arc::clone(&self.attempt), verdicts);
        // The settle loop outlives every sender; the channel is bounded by what may be in flight.
        drop(self.items.send(item));
    }
}

/// Runs until `stop`, then waits for what is in flight, for at most the time allowed.
pub(super) async fn dispatch(
    shared: Arc<Shared>,
    cell: Arc<Cell>,
    items: mpsc::UnboundedSender<Item>,
    mut stop: watch::Receiver<bool>,
) {
    let mut flights = JoinSet::new();
    let mut credential = cell.credential.subscribe();
    while !*stop.borrow_and_update() {
        while let Some(landed) = flights.try_join_next() {
            report_panic(&cell, landed);
        }
        let now = shared.now().moment;
        credential.borrow_and_update();
        let permit = cell.credential.state().permit(now);
        let in_flight = cell.in_flight();
        let next = cell.control().next(now, &permit, in_flight);
        match next {
            Next::Lease { limit, trial } => {
                let round = Round {
                    shared: &shared,
                    cell: &cell,
                    items: &items,
                    limit,
                    trial,
                    of_other: permit == Permit::TrialOfOther,
                };
                if let Err(error) = round.run(&mut flights).await {
                    tracing::warn!(lane = ?cell.lane, %error, "deliveries cannot be leased");
                    cell.control().due(shared.now().moment + TROUBLE);
                }
            }
            Next::Wait(until) => {
                let sleep = async {
                    match until {
                        Some(until) => shared.services.clock.sleep(until.since(now)).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = cell.changed() => {}
                    _ = credential.changed() => {}
                    () = sleep => {}
                    _ = stop.changed() => {}
                }
            }
        }
    }
    let landing = async {
        while let Some(landed) = flights.join_next().await {
            report_panic(&cell, landed);
        }
    };
    tokio::select! {
        () = landing => {}
        () = shared.services.clock.sleep(shared.services.settings.pipeline.drain) => {
            tracing::warn!(lane = ?cell.lane, "the vendor did not answer before the shutdown; what is in flight is tried again after the start");
        }
    }
    // Verdicts that drop report an unknown outcome.
    flights.shutdown().await;
}

fn report_panic(cell: &Cell, landed: Result<(), tokio::task::JoinError>) {
    if landed.is_err_and(|error| error.is_panic()) {
        tracing::error!(lane = ?cell.lane, "a provider panicked; its deliveries count as unanswered");
    }
}

/// One lease and its dispatch.
struct Round<'a> {
    shared: &'a Arc<Shared>,
    cell: &'a Arc<Cell>,
    items: &'a mpsc::UnboundedSender<Item>,
    limit: usize,
    trial: bool,
    /// The trial is to be made with a token that has not accused the credential.
    of_other: bool,
}

impl Round<'_> {
    async fn run(self, flights: &mut JoinSet<()>) -> Result<()> {
        let (shared, cell) = (self.shared, self.cell);
        let credential = {
            let state = cell.credential.state();
            (state.repaired(), state.refusals.mark())
        };
        let loaded = match shared.services.vault.load(&cell.lane.credential).await? {
            Ok(loaded) => loaded,
            Err(unusable) => {
                let now = shared.now().moment;
                cell.control().due_now(now);
                shared.suspend(
                    cell,
                    unusable.reason,
                    &unusable.evidence,
                    now,
                    self.trial,
                    &[],
                );
                return Ok(());
            }
        };
        cell.credential.state().channel = Some(loaded.facts.channel.clone());
        let limit = {
            let mut control = cell.control();
            let window = control.bound(loaded.provider.capabilities().max_in_flight);
            let limit = self.limit.min(window.saturating_sub(cell.in_flight()));
            if limit == 0 {
                control.due_now(shared.now().moment);
                return Ok(());
            }
            limit
        };
        let hold = shared.services.settings.pipeline.attempt_timeout + HOLD_MARGIN;
        let leases = shared.services.queue.lease(&cell.lane, limit, hold).await?;
        if leases.is_empty() {
            return Ok(());
        }
        if self.trial && !cell.credential.state().begin_trial() {
            // Another lane of the credential began one meanwhile.
            cell.control().due_now(shared.now().moment);
            return self.give_back(leases).await;
        }
        cell.leased(leases.len());
        let now = shared.now();
        // The queue may have leased fewer than there are.
        cell.control().due_now(now.moment);

        let alive = self.drop_ended(leases, now.wall);
        let Some(sendable) = self.resolve(alive, now.moment).await else {
            return Ok(());
        };
        let sendable = self.choose(sendable, now.moment).await;
        if sendable.is_empty() {
            self.end_trial(now.moment);
            return Ok(());
        }
        let repeated = sendable
            .iter()
            .filter(|sendable| sendable.lease.attempt > 1);
        shared.services.recorder.append(repeated.map(|sendable| {
            TraceEvent::of(&sendable.lease.delivery, now.wall, Stage::Attempt)
                .with_attempt(sendable.lease.attempt)
        }));
        for group in group(sendable, loaded.provider.capabilities(), now.wall) {
            self.send(group, &loaded, credential, now.moment, flights);
        }
        Ok(())
    }

    /// Ends a trial for which there was nothing to send.
    fn end_trial(&self, now: Moment) {
        if !self.trial {
            return;
        }
        match self.of_other {
            true => self.cell.credential.state().abandon_trial(),
            false => {
                let probe = &self.shared.probe;
                self.cell.credential.state().end_trial(now, probe);
            }
        }
        self.cell.credential.notify();
    }

    /// Of what was leased for a trial with another token, the first delivery that has one; the others are given back.
    async fn choose(&self, mut sendable: Vec<Sendable>, now: Moment) -> Vec<Sendable> {
        if !self.of_other {
            return sendable;
        }
        let (chosen, postponed) = {
            let state = self.cell.credential.state();
            let chosen = sendable
                .iter()
                .position(|sendable| !state.is_accuser(&sendable.token));
            let chosen = chosen.map(|place| sendable.remove(place));
            let accusers = sendable.iter().map(|one| state.is_accuser(&one.token));
            let probe_at = state.probe_at().unwrap_or(now);
            let postponed: Vec<Duration> = accusers
                .map(|is_accuser| match is_accuser {
                    true => probe_at.since(now) + BEHIND_TRIAL,
                    false => Duration::ZERO,
                })
                .collect();
            (chosen, postponed)
        };
        if !sendable.is_empty() {
            let returns = sendable.iter().zip(&postponed).map(|(sendable, after)| {
                Return::new(sendable.lease.id.clone(), *after)
                    .without_attempt()
                    .with_batch(sendable.lease.batch)
            });
            if let Err(error) = self.shared.services.queue.nack(returns.collect()).await {
                tracing::warn!(lane = ?self.cell.lane, %error, "leases cannot be given back; they end by themselves");
            }
            let now = self.shared.now().moment;
            for after in postponed {
                self.cell.control().due_after(now, after);
            }
            self.cell.landed(sendable.len());
        }
        chosen.into_iter().collect()
    }

    /// Gives leases back without an attempt.
    async fn give_back(&self, leases: Vec<Lease>) -> Result<()> {
        let returns = leases
            .into_iter()
            .map(|lease| {
                Return::new(lease.id, Duration::ZERO)
                    .without_attempt()
                    .with_batch(lease.batch)
            })
            .collect();
        self.shared.services.queue.nack(returns).await?;
        Ok(())
    }

    /// Drops what has expired.
    fn drop_ended(&self, leases: Vec<Lease>, now: Timestamp) -> Vec<Lease> {
        let mut alive = Vec::with_capacity(leases.len());
        for lease in leases {
            if lease.delivery.expires_at().is_some_and(|at| at <= now) {
                self.drop(lease, reasons::EXPIRED);
            } else {
                alive.push(lease);
            }
        }
        alive
    }

    fn drop(&self, lease: Lease, reason: Reason) {
        drop(self.items.send(Item::Drop(Box::new(lease), reason)));
    }

    /// Looks up the token of each delivery as it is now; `None` if the store failed and everything was given back.
    ///
    /// A delivery whose device registered under another credential moves to that credential's lane.
    async fn resolve(&self, leases: Vec<Lease>, now: Moment) -> Option<Vec<Sendable>> {
        let (shared, cell) = (self.shared, self.cell);
        let slots: Vec<SlotRef> = leases
            .iter()
            .filter_map(|lease| slot_of(&lease.delivery))
            .collect();
        let app = &cell.lane.credential.app;
        let found = if slots.is_empty() {
            Vec::new()
        } else {
            match shared.services.store.resolve(app, &slots).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!(lane = ?cell.lane, %error, "tokens cannot be looked up");
                    let count = leases.len();
                    if let Err(error) = self.give_back(leases).await {
                        tracing::warn!(lane = ?cell.lane, %error, "leases cannot be given back; they end by themselves");
                    }
                    self.end_trial(now);
                    cell.landed(count);
                    let mut control = cell.control();
                    control.due(now + TROUBLE);
                    return None;
                }
            }
        };
        let damaged = self.damaged(&slots, &found).await;
        let mut found = found.into_iter().zip(slots);
        let mut sendable = Vec::with_capacity(leases.len());
        let mut moved = Vec::new();
        for lease in leases {
            match &lease.delivery.to {
                Address::Device { .. } => match token_of(found.next(), &damaged) {
                    Err(reason) => self.drop(lease, reason),
                    Ok(stored) if stored.certificate != lease.delivery.certificate => {
                        let mut delivery = lease.delivery;
                        delivery.certificate = stored.certificate;
                        moved.push((lease.id, delivery));
                    }
                    Ok(stored) => sendable.push(Sendable {
                        lease,
                        token: stored.token,
                        environment: stored.environment,
                        reported_at: stored.reported_at,
                    }),
                },
                Address::Token {
                    environment, token, ..
                } => sendable.push(Sendable {
                    token: token.clone(),
                    environment: *environment,
                    reported_at: lease.delivery.created_at,
                    lease,
                }),
                // An address of a newer version of this program.
                _ => self.drop(lease, reasons::TOKEN_GONE),
            }
        }
        if !moved.is_empty() {
            self.r#move(moved).await;
        }
        Some(sendable)
    }

    /// Of the devices without a registration in their slot, those of which the store has a damaged record.
    async fn damaged(
        &self,
        slots: &[SlotRef],
        found: &[Option<StoredRegistration>],
    ) -> HashSet<(UserId, DeviceId)> {
        let missing = slots.iter().zip(found).filter(|(_, found)| found.is_none());
        let missing: BTreeSet<(&UserId, &DeviceId)> = missing
            .map(|(slot, _)| (&slot.user, &slot.device))
            .collect();
        let mut users: Vec<UserId> = missing.iter().map(|(user, _)| (*user).clone()).collect();
        users.dedup();
        if users.is_empty() {
            return HashSet::new();
        }
        let app = &self.cell.lane.credential.app;
        let receivers = match self.shared.services.store.receivers(app, &users).await {
            Ok(receivers) => receivers,
            Err(error) => {
                tracing::warn!(lane = ?self.cell.lane, %error, "why a device has no token cannot be looked up");
                return HashSet::new();
            }
        };
        let receivers: HashMap<&UserId, &Receiver> = receivers
            .iter()
            .map(|receiver| (&receiver.user, receiver))
            .collect();
        let is_damaged = |user: &UserId, device: &DeviceId| {
            receivers.get(user).is_some_and(|receiver| {
                let mut known = receiver.devices.iter();
                let known = known.find(|known| known.device == *device);
                let mut damaged = receiver.damaged.iter();
                known.map_or_else(
                    || damaged.any(|id| id.as_ref().is_none_or(|id| id == device)),
                    |known| known.has_damaged,
                )
            })
        };
        missing
            .into_iter()
            .filter(|(user, device)| is_damaged(user, device))
            .map(|(user, device)| (user.clone(), device.clone()))
            .collect()
    }

    /// Moves deliveries to the lanes of other credentials.
    async fn r#move(&self, moved: Vec<(LeaseId, push_core::Delivery)>) {
        let count = moved.len();
        let lanes: Vec<Lane> = moved.iter().map(|(_, delivery)| delivery.lane()).collect();
        match self.shared.services.queue.replace(moved).await {
            Ok(_) => self.shared.announce(lanes),
            // They are due again when the lease ends.
            Err(error) => {
                tracing::warn!(lane = ?self.cell.lane, %error, "deliveries cannot be moved to another credential");
            }
        }
        self.cell.landed(count);
    }

    fn send(
        &self,
        group: Group,
        loaded: &Arc<Loaded>,
        (repaired, refusals): (u64, Mark),
        now: Moment,
        flights: &mut JoinSet<()>,
    ) {
        let Some(batch) = group.batch() else {
            return;
        };
        let attempt = Arc::new(Attempt {
            batch: BatchRef::new(
                group.id,
                u32::try_from(group.members.len()).unwrap_or(u32::MAX),
            ),
            members: group.members,
            began: now,
            loaded: Arc::clone(loaded),
            trial: self.trial,
            repaired,
            refusals,
        });
        let sink = Sink {
            attempt,
            items: self.items.clone(),
        };
        let verdicts = Verdicts::new(batch.targets.len(), Arc::new(sink));
        let provider = Arc::clone(&loaded.provider);
        let deadline = self
            .shared
            .services
            .clock
            .sleep(self.shared.services.settings.pipeline.attempt_timeout);
        let span =
            tracing::debug_span!("delivery", batch = %batch.id, targets = batch.targets.len());
        let send = async move {
            tokio::select! {
                () = provider.send(batch, verdicts) => {}
                () = deadline => {}
            }
        };
        flights.spawn(send.instrument(span));
    }
}

/// The registration that a device has in its slot.
///
/// # Errors
/// Why there is none that can be used.
fn token_of(
    found: Option<(Option<StoredRegistration>, SlotRef)>,
    damaged: &HashSet<(UserId, DeviceId)>,
) -> Result<push_core::Registration, Reason> {
    let (stored, slot) = found.ok_or(reasons::TOKEN_GONE)?;
    let Some(stored) = stored else {
        return Err(match damaged.contains(&(slot.user, slot.device)) {
            true => reasons::RECORD_DAMAGED,
            false => reasons::TOKEN_GONE,
        });
    };
    match stored.quarantine {
        Some(quarantine) => Err(quarantine_reason(&quarantine.reason)),
        None => Ok(stored.registration),
    }
}
