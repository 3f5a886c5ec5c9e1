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
    registry.with_catalog(Catalog {
        package: "offline-push",
        version: "0.1",
        plugins: KNOWN,
    })
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
    const EXAMPLE: &'static str = "";
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
        "",
    ),
    ("a plugin is misspelt", || find("store", "memroy"), ""),
    (
        "a plugin is misspelt whose feature is not enabled",
        || find("provider", "huwaei"),
        "",
    ),
    ("a feature for a name", || find("store", "store-memory"), ""),
    (
        "a crate for a name",
        || find("provider", "push_provider_fcm"),
        "",
    ),
    ("a name in capitals", || find("provider", "APNs"), ""),
    (
        "a plugin of one's own without `use … as _`",
        || find("provider", "acme"),
        "",
    ),
    ("a kind is misspelt", || find("sotre", "memory"), ""),
    ("a kind that does not exist", || find("cache", "redis"), ""),
    (
        "a user of the program lacks a feature",
        || {
            let registry = registry().for_program("offline-push");
            message(registry.find("provider", "huawei"))
        },
        "",
    ),
    (
        "a user of a program with plugins of its own lacks a feature",
        || {
            let registry = registry().for_dependent_program("acme-push");
            message(registry.find("provider", "huawei"))
        },
        "",
    ),
    (
        "two plugins share a name",
        || {
            message(Registry::new([
                push_store_memory::PLUGIN.any(),
                SECOND.any(),
            ]))
        },
        "",
    ),
    (
        "a feature is enabled and its plugin not linked",
        || message(registry().check(&["store/memory", "store/sqlite"])),
        "",
    ),
];
