//! The time by which lanes wait: unlike the wall clock, it never goes back.
use std::{
    ops::Add,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use push_core::{Clock, Timestamp};

/// A point in time of [`Steady`], in milliseconds.
///
/// A type of its own, so that a wait is never compared with a time of the wall clock: a server whose clock was two hours ahead
/// and is corrected would wait for two hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(i64);

impl Moment {
    pub(super) const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    pub(super) const fn millis(self) -> i64 {
        self.0
    }

    /// The time from `earlier` to `self`, or zero if `earlier` is later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).max(0).unsigned_abs())
    }
}

impl Add<Duration> for Moment {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }
}

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Now {
    /// By which lanes wait.
    pub(crate) moment: Moment,
    /// For traces, lives of deliveries, and what operators read.
    pub(crate) wall: Timestamp,
}

impl Now {
    /// A moment as operators read it.
    pub(super) fn wall_of(self, moment: Moment) -> Timestamp {
        match moment >= self.moment {
            true => self.wall + moment.since(self.moment),
            false => self.wall - self.moment.since(moment),
        }
    }
}

/// Reads the wall clock, and leaves out the steps by which it was set back.
///
/// A step forward is not left out: waits end early then, which costs an attempt. What passes between two readings, at most the
/// time between two sweeps, is lost when the clock was set back in between.
#[derive(Debug)]
pub(super) struct Steady {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The last reading of the wall clock.
    wall: Option<Timestamp>,
    /// By how much it was set back so far.
    set_back: Duration,
}

impl Steady {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }

    pub(super) fn now(&self) -> Now {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock, so that no reading of another thread looks like a step.
        let wall = self.clock.now();
        let step = state.wall.map_or(Duration::ZERO, |last| last.since(wall));
        state.wall = Some(wall);
        state.set_back += step;
        if step > Duration::from_secs(1) {
            tracing::warn!(
                step_ms = step.as_millis() as u64,
                "the server's clock was set back; waits are not prolonged by the step"
            );
        }
        Now {
            moment: Moment((wall + state.set_back).unix_millis()),
            wall,
        }
    }
}

#[cfg(test)]
mod tests {
    use push_core::ManualClock;

    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);
    const START: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    #[test]
    fn a_clock_that_is_set_back_leaves_waits_as_long_as_they_were() {
        let clock = ManualClock::new(START);
        let steady = Steady::new(Arc::new(clock.clone()));
        let mut last = steady.now().moment;
        for (to, passed) in [
            (START + 2 * HOUR, 2 * HOUR),
            (START, Duration::ZERO),
            (START - 5 * HOUR, Duration::ZERO),
            (START - 4 * HOUR, HOUR),
            (START - 4 * HOUR - Duration::from_millis(3), Duration::ZERO),
        ] {
            clock.jump_to(to);
            let now = steady.now();
            assert_eq!(now.moment.since(last), passed, "{to:?}");
            assert!(now.moment >= last);
            assert_eq!(now.wall, to);
            last = now.moment;
        }
    }

    #[test]
    fn operators_read_moments_by_the_wall_clock() {
        let clock = ManualClock::new(START + HOUR);
        let steady = Steady::new(Arc::new(clock.clone()));
        let before = steady.now().moment;
        clock.jump_to(START);
        let now = steady.now();
        assert_eq!(now.wall_of(before + HOUR), START + HOUR);
        clock.advance(HOUR);
        assert_eq!(steady.now().wall_of(before), START);
    }
}
