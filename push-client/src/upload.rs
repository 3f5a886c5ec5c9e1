//! Uploads tokens and reports presence, and retries until the gateway has them.
use std::{future::Future, sync::Arc, time::Duration};

use push_core::{Account, Slot, api::RegistrationBody};

use crate::{
    Event, GatewayError, GatewayErrorKind, Token, TokenError,
    shared::{Shared, Signal},
    state::{KnownToken, RegistrationTask, Uploaded},
};

/// How often in one login the client registers again because the gateway does not know a registration.
const MAX_FORGOTTEN: u32 = 3;

/// The outcome of one request.
pub(crate) enum Outcome {
    /// The request is done or was refused for good; continue with the next one.
    Settled,
    /// Retry later, and not before the time that the gateway asked for.
    Later(Option<Duration>),
}

/// Runs the tasks that `next` returns until the client closes. Calls `next` after every signal, and after a growing pause when a
/// task has failed.
pub(crate) async fn work<F>(
    shared: &Shared,
    signal: &Signal,
    mut next: impl FnMut() -> Option<F> + Send,
) where
    F: Future<Output = Outcome> + Send,
{
    let mut failures = 0;
    let (mut signal, mut logins) = (signal.subscribe(), shared.logins.subscribe());
    loop {
        // The task that follows covers earlier signals; later signals are new.
        signal.mark_unchanged();
        logins.mark_unchanged();
        let Some(task) = next() else {
            failures = 0;
            tokio::select! {
                _ = signal.changed() => continue,
                () = shared.closed() => return,
            }
        };
        let outcome = tokio::select! {
            outcome = task => outcome,
            () = shared.closed() => return,
        };
        let Outcome::Later(at_least) = outcome else {
            failures = 0;
            continue;
        };
        failures += 1;
        let pause = shared.parts.settings.pause(failures, shared.spread);
        let sleep = shared
            .parts
            .clock
            .sleep(pause.max(at_least.unwrap_or_default()));
        tokio::select! {
            () = sleep => {}
            // A pause that the gateway asked for is kept, except at a login or logout: the pause was meant for one account.
            _ = signal.changed(), if at_least.is_none() => failures = 0,
            _ = logins.changed() => failures = 0,
            () = shared.closed() => return,
        }
    }
}

impl Shared {
    /// Stores a token from the platform, whether or not a user is logged in (S46, S53).
    pub(crate) fn token_received(
        self: &Arc<Self>,
        slot: Slot,
        token: Token,
    ) -> Result<(), TokenError> {
        let result = self.keep_token(slot, &token);
        match &result {
            Ok(is_new) => {
                self.changed();
                if *is_new {
                    self.emit(Event::TokenChanged(slot));
                }
                self.registrations.notify();
            }
            Err(error) => self.bad_token(slot, error.clone()),
        }
        result.map(drop)
    }

    fn keep_token(&self, slot: Slot, token: &Token) -> Result<bool, TokenError> {
        let limit = if self.parts.channel == push_core::Channel::WEBPUSH {
            push_core::DeviceToken::MAX_BYTES
        } else {
            self.parts.settings.max_token_bytes
        };
        if token.is_empty() {
            return Err(TokenError::Empty);
        }
        if token.len() > limit {
            return Err(TokenError::TooLong(token.len(), limit));
        }
        let token = token.to_device_token().map_err(|_| TokenError::Malformed)?;
        let channel = self.parts.channel.clone();
        self.parts
            .certificates
            .get(channel.as_str(), slot)
            .map_err(|error| TokenError::NoCertificate(error.to_string()))?;
        let known = KnownToken { channel, token };
        let mut state = self.state();
        state.problems.remove(&slot);
        let old = state.tokens.insert(slot, known.clone());
        Ok(old.as_ref() != Some(&known))
    }

    /// Records that the platform has no token for `slot`.
    pub(crate) fn token_failed(&self, slot: Slot, why: String) {
        self.bad_token(slot, TokenError::NoToken(why));
    }

