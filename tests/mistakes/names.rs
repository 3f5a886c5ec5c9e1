//! Names of plugins, features and crates.
use offline_push::{
    BuildContext, Catalog, Descriptor, Error, ErrorKind, KNOWN, Plugin, Registry, Result, Store,
    StoreKind, gateway::Gateway,
};
use std::sync::Arc;

use super::{Mistake, message};

/// A stack with the store and queue in memory and the provider `apns`, of which nothing else was enabled.
pub(super) fn registry() -> Registry {
    let plugins = [
        push_store_memory::PLUGIN.any(),
        push_queue_memory::PLUGIN.any(),
        push_provider_apns::PLUGIN.any(),
    ];
    let registry = Registry::new(plugins).expect("different names");
    registry.with_catalog(Catalog::new("offline-push", "0.1", KNOWN))
}

fn find(kind: &str, name: &str) -> String {
    message(registry().find(kind, name))
}

/// A store of one's own with the name of another.
struct Second;

impl Plugin for Second {
    type Kind = StoreKind;
    type Config = push_store_memory::MemoryStoreConfig;
    const NAME: &'static str = "memory";
    fn build(_: Self::Config, _: &BuildContext) -> Result<Arc<dyn Store>> {
        Err(Error::new(ErrorKind::Unsupported, "it is never built"))
    }
}

static SECOND: Descriptor<StoreKind> = Descriptor::of::<Second>();

pub(super) const MISTAKES: &[Mistake] = &[
    (
        "a feature is not enabled",
        || {
            message(
                Gateway::builder()
                    .registry(registry())
                    .store("sqlite")
                    .build(),
            )
        },
        "no store `sqlite` in this build; compiled in: memory; add its feature to the dependency: offline-push = { version = \"0.1\", features = [\"store-sqlite\"] }",
    ),
    (
        "a plugin is misspelt",
        || find("store", "memroy"),
        "no store `memroy` in this build; compiled in: memory; did you mean `memory`?",
    ),
    (
        "a plugin is misspelt whose feature is not enabled",
        || find("provider", "huwaei"),
        "no provider `huwaei` in this build; compiled in: apns; did you mean `huawei`? To have it, add its feature to the dependency: offline-push = { version = \"0.1\", features = [\"provider-huawei\"] }",
    ),
    (
        "a feature for a name",
        || find("store", "store-memory"),
        "no store `store-memory` in this build; compiled in: memory; did you mean `memory`?",
    ),
    (
        "a crate for a name",
        || find("provider", "push_provider_fcm"),
        "no provider `push_provider_fcm` in this build; compiled in: apns; did you mean `fcm`? To have it, add its feature to the dependency: offline-push = { version = \"0.1\", features = [\"provider-fcm\"] }",
    ),
    (
        "a name in capitals",
        || find("provider", "APNs"),
        "no provider `APNs` in this build; compiled in: apns; did you mean `apns`?",
    ),
    (
        "a plugin of one's own without `use … as _`",
        || find("provider", "acme"),
        "no provider `acme` in this build; compiled in: apns; add the crate that has it to the dependencies, and write `use that_crate as _;` in the program, so that the linker keeps it",
    ),
    (
        "a kind is misspelt",
        || find("sotre", "memory"),
        "plugins of kind `sotre` do not exist; did you mean `store/memory`?",
    ),
    (
        "a kind that does not exist",
        || find("cache", "redis"),
        "plugins of kind `cache` do not exist; the kinds are provider, store, queue, login, ingress, layer",
    ),
    (
        "a user of the program lacks a feature",
        || {
            let registry = registry().for_program("offline-push");
            message(registry.find("provider", "huawei"))
        },
        "no provider `huawei` in this build; compiled in: apns; build the program with `--features provider-huawei`",
    ),
    (
        "a user of a program with plugins of its own lacks a feature",
        || {
            let registry = registry().for_dependent_program("acme-push");
            message(registry.find("provider", "huawei"))
        },
        "no provider `huawei` in this build; compiled in: apns; add its feature to the dependency: offline-push = { version = \"0.1\", features = [\"provider-huawei\"] }",
    ),
    (
        "two plugins share a name",
        || {
            message(Registry::new([
                push_store_memory::PLUGIN.any(),
                SECOND.any(),
            ]))
        },
        "two different plugins share a name: store/memory (at plugins/store-memory/src/lib.rs:LINE and at tests/mistakes/names.rs:LINE); rename one of them, or do not link its crate",
    ),
    (
        "a feature is enabled and its plugin not linked",
        || message(registry().check(&["store/memory", "store/sqlite"])),
        "enabled by a feature but not linked: store/sqlite; linked are: provider/apns, queue/memory, store/memory; in the repository of the package whose features these are, run `cargo xtask tidy --fix` and build again; elsewhere, report it there",
    ),
];
