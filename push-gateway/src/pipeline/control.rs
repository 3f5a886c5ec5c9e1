//! What a lane may do now: lease, wait, or try one delivery.
use std::{collections::BTreeSet, time::Duration};

use super::{credential::Permit, evidence::Evidence, steady::Moment};
use crate::settings::PipelineSettings;

/// After an outage, a lane begins with this many deliveries and doubles while the vendor accepts them.
const FIRST_WINDOW: usize = 16;
/// How many deliveries are looked at to find one with a token that has not accused the credential.
const CHOICE: usize = 16;
/// Later times at which deliveries become due are remembered to this precision.
const DUE_GRAIN: i64 = 50;
/// The most such times that are remembered: the earliest ones matter.
const MAX_DUES: usize = 4096;

/// The state of one lane.
#[derive(Debug)]
pub(super) struct Control {
    /// What concerns this class only: a vendor's quota for it.
    pub(super) evidence: Evidence,
    window: usize,
    /// The largest window that the operator allows.
    configured: usize,
    max_window: usize,
    /// Until when a layer wants to be given nothing.
    held: Option<Moment>,
    /// Deliveries are due since then.
    ready: Option<Moment>,
    /// When others will be.
    dues: BTreeSet<Moment>,
}

/// What the dispatcher does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Lease up to this many deliveries; `trial`: to find out whether a suspended credential works again.
    Lease { limit: usize, trial: bool },
    /// Wait until then, or until something happens.
    Wait(Option<Moment>),
}

impl Control {
    pub(super) fn new(settings: &PipelineSettings) -> Self {
        Self {
            evidence: Evidence::default(),
            window: settings.in_flight,
            configured: settings.in_flight,
            max_window: settings.in_flight,
            held: None,
            ready: None,
            dues: BTreeSet::new(),
        }
    }

    /// Deliveries are due now.
    pub(super) fn due_now(&mut self, now: Moment) {
        self.ready = Some(self.ready.map_or(now, |ready| ready.min(now)));
    }

    /// Deliveries will be due at `at`.
    pub(super) fn due(&mut self, at: Moment) {
        let grain = at.millis().div_euclid(DUE_GRAIN) * DUE_GRAIN;
        // Rounded up: a timer that comes early would find nothing.
        let rounded = Moment::from_millis(if grain < at.millis() {
            grain.saturating_add(DUE_GRAIN)
        } else {
            grain
        });
        self.dues.insert(rounded);
        if self.dues.len() > MAX_DUES {
            self.dues.pop_last();
        }
    }

    /// What to do at `now`, with what the credential permits and `in_flight` deliveries under way. After
    /// [`Next::Lease`] the caller leases what is due.
    pub(super) fn next(&mut self, now: Moment, permit: &Permit, in_flight: usize) -> Next {
        let (limit, trial) = match permit {
            Permit::Open => (self.window, false),
            Permit::Trial => (1, true),
            Permit::TrialOfOther => (CHOICE, true),
            Permit::Wait(until) => return Next::Wait(*until),
        };
        if let Some(until) = self.evidence.until(now) {
            return Next::Wait(Some(until));
        }
        self.held = self.held.filter(|until| *until > now);
        if let Some(until) = self.held {
            return Next::Wait(Some(until));
        }
        let room = limit.saturating_sub(in_flight);
        // Small leases cost as much as large ones: wait until a quarter of the window is free.
        if room == 0 || (in_flight > 0 && room < limit.div_ceil(4)) {
            return Next::Wait(None);
        }
        let first = self.ready.into_iter().chain(self.dues.first().copied());
        match first.min() {
            None => Next::Wait(None),
            Some(first) if first > now => Next::Wait(Some(first)),
            Some(_) => {
                self.ready = None;
                self.dues.retain(|due| *due > now);
                Next::Lease { limit: room, trial }
            }
        }
    }

    /// Leases nothing before `until`; of several such times the first one counts.
    pub(super) fn hold(&mut self, until: Moment, now: Moment) {
        let held = self.held.filter(|held| *held > now);
        self.held = Some(held.map_or(until, |held| held.min(until)));
    }

