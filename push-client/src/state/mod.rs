//! Everything the client knows, and what is to be done next. Pure: no lock, clock, network or task in here.
mod bindings;
mod saved;

use std::collections::{BTreeMap, VecDeque};

use push_core::{
    Account, AppId, CertificateIds, Channel, DeviceId, DeviceToken, Generation, Platform, Presence,
    Receipt, ReceiptKey, Result, Slot, Timestamp, UserId,
    api::{PresenceBody, ReceiptsBody, RegistrationBody},
};

pub(crate) use self::{
    bindings::{Binding, Uploaded},
    saved::{load, save},
};
use crate::{
    Settings, SlotState, TokenError,
    click::{ClickMemory, Door},
};

/// Whose: a credential may change, the account stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccountKey {
    pub(crate) app: AppId,
    pub(crate) user: UserId,
}

impl From<&Account> for AccountKey {
    fn from(account: &Account) -> Self {
        Self {
            app: account.app.clone(),
            user: account.user.clone(),
        }
    }
}

/// The login that is there.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) generation: Generation,
    pub(crate) account: Account,
    /// The bridges that reported it, the first first.
    pub(crate) bridges: Vec<&'static str>,
    /// The gateway does not believe its ticket.
    pub(crate) ticket_refused: bool,
    /// Not even for unbinding the device, for which an expired one is good enough.
    pub(crate) unbinding_refused: bool,
}

impl Current {
    pub(crate) fn key(&self) -> AccountKey {
        (&self.account).into()
    }
}

/// A token that the platform gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownToken {
    pub(crate) channel: Channel,
    pub(crate) token: DeviceToken,
}

/// A click that waits for a login or for the app to be ready.
#[derive(Clone, Debug)]
pub(crate) struct PendingClick {
    pub(crate) target: push_core::payload::ClickTarget,
    pub(crate) payload: push_core::payload::Payload,
    /// Who it is for, as far as the device can know: the account it was bound to last.
    pub(crate) owner: Option<AccountKey>,
}

/// The app's presence as the app reported it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whereabouts {
    pub(crate) body: PresenceBody,
    /// Grows with every change.
    pub(crate) number: u64,
}

/// One request to the gateway about registrations.
#[derive(Clone, Debug)]
pub(crate) enum Errand {
    Register {
        account: Account,
        slot: Slot,
        body: RegistrationBody,
    },
    Unregister {
        account: Account,
        slot: Option<Slot>,
        /// Whether that account is logged in.
        is_current: bool,
    },
}

#[derive(Debug)]
pub(crate) struct State {
    // What survives a restart.
    pub(crate) device: DeviceId,
    pub(crate) is_push_on: bool,
    pub(crate) tokens: BTreeMap<Slot, KnownToken>,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) last_account: Option<AccountKey>,
    /// Who was logged in when the last process ended, until the next login here: not logging out means staying bound.
    pub(crate) awaited: Option<AccountKey>,
    pub(crate) receipts: VecDeque<Receipt>,
    /// What they are signed with, as the gateway sent it for this app.
    pub(crate) receipt_key: Option<(AppId, ReceiptKey)>,
    pub(crate) clicks: ClickMemory,
    // What does not.
    pub(crate) last_generation: u64,
    pub(crate) current: Option<Current>,
    pub(crate) pending: Option<PendingClick>,
    pub(crate) ready_count: u64,
    pub(crate) whereabouts: Option<Whereabouts>,
    pub(crate) reported: Option<(Generation, u64)>,
    pub(crate) unread: Option<u32>,
    pub(crate) activities: u32,
    pub(crate) problems: BTreeMap<Slot, TokenError>,
    /// Uploads that would be refused again.
    pub(crate) refused: BTreeMap<Slot, RegistrationBody>,
    /// How often the gateway did not know the device in this login.
    pub(crate) forgotten: u32,
}

/// What [`State::log_in`] did.
pub(crate) struct LoggedIn {
    pub(crate) generation: Generation,
    pub(crate) is_new: bool,
    /// The bridge that reported the same login before, if this one did not.
    pub(crate) also: Option<&'static str>,
    pub(crate) dropped: Option<PendingClick>,
}

impl State {
    pub(crate) fn new(device: DeviceId) -> Self {
        Self {
            device,
            is_push_on: true,
            tokens: BTreeMap::new(),
            bindings: Vec::new(),
            last_account: None,
            awaited: None,
            receipts: VecDeque::new(),
            receipt_key: None,
            clicks: ClickMemory::default(),
            last_generation: 0,
            current: None,
            pending: None,
            ready_count: 0,
            whereabouts: None,
            reported: None,
            unread: None,
            activities: 0,
            problems: BTreeMap::new(),
            refused: BTreeMap::new(),
            forgotten: 0,
        }
    }

