//! The clock of a phone.
use std::time::{Duration, SystemTime};

use push_core::{Clock, Sleep, Timestamp};

/// The system's wall clock and tokio's timers: the default clock of a client.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        // The timer is created at the first poll, because tokio panics when one is created outside a runtime.
        let until = tokio::time::Instant::now().checked_add(duration);
        Box::pin(async move {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        })
    }
}
