//! The client's state, and the requests that follow from it. Pure: no lock, clock, network or task.
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
    click::{ClickMemory, ClickSource},
};

/// An account without its credential, which may change.
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

/// The current login.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) generation: Generation,
    pub(crate) account: Account,
    /// The bridges that reported it, in the order of their reports.
    pub(crate) bridges: Vec<&'static str>,
    /// Whether the gateway refused its ticket.
    pub(crate) ticket_refused: bool,
    /// Whether the gateway refused its ticket for unbinding, for which an expired ticket is enough.
    pub(crate) unbinding_refused: bool,
}

impl Current {
    pub(crate) fn key(&self) -> AccountKey {
        (&self.account).into()
    }
}

/// A token that the platform returned.
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
    /// The account that the click belongs to: the current one, or the last one of this device.
    pub(crate) owner: Option<AccountKey>,
}

/// The app's presence as the app reported it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PresenceReport {
    pub(crate) body: PresenceBody,
    /// Increases with every report.
    pub(crate) number: u64,
}

/// One request to the gateway about registrations.
#[derive(Clone, Debug)]
pub(crate) enum RegistrationTask {
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
    // Saved over a restart.
    pub(crate) device: DeviceId,
    pub(crate) is_push_on: bool,
    pub(crate) tokens: BTreeMap<Slot, KnownToken>,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) last_account: Option<AccountKey>,
    /// The account that was logged in when the last process ended, until the next login. Its device stays bound, because it
    /// has not logged out.
    pub(crate) awaited: Option<AccountKey>,
    pub(crate) receipts: VecDeque<Receipt>,
    /// The key that receipts are signed with, and the app for which the gateway sent it.
    pub(crate) receipt_key: Option<(AppId, ReceiptKey)>,
    pub(crate) clicks: ClickMemory,
    // Not saved.
    pub(crate) last_generation: u64,
    pub(crate) current: Option<Current>,
    pub(crate) pending: Option<PendingClick>,
    pub(crate) ready_count: u64,
    pub(crate) presence: Option<PresenceReport>,
    pub(crate) reported: Option<(Generation, u64)>,
    pub(crate) unread: Option<u32>,
    pub(crate) activities: u32,
    pub(crate) problems: BTreeMap<Slot, TokenError>,
    /// Uploads that the gateway refused in this login; they are not repeated.
    pub(crate) refused: BTreeMap<Slot, RegistrationBody>,
    /// The number of times that the gateway did not know a registration in this login.
    pub(crate) forgotten: u32,
}

/// The result of [`State::log_in`].
pub(crate) struct LoggedIn {
    pub(crate) generation: Generation,
    pub(crate) is_new: bool,
    /// The bridge that reported this login first, if another one reports it now.
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
            presence: None,
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
        self.problems
            .retain(|_, problem| *problem != TokenError::Forgotten);
        for binding in self.bindings_of(&account) {
            binding.account.credential = account.credential.clone();
        }
        let current = self.current.as_mut();
        if let Some(current) = current.filter(|current| current.key() == key) {
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
            .take_if(|click| click.owner.as_ref().is_some_and(|owner| *owner != key));
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

    /// Ends the login and the waiting click of every account but `key`, whose login cannot be registered. Returns the
    /// generation that ended and the click that was dropped.
    pub(crate) fn end_other_accounts(
        &mut self,
        key: &AccountKey,
    ) -> (Option<Generation>, Option<PendingClick>) {
        self.awaited.take_if(|account| account != key);
        let dropped = self
            .pending
            .take_if(|click| click.owner.as_ref().is_some_and(|owner| owner != key));
        let ended = self.current.take_if(|current| current.key() != *key);
        if let Some(ended) = &ended {
            self.problems.clear();
            self.reported = None;
            self.forget_uploads(&ended.account);
        }
        (ended.map(|login| login.generation), dropped)
    }

    /// Ends `generation` if it is the current one. Returns its account and the click that waited.
    pub(crate) fn log_out(
        &mut self,
        generation: Generation,
    ) -> Option<(Account, Option<PendingClick>)> {
        let current = self
            .current
            .take_if(|current| current.generation == generation)?;
        self.problems.clear();
        self.reported = None;
        self.forget_uploads(&current.account);
        Some((current.account, self.pending.take()))
    }

    /// Stops waiting for the login of the last process, if no user is logged in. Returns whether there was one, and the click
    /// that waited for that user.
    pub(crate) fn end_awaited_login(&mut self) -> (bool, Option<PendingClick>) {
        if self.current.is_some() || self.awaited.take().is_none() {
            return (false, None);
        }
        (true, self.pending.take())
    }

    /// Returns the registration that `slot` should have now; `None` without a token.
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
        self.current.as_mut().filter(|current| current.key() == key)
    }

    /// Returns `true` if the gateway should have the tokens for `account`.
    pub(crate) fn is_wanted(&mut self, account: &Account) -> bool {
        self.is_push_on && self.current_of(account).is_some()
    }

    /// Returns the login of `account`, unless it has another ticket by now.
    pub(crate) fn current_with(&mut self, account: &Account) -> Option<&mut Current> {
        self.current_of(account)
            .filter(|current| current.account.credential == account.credential)
    }

