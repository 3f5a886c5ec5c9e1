//! The parts and the settings of a gateway.
use std::{
    pin::pin,
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

/// The message about these settings, in JSON.
fn settings(json: serde_json::Value) -> String {
    let settings: Settings = serde_json::from_value(json).expect("the form of settings");
    message(builder().in_memory().settings(settings).build())
}

/// The message about these settings of the HTTP API, in JSON.
fn http(json: serde_json::Value) -> String {
    let settings: HttpSettings = serde_json::from_value(json).expect("the form of settings");
    let gateway = builder().in_memory().build().expect("a gateway");
    message(router(&gateway, &settings, &[]))
}

fn store(config: serde_json::Value) -> String {
    message(builder().store_with("memory", config).build())
}

pub(super) const MISTAKES: &[Mistake] = &[
    (
        "no store",
        || message(builder().queue("memory").build()),
        "",
    ),
    (
        "no queue",
        || message(builder().store("memory").build()),
        "",
    ),
    (
        "no master key",
        || message(builder().store("memory").queue("memory").build()),
        "",
    ),
    (
        "a gateway without any plugin",
        || {
            let nothing = Registry::new([]).expect("nothing is there twice");
            message(Gateway::builder().registry(nothing).build())
        },
        "",
    ),
    (
        "a master key that is a password",
        || message(MasterKey::parse(&Secret::new("hunter2"))),
        "",
    ),
    (
        "started outside a runtime",
        || {
            let start = builder().in_memory().start();
            match pin!(start).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(result) => message(result),
                Poll::Pending => "it waits".to_owned(),
            }
        },
        "",
    ),
    (
        "a key that the plugin does not have",
        || store(json!({"max_device": 1000})),
        "",
    ),
    (
        "a word for a number",
        || store(json!({"max_devices": "many"})),
        "",
    ),
    (
        "a number that allows nothing",
        || store(json!({"max_devices": 0})),
        "",
    ),
    ("a text for a table", || store(json!("memory.db")), ""),
    (
        "a path that is missing",
        || {
            let queue = Registry::new([push_queue_sqlite::PLUGIN.any()]).expect("one plugin");
            let builder = Gateway::builder().registry(queue);
            message(builder.store_object(store_object()).queue("sqlite").build())
        },
        "",
    ),
    (
        "a public URL with a path",
        || settings(json!({"public_url": "https://example.com/push"})),
        "",
    ),
    (
        "a push that lives no time",
        || settings(json!({"decision": {"default_ttl": "0s"}})),
        "",
    ),
    (
        "a policy that names the app of a credential",
        || {
            settings(json!({"decision": {"policies": [
                {"class": "marketing", "vendor": {"apns": {"topic": "com.example.other"}}},
            ]}}))
        },
        "",
    ),
    (
        "an API key that can be guessed",
        || {
            http(
                json!({"keys": [{"name": "a", "app": "im", "scopes": ["server"], "key": "short"}]}),
            )
        },
        "",
    ),
    (
        "one API key for two apps",
        || {
            http(json!({"keys": [
                {"name": "a", "app": "im", "scopes": ["server"], "key": "a key of sixteen letters"},
                {"name": "b", "app": "other", "scopes": ["server"], "key": "a key of sixteen letters"},
            ]}))
        },
        "",
    ),
    (
        "another master key than before",
        || {
            let store = store_object();
            let start = |key: &str| {
                let key = MasterKey::parse(&Secret::new(key)).expect("32 bytes");
                let builder = builder().store_object(store.clone()).queue("memory");
                builder.master_key(key).start()
            };
            run(async {
                let first = start(&"1".repeat(64)).await.expect("a new store");
                first.shutdown().await;
                message(start(&"2".repeat(64)).await)
            })
        },
        "",
    ),
];

fn store_object() -> std::sync::Arc<dyn offline_push::Store> {
    let clock = std::sync::Arc::new(offline_push::http::TokioClock);
    let context = offline_push::BuildContext::new(clock);
    registry()
        .build::<offline_push::StoreKind>("memory", offline_push::RawConfig::empty(), &context)
        .expect("a store")
}
