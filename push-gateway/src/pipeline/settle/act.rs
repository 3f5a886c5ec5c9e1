//! Carrying out what was judged: tokens, leases, traces and counters.
use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use push_core::{Delivery, Lease, LeaseId, Reason, Return, SlotRef, Stage, TraceEvent};

use super::outcome::{Outcome, TokenAct};
use crate::{
    decision::reasons,
    pipeline::{attempt::slot_of, cell::Cell, shared::Shared, steady::Now},
};

/// How often the queue is asked again to accept a lane's results, before its leases are left to end by themselves.
const TRIES: u32 = 4;
/// How long to wait before asking it again, doubling.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the end of deliveries waits for their traces. Leases last longer.
const LONGEST_TRACE_WAIT: Duration = Duration::from_secs(10);

pub(super) async fn act(shared: &Shared, cell: &Cell, outcome: Outcome, now: Now) {
    let app = &cell.lane.credential.app;
    let (mut done, mut again) = (outcome.done, outcome.again);
    let judged = judge_tokens(shared, cell, outcome.tokens).await;
    let renewed = renewed(shared, cell, &judged).await;
    for ((lease, _, reason), renewed) in judged.into_iter().zip(renewed) {
        match lease {
            Some(lease) if renewed => again.push(Return::new(lease.id, Duration::ZERO)),
            Some(lease) => done.push((lease.id, lease.delivery, reason)),
            None => {}
        }
    }

    let mut settled: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut events = outcome.events;
    for (_, delivery, reason) in &done {
        *settled.entry(reason.code).or_default() += 1;
        events.push(TraceEvent::of(delivery, now.wall, Stage::Settled).because(reason));
    }
    shared.services.recorder.append(events);

    let leases: Vec<LeaseId> = done.iter().map(|(lease, ..)| lease.clone()).collect();
    if !leases.is_empty() {
        // First the trace: what the queue has forgotten nothing else explains after a kill.
        explain(shared, cell).await;
        persist(shared, cell, || shared.services.queue.ack(leases.clone())).await;
    }
    if !again.is_empty() {
        persist(shared, cell, || shared.services.queue.nack(again.clone())).await;
        // As of now: the queue counts from when it took them back, and who leases too early finds nothing.
        let now = shared.now().moment;
        let mut control = cell.control();
        for back in &again {
            control.due_after(now, back.after);
        }
    }

    if let Some(channel) = cell.channel().or_else(|| first_channel(&done)) {
        for (kind, count) in outcome.verdicts {
            shared
                .services
                .metrics
                .verdicts(app.as_str(), channel.as_str(), kind, count);
        }
        for (reason, count) in settled {
            shared
                .services
                .metrics
                .settled(app.as_str(), channel.as_str(), reason, count);
        }
    }
}

fn first_channel(done: &[(LeaseId, Delivery, Reason)]) -> Option<push_core::Channel> {
    done.first()
        .map(|(_, delivery, _)| delivery.channel.clone())
}

