//! The queue in memory keeps the contract of queues.
use std::sync::Arc;

use push_queue_memory::{MemoryQueue, MemoryQueueConfig};
use push_testkit::Place;

push_testkit::queue_conformance!(|place: &Place| Arc::new(MemoryQueue::new(
    MemoryQueueConfig::default(),
    &place.context()
)));
