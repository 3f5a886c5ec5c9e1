//! The one place that acts on verdicts: a lane's settle loop.
use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::join_all;
use push_core::{
    Delivery, Lease, LeaseId, Mismatch, Reason, Retry, Return, Scope, Stage, Timestamp, TraceEvent,
    Verdict, VerdictKind,
};
use tokio::sync::mpsc;

use super::{
    Shared,
    lane::{Attempt, Cell, Item},
};
use crate::decision::reasons;

/// How many verdicts are acted upon at once.
const BATCH: usize = 1024;
/// How often the queue is asked again to take what a lane has to say, before its leases are left to end by themselves.
const TRIES: u32 = 4;
/// How long to wait before asking it again, doubling.
const PAUSE: Duration = Duration::from_millis(100);

/// Runs until the dispatcher and every batch are gone.
pub(super) async fn settle(
    shared: Arc<Shared>,
    cell: Arc<Cell>,
    mut items: mpsc::UnboundedReceiver<Item>,
) {
    let mut batch = Vec::new();
    while items.recv_many(&mut batch, BATCH).await > 0 {
        let landed = batch.len();
        let now = shared.clock.now();
        let mut outcome = Outcome::default();
        judge_all(
            &shared,
            &cell,
            std::mem::take(&mut batch),
            now,
            &mut outcome,
        );
        act(&shared, &cell, outcome, now).await;
        cell.landed(landed);
    }
}

/// What is to be done about a batch of verdicts.
#[derive(Default)]
struct Outcome {
    done: Vec<(LeaseId, Delivery, Reason)>,
    forget: Vec<(LeaseId, Delivery, Timestamp)>,
    aside: Vec<(LeaseId, Delivery, Reason, Timestamp)>,
    again: Vec<Return>,
    events: Vec<TraceEvent>,
    verdicts: BTreeMap<&'static str, u64>,
}

/// What is to be done about one delivery.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    /// It is done, for this reason.
    Done(Reason),
    /// Its token is dead since then.
    Forget(Timestamp),
    /// Its token is not to be used for now, for this reason.
    SetAside(Reason),
    /// It is tried again then; `attempted`: this attempt counts.
    Again { due: Timestamp, attempted: bool },
}

fn judge_all(
    shared: &Shared,
    cell: &Cell,
    items: Vec<Item>,
    now: Timestamp,
    outcome: &mut Outcome,
) {
    let generation = shared.vault.generation(&cell.lane);
    let is_current = |attempt: &Attempt| Some(attempt.loaded.generation) == generation;
    let mended = cell.control().mended();
    let lane = survey(shared, cell, &items, is_current, now);
    for item in items {
        match item {
            Item::Drop(lease, reason) => {
                let Lease { id, delivery, .. } = *lease;
                outcome.done.push((id, delivery, reason));
            }
            Item::Answer(attempt, position, verdict) => {
                let Some(lease) = attempt.leases.get(position) else {
                    continue;
                };
                *outcome.verdicts.entry(verdict.kind.as_str()).or_default() += 1;
                let act = judge(
                    shared,
                    &attempt,
                    lease,
                    &verdict,
                    &lane,
                    is_current(&attempt) && attempt.mended == mended,
                    now,
                );
                outcome.events.push(TraceEvent {
                    attempt: Some(lease.attempt),
                    answer: Some(verdict.answer),
                    ..TraceEvent::of(&lease.delivery, now, Stage::Answered)
                        .because(&reason_of(verdict.kind))
                });
                let delivery = || lease.delivery.clone();
                match act {
                    Act::Done(reason) => outcome.done.push((lease.id, delivery(), reason)),
                    Act::Forget(since) => outcome.forget.push((lease.id, delivery(), since)),
                    Act::SetAside(reason) => {
                        let told_at = lease.delivery.told_at;
                        outcome.aside.push((lease.id, delivery(), reason, told_at));
                    }
                    Act::Again { due, attempted } => outcome.again.push(Return {
                        lease: lease.id,
                        due,
                        attempted,
                    }),
                }
            }
        }
    }
}

