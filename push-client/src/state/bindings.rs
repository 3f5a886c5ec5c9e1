//! Whom the device is bound to at the gateway, as far as the client knows.
use std::collections::{BTreeMap, BTreeSet};

use push_core::{
    Account, Slot, Timestamp,
    api::{RegistrationBody, Warning},
};

use super::{AccountKey, State};
use crate::{Settings, TokenError};

/// More accounts than this are not remembered as possibly bound: the oldest gives way.
const MAX_BINDINGS: usize = 8;

/// An account that the device is, or may be, bound to at the gateway.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    pub(crate) account: Account,
    /// What the gateway has confirmed.
    pub(crate) slots: BTreeMap<Slot, Uploaded>,
    /// Slots of which it may have another token than was confirmed, if any: the answer is not there, or the login has ended
    /// since.
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
    /// Why the gateway does not push to it, as it said last.
    pub(crate) set_aside: Option<Warning>,
}

impl State {
    pub(super) fn binding(&self, key: &AccountKey) -> Option<&Binding> {
        self.bindings.iter().find(|it| it.is_of(key))
    }

    /// The binding of `account`, made if need be. The last is the newest.
    pub(crate) fn bind(&mut self, account: &Account) -> &mut Binding {
        let key = AccountKey::from(account);
        let binding = match self.bindings.iter().position(|it| it.is_of(&key)) {
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

    /// The gateway has bound `slot` to `account`, and so taken the device from everybody else of that app (S61). One app knows
    /// nothing of another's users: those are unbound one by one.
    pub(crate) fn registered(&mut self, account: &Account, slot: Slot, uploaded: Uploaded) {
        let key = AccountKey::from(account);
        let binding = self.bind(account);
        binding.doubtful.remove(&slot);
        binding.slots.insert(slot, uploaded);
        self.bindings
            .retain(|it| it.is_of(&key) || it.account.app != key.app);
        self.problems.remove(&slot);
    }

    /// An upload of `slot` was refused, and so what was certain before still is.
    pub(crate) fn not_registered(&mut self, account: &Account, slot: Slot) {
        let key = AccountKey::from(account);
        for it in self.bindings.iter_mut().filter(|it| it.is_of(&key)) {
            it.doubtful.remove(&slot);
        }
    }

    /// The gateway has taken the device, or one of its slots, from `account`.
    pub(crate) fn unregistered(&mut self, account: &Account, slot: Option<Slot>) {
        let key = AccountKey::from(account);
        match slot {
            None => self.bindings.retain(|it| !it.is_of(&key)),
            Some(slot) => {
                for it in self.bindings.iter_mut().filter(|it| it.is_of(&key)) {
                    it.slots.remove(&slot);
                    it.doubtful.remove(&slot);
                }
            }
        }
    }

    /// Nothing of `account` is confirmed any more: the gateway does not know the device, or the login has ended, and the IM
    /// server may have unbound the device by itself.
    pub(crate) fn forget_uploads(&mut self, account: &Account) {
        self.doubt(account, None);
    }

    /// Marks every registration as unconfirmed: the current user, or the next one, registers again.
    pub(crate) fn forget_all_uploads(&mut self) {
        for it in &mut self.bindings {
            it.doubtful
                .extend(std::mem::take(&mut it.slots).into_keys());
        }
    }

    /// What the gateway has of `account`, or of one slot of it, is not certain any more.
    pub(crate) fn doubt(&mut self, account: &Account, slot: Option<Slot>) {
        let key = AccountKey::from(account);
        for it in self.bindings.iter_mut().filter(|it| it.is_of(&key)) {
            match slot {
                Some(slot) => it.doubtful.extend([slot]),
                None => it
                    .doubtful
                    .extend(std::mem::take(&mut it.slots).into_keys()),
            }
        }
    }

    /// What the gateway has confirmed for `account`.
    pub(crate) fn confirmed(&self, account: &Account) -> BTreeMap<Slot, Uploaded> {
        let binding = self.binding(&account.into());
        binding.map(|it| it.slots.clone()).unwrap_or_default()
    }

    /// The upload of `slot`, if it still is `believed`.
    fn upload_of(
        &mut self,
        account: &Account,
        slot: Slot,
        believed: Option<&Uploaded>,
    ) -> Option<&mut Uploaded> {
        let key = AccountKey::from(account);
        let binding = self.bindings.iter_mut().find(|it| it.is_of(&key))?;
        binding.slots.get_mut(&slot).filter(|it| {
            // Told again since, it is another matter.
            believed.is_some_and(|believed| believed.at == it.at && believed.body == it.body)
        })
    }

    /// The gateway has forgotten the token of `slot`: it waits until the phone reports it again. Returns `true` if that is new.
    pub(crate) fn forget_upload(
        &mut self,
        account: &Account,
        slot: Slot,
        believed: Option<&Uploaded>,
    ) -> bool {
        if self.upload_of(account, slot, believed).is_none() {
            return false;
        }
        let key = AccountKey::from(account);
        for it in self.bindings.iter_mut().filter(|it| it.is_of(&key)) {
            it.slots.remove(&slot);
        }
        // Of one that the app has taken back, nothing is missing.
        let is_missed = self.tokens.contains_key(&slot);
        if is_missed {
            self.problems.insert(slot, TokenError::Forgotten);
        }
        is_missed
    }

    /// Why the gateway does not push to the token of `slot`, if so. Returns `true` if the reason is new.
    pub(crate) fn set_aside(
        &mut self,
        account: &Account,
        slot: Slot,
        believed: &Uploaded,
        why: Option<&Warning>,
    ) -> bool {
        let Some(upload) = self.upload_of(account, slot, Some(believed)) else {
            return false;
        };
        let before = std::mem::replace(&mut upload.set_aside, why.cloned());
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
        self.binding(key)
            .and_then(|it| it.certain(slot))
            .is_some_and(|it| {
                // A wall clock that jumped back must not make an upload last for ever.
                it.body == *body && now >= it.at && now.since(it.at) < settings.reupload_after
            })
    }
}
