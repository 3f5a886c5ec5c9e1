//! The store in memory keeps the contract of stores.
use std::sync::Arc;

use push_store_memory::{MemoryStore, MemoryStoreConfig};
use push_testkit::Place;

push_testkit::store_conformance!(|place: &Place| Arc::new(MemoryStore::new(
    MemoryStoreConfig::default(),
    &place.context()
)));
