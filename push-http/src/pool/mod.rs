//! The connections to one origin: which request gets which, and when another is opened.
mod stats;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::{runtime::Handle, sync::oneshot};

pub use self::stats::OriginStats;
use crate::{
    backoff::Backoff,
    connect::{self, Ready},
    connection::{Connection, Lease, Link, Owner, lock},
    error::{HttpError, HttpErrorKind},
    http1, http2,
    settings::{Settings, Target},
};

/// Streams that a connection is expected to take before the first is open and shows the peer's limit.
const USUAL_STREAM_LIMIT: usize = 100;
/// The connection window that every peer starts with (RFC 9113 §6.9.2), in bytes.
const USUAL_WINDOW: usize = 65_535;

/// What runs a new connection, before it runs.
enum Driver {
    H2(Box<http2::Driver>),
    H1(Box<http1::Driver>),
}

/// The pool of one origin.
pub(crate) struct Origin {
    target: Target,
    settings: Arc<Settings>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connections: Vec<Arc<Connection>>,
    connecting: usize,
    opened: u64,
    /// Requests in the order in which they came.
    waiting: BTreeMap<u64, Waiting>,
    tickets: u64,
    backoff: Backoff,
    /// The client was dropped, and connections that are still being opened are not needed any more.
    closed: bool,
    runtime: Option<Handle>,
}

struct Waiting {
    bytes: usize,
    avoid: Option<u64>,
    give: oneshot::Sender<Result<Lease, HttpError>>,
}

impl Waiting {
    /// Gives the request its place. The pool's lock must be held.
    fn give(self, lease: Lease) {
        if let Err(Ok(lease)) = self.give.send(Ok(lease)) {
            // The request was dropped meanwhile. The lock is held, so the destructor of the lease must not run.
            lease.undo();
        }
    }
}

impl State {
    fn usable(&self) -> impl Iterator<Item = &Arc<Connection>> {
        self.connections
            .iter()
            .filter(|connection| connection.is_usable())
    }
}

