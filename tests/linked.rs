//! The linker has kept the plugins of the enabled features.
//!
//! A plugin crate that nothing names compiles, and is silently not linked. So `cargo xtask matrix` builds and runs
//! this for every choice of features.

use offline_push::{BUILTIN, EXPECTED, KNOWN, Registry};

fn ids(registry: &Registry) -> Vec<String> {
    registry.iter().map(|it| it.id()).collect()
}

fn expected() -> Vec<&'static str> {
    let mut expected = EXPECTED.to_vec();
    expected.sort_unstable();
    expected
}

#[test]
fn the_registry_holds_what_the_features_promise_and_nothing_else() {
    let registry = offline_push::registry().unwrap();
    let ids = ids(&registry);
    // The matrix compares this number with its own count.
    println!("linked {}: {}", ids.len(), ids.join(", "));
    assert_eq!(ids, expected());
}

#[test]
fn start_up_code_alone_finds_every_plugin() {
    assert_eq!(ids(&Registry::linked(&[]).unwrap()), expected());
}

#[test]
fn the_table_alone_finds_every_plugin_as_a_static_library_needs() {
    assert_eq!(
        ids(&Registry::new(BUILTIN.iter().copied()).unwrap()),
        expected()
    );
}

#[test]
fn a_plugin_that_is_not_linked_is_an_error_that_names_its_feature() {
    let registry = offline_push::registry().unwrap();
    for (id, feature) in KNOWN {
        let (kind, name) = id.split_once('/').unwrap();
        match registry.find(kind, name) {
            Ok(found) => assert_eq!(found.feature(), *feature),
            Err(error) => {
                assert!(!EXPECTED.contains(id), "{error}");
                assert!(error.to_string().contains(feature), "{error}");
            }
        }
    }
}

#[test]
fn every_plugin_of_this_build_is_known_by_its_name_and_feature() {
    for plugin in offline_push::registry().unwrap().iter() {
        let (id, feature) = (plugin.id(), plugin.feature());
        assert!(
            KNOWN.contains(&(&*id, &*feature)),
            "{id} is missing among the known"
        );
    }
}
