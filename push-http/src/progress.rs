//! How far one request has come: read when its deadline passes or its connection fails.
use std::sync::{Arc, Mutex};

use http::response::Parts;

use crate::connection::{Connection, lock};

#[derive(Default)]
pub(crate) struct Progress(Mutex<State>);

#[derive(Default)]
struct State {
    /// The connection that has the request, and the number of responses that had begun on it before.
    placed: Option<(Arc<Connection>, u64)>,
    /// The head of the response, from its arrival until its body is complete.
    head: Option<Parts>,
}

impl Progress {
    /// The request is put on `connection`.
    pub(crate) fn place(&self, connection: &Arc<Connection>) {
        lock(&self.0).placed = Some((Arc::clone(connection), connection.answers()));
    }

    /// The request was certainly not processed and will be put on another connection.
    pub(crate) fn unplace(&self) {
        lock(&self.0).placed = None;
    }

    /// The connection that has the request, and the number of responses that had begun on it before.
    pub(crate) fn placed(&self) -> Option<(Arc<Connection>, u64)> {
        lock(&self.0).placed.clone()
    }

    /// The response has begun.
    pub(crate) fn arrived(&self, head: Parts) {
        lock(&self.0).head = Some(head);
    }

    /// The head of the response, if it has begun.
    pub(crate) fn take_head(&self) -> Option<Parts> {
        lock(&self.0).head.take()
    }
}
