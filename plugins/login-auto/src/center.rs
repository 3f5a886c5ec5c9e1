//! An in-process login system in the manner of the IM kit's.
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock},
};

use push_core::{Account, AppId, UserId, async_trait};
use tokio::sync::broadcast;

use crate::{LoginEvent, LoginFault, LoginNumber, LoginSubject, Subscription};

/// How many events wait for a slow observer.
const EVENTS: usize = 256;

/// What really logs in and out: the app's IM library. The default does nothing and succeeds, for apps that tell the center
/// only what has succeeded already.
#[async_trait]
pub trait LoginSystem: fmt::Debug + Send + Sync + 'static {
    /// Makes the IM library ready for `app`.
    ///
    /// # Errors
    /// The IM library's own fault.
    async fn init(&self, _app: &AppId) -> Result<(), LoginFault> {
        Ok(())
    }

    /// Logs in. A user who is logged in to the same app is logged out by this, without an event.
    ///
    /// # Errors
    /// The IM library's own fault.
    async fn login(&self, _account: &Account) -> Result<(), LoginFault> {
        Ok(())
    }

    /// Logs out.
    ///
    /// # Errors
    /// The IM library's own fault.
    async fn logout(&self, _account: &Account) -> Result<(), LoginFault> {
        Ok(())
    }
}

#[derive(Debug)]
struct Accepting;

#[async_trait]
impl LoginSystem for Accepting {}

/// The one place where the app logs in and out, and that reports it to all observers. Clones are the same center.
///
/// It behaves as `TUILogin` does:
///
/// - a login of the current user needs no network and reports success again;
/// - a login that is [local only](LoginCenter::login_local_only) reports nothing (S40);
/// - a login of another user replaces the first without a logout event (S42);
/// - a login to another app starts the logout of the first and does not wait for it: its success comes when it comes (S43);
/// - a logout forgets the user before it asks the network; when that fails, only [`LoginEvent::LogoutFail`] is reported (S39).
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
    /// Whom the server still takes for logged in, because it did not take the logout.
    left: Option<LoginNumber>,
    /// The last word was the end of a login.
    nobody: bool,
}

#[derive(Clone, Debug)]
struct Login {
    number: LoginNumber,
    account: Account,
    /// Whether it was reported.
    is_told: bool,
}

impl Default for LoginCenter {
    fn default() -> Self {
        Self::new()
    }
}

impl LoginCenter {
    /// A center whose logins succeed: the app calls it when its IM library has logged in or out.
    pub fn new() -> Self {
        Self::with(Arc::new(Accepting))
    }

    /// A center that logs in by `system`.
    pub fn with(system: Arc<dyn LoginSystem>) -> Self {
        Self(Arc::new(Inner {
            system: RwLock::new(system),
            state: Mutex::default(),
            events: broadcast::Sender::new(EVENTS),
        }))
    }

    /// The center of this process, which the linked bridge observes.
    pub fn shared() -> Self {
        static SHARED: OnceLock<LoginCenter> = OnceLock::new();
        SHARED.get_or_init(Self::new).clone()
    }

    /// Logs in by `system` from now on.
    pub fn set_system(&self, system: Arc<dyn LoginSystem>) {
        *self
            .0
            .system
            .write()
            .unwrap_or_else(PoisonError::into_inner) = system;
    }

    /// Logs `account` in and returns when that has succeeded or failed; events are sent before it returns.
    ///
    /// # Errors
    /// The login system's fault, also reported as [`LoginEvent::LoginFail`] or [`LoginEvent::InitSdkFail`].
    pub async fn login(&self, account: Account) -> Result<(), LoginFault> {
        if let Some(number) = self.repeats(&account) {
            self.tell(LoginEvent::LoginSuccess(number, account));
            return Ok(());
        }
        self.enter(&account.app).await?;
        let system = self.system();
        if let Err(fault) = system.login(&account).await {
            self.tell(LoginEvent::LoginFail(account.user, fault.clone()));
            return Err(fault);
        }
        // In one step with the new login, so that events come in the order of the numbers.
        let mut state = self.lock();
        let number = state.begin(account.clone(), true);
        self.tell(LoginEvent::LoginSuccess(number, account));
        drop(state);
        Ok(())
    }

