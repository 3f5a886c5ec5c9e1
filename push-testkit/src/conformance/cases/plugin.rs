//! The plugin itself: its configuration, its name, what it claims to do.
use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use config::{File, FileFormat};
use http::Request;
use push_core::{
    Badge, BadgeStyle, BuildContext, DeviceToken, ErrorKind, Kind as _, ProviderKind, RawConfig,
    Registry, Slot,
};
use serde_json::{Map, Value, json};

use crate::conformance::{
    Vendor,
    stage::{Stage, build, context, raw},
};
use crate::{Authority, block_on, sample};

/// The example builds. A key that ends in `_file` is replaced by its content, which comes from the suite's configuration.
pub fn the_example_configuration_is_complete(vendor: &Vendor) {
    let example = &vendor.descriptor.example();
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

/// A program that writes the configuration in Rust sends what an operator would have written.
pub fn a_configuration_is_written_as_it_is_read(vendor: &Vendor) {
    let config = vendor.any_config();
    let written = (vendor.write_config)(config.clone()).expect("the configuration is written");
    let shown = |json: &Value| (vendor.show_config)(json.clone()).expect("it is read");
    // Secrets are not shown: they are compared as they are written.
    assert_eq!(shown(&written), shown(&config));
    assert_eq!((vendor.write_config)(written.clone()), Ok(written.clone()));
    for (key, value) in written.as_object().expect("it is a table") {
        let own = &config[key];
        assert!(
            own == value || own.is_object() && value.is_object(),
            "`{key}` is written in another form than it has in the suite's `config`"
        );
    }
}

/// A misspelled key is an error that names the key, not a setting that is silently missing.
pub fn an_unknown_key_is_refused_by_name(vendor: &Vendor) {
    let mut config = vendor.any_config();
    config["no_such_key_at_all"] = json!(1);
    let error = refused(vendor, &config);
    assert!(error.contains("no_such_key_at_all"), "{error}");
    assert!(error.contains(vendor.descriptor.name), "{error}");
}

/// The error of a configuration that must be refused, with its `Debug`. Shows no secret.
fn refused(vendor: &Vendor, config: &Value) -> String {
    let built = vendor
        .descriptor
        .build(raw(config), &context(&sample::clock()));
    let error = built.expect_err("this configuration is refused");
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    let text = format!("{error} {error:?} {error:#?}");
    for secret in &vendor.secrets {
        assert!(!text.contains(secret.as_str()), "the error shows a secret");
    }
    text
}

/// [`Vendor::wrong_config`]: each wrong value is refused with its key, and all of them in one error.
pub fn every_fault_of_a_configuration_is_named_at_once(vendor: &Vendor) {
    assert!(!vendor.wrong_config.is_empty(), "declare `wrong_config`");
    let mut all = vendor.any_config();
    for (key, value) in &vendor.wrong_config {
        let mut config = vendor.any_config();
        config[key] = value.clone();
        all[key] = value.clone();
        let error = refused(vendor, &config);
        assert!(error.contains(key.as_str()), "`{key}` in: {error}");
    }
    let error = refused(vendor, &all);
    for (key, _) in &vendor.wrong_config {
        assert!(
            error.contains(key.as_str()),
            "all faults at once, but `{key}` is not in: {error}"
        );
    }
}

/// Words of the libraries that read a configuration, and of the program's own types.
const LIBRARY_WORDS: [&str; 14] = [
    "variant",
    "invalid type",
    "invalid value",
    "invalid length",
    "missing field",
    "unknown field",
    "missing configuration",
    "expected ",
    "struct ",
    "enum ",
    "deserialize",
    "constructor",
    "u16",
    "usize",
];

/// A value of another type or an unknown word is refused with its key, never in a library's words, and is not repeated: it may
/// be a secret in the wrong place.
pub fn a_value_of_another_kind_is_refused_in_our_words(vendor: &Vendor) {
    const CANARY: &str = "s3cret-in-the-wrong-place";
    let config = vendor.any_config();
    let keys = config.as_object().expect("`config` makes a JSON object");
    let mut refusals = 0;
    for key in keys.keys() {
        for value in [
            json!([]),
            json!({ "another": CANARY }),
            json!([CANARY]),
            json!(CANARY),
            json!(true),
            json!(-7),
            json!(1e300),
            json!(null),
        ] {
            let mut config = config.clone();
            config[key] = value.clone();
            let built = vendor
                .descriptor
                .build(raw(&config), &context(&sample::clock()));
            let Err(error) = built else { continue };
            refusals += 1;
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            let text = error.to_string();
            assert!(text.contains(key.as_str()), "`{key}` = {value}: {text}");
            assert!(!text.contains(CANARY), "`{key}` shows the value: {text}");
            for word in LIBRARY_WORDS {
                assert!(
                    !text.contains(word),
                    "`{key}` = {value}, {word:?} in: {text}"
                );
            }
        }
    }
    assert!(refusals > 0, "every value is accepted");
}

/// Every text of a configuration may have a byte order mark before it and a line break of any kind behind it: it comes from a
/// file, an environment variable or a form.
pub fn a_value_is_read_whatever_editors_added_around_it(vendor: &Vendor) {
    let config = vendor.any_config();
    let keys = config.as_object().expect("`config` makes a JSON object");
    let mut texts = 0;
    for (key, value) in keys {
        let Some(text) = value.as_str() else { continue };
        texts += 1;
        for (before, behind) in [("\u{feff}", "\r\n"), (" ", "\n"), ("", "\\n")] {
            let mut config = config.clone();
            config[key] = json!(format!("{before}{text}{behind}"));
            let built = vendor
                .descriptor
                .build(raw(&config), &context(&sample::clock()));
            if let Err(error) = built {
                panic!("`{key}` with {before:?} before and {behind:?} behind: {error}");
            }
        }
    }
    assert!(texts > 0, "the configuration has no text");
}

/// Clear text goes to loopback only: an endpoint, or a token that names one, is `https` elsewhere.
pub fn an_endpoint_elsewhere_must_be_https(vendor: &Vendor) {
    const CLEAR: &str = "http://push.vendor.example";
    let config = vendor.configured(CLEAR, &Authority::new().pem());
    let built = vendor
        .descriptor
        .build(raw(&config), &context(&sample::clock()));
    match built {
        Err(error) => assert_eq!(error.kind(), ErrorKind::Config, "{error}"),
        Ok(provider) => {
            let token = vendor.token_at(CLEAR, 0);
            assert!(token.contains(CLEAR), "clear text to {CLEAR} is accepted");
            let token = DeviceToken::new(token).expect("a device token");
            let error = provider.check_token(Slot::Alert, &token);
            let error = error.expect_err("a token that names a clear-text endpoint is refused");
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        }
    }
}

/// The linker's list, `PLUGIN` and [`push_core::Plugin::NAME`] name the same plugin.
pub fn it_is_registered_under_its_name(vendor: &Vendor) {
    let plugin = vendor.descriptor.any();
    let linked = Registry::linked(&[plugin]).expect("linked and named are one plugin");
    let found = linked.by_id(&plugin.id()).expect("it is in the registry");
    assert_eq!(found.kind(), ProviderKind::LABEL);
    let config = vendor.any_config();
    linked
        .build::<ProviderKind>(plugin.name(), raw(&config), &context(&sample::clock()))
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
    let error = listener.accept().expect_err("no connection is made");
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

/// What it claims to do is possible, and its channel is that of its name.
pub fn its_capabilities_make_sense(vendor: &Vendor) {
    let config = vendor.any_config();
    let provider = build(vendor, &config, &sample::clock());
    let can = provider.capabilities();
    assert!((1..=10_000).contains(&can.max_batch), "{can:?}");
    assert!((256..=1024 * 1024).contains(&can.max_payload), "{can:?}");
    assert!(!can.slots.is_empty() && !can.kinds.is_empty(), "{can:?}");
    assert!(can.text.title > 0 && can.text.body > 0, "{can:?}");
    let longest = can.max_ttl.unwrap_or(Duration::MAX);
    assert!(
        longest > Duration::ZERO && longest >= can.min_ttl,
        "{can:?}"
    );
    let (name, channel) = (vendor.descriptor.name, can.channel.as_str());
    assert!(
        name == channel || name.starts_with(&format!("{channel}-")),
        "the plugin {name} speaks {channel}"
    );
}

/// No capability goes untested: what is claimed is declared in the suite's keys and can be seen in a request.
pub fn everything_it_can_do_is_declared(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        let can = stage.provider.capabilities();
        let mut missing = Vec::new();
        let mut need = |declared: bool, what: &'static str| {
            if !declared {
                missing.push(what);
            }
        };
        need(
            can.max_batch == 1 || vendor.partial.is_some(),
            "key `partial`",
        );
        need(!vendor.token_dead.is_empty(), "key `token_dead`");
        need(
            !vendor.credential_refused.is_empty(),
            "key `credential_refused`",
        );
        need(!vendor.payload_refused.is_empty(), "key `payload_refused`");
        need(!vendor.rate_limited.is_empty(), "key `rate_limited`");
        need(!vendor.unavailable.is_empty(), "key `unavailable`");
        need(vendor.unknown.is_some(), "key `unknown`");
        need(
            vendor.auth.is_none() || vendor.access_lifetime.is_some(),
            "key `access_lifetime`",
        );
        need(
            vendor.auth.is_none() || !vendor.auth_refused.is_empty(),
            "key `auth_refused`",
        );
        need(!vendor.unconfirmed.is_empty(), "key `unconfirmed`");
        need(!vendor.secrets.is_empty(), "key `secrets`");
        need(
            vendor.overlay.is_empty() || !vendor.protected_fields.is_empty(),
            "key `protected_fields`",
        );
        need(
            vendor.receipt.is_none() || vendor.receipt_forged.is_some() || vendor.receipts_unsigned,
            "key `receipt_forged` or `receipts_unsigned`",
        );
        let mut notification = sample::notification();
        notification.expires_at = Some(sample::NOW + can.min_ttl.max(Duration::from_secs(7200)));
        let content = sample::content(notification);
        let target = sample::target(stage.token(0), &content)
            .with_receiver(Some(sample::user("ann")))
            .with_badge(match can.badge {
                BadgeStyle::Set => Badge::Set(3),
                BadgeStyle::CountUp => Badge::Add(1),
                _ => Badge::Leave,
            });
        let badge = target.badge;
        let shown = stage.shown(sample::batch_of([target])).await;
        let [shown] = shown.as_slice() else {
            panic!("one target, but `shown` reads {} messages", shown.len());
        };
        need(!shown.tokens.is_empty(), "`shown.tokens`");
        need(shown.title.is_some(), "`shown.title`");
        need(shown.body.is_some(), "`shown.body`");
        need(shown.ext.is_some(), "`shown.ext`");
        need(shown.delivery.is_some(), "`shown.delivery`");
        need(shown.receiver.is_some(), "`shown.receiver`");
        need(shown.badge == badge, "`shown.badge`");
        need(!can.repair.is_empty(), "`Capabilities::with_repair`");
        need(
            !can.collapse || shown.collapse.is_some(),
            "`shown.collapse`",
        );
        let keeps = shown.kept(sample::NOW).is_some();
        need(
            can.max_ttl.is_none() || keeps,
            "`shown.ttl` or `shown.expires_at`",
        );
        need(
            vendor.overlay.is_empty() || !shown.payload.is_null(),
            "`shown.payload`",
        );
        need(
            vendor.receipt.is_none() || shown.tag.is_some(),
            "`shown.tag`",
        );
        assert!(
            missing.is_empty(),
            "{can:?} is claimed, but these are missing in the suite's keys or in the request: {missing:?}"
        );
        if vendor.overlay.is_empty() {
            let mut fields = Map::new();
            fields.insert("any_field".to_owned(), json!(1));
            let error = stage.provider.check_fields(&fields);
            let error = error.expect_err("declare `overlay`, or refuse every vendor field");
            assert!(error.to_string().contains("any_field"), "{error}");
        }
        if vendor.receipt.is_none() {
            let error = stage.provider.receive(&Request::new(Bytes::new()));
            let error = error.expect_err("declare `receipt`, or leave `receive` unsupported");
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        }
    });
}

