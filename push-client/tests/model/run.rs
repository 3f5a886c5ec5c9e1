//! Applies operations to the client and the reference model, and compares the two.
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use push_client::{ClickSource, GatewayErrorKind, testing::PhoneCall};
use push_core::{AppId, CertificateId, Clock as _, Presence, Slot, UserId};

use crate::{
    ledger::Ledger,
    logins::{Answer, Logins, Report},
    model::Model,
    operations::{Click, Fault, Op, Ticket, Via, What, Who, account},
    world::{Bridges, SLOTS, World, certificate, error, payload, token},
};

/// The configuration and the operations of one run.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) bridges: Bridges,
    pub(crate) answers_calls: bool,
    pub(crate) operations: Vec<Op>,
}

pub(crate) struct Run {
    pub(crate) world: World,
    pub(crate) logins: Logins,
    /// The possible states. More than one only after a process died during an operation.
    pub(crate) models: Vec<Model>,
    pub(crate) ledger: Ledger,
    /// The current ticket of each user.
    pub(crate) tickets: BTreeMap<Who, u32>,
    pub(crate) clicks: u32,
    pub(crate) last_delivery: Option<(u32, What)>,
    // The state of the gateway.
    pub(crate) is_down: bool,
    pub(crate) is_held: bool,
    pub(crate) expired: BTreeSet<(Who, u32)>,
    pub(crate) unknown: BTreeSet<Slot>,
    /// Slots whose certificate was unknown when they may have been uploaded.
    pub(crate) doubtful: BTreeSet<Slot>,
    /// The bindings when the process began.
    pub(crate) left: BTreeMap<AppId, (UserId, BTreeSet<Slot>)>,
    /// Whether push was off since.
    pub(crate) was_off: bool,
    /// Lost slots for which the phone returned no token until the client gave up asking in this login.
    pub(crate) given_up: BTreeSet<Slot>,
    /// How often the gateway lost a registration in this login.
    pub(crate) losses: u32,
    /// The number of calls to the phone that have been read.
    pub(crate) calls: usize,
}

/// Runs a case.
///
/// # Errors
/// The operation at which client and reference differ, and how.
pub(crate) fn run(case: &Case) -> Result<(), String> {
    let mut run = Run {
        world: World::new(case.bridges, case.answers_calls),
        logins: Logins::default(),
        models: vec![Model::new(case.answers_calls)],
        ledger: Ledger::default(),
        tickets: Who::ALL.map(|who| (who, 0)).into(),
        clicks: 0,
        last_delivery: None,
        is_down: false,
        is_held: false,
        expired: BTreeSet::new(),
        unknown: BTreeSet::new(),
        doubtful: BTreeSet::new(),
        left: BTreeMap::new(),
        was_off: false,
        given_up: BTreeSet::new(),
        losses: 0,
        calls: 0,
    };
    let quiet = [Op::Quiet];
    for (number, op) in case.operations.iter().chain(&quiet).enumerate() {
        run.step(op)
            .map_err(|why| format!("after operation {number}, {op:?}: {why}"))?;
    }
    // Every callback has been called when the client closes.
    run.world.close();
    if let Some(at) = run.world.completed().iter().position(|calls| *calls != 1) {
        return Err(format!("callback {at} was not called exactly once"));
    }
    Ok(())
}

impl Run {
    fn step(&mut self, op: &Op) -> Result<(), String> {
        let before = self.models.clone();
        match op {
            Op::Restart => {
                self.world.close();
                if let Some(at) = self.world.completed().iter().position(|calls| *calls != 1) {
                    return Err(format!(
                        "callback {at} was not called when the client closed"
                    ));
                }
                self.reborn(before.clone());
            }
            Op::Crash => self.reborn(before.clone()),
            Op::CrashDuring(op, turns) => {
                self.act(op);
                self.world.turns(*turns);
                self.read_phone(&before)?;
                let after = self.models.clone();
                self.read_gateway(&before, &after)?;
                let pairs = before.iter().zip(&after);
                // Each kept once: otherwise several deaths in a row multiply them.
                let mut between: Vec<Model> = Vec::new();
                for model in pairs.flat_map(|(a, b)| Model::between(a, b)) {
                    if !between.contains(&model) {
                        between.push(model);
                    }
                }
                self.ledger.doubt();
                self.reborn_as(between);
            }
            Op::Quiet => {
                self.calm(&before)?;
                let lost = self.ledger.lost.iter().copied();
                let unanswered = lost.filter(|slot| self.world.given(*slot).is_none());
                self.given_up.extend(unanswered);
                return self.check_quiet();
            }
            op => {
                self.act(op);
                self.world.settle();
            }
        }
        self.check(&before)
    }

