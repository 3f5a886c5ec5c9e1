//! Receipts that a simulator owes to the URL that its user configured.
use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{Request, Response};
use push_http::HttpClient;
use serde_json::Value;

/// How many receipts wait; the oldest is dropped for the next.
const MAX_DUE: usize = 100_000;

/// Receipts that wait to be posted, oldest first.
#[derive(Default)]
pub struct Receipts(Mutex<VecDeque<Value>>);

/// The outcome of posting receipts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Posted {
    /// Requests that were accepted.
    pub requests: usize,
    /// Receipts in them.
    pub taken: usize,
    /// Receipts that still wait.
    pub due: usize,
}

impl Receipts {
    /// Adds a receipt.
    pub fn owe(&self, receipt: Value) {
        let mut due = self.lock();
        if due.len() == MAX_DUE {
            due.pop_front();
        }
        due.push_back(receipt);
    }

    /// Posts the receipts that wait, at most `batch` in a request, until one request fails. What is not accepted waits on.
    ///
    /// `request` makes the request of a batch, whose number counts from 0; `accepted` says whether the answer takes it.
    pub async fn post(
        &self,
        client: &dyn HttpClient,
        batch: usize,
        request: impl Fn(usize, Vec<Value>) -> Option<Request<Bytes>>,
        accepted: impl Fn(&Response<Bytes>) -> bool,
    ) -> Posted {
        let mut posted = Posted::default();
        loop {
            let some: Vec<Value> = {
                let mut due = self.lock();
                let count = batch.min(due.len());
                due.drain(..count).collect()
            };
            if some.is_empty() {
                break;
            }
            let taken = match request(posted.requests, some.clone()) {
                None => false,
                Some(request) => client
                    .send(request)
                    .await
                    .is_ok_and(|response| accepted(&response)),
            };
            if !taken {
                let mut due = self.lock();
                for receipt in some.into_iter().rev() {
                    due.push_front(receipt);
                }
                break;
            }
            posted.requests += 1;
            posted.taken += some.len();
        }
        posted.due = self.lock().len();
        posted
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Receipts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receipts({} due)", self.lock().len())
    }
}
