//! Time as a value and as a service, so that tests own it.
use std::{
    fmt,
    future::Future,
    ops::{Add, Sub},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

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
    waiting: Vec<Waker>,
}

impl ManualClock {
    /// A clock that stands at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self {
            state: Arc::new(Mutex::new(ManualState {
                now: start,
                elapsed: Duration::ZERO,
                waiting: Vec::new(),
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
        waiting.into_iter().for_each(Waker::wake);
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
        let until = self.lock().elapsed + duration;
        Box::pin(ManualSleep {
            clock: self.clone(),
            until,
            waker: None,
        })
    }
}

struct ManualSleep {
    clock: ManualClock,
    until: Duration,
    waker: Option<Waker>,
}

impl Future for ManualSleep {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut state = this.clock.lock();
        if state.elapsed >= this.until {
            return Poll::Ready(());
        }
        if let Some(old) = this.waker.take() {
            state.waiting.retain(|it| !it.will_wake(&old));
        }
        state.waiting.push(cx.waker().clone());
        drop(state);
        this.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for ManualSleep {
    fn drop(&mut self) {
        if let Some(waker) = &self.waker {
            let mut state = self.clock.lock();
            if let Some(at) = state.waiting.iter().position(|it| it.will_wake(waker)) {
                state.waiting.swap_remove(at);
            }
        }
    }
}
