//! Tracks the state of one connection and the deadline of that state.
use std::{
    collections::BTreeMap,
    fmt, mem,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    progress::Progress,
    table::{Eviction, Key, Table},
};

/// What an HTTP/2 connection begins with (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a client may read nothing of an answer before its connection can be closed for a new one.
const BLOCKED_AFTER: Duration = Duration::from_secs(1);

/// How long each state of a connection may last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    /// From the connection, or the first byte of a further request, to a whole head.
    pub(super) head: Duration,
    /// Between an answer and the first byte of the next request.
    pub(super) idle: Duration,
    /// That the client reads nothing of an answer, or too little.
    pub(super) stall: Duration,
}

/// The state of a connection, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Waits for the rest of a head, or for the first one of a new connection.
    Head(Instant),
    /// Waits for the next request.
    Idle(Instant),
    /// Handles this number of requests, or writes their answers.
    Requests(usize),
}

struct State {
    doing: Doing,
    /// How many bytes of the preface were received; `None` once the protocol is known.
    preface: Option<usize>,
    is_http2: bool,
    /// Since when the client reads nothing of the answer.
    stalled: Option<Instant>,
    /// The answers that are being written, by the number of their request.
    answers: BTreeMap<u64, Progress>,
    /// How many requests have begun.
    requests: u64,
    /// A request on it had an API key.
    is_servers: bool,
    /// Its place in the table.
    listed: Option<Key>,
}

/// The state of a connection, shared by its socket, its requests and the [`Table`].
pub(crate) struct Tracker {
    number: u64,
    peer: SocketAddr,
    timeouts: Timeouts,
    state: Mutex<State>,
    eviction: Arc<Eviction>,
    table: Arc<Table>,
}

impl Tracker {
    pub(super) fn new(
        number: u64,
        peer: SocketAddr,
        timeouts: Timeouts,
        table: &Arc<Table>,
    ) -> Arc<Self> {
        let now = Instant::now();
        let key = Key::new(false, now, number);
        let tracker = Arc::new(Self {
            number,
            peer,
            timeouts,
            state: Mutex::new(State {
                doing: Doing::Head(now),
                preface: Some(0),
                is_http2: false,
                stalled: None,
                answers: BTreeMap::new(),
                requests: 0,
                is_servers: false,
                listed: Some(key),
            }),
            eviction: Arc::default(),
            table: Arc::clone(table),
        });
        table.add(number, &tracker.eviction, key);
        tracker
    }

    /// The client's address.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Records that a request had a valid API key: such connections are closed last when there are too many.
    pub(crate) fn showed_api_key(&self) {
        let mut state = self.state();
        if !state.is_servers {
            state.is_servers = true;
            self.list(&mut state);
        }
    }

    /// Returns `true` if a request had a valid API key.
    pub(super) fn is_servers(&self) -> bool {
        self.state().is_servers
    }

    /// Returns `true` if the connection must close now: it was chosen to make room, and answers no request or its client does not
    /// read the answer.
    pub(super) fn must_close(&self) -> bool {
        if !self.eviction.is_requested() {
            return false;
        }
        let leaves = self.key(&self.state(), Instant::now()).is_some();
        if !leaves {
            self.eviction.withdraw();
        }
        leaves
    }

    /// Registers the task to wake when [`Tracker::next_check`] or [`Tracker::must_close`] may have changed.
    pub(super) fn register(&self, waker: &Waker) {
        self.eviction.register(waker);
    }

    /// Returns `true` if the deadline of the connection's state has passed.
    pub(super) fn is_late(&self) -> bool {
        let deadline = self.deadline(&self.state());
        deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    /// Returns when to check the connection again, because its deadline passes or its client has not read the answer. Lists the
    /// connection in the table if it can be closed to make room now.
    pub(super) fn next_check(&self) -> Option<Instant> {
        let mut state = self.state();
        let deadline = self.deadline(&state);
        if state.answers.is_empty() {
            return deadline;
        }
        self.list(&mut state);
        let blocked = match state.listed {
            Some(_) => None,
            None => blocked_at(&state),
        };
        [deadline, blocked].into_iter().flatten().min()
    }

    /// Returns when the connection must change its state or be closed; `None` while it handles a request.
    fn deadline(&self, state: &State) -> Option<Instant> {
        let answer = |answer: &Progress| answer.due(self.timeouts.stall);
        let doing = match state.doing {
            Doing::Head(since) => Some(since + self.timeouts.head),
            Doing::Idle(since) => Some(since + self.timeouts.idle),
            Doing::Requests(_) => state.answers.values().map(answer).min(),
        };
        let stalled = state.stalled.map(|since| since + self.timeouts.stall);
        [doing, stalled].into_iter().flatten().min()
    }

    /// Returns `true` for an idle HTTP/2 connection, which can be closed with a GOAWAY.
    pub(super) fn is_idle_http2(&self) -> bool {
        let state = self.state();
        state.is_http2 && matches!(state.doing, Doing::Idle(_)) && state.stalled.is_none()
    }

    /// Records received bytes.
    pub(super) fn received(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut state = self.state();
        if let Some(seen) = state.preface {
            let rest = &PREFACE[seen..];
            let common = rest.len().min(bytes.len());
            if bytes[..common] != rest[..common] {
                state.preface = None;
            } else if common == rest.len() {
                state.preface = None;
                state.is_http2 = true;
                // PING and SETTINGS frames are no requests: from now on only heads of requests count.
                self.turn(&mut state, Doing::Idle(Instant::now()));
            } else {
                state.preface = Some(seen + common);
            }
        }
        if let (Doing::Idle(_), false) = (state.doing, state.is_http2) {
            self.turn(&mut state, Doing::Head(Instant::now()));
        }
    }

    /// Records that bytes were written (`true`), or that the client reads too slowly for that (`false`).
    pub(super) fn wrote(&self, progress: bool) {
        let mut state = self.state();
        if progress {
            state.stalled = None;
        } else if state.stalled.is_none() {
            state.stalled = Some(Instant::now());
        }
        self.list(&mut state);
    }

    /// Records that a request begins. It ends when the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> RequestGuard {
        let mut state = self.state();
        let count = match state.doing {
            Doing::Requests(count) => count,
            _ => 0,
        };
        let number = state.requests;
        state.requests += 1;
        self.turn(&mut state, Doing::Requests(count + 1));
        drop(state);
        RequestGuard {
            tracker: Arc::clone(self),
            number,
        }
    }

