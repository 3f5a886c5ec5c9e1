//! What Huawei knows of an app on a phone, and what the phone does with a push.
use std::time::Duration;

use push_core::Timestamp;
use push_testkit::simulator::Inbox;

use super::arrival::Arrival;

/// How many messages Huawei keeps for a phone that is off.
const CACHED: usize = 120;

/// The most messages of an app to a device in a day.
const A_DAY: u32 = 3000;

/// The most marketing messages of an app to a device in a day; apps of news have more.
const MARKETING_A_DAY: u32 = 2;

/// Days begin in China.
const CHINA: Duration = Duration::from_secs(8 * 60 * 60);

/// Whether an app is on its phone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Install {
    /// It is.
    #[default]
    There,
    /// It is not, and Huawei knows.
    Gone,
    /// Its token does not work any more, and Huawei learns that with the next push, of which this is the receipt.
    GoneUnnoticed(i32),
}

#[derive(Debug, Default)]
pub(super) struct Device {
    pub(super) app_id: String,
    pub(super) install: Install,
    pub(super) muted: bool,
    /// Huawei hands nothing over, and says why in this receipt.
    pub(super) held: Option<i32>,
    /// Switched on and not unlocked since.
    pub(super) locked: bool,
    /// The app does not run; data messages wait for it.
    pub(super) stopped: bool,
    /// The app is in front.
    pub(super) in_front: bool,
    /// The profile of the user who is logged in.
    pub(super) profile: String,
    pub(super) inbox: Inbox<Arrival>,
    /// What waits on the phone, with the receipt that it had: until it is unlocked (51), or until the app runs (27).
    waiting: Vec<(Arrival, i32)>,
    today: Today,
}

/// What arrived since midnight in China.
#[derive(Clone, Copy, Debug, Default)]
struct Today {
    day: i64,
    all: u32,
    marketing: u32,
}

impl Device {
    /// Takes a push; returns receipts: of which push, and its status. `counts`: whether there are limits a day.
    pub(super) fn take(
        &mut self,
        arrival: Arrival,
        now: Timestamp,
        counts: bool,
    ) -> Vec<(Arrival, i32)> {
        if let Install::GoneUnnoticed(status) = self.install {
            self.install = Install::Gone;
            return vec![(arrival, status)];
        }
        let over = counts.then(|| self.today.count(&arrival, now)).flatten();
        if let Some(status) = self.held.or(over) {
            return vec![(arrival, status)];
        }
        if !self.inbox.is_off() {
            let status = self.receive(arrival.clone());
            return vec![(arrival, status)];
        }
        let key = arrival.collapse_key();
        let until = now + arrival.ttl();
        let mut covered = self.inbox.keep(arrival, until, |kept| {
            key == 0 || (key > 0 && kept.collapse_key() == key)
        });
        if self.inbox.kept() > CACHED {
            covered.extend(self.inbox.drop_oldest());
        }
        covered.into_iter().map(|push| (push, 15)).collect()
    }

    /// Comes back; returns the receipts of what was kept.
    pub(super) fn switch_on(&mut self, now: Timestamp) -> Vec<(Arrival, i32)> {
        let kept = self.inbox.switch_on(now);
        kept.into_iter()
            .map(|arrival| (arrival.clone(), self.receive(arrival)))
            .collect()
    }

    /// Hands over what waits on the phone and need not wait any more; returns the receipts of what had none that is final.
    pub(super) fn wake(&mut self) -> Vec<(Arrival, i32)> {
        if self.locked {
            return Vec::new();
        }
        let mut receipts = Vec::new();
        for (arrival, earlier) in std::mem::take(&mut self.waiting) {
            let status = self.receive(arrival.clone());
            // 27 reports that it reached the phone.
            if earlier != 27 {
                receipts.push((arrival, status));
            }
        }
        receipts
    }

    /// Returns the status of the receipt.
    fn receive(&mut self, mut arrival: Arrival) -> i32 {
        if self.locked {
            self.waiting.push((arrival, 51));
            return 51;
        }
        if !arrival.shown && self.stopped {
            self.waiting.push((arrival, 27));
            return 27;
        }
        if !arrival.profile().is_empty() && arrival.profile() != self.profile {
            return 144;
        }
        let is_readable = !arrival.shown || arrival.click().is_some() || arrival.opens_web_page();
        let is_seen = !self.muted && is_readable;
        arrival.shown &= is_seen && !(self.in_front && arrival.is_for_background());
        self.inbox.receive(arrival);
        match (is_readable, self.muted) {
            (false, _) => 31,
            (true, true) => 6,
            (true, false) => 0,
        }
    }
}

impl Today {
    /// Counts a push; returns the status of its receipt if it is one too many.
    fn count(&mut self, arrival: &Arrival, now: Timestamp) -> Option<i32> {
        let day = (now + CHINA).unix_seconds().div_euclid(24 * 60 * 60);
        if day != self.day {
            *self = Self {
                day,
                ..Self::default()
            };
        }
        if self.all >= A_DAY {
            return Some(102);
        }
        if arrival.is_marketing() {
            if self.marketing >= MARKETING_A_DAY {
                return Some(256);
            }
            self.marketing += 1;
        }
        self.all += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use push_testkit::sample::NOW;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_phone_gets_three_thousand_pushes_a_day_and_two_of_marketing() {
        let push = |category: &str| {
            let android = json!({ "category": category, "notification": {
                "title": "a", "body": "b", "click_action": { "type": 3 },
            }});
            Arrival::new("r", &json!({ "android": android }))
        };
        let mut device = Device::default();
        let mut taken = |category: &str, count: usize, at| {
            let statuses = (0..count).map(|_| device.take(push(category), at, true)[0].1);
            statuses.filter(|status| *status == 0).count()
        };
        assert_eq!(taken("MARKETING", 3, NOW), 2);
        assert_eq!(taken("IM", 3000, NOW), 2998);
        // A second before midnight in China, and at midnight.
        let midnight = NOW + Duration::from_secs(64_000);
        assert_eq!(taken("IM", 1, midnight - Duration::from_secs(1)), 0);
        assert_eq!(taken("MARKETING", 3, midnight), 2);
        let mut free = Device::default();
        let unlimited = (0..3).map(|_| free.take(push("MARKETING"), NOW, false)[0].1);
        assert!(unlimited.eq([0, 0, 0]));
        let status = |device: &mut Device| device.take(push("IM"), NOW, true)[0].1;
        let mut full = Device::default();
        let last = (0..3001).map(|_| status(&mut full)).last();
        assert_eq!(last, Some(102));
    }
}
