//! An in-process login system that behaves as the IM kit's.
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock},
};

use push_core::{Account, AppId, UserId, async_trait};
use tokio::sync::broadcast;

use crate::{LoginEvent, LoginFault, LoginNumber, LoginSubject, Subscription};

/// The number of events that are kept for a slow observer.
const EVENTS: usize = 256;

/// The app's IM library, which logs in and out. The default does nothing and succeeds, for apps that report to the center
/// only logins and logouts that have succeeded.
#[async_trait]
pub trait LoginSystem: fmt::Debug + Send + Sync + 'static {
    /// Makes the IM library ready for `app`.
    ///
    /// # Errors
    /// The IM library's error.
    async fn init(&self, _app: &AppId) -> Result<(), LoginFault> {
        Ok(())
    }

    /// Logs in. This logs out another user of the same app without an event.
    ///
    /// # Errors
    /// The IM library's error.
    async fn login(&self, _account: &Account) -> Result<(), LoginFault> {
        Ok(())
    }

    /// Logs out.
    ///
    /// # Errors
    /// The IM library's error.
    async fn logout(&self, _account: &Account) -> Result<(), LoginFault> {
        Ok(())
    }
}

#[derive(Debug)]
struct Accepting;

#[async_trait]
impl LoginSystem for Accepting {}

/// The place where the app logs in and out, which reports both to all observers. Clones share one center.
///
/// It behaves as `TUILogin` does:
///
/// - a login of the current user needs no network and reports success again;
/// - a login that is [local only](LoginCenter::login_local_only) reports nothing (S40);
/// - a login of another user replaces the first without a logout event (S42);
/// - a login to another app starts the logout from the first and does not wait for its success (S43);
/// - a logout forgets the user before it sends the request; if that fails, only [`LoginEvent::LogoutFail`] is reported (S39).
///
/// Its methods need a tokio runtime only for a login to another app.
#[derive(Clone, Debug)]
pub struct LoginCenter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    system: RwLock<Arc<dyn LoginSystem>>,
    state: Mutex<State>,
    events: broadcast::Sender<LoginEvent>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    app: Option<AppId>,
    login: Option<Login>,
    /// The login that the server still holds, because the logout failed.
    left: Option<LoginNumber>,
    /// Whether the last event was the end of a login.
    is_logged_out: bool,
}

#[derive(Clone, Debug)]
struct Login {
    number: LoginNumber,
    account: Account,
    /// Whether it was reported.
    is_reported: bool,
}

impl Default for LoginCenter {
    fn default() -> Self {
        Self::new()
    }
}

impl LoginCenter {
    /// Returns a center whose logins always succeed: the app calls it after its IM library has logged in or out.
    pub fn new() -> Self {
        Self::with(Arc::new(Accepting))
    }

    /// Returns a center that logs in through `system`.
    pub fn with(system: Arc<dyn LoginSystem>) -> Self {
        Self(Arc::new(Inner {
            system: RwLock::new(system),
            state: Mutex::default(),
            events: broadcast::Sender::new(EVENTS),
        }))
    }

    /// Returns the center of this process, which the linked bridge observes.
    pub fn shared() -> Self {
        static SHARED: OnceLock<LoginCenter> = OnceLock::new();
        SHARED.get_or_init(Self::new).clone()
    }

    /// Logs in through `system` from now on.
    pub fn set_system(&self, system: Arc<dyn LoginSystem>) {
        *self
            .0
            .system
            .write()
            .unwrap_or_else(PoisonError::into_inner) = system;
    }

    /// Logs `account` in. Sends the events before it returns.
    ///
    /// # Errors
    /// The login system's error, also reported as [`LoginEvent::LoginFail`] or [`LoginEvent::InitSdkFail`].
    pub async fn login(&self, account: Account) -> Result<(), LoginFault> {
        if let Some(number) = self.repeats(&account) {
            self.emit(LoginEvent::LoginSuccess(number, account));
            return Ok(());
        }
        self.enter(&account.app).await?;
        let system = self.system();
        if let Err(fault) = system.login(&account).await {
            self.emit(LoginEvent::LoginFail(account.user, fault.clone()));
            return Err(fault);
        }
        // Sent under the lock, so that events are ordered by number.
        let mut state = self.lock();
        let number = state.begin(account.clone(), true);
        self.emit(LoginEvent::LoginSuccess(number, account));
        drop(state);
        Ok(())
    }

    /// Opens only the local store of `account`, without an event and so without push (S40). A later [`LoginCenter::login`] of the
    /// same account logs in.
    ///
    /// # Errors
    /// If the IM library cannot serve the app.
    pub async fn login_local_only(&self, account: Account) -> Result<(), LoginFault> {
        if self.repeats(&account).is_some() {
            return Ok(());
        }
        self.enter(&account.app).await?;
        self.lock().begin(account, false);
        Ok(())
    }

