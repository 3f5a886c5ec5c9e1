//! What Huawei knows of an app on a phone, and what the phone does with a push.
use push_core::Timestamp;
use push_testkit::simulator::Inbox;

use super::arrival::Arrival;

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
    pub(super) inbox: Inbox<Arrival>,
}

impl Device {
    /// Takes a push; returns receipts: of which push, and its status.
    pub(super) fn take(&mut self, arrival: Arrival, now: Timestamp) -> Vec<(Arrival, i32)> {
        if self.install == Install::GoneUnnoticed {
            self.install = Install::Gone;
            return vec![(arrival, 2)];
        }
        if !self.inbox.is_off() {
            let status = self.show(arrival.clone());
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
        self.inbox
            .switch_on(now)
            .into_iter()
            .map(|arrival| (arrival.clone(), self.show(arrival)))
            .collect()
    }

    /// Returns the status of the receipt.
    fn show(&self, mut arrival: Arrival) -> i32 {
        let readable = !arrival.shown || arrival.click().is_some() || opens_web_page(&arrival);
        arrival.shown &= !self.muted && readable;
        self.inbox.receive(arrival);
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