impl Origin {
    pub(crate) fn new(target: Target, settings: Arc<Settings>) -> Arc<Self> {
        Arc::new(Self {
            target,
            settings,
            state: Mutex::default(),
        })
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A place on a connection for a request with `bytes` of body, if possible on another connection than `avoid`.
    ///
    /// # Errors
    /// Busy if too many wait, or the reason why no connection could be opened. The request was not sent in any case.
    pub(crate) async fn lease(
        self: &Arc<Self>,
        bytes: usize,
        avoid: Option<u64>,
    ) -> Result<Lease, HttpError> {
        let (ticket, answer) = {
            let mut state = self.lock();
            if state.waiting.is_empty()
                && let Some(connection) = pick(&state, bytes, avoid, false)
            {
                return Ok(self.grant(connection, bytes));
            }
            if state.waiting.len() >= self.settings.config.max_waiting {
                return Err(HttpError::never(
                    HttpErrorKind::Busy,
                    format!("{} requests are waiting already", state.waiting.len()),
                )
                .advise("send again later, or raise http.max_waiting or http.max_connections"));
            }
            state.runtime = Some(Handle::try_current().map_err(|_| {
                HttpError::never(
                    HttpErrorKind::Connect,
                    "a connection can only be opened inside a tokio runtime",
                )
            })?);
            let (give, answer) = oneshot::channel();
            let ticket = state.tickets;
            state.tickets += 1;
            state.waiting.insert(ticket, Waiting { bytes, avoid, give });
            self.settle(state);
            (ticket, answer)
        };
        let _leave = Leave {
            origin: self,
            ticket,
        };
        answer.await.unwrap_or_else(|_| {
            Err(HttpError::never(
                HttpErrorKind::Closed,
                "the client was dropped",
            ))
        })
    }

    fn grant(self: &Arc<Self>, connection: Arc<Connection>, bytes: usize) -> Lease {
        Lease::new(Arc::clone(self) as Arc<dyn Owner>, connection, bytes)
    }

    /// After a change: gives room to waiting requests, and opens connections for the rest, or fails them if none can be
    /// opened. Attempts are spawned without the lock: a runtime that is shutting down drops them at once.
    fn settle(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        self.pump(&mut state);
        let attempts = self.grow(&mut state);
        if state.connecting == 0
            && state.usable().next().is_none()
            && let Some(error) = state.backoff.error().cloned()
        {
            for (_, waiting) in std::mem::take(&mut state.waiting) {
                // A request that was dropped meanwhile needs no answer.
                waiting.give.send(Err(error.clone())).ok();
            }
        }
        let runtime = state.runtime.clone().filter(|_| attempts > 0);
        drop(state);
        if let Some(runtime) = runtime {
            for _ in 0..attempts {
                let attempt = Attempt {
                    origin: Some(Arc::clone(self)),
                };
                runtime.spawn(attempt.run());
            }
        }
    }

    /// Gives free room to waiting requests, in order.
    fn pump(self: &Arc<Self>, state: &mut State) {
        while let Some((ticket, first)) = state.waiting.first_key_value() {
            let (ticket, bytes, avoid) = (*ticket, first.bytes, first.avoid);
            if first.give.is_closed() {
                state.waiting.remove(&ticket);
                continue;
            }
            let picked = pick(state, bytes, avoid, false).or_else(|| {
                let squeeze = !self.may_grow(state) && state.connecting == 0;
                pick(state, bytes, None, squeeze).filter(|_| squeeze)
            });
            let Some(connection) = picked else { break };
            let Some(first) = state.waiting.remove(&ticket) else {
                break;
            };
            first.give(self.grant(connection, bytes));
        }
    }

    /// Returns `true` if another connection could be opened. A peer that allows no stream at all is waited for: it will
    /// send other SETTINGS, and another connection would meet the same limit.
    fn may_grow(&self, state: &mut State) -> bool {
        state.usable().count() + state.connecting < self.settings.config.max_connections
            && state.backoff.error().is_none()
            && !state.closed
            && !state.usable().any(|connection| connection.is_blocked())
    }

    /// Counts the connections to open for the waiting requests: never more than there are already, so that their number
    /// at most doubles per round trip; one at a time while the peer allows few streams on each; and none while a
    /// connection is warming up.
    fn grow(&self, state: &mut State) -> usize {
        let Some(bytes) = state.waiting.values().next().map(|waiting| waiting.bytes) else {
            return 0;
        };
        let warming_up = |connection: &Arc<Connection>| connection.is_warming_up();
        if !self.may_grow(state) || state.usable().any(warming_up) {
            return 0;
        }
        let usable = state.usable().count();
        let few = state
            .usable()
            .any(|connection| connection.has_few_streams());
        let step = if few { 1 } else { usable.max(1) };
        let streams = state
            .usable()
            .map(|connection| connection.limit())
            .max()
            .unwrap_or(USUAL_STREAM_LIMIT);
        let each = streams.min(USUAL_WINDOW / bytes.max(1)).max(1);
        let wanted = state.waiting.len().div_ceil(each);
        let spare = self.settings.config.max_connections - usable;
        let goal = wanted.min(step).min(spare);
        let new = goal.saturating_sub(state.connecting);
        state.connecting += new;
        new
    }

    fn connected(self: &Arc<Self>, result: Result<Ready, HttpError>) {
        let mut state = self.lock();
        state.connecting = state.connecting.saturating_sub(1);
        let mut driver = None;
        match result {
            Ok(_) if state.closed => return,
            Ok(ready) => {
                tracing::debug!(origin = %self.target, "connection opened");
                state.opened += 1;
                let (connection, of_it) = self.set_up(state.opened, ready);
                state.connections.push(connection);
                driver = Some(of_it);
            }
            Err(error) => self.back_off(&mut state, 0, error),
        }
        self.settle(state);
        match driver {
            Some(Driver::H2(driver)) => drop(tokio::spawn(*driver)),
            Some(Driver::H1(driver)) => drop(tokio::spawn(*driver)),
            None => {}
        }
    }

    fn set_up(self: &Arc<Self>, id: u64, ready: Ready) -> (Arc<Connection>, Driver) {
        let settings = &self.settings;
        let max_streams = settings.config.max_streams;
        let owner = Arc::clone(self) as Arc<dyn Owner>;
        match ready {
            Ready::H2(ready) => {
                let link = Link::H2(Mutex::new(Some(ready.sender)));
                let connection = Connection::new(id, ready.wire, link, max_streams);
                let shared = Arc::clone(&connection);
                let driver = http2::Driver::new(ready.connection, shared, owner, settings);
                (connection, Driver::H2(Box::new(driver)))
            }
            Ready::H1(ready) => {
                let link = Link::H1(Mutex::new(Some(ready.sender)));
                let connection = Connection::new(id, ready.wire, link, max_streams);
                let shared = Arc::clone(&connection);
                let driver = http1::Driver::new(ready.connection, shared, owner, settings);
                (connection, Driver::H1(Box::new(driver)))
            }
        }
    }

    /// Counts a failure, and stops connecting for a while if there were more than `free` in a row.
    fn back_off(&self, state: &mut State, free: u32, error: HttpError) {
        let error = error.at(&self.target);
        tracing::debug!(origin = %self.target, %error, "connection failed");
        let clock = self.settings.clock.as_ref();
        state.backoff.fail(clock, free, error);
    }

    /// `connection` has ended, or will. If it brought no response, that counts like a failed attempt: a peer that accepts
    /// and closes would otherwise be connected to once per request. One such end is free: the peer may have restarted.
    fn judge(&self, state: &mut State, connection: &Connection) {
        if !connection.judge() {
            return;
        }
        if connection.answers() == 0 && connection.leases() > 0 {
            let error = HttpError::never(
                HttpErrorKind::Connect,
                "connections end before they bring a response, so that none is opened for a moment",
            )
            .with_go_away(connection.wire().go_away())
            .advise("look at the peer's GOAWAY or log; send again later");
            self.back_off(state, 1, error);
        }
    }

    /// Closes every connection when its requests have finished; the next request opens a new one.
    pub(crate) fn retire(&self) {
        for connection in &self.lock().connections {
            connection.retire();
        }
    }

    /// Retires connections on which the peer allows no request, so that the next request tries another. Returns `true` if
    /// there was one.
    pub(crate) fn retire_blocked(self: &Arc<Self>) -> bool {
        let state = self.lock();
        let blocked: Vec<_> = state
            .usable()
            .filter(|connection| connection.is_blocked())
            .collect();
        blocked.iter().for_each(|connection| connection.retire());
        let any = !blocked.is_empty();
        self.settle(state);
        any
    }

    /// The client was dropped.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.retire();
    }

