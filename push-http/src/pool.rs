//! The connections to one origin, and who may use which of them when.
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use push_core::Sleep;
use tokio::{runtime::Handle, sync::oneshot};

use crate::{
    connect::{self, Ready, Settings, Target},
    connection::{Connection, Link, lock},
    error::{HttpError, HttpErrorKind},
    http1, http2,
    wire::Body,
};

/// After the first failed connection attempt nobody tries for this long; it doubles with each further one in a row.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(10);
/// How many streams a connection is reckoned to take before any is open and says so itself.
const USUAL_STREAM_LIMIT: usize = 100;
/// The connection window that every peer starts with (RFC 9113 §6.9.2), in bytes.
const USUAL_WINDOW: usize = 65_535;

/// What one origin's pool is doing at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OriginStats {
    /// Scheme, host and port.
    pub origin: String,
    /// Connections that take requests.
    pub connections: usize,
    /// Connections that only finish what is on them: after a GOAWAY, or retired by us.
    pub draining: usize,
    /// Connections being made.
    pub connecting: usize,
    /// Connections made since the pool began.
    pub opened: u64,
    /// Requests on connections.
    pub in_flight: usize,
    /// Requests that wait for room.
    pub waiting: usize,
    /// The smallest stream limit that a peer has in force on a connection that takes requests, if it has any.
    pub stream_limit: Option<u32>,
}

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
    /// Connection attempts in a row that failed, and connections that ended without one answer.
    failures: u32,
    backoff: Option<Backoff>,
    /// The client is gone: what connects now is not wanted any more.
    closed: bool,
    runtime: Option<Handle>,
}

struct Waiting {
    bytes: usize,
    avoid: Option<u64>,
    give: oneshot::Sender<Result<Lease, HttpError>>,
}

struct Backoff {
    over: Sleep,
    error: HttpError,
}

impl State {
    fn usable(&self) -> impl Iterator<Item = &Arc<Connection>> {
        self.connections.iter().filter(|it| it.is_usable())
    }

    fn backing_off(&mut self) -> Option<&HttpError> {
        // Nobody is woken when it ends: whoever needs a connection next looks.
        let backoff = self.backoff.as_mut()?;
        match (&mut backoff.over).now_or_never() {
            Some(()) => {
                self.backoff = None;
                None
            }
            None => self.backoff.as_ref().map(|it| &it.error),
        }
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
    /// Busy if too many wait, or whatever kept a connection from being made. Never anything after which the request may
    /// have been seen by anybody.
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
                    format!("{} requests wait already", state.waiting.len()),
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
        let promised = if connection.is_h2() { bytes } else { 0 };
        connection.enter(promised);
        Lease {
            origin: Some(Arc::clone(self)),
            connection,
            promised,
        }
    }

    /// After a change: gives room to who waits, and opens connections for the rest or fails them if that is no use.
    /// Attempts are spawned without the lock: a runtime that is shutting down drops what it is given at once.
    fn settle(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        self.pump(&mut state);
        let attempts = self.grow(&mut state);
        if state.connecting == 0
            && state.usable().next().is_none()
            && let Some(error) = state.backing_off().cloned()
        {
            for (_, waiting) in std::mem::take(&mut state.waiting) {
                // Who is gone needs no answer.
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

    /// Gives what room there is to who waits, in order.
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
            let lease = self.grant(connection, bytes);
            if let Err(Ok(lease)) = first.give.send(Ok(lease)) {
                // Gone in the meantime. Our lock is held, so the lease must not come back through its destructor.
                lease.undo();
            }
        }
    }

    fn may_grow(&self, state: &mut State) -> bool {
        state.usable().count() + state.connecting < self.settings.config.max_connections
            && state.backing_off().is_none()
            && !state.closed
    }

    /// Counts as many new connections as those who wait need: never more than there are already, so that the number
    /// doubles per round trip, and none while one connection is still finding out what the peer allows.
    fn grow(&self, state: &mut State) -> usize {
        let Some(bytes) = state.waiting.values().next().map(|it| it.bytes) else {
            return 0;
        };
        if !self.may_grow(state) || state.usable().any(|it| it.is_warming_up()) {
            return 0;
        }
        let usable = state.usable().count();
        let streams = state
            .usable()
            .map(|it| it.limit())
            .max()
            .unwrap_or(USUAL_STREAM_LIMIT);
        let each = streams.min(USUAL_WINDOW / bytes.max(1)).max(1);
        let wanted = state.waiting.len().div_ceil(each);
        let spare = self.settings.config.max_connections - usable;
        let goal = wanted.min(usable.max(1)).min(spare);
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
                let (connection, it) = self.set_up(state.opened, ready);
                state.connections.push(connection);
                driver = Some(it);
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
        let max_streams = self.settings.config.max_streams;
        let origin = Arc::clone(self);
        match ready {
            Ready::H2(ready) => {
                let link = Link::H2(Mutex::new(Some(ready.sender)));
                let it = Connection::new(id, ready.wire, link, max_streams);
                let driver =
                    http2::Driver::new(ready.connection, Arc::clone(&it), origin, &self.settings);
                (it, Driver::H2(Box::new(driver)))
            }
            Ready::H1(ready) => {
                let link = Link::H1(Mutex::new(Some(ready.sender)));
                let it = Connection::new(id, ready.wire, link, max_streams);
                let driver =
                    http1::Driver::new(ready.connection, Arc::clone(&it), origin, &self.settings);
                (it, Driver::H1(Box::new(driver)))
            }
        }
    }

    /// Counts a failure, and lets nobody connect for a while if there were more than `free` in a row.
    fn back_off(&self, state: &mut State, free: u32, error: HttpError) {
        let error = error.at(&self.target);
        tracing::debug!(origin = %self.target, %error, "connection failed");
        let doublings = state.failures.saturating_sub(free);
        state.failures = state.failures.saturating_add(1);
        if state.failures > free {
            let length = FIRST_BACKOFF
                .saturating_mul(1 << doublings.min(16))
                .min(MAX_BACKOFF);
            state.backoff = Some(Backoff {
                over: self.settings.clock.sleep(length),
                error,
            });
        }
    }

    /// `connection` has ended, or will. If it never answered anything, that counts like a connection that failed, or a
    /// peer that accepts and closes would be connected to as often as there are requests. One such end is free: the peer
    /// may just have been restarted.
    fn judge(&self, state: &mut State, connection: &Connection) {
        if !connection.judge() {
            return;
        }
        if connection.answers() == 0 && connection.leases() > 0 {
            let error = HttpError::never(
                HttpErrorKind::Connect,
                "connections end before they bring an answer, so none is opened for a moment",
            )
            .with_go_away(connection.wire().go_away())
            .advise("look up what the peer says of it; send again later");
            self.back_off(state, 1, error);
        }
    }

    /// The peer wants no more requests on `connection`.
    pub(crate) fn going_away(self: &Arc<Self>, connection: &Connection) {
        connection.retire();
        let mut state = self.lock();
        // A graceful end still answers what it took (RFC 9113 §6.8); whether it did is known when the connection is over.
        let is_graceful = connection
            .wire()
            .go_away()
            .is_some_and(|it| it.code() == 0 && it.last_stream() > 0);
        if !is_graceful {
            self.judge(&mut state, connection);
        }
        self.settle(state);
    }

    /// Something happened on a connection that may make or take room.
    pub(crate) fn changed(self: &Arc<Self>) {
        self.settle(self.lock());
    }

    /// `connection` is over.
    pub(crate) fn lost(self: &Arc<Self>, connection: &Arc<Connection>) {
        tracing::debug!(origin = %self.target, "connection closed");
        let mut state = self.lock();
        self.judge(&mut state, connection);
        state.connections.retain(|it| !Arc::ptr_eq(it, connection));
        self.settle(state);
    }

    /// Lets every connection finish what is on it and take nothing more; the next request opens a new one.
    pub(crate) fn retire(&self) {
        for connection in &self.lock().connections {
            connection.retire();
        }
    }

    /// The client is gone.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.retire();
    }

