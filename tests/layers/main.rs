//! The layers that are shipped keep the contracts of what they are put around, one in the other, and the program builds them.
#![allow(
    dead_code,
    reason = "the sample provider can be broken, and here it is not"
)]

#[path = "../../push-testkit/tests/conformance_has_teeth/access.rs"]
mod access;
#[path = "../../push-testkit/tests/conformance_has_teeth/classify.rs"]
mod classify;
#[path = "../../push-testkit/tests/conformance_has_teeth/config.rs"]
mod config;
#[path = "../../push-testkit/tests/conformance_has_teeth/fault.rs"]
mod fault;
#[path = "../../push-testkit/tests/conformance_has_teeth/provider.rs"]
mod provider;
#[path = "../../push-testkit/tests/conformance_has_teeth/render.rs"]
mod render;
#[path = "../../push-testkit/tests/conformance_has_teeth/vendor.rs"]
mod vendor;

use std::sync::Arc;

use push_core::{
    BuildContext, CredentialRef, DynProvider, Layer, LayerKind, Layers, Queue, RawConfig, Store,
};
use push_store_sqlite::{SqliteStore, SqliteStoreConfig};
use push_testkit::{Place, conformance::Vendor, json};

use self::{
    provider::{Acme, PLUGIN},
    vendor::{coded, granted},
};

/// What the list of faults of the sample provider is made of.
pub(crate) type Case = fn(&Vendor);

/// Both layers, as a configuration would build them: the limit does not postpone anything.
#[derive(Debug)]
struct Both(Layers);

fn both(context: &BuildContext) -> Arc<dyn Layer> {
    let registry = offline_push::registry().expect("the features are linked");
    let layer = |name: &str, config: serde_json::Value| {
        let raw = RawConfig::from_json(&config).expect("a table");
        registry
            .build::<LayerKind>(name, raw, context)
            .expect("the configuration works")
    };
    let layers = Layers::new()
        .with(layer("traced", json!({})))
        .with(layer("rate-limited", json!({"per_second": 100_000})));
    Arc::new(Both(layers))
}

impl Layer for Both {
    fn provider(&self, inner: DynProvider, credential: &CredentialRef) -> DynProvider {
        self.0.provider(inner, credential)
    }
    fn store(&self, inner: Arc<dyn Store>) -> Arc<dyn Store> {
        self.0.store(inner)
    }
    fn queue(&self, inner: Arc<dyn Queue>) -> Arc<dyn Queue> {
        self.0.queue(inner)
    }
}

vendor::acme_conformance! {
    layer: both,
}

mod around_sqlite {
    use super::*;

    fn store(place: &Place) -> Arc<dyn Store> {
        let config = SqliteStoreConfig::new(place.path("push.db"));
        let store = SqliteStore::new(config, &place.context());
        both(&place.context()).store(Arc::new(store.expect("the configuration works")))
    }

    push_testkit::store_conformance!(store);
}
