//! Time as a value and as a service, so that tests own it.
use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    ops::{Add, Sub},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Error, ErrorKind, Result};

/// Deserializes a time that a server wrote: see [`Timestamp::from_written_millis`]. `null` is none.
pub(crate) fn written<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    let millis: Option<i64> = Deserialize::deserialize(deserializer)?;
    millis
        .map(Timestamp::from_written_millis)
        .transpose()
        .map_err(serde::de::Error::custom)
}

/// The earliest time that is accepted from a server, in milliseconds since 1970: September 2001.
const FIRST_WRITTEN: i64 = 1_000_000_000_000;

/// A point in wall-clock time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The point `millis` milliseconds after the Unix epoch.
    pub const fn from_unix_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The point `millis` milliseconds after the Unix epoch, as a server wrote it.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] as [`Timestamp::check_unit`], and for any time before September 2001.
    pub fn from_written_millis(millis: i64) -> Result<Self> {
        let written = Self(millis);
        written.check_unit()?;
        if millis < FIRST_WRITTEN {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("{millis} milliseconds since 1970 is a time before September 2001"),
            )
            .advise("write milliseconds since 1970, or leave the member out"));
        }
        Ok(written)
    }

    /// Checks that this looks like a number of milliseconds, and not of seconds, microseconds or nanoseconds. A clock that was
    /// reset to 1970 and runs for up to eleven days since passes.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], saying the unit.
    pub fn check_unit(self) -> Result<()> {
        let millis = self.0;
        let unit = match millis {
            1_000_000_000..100_000_000_000 => "seconds",
            100_000_000_000_000..100_000_000_000_000_000 => "microseconds",
            100_000_000_000_000_000.. => "nanoseconds",
            _ => return Ok(()),
        };
        Err(Error::new(
            ErrorKind::Invalid,
            format!("{millis} looks like {unit} since 1970, where milliseconds belong"),
        )
        .advise("write milliseconds since 1970"))
    }

    /// The point `seconds` seconds after the Unix epoch; saturates at the ends of the range.
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn unix_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The time from `earlier` to `self`, or zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).max(0).unsigned_abs())
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self(0) + after,
            Err(before) => Self(0) - before.duration(),
        }
    }
}

/// A future that completes when a clock has moved on far enough.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// Where time comes from: the wall clock to date things, and timers to wait for.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The wall-clock time now. It may jump in either direction when an operator sets the clock.
    fn now(&self) -> Timestamp;
    /// Completes after `duration`. A real clock measures it monotonically: a jump of the wall clock does not move it.
    fn sleep(&self, duration: Duration) -> Sleep;
}

/// A clock that does not move until a test moves it. Clones share the same time.
#[derive(Clone)]
pub struct ManualClock {
    state: Arc<Mutex<ManualState>>,
}

struct ManualState {
    now: Timestamp,
    elapsed: Duration,
    /// The polled sleeps that have not completed, by their number.
    waiting: BTreeMap<u64, Waker>,
    /// The number of the next sleep.
    next: u64,
}

impl ManualClock {
    /// A clock that stands at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self {
            state: Arc::new(Mutex::new(ManualState {
                now: start,
                elapsed: Duration::ZERO,
                waiting: BTreeMap::new(),
                next: 0,
            })),
        }
    }

    /// Moves wall clock and timers forward, and wakes every sleeper whose time has come.
    pub fn advance(&self, by: Duration) {
        let waiting = {
            let mut state = self.lock();
            state.now = state.now + by;
            state.elapsed += by;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_values().for_each(Waker::wake);
    }

    /// Sets the wall clock without moving timers, as an operator or NTP would.
    pub fn jump_to(&self, now: Timestamp) {
        self.lock().now = now;
    }

    /// How many polled sleeps have not completed: lets a test wait until the code under test is waiting.
    pub fn sleepers(&self) -> usize {
        self.lock().waiting.len()
    }

    fn lock(&self) -> MutexGuard<'_, ManualState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManualClock")
            .field(&self.lock().now)
            .finish()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.lock().now
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        Box::pin(ManualSleep {
            clock: self.clone(),
            until: state.elapsed.saturating_add(duration),
            number,
        })
    }
}

struct ManualSleep {
    clock: ManualClock,
    until: Duration,
    number: u64,
}

impl Future for ManualSleep {
    type Output = ();
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.lock();
        if state.elapsed >= self.until {
            return Poll::Ready(());
        }
        let old = state.waiting.insert(self.number, cx.waker().clone());
        // A waker can be the last owner of a task that sleeps, too: it is dropped without the lock.
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl Drop for ManualSleep {
    fn drop(&mut self) {
        let waker = self.clock.lock().waiting.remove(&self.number);
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_in_another_unit_is_named() {
        for (millis, unit) in [
            (1_760_000_000, "seconds"),
            (1_760_000_000_000_000, "microseconds"),
            (1_760_000_000_000_000_000, "nanoseconds"),
        ] {
            for error in [
                Timestamp::from_written_millis(millis).expect_err("another unit"),
                Timestamp(millis).check_unit().expect_err("another unit"),
            ] {
                assert_eq!(error.kind(), ErrorKind::Invalid);
                let text = error.to_string();
                assert!(text.contains(&format!("looks like {unit}")), "{text}");
                assert!(text.contains("milliseconds"), "{text}");
            }
        }
    }

    #[test]
    fn a_time_before_2001_is_refused_from_a_server_and_not_from_a_phone() {
        for millis in [
            i64::MIN,
            -1,
            0,
            999_999_999,
            100_000_000_000,
            999_999_999_999,
        ] {
            let error = Timestamp::from_written_millis(millis).expect_err("too early");
            assert!(error.to_string().contains("2001"), "{error}");
            assert!(Timestamp(millis).check_unit().is_ok(), "{millis}");
        }
        let now = 1_760_000_000_000;
        let read = Timestamp::from_written_millis(now).expect("a time of today");
        assert_eq!(read.unix_millis(), now);
        assert!(Timestamp::from_written_millis(4_102_444_800_000).is_ok());
    }
}