    /// Starts the next process, after `models` of the last one.
    fn reborn(&mut self, mut models: Vec<Model>) {
        models.iter_mut().for_each(Model::restart);
        self.reborn_as(models);
    }

    fn reborn_as(&mut self, models: Vec<Model>) {
        self.world.die();
        self.ledger.give_up();
        self.logins = Logins::default();
        self.models = models;
        self.losses = 0;
        self.given_up.clear();
        self.was_off = self.models.iter().any(|model| !model.is_on);
        self.calls = 0;
        self.doubtful.clear();
        self.doubtful.extend(&self.unknown);
        // Before the client has sent a request.
        self.world.start_with(|world| {
            self.left = world
                .bound()
                .into_iter()
                .map(|(app, (user, tokens))| (app, (user, tokens.into_keys().collect())))
                .collect();
        });
    }

    fn apply(&mut self, reports: Vec<Report>) {
        for report in reports {
            for model in &mut self.models {
                let before = model.session.as_ref().map(|session| session.who);
                model.apply(report);
                let after = model.session.as_ref().map(|session| session.who);
                if before != after {
                    self.ledger.doubt();
                    self.losses = 0;
                    self.given_up.clear();
                }
            }
            if matches!(report, Report::Begin(..)) {
                // Every login may have repaired the registration.
                self.doubtful = self.unknown.clone();
            }
        }
    }

    fn each(&mut self, change: impl Fn(&mut Model)) {
        self.models.iter_mut().for_each(change);
    }

    fn ticket(&mut self, who: Who, ticket: Ticket) -> Option<u32> {
        let number = self.tickets.entry(who).or_default();
        match ticket {
            Ticket::Same => Some(*number),
            Ticket::Renewed => {
                *number += 1;
                Some(*number)
            }
            Ticket::Malformed => None,
        }
    }

    fn via(&self, via: Via) -> Via {
        match self.world.bridges {
            Bridges::Auto => Via::Auto,
            Bridges::Manual => Via::Manual,
            Bridges::Both => via,
        }
    }

