//! Compares client and reference.
use std::collections::{BTreeMap, BTreeSet};

use push_client::{SlotState, testing::PhoneCall};
use push_core::{AppId, Presence, Slot, UserId, api::RegistrationBody};

use crate::{
    model::Model,
    run::Run,
    world::{SLOTS, certificate, token},
};

/// How often tokens are uploaded again in one login because the gateway has lost them.
const REPAIRS: u32 = 2;

impl Run {
    /// What must hold after every operation.
    pub(crate) fn check(&mut self, before: &[Model]) -> Result<(), String> {
        self.read_phone(before)?;
        let after = self.models.clone();
        self.read_gateway(before, &after)?;
        let (world, models) = (&self.world, &mut self.models);
        keep(models, "clicks opened", world.app().opened.clone(), |it| {
            let opened = it.opened.iter();
            opened.map(|(click, who)| (*click, who.user())).collect()
        })?;
        keep(models, "clicks of nobody", world.count("unhandled"), |it| {
            it.unhandled
        })?;
        let questions = world.phone().calls();
        let asked = questions
            .iter()
            .filter(|it| **it == PhoneCall::AskPermission);
        keep(models, "questions", asked.count() as u64, |it| it.asked)?;
        keep(models, "who is logged in", world.client().user(), |it| {
            it.session.as_ref().map(|it| it.who.user())
        })?;
        if let Some(at) = world.wrongly_completed() {
            return Err(format!("callback {at} was not called once and at once"));
        }
        self.check_place()
    }

    /// Where nothing is in the way, the gateway knows where the phone is.
    fn check_place(&self) -> Result<(), String> {
        let is_calm = !self.is_down && !self.is_held && self.world.clock.sleepers() == 0;
        let ([model], true) = (&self.models[..], is_calm && self.losses == 0) else {
            return Ok(());
        };
        let (Some(session), Some(place)) = (&model.session, model.place) else {
            return Ok(());
        };
        let who = session.who;
        let is_bound = self.world.bound().contains_key(&who.app());
        if !model.is_on || !is_bound || self.expired.contains(&(who, session.ticket)) {
            return Ok(());
        }
        if SLOTS.iter().any(|it| self.doubtful.contains(it)) {
            return Ok(());
        }
        match self.ledger.place {
            told if told == Some((who, place)) => Ok(()),
            told => Err(format!(
                "{who:?} is in {place:?}, and the gateway knows {told:?}"
            )),
        }
    }

    /// What must hold when all is quiet.
    pub(crate) fn check_quiet(&mut self) -> Result<(), String> {
        if let Some(at) = self.world.completed().iter().position(|it| *it != 1) {
            return Err(format!("callback {at} was not called"));
        }
        let mut wrong = None;
        let models = std::mem::take(&mut self.models);
        for it in models {
            match self.compare(&it) {
                Ok(()) => self.models.push(it),
                Err(why) => wrong = Some(why),
            }
        }
        match wrong {
            Some(why) if self.models.is_empty() => Err(why),
            _ => Ok(()),
        }
    }

    fn compare(&self, model: &Model) -> Result<(), String> {
        let mut bound = self.world.bound();
        let Some(session) = model.session.as_ref() else {
            return self.compare_left(model, &bound);
        };
        let who = session.who;
        let mine = bound.remove(&who.app());
        if !bound.is_empty() {
            return Err(format!("{who:?} is there, and others are bound: {bound:?}"));
        }
        let tokens = match mine {
            Some((user, _)) if user != who.user() => {
                return Err(format!("{who:?} is there, and {user} is bound"));
            }
            Some((_, tokens)) => tokens,
            None => BTreeMap::new(),
        };
        if !model.is_on {
            // Who logged in with an expired ticket can still unbind.
            return match tokens.is_empty() {
                true => Ok(()),
                false => Err(format!("push is off, and bound are {tokens:?}")),
            };
        }
        if self.expired.contains(&(who, session.ticket)) {
            return Ok(());
        }
        for slot in SLOTS {
            if self.doubtful.contains(&slot) {
                continue;
            }
            let is = tokens.get(&slot).map(|it| it.token.expose().to_owned());
            let should = model.tokens.get(&slot).map(|it| token(slot, *it));
            // Repaired by whoever has a token to give, and not for ever.
            let is_lost = self.ledger.lost.contains(&slot)
                && (self.losses > REPAIRS || self.world.given(slot).is_none());
            if is != should && !(is.is_none() && is_lost) {
                return Err(format!(
                    "{slot} of {who:?} is {is:?}, and should be {should:?}"
                ));
            }
            if let Some(body) = tokens.get(&slot)
                && (i64::from(body.certificate_id.get()) != certificate(slot)
                    || body.environment != push_core::Environment::Sandbox
                    || body.channel != push_core::Channel::APNS)
            {
                return Err(format!("{slot} of {who:?} is registered as {body:?}"));
            }
            let state = self.world.slot(slot);
            let is_right = match &should {
                Some(_) => matches!(state, SlotState::Uploaded { .. }) || is_lost,
                None => matches!(state, SlotState::NoToken | SlotState::Waiting(_)),
            };
            if !is_right {
                return Err(format!("{slot} of {who:?} claims to be {state:?}"));
            }
        }
        let told = self.ledger.place;
        // Where a certificate is unknown, the client cannot know whether the gateway has anything.
        if self.doubtful.is_empty()
            && !tokens.is_empty()
            && told != Some((who, Presence::Online))
            && self.losses <= REPAIRS
        {
            return Err(format!(
                "{who:?} is in foreground, and the gateway knows {told:?}"
            ));
        }
        Ok(())
    }

    /// Nobody is logged in: bound is at most who has not logged out.
    fn compare_left(
        &self,
        model: &Model,
        bound: &BTreeMap<AppId, (UserId, BTreeMap<Slot, RegistrationBody>)>,
    ) -> Result<(), String> {
        let awaited = model.awaited.filter(|_| model.is_on);
        let mut left = self.left.clone();
        left.retain(|app, (user, slots)| {
            awaited.is_some_and(|it| it.app() == *app && it.user() == *user) && !slots.is_empty()
        });
        let is: BTreeMap<AppId, (UserId, BTreeSet<Slot>)> = bound
            .iter()
            .map(|(app, (user, tokens))| {
                (
                    app.clone(),
                    (user.clone(), tokens.keys().copied().collect()),
                )
            })
            .collect();
        if is == left || (is.is_empty() && self.was_off) {
            return Ok(());
        }
        Err(format!(
            "nobody is there, bound are {is:?}, and should be {left:?}"
        ))
    }
}

/// Keeps the states that agree with what is so.
fn keep<T: PartialEq + std::fmt::Debug>(
    models: &mut Vec<Model>,
    what: &str,
    is: T,
    should: impl Fn(&Model) -> T,
) -> Result<(), String> {
    let expected: Vec<T> = models.iter().map(&should).collect();
    models.retain(|it| should(it) == is);
    if models.is_empty() {
        return Err(format!("{what}: {is:?}, and should be {expected:?}"));
    }
    Ok(())
}
