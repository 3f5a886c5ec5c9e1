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

push_testkit::provider_conformance! {
    plugin: Acme,
    descriptor: PLUGIN,
    layer: both,
    config: vendor::config,
    wrong_config: [("app_id", ""), ("endpoint", "ftp://push.acme.example")],
    secrets: [vendor::SECRET, vendor::ACCESS],
    token: "acme-token-000000",
    token_forms: [("ACME-Token-000001", "acme-token-000001")],
    wrong_tokens: ["acme token 000001"],
    shown: vendor::shown,
    overlay: [json!({ "category": "IM" }), json!({ "android": { "light": false, "led": 3 } })],
    protected_fields: [json!({ "topic": "everyone" })],
    ok: coded(200, 0),
    unconfirmed: vendor::unconfirmed(),
    partial: vendor::partial,
    token_dead: [coded(200, 4101), coded(410, 4101)],
    token_unusable: vendor::unusable(),
    target_refused: [coded(400, 4104)],
    credential_refused: [coded(401, 4010)],
    payload_refused: [coded(400, 4003)],
    rate_limited: vendor::limits(),
    retry_after_dates: true,
    unavailable: [coded(503, 5030).header("retry-after", "7"), coded(500, 5000)],
    unknown: vendor::unknown,
    auth: ("/oauth", granted()),
    access_lifetime: vendor::HOUR,
    auth_refused: [vendor::auth_refused()],
    auth_limited: [(429, "retry-after: 9", r#"{"error":"slow_down"}"#)],
    access_expired: coded(401, 4011),
    receipt: vendor::receipts,
    receipt_forged: vendor::forged,
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
