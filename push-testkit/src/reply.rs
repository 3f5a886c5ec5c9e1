//! What a scripted server does with a request, including everything that goes wrong.
use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use serde_json::Value;

/// One answer, or one way to have none.
///
/// ```
/// use push_testkit::{Reply, json};
/// let slow_down = Reply::new(429).header("retry-after", "7").json(json!({"reason": "TooManyRequests"}));
/// let same: Reply = (429, "retry-after: 7", r#"{"reason":"TooManyRequests"}"#).into();
/// # let _ = (slow_down, same);
/// ```
#[derive(Clone)]
pub struct Reply {
    pub(crate) delay: Duration,
    pub(crate) act: Act,
}

#[derive(Clone)]
pub(crate) enum Act {
    /// Behind a pointer, so that a reply is small enough for the error of a `Result`.
    Answer(Box<Answer>),
    Reset,
    Silence,
    With(With),
}

#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) ending: Ending,
}

/// How the body of an answer ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ending {
    #[default]
    Whole,
    /// Half-way, and the exchange with it.
    Truncated,
    /// Never.
    Open,
}

pub(crate) type With = Arc<dyn Fn(&Request<Bytes>) -> Reply + Send + Sync>;

type Change = Arc<dyn Fn(&mut Answer) + Send + Sync>;

impl Reply {
    /// An answer with this status and an empty body.
    ///
    /// # Panics
    /// If `status` is not from 100 to 999.
    pub fn new(status: u16) -> Self {
        Self::act(Act::Answer(Box::new(Answer {
            status: StatusCode::from_u16(status).expect("an HTTP status has three digits"),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            ending: Ending::Whole,
        })))
    }

    /// No answer: the connection is reset after the request was read.
    pub fn reset() -> Self {
        Self::act(Act::Reset)
    }

    /// No answer, ever; the connection stays.
    pub fn silence() -> Self {
        Self::act(Act::Silence)
    }

    /// An answer that depends on the request.
    pub fn with(answer: impl Fn(&Request<Bytes>) -> Self + Send + Sync + 'static) -> Self {
        Self::act(Act::With(Arc::new(answer)))
    }

    const fn act(act: Act) -> Self {
        Self {
            delay: Duration::ZERO,
            act,
        }
    }

    /// Changes the answer, also one that depends on the request. No effect where there is no answer.
    fn change(mut self, change: Change) -> Self {
        self.act = match self.act {
            Act::Answer(mut answer) => {
                change(&mut answer);
                Act::Answer(answer)
            }
            Act::With(with) => Act::With(Arc::new(move |request| {
                with(request).change(Arc::clone(&change))
            })),
            other => other,
        };
        self
    }

    /// Adds a header. No effect where there is no answer.
    ///
    /// # Panics
    /// If `name` or `value` cannot be a header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
        let value = HeaderValue::from_str(value).expect("a header's value");
        self.change(Arc::new(move |answer| {
            answer.headers.append(&name, value.clone());
        }))
    }

    /// Replaces the body. No effect where there is no answer.
    #[must_use]
    pub fn body(self, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        self.change(Arc::new(move |answer| answer.body = bytes.clone()))
    }

    /// Replaces the body by JSON and says so in `content-type`. No effect where there is no answer.
    #[must_use]
    pub fn json(self, json: Value) -> Self {
        self.header("content-type", "application/json; charset=UTF-8")
            .body(json.to_string())
    }

    /// Ends the body half-way, and the exchange with it.
    #[must_use]
    pub fn truncated(self) -> Self {
        self.change(Arc::new(|answer| answer.ending = Ending::Truncated))
    }

    /// Sends status, headers and body, and never ends the exchange. No effect where there is no answer.
    #[must_use]
    pub fn unfinished(self) -> Self {
        self.change(Arc::new(|answer| answer.ending = Ending::Open))
    }

    /// Waits first, on the server's clock.
    #[must_use]
    pub const fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Waits this long in addition to any wait that was set before.
    #[must_use]
    pub fn later(mut self, delay: Duration) -> Self {
        self.delay = self.delay.saturating_add(delay);
        self
    }

    /// Replaces the status. No effect where there is no answer.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        self.change(Arc::new(move |answer| answer.status = status))
    }

    /// The status of the answer; `None` where there is none or it depends on the request.
    pub fn status(&self) -> Option<u16> {
        match &self.act {
            Act::Answer(it) => Some(it.status.as_u16()),
            _ => None,
        }
    }

    /// A header of the answer.
    pub fn header_value(&self, name: &str) -> Option<&str> {
        match &self.act {
            Act::Answer(it) => it.headers.get(name)?.to_str().ok(),
            _ => None,
        }
    }

    /// Takes a header away. No effect where there is no answer.
    #[must_use]
    pub fn without_header(self, name: &str) -> Self {
        let name = name.to_owned();
        self.change(Arc::new(move |answer| {
            answer.headers.remove(&name);
        }))
    }
}

impl From<u16> for Reply {
    fn from(status: u16) -> Self {
        Self::new(status)
    }
}