    fn bad_token(&self, slot: Slot, error: TokenError) {
        // A known token stays in use until the platform returns another one.
        let has_token = self.state().tokens.contains_key(&slot);
        if has_token {
            self.emit(Event::TokenFailed { slot, error });
        } else {
            self.token_problem(slot, error);
        }
    }

    fn token_problem(&self, slot: Slot, error: TokenError) {
        self.state().problems.insert(slot, error.clone());
        self.emit(Event::TokenFailed { slot, error });
    }

    pub(crate) async fn upload(self: Arc<Self>) {
        let shared = &self;
        work(shared, &shared.registrations, || {
            let parts = &shared.parts;
            let task = shared.state().next_registration_task(
                &parts.certificates,
                parts.device_kind,
                &parts.settings,
                parts.clock.now(),
            );
            task.map(|task| shared.run(task))
        })
        .await;
    }

    async fn run(&self, task: RegistrationTask) -> Outcome {
        match task {
            RegistrationTask::Register {
                account,
                slot,
                body,
            } => self.register(account, slot, body).await,
            RegistrationTask::Unregister {
                account,
                slot,
                is_current,
            } => self.unregister(account, slot, is_current).await,
        }
    }

    async fn register(&self, account: Account, slot: Slot, body: RegistrationBody) -> Outcome {
        // Saved before the request is sent: if the answer is lost, the device may be bound, and a logout must unbind it.
        let (was_certain, earlier) = {
            let mut state = self.state();
            let binding = state.bind(&account);
            let earlier = binding.slots.get(&slot).cloned();
            (binding.doubtful.insert(slot), earlier)
        };
        self.changed();
        self.persisted().await;
        if !self.state().is_wanted(&account) {
            // A user who logged out in the meantime is not bound again.
            return Outcome::Settled;
        }
        let device = self.state().device.clone();
        let sent = self
            .parts
            .gateway
            .register(&account, &device, slot, &body)
            .await;
        let error = match sent {
            Ok(answer) => {
                let uploaded = Uploaded {
                    body,
                    at: self.parts.clock.now(),
                    warning: answer.warning.clone(),
                    quarantined: None,
                };
                {
                    let mut state = self.state();
                    state.registered(&account, slot, uploaded);
                    if let Some(key) = answer.receipt_key {
                        state.receipt_key = Some((account.app.clone(), key));
                    }
                }
                self.changed();
                self.emit(Event::Uploaded {
                    slot,
                    warning: answer.warning,
                });
                self.presence.notify();
                self.receipts.notify();
                return Outcome::Settled;
            }
            Err(error) => error,
        };
        if was_certain && error.kind != GatewayErrorKind::Unavailable {
            self.state()
                .not_registered(&account, slot, earlier.as_ref());
            self.changed();
        }
        let (problem, outcome) = match error.kind {
            GatewayErrorKind::TicketRefused => {
                self.ticket_refused(&account);
                return Outcome::Settled;
            }
            GatewayErrorKind::CertificateUnknown => {
                (TokenError::NoCertificate(error.text), Outcome::Settled)
            }
            GatewayErrorKind::TooFrequent => {
                (TokenError::TooFrequent, Outcome::Later(error.retry_after))
            }
            GatewayErrorKind::Unavailable => (
                TokenError::Network(error.text),
                Outcome::Later(error.retry_after),
            ),
            GatewayErrorKind::Refused
            | GatewayErrorKind::DeviceUnknown
            | GatewayErrorKind::ReceiptKeyRefused => (
                TokenError::Refused(error.code, error.text),
                Outcome::Settled,
            ),
        };
        let is_current = {
            let mut state = self.state();
            // A refusal holds for the ticket that was sent, not for one that replaced it meanwhile.
            let is_current = state.current_with(&account).is_some();
            if is_current && matches!(outcome, Outcome::Settled) {
                state.refused.insert(slot, body);
            }
            is_current
        };
        if is_current {
            self.token_problem(slot, problem);
        }
        outcome
    }

