//! The real clock.
use std::time::{Duration, SystemTime};

use push_core::{Clock, Sleep, Timestamp};

/// The system's wall clock with tokio's timers, which a jump of the wall clock does not move.
///
/// A sleep may be made anywhere but must be awaited inside a tokio runtime with its timer enabled. It is measured from
/// the call, not from the first poll.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioClock;

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        // `tokio::time::sleep` panics when it is *made* outside a runtime, so that is put off until the first poll.
        let until = tokio::time::Instant::now().checked_add(duration);
        Box::pin(async move {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_can_be_made_outside_a_runtime_and_counts_from_there() {
        let sleep = TokioClock.sleep(Duration::from_millis(1));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(sleep);
    }

    #[test]
    fn an_endless_sleep_does_not_overflow() {
        let sleep = TokioClock.sleep(Duration::MAX);
        assert!(futures_util::FutureExt::now_or_never(sleep).is_none());
    }

    #[test]
    fn the_clock_returns_a_time_of_this_century() {
        assert!(TokioClock.now().unix_seconds() > 1_700_000_000);
    }
}