impl From<(u16, &str)> for Reply {
    fn from((status, body): (u16, &str)) -> Self {
        Self::new(status).body(body.to_owned())
    }
}

/// Status, headers (`name: value`, one a line), body.
impl From<(u16, &str, &str)> for Reply {
    fn from((status, headers, body): (u16, &str, &str)) -> Self {
        headers
            .lines()
            .filter_map(|it| it.split_once(':'))
            .fold((status, body).into(), |reply: Self, (name, value)| {
                reply.header(name.trim(), value.trim())
            })
    }
}

impl From<(u16, Value)> for Reply {
    fn from((status, body): (u16, Value)) -> Self {
        Self::new(status).json(body)
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.act {
            Act::Answer(it) => write!(
                f,
                "Reply({}, {} bytes{})",
                it.status,
                it.body.len(),
                match it.ending {
                    Ending::Whole => "",
                    Ending::Truncated => ", truncated",
                    Ending::Open => ", unfinished",
                }
            ),
            Act::Reset => f.write_str("Reply(reset)"),
            Act::Silence => f.write_str("Reply(silence)"),
            Act::With(_) => f.write_str("Reply(with)"),
        }
    }
}

/// Outcomes that a test wants instead of a simulator's own. Clones share the same script.
///
/// For each request the simulator asks [`Faults::take`] with a key of its choice (a device token, a path) and, if
/// there is an outcome, acts on it. What was queued by [`Faults::next`] goes first, then what is queued for the key, then what
/// is set for the key, then what is set for everything.
///
/// An outcome is a [`Reply`], or a type of a simulator that needs more than a reply can say.
pub struct Faults<R = Reply>(Arc<Mutex<Script<R>>>);

struct Script<R> {
    next: VecDeque<(R, u64)>,
    queued: HashMap<String, VecDeque<(R, u64)>>,
    keys: HashMap<String, R>,
    always: Option<R>,
}

impl<R> Default for Script<R> {
    fn default() -> Self {
        Self {
            next: VecDeque::new(),
            queued: HashMap::new(),
            keys: HashMap::new(),
            always: None,
        }
    }
}

impl<R> Default for Faults<R> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<R> Clone for Faults<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The first of `queue`, one time.
fn pop<R: Clone>(queue: &mut VecDeque<(R, u64)>) -> Option<R> {
    let (outcome, times) = queue.front_mut()?;
    if *times > 1 {
        *times -= 1;
        return Some(outcome.clone());
    }
    queue.pop_front().map(|(outcome, _)| outcome)
}

impl<R: Clone> Faults<R> {
    /// No faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers the next request so, whatever it asks. Several queue up.
    pub fn next(&self, outcome: impl Into<R>) {
        self.next_times(1, outcome);
    }

    /// Answers the next `times` requests so, whatever they ask.
    pub fn next_times(&self, times: u64, outcome: impl Into<R>) {
        if times > 0 {
            self.lock().next.push_back((outcome.into(), times));
        }
    }

    /// Answers the next `times` requests about `key` so. Several queue up.
    pub fn times(&self, key: impl Into<String>, times: u64, outcome: impl Into<R>) {
        if times > 0 {
            let mut script = self.lock();
            let queue = script.queued.entry(key.into()).or_default();
            queue.push_back((outcome.into(), times));
        }
    }

    /// Answers every request about `key` so, until [`Faults::heal`].
    pub fn on(&self, key: impl Into<String>, outcome: impl Into<R>) {
        self.lock().keys.insert(key.into(), outcome.into());
    }

    /// Answers every request so, until [`Faults::clear`].
    pub fn always(&self, outcome: impl Into<R>) {
        self.lock().always = Some(outcome.into());
    }

    /// Forgets what was set or queued for `key`.
    pub fn heal(&self, key: &str) {
        let mut script = self.lock();
        script.keys.remove(key);
        script.queued.remove(key);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        *self.lock() = Script::default();
    }

    /// The outcome of a request about `key`, if the script has one.
    pub fn take(&self, key: &str) -> Option<R> {
        let mut script = self.lock();
        if let Some(outcome) = pop(&mut script.next) {
            return Some(outcome);
        }
        script.take_for(key).or_else(|| script.always.clone())
    }

    /// The outcome that the script has for `key` alone.
    pub fn take_for(&self, key: &str) -> Option<R> {
        self.lock().take_for(key)
    }

    fn lock(&self) -> MutexGuard<'_, Script<R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Clone> Script<R> {
    fn take_for(&mut self, key: &str) -> Option<R> {
        if let Some(queue) = self.queued.get_mut(key) {
            let outcome = pop(queue);
            if queue.is_empty() {
                self.queued.remove(key);
            }
            if outcome.is_some() {
                return outcome;
            }
        }
        self.keys.get(key).cloned()
    }
}

impl<R: Clone + fmt::Debug> fmt::Debug for Faults<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let script = self.lock();
        f.debug_struct("Faults")
            .field("next", &script.next)
            .field("keys", &(script.keys.len() + script.queued.len()))
            .field("always", &script.always)
            .finish()
    }
}
