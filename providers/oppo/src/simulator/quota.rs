//! What OPPO counts in a day, and which messages it knows already.
use std::collections::HashMap;

use push_core::Timestamp;
use push_kit::quota::{CHINA, until_midnight};

/// The most messages of any kind for one phone in a day.
const MOST_OF_PHONE: u64 = 2000;

/// How many messages are known; the next one makes OPPO forget them.
const KNOWN: usize = 100_000;

/// What was sent today, by China's time.
#[derive(Default)]
pub(super) struct Quota {
    ends: Option<Timestamp>,
    public: u64,
    /// By id: messages of any kind, and public ones.
    phones: HashMap<String, [u64; 2]>,
    /// The message ids of what was sent, by the app's own id and the phone's.
    known: HashMap<(String, String), String>,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    /// The phone gets it.
    Yes,
    /// OPPO takes it, and the phone does not get it: it had its public messages of today.
    NotShown,
    /// The app's or the phone's quota is spent.
    No,
}

impl Quota {
    /// Counts a message to `id`, where the app may send `of_app` public messages a day and a phone shows `of_phone`.
    pub(super) fn count(
        &mut self,
        id: &str,
        is_private: bool,
        [of_app, of_phone]: [u64; 2],
        now: Timestamp,
    ) -> Allowed {
        self.begin(now);
        let [all, public] = self.phones.entry(id.to_owned()).or_default();
        if *all >= MOST_OF_PHONE || !is_private && self.public >= of_app {
            return Allowed::No;
        }
        *all += 1;
        if is_private {
            return Allowed::Yes;
        }
        self.public += 1;
        *public += 1;
        if *public > of_phone {
            Allowed::NotShown
        } else {
            Allowed::Yes
        }
    }

    /// How many public messages were sent today.
    pub(super) fn public(&mut self, now: Timestamp) -> u64 {
        self.begin(now);
        self.public
    }

    /// A new day has new quotas.
    fn begin(&mut self, now: Timestamp) {
        if self.ends.is_none_or(|ends| ends <= now) {
            self.ends = Some(now + until_midnight(now, CHINA));
            self.public = 0;
            self.phones.clear();
        }
    }

    /// The message id of what was sent to the phone `id` under `app_message_id` before.
    pub(super) fn known(&self, app_message_id: &str, id: &str) -> Option<&String> {
        self.known.get(&(app_message_id.to_owned(), id.to_owned()))
    }

    /// Remembers what was sent.
    pub(super) fn learn(&mut self, app_message_id: &str, id: &str, message_id: &str) {
        if app_message_id.is_empty() {
            return;
        }
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        let key = (app_message_id.to_owned(), id.to_owned());
        self.known.insert(key, message_id.to_owned());
    }
}
