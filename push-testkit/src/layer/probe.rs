//! A provider that notes what it is given, and answers as a case says.
use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use push_core::{
    BadgeStyle, Batch, Batching, Capabilities, Channel, DeviceToken, Environment, Error, ErrorKind,
    Health, NotificationKind, Provider, Received, Result, Slot, TextLimits, TextUnit, Timestamp,
    VendorAnswer, Verdict, Verdicts, async_trait,
};
use serde_json::{Map, Value};
use tokio::sync::Notify;

/// What [`Probe`] answers for one target.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Answer {
    /// This verdict, at once.
    Now(Verdict),
    /// This verdict, after [`Probe::release`].
    Held(Verdict),
    /// None, and the send never ends.
    Silence,
    /// None, and the send ends.
    Nothing,
}

/// A provider that notes what it is given, and answers as a case says.
#[derive(Debug)]
pub struct Probe {
    capabilities: Capabilities,
    batches: Mutex<Vec<Batch>>,
    answers: Mutex<VecDeque<Answer>>,
    health: Mutex<Option<Result<Health>>>,
    checked: AtomicUsize,
    running: AtomicUsize,
    released: Notify,
}

impl Default for Probe {
    fn default() -> Self {
        // Nothing is as in `Capabilities::new`, so that a layer that answers with defaults is noticed.
        let text = TextLimits::new(40, 120, TextUnit::Utf16);
        let capabilities = Capabilities::new(Channel::known("probe"), 2048)
            .with_kinds(&[NotificationKind::Alert, NotificationKind::Background])
            .with_batch(20, Batching::Mixed)
            .with_badge(BadgeStyle::CountUp)
            .with_title_needed()
            .with_slots(&[Slot::Alert, Slot::Voip])
            .with_environment(Environment::Production)
            .with_expiry(Timestamp::from_unix_seconds(1_800_000_000))
            .with_collapse()
            .with_ttl(Duration::from_secs(60), Duration::from_secs(86_400))
            .with_text(text)
            .with_repair("ask the probe");
        Self {
            capabilities,
            batches: Mutex::default(),
            answers: Mutex::default(),
            health: Mutex::default(),
            checked: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            released: Notify::new(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Probe {
    /// Answers the next targets so, and later ones with acceptance.
    pub fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        lock(&self.answers).extend(answers);
    }

    /// Answers later targets with acceptance.
    pub fn forget_answers(&self) {
        lock(&self.answers).clear();
    }

    /// Answers the next [`Provider::verify`] so.
    pub fn say_of_credential(&self, health: Result<Health>) {
        *lock(&self.health) = Some(health);
    }

    /// Gives the verdicts that were held.
    pub fn release(&self) {
        self.released.notify_waiters();
    }

    /// The batches so far.
    pub fn batches(&self) -> Vec<Batch> {
        lock(&self.batches).clone()
    }

    /// How many sends are under way.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    /// How often a token, fields or a receipt were checked.
    pub fn checked(&self) -> usize {
        self.checked.load(Ordering::SeqCst)
    }

    fn count_check(&self) {
        self.checked.fetch_add(1, Ordering::SeqCst);
    }
}

struct Running<'a>(&'a AtomicUsize);

impl<'a> Running<'a> {
    fn new(running: &'a AtomicUsize) -> Self {
        running.fetch_add(1, Ordering::SeqCst);
        Self(running)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Provider for Probe {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        let _running = Running::new(&self.running);
        let targets = batch.targets.len();
        lock(&self.batches).push(batch);
        let (mut held, mut is_silent) = (Vec::new(), false);
        for position in 0..targets {
            let answer = lock(&self.answers).pop_front();
            match answer {
                None => verdicts.report(position, accepted()),
                Some(Answer::Now(verdict)) => verdicts.report(position, verdict),
                Some(Answer::Held(verdict)) => held.push((position, verdict)),
                Some(Answer::Silence) => is_silent = true,
                Some(Answer::Nothing) => {}
            }
        }
        if !held.is_empty() {
            self.released.notified().await;
            verdicts.report_many(held);
        }
        if is_silent {
            std::future::pending::<()>().await;
        }
    }

    async fn verify(&self) -> Result<Health> {
        let health = lock(&self.health).take();
        health.unwrap_or_else(|| Ok(Health::accepted("the probe was asked")))
    }

    /// Upper case is lower case, and a blank makes a token impossible.
    fn check_token(&self, slot: Slot, token: &DeviceToken) -> Result<DeviceToken> {
        self.count_check();
        let text = token.expose();
        if text.contains(' ') || slot == Slot::LiveActivity {
            let what = "a token of the probe has no blank and no live activity";
            return Err(Error::new(ErrorKind::Invalid, what));
        }
        DeviceToken::new(text.to_lowercase())
    }

    fn check_fields(&self, fields: &Map<String, Value>) -> Result<()> {
        self.count_check();
        match fields.contains_key("color") {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::Invalid, "the probe wants a `color`")),
        }
    }

    fn receive(&self, request: &http::Request<Bytes>) -> Result<Received> {
        self.count_check();
        match request.body().as_ref() {
            b"signed" => Ok(Received::new(
                Vec::new(),
                http::Response::new(Bytes::from_static(b"thanks")),
            )),
            _ => Err(Error::new(ErrorKind::Denied, "the probe wants a signature")),
        }
    }
}

pub(super) fn accepted() -> Verdict {
    Verdict::accepted(VendorAnswer::new(200, "").with_request_id("probe-1"))
}