    /// Returns the next request to the gateway about registrations.
    ///
    /// Uploads come first, because an upload unbinds the device's earlier user. When there is nothing to upload, the other
    /// accounts are unbound one by one.
    pub(crate) fn next_registration_task(
        &self,
        certificates: &CertificateIds,
        platform: Option<Platform>,
        settings: &Settings,
        now: Timestamp,
    ) -> Option<RegistrationTask> {
        let wanted = self.current.as_ref().filter(|_| self.is_push_on);
        if let Some(current) = wanted.filter(|current| !current.ticket_refused) {
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
                    return Some(RegistrationTask::Register {
                        account: current.account.clone(),
                        slot,
                        body,
                    });
                }
            }
            let gone = self.binding(&key).and_then(|binding| {
                let registered = binding.slots.keys().chain(&binding.doubtful);
                registered
                    .copied()
                    .find(|slot| !self.tokens.contains_key(slot))
            });
            if gone.is_some() {
                return Some(RegistrationTask::Unregister {
                    account: current.account.clone(),
                    slot: gone,
                    is_current: true,
                });
            }
        }
        let awaited = self.awaited.as_ref().filter(|_| self.is_push_on);
        let mut bindings = self.bindings.iter();
        bindings.find_map(|binding| {
            if awaited.is_some_and(|awaited| binding.is_of(awaited)) {
                return None;
            }
            let current = self
                .current
                .as_ref()
                .filter(|current| binding.is_of(&current.key()));
            match current {
                Some(current) if self.is_push_on || current.unbinding_refused => None,
                current => Some(RegistrationTask::Unregister {
                    account: binding.account.clone(),
                    slot: None,
                    is_current: current.is_some(),
                }),
            }
        })
    }

    /// Returns the login that presence is reported for: only one for which the gateway has confirmed a token.
    fn reporting(&self) -> Option<&Current> {
        let current = self.current.as_ref();
        let current = current.filter(|current| !current.ticket_refused)?;
        let is_bound = self
            .binding(&current.key())
            .is_some_and(|binding| !binding.slots.is_empty());
        is_bound.then_some(current)
    }

    pub(crate) fn next_presence(&self) -> Option<(Account, Generation, PresenceReport)> {
        let current = self.reporting()?;
        let now = self.presence?;
        (self.reported != Some((current.generation, now.number)))
            .then(|| (current.account.clone(), current.generation, now))
    }

    /// Returns the receipts to send next. They belong to the device and need no login.
    pub(crate) fn next_receipts(&self) -> Option<(AppId, ReceiptKey, ReceiptsBody)> {
        let (app, key) = self.receipt_key.clone()?;
        let receipts: Vec<Receipt> = self
            .receipts
            .iter()
            .take(ReceiptsBody::MAX)
            .cloned()
            .collect();
        let body = ReceiptsBody::new(receipts);
        (!body.receipts.is_empty()).then_some((app, key, body))
    }

    /// Queues a receipt. Returns the number of older ones that were dropped because the queue is full.
    pub(crate) fn queue_receipt(&mut self, receipt: Receipt, settings: &Settings) -> usize {
        let is_known = self
            .receipts
            .iter()
            .any(|known| known.delivery == receipt.delivery && known.what == receipt.what);
        if is_known {
            return 0;
        }
        self.receipts.push_back(receipt);
        let surplus = self.receipts.len().saturating_sub(settings.max_receipts);
        self.receipts.drain(..surplus);
        surplus
    }

    pub(crate) fn receipts_done(&mut self, body: &ReceiptsBody) {
        self.receipts
            .retain(|receipt| !body.receipts.contains(receipt));
    }

    /// Removes `key`, which the gateway refused; receipts wait until it sends another one. Returns `true` if it was the current
    /// key.
    pub(crate) fn refuse_receipt_key(&mut self, key: &ReceiptKey) -> bool {
        self.receipt_key
            .take_if(|(_, current)| current == key)
            .is_some()
    }

    /// Stores a waiting click. Returns the one that it replaces.
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
        source: ClickSource,
        now: Timestamp,
        settings: &Settings,
    ) -> bool {
        self.clicks
            .is_known(payload, source, now, settings.same_click_within)
    }

    pub(crate) fn set_presence(&mut self, presence: Presence, at: Timestamp) {
        let number = self.presence.map_or(1, |report| report.number + 1);
        let unread = (presence == Presence::Background)
            .then_some(self.unread)
            .flatten();
        self.presence = Some(PresenceReport {
            body: PresenceBody::new(presence, at).with_unread(unread),
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
        // Before the login no token is requested, so its absence is not an error of the platform.
        let Some(current) = &self.current else {
            return SlotState::Waiting(TokenError::NotLoggedIn);
        };
        let Some(Ok(body)) = body else {
            return SlotState::NoToken;
        };
        if current.ticket_refused {
            return SlotState::Waiting(TokenError::TicketRefused);
        }
        let binding = self.binding(&current.key());
        match binding.and_then(|binding| binding.certain(slot)) {
            Some(upload) if upload.body == body => SlotState::Uploaded {
                at: upload.at,
                warning: upload
                    .quarantined
                    .clone()
                    .or_else(|| upload.warning.clone()),
            },
            _ => SlotState::Uploading,
        }
    }
}