/// Removes and quarantines tokens. Returns the delivery of each, the token that was tried, and the reason with which the
/// delivery is done.
async fn judge_tokens(
    shared: &Shared,
    cell: &Cell,
    tokens: Vec<TokenAct>,
) -> Vec<(Option<Lease>, push_core::DeviceToken, Reason)> {
    let app = &cell.lane.credential.app;
    let Some(channel) = cell.channel() else {
        // Without a channel nothing was sent, and there is no verdict.
        return Vec::new();
    };
    let store = &shared.services.store;
    let acts = tokens.iter().map(|act| {
        let channel = &channel;
        async move {
            match act.quarantine {
                None => {
                    let forgotten = store.forget(app, channel, &act.token, act.since).await?;
                    // Not there any more, or never registered, it was not renewed either.
                    let token = std::slice::from_ref(&act.token);
                    let is_held = !forgotten
                        && store
                            .holders(app, channel, token)
                            .await?
                            .pop()
                            .flatten()
                            .is_some();
                    Ok(!is_held)
                }
                Some(reason) => {
                    store
                        .quarantine(app, channel, &act.token, reason.code, act.since)
                        .await
                }
            }
        }
    });
    let results = join_all(acts).await;
    tokens
        .into_iter()
        .zip(results)
        .map(|(act, result)| {
            let reason = match (act.quarantine, result) {
                (Some(reason), Ok(_)) => reason,
                (None, Ok(true)) => reasons::TOKEN_DEAD,
                (None, Ok(false)) => reasons::TOKEN_RENEWED,
                // The next push to it shows the same again.
                (quarantine, Err(error)) => {
                    tracing::warn!(lane = ?cell.lane, %error, "what the vendor said of a token could not be stored");
                    quarantine.unwrap_or(reasons::TOKEN_DEAD)
                }
            };
            (act.lease, act.token, reason)
        })
        .collect()
}

/// For each delivery: whether the device has another token by now. Then the push is sent to that one.
async fn renewed(
    shared: &Shared,
    cell: &Cell,
    judged: &[(Option<Lease>, push_core::DeviceToken, Reason)],
) -> Vec<bool> {
    let mut renewed = vec![false; judged.len()];
    let slots: Vec<(usize, SlotRef)> = judged
        .iter()
        .enumerate()
        .filter_map(|(place, (lease, ..))| {
            let lease = lease.as_ref()?;
            // Bounded like everything that may repeat a push.
            let again = lease.attempt < shared.services.settings.pipeline.max_attempts;
            let alive = lease
                .delivery
                .expires_at()
                .is_none_or(|at| at > shared.now().wall);
            Some((place, slot_of(&lease.delivery)?)).filter(|_| again && alive)
        })
        .collect();
    if slots.is_empty() {
        return renewed;
    }
    let wanted: Vec<SlotRef> = slots.iter().map(|(_, slot)| slot.clone()).collect();
    match shared
        .services
        .store
        .resolve(&cell.lane.credential.app, &wanted)
        .await
    {
        Ok(found) => {
            for ((place, _), stored) in slots.into_iter().zip(found) {
                let (_, tried, _) = &judged[place];
                renewed[place] = stored.is_some_and(|stored| {
                    stored.quarantine.is_none() && stored.registration.token != *tried
                });
            }
        }
        Err(error) => {
            tracing::warn!(lane = ?cell.lane, %error, "it could not be looked up whether a device has a new token");
        }
    }
    renewed
}

/// Waits until everything that was recorded is stored. If the store does not accept it for long, the recorder keeps it, and the
/// deliveries are ended nevertheless: their leases would end, and phones would get pushes twice.
async fn explain(shared: &Shared, cell: &Cell) {
    let clock = &shared.services.clock;
    let stored = async {
        for attempt in 0..TRIES {
            if shared.services.recorder.flush().await {
                return;
            }
            clock.sleep(PAUSE * (1 << attempt)).await;
        }
        tracing::warn!(lane = ?cell.lane, "the store does not accept traces; deliveries end before their traces are stored");
    };
    tokio::select! {
        () = stored => {}
        () = clock.sleep(LONGEST_TRACE_WAIT) => {
            tracing::warn!(lane = ?cell.lane, "the store does not answer; deliveries end before their traces are stored");
        }
    }
}

/// Calls the queue, and calls it again if it fails. What it does not accept ends with the lease, and may be sent twice.
async fn persist<T, F>(shared: &Shared, cell: &Cell, call: impl Fn() -> F)
where
    F: Future<Output = push_core::Result<T>>,
{
    for attempt in 0..TRIES {
        match call().await {
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(lane = ?cell.lane, %error, "the queue did not accept a lane's results");
                shared.services.clock.sleep(PAUSE * (1 << attempt)).await;
            }
        }
    }
}
