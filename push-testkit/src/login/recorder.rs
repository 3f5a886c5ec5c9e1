//! A session that keeps the rules and records what is reported to it.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use push_core::{Account, Error, ErrorKind, Generation, LogoutCause, Result, Session, async_trait};
use tokio::sync::watch;

/// What a bridge reported.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reported {
    /// A login, and the generation that the bridge was given; `None` if it was refused.
    Register(Account, Option<Generation>),
    /// The end of a login.
    Unregister(Generation, LogoutCause),
}

/// A [`Session`] that remembers what was reported to it. Clones are the same session.
#[derive(Clone, Debug)]
pub struct SessionRecorder(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    closed: watch::Sender<bool>,
    held: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Inner {
    reports: Vec<Reported>,
    last: u64,
    current: Option<(Account, Generation)>,
    refuses: usize,
}

impl Default for SessionRecorder {
    fn default() -> Self {
        Self::new()
    }
}

impl SessionRecorder {
    /// A session without a logged-in user.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            inner: Mutex::default(),
            closed: watch::Sender::new(false),
            held: watch::Sender::new(false),
        }))
    }

    /// Everything reported so far, in order.
    pub fn reports(&self) -> Vec<Reported> {
        self.lock().reports.clone()
    }

    /// Whose the device is.
    pub fn current(&self) -> Option<Account> {
        self.lock().current.as_ref().map(|it| it.0.clone())
    }

    /// Refuses the next registration.
    pub fn refuse_next(&self) {
        self.lock().refuses += 1;
    }

    /// Holds back every answer until released, so that reports wait.
    pub fn hold(&self, held: bool) {
        self.0.held.send_replace(held);
    }

    /// Closes the session.
    pub fn close(&self) {
        self.0.closed.send_replace(true);
    }

    async fn released(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        drop(self.0.held.subscribe().wait_for(|it| !*it).await);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Session for SessionRecorder {
    async fn register(&self, account: Account, _by: &'static str) -> Result<Generation> {
        self.released().await;
        let mut inner = self.lock();
        if inner.refuses > 0 {
            inner.refuses -= 1;
            inner.reports.push(Reported::Register(account, None));
            return Err(Error::new(ErrorKind::Invalid, "the session refuses"));
        }
        let same = inner
            .current
            .as_ref()
            .filter(|(it, _)| it.app == account.app && it.user == account.user)
            .map(|it| it.1);
        let generation = same.unwrap_or_else(|| {
            inner.last += 1;
            Generation(inner.last)
        });
        inner.current = Some((account.clone(), generation));
        inner
            .reports
            .push(Reported::Register(account, Some(generation)));
        Ok(generation)
    }

    async fn unregister(
        &self,
        generation: Generation,
        cause: LogoutCause,
        _by: &'static str,
    ) -> Result<()> {
        self.released().await;
        let mut inner = self.lock();
        inner.current.take_if(|it| it.1 == generation);
        inner.reports.push(Reported::Unregister(generation, cause));
        Ok(())
    }

    fn current_login(&self) -> Option<Generation> {
        self.lock().current.as_ref().map(|(_, login)| *login)
    }

    async fn closed(&self) {
        drop(self.0.closed.subscribe().wait_for(|it| *it).await);
    }
}
