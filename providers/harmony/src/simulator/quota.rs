//! What is counted by day: test messages of the project, messages and marketing messages of a phone.
use push_core::Timestamp;
use push_kit::quota::{CHINA, until_midnight};

/// How often something happened since the last midnight in China.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Daily {
    count: u32,
    until: Timestamp,
}

impl Daily {
    /// Counts one more at `now`, and returns whether it is within `limit`.
    pub(super) fn count(&mut self, now: Timestamp, limit: u32) -> bool {
        self.count_until(now, limit, now + until_midnight(now, CHINA))
    }

    /// The same for a period that ends at `end` if none has begun.
    pub(super) fn count_until(&mut self, now: Timestamp, limit: u32, end: Timestamp) -> bool {
        if now >= self.until {
            (self.count, self.until) = (0, end);
        }
        self.count = self.count.saturating_add(1);
        self.count <= limit
    }
}
