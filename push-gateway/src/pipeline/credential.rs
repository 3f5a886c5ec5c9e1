//! What all lanes of one credential share: whether it is suspended, backed off, or suspected.
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use push_core::{Channel, CredentialRef, DeliveryId, DeviceToken, Reason, Timestamp};
use tokio::sync::watch;

use super::{backoff::Backoff, evidence::Evidence, guard::Guard};
use crate::{lane_status::LaneStatus, settings::PipelineSettings};

/// The most refused deliveries that are remembered.
const MAX_REFUSED: usize = 1_024;

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
    /// Deliveries that the vendor refused together with the credential, and when.
    refused: HashMap<DeliveryId, Timestamp>,
    accepted_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
struct Suspension {
    cause: Reason,
    since: Timestamp,
    probe_at: Timestamp,
    refusals: u32,
    /// A trial is under way.
    trial: bool,
    evidence: String,
}

/// What a lane of a credential may do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Permit {
    /// Send.
    Open,
    /// Send one delivery, to find out whether the credential works again.
    Trial,
    /// Nothing before this time, or before the credential's state changes.
    Wait(Option<Timestamp>),
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
            refused: HashMap::new(),
            accepted_at: None,
        }
    }

    /// What a lane may do at `now`.
    pub(super) fn permit(&mut self, now: Timestamp) -> Permit {
        if let Some(suspension) = &self.suspension {
            if suspension.trial {
                return Permit::Wait(None);
            }
            if now < suspension.probe_at {
                return Permit::Wait(Some(suspension.probe_at));
            }
        }
        if let Some(until) = self.evidence.until(now) {
            return Permit::Wait(Some(until));
        }
        match self.suspension {
            Some(_) => Permit::Trial,
            None => Permit::Open,
        }
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
    pub(super) fn end_trial(&mut self, now: Timestamp, probe: &Backoff) {
        if let Some(suspension) = self.suspension.as_mut().filter(|it| it.trial) {
            suspension.trial = false;
            suspension.probe_at = now + probe.bound(suspension.refusals);
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

    /// Suspends the credential, or, after a failed `trial`, prolongs the suspension. `first_wait` is the time until the first
    /// trial. Returns `true` if it was not suspended.
    pub(super) fn suspend(
        &mut self,
        cause: Reason,
        evidence: &str,
        now: Timestamp,
        trial: bool,
        probe: &Backoff,
        first_wait: Duration,
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
                false
            }
            None => {
                self.suspension = Some(Suspension {
                    cause,
                    since: now,
                    probe_at: now + first_wait,
                    refusals: 1,
                    trial: false,
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
        self.refused.clear();
    }

    /// How often the credential was repaired.
    pub(super) const fn repaired(&self) -> u64 {
        self.repaired
    }

    /// Why the credential is suspended, if it is.
    pub(super) fn cause(&self) -> Option<Reason> {
        self.suspension.as_ref().map(|suspension| suspension.cause)
    }

    /// When the credential is tried next, if it is suspended.
    pub(super) fn probe_at(&self) -> Option<Timestamp> {
        self.suspension
            .as_ref()
            .map(|suspension| suspension.probe_at)
    }

    /// The vendor accepted a push.
    pub(super) fn accepted(&mut self, token: &DeviceToken, now: Timestamp) {
        self.accepted_at = Some(now);
        self.guard.record(token, true, now);
    }

    /// The vendor refused the credential in its answer to `delivery`. Returns `true` if it did so before and accepted another
    /// push in between: then the delivery is to blame, not the credential.
    pub(super) fn refused(&mut self, delivery: DeliveryId, now: Timestamp) -> bool {
        let before = self.refused.get(&delivery).copied();
        let alone = match (before, self.accepted_at) {
            (Some(before), Some(accepted)) => accepted >= before,
            _ => false,
        };
        if self.refused.len() >= MAX_REFUSED {
            self.refused.clear();
        }
        self.refused.insert(delivery, now);
        alone
    }

    pub(super) fn status(&self, now: Timestamp) -> LaneStatus {
        if let Some(suspension) = &self.suspension {
            return LaneStatus::Suspended {
                reason: suspension.cause.code,
                since: suspension.since,
                probe_at: suspension.probe_at,
                evidence: suspension.evidence.clone(),
            };
        }
        self.evidence.status(now)
    }
}
