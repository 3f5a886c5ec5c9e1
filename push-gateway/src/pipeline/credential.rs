//! What all lanes of one credential share: whether it is suspended, backed off, or suspected.
use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use push_core::{Channel, CredentialRef, DeviceToken, Reason};
use tokio::sync::watch;

use super::{
    backoff::Backoff,
    evidence::Evidence,
    guard::Guard,
    refusals::Refusals,
    steady::{Moment, Now},
};
use crate::{lane_status::LaneStatus, settings::PipelineSettings};

/// How much longer than the next trial a delivery waits that the vendor refused with the credential: others are tried first.
pub(super) const BEHIND_TRIAL: Duration = Duration::from_secs(1);

/// A credential, shared by its lanes.
#[derive(Debug)]
pub(super) struct CredentialCell {
    pub(super) credential: CredentialRef,
    state: Mutex<CredentialState>,
    changed: watch::Sender<()>,
}

impl CredentialCell {
    pub(super) fn new(credential: CredentialRef, settings: &PipelineSettings) -> Self {
        Self {
            credential,
            state: Mutex::new(CredentialState::new(settings)),
            changed: watch::Sender::new(()),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, CredentialState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes every lane of the credential: its state has changed.
    pub(super) fn notify(&self) {
        self.changed.send_replace(());
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

#[derive(Debug)]
pub(super) struct CredentialState {
    /// Known once a provider was built.
    pub(super) channel: Option<Channel>,
    suspension: Option<Suspension>,
    /// How often the credential was repaired. What began before says nothing of it as it is now.
    repaired: u64,
    pub(super) evidence: Evidence,
    pub(super) guard: Guard,
    /// Tokens whose last answer refused the credential.
    pub(super) refusals: Refusals,
    hasher: RandomState,
}

#[derive(Clone, Debug)]
struct Suspension {
    cause: Reason,
    since: Moment,
    probe_at: Moment,
    refusals: u32,
    /// A trial is under way.
    trial: bool,
    /// The tokens whose answers suspended a credential that had worked before: any other is tried at once, since these may be
    /// the cause themselves. Empty after that trial.
    accusers: HashSet<u64>,
    evidence: String,
}

/// What a lane of a credential may do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Permit {
    /// Send.
    Open,
    /// Send one delivery, to find out whether the credential works again.
    Trial,
    /// The same, but with a token that has not accused the credential.
    TrialOfOther,
    /// Nothing before this time, or before the credential's state changes.
    Wait(Option<Moment>),
}

impl CredentialState {
    fn new(settings: &PipelineSettings) -> Self {
        Self {
            channel: None,
            suspension: None,
            repaired: 0,
            evidence: Evidence::default(),
            guard: Guard::new(
                settings.guard_window,
                settings.guard_min,
                settings.guard_share,
            ),
            refusals: Refusals::default(),
            hasher: RandomState::new(),
        }
    }

    /// What a lane may do at `now`.
    pub(super) fn permit(&mut self, now: Moment) -> Permit {
        let permit = match &self.suspension {
            None => Permit::Open,
            Some(suspension) if suspension.trial => Permit::Wait(None),
            Some(suspension) if now >= suspension.probe_at => Permit::Trial,
            Some(suspension) if suspension.accusers.is_empty() => {
                Permit::Wait(Some(suspension.probe_at))
            }
            Some(_) => Permit::TrialOfOther,
        };
        match self.evidence.until(now) {
            Some(until) if !matches!(permit, Permit::Wait(_)) => Permit::Wait(Some(until)),
            _ => permit,
        }
    }

    /// Whether `token` accused the credential, so that another is tried.
    pub(super) fn is_accuser(&self, token: &DeviceToken) -> bool {
        let token = self.hasher.hash_one(token);
        let suspension = self.suspension.as_ref();
        suspension.is_some_and(|suspension| suspension.accusers.contains(&token))
    }

    /// A trial begins; no other lane begins one until it ends. Returns `false` if one is under way.
    pub(super) fn begin_trial(&mut self) -> bool {
        match &mut self.suspension {
            Some(suspension) if !suspension.trial => {
                suspension.trial = true;
                true
            }
            _ => false,
        }
    }

    /// A trial ended without saying anything about the cause.
    pub(super) fn end_trial(&mut self, now: Moment, probe: &Backoff) {
        if let Some(suspension) = self.suspension.as_mut().filter(|it| it.trial) {
            suspension.trial = false;
            suspension.accusers.clear();
            suspension.probe_at = now + probe.bound(suspension.refusals);
        }
    }

    /// A trial did not take place: there was nothing to send.
    pub(super) fn abandon_trial(&mut self) {
        if let Some(suspension) = &mut self.suspension {
            suspension.trial = false;
        }
    }

    /// A trial showed that the cause does not hold any more. Returns `true` if the credential was suspended.
    pub(super) fn trial_passed(&mut self) -> bool {
        let passed = self.suspension.as_ref().is_some_and(|it| it.trial);
        if passed {
            self.suspension = None;
            self.repaired += 1;
            self.guard.clear();
        }
        passed
    }

    /// Suspends the credential, or, after a failed `trial`, prolongs the suspension. Other tokens than `accusers` are tried at
    /// once if there are any. Returns `true` if it was not suspended.
    pub(super) fn suspend(
        &mut self,
        cause: Reason,
        evidence: &str,
        now: Moment,
        trial: bool,
        probe: &Backoff,
        accusers: &[&DeviceToken],
    ) -> bool {
        match &mut self.suspension {
            // What was under way when the credential was suspended says nothing new.
            Some(_) if !trial => false,
            Some(suspension) => {
                suspension.cause = cause;
                evidence.clone_into(&mut suspension.evidence);
                suspension.refusals = suspension.refusals.saturating_add(1);
                suspension.probe_at = now + probe.bound(suspension.refusals);
                suspension.trial = false;
                // Tried with one of the same tokens, for want of others, it is still not known whether those are the cause.
                let is_accuser = |token| suspension.accusers.contains(&self.hasher.hash_one(token));
                if accusers.is_empty() || !accusers.iter().all(is_accuser) {
                    suspension.accusers.clear();
                }
                false
            }
            None => {
                self.suspension = Some(Suspension {
                    cause,
                    since: now,
                    probe_at: now + probe.bound(1),
                    refusals: 1,
                    trial: false,
                    accusers: accusers
                        .iter()
                        .map(|token| self.hasher.hash_one(token))
                        .collect(),
                    evidence: evidence.to_owned(),
                });
                true
            }
        }
    }

    /// The credential was repaired: everything may go at once.
    pub(super) fn resume(&mut self) {
        self.suspension = None;
        self.repaired += 1;
        self.evidence = Evidence::default();
        self.guard.clear();
        self.refusals.forget();
    }

    /// How often the credential was repaired.
    pub(super) const fn repaired(&self) -> u64 {
        self.repaired
    }

    /// Why the credential is suspended, if it is.
    pub(super) fn cause(&self) -> Option<Reason> {
        self.suspension.as_ref().map(|suspension| suspension.cause)
    }

    /// When the credential is tried next with any token, if it is suspended.
    pub(super) fn probe_at(&self) -> Option<Moment> {
        self.suspension
            .as_ref()
            .map(|suspension| suspension.probe_at)
    }

    /// When the credential is tried next, with some token.
    pub(super) fn next_trial_at(&self, now: Moment) -> Option<Moment> {
        let suspension = self.suspension.as_ref()?;
        Some(match suspension.accusers.is_empty() {
            true => suspension.probe_at,
            false => now,
        })
    }

    pub(super) fn status(&self, now: Now) -> LaneStatus {
        if let Some(suspension) = &self.suspension {
            return LaneStatus::Suspended {
                reason: suspension.cause.code,
                since: now.wall_of(suspension.since),
                probe_at: now.wall_of(suspension.probe_at),
                evidence: suspension.evidence.clone(),
            };
        }
        self.evidence.status(now)
    }
}
