//! The handle that the app calls.
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use push_core::{Account, LogoutCause};
use tokio::sync::broadcast;

/// The number of calls that are kept for a slow bridge. A bridge that misses older ones reads the current login.
const CALLS: usize = 256;

/// The handle that the app calls, and the bridge that observes it. Clones share one handle.
#[derive(Clone)]
pub struct ManualLogin(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    calls: broadcast::Sender<Call>,
}

#[derive(Default)]
struct State {
    last: u64,
    current: Option<(u64, Account)>,
    /// Whether the last call was a logout.
    is_logged_out: bool,
}

/// A call of the app.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Register(u64, Account),
    Unregister(u64, LogoutCause),
    /// A logout without a login in this process.
    NoUser,
}

/// One registration of the app, which can end only that one (S43).
#[derive(Clone, Debug)]
pub struct Service {
    login: ManualLogin,
    number: u64,
}

impl Service {
    /// Ends this registration. Ignored if another login has replaced it.
    pub fn unregister(&self, cause: LogoutCause) {
        self.login.end(Some(self.number), cause);
    }
}

impl Default for ManualLogin {
    fn default() -> Self {
        Self::new()
    }
}

impl ManualLogin {
    /// Returns a handle that is independent of [`ManualLogin::shared`].
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            state: Mutex::default(),
            calls: broadcast::Sender::new(CALLS),
        }))
    }

    /// Returns the handle of this process, which the linked bridge observes.
    pub fn shared() -> Self {
        static SHARED: OnceLock<ManualLogin> = OnceLock::new();
        SHARED.get_or_init(Self::new).clone()
    }

    /// Reports that the app has logged in: `account` gets pushes on this device from now on. For the account that is logged in
    /// already, it only replaces the credential (S38); another account replaces the current one (S42).
    pub fn register_service(&self, account: Account) -> Service {
        let mut state = self.lock();
        // Also for a repeated login: the service of the earlier login must not end this one.
        state.last += 1;
        let number = state.last;
        state.current = Some((number, account.clone()));
        state.is_logged_out = false;
        // Sent under the lock, so that calls are ordered. Sending fails if there is no bridge yet.
        drop(self.0.calls.send(Call::Register(number, account)));
        Service {
            login: self.clone(),
            number,
        }
    }

    /// Reports that the app has logged out: no user gets pushes on this device any more. That includes the user of the app's last
    /// process who has not logged in again. Does nothing if there is none.
    pub fn unregister_service(&self) {
        self.end(None, LogoutCause::Logout);
    }

    fn end(&self, number: Option<u64>, cause: LogoutCause) {
        let mut state = self.lock();
        let ended = state
            .current
            .take_if(|(current, _)| number.is_none_or(|number| *current == number));
        state.is_logged_out |= ended.is_some() || number.is_none();
        match ended {
            Some((number, _)) => drop(self.0.calls.send(Call::Unregister(number, cause))),
            None if number.is_none() => drop(self.0.calls.send(Call::NoUser)),
            None => {}
        }
    }

    /// Returns the current login, and a receiver of the calls from now on. A logout that no bridge received is sent again.
    pub(crate) fn listen(&self) -> (Option<(u64, Account)>, broadcast::Receiver<Call>) {
        let state = self.lock();
        let calls = self.0.calls.subscribe();
        if state.is_logged_out {
            drop(self.0.calls.send(Call::NoUser));
        }
        (state.current.clone(), calls)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ManualLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("ManualLogin")
            .field(
                "user",
                &state.current.as_ref().map(|(_, account)| &account.user),
            )
            .finish()
    }
}