    /// Logs out the current user. Without one, it ends the login of the app's last process, reported as
    /// [`LoginEvent::NoUser`].
    ///
    /// # Errors
    /// The login system's error, also reported as [`LoginEvent::LogoutFail`]. The center has no user then, but the server may
    /// still hold the login, so push stays registered (S39).
    pub async fn logout(&self) -> Result<(), LoginFault> {
        let Some(login) = self.take() else {
            return Ok(());
        };
        self.leave(login).await
    }

    /// Reports that another device has logged in, which ends the login here.
    pub fn kicked_offline(&self) {
        self.thrown_out(LoginEvent::KickedOffline);
    }

    /// Reports that the userSig has expired, which ends the login.
    pub fn user_sig_expired(&self) {
        self.thrown_out(LoginEvent::UserSigExpired);
    }

    /// Passes an event of the IM library's connection to all observers.
    pub fn connection(&self, event: LoginEvent) {
        if matches!(
            event,
            LoginEvent::Connecting | LoginEvent::Connected | LoginEvent::ConnectFailed(_)
        ) {
            self.emit(event);
        }
    }

    /// Returns the user who is logged in, also only locally.
    pub fn user(&self) -> Option<UserId> {
        let state = self.lock();
        let login = state.login.as_ref();
        login.map(|login| login.account.user.clone())
    }

    /// Returns the number of the current login if `account` repeats it, and stores the new credential.
    fn repeats(&self, account: &Account) -> Option<LoginNumber> {
        let mut state = self.lock();
        let login = state.login.as_mut().filter(|login| {
            let current = &login.account;
            login.is_reported && current.user == account.user && current.app == account.app
        })?;
        login.account = account.clone();
        Some(login.number)
    }

    /// Makes the IM library ready for `app`. Starts the logout from another app without waiting for it.
    async fn enter(&self, app: &AppId) -> Result<(), LoginFault> {
        let left = {
            let mut state = self.lock();
            if state.app.as_ref() == Some(app) {
                return Ok(());
            }
            state.app = None;
            state.login.take()
        };
        if let Some(left) = left {
            let center = self.clone();
            // An error has been reported as an event.
            tokio::spawn(async move { drop(center.leave(left).await) });
        }
        let system = self.system();
        match system.init(app).await {
            Ok(()) => {
                self.lock().app = Some(app.clone());
                self.emit(LoginEvent::InitSdkSuccess(app.clone()));
                Ok(())
            }
            Err(fault) => {
                self.emit(LoginEvent::InitSdkFail(app.clone(), fault.clone()));
                Err(fault)
            }
        }
    }

    async fn leave(&self, login: Login) -> Result<(), LoginFault> {
        let system = self.system();
        match system.logout(&login.account).await {
            Ok(()) => {
                self.ended(LoginEvent::LogoutSuccess(login.number));
                Ok(())
            }
            Err(fault) => {
                let mut state = self.lock();
                if state.login.is_none() {
                    state.left = Some(login.number);
                }
                self.emit(LoginEvent::LogoutFail(login.number, fault.clone()));
                drop(state);
                Err(fault)
            }
        }
    }

    fn system(&self) -> Arc<dyn LoginSystem> {
        Arc::clone(&self.0.system.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends the current login and returns it.
    fn take(&self) -> Option<Login> {
        let mut state = self.lock();
        let login = state.login.take();
        state.is_logged_out = login.is_none();
        if login.is_none() {
            // Sent under the lock, so that it precedes the next login.
            self.emit(LoginEvent::NoUser);
        }
        login
    }

    /// Ends the current login, or the one whose logout failed, because the server has ended it.
    fn thrown_out(&self, event: impl FnOnce(LoginNumber) -> LoginEvent) {
        let mut state = self.lock();
        let login = state.login.take().map(|login| login.number);
        let ended = login.or(state.left.take());
        state.is_logged_out = true;
        self.emit(ended.map_or(LoginEvent::NoUser, event));
    }

    /// Reports the end of a login, which may come after the next login.
    fn ended(&self, event: LoginEvent) {
        let mut state = self.lock();
        state.is_logged_out = state.login.is_none();
        self.emit(event);
    }

    fn emit(&self, event: LoginEvent) {
        // Sending fails if there is no observer.
        drop(self.0.events.send(event));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn begin(&mut self, account: Account, is_reported: bool) -> LoginNumber {
        self.last += 1;
        let number = LoginNumber(self.last);
        self.is_logged_out &= !is_reported;
        self.app = Some(account.app.clone());
        self.left = None;
        self.login = Some(Login {
            number,
            account,
            is_reported,
        });
        number
    }
}

impl LoginSubject for LoginCenter {
    fn subscribe(&self) -> Subscription {
        // Login events are sent under this lock, so none is missed or sent twice.
        let state = self.lock();
        let events = self.0.events.subscribe();
        if state.is_logged_out {
            // A logout that happened before there was an observer.
            self.emit(LoginEvent::NoUser);
        }
        Subscription {
            current: state
                .login
                .as_ref()
                .filter(|login| login.is_reported)
                .map(|login| (login.number, login.account.clone())),
            events,
        }
    }
}
