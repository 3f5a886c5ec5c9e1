//! The accounts that the device is bound to at the gateway, as far as the client knows.
use std::collections::{BTreeMap, BTreeSet};

use push_core::{
    Account, Slot, Timestamp,
    api::{RegistrationBody, Warning},
};

use super::{AccountKey, State};
use crate::{Settings, TokenError};

/// The most accounts that are remembered as possibly bound; the oldest is dropped to stay within it.
const MAX_BINDINGS: usize = 8;

/// An account that the device is, or may be, bound to at the gateway.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    pub(crate) account: Account,
    /// The registrations that the gateway has confirmed.
    pub(crate) slots: BTreeMap<Slot, Uploaded>,
    /// Slots whose registration at the gateway is not certain: an answer is missing, or the login has ended since.
    pub(crate) doubtful: BTreeSet<Slot>,
}

impl Binding {
    pub(super) fn is_of(&self, key: &AccountKey) -> bool {
        self.account.app == key.app && self.account.user == key.user
    }

    pub(super) fn certain(&self, slot: Slot) -> Option<&Uploaded> {
        let uploaded = self.slots.get(&slot)?;
        (!self.doubtful.contains(&slot)).then_some(uploaded)
    }
}

/// A registration that the gateway has confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Uploaded {
    pub(crate) body: RegistrationBody,
    pub(crate) at: Timestamp,
    pub(crate) warning: Option<Warning>,
    /// Why the gateway has quarantined the token, by its last answer.
    pub(crate) quarantined: Option<Warning>,
}

impl State {
    pub(super) fn binding(&self, key: &AccountKey) -> Option<&Binding> {
        self.bindings.iter().find(|binding| binding.is_of(key))
    }

    pub(super) fn bindings_of(&mut self, account: &Account) -> impl Iterator<Item = &mut Binding> {
        let key = AccountKey::from(account);
        let bindings = self.bindings.iter_mut();
        bindings.filter(move |binding| binding.is_of(&key))
    }

    /// Returns the binding of `account`, which is created if it does not exist. The last binding is the newest.
    pub(crate) fn bind(&mut self, account: &Account) -> &mut Binding {
        let key = AccountKey::from(account);
        let mut bindings = self.bindings.iter();
        let binding = match bindings.position(|binding| binding.is_of(&key)) {
            Some(at) => self.bindings.remove(at),
            None => Binding {
                account: account.clone(),
                slots: BTreeMap::new(),
                doubtful: BTreeSet::new(),
            },
        };
        if self.bindings.len() >= MAX_BINDINGS {
            self.bindings.remove(0);
        }
        self.bindings.push(binding);
        let last = self.bindings.len() - 1;
        &mut self.bindings[last]
    }

    /// Records that the gateway has bound `slot` to `account`, and has unbound the other users of that app from the device (S61).
    /// Users of other apps stay bound until they are unbound one by one.
    pub(crate) fn registered(&mut self, account: &Account, slot: Slot, uploaded: Uploaded) {
        let key = AccountKey::from(account);
        let binding = self.bind(account);
        binding.doubtful.remove(&slot);
        binding.slots.insert(slot, uploaded);
        self.bindings
            .retain(|binding| binding.is_of(&key) || binding.account.app != key.app);
        self.problems.remove(&slot);
    }

    /// Records that an upload of `slot` was refused. The `earlier` registration, which was certain when the upload was sent, is
    /// certain again, unless a logout has made it doubtful since.
    pub(crate) fn not_registered(
        &mut self,
        account: &Account,
        slot: Slot,
        earlier: Option<&Uploaded>,
    ) {
        let earlier = earlier.map(|upload| (&upload.body, upload.at));
        for binding in self.bindings_of(account) {
            let now = binding.slots.get(&slot);
            if now.map(|upload| (&upload.body, upload.at)) == earlier {
                binding.doubtful.remove(&slot);
            }
        }
    }

