//! The clock of a phone.
use std::time::{Duration, SystemTime};

use push_core::{Clock, Sleep, Timestamp};

/// The system's wall clock and tokio's timers: the clock of a client that is given no other.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        // Made at the first poll: tokio panics when a timer is made outside a runtime.
        let until = tokio::time::Instant::now().checked_add(duration);
        Box::pin(async move {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        })
    }
}
