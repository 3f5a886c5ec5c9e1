//! The plugin itself: its configuration, its name, what it says it can do.
use std::{sync::Arc, time::Duration};

use config::{File, FileFormat};
use push_core::{BuildContext, ErrorKind, Kind as _, ProviderKind, RawConfig, Registry};
use serde_json::{Value, json};

use crate::conformance::{
    Vendor,
    stage::{build, raw},
};
use crate::{Authority, sample};

/// The example builds. A key that ends in `_file` stands for its content, which comes from the suite's configuration.
pub fn the_example_configuration_is_complete(vendor: &Vendor) {
    let example = vendor.descriptor.example;
    let mut json: Value = config::Config::builder()
        .add_source(File::from_str(example, FileFormat::Toml))
        .build()
        .and_then(config::Config::try_deserialize)
        .expect("the example is TOML");
    let ours = vendor.any_config();
    let table = json.as_object_mut().expect("the example is a table");
    for key in table.keys().cloned().collect::<Vec<_>>() {
        let Some(name) = key.strip_suffix("_file") else {
            continue;
        };
        let content = ours[name].clone();
        assert!(
            !content.is_null(),
            "the example has `{key}`: give `{name}` in the suite's `config`"
        );
        table.remove(&key);
        table.insert(name.to_owned(), content);
    }
    build(vendor, &json, &sample::clock());
}

/// A slip in a key is an error that names the key, not a setting that is silently missing.
pub fn an_unknown_key_is_refused_by_name(vendor: &Vendor) {
    let mut config = vendor.any_config();
    config["no_such_key_at_all"] = json!(1);
    let context = BuildContext::new(Arc::new(sample::clock()));
    let error = vendor
        .descriptor
        .build(raw(&config), &context)
        .expect_err("an unknown key is refused");
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("no_such_key_at_all"), "{error}");
    assert!(
        error.to_string().contains(vendor.descriptor.name),
        "{error}"
    );
    let text = format!("{error} {error:?} {error:#?}");
    for secret in &vendor.secrets {
        assert!(!text.contains(secret.as_str()), "the error shows a secret");
    }
}

/// The linker's list, `PLUGIN` and [`push_core::Plugin::NAME`] speak of the same plugin.
pub fn it_is_registered_under_its_name(vendor: &Vendor) {
    let plugin = vendor.descriptor.any();
    let linked = Registry::linked(&[plugin]).expect("linked and named are one plugin");
    let found = linked.by_id(&plugin.id()).expect("it is in the registry");
    assert_eq!(found.kind(), ProviderKind::LABEL);
    let context = BuildContext::new(Arc::new(sample::clock()));
    let config = vendor.any_config();
    linked
        .build::<ProviderKind>(plugin.name(), raw(&config), &context)
        .expect("it is built by its name");
    let alone = Registry::linked(&[]).expect("no name is taken twice");
    assert!(
        alone.by_id(&plugin.id()).is_some(),
        "write register_plugin! at the root of the crate"
    );
}

/// A configuration can be checked where there is neither a runtime nor a network.
pub fn building_it_touches_neither_runtime_nor_network(vendor: &Vendor) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback can be bound");
    listener.set_nonblocking(true).expect("a socket's mode");
    let address = listener.local_addr().expect("a bound socket");
    let endpoint = format!("https://localhost:{}", address.port());
    let provider = build(
        vendor,
        &vendor.configured(&endpoint, &Authority::new().pem()),
        &sample::clock(),
    );
    assert!(!format!("{provider:?}").is_empty());
    let error = listener.accept().expect_err("nobody connects");
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    assert!(
        vendor
            .descriptor
            .build(
                RawConfig::empty(),
                &BuildContext::new(Arc::new(sample::clock()))
            )
            .is_err(),
        "a credential is required"
    );
}

/// What it says it can do can be done, and its channel is that of its name.
pub fn its_capabilities_make_sense(vendor: &Vendor) {
    let config = vendor.any_config();
    let provider = build(vendor, &config, &sample::clock());
    let can = provider.capabilities();
    assert!((1..=10_000).contains(&can.max_batch), "{can:?}");
    assert!((256..=1024 * 1024).contains(&can.max_payload), "{can:?}");
    assert!(!can.slots.is_empty(), "{can:?}");
    assert!(can.text.title > 0 && can.text.body > 0, "{can:?}");
    assert!(can.max_ttl.is_none_or(|it| it > Duration::ZERO), "{can:?}");
    let (name, channel) = (vendor.descriptor.name, can.channel.as_str());
    assert!(
        name == channel || name.starts_with(&format!("{channel}-")),
        "the plugin {name} speaks {channel}"
    );
}
