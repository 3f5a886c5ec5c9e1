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
        due.push_back(receipt);
        discard_oldest(&mut due);
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
                // Others may have been added meanwhile.
                discard_oldest(&mut due);
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

fn discard_oldest(due: &mut VecDeque<Value>) {
    while due.len() > MAX_DUE {
        due.pop_front();
    }
}

impl fmt::Debug for Receipts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receipts({} due)", self.lock().len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use push_http::{Client, HttpConfig};

    use super::*;
    use crate::{block_on, sample};

    #[test]
    fn receipts_that_are_owed_during_a_post_that_fails_stay_within_the_limit() {
        block_on(async {
            let clock = Arc::new(sample::clock());
            let client = Client::new(HttpConfig::default(), clock).expect("a client");
            let receipts = Receipts::default();
            for _ in 0..MAX_DUE {
                receipts.owe(Value::Null);
            }
            let not_made = |_, _| {
                receipts.owe(Value::from("new"));
                None
            };
            let posted = receipts.post(&client, 10, not_made, |_| true).await;
            assert_eq!((posted.taken, posted.due), (0, MAX_DUE));
            receipts.owe(Value::from("newest"));
            assert_eq!(receipts.lock().len(), MAX_DUE);
            assert_eq!(receipts.lock().back(), Some(&Value::from("newest")));
        });
    }
}
