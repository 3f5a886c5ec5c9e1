//! A phone's operating system that does what a test says.
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use push_core::{Channel, Slot};

use crate::{Job, Permission, Phone, Responder, Token, TokenAnswer};

/// What the client asked of the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// A platform that remembers what it was asked, and answers as told: at once if an answer is prepared, otherwise when
/// [`ScriptedPhone::answer_permission`] or [`ScriptedPhone::answer_token`] is called. Clones are the same phone.
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
    /// A phone of `channel` with alert tokens, that answers nothing by itself.
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

    /// An iPhone: APNs, with the kinds of token that `slots` lists.
    pub fn iphone(slots: &[Slot]) -> Self {
        let phone = Self::new(Channel::APNS);
        phone.lock().slots = slots.to_vec();
        phone.lock().kind = Some(push_core::Platform::Ios);
        phone
    }

    /// Answers every question for permission at once from now on.
    #[must_use]
    pub fn permitting(self, permission: Permission) -> Self {
        self.lock().permission = Some(permission);
        self
    }

    /// Gives this token at once whenever it is asked for from now on.
    #[must_use]
    pub fn giving(self, slot: Slot, token: &str) -> Self {
        self.give(slot, Ok(Token::Text(token.to_owned())));
        self
    }

    /// Answers every request for a token of `slot` at once from now on.
    pub fn give(&self, slot: Slot, answer: TokenAnswer) {
        self.lock().tokens.insert(slot, answer);
    }

    /// Keeps every request for a token of `slot` open from now on, until [`ScriptedPhone::answer_token`].
    pub fn give_later(&self, slot: Slot) {
        self.lock().tokens.remove(&slot);
    }

    /// Keeps what is to run on the main thread until [`ScriptedPhone::run_main`].
    pub fn hold_main(&self) {
        self.lock().holds_main = true;
    }

    /// Runs what waits for the main thread; answers how much that was.
    pub fn run_main(&self) -> usize {
        let jobs = std::mem::take(&mut self.lock().jobs);
        let count = jobs.len();
        for job in jobs {
            (job.0)();
        }
        count
    }

    /// Answers the oldest open question for permission; `None` drops it unanswered. Answers whether there was one.
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

    /// Answers the oldest open request for a token of `slot`; `None` drops it unanswered. Answers whether there was one.
    pub fn answer_token(&self, slot: Slot, answer: Option<TokenAnswer>) -> bool {
        let mut inner = self.lock();
        let Some(at) = inner.asked_tokens.iter().position(|it| it.0 == slot) else {
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

    /// Everything that was asked so far, in order.
    pub fn calls(&self) -> Vec<PhoneCall> {
        self.lock().calls.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// Answers are given without the lock: whoever hears them may call back.
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
