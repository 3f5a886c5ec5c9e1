//! The one place that acts on verdicts: a lane's settle loop.
mod act;
mod answer;
mod outcome;
mod survey;

use std::{collections::HashMap, sync::Arc, time::Duration};

use push_core::{
    BatchRef, Delivery, Lease, Reason, Retry, Return, Stage, Timestamp, TraceEvent, Verdict,
    VerdictKind,
};
use tokio::sync::mpsc;

use self::{
    answer::{floor_of, reason_of},
    outcome::{Outcome, TokenAct},
    survey::{Survey, survey},
};
use super::{
    attempt::{Attempt, Item, LateVerdict, Sendable},
    cell::Cell,
    credential::BEHIND_TRIAL,
    refusals::Exception,
    shared::Shared,
    steady::Now,
};
use crate::decision::reasons;

/// How many items are settled at once.
const BATCH: usize = 1024;

/// A batch without any answer is sent unchanged this many times; afterwards its deliveries are sent in smaller ones.
const TOGETHER: u32 = 3;

/// Runs until the dispatcher and every batch have ended.
pub(super) async fn settle(
    shared: Arc<Shared>,
    cell: Arc<Cell>,
    mut items: mpsc::UnboundedReceiver<Item>,
) {
    let mut batch = Vec::new();
    while items.recv_many(&mut batch, BATCH).await > 0 {
        let landed = batch.iter().map(deliveries).sum();
        let now = shared.now();
        let items = merge(std::mem::take(&mut batch));
        let outcome = judge_all(&shared, &cell, items, now);
        act::act(&shared, &cell, outcome, now).await;
        cell.landed(landed);
    }
}

/// Joins the verdicts of one attempt that were reported one by one.
fn merge(items: Vec<Item>) -> Vec<Item> {
    let mut merged: Vec<Item> = Vec::with_capacity(items.len());
    let mut places: HashMap<*const Attempt, usize> = HashMap::new();
    for item in items {
        let Item::Answers(attempt, verdicts) = item else {
            merged.push(item);
            continue;
        };
        let place = *places.entry(Arc::as_ptr(&attempt)).or_insert(merged.len());
        match merged.get_mut(place) {
            Some(Item::Answers(_, known)) => known.extend(verdicts),
            _ => merged.push(Item::Answers(attempt, verdicts)),
        }
    }
    merged
}

/// How many leased deliveries an item ends.
fn deliveries(item: &Item) -> usize {
    match item {
        Item::Answers(_, verdicts) => verdicts.len(),
        Item::Drop(..) => 1,
        Item::Late(_) => 0,
    }
}

/// What is to be done about one delivery.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    /// It is done, for this reason.
    Done(Reason),
    /// Its token is dead since then.
    Forget(Timestamp),
    /// Its token cannot be used for now, for this reason.
    Quarantine(Reason),
    /// It is tried again after this time; `attempted`: this attempt counts.
    Again { after: Duration, attempted: bool },
}

fn judge_all(shared: &Shared, cell: &Cell, items: Vec<Item>, now: Now) -> Outcome {
    let survey = survey(shared, cell, &items, now.moment);
    let mut outcome = Outcome::default();
    for item in items {
        match item {
            Item::Drop(lease, reason) => {
                let Lease { id, delivery, .. } = *lease;
                outcome.done.push((id, delivery, reason));
            }
            Item::Answers(attempt, verdicts) => {
                let judging = Judging {
                    shared,
                    survey: &survey,
                    attempt: &attempt,
                    now,
                };
                judging.answers(verdicts, &mut outcome);
            }
            Item::Late(late) => judge_late(*late, &survey, now.wall, &mut outcome),
        }
    }
    outcome
}

/// Judges the verdicts of one attempt.
struct Judging<'a> {
    shared: &'a Shared,
    survey: &'a Survey,
    attempt: &'a Attempt,
    now: Now,
}

