//! The pause after failed connection attempts.
use std::time::Duration;

use futures_util::FutureExt;
use push_core::{Clock, Sleep};

use crate::error::HttpError;

/// The pause after the first failed attempt; it doubles with each further one in a row.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

/// Counts failed attempts in a row, and connections that ended without one response.
#[derive(Default)]
pub(crate) struct Backoff {
    failures: u32,
    pause: Option<(Sleep, HttpError)>,
}

impl Backoff {
    /// Counts a failure, and starts a pause if there were more than `free` in a row.
    pub(crate) fn fail(&mut self, clock: &dyn Clock, free: u32, error: HttpError) {
        let doublings = self.failures.saturating_sub(free);
        self.failures = self.failures.saturating_add(1);
        if self.failures > free {
            let length = FIRST.saturating_mul(1 << doublings.min(16)).min(LONGEST);
            self.pause = Some((clock.sleep(length), error));
        }
    }

    /// A connection brought a response.
    pub(crate) fn succeed(&mut self) {
        self.failures = 0;
    }

    /// The error that the pause is for, while it lasts. Nothing is woken when it ends: the next request that needs a
    /// connection checks it.
    pub(crate) fn error(&mut self) -> Option<&HttpError> {
        if let Some((over, _)) = &mut self.pause
            && over.now_or_never().is_some()
        {
            self.pause = None;
        }
        self.pause.as_ref().map(|(_, error)| error)
    }
}