    /// Records that the gateway has unbound the device, or one of its slots, from `account`.
    pub(crate) fn unregistered(&mut self, account: &Account, slot: Option<Slot>) {
        match slot {
            None => {
                let key = AccountKey::from(account);
                self.bindings.retain(|binding| !binding.is_of(&key));
            }
            Some(slot) => {
                for binding in self.bindings_of(account) {
                    binding.slots.remove(&slot);
                    binding.doubtful.remove(&slot);
                }
            }
        }
    }

    /// Marks all registrations of `account` as unconfirmed: the gateway does not know the device, or the login has ended and the
    /// IM server may have unbound the device itself.
    pub(crate) fn forget_uploads(&mut self, account: &Account) {
        self.doubt(account, None);
    }

    /// Marks every registration as unconfirmed: the current user, or the next one, registers again.
    pub(crate) fn forget_all_uploads(&mut self) {
        for binding in &mut self.bindings {
            let slots = std::mem::take(&mut binding.slots);
            binding.doubtful.extend(slots.into_keys());
        }
    }

    /// Marks the registrations of `account`, or that of one slot, as unconfirmed.
    pub(crate) fn doubt(&mut self, account: &Account, slot: Option<Slot>) {
        for binding in self.bindings_of(account) {
            match slot {
                Some(slot) => binding.doubtful.extend([slot]),
                None => {
                    let slots = std::mem::take(&mut binding.slots);
                    binding.doubtful.extend(slots.into_keys());
                }
            }
        }
    }

    /// Returns the registrations that the gateway has confirmed for `account`.
    pub(crate) fn confirmed(&self, account: &Account) -> BTreeMap<Slot, Uploaded> {
        let binding = self.binding(&account.into());
        binding
            .map(|binding| binding.slots.clone())
            .unwrap_or_default()
    }

    /// Returns the upload of `slot` if it is still the `confirmed` one.
    fn upload_of(
        &mut self,
        account: &Account,
        slot: Slot,
        confirmed: Option<&Uploaded>,
    ) -> Option<&mut Uploaded> {
        let binding = self.bindings_of(account).next()?;
        binding.slots.get_mut(&slot).filter(|upload| {
            // An upload since then is not what the gateway's answer is about.
            confirmed
                .is_some_and(|confirmed| confirmed.at == upload.at && confirmed.body == upload.body)
        })
    }

    /// Records that the gateway has forgotten the token of `slot`, which then waits until the phone reports it again. Returns
    /// `true` if that is new.
    pub(crate) fn forget_upload(
        &mut self,
        account: &Account,
        slot: Slot,
        confirmed: Option<&Uploaded>,
    ) -> bool {
        if self.upload_of(account, slot, confirmed).is_none() {
            return false;
        }
        for binding in self.bindings_of(account) {
            binding.slots.remove(&slot);
        }
        // A token that the app has removed since is not missing.
        let is_missed = self.tokens.contains_key(&slot);
        if is_missed {
            self.problems.insert(slot, TokenError::Forgotten);
        }
        is_missed
    }

    /// Records why the gateway has quarantined the token of `slot`; `None` if it has not. Returns `true` if the reason is new.
    pub(crate) fn set_quarantine(
        &mut self,
        account: &Account,
        slot: Slot,
        confirmed: &Uploaded,
        why: Option<&Warning>,
    ) -> bool {
        let Some(upload) = self.upload_of(account, slot, Some(confirmed)) else {
            return false;
        };
        let before = std::mem::replace(&mut upload.quarantined, why.cloned());
        why.is_some() && before.as_ref() != why
    }

    pub(super) fn is_uploaded(
        &self,
        key: &AccountKey,
        slot: Slot,
        body: &RegistrationBody,
        now: Timestamp,
        settings: &Settings,
    ) -> bool {
        let binding = self.binding(key);
        let upload = binding.and_then(|binding| binding.certain(slot));
        upload.is_some_and(|upload| {
            // Without `now >= upload.at` a wall clock that was set back would keep an upload forever.
            upload.body == *body
                && now >= upload.at
                && now.since(upload.at) < settings.reupload_after
        })
    }
}