    /// Opens only the local store of `account`: no event, so no push (S40). Later, [`LoginCenter::login`] of the same account logs
    /// in properly.
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
    /// [`LoginEvent::Nobody`].
    ///
    /// # Errors
    /// The login system's fault, also reported as [`LoginEvent::LogoutFail`]. No user counts as logged in here
    /// nevertheless, but the server may still hold the login: push stays registered (S39).
    pub async fn logout(&self) -> Result<(), LoginFault> {
        let Some(login) = self.take() else {
            return Ok(());
        };
        self.leave(login).await
    }

    /// The IM library says that another device took over.
    pub fn kicked_offline(&self) {
        self.thrown_out(LoginEvent::KickedOffline);
    }

    /// The IM library says that the userSig has expired.
    pub fn user_sig_expired(&self) {
        self.thrown_out(LoginEvent::UserSigExpired);
    }

    /// Passes an event of the IM library's connection to all observers.
    pub fn connection(&self, event: LoginEvent) {
        if matches!(
            event,
            LoginEvent::Connecting | LoginEvent::Connected | LoginEvent::ConnectFailed(_)
        ) {
            self.tell(event);
        }
    }

    /// Who is logged in, also if only locally.
    pub fn user(&self) -> Option<UserId> {
        self.lock().login.as_ref().map(|it| it.account.user.clone())
    }

    /// The number of the login that `account` repeats, with its credential renewed.
    fn repeats(&self, account: &Account) -> Option<LoginNumber> {
        let mut state = self.lock();
        let login = state.login.as_mut().filter(|it| {
            it.is_told && it.account.user == account.user && it.account.app == account.app
        })?;
        login.account = account.clone();
        Some(login.number)
    }

    /// Makes the IM library ready for `app`; leaves another one without waiting.
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
            // The fault has been reported.
            tokio::spawn(async move { drop(center.leave(left).await) });
        }
        let system = self.system();
        match system.init(app).await {
            Ok(()) => {
                self.lock().app = Some(app.clone());
                self.tell(LoginEvent::InitSdkSuccess(app.clone()));
                Ok(())
            }
            Err(fault) => {
                self.tell(LoginEvent::InitSdkFail(app.clone(), fault.clone()));
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
                self.tell(LoginEvent::LogoutFail(login.number, fault.clone()));
                drop(state);
                Err(fault)
            }
        }
    }

    fn system(&self) -> Arc<dyn LoginSystem> {
        Arc::clone(&self.0.system.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The login that is there, which is over by this.
    fn take(&self) -> Option<Login> {
        let mut state = self.lock();
        let login = state.login.take();
        state.nobody = login.is_none();
        if login.is_none() {
            // Under the lock, so that it comes before a login that follows.
            self.tell(LoginEvent::Nobody);
        }
        login
    }

    /// The server has ended the login that is there, or the one whose logout it did not take.
    fn thrown_out(&self, event: impl FnOnce(LoginNumber) -> LoginEvent) {
        let mut state = self.lock();
        let login = state.login.take().map(|it| it.number);
        let ended = login.or(state.left.take());
        state.nobody = true;
        self.tell(ended.map_or(LoginEvent::Nobody, event));
    }

    /// Reports the end of a login, which may come after the next login.
    fn ended(&self, event: LoginEvent) {
        let mut state = self.lock();
        state.nobody = state.login.is_none();
        self.tell(event);
    }

    fn tell(&self, event: LoginEvent) {
        // It is no error that no observer is there.
        drop(self.0.events.send(event));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn begin(&mut self, account: Account, is_told: bool) -> LoginNumber {
        self.last += 1;
        let number = LoginNumber(self.last);
        self.nobody &= !is_told;
        self.app = Some(account.app.clone());
        self.left = None;
        self.login = Some(Login {
            number,
            account,
            is_told,
        });
        number
    }
}

impl LoginSubject for LoginCenter {
    fn subscribe(&self) -> Subscription {
        // Events of logins are sent under this lock, so none is missed or sent twice.
        let state = self.lock();
        let events = self.0.events.subscribe();
        if state.nobody {
            // A logout that came before anybody observed it.
            self.tell(LoginEvent::Nobody);
        }
        Subscription {
            current: state
                .login
                .as_ref()
                .filter(|it| it.is_told)
                .map(|it| (it.number, it.account.clone())),
            events,
        }
    }
}