    async fn unregister(&self, account: Account, slot: Option<Slot>, is_current: bool) -> Outcome {
        // Saved before the request is sent, as in `register`: if the answer is lost, the device may be unbound.
        self.state().doubt(&account, slot);
        self.changed();
        self.persisted().await;
        let device = self.state().device.clone();
        let gateway = &self.parts.gateway;
        // Who is logged in has switched push off, and may switch it on again with the same ticket.
        let sent = match slot {
            None if is_current => gateway.switch_off(&account, &device).await,
            slot => gateway.unregister(&account, &device, slot).await,
        };
        match sent {
            Err(error)
                if matches!(
                    error.kind,
                    GatewayErrorKind::Unavailable | GatewayErrorKind::TooFrequent
                ) =>
            {
                return Outcome::Later(error.retry_after);
            }
            Err(error) if error.kind == GatewayErrorKind::TicketRefused && is_current => {
                if let Some(current) = self.state().current_with(&account) {
                    current.unbinding_refused = true;
                }
                self.ticket_refused(&account);
                return Outcome::Settled;
            }
            // After a logout the ticket is no longer valid, and the IM server has unbound the device already (S47). Repeating the
            // request would not change any other refusal.
            Err(error) => self.emit(Event::ReportFailed(error.to_string())),
            Ok(()) => {}
        }
        self.state().unregistered(&account, slot);
        self.changed();
        if slot.is_none() {
            self.emit(Event::Unbound(account.user));
        }
        Outcome::Settled
    }

    /// Stops all requests for `account` until it logs in with another ticket.
    fn ticket_refused(&self, account: &Account) {
        let mut state = self.state();
        let Some(current) = state.current_with(account) else {
            return;
        };
        current.ticket_refused = true;
        drop(state);
        self.emit(Event::TicketRefused(account.user.clone()));
    }

    pub(crate) async fn report_presence(self: Arc<Self>) {
        let shared = &self;
        work(shared, &shared.presence, || {
            let (account, generation, now) = shared.state().next_presence()?;
            Some(async move {
                let (device, confirmed) = {
                    let state = shared.state();
                    (state.device.clone(), state.confirmed(&account))
                };
                let slots: Vec<Slot> = confirmed.keys().copied().collect();
                let parts = &shared.parts;
                let mut body = now.body;
                body.now = Some(parts.clock.now());
                let gateway = &parts.gateway;
                let sent = gateway.presence(&account, &device, &body, &slots).await;
                let sent = sent.map(|answer| {
                    shared.apply_presence_answer(&account, generation, confirmed, answer)
                });
                let outcome = shared.reported(&account, sent);
                if let Outcome::Settled = outcome {
                    shared.state().reported = Some((generation, now.number));
                }
                outcome
            })
        })
        .await;
    }

    fn reported(&self, account: &Account, sent: Result<(), GatewayError>) -> Outcome {
        let Err(error) = sent else {
            self.emit(Event::PresenceReported);
            return Outcome::Settled;
        };
        match error.kind {
            GatewayErrorKind::Unavailable | GatewayErrorKind::TooFrequent => {
                Outcome::Later(error.retry_after)
            }
            GatewayErrorKind::TicketRefused => {
                self.ticket_refused(account);
                Outcome::Later(None)
            }
            GatewayErrorKind::DeviceUnknown if self.is_forgotten_too_often() => {
                self.emit(Event::ReportFailed(error.to_string()));
                Outcome::Settled
            }
            GatewayErrorKind::DeviceUnknown => {
                // The user was kicked while the app was not running, or the gateway lost the registration.
                self.state().forget_uploads(account);
                self.changed();
                self.registrations.notify();
                Outcome::Later(None)
            }
            GatewayErrorKind::CertificateUnknown
            | GatewayErrorKind::ReceiptKeyRefused
            | GatewayErrorKind::Refused => {
                self.emit(Event::ReportFailed(error.to_string()));
                Outcome::Settled
            }
        }
    }

    /// Counts a registration that the gateway has lost. Returns `true` if it must not be sent again: from the fourth in one login.
    pub(crate) fn is_forgotten_too_often(&self) -> bool {
        let mut state = self.state();
        state.forgotten += 1;
        state.forgotten > MAX_FORGOTTEN
    }
}
