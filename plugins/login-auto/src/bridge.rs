//! From a subject's events to register and unregister.
use std::sync::Arc;

use push_core::{
    Account, Generation, LoginBridge, LogoutCause, Result, SessionHandle, async_trait,
};
use tokio::sync::broadcast::error::RecvError;

use crate::{LoginEvent, LoginNumber, LoginSubject, Subscription};

const NAME: &str = "auto";

/// The bridge: observes one [`LoginSubject`].
#[derive(Debug)]
pub struct AutoLogin {
    subject: Arc<dyn LoginSubject>,
}

impl AutoLogin {
    /// Observes `subject`.
    pub fn new(subject: impl LoginSubject) -> Self {
        Self::observing(Arc::new(subject))
    }

    /// Observes a shared `subject`.
    pub const fn observing(subject: Arc<dyn LoginSubject>) -> Self {
        Self { subject }
    }
}

/// What the bridge has registered.
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
                // The subject is gone: no login or logout can follow.
                Err(RecvError::Closed) => {
                    session.closed().await;
                    return Ok(());
                }
            }
        }
    }
}

impl AutoLogin {
    /// Begins, or begins anew after falling behind, from what is so now.
    async fn subscribe(
        &self,
        session: &SessionHandle,
        registered: &mut Option<Registered>,
    ) -> tokio::sync::broadcast::Receiver<LoginEvent> {
        let Subscription { current, events } = self.subject.subscribe();
        match current {
            Some((login, account)) => register(session, registered, login, account).await,
            None => {
                let last = registered.as_ref().map(|it| it.login);
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
        LoginEvent::Nobody => nobody(session).await,
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
    // After falling behind, an event may be older than what was found.
    if registered.as_ref().is_some_and(|it| it.login > login) {
        return;
    }
    match session.register(account, NAME).await {
        Ok(generation) => *registered = Some(Registered { login, generation }),
        Err(error) => {
            tracing::warn!(target: "push_client", bridge = NAME, "a login does not receive push: {error}");
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
        // A local one, or one that the session refused: no user is logged in in either case.
        nobody(session).await;
        return;
    }
    let Some(ended) = registered.take_if(|it| it.login <= login) else {
        // It ended a login that another has taken the place of (S43).
        return;
    };
    if let Err(error) = session.unregister(ended.generation, cause, NAME).await {
        tracing::warn!(target: "push_client", bridge = NAME, "a logout was not taken: {error}");
    }
}

async fn nobody(session: &SessionHandle) {
    if let Err(error) = session.nobody(NAME).await {
        tracing::warn!(target: "push_client", bridge = NAME, "a logout was not taken: {error}");
    }
}
