//! What a registry says about a name that it does not know: the advice mends the mistake, and promises no feature, crate or
//! program that does not exist.
use std::sync::Arc;

use push_core::{
    BuildContext, Catalog, Describe, Descriptor, ErrorKind, Ingress, IngressKind, ManualClock,
    Plugin, Queue, QueueKind, RawConfig, Registry, Result, Store, StoreKind, Timestamp,
};

const PLUGINS: &[(&str, &str)] = &[
    ("ingress/acme", "ingress-acme"),
    ("provider/sample", "provider-sample"),
    ("provider/sample-b2", "provider-sample-b2"),
    ("provider/zed", "provider-zed"),
    ("provider/hooli", "provider-hooli"),
    ("queue/memory", "queue-memory"),
    ("queue/sqlite", "queue-sqlite"),
    ("store/memory", "store-memory"),
    ("store/sqlite", "store-sqlite"),
];

const CATALOG: Catalog = Catalog::new("offline-push", "0.1", PLUGINS);

#[derive(Debug, serde::Deserialize, Describe)]
#[serde(deny_unknown_fields)]
struct Empty {}

macro_rules! plugin {
    ($type:ident, $descriptor:ident, $kind:ty, $object:ty, $name:literal) => {
        struct $type;
        impl Plugin for $type {
            type Kind = $kind;
            type Config = Empty;
            const NAME: &'static str = $name;
            fn build(_: Empty, _: &BuildContext) -> Result<$object> {
                Err(push_core::Error::new(
                    ErrorKind::Unsupported,
                    "only its name is of interest",
                ))
            }
        }
        static $descriptor: Descriptor<$kind> = Descriptor::of::<$type>();
    };
}

plugin!(
    MemoryStore,
    MEMORY_STORE,
    StoreKind,
    Arc<dyn Store>,
    "memory"
);
plugin!(
    MemoryQueue,
    MEMORY_QUEUE,
    QueueKind,
    Arc<dyn Queue>,
    "memory"
);
plugin!(Own, OWN, IngressKind, Arc<dyn Ingress>, "own-way");

fn registry() -> Registry {
    Registry::new([MEMORY_STORE.any(), MEMORY_QUEUE.any(), OWN.any()])
        .expect("different names")
        .with_catalog(CATALOG)
}

fn advice(registry: &Registry, kind: &str, name: &str) -> String {
    let error = registry.find(kind, name).expect_err("no such plugin");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    error.advice().expect("every such error advises").to_owned()
}

const CRATE: &str = "add the crate that has it to the dependencies, and write `use that_crate as _;` in the program, so \
                     that the linker keeps it";

/// Near misses, with what the advice is expected to name: a plugin, or with `+` a plugin whose feature is missing.
const NEAR_MISSES: &[(&str, &str, &str)] = &[
    ("store", "memroy", "memory"),
    ("store", "memor", "memory"),
    ("store", "Memory", "memory"),
    ("store", "memory ", "memory"),
    ("store", "in-memory", ""),
    ("store", "store-memory", "memory"),
    ("store", "store/memory", "memory"),
    ("store", "push-store-memory", "memory"),
    ("store", "push_store_memory", "memory"),
    ("store", "sqlit", "+sqlite"),
    ("store", "sqlite3", "+sqlite"),
    ("store", "SQLite", "+sqlite"),
    ("store", "slqite", "+sqlite"),
    ("store", "redis", ""),
    ("queue", "memry", "memory"),
    ("queue", "queue-sqlite", "+sqlite"),
    ("provider", "sampl", "+sample"),
    ("provider", "SamPLE", "+sample"),
    ("provider", "sample2", "+sample"),
    ("provider", "sample_b2", "+sample-b2"),
    ("provider", "provider-sampl", "+sample"),
    ("provider", "zde", "+zed"),
    ("provider", "hoolii", "+hooli"),
    ("provider", "acme", ""),
    ("provider", "tencent-im", ""),
    ("provider", "", ""),
    ("login", "auto", ""),
    ("ingress", "ownway", "own-way"),
    ("ingress", "own_way", "own-way"),
    ("ingress", "acmee", "+acme"),
];

#[test]
fn the_nearest_name_comes_first_and_a_feature_only_if_it_exists() {
    let registry = registry();
    for (kind, name, near) in NEAR_MISSES {
        let advice = advice(&registry, kind, name);
        let expected = match near.strip_prefix('+') {
            None if near.is_empty() => CRATE.to_owned(),
            None => format!("did you mean `{near}`?"),
            Some(near) => format!(
                "did you mean `{near}`? To have it, add its feature to the dependency: offline-push = {{ version = \
                 \"0.1\", features = [\"{kind}-{near}\"] }}"
            ),
        };
        assert_eq!(advice, expected, "{kind}/{name}");
    }
}

#[test]
fn no_advice_names_a_feature_that_does_not_exist_or_a_program() {
    let registry = registry();
    for (kind, name, _) in NEAR_MISSES {
        let advice = advice(&registry, kind, name);
        assert!(!advice.contains("--features"), "{advice}");
        assert!(!advice.contains("plugins`"), "{advice}");
        if let Some((_, features)) = advice.split_once("features = [\"") {
            let feature = features.split('"').next().unwrap();
            assert!(
                PLUGINS.iter().any(|(_, known)| *known == feature),
                "{advice}"
            );
        }
    }
}

#[test]
fn library_users_get_the_dependency_line_and_program_users_the_option() {
    let error = registry().find("provider", "hooli").unwrap_err();
    assert_eq!(
        error.to_string(),
        "no provider `hooli` in this build; compiled in: none; add its feature to the dependency: offline-push = { \
         version = \"0.1\", features = [\"provider-hooli\"] }"
    );
    let program = registry().for_program("offline-push");
    assert_eq!(
        advice(&program, "provider", "hooli"),
        "build the program with `--features provider-hooli`"
    );
    assert_eq!(
        advice(&program, "provider", "hoolii"),
        "did you mean `hooli`? To have it, build the program with `--features provider-hooli`"
    );
}

#[test]
fn without_a_catalog_only_linked_names_are_near() {
    let registry = Registry::new([MEMORY_STORE.any()]).unwrap();
    assert_eq!(
        advice(&registry, "store", "memroy"),
        "did you mean `memory`?"
    );
    assert_eq!(advice(&registry, "store", "sqlit"), CRATE);
}

#[test]
fn a_kind_that_does_not_exist_is_not_a_feature() {
    let registry = registry();
    for (kind, expected) in [
        ("sotre", "did you mean `store/memory`?"),
        ("stor", "did you mean `store/memory`?"),
        ("providers", "did you mean `provider/memory`?"),
        ("Queue", "did you mean `queue/memory`?"),
        (
            "cache",
            "the kinds are provider, store, queue, login, ingress, layer",
        ),
    ] {
        assert_eq!(advice(&registry, kind, "memory"), expected);
    }
}

#[test]
fn a_wrong_configuration_names_an_example_that_its_reader_has() {
    let context = BuildContext::new(Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1))));
    let raw = || RawConfig::from_json(&serde_json::json!({"path": "x"})).unwrap();
    let library = registry()
        .build::<StoreKind>("memory", raw(), &context)
        .unwrap_err();
    assert_eq!(
        library.advice(),
        Some("a complete example is `registry.find(\"store\", \"memory\")?.example()`")
    );
    let program = registry()
        .for_program("offline-push")
        .build::<StoreKind>("memory", raw(), &context)
        .unwrap_err();
    assert_eq!(
        program.advice(),
        Some("`offline-push plugins store/memory` prints a complete example")
    );
}
