//! An app on a phone: what is on the screen, what a tap opens.
use std::{fmt, sync::Arc};

use push_testkit::simulator::Inbox;

use super::{
    arrival::Arrival,
    device::{Device, Install},
    intent::Intent,
    service::{Service, device_token},
};

/// One app on one phone, reached by one token. Clones are the same phone.
#[derive(Clone)]
pub struct Phone {
    service: Arc<Service>,
    token: String,
    pub(super) inbox: Inbox<Arrival>,
}

impl Phone {
    pub(super) fn new(service: Arc<Service>, app_id: &str, token: String) -> Self {
        let inbox = service.install(app_id, &token);
        Self {
            service,
            token,
            inbox,
        }
    }

    /// Its token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Everything that arrived, oldest first, shown or not: the last 1,024.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.inbox.arrivals()
    }

    /// How many pushes arrived since the app was installed.
    pub fn arrived(&self) -> u64 {
        self.inbox.arrived()
    }

    /// Completes when at least `count` pushes have arrived since the app was installed, and returns the last.
    pub async fn wait_for(&self, count: u64) -> Option<Arrival> {
        self.inbox.wait_for(count).await
    }

    /// What is on the screen, oldest first: a later notification with the same tag has replaced an earlier one, and what
    /// was tapped is gone.
    pub fn screen(&self) -> Vec<Arrival> {
        self.inbox.screen()
    }

    /// The number on the icon.
    pub fn badge(&self) -> u32 {
        self.inbox.badge()
    }

    /// Taps a notification, which goes from the screen. `None` if it is not there, or a click opens nothing.
    pub fn tap(&self, arrival: &Arrival) -> Option<Intent> {
        let shown = |shown: &Arrival| shown.number == arrival.number;
        self.inbox.tap(shown)?.click()
    }

    /// Taps the newest notification on the screen. See [`Phone::tap`].
    pub fn tap_newest(&self) -> Option<Intent> {
        self.inbox.tap(|_| true)?.click()
    }

    /// Nothing arrives any more; Huawei keeps up to 120 pushes for their time to live, by `collapse_key`.
    pub fn switch_off(&self) {
        self.inbox.switch_off();
    }

    /// What Huawei kept, and whose time is not over, arrives.
    pub fn switch_on(&self) {
        self.service.switch_on(&self.token);
    }

    /// Switches the app's notifications off or on: pushes arrive and do not show (receipt 6).
    pub fn set_muted(&self, muted: bool) {
        self.device(|it| it.muted = muted);
    }

    /// Takes the app off the phone: its token is illegal from now on.
    pub fn uninstall(&self) {
        self.device(|it| it.install = Install::Gone);
    }

    /// The app is installed again on the same phone: the old token stays illegal, another is given.
    #[must_use]
    pub fn reinstall(&self) -> Self {
        self.uninstall();
        let app_id = self.device(|it| it.app_id.clone());
        Self::new(Arc::clone(&self.service), &app_id, device_token())
    }

    /// Takes the app off a phone that is out of reach: Huawei takes the next push, learns it, and says so in a receipt
    /// (2); from then on the token is illegal.
    pub fn uninstall_unnoticed(&self) {
        self.device(|it| it.install = Install::GoneUnnoticed(2));
    }

    /// Clears the app's data, which ends its token: Huawei takes the next push, learns it from the phone, and says so in a
    /// receipt (5).
    pub fn clear_data(&self) {
        self.device(|it| it.install = Install::GoneUnnoticed(5));
    }

    /// Makes the phone one that was not seen for 30 days, or no longer: pushes do not arrive (receipt 10).
    pub fn set_inactive(&self, inactive: bool) {
        self.device(|it| it.held = inactive.then_some(10));
    }

    /// Makes Huawei hold back what the app sends to the phone, or no longer: pushes do not arrive (receipt 201).
    pub fn set_restricted(&self, restricted: bool) {
        self.device(|it| it.held = restricted.then_some(201));
    }

    /// Locks the phone as after it was started: pushes wait on it (receipt 51) until it is unlocked.
    pub fn set_locked(&self, locked: bool) {
        self.device(|it| it.locked = locked);
        self.service.wake(&self.token);
    }

    /// Ends the app's process or starts it: data messages wait for it (receipt 27).
    pub fn set_running(&self, running: bool) {
        self.device(|it| it.stopped = !running);
        self.service.wake(&self.token);
    }

    /// Brings the app to the front or back: in front a notification with `foreground_show` false is not shown.
    pub fn set_in_front(&self, in_front: bool) {
        self.device(|it| it.in_front = in_front);
    }

    /// Logs a user with this profile in: a push for another one does not arrive (receipt 144).
    pub fn set_profile(&self, profile: &str) {
        self.device(|it| profile.clone_into(&mut it.profile));
    }

    fn device<T: Default>(&self, act: impl FnOnce(&mut Device) -> T) -> T {
        self.service.device(&self.token, act)
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phone")
            .field("arrived", &self.arrived())
            .field("badge", &self.badge())
            .finish_non_exhaustive()
    }
}
