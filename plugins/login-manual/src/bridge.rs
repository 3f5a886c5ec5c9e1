//! Translates the app's calls into registrations with the session.
use push_core::{
    Account, Generation, LoginBridge, LogoutCause, Result, SessionHandle, async_trait,
};
use tokio::sync::broadcast::error::RecvError;

use crate::handle::{Call, ManualLogin};

const NAME: &str = "manual";

#[async_trait]
impl LoginBridge for ManualLogin {
    async fn run(&self, session: SessionHandle) -> Result<()> {
        let mut registered = None;
        let observing = self.observe(&session);
        let (current, mut calls) = self.listen();
        begin(&session, &mut registered, current).await;
        loop {
            let call = tokio::select! {
                call = calls.recv() => call,
                () = session.closed() => return Ok(()),
            };
            match call {
                Ok(Call::Register(number, account)) => {
                    begin(&session, &mut registered, Some((number, account))).await;
                }
                Ok(Call::Unregister(number, cause)) => {
                    end(&session, &mut registered, number, cause).await;
                }
                Ok(Call::LogOut(own, logins)) => {
                    let login = logins.get(&observing.number).copied();
                    log_out(&session, &mut registered, own, login).await;
                }
                Ok(Call::NoUser) => report_no_user(&session).await,
                Err(RecvError::Lagged(_)) => {
                    let (current, receiver) = self.listen();
                    calls = receiver;
                    begin(&session, &mut registered, current).await;
                }
                // Unreachable while `self` holds the sender; there would be no further calls.
                Err(RecvError::Closed) => {
                    session.closed().await;
                    return Ok(());
                }
            }
        }
    }
}

/// The number of the current registration, and its generation in the session.
type Registered = Option<(u64, Generation)>;

async fn begin(
    session: &SessionHandle,
    registered: &mut Registered,
    current: Option<(u64, Account)>,
) {
    let Some((number, account)) = current else {
        if let Some((last, _)) = *registered {
            end(session, registered, last, LogoutCause::Logout).await;
        }
        return;
    };
    match session.register(account, NAME).await {
        Ok(generation) => *registered = Some((number, generation)),
        Err(error) => {
            tracing::warn!(target: "push_client", bridge = NAME, "the session refused a login, which gets no push: {error}");
        }
    }
}

async fn end(
    session: &SessionHandle,
    registered: &mut Registered,
    number: u64,
    cause: LogoutCause,
) {
    if registered.is_none() {
        // The session had refused that login; no user is logged in now.
        report_no_user(session).await;
        return;
    }
    let Some((_, generation)) = registered.take_if(|(current, _)| *current <= number) else {
        return;
    };
    if let Err(error) = session.unregister(generation, cause, NAME).await {
        tracing::warn!(target: "push_client", bridge = NAME, "the session refused a logout: {error}");
    }
}

/// Ends the bridge's own registration and the `login` that the session had at the time of the call.
async fn log_out(
    session: &SessionHandle,
    registered: &mut Registered,
    own: Option<u64>,
    login: Option<Generation>,
) {
    match own {
        Some(number) => end(session, registered, number, LogoutCause::Logout).await,
        None => report_no_user(session).await,
    }
    let Some(login) = login.filter(|login| session.current_login() == Some(*login)) else {
        return;
    };
    if let Err(error) = session.unregister(login, LogoutCause::Logout, NAME).await {
        tracing::warn!(target: "push_client", bridge = NAME, "the session refused a logout: {error}");
    }
}

async fn report_no_user(session: &SessionHandle) {
    if let Err(error) = session.no_user(NAME).await {
        tracing::warn!(target: "push_client", bridge = NAME, "the session refused a logout: {error}");
    }
}