/// What a batch of verdicts says of the lane as a whole.
struct LaneView {
    /// The lane backs off as a whole until then.
    until: Option<Timestamp>,
    /// Most tokens are refused: the credential is suspected, not the tokens.
    suspect: bool,
}

/// Draws the conclusions for the lane: suspension, trial, back-off, window.
fn survey(
    shared: &Shared,
    cell: &Cell,
    items: &[Item],
    is_current: impl Fn(&Attempt) -> bool,
    now: Timestamp,
) -> LaneView {
    let (mut accepted, mut answered, mut silent) = (0_usize, 0_usize, 0_usize);
    // When the attempt began that showed an outage, and how long the vendor wants to be left alone.
    let (mut outage, mut limited): (Option<Timestamp>, Option<(Timestamp, Duration)>) =
        (None, None);
    let mut silence_floor = Duration::ZERO;
    let mut refused: Option<(&Verdict, bool)> = None;
    let mut doubt: Option<&Verdict> = None;
    let (mut passed, mut failed) = (false, false);

    let mut control = cell.control();
    let cause = control.cause();
    for item in items {
        let Item::Answer(attempt, position, verdict) = item else {
            continue;
        };
        if !is_current(attempt) {
            continue;
        }
        let Some(lease) = attempt.leases.get(*position) else {
            continue;
        };
        let token = &lease.delivery.token;
        let about_token = match verdict.kind {
            VerdictKind::Accepted => {
                accepted += 1;
                attempt.loaded.prove();
                control.guard.record(token, true, now);
                passed |= attempt.trial;
                true
            }
            VerdictKind::TokenDead { since: None }
            | VerdictKind::TokenMismatch(_)
            | VerdictKind::CredentialRefused
                if attempt.mended != control.mended() =>
            {
                true
            }
            VerdictKind::TokenDead { since: None } | VerdictKind::TokenMismatch(_) => {
                control.guard.record(token, false, now);
                doubt = Some(verdict);
                failed |= attempt.trial && cause == Some(reasons::MOST_TOKENS_REFUSED);
                true
            }
            VerdictKind::CredentialRefused => {
                refused = Some((verdict, attempt.trial));
                true
            }
            VerdictKind::RateLimited(Scope::Credential) => {
                let (began, floor) = limited.unwrap_or((attempt.began, Duration::ZERO));
                limited = Some((began.max(attempt.began), floor.max(floor_of(verdict))));
                true
            }
            VerdictKind::Unavailable | VerdictKind::Unknown => {
                silent += 1;
                outage = outage.max(Some(attempt.began));
                silence_floor = silence_floor.max(floor_of(verdict));
                false
            }
            _ => true,
        };
        if about_token {
            answered += 1;
            let trial_of_credential =
                attempt.trial && cause.is_some_and(|it| it != reasons::MOST_TOKENS_REFUSED);
            passed |= trial_of_credential && verdict.kind != VerdictKind::CredentialRefused;
        }
    }

    if accepted > 0 {
        control.accepted();
    }
    if passed && refused.is_none() {
        control.trial_passed();
        tracing::info!(lane = ?cell.lane, "the vendor takes pushes again: the lane is open");
    }
    let mut until = None;
    if let Some((began, floor)) = limited {
        until = Some(control.back_off(now, began, floor, &shared.backoff));
    }
    // A few unanswered among many answered are no outage.
    if let Some(began) = outage
        && silent > answered
    {
        until = Some(control.back_off(now, began, silence_floor, &shared.backoff));
    }
    let suspected = doubt.filter(|_| failed || control.guard.suspects(now));
    drop(control);

    if let Some((verdict, trial)) = refused {
        let evidence = evidence(verdict);
        shared.suspend(cell, reasons::CREDENTIAL_REFUSED, &evidence, now, trial);
    } else if let Some(verdict) = suspected {
        let evidence = evidence(verdict);
        shared.suspend(cell, reasons::MOST_TOKENS_REFUSED, &evidence, now, failed);
    }
    LaneView {
        until,
        suspect: cell.control().cause() == Some(reasons::MOST_TOKENS_REFUSED),
    }
}

