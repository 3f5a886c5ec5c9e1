//! The conclusions about credential and class from a batch of verdicts.
use std::{collections::HashMap, time::Duration};

use push_core::{DeliveryId, DeviceToken, Scope, Verdict, VerdictKind};

use super::answer::{self, floor_of, is_wide};
use crate::{
    decision::reasons,
    pipeline::{
        attempt::{Attempt, Item, Sendable},
        cell::Cell,
        evidence::Evidence,
        refusals::Exception,
        shared::Shared,
        steady::Moment,
    },
};

/// The conclusions.
pub(super) struct Survey {
    generation: Option<u64>,
    repaired: u64,
    /// The credential backs off until then.
    credential_until: Option<Moment>,
    /// The class backs off until then.
    class_until: Option<Moment>,
    /// When the suspended credential is tried next.
    pub(super) probe_at: Option<Moment>,
    /// Most tokens are refused: the credential is suspected, not the tokens.
    pub(super) suspect: bool,
    /// Whether the vendor accepted a push of the current build of the credential.
    pub(super) proved: bool,
    /// Deliveries that were refused together with the credential although it works for others, and how certain that is.
    pub(super) exceptions: HashMap<DeliveryId, Exception>,
}

impl Survey {
    /// Whether an attempt was made with the credential as it is now.
    pub(super) fn is_current(&self, attempt: &Attempt) -> bool {
        Some(attempt.loaded.generation) == self.generation && attempt.repaired == self.repaired
    }

    /// Until when everything that such a verdict concerns waits; `None` if only the delivery does.
    pub(super) fn until(&self, kind: VerdictKind) -> Option<Moment> {
        match kind {
            VerdictKind::RateLimited(scope) | VerdictKind::Unavailable(scope)
                if !is_wide(scope) =>
            {
                None
            }
            _ => self.credential_until.max(self.class_until),
        }
    }
}

/// What the verdicts add up to.
#[derive(Default)]
struct Tally<'a> {
    accepted: usize,
    answered: usize,
    silent: usize,
    /// The vendor asked to slow down, also if for one token only.
    throttled: bool,
    outage: Option<BackOffCause<'a>>,
    credential_limit: Option<BackOffCause<'a>>,
    class_limit: Option<BackOffCause<'a>>,
    class_outage: Option<BackOffCause<'a>>,
    refused: Option<&'a Verdict>,
    accusers: Vec<&'a DeviceToken>,
    refused_in_trial: bool,
    doubt: Option<&'a Verdict>,
    failed_trial: bool,
    passed_trial: bool,
    trial_ended: bool,
}

/// A reason to send nothing for a while.
struct BackOffCause<'a> {
    verdict: &'a Verdict,
    /// When the attempt that showed it began.
    began: Moment,
    /// The shortest `Retry-After` of those who showed it: a longer one of a single target holds up that target only.
    floor: Duration,
}

impl<'a> BackOffCause<'a> {
    fn merge(cause: &mut Option<Self>, verdict: &'a Verdict, began: Moment) {
        let floor = floor_of(verdict);
        match cause {
            None => {
                *cause = Some(Self {
                    verdict,
                    began,
                    floor,
                });
            }
            Some(cause) => {
                cause.began = cause.began.max(began);
                cause.floor = cause.floor.min(floor);
            }
        }
    }
}

