//! Receipts that OPPO owes, each to the address in its message.
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use push_testkit::simulator::Receipts;
use serde_json::Value;

type ByUrl = BTreeMap<String, Arc<Receipts>>;

/// Receipts that wait to be posted.
#[derive(Debug, Default)]
pub(super) struct Owed(Mutex<ByUrl>);

impl Owed {
    /// Adds a receipt, if the message named an address.
    pub(super) fn owe(&self, url: &str, receipt: Value) {
        if !url.is_empty() {
            self.lock().entry(url.to_owned()).or_default().owe(receipt);
        }
    }

    /// The receipts of each address.
    pub(super) fn all(&self) -> ByUrl {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, ByUrl> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