    pub(crate) fn log_in(&mut self, account: Account, by: &'static str) -> LoggedIn {
        let key = AccountKey::from(&account);
        // A new login may have fixed what was refused.
        self.refused.clear();
        self.problems.retain(|_, it| *it != TokenError::Forgotten);
        for it in self.bindings.iter_mut().filter(|it| it.is_of(&key)) {
            it.account.credential = account.credential.clone();
        }
        if let Some(current) = self.current.as_mut().filter(|it| it.key() == key) {
            current.account.credential = account.credential;
            current.ticket_refused = false;
            current.unbinding_refused = false;
            let is_known = current.bridges.contains(&by);
            if !is_known {
                current.bridges.push(by);
            }
            return LoggedIn {
                generation: current.generation,
                is_new: false,
                also: (!is_known).then(|| current.bridges[0]),
                dropped: None,
            };
        }
        self.last_generation += 1;
        let generation = Generation(self.last_generation);
        self.forgotten = 0;
        self.awaited = None;
        if let Some(last) = self.current.take() {
            self.forget_uploads(&last.account);
        }
        self.current = Some(Current {
            generation,
            account,
            bridges: vec![by],
            ticket_refused: false,
            unbinding_refused: false,
        });
        self.problems.clear();
        let dropped = self
            .pending
            .take_if(|it| it.owner.as_ref().is_some_and(|it| *it != key));
        if let Some(pending) = &mut self.pending {
            pending.owner = Some(key.clone());
        }
        self.last_account = Some(key);
        LoggedIn {
            generation,
            is_new: true,
            also: None,
            dropped,
        }
    }

    /// Somebody has logged in who cannot be registered: nothing here is anybody else's any more. Answers what ended, of which
    /// generation and with which click.
    pub(crate) fn make_room(
        &mut self,
        key: &AccountKey,
    ) -> (Option<Generation>, Option<PendingClick>) {
        self.awaited.take_if(|it| it != key);
        let dropped = self
            .pending
            .take_if(|it| it.owner.as_ref().is_some_and(|it| it != key));
        let ended = self.current.take_if(|it| it.key() != *key);
        if let Some(ended) = &ended {
            self.problems.clear();
            self.reported = None;
            self.forget_uploads(&ended.account);
        }
        (ended.map(|it| it.generation), dropped)
    }

    /// Ends `generation`, if it is the current one.
    pub(crate) fn log_out(
        &mut self,
        generation: Generation,
    ) -> Option<(Account, Option<PendingClick>)> {
        let current = self.current.take_if(|it| it.generation == generation)?;
        self.problems.clear();
        self.reported = None;
        self.forget_uploads(&current.account);
        Some((current.account, self.pending.take()))
    }

    /// Ends the login and the wait for one. Returns whether a user was logged in, and the click that waited for that user.
    pub(crate) fn nobody(&mut self) -> (bool, Option<PendingClick>) {
        if self.current.is_some() || self.awaited.take().is_none() {
            return (false, None);
        }
        (true, self.pending.take())
    }

    /// The registration for `slot` as it has to be now.
    pub(crate) fn body_of(
        &self,
        slot: Slot,
        certificates: &CertificateIds,
        platform: Option<Platform>,
    ) -> Option<Result<RegistrationBody>> {
        let known = self.tokens.get(&slot)?;
        Some(
            certificates
                .get(known.channel.as_str(), slot)
                .map(|(certificate_id, environment)| {
                    let (channel, token) = (known.channel.clone(), known.token.clone());
                    let mut body =
                        RegistrationBody::new(channel, certificate_id, environment, token);
                    body.facts.platform = platform;
                    body
                }),
        )
    }

    pub(crate) fn current_of(&mut self, account: &Account) -> Option<&mut Current> {
        let key = AccountKey::from(account);
        self.current.as_mut().filter(|it| it.key() == key)
    }

    /// Whether `account` is to have its tokens at the gateway.
    pub(crate) fn is_wanted(&mut self, account: &Account) -> bool {
        self.is_push_on && self.current_of(account).is_some()
    }

    /// The login of `account`, unless another ticket of it has come in the meantime.
    pub(crate) fn current_with(&mut self, account: &Account) -> Option<&mut Current> {
        self.current_of(account)
            .filter(|it| it.account.credential == account.credential)
    }

    /// The next request to the gateway about registrations.
    ///
    /// Uploads first: an upload unbinds the device's earlier user. Only where there is nothing to upload are others unbound one
    /// by one.
    pub(crate) fn next_errand(
        &self,
        certificates: &CertificateIds,
        platform: Option<Platform>,
        settings: &Settings,
        now: Timestamp,
    ) -> Option<Errand> {
        let wanted = self.current.as_ref().filter(|_| self.is_push_on);
        if let Some(current) = wanted.filter(|it| !it.ticket_refused) {
            let key = current.key();
            for &slot in self.tokens.keys() {
                let Some(Ok(body)) = self.body_of(slot, certificates, platform) else {
                    continue;
                };
                let is_awaited = self.problems.get(&slot) == Some(&TokenError::Forgotten);
                if !is_awaited
                    && self.refused.get(&slot) != Some(&body)
                    && !self.is_uploaded(&key, slot, &body, now, settings)
                {
                    return Some(Errand::Register {
                        account: current.account.clone(),
                        slot,
                        body,
                    });
                }
            }
            let gone = self.binding(&key).and_then(|it| {
                it.slots
                    .keys()
                    .chain(&it.doubtful)
                    .copied()
                    .find(|it| !self.tokens.contains_key(it))
            });
            if gone.is_some() {
                return Some(Errand::Unregister {
                    account: current.account.clone(),
                    slot: gone,
                    is_current: true,
                });
            }
        }
        let awaited = self.awaited.as_ref().filter(|_| self.is_push_on);
        let mut bindings = self.bindings.iter();
        bindings.find_map(|it| {
            if awaited.is_some_and(|awaited| it.is_of(awaited)) {
                return None;
            }
            let current = self
                .current
                .as_ref()
                .filter(|current| it.is_of(&current.key()));
            match current {
                Some(current) if self.is_push_on || current.unbinding_refused => None,
                current => Some(Errand::Unregister {
                    account: it.account.clone(),
                    slot: None,
                    is_current: current.is_some(),
                }),
            }
        })
    }

