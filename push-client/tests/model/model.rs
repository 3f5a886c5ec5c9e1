//! The reference model: the effect of operations on a phone by the statements S20 to S61 of `docs/behaviour.md`.
use std::collections::{BTreeMap, BTreeSet};

use push_core::{Presence, Slot};

use crate::{
    logins::Report,
    operations::{Handler, Via, What, Who},
};

/// The login that push is registered for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) who: Who,
    pub(crate) ticket: u32,
    /// The number of the login that the bridge `auto` reported.
    auto: Option<u32>,
    /// The number of the login that the bridge `manual` reported.
    manual: Option<u32>,
}

/// A click that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Waiting {
    click: u32,
    what: What,
    /// `None` on a phone that never had a login.
    owner: Option<Who>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Model {
    // Saved over a restart.
    pub(crate) tokens: BTreeMap<Slot, u8>,
    pub(crate) is_on: bool,
    last: Option<Who>,
    /// The user of the last process, who has neither logged out nor logged in again: stays bound.
    pub(crate) awaited: Option<Who>,
    /// The deliveries whose click is done.
    clicked: BTreeSet<u32>,
    // Not saved.
    pub(crate) session: Option<Session>,
    waiting: Option<Waiting>,
    pub(crate) place: Option<Presence>,
    pub(crate) handler: Handler,
    pub(crate) intercepts: bool,
    pub(crate) answers_calls: bool,
    // Expected effects.
    /// Every click that a handler opened, and its user, in order.
    pub(crate) opened: Vec<(u32, Who)>,
    /// The number of clicks that no handler opens.
    pub(crate) unhandled: u64,
    /// The number of requests for permission.
    pub(crate) asked: u64,
}

impl Model {
    pub(crate) fn new(answers_calls: bool) -> Self {
        Self {
            tokens: BTreeMap::new(),
            is_on: true,
            last: None,
            awaited: None,
            clicked: BTreeSet::new(),
            session: None,
            waiting: None,
            place: None,
            handler: Handler::Ready,
            intercepts: false,
            answers_calls,
            opened: Vec::new(),
            unhandled: 0,
            asked: 0,
        }
    }

    pub(crate) fn apply(&mut self, report: Report) {
        match report {
            Report::Begin(via, number, who, ticket) => self.begin(via, number, who, ticket),
            Report::InvalidTicket(who) => self.end_other_accounts(who),
            Report::NoUser => self.end_awaited_login(),
            Report::EndAny => match self.session.take() {
                // S28
                Some(_) => self.waiting = None,
                None => self.end_awaited_login(),
            },
            // The login was not registered with push, for example a local-only one (S40).
            Report::End(..) if self.session.is_none() => self.end_awaited_login(),
            Report::End(via, number) => {
                // Only a login that began or confirmed this session can end it (S43).
                let ends = self.session.as_ref().is_some_and(|session| {
                    let began = match via {
                        Via::Auto => session.auto,
                        Via::Manual => session.manual,
                    };
                    began.is_some_and(|began| began <= number)
                });
                if ends {
                    self.session = None;
                    // S28
                    self.waiting = None;
                }
            }
        }
    }

    fn end_awaited_login(&mut self) {
        if self.session.is_none() && self.awaited.take().is_some() {
            self.waiting = None;
        }
    }

    fn begin(&mut self, via: Via, number: u32, who: Who, ticket: u32) {
        self.end_other_accounts(who);
        let is_new = self.session.is_none();
        let session = self.session.get_or_insert(Session {
            who,
            ticket,
            auto: None,
            manual: None,
        });
        session.ticket = ticket;
        match via {
            Via::Auto => session.auto = Some(number),
            Via::Manual => session.manual = Some(number),
        }
        if is_new {
            self.awaited = None;
            self.last = Some(who);
            self.asked += u64::from(self.is_on);
            if let Some(waiting) = &mut self.waiting {
                waiting.owner = Some(who);
            }
            self.open_waiting();
        }
    }

    /// Ends the session and drops the waiting click of every user but `who` (S28, S42).
    fn end_other_accounts(&mut self, who: Who) {
        self.session.take_if(|session| session.who != who);
        self.awaited.take_if(|awaited| *awaited != who);
        self.waiting
            .take_if(|waiting| waiting.owner.is_some_and(|owner| owner != who));
    }

    /// Handles click `number`, which is also the number of its delivery if it names one.
    pub(crate) fn click(&mut self, number: u32, what: What, has_delivery: bool) {
        if self.is_known(number) {
            return;
        }
        if has_delivery {
            self.clicked.insert(number);
        }
        if self.intercepts || matches!(what, What::NoExt | What::Foreign) {
            return;
        }
        // It replaces a waiting click (S27), and belongs to the current user, or the last one (S28).
        let current = self.session.as_ref().map(|session| session.who);
        self.waiting = Some(Waiting {
            click: number,
            what,
            owner: current.or(self.last),
        });
        self.open_waiting();
    }

    pub(crate) fn is_known(&self, click: u32) -> bool {
        self.clicked.contains(&click)
    }

    /// Opens the waiting click if a user is logged in (S24, S25) and the app is ready (S30).
    pub(crate) fn open_waiting(&mut self) {
        let Some(session) = &self.session else {
            return;
        };
        let who = session.who;
        let has_handler = |click: &Waiting| click.what != What::Call || self.answers_calls;
        let mode = self.handler;
        let Some(waiting) = self
            .waiting
            .take_if(|click| mode != Handler::NotReady || !has_handler(click))
        else {
            return;
        };
        if waiting.what == What::Call && !self.answers_calls {
            self.unhandled += 1;
        } else if mode == Handler::Ready {
            self.opened.push((waiting.click, who));
        }
    }

    pub(crate) fn switch(&mut self, on: bool) {
        if self.is_on != on {
            self.is_on = on;
            self.asked += u64::from(on && self.session.is_some());
        }
    }

    /// Ends the process and starts another one.
    pub(crate) fn restart(&mut self) {
        if let Some(session) = self.session.take() {
            self.awaited = Some(session.who);
        }
        if let Some(waiting) = self.waiting.take() {
            // It was not opened, so its repetition is not a duplicate.
            self.clicked.remove(&waiting.click);
        }
        self.place = None;
        self.unhandled = 0;
        self.asked = 0;
    }

    /// Returns the states that a process may have saved when it died on the way from `before` to `after`.
    pub(crate) fn between(before: &Self, after: &Self) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for choice in 0..16_u8 {
            let from = |bit: u8| if choice & bit == 0 { before } else { after };
            let mut tokens = before.tokens.clone();
            for (bit, slot) in [(4, Slot::Alert), (8, Slot::Voip), (8, Slot::LiveActivity)] {
                match from(bit).tokens.get(&slot) {
                    Some(it) => tokens.insert(slot, *it),
                    None => tokens.remove(&slot),
                };
            }
            let mut it = Self {
                tokens,
                is_on: from(1).is_on,
                clicked: from(1).clicked.clone(),
                last: from(2).last,
                awaited: from(2).awaited,
                session: from(2).session.clone(),
                waiting: from(1).waiting.clone(),
                ..after.clone()
            };
            for opened in [&before.opened, &after.opened] {
                it.opened.clone_from(opened);
                let mut it = it.clone();
                it.restart();
                if !all.contains(&it) {
                    all.push(it);
                }
            }
        }
        all
    }
}
