//! From the app's calls to register and unregister.
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
                Ok(Call::Nobody) => nobody(&session).await,
                Err(RecvError::Lagged(_)) => {
                    let (current, anew) = self.listen();
                    calls = anew;
                    begin(&session, &mut registered, current).await;
                }
                // Cannot be while `self` is there; if it could, nothing more would come.
                Err(RecvError::Closed) => {
                    session.closed().await;
                    return Ok(());
                }
            }
        }
    }
}

/// The number of the registration that is there, and the session's.
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
            tracing::warn!(target: "push_client", bridge = NAME, "a login does not receive push: {error}");
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
        // The session refused it: no user is logged in in either case.
        nobody(session).await;
        return;
    }
    let Some((_, generation)) = registered.take_if(|it| it.0 <= number) else {
        return;
    };
    if let Err(error) = session.unregister(generation, cause, NAME).await {
        tracing::warn!(target: "push_client", bridge = NAME, "a logout was not taken: {error}");
    }
}

async fn nobody(session: &SessionHandle) {
    if let Err(error) = session.nobody(NAME).await {
        tracing::warn!(target: "push_client", bridge = NAME, "a logout was not taken: {error}");
    }
}
