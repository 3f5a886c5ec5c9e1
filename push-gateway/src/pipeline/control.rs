//! What a lane may do now: lease, wait, or try one delivery.
use std::{collections::BTreeSet, time::Duration};

use push_core::{Reason, Timestamp};

use super::{backoff::Backoff, guard::Guard};
use crate::{credentials::LaneStatus, settings::PipelineSettings};

/// After an outage, a lane begins with this many deliveries and doubles while the vendor accepts them.
const FIRST_WINDOW: usize = 16;
/// Later times at which deliveries become due are remembered to this precision.
const DUE_GRAIN: i64 = 50;
/// At most this many such times are remembered: the earliest ones matter.
const MAX_DUES: usize = 4096;

/// The state of one lane.
#[derive(Debug)]
pub(super) struct Control {
    suspension: Option<Suspension>,
    /// How often the credential was mended. What was under way before says nothing of it as it is now.
    mended: u64,
    /// Nothing is leased before this moment.
    until: Option<Timestamp>,
    /// How often in a row the lane backed off, and when it last did.
    step: u32,
    backed_off_at: Timestamp,
    window: usize,
    max_window: usize,
    /// Deliveries are due since then.
    ready: Option<Timestamp>,
    /// When others will be.
    dues: BTreeSet<Timestamp>,
    pub(super) guard: Guard,
}

#[derive(Clone, Debug)]
struct Suspension {
    cause: Reason,
    since: Timestamp,
    probe_at: Timestamp,
    refusals: u32,
    trial: bool,
    evidence: String,
}

/// What the dispatcher does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Lease up to this many deliveries; `trial`: to find out whether a suspended credential works again.
    Lease { limit: usize, trial: bool },
    /// Wait until then, or until something happens.
    Wait(Option<Timestamp>),
}

impl Control {
    pub(super) fn new(settings: &PipelineSettings) -> Self {
        Self {
            suspension: None,
            mended: 0,
            until: None,
            step: 0,
            backed_off_at: Timestamp::default(),
            window: settings.in_flight,
            max_window: settings.in_flight,
            ready: None,
            dues: BTreeSet::new(),
            guard: Guard::new(
                settings.guard_window,
                settings.guard_min,
                settings.guard_share,
            ),
        }
    }

    /// Deliveries are due now: they wait for nothing.
    pub(super) fn due_now(&mut self, now: Timestamp) {
        self.ready = Some(self.ready.map_or(now, |it| it.min(now)));
    }

    /// Deliveries will be due at `at`.
    pub(super) fn due(&mut self, at: Timestamp) {
        let grain = at.unix_millis().div_euclid(DUE_GRAIN) * DUE_GRAIN;
        // Rounded up: a timer that comes early would find nothing.
        let rounded = Timestamp::from_unix_millis(if grain < at.unix_millis() {
            grain.saturating_add(DUE_GRAIN)
        } else {
            grain
        });
        self.dues.insert(rounded);
        if self.dues.len() > MAX_DUES {
            self.dues.pop_last();
        }
    }

    /// What to do at `now`, with `in_flight` deliveries on their way. What is due is taken as being seen to.
    pub(super) fn next(&mut self, now: Timestamp, in_flight: usize) -> Next {
        let mut limit = self.window;
        if let Some(suspension) = &mut self.suspension {
            if now < suspension.probe_at && !suspension.trial {
                return Next::Wait(Some(suspension.probe_at));
            }
            suspension.trial = true;
            limit = 1;
        }
        let trial = self.suspension.is_some();
        if let Some(until) = self.until {
            if now < until {
                return Next::Wait(Some(until));
            }
            self.until = None;
        }
        let room = limit.saturating_sub(in_flight);
        // Small leases cost as much as large ones: wait until a quarter of the window is free.
        if room == 0 || (in_flight > 0 && room < limit.div_ceil(4)) {
            return Next::Wait(None);
        }
        match self
            .ready
            .into_iter()
            .chain(self.dues.first().copied())
            .min()
        {
            None => Next::Wait(None),
            Some(first) if first > now => Next::Wait(Some(first)),
            Some(_) => {
                self.ready = None;
                self.dues.retain(|it| *it > now);
                Next::Lease { limit: room, trial }
            }
        }
    }

