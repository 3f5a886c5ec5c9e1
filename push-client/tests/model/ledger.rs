//! Reads the client's requests to the gateway, and checks that each had a cause.
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use push_client::{
    GatewayErrorKind, Settings,
    testing::{Asked, Exchange},
};
use push_core::{Presence, Slot, Timestamp, api::RegistrationBody};

use crate::{model::Model, operations::Who};

/// More requests than this after one operation, without time passing, are a loop.
const MOST: usize = 30;

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    read: usize,
    open: BTreeMap<usize, (Who, Asked)>,
    /// The registrations that the gateway has confirmed since the last call of `doubt`, and when.
    confirmed: BTreeMap<Slot, (Who, RegistrationBody, Timestamp)>,
    /// Slots that the gateway has lost, until they are registered again.
    pub(crate) lost: BTreeSet<Slot>,
    /// The last presence that the gateway accepted.
    pub(crate) place: Option<(Who, Presence)>,
}

impl Ledger {
    /// Forgets the confirmed registrations, because a login ended or the gateway does not know the device.
    pub(crate) fn doubt(&mut self) {
        self.confirmed.clear();
    }

    /// Cancels the open requests.
    pub(crate) fn give_up(&mut self) {
        for (_, asked) in std::mem::take(&mut self.open).into_values() {
            match asked {
                Asked::Register(_, slot, _) => drop(self.confirmed.remove(&slot)),
                Asked::Unregister(..) => self.doubt(),
                _ => {}
            }
        }
    }

    /// Reads the new exchanges. `before` and `after` are the possible states before and after the last operation.
    pub(crate) fn read(
        &mut self,
        exchanges: &[Exchange],
        before: &[Model],
        after: &[Model],
        now: Timestamp,
    ) -> Result<(), String> {
        let fresh = &exchanges[self.read..];
        self.read = exchanges.len();
        let asked = fresh
            .iter()
            .filter(|exchange| matches!(exchange, Exchange::Asked(..)));
        if asked.count() > MOST {
            return Err("the client repeats requests in a loop".to_owned());
        }
        for exchange in fresh {
            match exchange {
                Exchange::Asked(number, account, asked) => {
                    let who = Who::of(account);
                    let might = before
                        .iter()
                        .chain(after)
                        .any(|model| may_ask(model, who, asked, before, after));
                    if !might {
                        return Err(format!("{who:?} has no cause for {asked:?}"));
                    }
                    if let Asked::Register(_, slot, body) = asked {
                        self.is_wanted(who, *slot, body, now)?;
                    }
                    self.open.insert(*number, (who, asked.clone()));
                }
                Exchange::Answered(number, answer) => {
                    if let Some((who, asked)) = self.open.remove(number) {
                        let kind = answer.as_ref().err().map(|error| error.kind);
                        self.answered(who, asked, kind, now);
                    }
                }
            }
        }
        Ok(())
    }

    /// S38, S55: an unchanged token is not uploaded twice.
    fn is_wanted(
        &self,
        who: Who,
        slot: Slot,
        body: &RegistrationBody,
        now: Timestamp,
    ) -> Result<(), String> {
        if self.lost.contains(&slot) {
            return Ok(());
        }
        let interval: Duration = Settings::default().reupload_after;
        let is_there = self
            .confirmed
            .get(&slot)
            .is_some_and(|(theirs, known, at)| {
                *theirs == who && known == body && now.since(*at) < interval
            });
        if is_there {
            return Err(format!("{slot} of {who:?} is uploaded again without cause"));
        }
        Ok(())
    }

    fn answered(&mut self, who: Who, asked: Asked, kind: Option<GatewayErrorKind>, now: Timestamp) {
        match (asked, kind) {
            (Asked::Register(_, slot, body), None) => {
                self.confirmed.insert(slot, (who, body, now));
                self.lost.remove(&slot);
            }
            // The request may have been processed.
            (Asked::Register(_, slot, _), Some(GatewayErrorKind::Unavailable)) => {
                self.confirmed.remove(&slot);
            }
            // The request may have been processed, or not.
            (Asked::Unregister(..), _) => self.doubt(),
            (Asked::Presence(_, body), None) => self.place = Some((who, body.presence)),
            (Asked::Presence(..), Some(GatewayErrorKind::DeviceUnknown)) => {
                self.doubt();
            }
            _ => {}
        }
    }
}

fn may_ask(model: &Model, who: Who, asked: &Asked, before: &[Model], after: &[Model]) -> bool {
    let session = model.session.as_ref();
    let is_theirs = session.is_some_and(|session| session.who == who);
    match asked {
        Asked::Register(_, slot, _) => is_theirs && model.is_on && model.tokens.contains_key(slot),
        // The token may have been removed during another user's login.
        Asked::Unregister(_, Some(slot)) => is_theirs && !model.tokens.contains_key(slot),
        Asked::Unregister(_, None) => {
            let is_awaited = model.awaited == Some(who);
            !model.is_on || !(is_theirs || is_awaited)
        }
        Asked::Presence(..) => is_theirs,
        // Receipts belong to the device, but there is no key before the first login.
        _ => before
            .iter()
            .chain(after)
            .any(|model| model.session.is_some() || model.awaited.is_some()),
    }
}
