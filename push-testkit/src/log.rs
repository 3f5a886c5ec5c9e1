//! What a server was asked.
use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri};
use serde_json::Value;
use tokio::sync::watch;

use crate::listener::Peer;

/// The last requests of a server, and how many there were. Clones share the same log.
#[derive(Clone)]
pub struct Log {
    capacity: usize,
    kept: Arc<Mutex<VecDeque<Recorded>>>,
    total: Arc<watch::Sender<u64>>,
}

/// One request. `Debug` shows method, path and size only.
#[derive(Clone)]
#[non_exhaustive]
pub struct Recorded {
    /// The method.
    pub method: Method,
    /// The target; over HTTP/2 with scheme and authority.
    pub uri: Uri,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The connection it came on, from 1; 0 if unknown.
    pub connection: u64,
}

impl Log {
    /// An empty log that keeps the last `capacity` requests and counts all.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            kept: Arc::default(),
            total: Arc::new(watch::Sender::new(0)),
        }
    }

    /// Adds a request.
    pub fn add(&self, request: &Request<Bytes>) {
        if self.capacity > 0 {
            let mut kept = self.lock();
            if kept.len() == self.capacity {
                kept.pop_front();
            }
            kept.push_back(Recorded {
                method: request.method().clone(),
                uri: request.uri().clone(),
                headers: request.headers().clone(),
                body: request.body().clone(),
                connection: request
                    .extensions()
                    .get::<Peer>()
                    .map_or(0, |it| it.connection),
            });
        }
        self.total.send_modify(|it| *it += 1);
    }

    /// How many requests there were since the start.
    pub fn total(&self) -> u64 {
        *self.total.borrow()
    }

    /// The requests that are kept, oldest first.
    pub fn requests(&self) -> Vec<Recorded> {
        self.lock().iter().cloned().collect()
    }

    /// Those to this path.
    pub fn to(&self, path: &str) -> Vec<Recorded> {
        let mut requests = self.requests();
        requests.retain(|it| it.uri.path() == path);
        requests
    }

    /// Completes when there were at least `count` requests since the start.
    pub async fn wait_for(&self, count: u64) {
        self.total
            .subscribe()
            .wait_for(|it| *it >= count)
            .await
            .map(drop)
            // The sender lives in `self`.
            .unwrap_or(());
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Recorded>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("total", &self.total())
            .finish_non_exhaustive()
    }
}

impl Recorded {
    /// The body as JSON; `null` if it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header, if it is there and text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the path: APNs writes the token into it.
        write!(f, "{} ({} bytes)", self.method, self.body.len())
    }
}