    /// The account that reports are sent for: only one whose device the gateway knows.
    fn reporting(&self) -> Option<&Current> {
        let current = self.current.as_ref().filter(|it| !it.ticket_refused)?;
        let is_bound = self
            .binding(&current.key())
            .is_some_and(|it| !it.slots.is_empty());
        is_bound.then_some(current)
    }

    pub(crate) fn next_presence(&self) -> Option<(Account, Generation, Whereabouts)> {
        let current = self.reporting()?;
        let now = self.whereabouts?;
        (self.reported != Some((current.generation, now.number)))
            .then(|| (current.account.clone(), current.generation, now))
    }

    /// The receipts to send next. They belong to the device and need no login.
    pub(crate) fn next_receipts(&self) -> Option<(AppId, ReceiptKey, ReceiptsBody)> {
        let (app, key) = self.receipt_key.clone()?;
        let receipts: Vec<Receipt> = self
            .receipts
            .iter()
            .take(ReceiptsBody::MAX)
            .cloned()
            .collect();
        (!receipts.is_empty()).then_some((app, key, ReceiptsBody { receipts }))
    }

    /// Queues a receipt; answers how many were dropped for it.
    pub(crate) fn queue_receipt(&mut self, it: Receipt, settings: &Settings) -> usize {
        let is_known = self
            .receipts
            .iter()
            .any(|known| known.delivery == it.delivery && known.what == it.what);
        if is_known {
            return 0;
        }
        self.receipts.push_back(it);
        let surplus = self.receipts.len().saturating_sub(settings.max_receipts);
        self.receipts.drain(..surplus);
        surplus
    }

    pub(crate) fn receipts_done(&mut self, body: &ReceiptsBody) {
        self.receipts.retain(|it| !body.receipts.contains(it));
    }

    /// The gateway refuses `key`: until it sends another one, receipts wait. Returns `true` if it was the current key.
    pub(crate) fn refuse_receipt_key(&mut self, key: &ReceiptKey) -> bool {
        self.receipt_key.take_if(|it| it.1 == *key).is_some()
    }

    /// Keeps a click; answers the one it replaces, as a whole.
    pub(crate) fn keep_click(&mut self, mut click: PendingClick) -> Option<PendingClick> {
        click.owner = self
            .current
            .as_ref()
            .map(Current::key)
            .or_else(|| self.last_account.clone());
        self.pending.replace(click)
    }

    pub(crate) fn is_known_click(
        &mut self,
        payload: &push_core::payload::Payload,
        door: Door,
        now: Timestamp,
        settings: &Settings,
    ) -> bool {
        self.clicks
            .is_known(payload, door, now, settings.same_click_within)
    }

    pub(crate) fn told(&mut self, presence: Presence, at: Timestamp) {
        let number = self.whereabouts.map_or(1, |it| it.number + 1);
        let unread = (presence == Presence::Background)
            .then_some(self.unread)
            .flatten();
        self.whereabouts = Some(Whereabouts {
            body: PresenceBody {
                presence,
                at,
                unread,
            },
            number,
        });
    }

    pub(crate) fn slot_state(
        &self,
        slot: Slot,
        certificates: &CertificateIds,
        platform: Option<Platform>,
    ) -> SlotState {
        if !self.is_push_on {
            return SlotState::Off;
        }
        if let Some(problem) = self.problems.get(&slot) {
            return SlotState::Waiting(problem.clone());
        }
        let body = self.body_of(slot, certificates, platform);
        if let Some(Err(error)) = body {
            return SlotState::Waiting(TokenError::NoCertificate(error.to_string()));
        }
        // Before the login no token is asked for: that there is none is not the platform's doing.
        let Some(current) = &self.current else {
            return SlotState::Waiting(TokenError::NotLoggedIn);
        };
        let Some(Ok(body)) = body else {
            return SlotState::NoToken;
        };
        if current.ticket_refused {
            return SlotState::Waiting(TokenError::TicketRefused);
        }
        match self.binding(&current.key()).and_then(|it| it.certain(slot)) {
            Some(it) if it.body == body => SlotState::Uploaded {
                at: it.at,
                warning: it.set_aside.clone().or_else(|| it.warning.clone()),
            },
            _ => SlotState::Uploading,
        }
    }
}