/// What every app has registered as a token by mistake.
const NO_TOKENS: [&str; 8] = [
    "{length = 32, bytes = 0x4f1c0a9b e27d8336 5ad1908c fe74b201 ... c15980fb }",
    "<4f1c0a9b e27d8336 5ad1908c fe74b201 3c66d5ea 918f47b0 237ad4e6 c15980fb>",
    "Optional(\"4f1c0a9be27d8336\")",
    "(null)",
    "null",
    "undefined",
    "4f1c0a9b e27d8336 5ad1908c fe74b201",
    "      ",
];

/// The canonical form of a token is its own canonical form, blanks around it do not matter, what cannot be a token is refused in
/// words about its form, and an error about a token does not show it.
pub fn a_token_has_one_canonical_form(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        let check = |token: &str| {
            let token = DeviceToken::new(token).expect("a device token");
            stage.provider.check_token(Slot::Alert, &token)
        };
        for number in [0, 1, 999_999] {
            let token = stage.token(number);
            let canonical = check(&token).expect("a token of the suite is accepted");
            assert_eq!(canonical.expose(), token, "`tokens` are canonical");
            let spaced = check(&format!("  {token} ")).expect("blanks around a token are removed");
            assert_eq!(spaced, canonical);
        }
        for (written, canonical) in &vendor.token_forms {
            let found = check(written).expect("a token in another form is accepted");
            assert_eq!(found.expose(), canonical);
        }
        let wrong = vendor.wrong_tokens.iter().map(String::as_str);
        for wrong in wrong.chain(NO_TOKENS) {
            let Err(error) = check(wrong) else {
                panic!("{wrong:?} is no token, and is accepted");
            };
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
            let shown = format!("{error} {error:?}");
            let is_word = wrong.len() < 10 || wrong.trim().is_empty();
            assert!(
                is_word || !shown.contains(wrong),
                "the error shows the token"
            );
            assert!(shown.contains("token"), "{shown}");
            assert!(error.advice().is_some(), "{error} has no next step");
        }
    });
}
