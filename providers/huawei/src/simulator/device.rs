//! What Huawei knows of an app on a phone, and what the phone does with a push.
use std::collections::VecDeque;

use push_core::Timestamp;

use super::phone::Arrival;

/// How many arrivals a phone remembers.
const REMEMBERED: usize = 1024;

/// How many messages Huawei keeps for a phone that is off.
const CACHED: usize = 120;

/// Whether an app is on its phone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Install {
    /// It is.
    #[default]
    There,
    /// It is not, and Huawei knows.
    Gone,
    /// It is not, and Huawei learns it with the next push.
    GoneUnnoticed,
}

#[derive(Debug, Default)]
pub(super) struct Device {
    pub(super) app_id: String,
    pub(super) install: Install,
    pub(super) muted: bool,
    pub(super) switched_off: bool,
    cached: VecDeque<(Arrival, Timestamp)>,
    pub(super) arrived: u64,
    pub(super) arrivals: VecDeque<Arrival>,
    pub(super) screen: Vec<Arrival>,
    pub(super) badge: u32,
}

impl Device {
    /// Takes a push; gives receipts: of which push, and its status.
    pub(super) fn take(&mut self, arrival: Arrival, now: Timestamp) -> Vec<(Arrival, i32)> {
        if self.install == Install::GoneUnnoticed {
            self.install = Install::Gone;
            return vec![(arrival, 2)];
        }
        if !self.switched_off {
            let status = self.show(arrival.clone());
            return vec![(arrival, status)];
        }
        let key = arrival.collapse_key();
        let covers = |it: &Arrival| key == 0 || (key > 0 && it.collapse_key() == key);
        let (mut covered, kept): (Vec<_>, Vec<_>) =
            self.cached.drain(..).partition(|it| covers(&it.0));
        self.cached = kept.into();
        let until = now + arrival.ttl();
        self.cached.push_back((arrival, until));
        if self.cached.len() > CACHED {
            covered.extend(self.cached.pop_front());
        }
        covered.into_iter().map(|it| (it.0, 15)).collect()
    }

    /// Comes back; gives the receipts of what was kept.
    pub(super) fn switch_on(&mut self, now: Timestamp) -> Vec<(Arrival, i32)> {
        self.switched_off = false;
        std::mem::take(&mut self.cached)
            .into_iter()
            .filter(|(_, until)| *until > now)
            .map(|(arrival, _)| (arrival.clone(), self.show(arrival)))
            .collect()
    }

    /// Gives the status of the receipt.
    fn show(&mut self, mut arrival: Arrival) -> i32 {
        self.arrived += 1;
        arrival.number = self.arrived;
        let readable = !arrival.shown || arrival.click().is_some() || opens_web_page(&arrival);
        arrival.shown &= !self.muted && readable;
        if arrival.shown {
            if let Some(number) = arrival.badge {
                self.badge = number;
            } else if let Some(more) = arrival.badge_add() {
                self.badge += more;
            }
            if !arrival.tag.is_empty() {
                self.screen.retain(|it| it.tag != arrival.tag);
            }
            self.screen.push(arrival.clone());
            if self.screen.len() > REMEMBERED {
                self.screen.remove(0);
            }
        }
        self.arrivals.push_back(arrival);
        if self.arrivals.len() > REMEMBERED {
            self.arrivals.pop_front();
        }
        match (readable, self.muted) {
            (false, _) => 31,
            (true, true) => 6,
            (true, false) => 0,
        }
    }
}

fn opens_web_page(arrival: &Arrival) -> bool {
    arrival.android["notification"]["click_action"]["type"] == 2
}
