//! Which messages have changed which badges: one message changes a device's badge once.
use std::collections::{HashMap, VecDeque};

use push_core::{AppId, DeviceId, MessageId, Timestamp, UserId};

/// App, message, user and device.
pub(crate) type Key = (AppId, MessageId, UserId, DeviceId);

/// How long a change is remembered, in milliseconds: a day.
const REMEMBERED: i64 = 24 * 60 * 60 * 1000;

/// The numbers that changes led to, for a day.
#[derive(Default)]
pub(crate) struct BadgeChanges {
    numbers: HashMap<Key, u32>,
    /// In the order they were added.
    order: VecDeque<(Timestamp, Key)>,
}

impl BadgeChanges {
    pub(crate) fn find(&self, key: &Key) -> Option<u32> {
        self.numbers.get(key).copied()
    }

    pub(crate) fn add(&mut self, key: Key, number: u32, now: Timestamp) {
        self.numbers.insert(key.clone(), number);
        self.order.push_back((now, key));
    }

    /// Forgets changes that are older than a day, and the oldest if there are more than `most`.
    pub(crate) fn prune(&mut self, now: Timestamp, most: usize) {
        while let Some((at, key)) = self.order.front() {
            let old = now.unix_millis().saturating_sub(at.unix_millis()) > REMEMBERED;
            if !old && self.order.len() <= most {
                break;
            }
            self.numbers.remove(key);
            self.order.pop_front();
        }
    }
}
