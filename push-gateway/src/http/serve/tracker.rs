//! Tracks the state of one connection and the deadline of that state.
use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

use tokio::time::Instant;

use super::table::{Eviction, Key, Table};

/// What an HTTP/2 connection begins with (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long each state of a connection may last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    /// From the connection, or the first byte of a further request, to a whole head.
    pub(super) head: Duration,
    /// Between an answer and the first byte of the next request.
    pub(super) idle: Duration,
    /// That the client takes none of an answer.
    pub(super) stall: Duration,
}

/// The state of a connection, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Waits for the rest of a head, or for the first one of a new connection.
    Head(Instant),
    /// Waits for the next request.
    Idle(Instant),
    /// Answers this number of requests.
    Requests(usize),
}

struct State {
    doing: Doing,
    /// How many bytes of the preface were received; `None` once the protocol is known.
    preface: Option<usize>,
    is_http2: bool,
    /// Since when the client reads nothing of the answer.
    stalled: Option<Instant>,
    /// When something was written last, which can be long after the answer was made.
    wrote: Instant,
    /// A request on it had an API key.
    is_servers: bool,
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
        let tracker = Arc::new(Self {
            number,
            peer,
            timeouts,
            state: Mutex::new(State {
                doing: Doing::Head(now),
                preface: Some(0),
                is_http2: false,
                stalled: None,
                wrote: now,
                is_servers: false,
            }),
            eviction: Arc::default(),
            table: Arc::clone(table),
        });
        table.add(number, &tracker.eviction, Key::new(false, now, number));
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
            let before = self.key(&state);
            state.is_servers = true;
            self.table.change(before, self.key(&state));
        }
    }

    /// Returns `true` if the connection must close now: it was chosen to make room, and answers no request.
    pub(super) fn must_close(&self) -> bool {
        if !self.eviction.is_requested() {
            return false;
        }
        let leaves = self.key(&self.state()).is_some();
        if !leaves {
            self.eviction.withdraw();
        }
        leaves
    }

    /// Registers the task to wake when [`Tracker::deadline`] or [`Tracker::must_close`] may have changed.
    pub(super) fn register(&self, waker: &Waker) {
        self.eviction.register(waker);
    }

    /// Returns when the connection must change its state or be closed; `None` while it answers a request.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let state = self.state();
        let doing = match state.doing {
            Doing::Head(since) => Some(since + self.timeouts.head),
            Doing::Idle(since) => Some(since.max(state.wrote) + self.timeouts.idle),
            Doing::Requests(_) => None,
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
        let before = self.key(&state);
        let now = Instant::now();
        if progress {
            state.stalled = None;
            state.wrote = now;
        } else if state.stalled.is_none() {
            state.stalled = Some(now);
        }
        self.table.change(before, self.key(&state));
    }

    /// Records that a request begins. It ends when the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> RequestGuard {
        let mut state = self.state();
        let count = match state.doing {
            Doing::Requests(count) => count,
            _ => 0,
        };
        self.turn(&mut state, Doing::Requests(count + 1));
        drop(state);
        RequestGuard(Arc::clone(self))
    }

    fn end(&self) {
        let mut state = self.state();
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
        let before = self.key(state);
        state.doing = doing;
        self.table.change(before, self.key(state));
    }

    /// Returns its place among the connections that can be closed to make room; `None` while it answers a request. A client with
    /// an API key may also read an answer slowly.
    fn key(&self, state: &State) -> Option<Key> {
        if state.is_servers && state.stalled.is_some() {
            return None;
        }
        match state.doing {
            Doing::Head(since) | Doing::Idle(since) => {
                Some(Key::new(state.is_servers, since, self.number))
            }
            Doing::Requests(_) => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        let key = tracker.key(&tracker.state());
        tracker.table.remove(tracker.number, key);
    }
}

/// Held while a request is being answered.
pub(super) struct RequestGuard(Arc<Tracker>);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.end();
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
        tracker.deadline().map(|deadline| deadline - Instant::now())
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
