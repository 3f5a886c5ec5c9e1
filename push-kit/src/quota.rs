//! Daily quotas of vendors.
use std::time::Duration;

use push_core::Timestamp;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// China Standard Time, by which most vendors of Android phones count days: 8 hours ahead of UTC all year.
pub const CHINA: Duration = Duration::from_secs(8 * 60 * 60);

/// Returns how long after `now` the next midnight begins in a time zone that is `ahead` of UTC; never zero, at most one day.
pub fn until_midnight(now: Timestamp, ahead: Duration) -> Duration {
    let local = now + ahead;
    let into_day = local.unix_millis().rem_euclid(DAY_SECONDS * 1000);
    Duration::from_millis((DAY_SECONDS * 1000 - into_day).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_reset_at_the_vendors_midnight() {
        // 2023-11-14T22:13:20Z is 06:13:20 on the 15th in China.
        let now = Timestamp::from_unix_seconds(1_700_000_000);
        assert_eq!(
            until_midnight(now, CHINA).as_secs(),
            17 * 3600 + 46 * 60 + 40
        );
        assert_eq!(
            until_midnight(now, Duration::ZERO).as_secs(),
            3600 + 46 * 60 + 40
        );
    }

    #[test]
    fn at_midnight_a_whole_day_is_left_and_before_it_a_moment() {
        let midnight = Timestamp::from_unix_seconds(1_700_006_400) - CHINA;
        let day = Duration::from_secs(86_400);
        assert_eq!(until_midnight(midnight, CHINA), day);
        let before = midnight - Duration::from_millis(1);
        assert_eq!(until_midnight(before, CHINA), Duration::from_millis(1));
        assert_eq!(
            until_midnight(Timestamp::from_unix_millis(-1), Duration::ZERO).as_millis(),
            1
        );
    }
}