    fn act(&mut self, op: &Op) {
        let has_auto = self.world.bridges != Bridges::Manual;
        match *op {
            Op::Login(via, who, ticket) => {
                let ticket = self.ticket(who, ticket);
                match self.via(via) {
                    Via::Auto => {
                        // The kit does not wait for the logout from another app.
                        self.world.server(true, Answer::Later);
                        let reports = self.logins.log_in(who, ticket, Answer::Later);
                        self.world.log_in(who, ticket);
                        self.apply(reports);
                    }
                    Via::Manual => {
                        let (number, reports) = self.logins.register(who, ticket);
                        self.world.register(number, who, ticket);
                        self.apply(reports);
                    }
                }
            }
            Op::LoginFails(who) if has_auto && !self.logins.repeats(who) => {
                self.world.server(false, Answer::Later);
                let reports = self.logins.fail(who, Answer::Later);
                self.world.log_in(who, Some(0));
                self.apply(reports);
            }
            Op::LocalOnly(who) if has_auto => {
                self.world.server(true, Answer::Later);
                let reports = self.logins.open_local_store(who, Answer::Later);
                self.world.open_local_store(who);
                self.apply(reports);
            }
            Op::Logout(via) => match self.via(via) {
                Via::Auto => self.leave(Answer::Yes),
                Via::Manual => {
                    let reports = self.logins.unregister(None);
                    self.world.unregister();
                    self.apply(reports);
                }
            },
            Op::LogoutFails if has_auto => self.leave(Answer::No),
            Op::LogoutSlow if has_auto => self.leave(Answer::Later),
            Op::SlowLogoutsEnd if has_auto => {
                let reports = self.logins.slow_ones_end();
                self.world.slow_logouts_end();
                self.apply(reports);
            }
            Op::LateLogout if self.world.bridges != Bridges::Auto => {
                if let Some(number) = self.world.unregister_first() {
                    let reports = self.logins.unregister(Some(number));
                    self.apply(reports);
                }
            }
            Op::Kick if has_auto => {
                let reports = self.logins.thrown_out();
                self.world.kick();
                self.apply(reports);
            }
            Op::Expire if has_auto => {
                let reports = self.logins.thrown_out();
                self.world.expire();
                self.apply(reports);
            }

            Op::Phone(slot, gives) => self.world.phone_gives(slot, gives),
            Op::PhoneAnswers(slot, number) => {
                let answer = match number {
                    Some(number) => Ok(push_client::Token::Text(token(slot, number))),
                    None => Err("not now".to_owned()),
                };
                let was_asked = self.world.phone().answer_token(slot, Some(answer));
                if let Some(number) = number.filter(|_| was_asked) {
                    self.has_token(slot, number);
                }
            }
            Op::PermissionDenied => self.world.deny_permission(),
            Op::Token(slot, number) => {
                let text = push_client::Token::Text(token(slot, number));
                let taken = self.world.client().token_received(slot, text);
                taken.expect("a good token");
                self.has_token(slot, number);
            }
            Op::EmptyToken(slot) => {
                let text = push_client::Token::Text(String::new());
                let error = self.world.client().token_received(slot, text);
                let error = error.expect_err("it is empty");
                assert_eq!(error.code(), Some(22003));
            }
            Op::LongToken(slot) => {
                let text = push_client::Token::Text("x".repeat(257));
                let error = self.world.client().token_received(slot, text);
                let error = error.expect_err("it is too long");
                assert_eq!(error.code(), Some(22004));
            }
            Op::NoToken(slot) => self.world.client().token_failed(slot, "not now"),
            Op::TokenRemoved(slot) => {
                self.world.client().token_removed(slot);
                self.each(|it| {
                    it.tokens.remove(&slot);
                });
            }

            Op::Click(click) => self.click(click),
            Op::ClickAgain(source) => {
                if let Some((number, what)) = self.last_delivery {
                    self.world.click(source, payload(number, what, true), false);
                    self.each(|it| it.click(number, what, true));
                }
            }
            Op::Arrive(what) => {
                self.clicks += 1;
                self.world.arrive(payload(self.clicks, what, true));
            }
            Op::DeferredDone => self.world.complete_deferred(),
            Op::Interceptor(on) => {
                self.world.app().intercepts = on;
                self.each(|it| it.intercepts = on);
            }
            Op::Handler(handler) => {
                self.world.app().handler = handler;
                self.each(|it| it.handler = handler);
            }
            Op::Ready => {
                self.world.client().ready();
                self.each(Model::open_waiting);
            }

            Op::Place(presence) => {
                self.world.place(presence);
                self.each(|it| it.place = Some(presence));
            }
            Op::Rotate => {
                self.world.client().activity_started();
                self.world.client().activity_stopped(true);
                self.each(|it| it.place = Some(Presence::Online));
            }
            Op::Push(on) => {
                self.world.client().set_push(on);
                self.each(|it| it.switch(on));
                self.was_off |= !on;
            }

            Op::Network(works) => {
                self.is_down = !works;
                let down = (!works).then(|| error(GatewayErrorKind::Unavailable));
                self.world.gateway.set_down(down);
            }
            Op::Hold(held) => {
                self.is_held = held;
                self.world.gateway.hold(held);
            }
            Op::Fault(fault) => {
                let gateway = &self.world.gateway;
                match fault {
                    Fault::Unavailable => gateway.fail_next(error(GatewayErrorKind::Unavailable)),
                    Fault::AnswerLost => gateway.lose_next(error(GatewayErrorKind::Unavailable)),
                    Fault::TooFrequent => gateway.fail_next(error(GatewayErrorKind::TooFrequent)),
                }
            }
            Op::TicketExpires => {
                for it in self.models.iter().filter_map(|it| it.session.as_ref()) {
                    let ticket = account(it.who, Some(it.ticket)).credential;
                    self.world.gateway.expire_ticket(ticket.expose());
                    self.expired.insert((it.who, it.ticket));
                }
            }
            Op::Certificate(slot, is_known) => {
                let id = CertificateId::new(certificate(slot)).expect("a good id");
                self.world.gateway.set_certificate(id, is_known);
                if is_known {
                    self.unknown.remove(&slot);
                } else {
                    self.unknown.insert(slot);
                    self.doubtful.insert(slot);
                }
            }
            Op::Forget => {
                let device = self.world.client().device();
                self.world.gateway.forget(&device);
                self.ledger.lost.extend(SLOTS);
                self.losses += 1;
                self.left.clear();
            }
            Op::ForgetToken(slot) => {
                let device = self.world.client().device();
                self.world.gateway.forget_token(&device, slot);
                self.ledger.lost.insert(slot);
                self.losses += 1;
                for (_, slots) in self.left.values_mut() {
                    slots.remove(&slot);
                }
            }
            Op::Wait(time) => self.world.clock.advance(time),
            Op::Quiet | Op::Restart | Op::Crash | Op::CrashDuring(..) => {
                unreachable!("it is done elsewhere")
            }
            // The bridge of the operation is not linked.
            Op::LoginFails(_)
            | Op::LocalOnly(_)
            | Op::LogoutFails
            | Op::LogoutSlow
            | Op::SlowLogoutsEnd
            | Op::LateLogout
            | Op::Kick
            | Op::Expire => {}
        }
    }