    /// Returns `true` if the pool has no connection and no request.
    pub(crate) fn is_unused(&self) -> bool {
        let state = self.lock();
        state.connections.is_empty() && state.connecting == 0 && state.waiting.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Owner for Origin {
    fn changed(self: Arc<Self>) {
        self.settle(self.lock());
    }

    fn going_away(self: Arc<Self>, connection: &Connection) {
        connection.retire();
        let mut state = self.lock();
        // A graceful end still answers the requests it accepted (RFC 9113 §6.8): whether it does is known at the end.
        let is_graceful = connection
            .wire()
            .go_away()
            .is_some_and(|go_away| go_away.code() == 0 && go_away.last_stream() > 0);
        if !is_graceful {
            self.judge(&mut state, connection);
        }
        self.settle(state);
    }

    fn ended(self: Arc<Self>, connection: &Arc<Connection>) {
        tracing::debug!(origin = %self.target, "connection closed");
        let mut state = self.lock();
        self.judge(&mut state, connection);
        state
            .connections
            .retain(|other| !Arc::ptr_eq(other, connection));
        self.settle(state);
    }

    fn answered(&self) {
        self.lock().backoff.succeed();
    }

    fn left(self: Arc<Self>, connection: &Connection, unused: usize) {
        let state = self.lock();
        connection.leave(unused);
        self.settle(state);
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Origin").field(&self.stats()).finish()
    }
}

/// The least loaded connection that has room.
fn pick(state: &State, bytes: usize, avoid: Option<u64>, squeeze: bool) -> Option<Arc<Connection>> {
    state
        .connections
        .iter()
        .filter(|connection| Some(connection.id()) != avoid && connection.has_room(bytes, squeeze))
        .min_by_key(|connection| connection.load())
        .map(Arc::clone)
}

/// One attempt to connect, counted as such until it has ended or was dropped.
struct Attempt {
    origin: Option<Arc<Origin>>,
}

impl Attempt {
    async fn run(mut self) {
        if let Some(origin) = &self.origin {
            let result = connect::open(&origin.settings, &origin.target).await;
            if let Some(origin) = self.origin.take() {
                origin.connected(result);
            }
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(origin) = self.origin.take() {
            origin.connected(Err(HttpError::never(
                HttpErrorKind::Connect,
                "the runtime was shut down",
            )));
        }
    }
}

/// Removes a request from the queue when it is dropped or has its place.
struct Leave<'a> {
    origin: &'a Origin,
    ticket: u64,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.origin.lock().waiting.remove(&self.ticket);
    }
}
