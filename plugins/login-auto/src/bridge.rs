//! Translates a subject's events into registrations with the session.
use std::sync::Arc;

use push_core::{
    Account, Generation, LoginBridge, LogoutCause, Result, SessionHandle, async_trait,
};
use tokio::sync::broadcast::error::RecvError;

use crate::{LoginEvent, LoginNumber, LoginSubject, Subscription};

const NAME: &str = "auto";

/// The bridge, which observes one [`LoginSubject`].
#[derive(Debug)]
pub struct AutoLogin {
    subject: Arc<dyn LoginSubject>,
}

impl AutoLogin {
    /// Returns a bridge that observes `subject`.
    pub fn new(subject: impl LoginSubject) -> Self {
        Self::observing(Arc::new(subject))
    }

    /// Returns a bridge that observes a shared `subject`.
    pub const fn observing(subject: Arc<dyn LoginSubject>) -> Self {
        Self { subject }
    }
}

/// The login that the bridge has registered.
#[derive(Debug)]
struct Registered {
    login: LoginNumber,
    generation: Generation,
}

#[async_trait]
impl LoginBridge for AutoLogin {
    async fn run(&self, session: SessionHandle) -> Result<()> {
        let mut registered = None;
        let mut events = self.subscribe(&session, &mut registered).await;
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                () = session.closed() => return Ok(()),
            };
            match event {
                Ok(event) => follow(&session, &mut registered, event).await,
                Err(RecvError::Lagged(_)) => {
                    events = self.subscribe(&session, &mut registered).await;
                }
                // The subject has been dropped: no login or logout can follow.
                Err(RecvError::Closed) => {
                    session.closed().await;
                    return Ok(());
                }
            }
        }
    }
}

impl AutoLogin {
    /// Subscribes, also again after falling behind, and reports the current login.
    async fn subscribe(
        &self,
        session: &SessionHandle,
        registered: &mut Option<Registered>,
    ) -> tokio::sync::broadcast::Receiver<LoginEvent> {
        let Subscription { current, events } = self.subject.subscribe();
        match current {
            Some((login, account)) => register(session, registered, login, account).await,
            None => {
                let last = registered.as_ref().map(|current| current.login);
                if let Some(last) = last {
                    unregister(session, registered, last, LogoutCause::Logout).await;
                }
            }
        }
        events
    }
}

async fn follow(session: &SessionHandle, registered: &mut Option<Registered>, event: LoginEvent) {
    match event {
        LoginEvent::LoginSuccess(login, account) => {
            register(session, registered, login, account).await;
        }
        LoginEvent::LogoutSuccess(login) => {
            unregister(session, registered, login, LogoutCause::Logout).await;
        }
        LoginEvent::KickedOffline(login) => {
            unregister(session, registered, login, LogoutCause::KickedOffline).await;
        }
        LoginEvent::UserSigExpired(login) => {
            unregister(session, registered, login, LogoutCause::CredentialExpired).await;
        }
        LoginEvent::NoUser => report_no_user(session).await,
        LoginEvent::InitSdkSuccess(_)
        | LoginEvent::InitSdkFail(..)
        | LoginEvent::LoginFail(..)
        | LoginEvent::LogoutFail(..)
        | LoginEvent::Connecting
        | LoginEvent::Connected
        | LoginEvent::ConnectFailed(_) => {}
    }
}

async fn register(
    session: &SessionHandle,
    registered: &mut Option<Registered>,
    login: LoginNumber,
    account: Account,
) {
    // After falling behind, an event may be older than the login that `subscribe` found.
    if registered
        .as_ref()
        .is_some_and(|current| current.login > login)
    {
        return;
    }
    match session.register(account, NAME).await {
        Ok(generation) => *registered = Some(Registered { login, generation }),
        Err(error) => {
            tracing::warn!(target: "push_client", bridge = NAME, "the session refused a login, which gets no push: {error}");
        }
    }
}

async fn unregister(
    session: &SessionHandle,
    registered: &mut Option<Registered>,
    login: LoginNumber,
    cause: LogoutCause,
) {
    if registered.is_none() {
        // It was a local login, or one that the session had refused; no user is logged in now.
        report_no_user(session).await;
        return;
    }
    let Some(ended) = registered.take_if(|current| current.login <= login) else {
        // Another login has replaced the one that ended (S43).
        return;
    };
    if let Err(error) = session.unregister(ended.generation, cause, NAME).await {
        tracing::warn!(target: "push_client", bridge = NAME, "the session refused a logout: {error}");
    }
}

async fn report_no_user(session: &SessionHandle) {
    if let Err(error) = session.no_user(NAME).await {
        tracing::warn!(target: "push_client", bridge = NAME, "the session refused a logout: {error}");
    }
}