    /// Whether forgetting this pool would lose nothing.
    pub(crate) fn is_unused(&self) -> bool {
        let state = self.lock();
        state.connections.is_empty() && state.connecting == 0 && state.waiting.is_empty()
    }

    pub(crate) fn stats(&self) -> OriginStats {
        let state = self.lock();
        let connections = state.usable().count();
        OriginStats {
            origin: self.target.to_string(),
            connections,
            draining: state.connections.len() - connections,
            connecting: state.connecting,
            opened: state.opened,
            in_flight: state.connections.iter().map(|it| it.load()).sum(),
            waiting: state
                .waiting
                .values()
                .filter(|it| !it.give.is_closed())
                .count(),
            stream_limit: state
                .usable()
                .filter(|it| it.is_h2())
                .map(|it| it.wire().stream_limit())
                .min()
                .filter(|it| *it != u32::MAX),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Origin").field(&self.stats()).finish()
    }
}

/// The connection with room that is the least loaded.
fn pick(state: &State, bytes: usize, avoid: Option<u64>, squeeze: bool) -> Option<Arc<Connection>> {
    state
        .connections
        .iter()
        .filter(|it| Some(it.id()) != avoid && it.has_room(bytes, squeeze))
        .min_by_key(|it| it.load())
        .map(Arc::clone)
}

/// One attempt to connect, counted until it ends in whatever way.
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

/// Leaves the queue when its request is dropped or served.
struct Leave<'a> {
    origin: &'a Origin,
    ticket: u64,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.origin.lock().waiting.remove(&self.ticket);
    }
}

/// A place on a connection. Dropping it makes room for the next request.
pub(crate) struct Lease {
    /// `None` once it was undone.
    origin: Option<Arc<Origin>>,
    connection: Arc<Connection>,
    /// Body bytes for which window is set aside and which nobody has taken yet.
    promised: usize,
}

impl Lease {
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// The peer has begun to answer.
    pub(crate) fn answered(&self) {
        if self.connection.answered()
            && let Some(origin) = &self.origin
        {
            origin.lock().failures = 0;
        }
    }

    /// Whether the connection was idle before.
    pub(crate) fn is_alone(&self) -> bool {
        self.connection.load() <= 1
    }

    /// The body, carrying the promise of this lease with it.
    pub(crate) fn body(&mut self, bytes: Bytes) -> Body {
        self.promised = self.promised.saturating_sub(bytes.len());
        Body::promised(bytes, Arc::clone(self.connection.wire()))
    }

    /// Gives the place back. The pool's lock must be held.
    fn undo(mut self) {
        self.origin = None;
        self.connection.leave(self.promised);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(origin) = self.origin.take() {
            let state = origin.lock();
            self.connection.leave(self.promised);
            origin.settle(state);
        }
    }
}
