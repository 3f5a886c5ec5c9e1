//! Compares the client with the reference model.
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
        let opened = world.app().opened.clone();
        keep(models, "opened clicks", opened, |model| {
            let opened = model.opened.iter();
            opened.map(|(click, who)| (*click, who.user())).collect()
        })?;
        let unhandled = world.count("unhandled");
        keep(models, "unhandled clicks", unhandled, |model| {
            model.unhandled
        })?;
        let requests = world.phone().calls();
        let asked = requests
            .iter()
            .filter(|call| **call == PhoneCall::AskPermission);
        let asked = asked.count() as u64;
        keep(models, "requests for permission", asked, |model| {
            model.asked
        })?;
        keep(models, "logged-in user", world.client().user(), |model| {
            model.session.as_ref().map(|session| session.who.user())
        })?;
        if let Some(at) = world.wrongly_completed() {
            return Err(format!("callback {at} was not called once and at once"));
        }
        self.check_place()
    }

    /// Checks that the gateway has the phone's presence, if no fault or pending request explains a difference.
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
        if SLOTS.iter().any(|slot| self.doubtful.contains(slot)) {
            return Ok(());
        }
        match self.ledger.place {
            reported if reported == Some((who, place)) => Ok(()),
            reported => Err(format!(
                "{who:?} is in {place:?}, but the gateway has {reported:?}"
            )),
        }
    }

    /// Checks what must hold when nothing is pending.
    pub(crate) fn check_quiet(&mut self) -> Result<(), String> {
        if let Some(at) = self.world.completed().iter().position(|calls| *calls != 1) {
            return Err(format!("callback {at} was not called"));
        }
        let mut wrong = None;
        let models = std::mem::take(&mut self.models);
        for model in models {
            match self.compare(&model) {
                Ok(()) => self.models.push(model),
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
            return Err(format!(
                "{who:?} is logged in, but other users are bound: {bound:?}"
            ));
        }
        let tokens = match mine {
            Some((user, _)) if user != who.user() => {
                return Err(format!("{who:?} is logged in, but {user} is bound"));
            }
            Some((_, tokens)) => tokens,
            None => BTreeMap::new(),
        };
        if !model.is_on {
            // An expired ticket can still unbind.
            return match tokens.is_empty() {
                true => Ok(()),
                false => Err(format!("push is off, but {tokens:?} are bound")),
            };
        }
        if self.expired.contains(&(who, session.ticket)) {
            return Ok(());
        }
        for slot in SLOTS {
            if self.doubtful.contains(&slot) {
                continue;
            }
            let is = tokens.get(&slot).map(|body| body.token.expose().to_owned());
            let should = model.tokens.get(&slot).map(|number| token(slot, *number));
            // The client repairs a lost token only if the phone returns one, and only a limited number of times.
            let is_lost = self.ledger.lost.contains(&slot)
                && (self.losses > REPAIRS || self.given_up.contains(&slot));
            if is != should && !(is.is_none() && is_lost) {
                return Err(format!(
                    "{slot} of {who:?} is {is:?}, but should be {should:?}"
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
                return Err(format!("{slot} of {who:?} has the wrong state {state:?}"));
            }
        }
        let reported = self.ledger.place;
        // With an unknown certificate, the client cannot know whether the gateway has the token.
        if self.doubtful.is_empty()
            && !tokens.is_empty()
            && reported != Some((who, Presence::Online))
            && self.losses <= REPAIRS
        {
            return Err(format!(
                "{who:?} is in foreground, but the gateway has {reported:?}"
            ));
        }
        Ok(())
    }

    /// Checks the bindings while no user is logged in: only a user who has not logged out may be bound.
    fn compare_left(
        &self,
        model: &Model,
        bound: &BTreeMap<AppId, (UserId, BTreeMap<Slot, RegistrationBody>)>,
    ) -> Result<(), String> {
        let awaited = model.awaited.filter(|_| model.is_on);
        let mut left = self.left.clone();
        left.retain(|app, (user, slots)| {
            awaited.is_some_and(|who| who.app() == *app && who.user() == *user) && !slots.is_empty()
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
            "no user is logged in, and {is:?} are bound, but should be {left:?}"
        ))
    }
}

/// Keeps the model states that agree with the client.
fn keep<T: PartialEq + std::fmt::Debug>(
    models: &mut Vec<Model>,
    what: &str,
    is: T,
    should: impl Fn(&Model) -> T,
) -> Result<(), String> {
    let expected: Vec<T> = models.iter().map(&should).collect();
    models.retain(|model| should(model) == is);
    if models.is_empty() {
        return Err(format!("{what}: {is:?}, but should be {expected:?}"));
    }
    Ok(())
}
