//! A gateway is built from the names of its plugins, and what is missing is answered with what to write.
use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use push_core::{AppId, ErrorKind, Gateway as _, Message, Registry};
use push_gateway::{Builder, Gateway};
use serde_json::json;

fn registry() -> Registry {
    let plugins = [
        push_store_memory::PLUGIN.any(),
        push_queue_memory::PLUGIN.any(),
    ];
    Registry::new(plugins).expect("different names")
}

fn builder() -> Builder {
    Gateway::builder().registry(registry())
}

#[tokio::test]
async fn a_gateway_is_built_and_started_from_names() {
    let gateway = builder()
        .store("memory")
        .queue("memory")
        .temporary_master_key()
        .start()
        .await
        .unwrap();
    let message: Message = serde_json::from_value(json!({
        "id": "1", "receivers": ["alice"], "elements": [{"type": "text", "text": "hello"}],
    }))
    .unwrap();
    let app = AppId::new("chat").unwrap();
    let answers = gateway.submit(&app, vec![message]).await.unwrap();
    assert_eq!(answers[0].skipped[0].reason, "never-registered");
    gateway.shutdown().await;
}

#[test]
fn what_is_missing_is_answered_with_what_to_write() {
    let without_plugins = || Gateway::builder().registry(Registry::new([]).unwrap());
    for (builder, kind, text) in [
        (
            builder(),
            ErrorKind::Config,
            "the gateway has no store; write .store(\"NAME\") with one of: memory",
        ),
        (
            builder().store("memory"),
            ErrorKind::Config,
            "the gateway has no queue; write .queue(\"NAME\") with one of: memory",
        ),
        (
            builder().store("memory").queue("memory"),
            ErrorKind::Config,
            "the gateway has no master key, which seals the credentials; write .master_key(",
        ),
        (
            builder().store("memroy"),
            ErrorKind::NotFound,
            "no store `memroy` in this build; compiled in: memory; did you mean `memory`?",
        ),
        (
            builder().store_with("memory", json!({"max_registrations": "many"})),
            ErrorKind::Config,
            "store/memory: ",
        ),
        (
            builder().store_with("memory", json!("path")),
            ErrorKind::Config,
            "store/memory: a plugin's configuration is a table of keys and values; write it like json!({",
        ),
        (
            without_plugins(),
            ErrorKind::Config,
            "the gateway has no store; link the crate of a store, and write .store(\"NAME\") with its name",
        ),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().starts_with(text), "{error}");
    }
}

#[test]
fn outside_a_runtime_the_start_is_an_error() {
    let start = builder()
        .store("memory")
        .queue("memory")
        .temporary_master_key()
        .start();
    let poll = pin!(start).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Err(error)) = poll else {
        panic!("it did not fail: {poll:?}");
    };
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(
        error.to_string(),
        "the gateway was started outside a tokio runtime; call start() inside #[tokio::main], or from Runtime::block_on of a \
         runtime that the program keeps"
    );
}