/// Draws the conclusions: suspension, trial, back-off, window.
pub(super) fn survey(shared: &Shared, cell: &Cell, items: &[Item], now: Moment) -> Survey {
    let generation = shared.services.vault.generation(&cell.lane.credential);
    let mut exceptions = HashMap::new();
    // A late verdict has no attempt that could show it.
    let mut proved = shared.services.vault.proved(&cell.lane.credential);
    let mut notify = false;
    let tally = {
        let mut tally = Tally::default();
        let mut control = cell.control();
        let mut state = cell.credential.state();
        let repaired = state.repaired();
        let cause = state.cause();
        let mut refused = Vec::new();
        for (attempt, member, verdict) in answers(items) {
            if Some(attempt.loaded.generation) != generation {
                continue;
            }
            proved |= attempt.loaded.proved();
            if attempt.trial {
                tally.trial_ended = true;
            }
            let current = attempt.repaired == repaired;
            let batch = attempt.batch.id;
            let mut about_vendor = true;
            match verdict.kind {
                VerdictKind::Accepted => {
                    tally.accepted += 1;
                    attempt.loaded.prove();
                    proved = true;
                    state.guard.record(&member.token, true, now);
                    state
                        .refusals
                        .accepted(&member.token, attempt.refusals, now);
                    if attempt.trial && current {
                        tally.passed_trial = true;
                    }
                }
                VerdictKind::CredentialRefused if current => {
                    refused.push((attempt, member, verdict));
                }
                VerdictKind::TokenDead { since: None } if current => {
                    state.guard.record(&member.token, false, now);
                    tally.doubt = Some(verdict);
                    if attempt.trial && cause == Some(reasons::MOST_TOKENS_REFUSED) {
                        tally.failed_trial = true;
                    }
                }
                VerdictKind::TokenUnusable(fault) if current && fault.accuses_credential() => {
                    state.guard.record(&member.token, false, now);
                    tally.doubt = Some(verdict);
                    if attempt.trial && cause == Some(reasons::MOST_TOKENS_REFUSED) {
                        tally.failed_trial = true;
                    }
                }
                VerdictKind::RateLimited(Scope::Credential) => {
                    tally.throttled = true;
                    if state.evidence.throttled(&member.token, batch, now) {
                        BackOffCause::merge(&mut tally.credential_limit, verdict, attempt.began);
                    }
                }
                VerdictKind::RateLimited(Scope::Class) => {
                    tally.throttled = true;
                    if control.evidence.throttled(&member.token, batch, now) {
                        BackOffCause::merge(&mut tally.class_limit, verdict, attempt.began);
                    }
                }
                VerdictKind::Unavailable(Scope::Class) => {
                    tally.silent += 1;
                    about_vendor = false;
                    if control.evidence.failed(&member.token, batch) {
                        BackOffCause::merge(&mut tally.class_outage, verdict, attempt.began);
                    }
                }
                VerdictKind::Unavailable(Scope::Credential) | VerdictKind::Unknown => {
                    tally.silent += 1;
                    about_vendor = false;
                    if state.evidence.failed(&member.token, batch) {
                        BackOffCause::merge(&mut tally.outage, verdict, attempt.began);
                    }
                }
                VerdictKind::Unavailable(_) => about_vendor = false,
                // A layer's, and no answer. What is leased before then would be postponed as well.
                VerdictKind::Postponed => {
                    about_vendor = false;
                    control.hold(now + floor_of(verdict), now);
                }
                _ => {}
            }
            if about_vendor {
                tally.answered += 1;
                state.evidence.answered();
                control.evidence.answered();
                // Any answer but a refusal shows that the credential is accepted again.
                let of_credential = cause.is_some_and(|it| it != reasons::MOST_TOKENS_REFUSED);
                let was_accepted = verdict.kind != VerdictKind::CredentialRefused;
                if attempt.trial && current && of_credential && was_accepted {
                    tally.passed_trial = true;
                }
            }
        }
        for (attempt, member, verdict) in refused {
            let concerns = state.refusals.refused(&member.token, attempt.refusals, now);
            if let Some(exception) = concerns.exception() {
                exceptions.insert(member.lease.delivery.id, exception);
                continue;
            }
            // The vendor accepted others at the same time: this one is asked once more before anything is concluded.
            if tally.accepted == 0 {
                tally.refused = Some(verdict);
                tally.accusers.push(&member.token);
                if attempt.trial {
                    tally.refused_in_trial = true;
                }
            }
        }
        if tally.accepted > 0 {
            state.evidence.accepted();
            control.evidence.accepted();
            control.grow();
        }
        if tally.passed_trial && tally.refused.is_none() && state.trial_passed() {
            notify = true;
            control.due_now(now);
            tracing::info!(credential = ?cell.lane.credential, "the vendor accepts pushes again: the credential is open");
        }
        tally
    };
    let mut survey = Survey {
        generation,
        repaired: cell.credential.state().repaired(),
        credential_until: None,
        class_until: None,
        probe_at: None,
        suspect: false,
        proved,
        exceptions,
    };
    back_off(shared, cell, &tally, now, &mut survey);
    suspend(shared, cell, &tally, now, &mut survey);
    let mut state = cell.credential.state();
    if tally.trial_ended {
        // Neither passed nor failed: it said nothing about the cause.
        state.end_trial(now, &shared.probe);
        notify = true;
    }
    survey.suspect = state.cause() == Some(reasons::MOST_TOKENS_REFUSED);
    survey.probe_at = state.next_trial_at(now);
    drop(state);
    if notify {
        cell.credential.notify();
    }
    survey
}

