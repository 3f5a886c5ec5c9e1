//! The store in files keeps the contract of stores.
use std::sync::Arc;

use push_store_sqlite::{SqliteStore, SqliteStoreConfig};
use push_testkit::Place;

push_testkit::store_conformance!(|place: &Place| Arc::new(
    SqliteStore::new(
        SqliteStoreConfig::new(place.path("store.db")),
        &place.context()
    )
    .expect("a right configuration")
));
