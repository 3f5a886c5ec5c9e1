//! The reference for the reports of the two login systems: who has logged in and out, and the number of the login.
use std::collections::BTreeSet;

use push_core::AppId;

use crate::operations::{Via, Who};

/// A login system's report to push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// A login, or a repetition of one.
    Begin(Via, u32, Who, u32),
    /// A login with an invalid ticket.
    InvalidTicket(Who),
    /// The end of a login.
    End(Via, u32),
    /// The end of whatever login there is (S45).
    EndAny,
    /// A logout while no user is logged in.
    NoUser,
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
    /// The login whose logout the server refused.
    left: Option<u32>,
    by_hand: Option<u32>,
}

impl Logins {
    /// Logs in through the IM kit; `None` is an invalid ticket.
    pub(crate) fn log_in(&mut self, who: Who, ticket: Option<u32>, answer: Answer) -> Vec<Report> {
        let begin = |number| match ticket {
            Some(ticket) => Report::Begin(Via::Auto, number, who, ticket),
            None => Report::InvalidTicket(who),
        };
        if let Some(login) = self.center.filter(|it| it.who == who && !it.is_local) {
            return vec![begin(login.number)];
        }
        let mut reports = self.enter(who, answer);
        self.begin(who, false);
        reports.push(begin(self.last));
        reports
    }

    /// Handles a login that the server refuses.
    pub(crate) fn fail(&mut self, who: Who, answer: Answer) -> Vec<Report> {
        if self.center.is_some_and(|it| it.who == who && !it.is_local) {
            // The kit does not send a repeated login to the server.
            return Vec::new();
        }
        self.enter(who, answer)
    }

    pub(crate) fn open_local_store(&mut self, who: Who, answer: Answer) -> Vec<Report> {
        if self.center.is_some_and(|it| it.who == who && !it.is_local) {
            return Vec::new();
        }
        let reports = self.enter(who, answer);
        self.begin(who, true);
        reports
    }

    /// Returns `true` if a login by this account would only repeat the current one.
    pub(crate) fn repeats(&self, who: Who) -> bool {
        self.center
            .is_some_and(|login| login.who == who && !login.is_local)
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

    fn enter(&mut self, who: Who, answer: Answer) -> Vec<Report> {
        if self.app.as_ref() == Some(&who.app()) {
            return Vec::new();
        }
        self.app = Some(who.app());
        match self.center {
            Some(_) => self.log_out(answer),
            None => Vec::new(),
        }
    }

    pub(crate) fn log_out(&mut self, answer: Answer) -> Vec<Report> {
        let Some(login) = self.center.take() else {
            return vec![Report::NoUser];
        };
        match answer {
            Answer::Yes => vec![Report::End(Via::Auto, login.number)],
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

    pub(crate) fn slow_ones_end(&mut self) -> Vec<Report> {
        let leaving = std::mem::take(&mut self.leaving);
        leaving
            .into_iter()
            .map(|number| Report::End(Via::Auto, number))
            .collect()
    }

    /// Ends the login by a kick or an expired ticket, which are reported at once.
    pub(crate) fn thrown_out(&mut self) -> Vec<Report> {
        match (&self.center, self.left.take()) {
            (None, Some(left)) => vec![Report::End(Via::Auto, left)],
            _ => self.log_out(Answer::Yes),
        }
    }

    /// Reports a login by hand.
    pub(crate) fn register(&mut self, who: Who, ticket: Option<u32>) -> (u32, Vec<Report>) {
        self.last += 1;
        self.by_hand = Some(self.last);
        let reports = match ticket {
            Some(ticket) => Report::Begin(Via::Manual, self.last, who, ticket),
            None => Report::InvalidTicket(who),
        };
        (self.last, vec![reports])
    }

    /// Reports the end of login `number` by hand, or of the current one.
    pub(crate) fn unregister(&mut self, number: Option<u32>) -> Vec<Report> {
        let ended = self
            .by_hand
            .take_if(|current| number.is_none_or(|number| number == *current));
        match (number, ended) {
            (None, _) => vec![Report::EndAny],
            (Some(_), Some(ended)) => vec![Report::End(Via::Manual, ended)],
            (Some(_), None) => Vec::new(),
        }
    }
}