    fn end(&self, number: u64) {
        let mut state = self.state();
        state.answers.remove(&number);
        if let Doing::Requests(count) = state.doing {
            let next = match count.saturating_sub(1) {
                0 => Doing::Idle(Instant::now()),
                left => Doing::Requests(left),
            };
            self.turn(&mut state, next);
        }
        drop(state);
        self.eviction.wake();
    }

    fn turn(&self, state: &mut State, doing: Doing) {
        state.doing = doing;
        self.list(state);
    }

    /// Updates its place in the table.
    fn list(&self, state: &mut State) {
        let key = self.key(state, Instant::now());
        let before = mem::replace(&mut state.listed, key);
        self.table.change(before, key);
    }

    /// Returns its place among the connections that can be closed to make room; `None` while it handles a request or the client
    /// reads the answer. A client with an API key may also read an answer slowly.
    fn key(&self, state: &State, now: Instant) -> Option<Key> {
        let is_answering = state.stalled.is_some() || !state.answers.is_empty();
        if state.is_servers && is_answering {
            return None;
        }
        let since = match state.doing {
            Doing::Head(since) | Doing::Idle(since) => since,
            Doing::Requests(_) => blocked_at(state).filter(|since| *since <= now)?,
        };
        Some(Key::new(state.is_servers, since, self.number))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns from when a connection without an API key only waits for a client that does not read an answer.
fn blocked_at(state: &State) -> Option<Instant> {
    let Doing::Requests(count) = state.doing else {
        return None;
    };
    let at = state
        .answers
        .values()
        .map(|answer| answer.due(BLOCKED_AFTER));
    at.min()
        .filter(|_| !state.is_servers && count == state.answers.len())
}

/// The tracker of a request's connection, in the extensions of the request.
#[derive(Clone, Debug)]
pub(crate) struct Tracked(pub(crate) Arc<Tracker>);

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracker")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// Removes a connection from the [`Table`] when it is dropped.
pub(super) struct Open(pub(super) Arc<Tracker>);

impl Drop for Open {
    fn drop(&mut self) {
        let tracker = &self.0;
        let listed = tracker.state().listed;
        tracker.table.remove(tracker.number, listed);
    }
}

/// Held while a request is being handled and its answer is written.
pub(super) struct RequestGuard {
    tracker: Arc<Tracker>,
    number: u64,
}

impl RequestGuard {
    /// Records that the answer is ready: from now on the client must read it.
    pub(super) fn answered(&self) {
        let mut state = self.tracker.state();
        state
            .answers
            .insert(self.number, Progress::new(Instant::now()));
        drop(state);
        self.tracker.eviction.wake();
    }

    /// Records that `bytes` of the answer were written.
    pub(super) fn wrote(&self, bytes: usize) {
        let mut state = self.tracker.state();
        if let Some(answer) = state.answers.get_mut(&self.number) {
            answer.wrote(bytes, Instant::now());
        }
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.tracker.end(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn tracker() -> Arc<Tracker> {
        let timeouts = Timeouts {
            head: 10 * SECOND,
            idle: 150 * SECOND,
            stall: 30 * SECOND,
        };
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        Tracker::new(1, peer, timeouts, &Arc::default())
    }

    fn left(tracker: &Tracker) -> Option<Duration> {
        tracker.next_check().map(|at| at - Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn an_http2_connection_is_idle_between_requests_whatever_frames_come() {
        let tracker = tracker();
        assert_eq!(left(&tracker), Some(10 * SECOND));
        // In two parts.
        tracker.received(&PREFACE[..10]);
        assert_eq!(left(&tracker), Some(10 * SECOND));
        tracker.received(&PREFACE[10..]);
        assert_eq!(left(&tracker), Some(150 * SECOND));
        assert!(tracker.is_idle_http2());
        tokio::time::advance(SECOND).await;
        tracker.received(b"a ping");
        assert_eq!(left(&tracker), Some(149 * SECOND));
        let first = tracker.begin();
        let second = tracker.begin();
        drop(first);
        assert_eq!(left(&tracker), None);
        assert!(!tracker.is_idle_http2());
        drop(second);
        assert_eq!(left(&tracker), Some(150 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn what_only_begins_like_the_preface_is_a_head() {
        let tracker = tracker();
        tokio::time::advance(SECOND).await;
        tracker.received(b"P");
        tracker.received(b"OST / HTTP/1.1");
        tracker.received(PREFACE);
        assert_eq!(left(&tracker), Some(9 * SECOND));
        assert!(!tracker.is_idle_http2());
    }
}
