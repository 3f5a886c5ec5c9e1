//! What the app calls.
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use push_core::{Account, LogoutCause};
use tokio::sync::broadcast;

/// How many calls wait for a bridge that is behind; it can do without the oldest.
const CALLS: usize = 256;

/// The handle that the app calls, and the bridge that listens to it. Clones are the same handle.
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
    /// The last word was a logout.
    nobody: bool,
}

/// What the app said.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Register(u64, Account),
    Unregister(u64, LogoutCause),
    /// A logout without a login in this process.
    Nobody,
}

/// One registration that the app made, so that it can end just that one (S43).
#[derive(Clone, Debug)]
pub struct Service {
    login: ManualLogin,
    number: u64,
}

impl Service {
    /// Ends this registration; ignored if another login has taken its place.
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
    /// A handle of its own.
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            state: Mutex::default(),
            calls: broadcast::Sender::new(CALLS),
        }))
    }

    /// The handle of this process, which the linked bridge listens to.
    pub fn shared() -> Self {
        static SHARED: OnceLock<ManualLogin> = OnceLock::new();
        SHARED.get_or_init(Self::new).clone()
    }

    /// The app has logged in: `account` receives push on this device from now on. Again for the same account it is a no-op, but
    /// for a new credential (S38); for another it takes the device over (S42).
    pub fn register_service(&self, account: Account) -> Service {
        let mut state = self.lock();
        // Also for a repeated login: who ended the one before must not end this one.
        state.last += 1;
        let number = state.last;
        state.current = Some((number, account.clone()));
        state.nobody = false;
        // Under the lock, so that calls come in their order. No bridge may be there yet.
        drop(self.0.calls.send(Call::Register(number, account)));
        Service {
            login: self.clone(),
            number,
        }
    }

    /// The app has logged out: no user receives push on this device, and neither does the user of the app's last process who
    /// has not logged in again. Does nothing if there is none.
    pub fn unregister_service(&self) {
        self.end(None, LogoutCause::Logout);
    }

    fn end(&self, number: Option<u64>, cause: LogoutCause) {
        let mut state = self.lock();
        let ended = state
            .current
            .take_if(|it| number.is_none_or(|number| it.0 == number));
        state.nobody |= ended.is_some() || number.is_none();
        match ended {
            Some((number, _)) => drop(self.0.calls.send(Call::Unregister(number, cause))),
            None if number.is_none() => drop(self.0.calls.send(Call::Nobody)),
            None => {}
        }
    }

    /// What is so now, and every call from now on. A logout that no bridge received is sent again.
    pub(crate) fn listen(&self) -> (Option<(u64, Account)>, broadcast::Receiver<Call>) {
        let state = self.lock();
        let calls = self.0.calls.subscribe();
        if state.nobody {
            drop(self.0.calls.send(Call::Nobody));
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
            .field("user", &state.current.as_ref().map(|it| &it.1.user))
            .finish()
    }
}
