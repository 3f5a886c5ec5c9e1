//! How much is taken in a time.
use std::{collections::VecDeque, time::Duration};

use push_core::Timestamp;

/// The length of a short window of Meizu's: pushes to one phone are folded by the minute.
const MINUTE: Duration = Duration::from_secs(60);

/// China Standard Time: 8 hours ahead of UTC.
const AHEAD: Duration = Duration::from_secs(8 * 60 * 60);

/// What was taken a while ago.
#[derive(Debug, Default)]
pub(super) struct Window {
    taken: VecDeque<(Timestamp, u64)>,
}

impl Window {
    /// Takes `count` more at `now`, unless they were more than `most` within a minute.
    pub(super) fn takes(&mut self, count: u64, most: u64, now: Timestamp) -> bool {
        self.takes_since(count, most, now, now - MINUTE + Duration::from_millis(1))
    }

    /// The same within a second.
    pub(super) fn takes_of_second(&mut self, count: u64, most: u64, now: Timestamp) -> bool {
        self.takes_since(count, most, now, now - Duration::from_millis(999))
    }

    /// The same within the day in China.
    pub(super) fn takes_of_day(&mut self, count: u64, most: u64, now: Timestamp) -> bool {
        const DAY: i64 = 24 * 60 * 60 * 1000;
        let into_day = (now + AHEAD).unix_millis().rem_euclid(DAY);
        let midnight = now - Duration::from_millis(into_day.unsigned_abs());
        self.takes_since(count, most, now, midnight)
    }

    fn takes_since(&mut self, count: u64, most: u64, now: Timestamp, start: Timestamp) -> bool {
        while self.taken.front().is_some_and(|(at, _)| *at < start) {
            self.taken.pop_front();
        }
        let before: u64 = self.taken.iter().map(|(_, count)| count).sum();
        let fits = before + count <= most;
        if fits {
            // Those of one moment are one entry.
            match self.taken.back_mut() {
                Some((at, taken)) if *at == now => *taken += count,
                _ => self.taken.push_back((now, count)),
            }
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use push_testkit::sample;

    use super::*;

    #[test]
    fn a_window_moves_with_the_time_and_a_day_ends_at_midnight_in_china() {
        let at = |seconds: u64| sample::NOW + Duration::from_secs(seconds);
        let mut minute = Window::default();
        assert!(minute.takes(5, 5, at(0)));
        assert!(!minute.takes(1, 5, at(59)));
        assert!(minute.takes(1, 5, at(60)));
        let mut day = Window::default();
        assert!(day.takes_of_day(5, 5, at(0)));
        // 2023-11-14T22:13:20Z is 6:13:20 in China: 17 h 46 min 40 s are left.
        assert!(!day.takes_of_day(1, 5, at(63_999)));
        assert!(day.takes_of_day(1, 5, at(64_000)));
    }
}