fn judge(
    shared: &Shared,
    attempt: &Attempt,
    lease: &Lease,
    verdict: &Verdict,
    lane: &LaneView,
    is_current: bool,
    now: Timestamp,
) -> Act {
    let at_once = Act::Again {
        due: now,
        attempted: false,
    };
    match verdict.kind {
        VerdictKind::Accepted => Act::Done(reasons::VENDOR_ACCEPTED),
        VerdictKind::TokenDead { since: Some(since) } => Act::Forget(since),
        // The credential was replaced or mended meanwhile: what it was told before does not count.
        VerdictKind::TokenDead { since: None }
        | VerdictKind::TokenMismatch(_)
        | VerdictKind::CredentialRefused
            if !is_current =>
        {
            at_once
        }
        VerdictKind::TokenDead { since: None } if attempt.loaded.proved() && !lane.suspect => {
            // The app may have told it again since, for another credential.
            Act::Forget(lease.delivery.told_at)
        }
        VerdictKind::TokenDead { since: None } => Act::SetAside(reasons::TOKEN_SUSPECT),
        VerdictKind::TokenMismatch(_) => Act::SetAside(reason_of(verdict.kind)),
        VerdictKind::CredentialRefused => at_once,
        VerdictKind::PayloadRefused => Act::Done(reasons::PAYLOAD_REFUSED),
        VerdictKind::RateLimited(_) | VerdictKind::Unavailable | VerdictKind::Unknown => {
            again(shared, lease, verdict, lane, now)
        }
        // A kind that this gateway does not know yet: safest is what may have been sent.
        _ => again(shared, lease, verdict, lane, now),
    }
}

/// Another attempt, unless the vendor, the time to live or the number of attempts forbids it.
fn again(
    shared: &Shared,
    lease: &Lease,
    verdict: &Verdict,
    lane: &LaneView,
    now: Timestamp,
) -> Act {
    // A vendor that certainly was never reached has not been asked.
    let attempted = verdict.kind != VerdictKind::Unavailable || verdict.answer.status.is_some();
    if verdict.retry == Retry::Never {
        return Act::Done(reason_of(verdict.kind));
    }
    if attempted && lease.attempt >= shared.settings.max_attempts {
        return Act::Done(reasons::ATTEMPTS_EXHAUSTED);
    }
    let of_lane = !matches!(verdict.kind, VerdictKind::RateLimited(Scope::Token));
    let wait = match lane.until.filter(|_| of_lane) {
        Some(until) => until.since(now),
        None => shared.backoff.delay(lease.attempt),
    };
    let due = now + wait.max(floor_of(verdict));
    let expires_at = lease.delivery.notification.expires_at;
    if expires_at.is_some_and(|it| it <= due) {
        return Act::Done(reasons::EXPIRED);
    }
    Act::Again { due, attempted }
}

fn floor_of(verdict: &Verdict) -> Duration {
    match verdict.retry {
        Retry::After(floor) => floor.min(Retry::MAX_AFTER),
        _ => Duration::ZERO,
    }
}

fn reason_of(kind: VerdictKind) -> Reason {
    match kind {
        VerdictKind::Accepted => reasons::VENDOR_ACCEPTED,
        VerdictKind::TokenDead { .. } => reasons::TOKEN_DEAD,
        VerdictKind::TokenMismatch(Mismatch::Environment) => reasons::ENVIRONMENT_MISMATCH,
        VerdictKind::TokenMismatch(Mismatch::App) => reasons::TOKEN_OF_ANOTHER_APP,
        VerdictKind::CredentialRefused => reasons::CREDENTIAL_REFUSED,
        VerdictKind::PayloadRefused => reasons::PAYLOAD_REFUSED,
        VerdictKind::RateLimited(_) => reasons::RATE_LIMITED,
        VerdictKind::Unavailable => reasons::VENDOR_UNAVAILABLE,
        _ => reasons::NO_ANSWER,
    }
}

