//! The reference: what the statements S20 to S61 of `docs/behaviour.md` make of what happens to a phone.
use std::collections::{BTreeMap, BTreeSet};

use push_core::{Presence, Slot};

use crate::{
    logins::Told,
    operations::{Handler, Via, What, Who},
};

/// The login that push is registered for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) who: Who,
    pub(crate) ticket: u32,
    /// The logins that stand for it, by bridge.
    auto: Option<u32>,
    manual: Option<u32>,
}

/// A click that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Waiting {
    click: u32,
    what: What,
    /// `None` on a phone on which nobody ever logged in.
    owner: Option<Who>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Model {
    // What survives the process.
    pub(crate) tokens: BTreeMap<Slot, u8>,
    pub(crate) is_on: bool,
    last: Option<Who>,
    /// Who has not logged out, and has not logged in again yet either: stays reachable.
    pub(crate) awaited: Option<Who>,
    /// The deliveries whose click is dealt with.
    clicked: BTreeSet<u32>,
    // What does not.
    pub(crate) session: Option<Session>,
    waiting: Option<Waiting>,
    pub(crate) place: Option<Presence>,
    pub(crate) handler: Handler,
    pub(crate) intercepts: bool,
    pub(crate) answers_calls: bool,
    // What must have happened.
    /// Every click that a handler opened, and for whom, in order.
    pub(crate) opened: Vec<(u32, Who)>,
    /// Clicks that nobody opens.
    pub(crate) unhandled: u64,
    /// Logins that the phone has to be asked something for.
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

    pub(crate) fn hear(&mut self, told: Told) {
        match told {
            Told::Begin(via, number, who, ticket) => self.begin(via, number, who, ticket),
            Told::Stranger(who) => self.make_room(who),
            Told::Nobody => self.nobody(),
            // A login that push was not registered for, as one that was local only (S40).
            Told::End(..) if self.session.is_none() => self.nobody(),
            Told::End(via, number) => {
                // Only what began or confirmed this login can end it (S43).
                let ends = self.session.as_ref().is_some_and(|it| {
                    let began = match via {
                        Via::Auto => it.auto,
                        Via::Manual => it.manual,
                    };
                    began.is_some_and(|it| it <= number)
                });
                if ends {
                    self.session = None;
                    // S28
                    self.waiting = None;
                }
            }
        }
    }

    fn nobody(&mut self) {
        if self.session.is_none() && self.awaited.take().is_some() {
            self.waiting = None;
        }
    }

    fn begin(&mut self, via: Via, number: u32, who: Who, ticket: u32) {
        self.make_room(who);
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

    /// Somebody is there: nothing here is anybody else's any more (S28, S42).
    fn make_room(&mut self, who: Who) {
        self.session.take_if(|it| it.who != who);
        self.awaited.take_if(|it| *it != who);
        self.waiting
            .take_if(|it| it.owner.is_some_and(|it| it != who));
    }

    /// A person clicks; `number` is the click's, and that of its delivery if it names one.
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
        // It takes the place of one that waits (S27), and belongs to who is there, or was last (S28).
        self.waiting = Some(Waiting {
            click: number,
            what,
            owner: self.session.as_ref().map(|it| it.who).or(self.last),
        });
        self.open_waiting();
    }

    pub(crate) fn is_known(&self, click: u32) -> bool {
        self.clicked.contains(&click)
    }

    /// Opens what waits, if somebody is logged in (S24, S25) and the app is ready (S30).
    pub(crate) fn open_waiting(&mut self) {
        let Some(session) = &self.session else {
            return;
        };
        let who = session.who;
        let has_handler = |it: &Waiting| it.what != What::Call || self.answers_calls;
        let mode = self.handler;
        let Some(waiting) = self
            .waiting
            .take_if(|it| mode != Handler::NotReady || !has_handler(it))
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

    /// The process is gone, and another began.
    pub(crate) fn restart(&mut self) {
        if let Some(session) = self.session.take() {
            self.awaited = Some(session.who);
        }
        if let Some(waiting) = self.waiting.take() {
            // It was never dealt with, so it may come again.
            self.clicked.remove(&waiting.click);
        }
        self.place = None;
        self.unhandled = 0;
        self.asked = 0;
    }

    /// The states in which a process may have died on its way from `before` to `after`: what is on disk is of some moment in
    /// between.
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
