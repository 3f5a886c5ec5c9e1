//! The layer keeps the contracts of what it is put around.
use std::sync::Arc;

use push_core::{BuildContext, Layer};
use push_layer_traced::{Traced, TracedConfig};
use push_queue_memory::MemoryQueue;
use push_store_memory::MemoryStore;
use push_testkit::Place;

fn traced(context: &BuildContext) -> Arc<dyn Layer> {
    let traced = Traced::new(TracedConfig::default(), Arc::clone(&context.clock));
    Arc::new(traced.expect("the defaults work"))
}

push_testkit::layer_conformance! {
    layer: traced,
    store: |place: &Place| Arc::new(MemoryStore::new(Default::default(), &place.context())),
    queue: |place: &Place| Arc::new(MemoryQueue::new(Default::default(), &place.context())),
}
