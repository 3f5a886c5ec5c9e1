//! The reference for what the two login systems tell: who has logged in and out, by which number.
use std::collections::BTreeSet;

use push_core::AppId;

use crate::operations::{Via, Who};

/// What a login system tells push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// This login is there; again, if it has been told before.
    Begin(Via, u32, Who, u32),
    /// Somebody is there whose ticket is none.
    Stranger(Who),
    /// This login is over.
    End(Via, u32),
    /// Somebody leaves, and nobody is there.
    Nobody,
}

#[derive(Clone, Copy, Debug)]
struct Login {
    number: u32,
    who: Who,
    is_local: bool,
}

/// How the server answers a logout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
    Later,
}

/// The login systems of one process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Logins {
    last: u32,
    app: Option<AppId>,
    center: Option<Login>,
    leaving: BTreeSet<u32>,
    /// Whose logout the server did not take.
    left: Option<u32>,
    by_hand: Option<u32>,
}

impl Logins {
    /// The IM kit logs in; `None` for a ticket that is none.
    pub(crate) fn log_in(&mut self, who: Who, ticket: Option<u32>, answer: Answer) -> Vec<Told> {
        let begin = |number| match ticket {
            Some(ticket) => Told::Begin(Via::Auto, number, who, ticket),
            None => Told::Stranger(who),
        };
        if let Some(login) = self.center.filter(|it| it.who == who && !it.is_local) {
            return vec![begin(login.number)];
        }
        let mut told = self.enter(who, answer);
        self.begin(who, false);
        told.push(begin(self.last));
        told
    }

    /// The server refuses a login.
    pub(crate) fn fail(&mut self, who: Who, answer: Answer) -> Vec<Told> {
        if self.center.is_some_and(|it| it.who == who && !it.is_local) {
            // Nobody is asked.
            return Vec::new();
        }
        self.enter(who, answer)
    }

    pub(crate) fn open_local_store(&mut self, who: Who, answer: Answer) -> Vec<Told> {
        if self.center.is_some_and(|it| it.who == who && !it.is_local) {
            return Vec::new();
        }
        let told = self.enter(who, answer);
        self.begin(who, true);
        told
    }

    /// Whether the next login by this account would only repeat.
    pub(crate) fn repeats(&self, who: Who) -> bool {
        self.center.is_some_and(|it| it.who == who && !it.is_local)
    }

    fn begin(&mut self, who: Who, is_local: bool) {
        self.last += 1;
        self.app = Some(who.app());
        self.center = Some(Login {
            number: self.last,
            who,
            is_local,
        });
        self.left = None;
    }

    fn enter(&mut self, who: Who, answer: Answer) -> Vec<Told> {
        if self.app.as_ref() == Some(&who.app()) {
            return Vec::new();
        }
        self.app = Some(who.app());
        match self.center {
            Some(_) => self.log_out(answer),
            None => Vec::new(),
        }
    }

    pub(crate) fn log_out(&mut self, answer: Answer) -> Vec<Told> {
        let Some(login) = self.center.take() else {
            return vec![Told::Nobody];
        };
        match answer {
            Answer::Yes => vec![Told::End(Via::Auto, login.number)],
            Answer::No => {
                self.left = Some(login.number);
                Vec::new()
            }
            Answer::Later => {
                self.leaving.insert(login.number);
                Vec::new()
            }
        }
    }

    pub(crate) fn slow_ones_end(&mut self) -> Vec<Told> {
        let leaving = std::mem::take(&mut self.leaving);
        leaving
            .into_iter()
            .map(|it| Told::End(Via::Auto, it))
            .collect()
    }

    /// A kick or an expired ticket, which are told at once.
    pub(crate) fn thrown_out(&mut self) -> Vec<Told> {
        match (&self.center, self.left.take()) {
            (None, Some(left)) => vec![Told::End(Via::Auto, left)],
            _ => self.log_out(Answer::Yes),
        }
    }

    /// The app says by hand that somebody is there.
    pub(crate) fn register(&mut self, who: Who, ticket: Option<u32>) -> (u32, Vec<Told>) {
        self.last += 1;
        self.by_hand = Some(self.last);
        let told = match ticket {
            Some(ticket) => Told::Begin(Via::Manual, self.last, who, ticket),
            None => Told::Stranger(who),
        };
        (self.last, vec![told])
    }

    /// The app says by hand that this login is over, or whichever there is.
    pub(crate) fn unregister(&mut self, number: Option<u32>) -> Vec<Told> {
        let ended = self
            .by_hand
            .take_if(|it| number.is_none_or(|number| number == *it));
        match ended {
            Some(it) => vec![Told::End(Via::Manual, it)],
            None if number.is_none() => vec![Told::Nobody],
            None => Vec::new(),
        }
    }
}
