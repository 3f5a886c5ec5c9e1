//! One connection as the pool and its requests see it.
use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use crate::{error::HttpError, http1, http2, pool::Origin, wire::Wire};

/// What is known of a connection, and the way to put requests on it. Its driver owns the transport.
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

/// What hands requests to the driver. Gone once the connection takes no more.
pub(crate) enum Link {
    H2(Mutex<Option<http2::Sender>>),
    H1(Mutex<Option<http1::Sender>>),
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

    /// Tells the connections of one pool apart.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn wire(&self) -> &Arc<Wire> {
        &self.wire
    }

    pub(crate) fn is_h2(&self) -> bool {
        matches!(self.link, Link::H2(_))
    }

    /// How many requests are on it.
    pub(crate) fn load(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// How many requests it was ever given.
    pub(crate) fn leases(&self) -> u64 {
        self.leases.load(Ordering::Acquire)
    }

    /// Puts a request with `promised` bytes of body on it. The pool's lock must be held.
    pub(crate) fn enter(&self, promised: usize) {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        self.leases.fetch_add(1, Ordering::AcqRel);
        self.wire.promise(promised);
    }

    /// Takes a request off it, of whose promised bytes `promised` were not used. The pool's lock must be held.
    pub(crate) fn leave(&self, promised: usize) {
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
        self.wire.take_back(promised);
        if let Link::H1(sender) = &self.link
            && lock(sender).is_none()
        {
            // Its exchange was given up in the middle, so the connection cannot be used again.
            self.retire();
        }
    }

    /// How many answers it ever brought.
    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Acquire)
    }

    /// Counts an answer. True for the first.
    pub(crate) fn answered(&self) -> bool {
        self.answers.fetch_add(1, Ordering::AcqRel) == 0
    }

    pub(crate) fn h2_sender(&self) -> Option<http2::Sender> {
        match &self.link {
            Link::H2(sender) => lock(sender).clone(),
            Link::H1(_) => None,
        }
    }

    pub(crate) fn take_h1_sender(&self) -> Option<http1::Sender> {
        match &self.link {
            Link::H1(sender) => lock(sender).take(),
            Link::H2(_) => None,
        }
    }

    /// Puts the sender back for the next request, unless the connection has been retired meanwhile.
    pub(crate) fn give_h1_sender(&self, sender: http1::Sender) {
        if let Link::H1(slot) = &self.link {
            let mut slot = lock(slot);
            if !self.is_retired() {
                *slot = Some(sender);
            }
        }
    }

    /// Takes no more requests. What is on it goes on; then it closes.
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

    /// It is over, because of `cause`: leaves the pool, and what is on it fails.
    pub(crate) fn bury(self: &Arc<Self>, origin: &Arc<Origin>, cause: HttpError) {
        if self.cause.set(cause).is_err() {
            return;
        }
        self.wire.close();
        self.retire();
        origin.lost(self);
    }

    /// Why it ended, once it has.
    pub(crate) fn cause(&self) -> Option<&HttpError> {
        self.cause.get()
    }

    /// True once: when its end is to be held for or against its peer.
    pub(crate) fn judge(&self) -> bool {
        !self.judged.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn is_usable(&self) -> bool {
        !self.is_retired() && !self.wire.is_ending()
    }

    /// How many requests it may have on it.
    pub(crate) fn limit(&self) -> usize {
        match self.link {
            Link::H1(_) => 1,
            Link::H2(_) => self
                .max_streams
                .min(usize::try_from(self.wire.stream_limit()).unwrap_or(usize::MAX)),
        }
    }

    /// Whether a request with `bytes` of body has room. A body larger than what is left of the window goes only where
    /// nothing else waits for that window, and only if `squeeze`: it will be sent in parts, as the peer makes room.
    pub(crate) fn has_room(&self, bytes: usize, squeeze: bool) -> bool {
        if !self.is_usable() || self.load() >= self.limit() {
            return false;
        }
        let room = self.wire.room();
        !self.is_h2()
            || i64::try_from(bytes).is_ok_and(|it| it <= room)
            || (squeeze && room > 0 && self.wire.nothing_promised())
    }

    /// Whether it is about to show what it can take: APNs allows one stream until it has answered the first request.
    pub(crate) fn is_warming_up(&self) -> bool {
        self.is_h2()
            && self.is_usable()
            && self.answers() == 0
            && self.limit() <= 1
            && self.load() > 0
            && !self.warm.load(Ordering::Acquire)
    }

    /// It has had time enough.
    pub(crate) fn stop_warming_up(&self) {
        self.warm.store(true, Ordering::Release);
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
