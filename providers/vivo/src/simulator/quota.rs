//! What vivo counts: messages of each class, saved messages and operation messages of a phone by day, calls by second.
use std::collections::HashMap;

use push_core::Timestamp;

use super::{Options, check::Refusal};

/// China Standard Time, by which days and hours are counted.
const CHINA_SECONDS: i64 = 8 * 3600;
const DAY: i64 = 24 * 3600;

/// The hours of the day in which operation messages are taken.
const OPEN: std::ops::Range<i64> = 7..23;

/// Test messages of a day, by class: system and operation.
const TESTS: (u64, u64) = (10_000, 100);

/// Operation messages of a day for one phone.
const OF_PHONE: u32 = 5;

/// Calls of a second for access tokens.
const AUTH_CALLS: u64 = 10;

#[derive(Debug)]
pub(super) struct Quotas {
    is_limited: bool,
    system: u64,
    operation: u64,
    lists: u64,
    day: i64,
    used: HashMap<&'static str, u64>,
    of_phones: HashMap<String, u32>,
    auth: (i64, u64),
}

impl Quotas {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            is_limited: !options.base.any_token,
            system: options.system_quota,
            operation: options.operation_quota,
            lists: options.list_quota,
            day: 0,
            used: HashMap::new(),
            of_phones: HashMap::new(),
            auth: (0, 0),
        }
    }

    /// Counts `messages` of a class.
    pub(super) fn take(
        &mut self,
        is_system: bool,
        is_test: bool,
        messages: u64,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let hour = local(now).rem_euclid(DAY) / 3600;
        if !is_system && !OPEN.contains(&hour) && self.is_limited {
            return Err((10071, "operation messages from 7:00 to 23:00".to_owned()));
        }
        let (name, most, code) = match (is_system, is_test) {
            (true, false) => ("system", self.system, 10073),
            (false, false) => ("operation", self.operation, 10070),
            (true, true) => ("system test", TESTS.0, 10073),
            (false, true) => ("operation test", TESTS.1, 10070),
        };
        self.count(name, messages, most, code, now)
    }

    /// Counts a saved message.
    pub(super) fn take_list(&mut self, now: Timestamp) -> Result<(), Refusal> {
        self.count("lists", 1, self.lists, 10252, now)
    }

    /// Counts an operation message to a phone; `false` if it has had as many as it may.
    pub(super) fn take_phone(&mut self, token: &str, now: Timestamp) -> bool {
        self.turn(now);
        let count = self.of_phones.entry(token.to_owned()).or_default();
        *count += 1;
        *count <= OF_PHONE || !self.is_limited
    }

    /// Counts a call for an access token; `false` if there are too many in this second.
    pub(super) fn take_auth(&mut self, now: Timestamp) -> bool {
        let second = now.unix_millis().div_euclid(1000);
        if self.auth.0 != second {
            self.auth = (second, 0);
        }
        self.auth.1 += 1;
        self.auth.1 <= AUTH_CALLS
    }

    fn count(
        &mut self,
        name: &'static str,
        more: u64,
        most: u64,
        code: i64,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.turn(now);
        let used = self.used.entry(name).or_default();
        if *used + more > most && self.is_limited {
            return Err((code, format!("the quota `{name}` of the day is used up")));
        }
        *used += more;
        Ok(())
    }

    /// A new day begins at midnight.
    fn turn(&mut self, now: Timestamp) {
        let day = local(now).div_euclid(DAY);
        if self.day != day {
            self.day = day;
            self.used.clear();
            self.of_phones.clear();
        }
    }
}

/// Seconds of the local clock.
fn local(now: Timestamp) -> i64 {
    now.unix_millis().div_euclid(1000) + CHINA_SECONDS
}