impl Judging<'_> {
    fn answers(&self, verdicts: Vec<(usize, Verdict)>, outcome: &mut Outcome) {
        let attempt = self.attempt;
        let unknown = |verdict: &Verdict| verdict.kind == VerdictKind::Unknown;
        // Sent again together, under the same id, only if nothing is known of any of them, and only a few times: one of them
        // may be what the vendor does not answer to.
        let together = attempt.members.len() > 1
            && verdicts.len() == attempt.members.len()
            && verdicts.iter().all(|(_, verdict)| unknown(verdict))
            && attempt
                .members
                .iter()
                .all(|member| member.lease.attempt < TOGETHER);
        let batch: Option<BatchRef> = together.then_some(attempt.batch);
        let mut common: Option<Duration> = None;
        for (position, verdict) in verdicts {
            let Some(member) = attempt.members.get(position) else {
                continue;
            };
            *outcome.verdicts.entry(verdict.kind.as_str()).or_default() += 1;
            let act = self.judge(member, &verdict);
            outcome.events.push(self.answered(member, &verdict));
            let lease = &member.lease;
            match act {
                Act::Done(reason) => {
                    outcome
                        .done
                        .push((lease.id.clone(), lease.delivery.clone(), reason));
                }
                Act::Forget(since) => outcome.tokens.push(TokenAct {
                    token: member.token.clone(),
                    since,
                    quarantine: None,
                    lease: Some(lease.clone()),
                }),
                Act::Quarantine(reason) => outcome.tokens.push(TokenAct {
                    token: member.token.clone(),
                    since: member.reported_at,
                    quarantine: Some(reason),
                    lease: Some(lease.clone()),
                }),
                Act::Again { after, attempted } => {
                    let after = match batch {
                        Some(_) => *common.get_or_insert(after),
                        None => after,
                    };
                    // What was postponed is still part of the batch in which it was sent last.
                    let batch = match verdict.kind {
                        VerdictKind::Postponed => lease.batch,
                        _ => batch,
                    };
                    let back = Return::new(lease.id.clone(), after).with_batch(batch);
                    outcome.again.push(if attempted {
                        back
                    } else {
                        back.without_attempt()
                    });
                }
            }
        }
    }

    fn answered(&self, member: &Sendable, verdict: &Verdict) -> TraceEvent {
        let accepted = verdict.kind == VerdictKind::Accepted;
        let anonymous = member.lease.delivery.device().is_none();
        TraceEvent::of(&member.lease.delivery, self.now.wall, Stage::Answered)
            .because(&reason_of(verdict))
            .with_attempt(member.lease.attempt)
            .with_answer(Arc::clone(&verdict.answer))
            .with_token((!accepted || anonymous).then(|| member.token.fingerprint()))
    }

    fn judge(&self, member: &Sendable, verdict: &Verdict) -> Act {
        let survey = self.survey;
        let is_current = survey.is_current(self.attempt);
        let at_once = Act::Again {
            after: Duration::ZERO,
            attempted: false,
        };
        match verdict.kind {
            VerdictKind::Accepted => Act::Done(reasons::VENDOR_ACCEPTED),
            VerdictKind::TokenDead { since: Some(since) } => Act::Forget(since),
            // The credential was replaced or repaired meanwhile: answers from before say nothing of it.
            VerdictKind::TokenDead { since: None } | VerdictKind::CredentialRefused
                if !is_current =>
            {
                at_once
            }
            VerdictKind::TokenUnusable(fault) if fault.accuses_credential() && !is_current => {
                at_once
            }
            VerdictKind::TokenDead { since: None }
                if self.attempt.loaded.proved() && !survey.suspect =>
            {
                // The app may have registered it again since, for another credential.
                Act::Forget(member.reported_at)
            }
            VerdictKind::TokenDead { since: None } => Act::Quarantine(reasons::TOKEN_SUSPECT),
            VerdictKind::TokenUnusable(_) => Act::Quarantine(reason_of(verdict)),
            VerdictKind::CredentialRefused => self.refused(&member.lease),
            VerdictKind::TargetRefused | VerdictKind::PayloadRefused => {
                Act::Done(reason_of(verdict))
            }
            VerdictKind::Postponed => self.postponed(&member.lease, verdict),
            // Besides those that ask for another attempt: a kind of a newer version, which is safest treated as one that
            // may have been sent.
            _ => self.again(&member.lease, verdict),
        }
    }

    /// The vendor refused the credential in its answer to this delivery.
    fn refused(&self, lease: &Lease) -> Act {
        let backoff = &self.shared.backoff;
        match self.survey.exceptions.get(&lease.delivery.id) {
            Some(Exception::TokenAlone) => Act::Done(reasons::REFUSED_ALONE),
            // It waits by itself: certainly not sent, and not to be dropped before its life ends.
            Some(Exception::Token) => {
                let wait = backoff.delay(lease.attempt) + BEHIND_TRIAL;
                match self.within_life(&lease.delivery, wait, Duration::ZERO) {
                    Some(after) => Act::Again {
                        after,
                        attempted: true,
                    },
                    None => Act::Done(reasons::EXPIRED),
                }
            }
            None => Act::Again {
                after: match self.survey.probe_at {
                    Some(at) => at.since(self.now.moment) + BEHIND_TRIAL,
                    None => backoff.delay(lease.attempt) + BEHIND_TRIAL,
                },
                attempted: false,
            },
        }
    }

    /// A layer did not pass it on: no attempt was made, and none is counted.
    fn postponed(&self, lease: &Lease, verdict: &Verdict) -> Act {
        let wait = match floor_of(verdict) {
            Duration::ZERO => self.shared.backoff.delay(1),
            wait => wait,
        };
        match self.within_life(&lease.delivery, wait, wait) {
            Some(after) => Act::Again {
                after,
                attempted: false,
            },
            None => Act::Done(reasons::EXPIRED),
        }
    }

    /// Another attempt, unless the vendor or the delivery's life forbids it.
    fn again(&self, lease: &Lease, verdict: &Verdict) -> Act {
        if verdict.retry == Retry::Never {
            return Act::Done(reason_of(verdict));
        }
        let repeats = !matches!(
            verdict.kind,
            VerdictKind::Unavailable(_) | VerdictKind::RateLimited(_)
        );
        // What may have been sent is not sent without end. What certainly was not ends with its life.
        if repeats && lease.attempt >= self.shared.services.settings.pipeline.max_attempts {
            return Act::Done(reasons::ATTEMPTS_EXHAUSTED);
        }
        let backoff = &self.shared.backoff;
        let own = match repeats {
            true => backoff.delay_of_repeat(lease.attempt),
            false => backoff.delay(lease.attempt),
        };
        let wait = match self.survey.until(verdict.kind) {
            Some(until) if repeats => until.since(self.now.moment).max(own),
            Some(until) => until.since(self.now.moment),
            None => own,
        };
        let floor = floor_of(verdict);
        match self.within_life(&lease.delivery, wait.max(floor), floor) {
            Some(after) => Act::Again {
                after,
                attempted: true,
            },
            None => Act::Done(reasons::EXPIRED),
        }
    }

    /// How long `delivery` waits that should wait for `wait` and must wait for `floor`; `None` if its life is as good as over. A
    /// wait that would outlast its life is shortened, so that it is tried once more; if it must not be, it expires when its life
    /// ends, and not before.
    fn within_life(
        &self,
        delivery: &Delivery,
        wait: Duration,
        floor: Duration,
    ) -> Option<Duration> {
        let Some(end) = delivery.expires_at() else {
            return Some(wait);
        };
        let left = end.since(self.now.wall);
        if wait < left {
            return Some(wait);
        }
        let half = (left / 2).max(floor);
        let shortest = self.shared.services.settings.pipeline.backoff_base;
        (half >= shortest).then_some(half.min(left))
    }
}

/// Judges what a vendor reported later. The delivery is done; only the token is affected (ADR 6 holds as for any verdict).
fn judge_late(late: LateVerdict, survey: &Survey, now: Timestamp, outcome: &mut Outcome) {
    let kind = late.verdict.kind;
    *outcome.verdicts.entry(kind.as_str()).or_default() += 1;
    let act = match kind {
        VerdictKind::TokenDead { since } => {
            let since = since.unwrap_or(late.at).min(now);
            let trusted = survey.proved && !survey.suspect;
            Some((since, (!trusted).then_some(reasons::TOKEN_SUSPECT)))
        }
        VerdictKind::TokenUnusable(_) => Some((late.at, Some(reason_of(&late.verdict)))),
        _ => None,
    };
    if let Some((since, quarantine)) = act {
        outcome.tokens.push(TokenAct {
            token: late.token.clone(),
            since,
            quarantine,
            lease: None,
        });
    }
    let reason = reason_of(&late.verdict);
    outcome.events.extend(late.event.map(|mut event| {
        event.attempt = None;
        event
            .because(&reason)
            .with_at(now)
            .with_stage(Stage::Answered)
            .with_answer(late.verdict.answer)
            .with_token(late.token.fingerprint())
    }));
}
