//! The phone: what arrives, what is shown, and what the app gets when a person taps.
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use push_core::Timestamp;
use push_testkit::{
    serde_json::Value,
    simulator::{Inbox, random_text},
};

use super::{
    World,
    arrival::{Arrival, Platform, Tapped},
};

/// Messages that FCM keeps for an absent phone; with one more it drops them all.
const WAITING: usize = 100;

/// The topics of one phone, by name, each with the time of the subscription.
pub(super) type Topics = BTreeMap<String, Timestamp>;

/// A phone with the app on it. Clones are the same phone.
#[derive(Clone)]
pub struct Phone {
    token: String,
    fid: String,
    platform: Platform,
    topics: Arc<Mutex<Topics>>,
    world: Weak<World>,
    pub(super) inbox: Inbox<Arrival>,
}

impl Phone {
    pub(super) fn install(world: &Arc<World>, platform: Platform) -> Self {
        let phone = Self {
            token: format!("{}:APA91b{}", random_text(16), random_text(96)),
            // `[cdef]` and 21 characters more.
            fid: format!("c{}", &random_text(16)[..21]),
            platform,
            topics: Arc::default(),
            world: Arc::downgrade(world),
            inbox: Inbox::default(),
        };
        let mut phones = world.phones();
        for key in [&phone.token, &phone.fid] {
            phones.insert(key.clone(), phone.clone());
        }
        drop(phones);
        phone
    }

    /// The registration token.
    pub fn token(&self) -> String {
        self.token.clone()
    }

    /// The Firebase installation id.
    pub fn fid(&self) -> String {
        self.fid.clone()
    }

    /// The topics that it subscribed to.
    pub(super) fn topics(&self) -> MutexGuard<'_, Topics> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that arrived, oldest first: the last 1,024.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.inbox.arrivals()
    }

    /// How many messages arrived since the app was installed.
    pub fn arrived(&self) -> u64 {
        self.inbox.arrived()
    }

    /// What the system shows, oldest first: what a later one replaced (`tag`) or a person tapped is not there.
    pub fn screen(&self) -> Vec<Arrival> {
        self.inbox.screen()
    }

    /// The number on the icon.
    pub fn badge(&self) -> u32 {
        self.inbox.badge()
    }

    /// A person taps `arrival`: it leaves the screen, and the app is started. `None` if it is not on the screen.
    pub fn tap(&self, arrival: &Arrival) -> Option<Tapped> {
        self.tap_on(|shown| shown == arrival)
    }

    /// A person taps the newest notification on the screen. See [`Phone::tap`].
    pub fn tap_newest(&self) -> Option<Tapped> {
        self.tap_on(|_| true)
    }

    fn tap_on(&self, which: impl Fn(&Arrival) -> bool) -> Option<Tapped> {
        Some(self.inbox.tap(which)?.tapped())
    }

    /// Completes when at least `count` messages have arrived since the app was installed, and returns the last.
    pub async fn wait_for(&self, count: u64) -> Option<Arrival> {
        self.inbox.wait_for(count).await
    }

    /// Nothing arrives any more; the service keeps 100 messages for the phone, and with one more drops them all.
    pub fn switch_off(&self) {
        self.inbox.switch_off();
    }

    /// What the service kept, and whose time is not over, arrives.
    pub fn switch_on(&self) {
        let Some(world) = self.world.upgrade() else {
            return;
        };
        for arrival in self.inbox.switch_on(world.clock.now()) {
            self.inbox.receive(arrival);
        }
    }

    /// The app is deleted: from now on the service answers `UNREGISTERED`.
    pub fn uninstall(&self) {
        if let Some(world) = self.world.upgrade() {
            let mut phones = world.phones();
            phones.remove(&self.token);
            phones.remove(&self.fid);
        }
    }

    /// The app is installed again: the old token stays dead, the new phone has another.
    ///
    /// # Panics
    /// If the simulator is gone.
    #[must_use]
    pub fn reinstall(&self) -> Self {
        self.uninstall();
        let world = self.world.upgrade().expect("the simulator is there");
        Self::install(&world, self.platform)
    }

    /// Takes a message that the service accepted.
    pub(super) fn take(&self, message: &Value, id: &str, now: Timestamp) {
        let arrival = Arrival::read(message, id, self.platform);
        if !self.inbox.is_off() {
            return self.inbox.receive(arrival);
        }
        let until = Arrival::kept_until(message, self.platform, now);
        let key = arrival.collapse_key.clone();
        self.inbox.keep(arrival, until, |kept| {
            !key.is_empty() && kept.collapse_key == key
        });
        if self.inbox.kept() > WAITING {
            self.inbox.drop_kept();
        }
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phone")
            .field("arrived", &self.arrived())
            .finish_non_exhaustive()
    }
}
