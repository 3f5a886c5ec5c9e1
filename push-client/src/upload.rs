//! Bringing tokens and presence to the gateway, until it has them.
use std::{future::Future, sync::Arc, time::Duration};

use push_core::{Account, Slot, api::RegistrationBody};

use crate::{
    Event, GatewayError, GatewayErrorKind, Token, TokenError,
    shared::{News, Shared},
    state::{Errand, KnownToken, Uploaded},
};

/// How often in one login the tokens are uploaded again because the gateway does not know the device.
const MAX_FORGOTTEN: u32 = 3;

/// What came of one request.
pub(crate) enum Outcome {
    /// It is settled, one way or the other: look for the next.
    Settled,
    /// Try again later; not before what the gateway asked for.
    Later(Option<Duration>),
}

/// Does what is to be done until the client closes: at once when there is news, after a growing pause when it failed.
pub(crate) async fn work<F>(
    shared: &Shared,
    news: &News,
    mut next: impl FnMut() -> Option<F> + Send,
) where
    F: Future<Output = Outcome> + Send,
{
    let mut failures = 0;
    let (mut news, mut logins) = (news.subscribe(), shared.logins.subscribe());
    loop {
        // Earlier signals are covered by the work that follows; signals from here on are new.
        news.mark_unchanged();
        logins.mark_unchanged();
        let Some(errand) = next() else {
            failures = 0;
            tokio::select! {
                _ = news.changed() => continue,
                () = shared.closed() => return,
            }
        };
        let outcome = tokio::select! {
            outcome = errand => outcome,
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
            // A gateway that asked for a pause gets it, but what it said of one account must not keep a device bound to it.
            _ = news.changed(), if at_least.is_none() => failures = 0,
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
                    self.tell(Event::TokenChanged(slot));
                }
                self.registrations.tell();
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

    /// The platform said that there is no token.
    pub(crate) fn token_failed(&self, slot: Slot, why: String) {
        self.bad_token(slot, TokenError::NoToken(why));
    }

    fn bad_token(&self, slot: Slot, error: TokenError) {
        // A token that is known stays good until a better one comes.
        let has_token = self.state().tokens.contains_key(&slot);
        if has_token {
            self.tell(Event::TokenFailed { slot, error });
        } else {
            self.token_problem(slot, error);
        }
    }

    fn token_problem(&self, slot: Slot, error: TokenError) {
        self.state().problems.insert(slot, error.clone());
        self.tell(Event::TokenFailed { slot, error });
    }

    pub(crate) async fn upload(self: Arc<Self>) {
        let shared = &self;
        work(shared, &shared.registrations, || {
            let parts = &shared.parts;
            let errand = shared.state().next_errand(
                &parts.certificates,
                parts.device_kind,
                &parts.settings,
                parts.clock.now(),
            );
            errand.map(|it| shared.run(it))
        })
        .await;
    }

    async fn run(&self, errand: Errand) -> Outcome {
        match errand {
            Errand::Register {
                account,
                slot,
                body,
            } => self.register(account, slot, body).await,
            Errand::Unregister {
                account,
                slot,
                is_current,
            } => self.unregister(account, slot, is_current).await,
        }
    }

    async fn register(&self, account: Account, slot: Slot, body: RegistrationBody) -> Outcome {
        // Noted before it is sent: if the answer is lost, the device may be bound, and a logout must unbind it.
        let was_certain = self.state().bind(&account).doubtful.insert(slot);
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
                    set_aside: None,
                };
                {
                    let mut state = self.state();
                    state.registered(&account, slot, uploaded);
                    if let Some(key) = answer.receipt_key {
                        state.receipt_key = Some((account.app.clone(), key));
                    }
                }
                self.changed();
                self.tell(Event::Uploaded {
                    slot,
                    warning: answer.warning,
                });
                self.presence.tell();
                self.receipts.tell();
                return Outcome::Settled;
            }
            Err(error) => error,
        };
        if was_certain && error.kind != GatewayErrorKind::Unavailable {
            self.state().not_registered(&account, slot);
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
            // What was said to one ticket holds for no other that has come meanwhile.
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
        // Noted before it is sent, as with an upload: if the answer is lost, the device may be unbound.
        self.state().doubt(&account, slot);
        self.changed();
        self.persisted().await;
        let device = self.state().device.clone();
        let sent = self.parts.gateway.unregister(&account, &device, slot).await;
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
            // Whoever logged out has no valid ticket any more, and the IM server has unbound the device already (S47); of
            // other refusals there is nothing that repeating would mend.
            Err(error) => self.tell(Event::ReportFailed(error.to_string())),
            Ok(()) => {}
        }
        self.state().unregistered(&account, slot);
        self.changed();
        if slot.is_none() {
            self.tell(Event::Unbound(account.user));
        }
        Outcome::Settled
    }

    /// Nothing is sent for `account` until it logs in with another ticket.
    fn ticket_refused(&self, account: &Account) {
        let mut state = self.state();
        let Some(current) = state.current_with(account) else {
            return;
        };
        current.ticket_refused = true;
        drop(state);
        self.tell(Event::TicketRefused(account.user.clone()));
    }

    pub(crate) async fn report_presence(self: Arc<Self>) {
        let shared = &self;
        work(shared, &shared.presence, || {
            let (account, generation, now) = shared.state().next_presence()?;
            Some(async move {
                let (device, believed) = {
                    let state = shared.state();
                    (state.device.clone(), state.confirmed(&account))
                };
                let slots: Vec<Slot> = believed.keys().copied().collect();
                let gateway = &shared.parts.gateway;
                let sent = gateway.presence(&account, &device, &now.body, &slots).await;
                let sent = sent.map(|answer| shared.heed(&account, generation, believed, answer));
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
            self.tell(Event::PresenceReported);
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
                self.tell(Event::ReportFailed(error.to_string()));
                Outcome::Settled
            }
            GatewayErrorKind::DeviceUnknown => {
                // Kicked while the app was not running, or forgotten for another reason.
                self.state().forget_uploads(account);
                self.changed();
                self.registrations.tell();
                Outcome::Later(None)
            }
            GatewayErrorKind::CertificateUnknown
            | GatewayErrorKind::ReceiptKeyRefused
            | GatewayErrorKind::Refused => {
                self.tell(Event::ReportFailed(error.to_string()));
                Outcome::Settled
            }
        }
    }

    /// Counts a registration that the gateway has lost. Returns `true` from the fourth of one login on, which is not sent again.
    pub(crate) fn is_forgotten_too_often(&self) -> bool {
        let mut state = self.state();
        state.forgotten += 1;
        state.forgotten > MAX_FORGOTTEN
    }
}
