//! One connection as the pool and its requests see it, and a request's place on it.
use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use bytes::Bytes;
use http_body_util::Full;

use crate::{
    error::HttpError,
    wire::{Body, Wire},
};

/// A peer that allows fewer streams than this on a connection is connected to slowly.
const FEW_STREAMS: usize = 8;
/// Round trips that such a connection completes before the next one is opened.
const WARM_UP_ANSWERS: u64 = 4;

/// What a connection reports to, once it belongs to a pool.
pub(crate) trait Owner: Send + Sync {
    /// Something happened that may add or remove room for requests.
    fn changed(self: Arc<Self>);
    /// The peer takes no more requests on `connection`.
    fn going_away(self: Arc<Self>, connection: &Connection);
    /// `connection` has ended.
    fn ended(self: Arc<Self>, connection: &Arc<Connection>);
    /// A connection brought its first response.
    fn answered(&self);
    /// A request leaves `connection`, and did not use `unused` of the bytes reserved for it.
    fn left(self: Arc<Self>, connection: &Connection, unused: usize);
}

/// The state of a connection, and the way to put requests on it. Its driver owns the transport.
pub(crate) struct Connection {
    id: u64,
    wire: Arc<Wire>,
    link: Link,
    max_streams: usize,
    /// Written only with the pool's lock held.
    in_flight: AtomicUsize,
    leases: AtomicU64,
    answers: AtomicU64,
    warm: AtomicBool,
    retired: AtomicBool,
    judged: AtomicBool,
    cause: OnceLock<HttpError>,
}

pub(crate) type H2Sender = h2::client::SendRequest<Body>;
pub(crate) type H1Sender = hyper::client::conn::http1::SendRequest<Full<Bytes>>;

/// What hands requests to the driver. Empty once the connection takes no more.
pub(crate) enum Link {
    H2(Mutex<Option<H2Sender>>),
    H1(Mutex<Option<H1Sender>>),
}

impl Connection {
    pub(crate) fn new(id: u64, wire: Arc<Wire>, link: Link, max_streams: u32) -> Arc<Self> {
        Arc::new(Self {
            id,
            wire,
            link,
            max_streams: usize::try_from(max_streams).unwrap_or(usize::MAX),
            in_flight: AtomicUsize::new(0),
            leases: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            warm: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            judged: AtomicBool::new(false),
            cause: OnceLock::new(),
        })
    }