    /// Limits the window to what the provider wants to have at a time, and returns the window.
    pub(super) fn bound(&mut self, most: Option<usize>) -> usize {
        self.max_window = most.map_or(self.configured, |most| most.clamp(1, self.configured));
        self.window = self.window.min(self.max_window);
        self.window
    }

    /// The vendor is down, throttles or refuses: begin small afterwards.
    pub(super) fn shrink(&mut self) {
        self.window = FIRST_WINDOW.min(self.max_window);
    }

    /// The vendor accepts: more at a time from now on.
    pub(super) fn grow(&mut self) {
        self.window = self.window.saturating_mul(2).min(self.max_window);
    }

    /// The credential was repaired: everything may go at once.
    pub(super) fn resume(&mut self, now: Moment) {
        self.evidence = Evidence::default();
        self.due_now(now);
    }

    /// Rounds what the queue says into a time of the gateway's clock.
    pub(super) fn due_after(&mut self, now: Moment, after: Duration) {
        if after.is_zero() {
            self.due_now(now);
        } else {
            self.due(now + after);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_millis(1_700_000_000_001);

    #[test]
    fn what_is_due_now_is_leased_now_and_not_at_the_next_round_time() {
        let settings = PipelineSettings::default();
        let mut control = Control::new(&settings);
        control.due_now(NOW);
        let lease = Next::Lease {
            limit: settings.in_flight,
            trial: false,
        };
        assert_eq!(control.next(NOW, &Permit::Open, 0), lease);
        assert_eq!(control.next(NOW, &Permit::Open, 0), Next::Wait(None));
    }

    #[test]
    fn later_times_are_rounded_up_and_never_come_early() {
        let mut control = Control::new(&PipelineSettings::default());
        let due = NOW + Duration::from_millis(60);
        control.due(due);
        let Next::Wait(Some(until)) = control.next(NOW, &Permit::Open, 0) else {
            panic!("nothing is due yet");
        };
        assert!(until >= due && until.since(due) < Duration::from_millis(50));
        let next = control.next(until, &Permit::Open, 0);
        assert!(matches!(next, Next::Lease { .. }));
    }

    #[test]
    fn a_held_lane_leases_nothing_until_the_first_postponed_delivery_is_due() {
        let mut control = Control::new(&PipelineSettings::default());
        let (first, second) = (NOW + Duration::from_secs(5), NOW + Duration::from_secs(9));
        control.hold(second, NOW);
        control.hold(first, NOW);
        control.due_now(NOW);
        assert_eq!(control.next(NOW, &Permit::Open, 0), Next::Wait(Some(first)));
        let next = control.next(first, &Permit::Open, 0);
        assert!(matches!(next, Next::Lease { .. }));
        // A hold that is over does not shorten a later one.
        control.hold(second, first);
        control.due_now(first);
        let next = control.next(first, &Permit::Open, 0);
        assert_eq!(next, Next::Wait(Some(second)));
    }

    #[test]
    fn the_window_never_exceeds_what_the_provider_wants_at_a_time() {
        let settings = PipelineSettings::default();
        let mut control = Control::new(&settings);
        assert_eq!(control.bound(Some(40)), 40);
        control.grow();
        assert_eq!(control.window, 40);
        assert_eq!(control.bound(Some(0)), 1);
        // A new build of the credential may want more again.
        assert_eq!(control.bound(None), 1);
        for _ in 0..20 {
            control.grow();
        }
        assert_eq!(control.window, settings.in_flight);
    }

    #[test]
    fn the_window_starts_small_after_trouble_and_doubles_with_every_acceptance() {
        let settings = PipelineSettings::default();
        let mut control = Control::new(&settings);
        let limit = |control: &mut Control| {
            control.due_now(NOW);
            match control.next(NOW, &Permit::Open, 0) {
                Next::Lease { limit, .. } => limit,
                Next::Wait(_) => 0,
            }
        };
        control.shrink();
        assert_eq!(limit(&mut control), FIRST_WINDOW);
        control.grow();
        assert_eq!(limit(&mut control), 2 * FIRST_WINDOW);
        for _ in 0..20 {
            control.grow();
        }
        assert_eq!(limit(&mut control), settings.in_flight);
    }
}
