//! The session, to which login bridges report logins and logouts.
use std::sync::Arc;

use push_core::{
    Account, Error, ErrorKind, Generation, LogoutCause, Result, Session, Slot, async_trait,
};

use crate::{
    Event, MAX_LOGIN_DATA_BYTES, Responder, TokenError,
    event::Dropped,
    shared::Shared,
    state::{LoggedIn, PendingClick},
};

#[derive(Debug)]
pub(crate) struct ClientSession(pub(crate) Arc<Shared>);

#[async_trait]
impl Session for ClientSession {
    async fn register(&self, account: Account, by: &'static str) -> Result<Generation> {
        let shared = &self.0;
        // Serializes the steps of logins and logouts.
        let asking = shared.asking.lock().await;
        if shared.is_closed() {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "the push client is closed",
            ));
        }
        if let Err(error) = check(&account) {
            // The device must not stay registered for the previous user (S42).
            shared.end_other_accounts(&account, by);
            drop(asking);
            shared.login_changed();
            return Err(error);
        }
        let user = account.user.clone();
        let LoggedIn {
            generation,
            is_new,
            also,
            dropped,
        } = shared.state().log_in(account, by);
        shared.changed();
        if let Some(dropped) = dropped {
            shared.emit_click_dropped(dropped, Dropped::OtherAccount);
        }
        if let Some(first) = also {
            shared.emit(Event::AlsoLoggedIn {
                generation,
                first,
                by,
            });
        }
        if is_new {
            shared.emit(Event::LoggedIn {
                generation,
                user,
                by,
            });
            shared.ask_phone(generation);
            // In a task of its own, because the app may still be busy with its login.
            shared.spawn_flush();
        }
        drop(asking);
        shared.login_changed();
        Ok(generation)
    }

    async fn unregister(
        &self,
        generation: Generation,
        cause: LogoutCause,
        by: &'static str,
    ) -> Result<()> {
        let shared = &self.0;
        let asking = shared.asking.lock().await;
        let Some((_, dropped)) = shared.state().log_out(generation) else {
            shared.emit(Event::StaleLogout { generation, by });
            return Ok(());
        };
        shared.changed();
        shared.emit(Event::LoggedOut {
            generation,
            cause,
            by,
        });
        if let Some(dropped) = dropped {
            shared.emit_click_dropped(dropped, Dropped::LoggedOut);
        }
        shared.parts.phone.set_badge(0);
        drop(asking);
        shared.login_changed();
        Ok(())
    }

    async fn no_user(&self, _by: &'static str) -> Result<()> {
        let shared = &self.0;
        let asking = shared.asking.lock().await;
        let (has_ended, dropped) = shared.state().end_awaited_login();
        if let Some(dropped) = dropped {
            shared.emit_click_dropped(dropped, Dropped::LoggedOut);
        }
        drop(asking);
        if has_ended {
            shared.changed();
            shared.login_changed();
        }
        Ok(())
    }

    fn current_login(&self) -> Option<Generation> {
        let state = self.0.state();
        state.current.as_ref().map(|current| current.generation)
    }

    async fn closed(&self) {
        self.0.closed().await;
    }
}

fn check(account: &Account) -> Result<()> {
    let credential = account.credential.expose();
    if credential.len() > MAX_LOGIN_DATA_BYTES {
        return Err(Error::new(
            ErrorKind::Invalid,
            TokenError::LoginDataTooLong(credential.len()).to_string(),
        ));
    }
    // The credential is sent in a header.
    if credential.is_empty() || !credential.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::new(
            ErrorKind::Invalid,
            "the account's credential is empty or has characters that are not allowed in tickets",
        )
        .advise("pass the ticket unchanged, as the IM server got it from the gateway"));
    }
    Ok(())
}

impl Shared {
    /// Ends the login and drops the waiting click of any account other than `account`.
    fn end_other_accounts(&self, account: &Account, by: &'static str) {
        let (ended, dropped) = self.state().end_other_accounts(&account.into());
        self.changed();
        if let Some(generation) = ended {
            self.emit(Event::LoggedOut {
                generation,
                cause: LogoutCause::OtherAccount,
                by,
            });
            self.parts.phone.set_badge(0);
        }
        if let Some(dropped) = dropped {
            self.emit_click_dropped(dropped, Dropped::OtherAccount);
        }
    }

    /// Installs the platform hooks, and requests the extra tokens, permission and the alert token, in this order (S37).
    pub(crate) fn ask_phone(self: &Arc<Self>, generation: Generation) {
        if !self.state().is_push_on {
            return;
        }
        let platform = &self.parts.phone;
        platform.hook();
        let (alert, extra): (Vec<Slot>, Vec<Slot>) = self
            .parts
            .slots
            .iter()
            .partition(|slot| **slot == Slot::Alert);
        for slot in extra {
            self.request_token(slot, generation, 1);
        }
        let shared = Arc::clone(self);
        platform.ask_permission(Responder::new(move |answer| {
            shared.emit(Event::Permission(answer));
        }));
        for slot in alert {
            self.request_token(slot, generation, 1);
        }
    }

    pub(crate) fn request_token(
        self: &Arc<Self>,
        slot: Slot,
        generation: Generation,
        attempt: u32,
    ) {
        let shared = Arc::clone(self);
        let responder = Responder::new(move |answer| match answer {
            Some(Ok(token)) => {
                // An error has been emitted as an event.
                drop(shared.token_received(slot, token));
            }
            Some(Err(why)) => shared.no_token(slot, why, generation, attempt),
            None => shared.no_token(slot, "it did not answer".to_owned(), generation, attempt),
        });
        self.parts.phone.request_token(slot, responder);
    }

    /// Records that the platform returned no token, and requests it again after a pause, up to
    /// [`Settings::token_requests`](crate::Settings::token_requests) times: the phone may be offline, and a vendor's sandbox
    /// sometimes fails to issue a token.
    fn no_token(self: &Arc<Self>, slot: Slot, why: String, generation: Generation, attempt: u32) {
        self.token_failed(slot, why);
        if attempt >= self.parts.settings.token_requests || self.is_closed() {
            return;
        }
        let shared = Arc::clone(self);
        self.parts.runtime.spawn(async move {
            let pause = shared.parts.settings.pause(attempt, shared.spread);
            let sleep = shared.parts.clock.sleep(pause);
            tokio::select! {
                () = sleep => {}
                () = shared.closed() => return,
            }
            let is_wanted = {
                let state = shared.state();
                state.is_push_on
                    && state
                        .current
                        .as_ref()
                        .is_some_and(|login| login.generation == generation)
                    && matches!(
                        state.problems.get(&slot),
                        Some(TokenError::NoToken(_) | TokenError::Forgotten)
                    )
            };
            if is_wanted {
                shared.request_token(slot, generation, attempt + 1);
            }
        });
    }

    pub(crate) fn emit_click_dropped(&self, click: PendingClick, why: Dropped) {
        self.emit(Event::ClickDropped {
            target: click.target,
            why,
        });
    }
}
