//! A phone's operating system that a test controls.
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use push_core::{Channel, Slot};

use crate::{Job, Permission, Phone, Responder, Token, TokenAnswer};

/// A request of the client to the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PhoneCall {
    /// [`Phone::hook`].
    Hook,
    /// [`Phone::ask_permission`].
    AskPermission,
    /// [`Phone::request_token`].
    RequestToken(Slot),
    /// [`Phone::set_badge`].
    SetBadge(u32),
}

/// A platform that records requests and returns prepared answers. Without one it answers when
/// [`ScriptedPhone::answer_permission`] or [`ScriptedPhone::answer_token`] is called. Clones share one phone.
#[derive(Clone, Debug)]
pub struct ScriptedPhone(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    channel: Channel,
    slots: Vec<Slot>,
    kind: Option<push_core::Platform>,
    calls: Vec<PhoneCall>,
    permission: Option<Permission>,
    tokens: BTreeMap<Slot, TokenAnswer>,
    asked_permission: Vec<Responder<Permission>>,
    asked_tokens: Vec<(Slot, Responder<TokenAnswer>)>,
    holds_main: bool,
    jobs: Vec<Held>,
}

struct Held(Job);

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Job")
    }
}

impl ScriptedPhone {
    /// Returns a phone of `channel` with alert tokens and without prepared answers.
    pub fn new(channel: Channel) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            channel,
            slots: vec![Slot::Alert],
            kind: None,
            calls: Vec::new(),
            permission: None,
            tokens: BTreeMap::new(),
            asked_permission: Vec::new(),
            asked_tokens: Vec::new(),
            holds_main: false,
            jobs: Vec::new(),
        })))
    }

    /// Returns an iPhone: APNs, with the tokens that `slots` lists.
    pub fn iphone(slots: &[Slot]) -> Self {
        let phone = Self::new(Channel::APNS);
        phone.lock().slots = slots.to_vec();
        phone.lock().kind = Some(push_core::Platform::Ios);
        phone
    }

    /// Answers every request for permission at once from now on.
    #[must_use]
    pub fn permitting(self, permission: Permission) -> Self {
        self.lock().permission = Some(permission);
        self
    }

    /// Answers every request for a token of `slot` with `token` at once from now on.
    #[must_use]
    pub fn giving(self, slot: Slot, token: &str) -> Self {
        self.give(slot, Ok(Token::Text(token.to_owned())));
        self
    }

    /// Answers every request for a token of `slot` at once from now on.
    pub fn give(&self, slot: Slot, answer: TokenAnswer) {
        self.lock().tokens.insert(slot, answer);
    }

    /// Leaves every request for a token of `slot` open from now on, until [`ScriptedPhone::answer_token`].
    pub fn give_later(&self, slot: Slot) {
        self.lock().tokens.remove(&slot);
    }

    /// Holds the jobs for the main thread until [`ScriptedPhone::run_main`].
    pub fn hold_main(&self) {
        self.lock().holds_main = true;
    }

    /// Runs the jobs that wait for the main thread. Returns their number.
    pub fn run_main(&self) -> usize {
        let jobs = std::mem::take(&mut self.lock().jobs);
        let count = jobs.len();
        for job in jobs {
            (job.0)();
        }
        count
    }

    /// Answers the oldest open request for permission; `None` drops it unanswered. Returns `true` if there was one.
    pub fn answer_permission(&self, permission: Option<Permission>) -> bool {
        let mut inner = self.lock();
        if inner.asked_permission.is_empty() {
            return false;
        }
        let asked = inner.asked_permission.remove(0);
        drop(inner);
        match permission {
            Some(permission) => asked.answer(permission),
            None => drop(asked),
        }
        true
    }

    /// Answers the oldest open request for a token of `slot`; `None` drops it unanswered. Returns `true` if there was one.
    pub fn answer_token(&self, slot: Slot, answer: Option<TokenAnswer>) -> bool {
        let mut inner = self.lock();
        let mut open = inner.asked_tokens.iter();
        let Some(at) = open.position(|(asked, _)| *asked == slot) else {
            return false;
        };
        let (_, asked) = inner.asked_tokens.remove(at);
        drop(inner);
        match answer {
            Some(answer) => asked.answer(answer),
            None => drop(asked),
        }
        true
    }

    /// Returns all requests so far, in order.
    pub fn calls(&self) -> Vec<PhoneCall> {
        self.lock().calls.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// Answers are passed on without the lock, because the receiver may call this phone again.
impl Phone for ScriptedPhone {
    fn channel(&self) -> Channel {
        self.lock().channel.clone()
    }

    fn slots(&self) -> Vec<Slot> {
        self.lock().slots.clone()
    }

    fn device_kind(&self) -> Option<push_core::Platform> {
        self.lock().kind
    }

    fn hook(&self) {
        self.lock().calls.push(PhoneCall::Hook);
    }

    fn ask_permission(&self, answer: Responder<Permission>) {
        let mut inner = self.lock();
        inner.calls.push(PhoneCall::AskPermission);
        match inner.permission.clone() {
            None => inner.asked_permission.push(answer),
            Some(permission) => {
                drop(inner);
                answer.answer(permission);
            }
        }
    }

    fn request_token(&self, slot: Slot, answer: Responder<TokenAnswer>) {
        let mut inner = self.lock();
        inner.calls.push(PhoneCall::RequestToken(slot));
        match inner.tokens.get(&slot).cloned() {
            None => inner.asked_tokens.push((slot, answer)),
            Some(token) => {
                drop(inner);
                answer.answer(token);
            }
        }
    }

    fn set_badge(&self, badge: u32) {
        self.lock().calls.push(PhoneCall::SetBadge(badge));
    }

    fn on_main(&self, job: Job) {
        let mut inner = self.lock();
        if inner.holds_main {
            inner.jobs.push(Held(job));
        } else {
            drop(inner);
            job();
        }
    }
}
