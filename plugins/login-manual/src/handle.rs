//! The handle that the app calls.
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use push_core::{Account, Generation, LogoutCause, SessionHandle};
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
    /// The sessions of the bridges that observe this handle, by number.
    sessions: BTreeMap<u64, SessionHandle>,
    last_session: u64,
}

/// A call of the app.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Register(u64, Account),
    Unregister(u64, LogoutCause),
    /// The end of the login that each session had at the time of the call, whichever bridge reported it; and of this
    /// handle's own, if it has one.
    LogOut(Option<u64>, BTreeMap<u64, Generation>),
    /// A logout that no bridge received.
    NoUser,
}

/// A session that [`ManualLogin::unregister_service`] knows until this is dropped.
#[derive(Debug)]
pub(crate) struct Observing {
    login: ManualLogin,
    pub(crate) number: u64,
}

impl Drop for Observing {
    fn drop(&mut self) {
        self.login.lock().sessions.remove(&self.number);
    }
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
        let mut state = self.login.lock();
        let is_current = |(current, _): &mut (u64, Account)| *current == self.number;
        if state.current.take_if(is_current).is_some() {
            state.is_logged_out = true;
            drop(
                self.login
                    .0
                    .calls
                    .send(Call::Unregister(self.number, cause)),
            );
        }
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

    /// Reports that the app has logged out: no user gets pushes on this device any more.
    ///
    /// It ends the login that the client has at the time of the call, whichever bridge reported it (S45): also one that
    /// `login-auto` observed. The automatic bridge goes on, and its next login is registered again. A user of the app's
    /// last process who has not logged in again gets no pushes either. Does nothing if there is none.
    pub fn unregister_service(&self) {
        let mut state = self.lock();
        let own = state.current.take().map(|(number, _)| number);
        state.is_logged_out = true;
        // Read now: a login that follows this call must not be ended by it (S43).
        let logins = state
            .sessions
            .iter()
            .filter_map(|(number, session)| Some((*number, session.current_login()?)))
            .collect();
        drop(self.0.calls.send(Call::LogOut(own, logins)));
    }

    /// Lets [`ManualLogin::unregister_service`] know the session of a bridge.
    pub(crate) fn observe(&self, session: &SessionHandle) -> Observing {
        let mut state = self.lock();
        state.last_session += 1;
        let number = state.last_session;
        state.sessions.insert(number, session.clone());
        Observing {
            login: self.clone(),
            number,
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
