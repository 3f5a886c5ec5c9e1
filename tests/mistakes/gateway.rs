//! The parts and the settings of a gateway.
use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use offline_push::{
    Registry, Secret,
    gateway::{
        Builder, Gateway, MasterKey, Settings,
        http::{HttpSettings, router},
    },
};
use serde_json::json;

use super::{Mistake, message, names::registry, run};

fn builder() -> Builder {
    Gateway::builder().registry(registry())
}

fn in_memory() -> Builder {
    Gateway::in_memory().registry(registry())
}

/// The message about these settings, in JSON.
fn settings(json: serde_json::Value) -> String {
    let settings: Settings = serde_json::from_value(json).expect("the form of settings");
    message(in_memory().settings(settings).build())
}

/// The message about these settings of the HTTP API, in JSON.
fn http(json: serde_json::Value) -> String {
    let settings: HttpSettings = serde_json::from_value(json).expect("the form of settings");
    let gateway = in_memory().build().expect("a gateway");
    message(router(&gateway, &settings, &[]))
}

fn store(config: serde_json::Value) -> String {
    message(builder().store_with("memory", config).build())
}

pub(super) const MISTAKES: &[Mistake] = &[
    (
        "no store",
        || message(builder().queue("memory").build()),
        "the gateway has no store; write .store(\"NAME\") with one of: memory",
    ),
    (
        "no queue",
        || message(builder().store("memory").build()),
        "the gateway has no queue; write .queue(\"NAME\") with one of: memory",
    ),
    (
        "no master key",
        || message(builder().store("memory").queue("memory").build()),
        "the gateway has no master key, which seals the credentials; write .master_key(MasterKey::parse(…)?) with a key that is kept, or .temporary_master_key() for tests",
    ),
    (
        "a gateway without any plugin",
        || {
            let nothing = Registry::new([]).expect("nothing is there twice");
            message(Gateway::builder().registry(nothing).build())
        },
        "the gateway has no store; link the crate of a store, and write .store(\"NAME\") with its name",
    ),
    (
        "a master key that is a password",
        || message(MasterKey::parse(&Secret::new("hunter2"))),
        "the master key is not 32 bytes in hexadecimal or base64; make one with `openssl rand -hex 32`, and keep a copy: without it every credential must be uploaded again",
    ),
    (
        "started outside a runtime",
        || {
            let start = in_memory().start();
            match pin!(start).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(result) => message(result),
                Poll::Pending => "it waits".to_owned(),
            }
        },
        "the gateway was started outside a tokio runtime; call start() inside #[tokio::main], or from Runtime::block_on of a runtime that the program keeps",
    ),
    (
        "a key that the plugin does not have",
        || store(json!({"max_device": 1000})),
        "store/memory: max_device: is not a known key: did you mean `max_devices`? Known are `max_devices`, `max_credentials`, `max_trace_events`, `max_badge_changes`, `max_tickets`; a complete example is `registry.find(\"store\", \"memory\")?.example()`",
    ),
    (
        "a word for a number",
        || store(json!({"max_devices": "many"})),
        "store/memory: max_devices: must be a whole number of at least 1; a complete example is `registry.find(\"store\", \"memory\")?.example()`",
    ),
    (
        "a number that allows nothing",
        || store(json!({"max_devices": 0})),
        "store/memory: max_devices: 0 is out of range; write a whole number of at least 1",
    ),
    (
        "a text for a table",
        || store(json!("memory.db")),
        "store/memory: a plugin's configuration is a table of keys and values; write it like json!({\"key\": \"value\"})",
    ),
    (
        "a path that is missing",
        || {
            let queue = Registry::new([push_queue_sqlite::PLUGIN.any()]).expect("one plugin");
            let builder = Gateway::builder().registry(queue);
            message(builder.store_object(store_object()).queue("sqlite").build())
        },
        "queue/sqlite: path: is missing; write it like path = \"data/queue.db\"",
    ),
    (
        "a public URL with a path",
        || settings(json!({"public_url": "https://example.com/push"})),
        "public_url: must be like `https://push.example.com`, without a path",
    ),
    (
        "a push that lives no time",
        || settings(json!({"decision": {"default_ttl": "0s"}})),
        "decision.default_ttl: 0ms is out of range; write a duration of more than 0s",
    ),
    (
        "a policy that names the app of a credential",
        || {
            settings(json!({"decision": {"policies": [
                {"class": "marketing", "vendor": {"apns": {"topic": "com.example.other"}}},
            ]}}))
        },
        "decision.policies[0].vendor.apns.topic: belongs to the credential or the registration, so no policy sets it; remove it",
    ),
    (
        "an API key that can be guessed",
        || {
            http(
                json!({"keys": [{"name": "a", "app": "im", "scopes": ["server"], "key": "short"}]}),
            )
        },
        "keys[0].key: is shorter than 16 characters; make one with `openssl rand -base64 32`",
    ),
    (
        "one API key for two apps",
        || {
            http(json!({"keys": [
                {"name": "a", "app": "im", "scopes": ["server"], "key": "a key of sixteen letters"},
                {"name": "b", "app": "other", "scopes": ["server"], "key": "a key of sixteen letters"},
            ]}))
        },
        "keys[1]: is the same key as keys[0], which belongs to app im; make a key of its own for each app, with `openssl rand -hex 24`",
    ),
    (
        "another master key than before",
        || another_key(registry),
        "the credentials in the store were sealed with another master key than the one from the program that embeds the gateway; start with the key they were uploaded under; if it is lost, call `accept_master_key` once before `start` and upload every credential again with `rotate_credential`",
    ),
    (
        "another master key than before, in a program",
        || another_key(|| registry().for_dependent_program("acme-push")),
        "the credentials in the store were sealed with another master key than the one from the program that embeds the gateway; start with the key they were uploaded under; if it is lost, start once with `acme-push serve --accept-new-master-key` and upload every credential again with `acme-push credential rotate`",
    ),
];

/// The message about a start with another master key than the first.
fn another_key(registry: fn() -> Registry) -> String {
    let store = store_object();
    let start = |key: &str| {
        let key = MasterKey::parse(&Secret::new(key)).expect("32 bytes");
        let builder = Gateway::builder().registry(registry());
        let builder = builder.store_object(Arc::clone(&store)).queue("memory");
        builder.master_key(key).start()
    };
    run(async {
        let first = start(&"1".repeat(64)).await.expect("a new store");
        first.shutdown().await;
        message(start(&"2".repeat(64)).await)
    })
}

fn store_object() -> Arc<dyn offline_push::Store> {
    let clock = Arc::new(offline_push::http::TokioClock);
    let context = offline_push::BuildContext::new(clock);
    registry()
        .build::<offline_push::StoreKind>("memory", offline_push::RawConfig::empty(), &context)
        .expect("a store")
}
