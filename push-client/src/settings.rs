//! The times and limits of the app half.
use std::time::Duration;

/// The times and limits of a [`PushClient`](crate::PushClient). The defaults suit a published app.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// An unchanged token of an unchanged account is not uploaded again within this time (S38, S55), not even after a
    /// restart. Default: 1 h.
    pub reupload_after: Duration,
    /// The pause after the first failed upload or report; it doubles with each further failure. Default: 1 s.
    pub retry_first: Duration,
    /// The longest such pause. The client waits longer if the gateway asks for it. Default: 5 min.
    pub retry_most: Duration,
    /// The most requests for a token in one login while the platform returns none. Default: 6.
    pub token_requests: u32,
    /// The time after which the client calls a platform's completion callback that was deferred and not completed (S34).
    /// Default: 25 s, which is less than the 30 s that iOS allows.
    pub completion_timeout: Duration,
    /// The time within which two sources report the same click if it carries no delivery id (S32). Default: 30 s.
    pub same_click_within: Duration,
    /// The longest token in bytes, or characters if the vendor writes it as text (S52: 22004). Web Push
    /// subscriptions may have [`DeviceToken::MAX_BYTES`](push_core::DeviceToken::MAX_BYTES). Default: 256.
    pub max_token_bytes: usize,
    /// The most receipts that wait; the oldest are dropped to stay within it. Default: 500.
    pub max_receipts: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            reupload_after: Duration::from_secs(60 * 60),
            retry_first: Duration::from_secs(1),
            retry_most: Duration::from_secs(5 * 60),
            token_requests: 6,
            completion_timeout: Duration::from_secs(25),
            same_click_within: Duration::from_secs(30),
            max_token_bytes: 256,
            max_receipts: 500,
        }
    }
}

impl Settings {
    /// Returns the pause after attempt `attempt` (from 1). It doubles with each attempt, and differs between devices, so that they
    /// do not all retry at the same time after an outage.
    pub(crate) fn pause(&self, attempt: u32, spread: u64) -> Duration {
        let whole = self
            .retry_first
            .saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1).min(30)))
            .min(self.retry_most);
        let percent = 50 + (spread.wrapping_add(u64::from(attempt).wrapping_mul(37)) % 51) as u32;
        whole.saturating_mul(percent) / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_differ_between_devices() {
        let settings = Settings::default();
        let mut before = Duration::ZERO;
        for attempt in 1..=8 {
            let whole = Duration::from_secs(1 << (attempt - 1));
            let pause = settings.pause(attempt, 7);
            assert!(pause >= whole / 2 && pause <= whole, "{attempt}: {pause:?}");
            assert!(pause > before / 4);
            before = pause;
        }
        assert!(settings.pause(u32::MAX, 7) <= settings.retry_most);
        assert!(settings.pause(u32::MAX, 7) >= settings.retry_most / 2);
        assert_ne!(settings.pause(3, 1), settings.pause(3, 2));
    }
}