/// The vendor's code, or its words.
fn evidence(verdict: &Verdict) -> String {
    let answer = &verdict.answer;
    let words = [&answer.code, &answer.text]
        .into_iter()
        .find(|it| !it.is_empty());
    match (answer.status, words) {
        (Some(status), Some(words)) => format!("{status} {words}"),
        (Some(status), None) => status.to_string(),
        (None, Some(words)) => words.clone(),
        (None, None) => String::new(),
    }
}

async fn act(shared: &Shared, cell: &Cell, outcome: Outcome, now: Timestamp) {
    let app = &cell.lane.app;
    let mut done = outcome.done;

    let forgotten = join_all(
        outcome
            .forget
            .iter()
            .map(|(_, it, since)| shared.store.forget(app, &it.channel, &it.token, *since)),
    )
    .await;
    for ((lease, delivery, _), forgotten) in outcome.forget.into_iter().zip(forgotten) {
        let reason = match forgotten {
            Ok(true) => reasons::TOKEN_DEAD,
            Ok(false) => reasons::TOKEN_RENEWED,
            // It will be found dead again.
            Err(error) => {
                tracing::warn!(lane = ?cell.lane, %error, "a dead token could not be forgotten");
                reasons::TOKEN_DEAD
            }
        };
        done.push((lease, delivery, reason));
    }

    let aside = join_all(outcome.aside.iter().map(|(_, it, reason, since)| {
        shared
            .store
            .quarantine(app, &it.channel, &it.token, reason.code, *since)
    }))
    .await;
    for ((lease, delivery, reason, _), aside) in outcome.aside.into_iter().zip(aside) {
        if let Err(error) = aside {
            tracing::warn!(lane = ?cell.lane, %error, "a token could not be set aside");
        }
        done.push((lease, delivery, reason));
    }

    let leases: Vec<LeaseId> = done.iter().map(|(lease, ..)| *lease).collect();
    if !leases.is_empty() {
        persist(shared, cell, || shared.queue.ack(leases.clone())).await;
    }
    if !outcome.again.is_empty() {
        persist(shared, cell, || shared.queue.nack(outcome.again.clone())).await;
        let mut control = cell.control();
        for it in &outcome.again {
            control.due(it.due);
        }
    }

    let mut settled = BTreeMap::new();
    let mut events = outcome.events;
    let mut channel = None;
    for (_, delivery, reason) in &done {
        *settled.entry(reason.code).or_default() += 1;
        events.push(TraceEvent::of(delivery, now, Stage::Settled).because(reason));
        channel.get_or_insert_with(|| delivery.channel.clone());
    }
    if channel.is_none() {
        channel = events.iter().find_map(|it| it.channel.clone());
    }
    if let Some(channel) = channel {
        for (kind, count) in outcome.verdicts {
            shared.metrics.verdicts(app, &channel, kind, count);
        }
        for (reason, count) in settled {
            shared.metrics.settled(app, &channel, reason, count);
        }
    }
    shared.recorder.append(events);
}

/// Tells the queue, and tells it again if it fails. What it never hears ends with the lease, and may be sent twice.
async fn persist<T, F>(shared: &Shared, cell: &Cell, tell: impl Fn() -> F)
where
    F: Future<Output = push_core::Result<T>>,
{
    for attempt in 0..TRIES {
        match tell().await {
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(lane = ?cell.lane, %error, "the queue did not take a lane's answers");
                shared.clock.sleep(PAUSE * (1 << attempt)).await;
            }
        }
    }
}
