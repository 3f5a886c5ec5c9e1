//! What one connection is doing, and until when it may go on doing it.
use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

use tokio::time::Instant;

use super::table::{Bell, Key, Table};

/// What an HTTP/2 connection begins with (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long each state of a connection may last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// From the connection, or the first byte of a further request, to a whole head.
    pub(super) head: Duration,
    /// Between an answer and the first byte of the next request.
    pub(super) idle: Duration,
    /// That the client takes none of an answer.
    pub(super) stall: Duration,
}

/// What a connection is doing, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// A head is awaited that has begun, or must begin because the connection is new.
    Head(Instant),
    /// Nothing.
    Idle(Instant),
    /// This number of requests is being answered.
    Requests(usize),
}

struct State {
    doing: Doing,
    /// How many bytes of the preface came; `None` once it is clear which protocol it is.
    preface: Option<usize>,
    is_http2: bool,
    /// Since when the client takes nothing of what is to be written.
    stalled: Option<Instant>,
    /// When something was written last: an answer may be on its way for long after it was made.
    wrote: Instant,
    /// A request on it had an API key.
    is_servers: bool,
}

/// A connection as the listener knows it. In the extensions of every request.
pub(crate) struct Line {
    number: u64,
    peer: SocketAddr,
    patience: Patience,
    state: Mutex<State>,
    bell: Arc<Bell>,
    table: Arc<Table>,
}

impl Line {
    pub(super) fn new(
        number: u64,
        peer: SocketAddr,
        patience: Patience,
        table: &Arc<Table>,
    ) -> Arc<Self> {
        let now = Instant::now();
        let line = Arc::new(Self {
            number,
            peer,
            patience,
            state: Mutex::new(State {
                doing: Doing::Head(now),
                preface: Some(0),
                is_http2: false,
                stalled: None,
                wrote: now,
                is_servers: false,
            }),
            bell: Arc::default(),
            table: Arc::clone(table),
        });
        table.add(number, &line.bell, Key::new(false, now, number));
        line
    }

    /// The client's address.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The client showed an API key: its connection is the last to be closed for want of room.
    pub(crate) fn shown_a_key(&self) {
        let mut state = self.state();
        if !state.is_servers {
            let before = self.key(&state);
            state.is_servers = true;
            self.table.change(before, self.key(&state));
        }
    }

    /// Returns `true` if the connection must close now: it is asked to make room and answers nothing.
    pub(super) fn must_leave(&self) -> bool {
        if !self.bell.is_rung() {
            return false;
        }
        let leaves = self.key(&self.state()).is_some();
        if !leaves {
            self.bell.ignore();
        }
        leaves
    }

    /// Registers the task that asks [`Line::deadline`] and [`Line::must_leave`].
    pub(super) fn register(&self, waker: &Waker) {
        self.bell.register(waker);
    }

    /// When the connection has done for too long what it is doing; `None` while a request is being answered.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let state = self.state();
        let doing = match state.doing {
            Doing::Head(since) => Some(since + self.patience.head),
            Doing::Idle(since) => Some(since.max(state.wrote) + self.patience.idle),
            Doing::Requests(_) => None,
        };
        let stalled = state.stalled.map(|since| since + self.patience.stall);
        [doing, stalled].into_iter().flatten().min()
    }

    /// Returns `true` if the client can be notified that the connection ends, because it is one of HTTP/2 that is idle.
    pub(super) fn is_idle_http2(&self) -> bool {
        let state = self.state();
        state.is_http2 && matches!(state.doing, Doing::Idle(_)) && state.stalled.is_none()
    }

    /// Bytes came.
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
                // Its pings and settings are no requests: from here on only the heads of requests count.
                self.turn(&mut state, Doing::Idle(Instant::now()));
            } else {
                state.preface = Some(seen + common);
            }
        }
        if let (Doing::Idle(_), false) = (state.doing, state.is_http2) {
            self.turn(&mut state, Doing::Head(Instant::now()));
        }
    }

    /// Something was written, or (`false`) could not be.
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

    /// A request begins; it lasts until what is returned drops.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        let mut state = self.state();
        let count = match state.doing {
            Doing::Requests(count) => count,
            _ => 0,
        };
        self.turn(&mut state, Doing::Requests(count + 1));
        drop(state);
        UnderWay(Arc::clone(self))
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
        self.bell.wake();
    }

    fn turn(&self, state: &mut State, doing: Doing) {
        let before = self.key(state);
        state.doing = doing;
        self.table.change(before, self.key(state));
    }

    /// Its place among the connections that can make room; `None` while a request is being answered. A server may take its time
    /// to read an answer, a stranger may not.
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

/// The connection of a request, in its extensions.
#[derive(Clone, Debug)]
pub(crate) struct OnLine(pub(crate) Arc<Line>);

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// The connection is over: it can make no more room.
pub(super) struct Open(pub(super) Arc<Line>);

impl Drop for Open {
    fn drop(&mut self) {
        let line = &self.0;
        let key = line.key(&line.state());
        line.table.remove(line.number, key);
    }
}

/// A request that is being answered.
pub(super) struct UnderWay(Arc<Line>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn line() -> Arc<Line> {
        let patience = Patience {
            head: 10 * SECOND,
            idle: 150 * SECOND,
            stall: 30 * SECOND,
        };
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        Line::new(1, peer, patience, &Arc::default())
    }

    fn left(line: &Line) -> Option<Duration> {
        line.deadline().map(|deadline| deadline - Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn an_http2_connection_is_idle_between_requests_whatever_frames_come() {
        let line = line();
        assert_eq!(left(&line), Some(10 * SECOND));
        // In two parts.
        line.received(&PREFACE[..10]);
        assert_eq!(left(&line), Some(10 * SECOND));
        line.received(&PREFACE[10..]);
        assert_eq!(left(&line), Some(150 * SECOND));
        assert!(line.is_idle_http2());
        tokio::time::advance(SECOND).await;
        line.received(b"a ping");
        assert_eq!(left(&line), Some(149 * SECOND));
        let first = line.begin();
        let second = line.begin();
        drop(first);
        assert_eq!(left(&line), None);
        assert!(!line.is_idle_http2());
        drop(second);
        assert_eq!(left(&line), Some(150 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn what_only_begins_like_the_preface_is_a_head() {
        let line = line();
        tokio::time::advance(SECOND).await;
        line.received(b"P");
        line.received(b"OST / HTTP/1.1");
        line.received(PREFACE);
        assert_eq!(left(&line), Some(9 * SECOND));
        assert!(!line.is_idle_http2());
    }
}