    fn leave(&mut self, answer: Answer) {
        self.world.server(true, answer);
        let reports = self.logins.log_out(answer);
        self.world.log_out();
        self.apply(reports);
    }

    fn click(&mut self, click: Click) {
        let Click {
            what,
            source,
            has_delivery,
            twice,
            deferred,
        } = click;
        self.clicks += 1;
        let number = self.clicks;
        let payload = payload(number, what, has_delivery);
        self.world.click(source, payload.clone(), deferred);
        if twice {
            let other = match source {
                ClickSource::Launch => ClickSource::Response,
                _ => ClickSource::Launch,
            };
            self.world.turns(8);
            self.world.click(other, payload, false);
        }
        self.each(|it| it.click(number, what, has_delivery));
        if has_delivery {
            self.last_delivery = Some((number, what));
        }
    }

    fn has_token(&mut self, slot: Slot, number: u8) {
        let is_new = self
            .models
            .iter()
            .any(|it| it.tokens.get(&slot) != Some(&number));
        if is_new && !self.unknown.contains(&slot) {
            self.doubtful.remove(&slot);
        }
        self.each(|it| {
            it.tokens.insert(slot, number);
        });
    }

    /// Reads the requests to the phone, and the tokens that it returned.
    pub(crate) fn read_phone(&mut self, before: &[Model]) -> Result<(), String> {
        let calls = self.world.phone().calls();
        let fresh = calls[self.calls..].to_vec();
        self.calls = calls.len();
        let may_ask = before
            .iter()
            .chain(&self.models)
            .any(|model| model.session.is_some() && model.is_on);
        for call in fresh {
            match call {
                PhoneCall::Hook | PhoneCall::AskPermission if !may_ask => {
                    return Err(format!("a request to the phone without a login: {call:?}"));
                }
                PhoneCall::RequestToken(_) if !may_ask => {
                    return Err("a token is requested without a login".to_owned());
                }
                PhoneCall::RequestToken(slot) => {
                    if let Some(number) = self.world.given(slot) {
                        self.has_token(slot, number);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn read_gateway(&mut self, before: &[Model], after: &[Model]) -> Result<(), String> {
        let exchanges = self.world.gateway.exchanges();
        let now = self.world.clock.now();
        self.ledger.read(&exchanges, before, after, now)
    }

    /// Restores the network and lets all pauses pass.
    fn calm(&mut self, before: &[Model]) -> Result<(), String> {
        self.act(&Op::Hold(false));
        self.act(&Op::Network(true));
        self.act(&Op::Place(Presence::Online));
        self.world.settle();
        self.check(before)?;
        for _ in 0..60 {
            let before = self.models.clone();
            if self.world.clock.sleepers() == 0 {
                return Ok(());
            }
            self.world.clock.advance(Duration::from_secs(601));
            self.world.settle();
            self.check(&before)?;
        }
        Err("the client does not come to rest".to_owned())
    }
}
