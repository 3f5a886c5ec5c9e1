//! Reads what the client asked of the gateway, and whether it had reason to.
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
    /// What the gateway has confirmed since it was last in doubt, and when.
    confirmed: BTreeMap<Slot, (Who, RegistrationBody, Timestamp)>,
    /// Slots that the gateway has lost, until they are registered again.
    pub(crate) lost: BTreeSet<Slot>,
    /// The last presence that the gateway took.
    pub(crate) place: Option<(Who, Presence)>,
}

impl Ledger {
    /// Nothing is certain to be confirmed any more: a login ended or the gateway said so.
    pub(crate) fn doubt(&mut self) {
        self.confirmed.clear();
    }

    /// Requests that were under way are given up.
    pub(crate) fn give_up(&mut self) {
        for (_, asked) in std::mem::take(&mut self.open).into_values() {
            match asked {
                Asked::Register(_, slot, _) => drop(self.confirmed.remove(&slot)),
                Asked::Unregister(..) => self.doubt(),
                _ => {}
            }
        }
    }

    /// Reads on; `before` and `after` are the possible states around what has just happened.
    pub(crate) fn read(
        &mut self,
        exchanges: &[Exchange],
        before: &[Model],
        after: &[Model],
        now: Timestamp,
    ) -> Result<(), String> {
        let fresh = &exchanges[self.read..];
        self.read = exchanges.len();
        let asked = fresh.iter().filter(|it| matches!(it, Exchange::Asked(..)));
        if asked.count() > MOST {
            return Err("it asks the gateway again and again".to_owned());
        }
        for exchange in fresh {
            match exchange {
                Exchange::Asked(number, account, asked) => {
                    let who = Who::of(account);
                    let might = before
                        .iter()
                        .chain(after)
                        .any(|it| may_ask(it, who, asked, before, after));
                    if !might {
                        return Err(format!("{who:?} has no reason to ask {asked:?}"));
                    }
                    if let Asked::Register(_, slot, body) = asked {
                        self.is_wanted(who, *slot, body, now)?;
                    }
                    self.open.insert(*number, (who, asked.clone()));
                }
                Exchange::Answered(number, answer) => {
                    if let Some((who, asked)) = self.open.remove(number) {
                        let kind = answer.as_ref().err().map(|it| it.kind);
                        self.answered(who, asked, kind, now);
                    }
                }
            }
        }
        Ok(())
    }

    /// S38, S55: the same is not uploaded twice.
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
            // Whether it was done is not known.
            (Asked::Register(_, slot, _), Some(GatewayErrorKind::Unavailable)) => {
                self.confirmed.remove(&slot);
            }
            // Whether it was done or not, it was meant.
            (Asked::Unregister(..), _) => self.doubt(),
            (Asked::Presence(_, body), None) => self.place = Some((who, body.presence)),
            (Asked::Presence(..), Some(GatewayErrorKind::DeviceUnknown)) => {
                self.doubt();
            }
            _ => {}
        }
    }
}

fn may_ask(it: &Model, who: Who, asked: &Asked, before: &[Model], after: &[Model]) -> bool {
    let is_theirs = it.session.as_ref().is_some_and(|it| it.who == who);
    match asked {
        Asked::Register(_, slot, _) => is_theirs && it.is_on && it.tokens.contains_key(slot),
        // Its token may have gone while the login was another's.
        Asked::Unregister(_, Some(slot)) => is_theirs && !it.tokens.contains_key(slot),
        Asked::Unregister(_, None) => {
            let is_awaited = it.awaited == Some(who);
            !it.is_on || !(is_theirs || is_awaited)
        }
        Asked::Presence(..) => is_theirs,
        // Theirs whom they are of; nobody's before the first login.
        _ => before
            .iter()
            .chain(after)
            .any(|it| it.session.is_some() || it.awaited.is_some()),
    }
}