fn answers(items: &[Item]) -> impl Iterator<Item = (&Attempt, &Sendable, &Verdict)> {
    items
        .iter()
        .filter_map(|item| match item {
            Item::Answers(attempt, verdicts) => Some((attempt, verdicts)),
            _ => None,
        })
        .flat_map(|(attempt, verdicts)| {
            verdicts.iter().filter_map(|(position, verdict)| {
                Some((&**attempt, attempt.members.get(*position)?, verdict))
            })
        })
}

fn back_off(shared: &Shared, cell: &Cell, tally: &Tally<'_>, now: Moment, survey: &mut Survey) {
    let back_off = |evidence: &mut Evidence, cause: &BackOffCause<'_>, limited: bool| {
        let words = answer::evidence(cause.verdict);
        evidence.back_off(
            Evidence::reason(limited),
            &words,
            now,
            cause.began,
            cause.floor,
            &shared.backoff,
        )
    };
    // A few failures among many answers are no outage.
    let is_outage = tally.silent > tally.answered;
    let of_credential = [(&tally.credential_limit, true), (&tally.outage, false)];
    for (cause, limited) in of_credential {
        if let Some(cause) = cause.as_ref().filter(|_| limited || is_outage) {
            let until = back_off(&mut cell.credential.state().evidence, cause, limited);
            survey.credential_until = survey.credential_until.max(Some(until));
        }
    }
    let of_class = [(&tally.class_limit, true), (&tally.class_outage, false)];
    for (cause, limited) in of_class {
        if let Some(cause) = cause.as_ref().filter(|_| limited || is_outage) {
            let until = back_off(&mut cell.control().evidence, cause, limited);
            survey.class_until = survey.class_until.max(Some(until));
        }
    }
    if survey.credential_until.max(survey.class_until).is_some() {
        cell.control().shrink();
        cell.credential.notify();
    } else if tally.throttled {
        // Few at a time until it is known whether all are meant.
        cell.control().shrink();
    }
}

fn suspend(shared: &Shared, cell: &Cell, tally: &Tally<'_>, now: Moment, survey: &mut Survey) {
    if let Some(verdict) = tally.refused {
        // A credential that worked a moment ago is tried at once with another token: if that is accepted, the refused one was
        // to blame.
        let accusers = match survey.proved {
            true => &tally.accusers[..],
            false => &[],
        };
        let (cause, trial) = (reasons::CREDENTIAL_REFUSED, tally.refused_in_trial);
        let evidence = answer::evidence(verdict);
        shared.suspend(cell, cause, &evidence, now, trial, accusers);
        return;
    }
    let suspects = tally.failed_trial || cell.credential.state().guard.suspects(now);
    if let Some(verdict) = tally.doubt.filter(|_| suspects) {
        let (cause, trial) = (reasons::MOST_TOKENS_REFUSED, tally.failed_trial);
        shared.suspend(cell, cause, &answer::evidence(verdict), now, trial, &[]);
    }
}