    /// Distinguishes the connections of one pool.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn wire(&self) -> &Arc<Wire> {
        &self.wire
    }

    pub(crate) fn is_h2(&self) -> bool {
        matches!(self.link, Link::H2(_))
    }

    /// Number of requests on it.
    pub(crate) fn load(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Number of requests that it was ever given.
    pub(crate) fn leases(&self) -> u64 {
        self.leases.load(Ordering::Acquire)
    }

    /// Puts a request with `promised` bytes of body on it. The pool's lock must be held.
    fn enter(&self, promised: usize) {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        self.leases.fetch_add(1, Ordering::AcqRel);
        self.wire.promise(promised);
    }

    /// Takes a request off it that did not use `unused` of its promised bytes. The pool's lock must be held.
    pub(crate) fn leave(&self, unused: usize) {
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
        self.wire.take_back(unused);
        if let Link::H1(sender) = &self.link
            && lock(sender).is_none()
        {
            // Its exchange was dropped half-way, so the connection cannot be used again.
            self.retire();
        }
    }

    /// Number of responses that have begun on it.
    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Acquire)
    }

    pub(crate) fn h2_sender(&self) -> Option<H2Sender> {
        match &self.link {
            Link::H2(sender) => lock(sender).clone(),
            Link::H1(_) => None,
        }
    }

    pub(crate) fn take_h1_sender(&self) -> Option<H1Sender> {
        match &self.link {
            Link::H1(sender) => lock(sender).take(),
            Link::H2(_) => None,
        }
    }

    /// Puts the sender back for the next request, unless the connection was retired meanwhile.
    pub(crate) fn give_h1_sender(&self, sender: H1Sender) {
        if let Link::H1(slot) = &self.link {
            let mut slot = lock(slot);
            if !self.is_retired() {
                *slot = Some(sender);
            }
        }
    }

    /// Takes no more requests. It closes when those on it have finished.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        match &self.link {
            Link::H2(sender) => drop(lock(sender).take()),
            Link::H1(sender) => drop(lock(sender).take()),
        }
    }

    fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    /// Ends the connection because of `cause`: its requests fail, and it leaves the pool.
    pub(crate) fn end(self: &Arc<Self>, owner: &Arc<dyn Owner>, cause: HttpError) {
        if self.cause.set(cause).is_err() {
            return;
        }
        self.wire.close();
        self.retire();
        Arc::clone(owner).ended(self);
    }

    /// Why it ended, once it has.
    pub(crate) fn cause(&self) -> Option<&HttpError> {
        self.cause.get()
    }

    /// Returns `true` once: the end of a connection counts as a failure of its peer at most once.
    pub(crate) fn judge(&self) -> bool {
        !self.judged.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn is_usable(&self) -> bool {
        !self.is_retired() && !self.wire.is_ending()
    }

    /// Number of requests that it may have on it.
    pub(crate) fn limit(&self) -> usize {
        match self.link {
            Link::H1(_) => 1,
            Link::H2(_) => self
                .max_streams
                .min(usize::try_from(self.wire.stream_limit()).unwrap_or(usize::MAX)),
        }
    }

    /// Returns `true` if a request with `bytes` of body has room. A body larger than what is left of the window has room
    /// only if `squeeze` and no other body waits for the window: it is sent in parts, as the peer enlarges the window.
    pub(crate) fn has_room(&self, bytes: usize, squeeze: bool) -> bool {
        if !self.is_usable() || self.load() >= self.limit() {
            return false;
        }
        let room = self.wire.room();
        !self.is_h2()
            || i64::try_from(bytes).is_ok_and(|bytes| bytes <= room)
            || (squeeze && room > 0 && self.wire.nothing_promised())
    }

    /// Returns `true` if the peer allows no request on it for now (`SETTINGS_MAX_CONCURRENT_STREAMS` is 0).
    pub(crate) fn is_blocked(&self) -> bool {
        self.is_h2() && self.is_usable() && self.limit() == 0
    }

    /// Returns `true` while it is too early to open another connection beside it. A peer that allows few streams may
    /// allow more after the first responses (APNs: 1 until it has authenticated the client, then 1,000), and a peer
    /// that keeps allowing few streams limits the requests, which more connections would circumvent.
    pub(crate) fn is_warming_up(&self) -> bool {
        self.is_h2()
            && self.is_usable()
            && self.limit() < FEW_STREAMS
            && self.answers() < WARM_UP_ANSWERS
            && self.load() > 0
            && !self.warm.load(Ordering::Acquire)
    }

    /// Returns `true` if the peer allows so few streams that connections are opened one at a time.
    pub(crate) fn has_few_streams(&self) -> bool {
        self.is_h2() && self.limit() < FEW_STREAMS
    }

    /// Ends the warm-up, because it took too long.
    pub(crate) fn stop_warming_up(&self) {
        self.warm.store(true, Ordering::Release);
    }
}

/// A request's place on a connection. Dropping it makes room for the next request.
pub(crate) struct Lease {
    /// `None` once it was undone.
    owner: Option<Arc<dyn Owner>>,
    connection: Arc<Connection>,
    /// Body bytes for which window is reserved and which no body has taken over yet.
    promised: usize,
}

impl Lease {
    /// Reserves a place for a request with `bytes` of body. The pool's lock must be held.
    pub(crate) fn new(owner: Arc<dyn Owner>, connection: Arc<Connection>, bytes: usize) -> Self {
        let promised = if connection.is_h2() { bytes } else { 0 };
        connection.enter(promised);
        Self {
            owner: Some(owner),
            connection,
            promised,
        }
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Records that the response has begun.
    pub(crate) fn answered(&self) {
        let first = self.connection.answers.fetch_add(1, Ordering::AcqRel) == 0;
        if first && let Some(owner) = &self.owner {
            owner.answered();
        }
    }

    /// Returns `true` if the connection has no other request.
    pub(crate) fn is_alone(&self) -> bool {
        self.connection.load() <= 1
    }

    /// The body, to which the reservation of this lease passes.
    pub(crate) fn body(&mut self, bytes: Bytes) -> Body {
        self.promised = self.promised.saturating_sub(bytes.len());
        Body::promised(bytes, Arc::clone(self.connection.wire()))
    }

    /// Gives the place back. The pool's lock must be held.
    pub(crate) fn undo(mut self) {
        self.owner = None;
        self.connection.leave(self.promised);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(owner) = self.owner.take() {
            owner.left(&self.connection, self.promised);
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
