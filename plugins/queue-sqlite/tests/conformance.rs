//! The queue in a file keeps the contract of queues.
use std::sync::Arc;

use push_queue_sqlite::{SqliteQueue, SqliteQueueConfig};
use push_testkit::Place;

push_testkit::queue_conformance!(|place: &Place| Arc::new(
    SqliteQueue::new(
        SqliteQueueConfig::new(place.path("queue.db")),
        &place.context()
    )
    .expect("a right configuration")
));