    /// The vendor refuses the credential, or it cannot be used. Answers whether that is news.
    pub(super) fn suspend(
        &mut self,
        cause: Reason,
        evidence: &str,
        now: Timestamp,
        trial: bool,
        probe: &Backoff,
    ) -> bool {
        let old = self.suspension.take();
        let news = old.is_none();
        // What was under way when the lane was suspended says nothing new.
        if let Some(old) = old.as_ref().filter(|_| !trial) {
            self.suspension = Some(old.clone());
            return false;
        }
        let refusals = old.as_ref().map_or(1, |it| it.refusals.saturating_add(1));
        self.suspension = Some(Suspension {
            cause,
            since: old.map_or(now, |it| it.since),
            probe_at: now + probe.bound(refusals),
            refusals,
            trial: false,
            evidence: evidence.to_owned(),
        });
        self.window = FIRST_WINDOW.min(self.max_window);
        news
    }

    /// How often the credential was mended: a refusal of an attempt that began before says nothing of it as it is now.
    pub(super) fn mended(&self) -> u64 {
        self.mended
    }

    /// A trial has shown that the cause does not hold any more.
    pub(super) fn trial_passed(&mut self) {
        if self.suspension.as_ref().is_some_and(|it| it.trial) {
            self.suspension = None;
            self.mended += 1;
            self.guard.clear();
        }
    }

    /// Why the lane is suspended, if it is.
    pub(super) fn cause(&self) -> Option<Reason> {
        self.suspension.as_ref().map(|it| it.cause)
    }

    /// The vendor is down or asks everybody to slow down: nothing for a while. `began` is when the attempt that showed it
    /// began: attempts from before the last back-off do not lengthen it, but the vendor's `floor` always holds.
    pub(super) fn back_off(
        &mut self,
        now: Timestamp,
        began: Timestamp,
        floor: Duration,
        backoff: &Backoff,
    ) -> Timestamp {
        let mut until = now + floor;
        if self.step == 0 || began >= self.backed_off_at {
            self.step = self.step.saturating_add(1);
            self.backed_off_at = now;
            until = until.max(now + backoff.delay(self.step));
        }
        let until = self.until.map_or(until, |it| it.max(until));
        self.until = Some(until);
        self.window = FIRST_WINDOW.min(self.max_window);
        until
    }

    /// The vendor accepts: more at a time from now on.
    pub(super) fn accepted(&mut self) {
        self.step = 0;
        self.window = self.window.saturating_mul(2).min(self.max_window);
    }

    /// The credential was mended: everything may go at once.
    pub(super) fn resume(&mut self, now: Timestamp) {
        self.suspension = None;
        self.mended += 1;
        self.until = None;
        self.step = 0;
        self.guard.clear();
        self.due_now(now);
    }

    pub(super) fn status(&self, now: Timestamp) -> LaneStatus {
        if let Some(it) = &self.suspension {
            return LaneStatus::Suspended {
                reason: it.cause.code,
                since: it.since,
                probe_at: it.probe_at,
                evidence: it.evidence.clone(),
            };
        }
        match self.until {
            Some(until) if until > now => LaneStatus::BackingOff { until },
            _ => LaneStatus::Open,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_now_is_leased_now_and_not_at_the_next_round_time() {
        let settings = PipelineSettings::default();
        let mut control = Control::new(&settings);
        let now = Timestamp::from_unix_millis(1_700_000_000_001);
        control.due_now(now);
        let lease = Next::Lease {
            limit: settings.in_flight,
            trial: false,
        };
        assert_eq!(control.next(now, 0), lease);
        assert_eq!(control.next(now, 0), Next::Wait(None));
    }

    #[test]
    fn a_mended_credential_is_judged_by_what_begins_from_then_on() {
        let mut control = Control::new(&PipelineSettings::default());
        let now = Timestamp::from_unix_millis(1_700_000_000_000);
        let before = control.mended();
        control.resume(now);
        assert!(control.mended() > before);
    }

    #[test]
    fn later_times_are_rounded_up_and_never_come_early() {
        let mut control = Control::new(&PipelineSettings::default());
        let now = Timestamp::from_unix_millis(1_700_000_000_000);
        let due = now + Duration::from_millis(61);
        control.due(due);
        let Next::Wait(Some(until)) = control.next(now, 0) else {
            panic!("nothing is due yet");
        };
        assert!(until >= due && until.since(due) < Duration::from_millis(50));
        assert!(matches!(control.next(until, 0), Next::Lease { .. }));
    }
}
