//! The layer keeps the contracts of what it is put around, also where it postpones most of what it is given.
use std::sync::Arc;

use push_core::{BuildContext, Layer};
use push_layer_rate_limited::{RateLimited, RateLimitedConfig};
use push_queue_memory::MemoryQueue;
use push_store_memory::MemoryStore;
use push_testkit::Place;

fn limited(context: &BuildContext, per_second: u32) -> Arc<dyn Layer> {
    let config = RateLimitedConfig::new(per_second);
    let layer = RateLimited::new(config, Arc::clone(&context.clock));
    Arc::new(layer.expect("the configuration works"))
}

push_testkit::layer_conformance! {
    layer: |context: &BuildContext| limited(context, 100_000),
    store: |place: &Place| Arc::new(MemoryStore::new(Default::default(), &place.context())),
    queue: |place: &Place| Arc::new(MemoryQueue::new(Default::default(), &place.context())),
}

mod almost_closed {
    use super::*;

    push_testkit::layer_conformance! {
        layer: |context: &BuildContext| limited(context, 3),
    }
}
