//! The app half.
use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::{Mistake, message, run};
use offline_push::{
    CertificateEntry, CertificateId, CertificateIds, Channel, Environment, Handled, Opened,
    RouteHandler, Slot,
    client::{
        Builder, HttpGateway, MemoryState, Navigate, Permission, Phone, Process, PushClient,
        Responder, Token, TokenAnswer,
    },
    http::HttpConfig,
};

#[derive(Debug)]
struct Iphone;

impl Phone for Iphone {
    fn channel(&self) -> Channel {
        Channel::APNS
    }
    fn ask_permission(&self, answer: Responder<Permission>) {
        answer.answer(Permission::Granted);
    }
    fn request_token(&self, _: Slot, answer: Responder<TokenAnswer>) {
        answer.answer(Ok(Token::Bytes(vec![1; 32])));
    }
}

fn chat() -> impl RouteHandler {
    Navigate::new(|_: &str, _: &str| Opened::Done)
}

/// A client without certificate ids, bridge and state.
fn bare() -> Builder {
    let gateway = HttpGateway::new("http://127.0.0.1:9", HttpConfig::default());
    PushClient::builder(Arc::new(Iphone), Arc::new(gateway.expect("an address")))
}

/// A client that lacks nothing but a bridge.
fn complete() -> Builder {
    let id = CertificateId::new(7).expect("an id");
    let ids = CertificateIds::default();
    let ids = ids.with("apns", Slot::Alert, id, Environment::Production);
    bare().certificates(ids).state(MemoryState::default())
}

fn start(builder: Builder) -> String {
    run(async { message(builder.start().await) })
}

fn ids(entries: [(i64, bool); 2]) -> String {
    let entries = entries.map(|(id, debug)| {
        CertificateEntry::new("apns", Slot::Alert, id, debug, (file!(), line!()))
    });
    message(CertificateIds::new(entries))
}

fn url(url: &str) -> String {
    message(HttpGateway::new(url, HttpConfig::default()))
}

pub(super) const MISTAKES: &[Mistake] = &[
    (
        "no certificate id",
        || start(bare().state(MemoryState::default()).without_bridge()),
        "no certificate id for channel apns and slot alert; write certificate_id!(apns, debug = 31287, release = 31288) with your own numbers in the app's crate",
    ),
    (
        "no login bridge",
        || start(complete()),
        "push client: there is no login bridge, so no login would reach the client; enable the feature `login-auto` or `login-manual`; in a static library pass one with .bridge(\"auto\", …); or call .without_bridge() and use session()",
    ),
    (
        "no store for the state",
        || {
            let id = CertificateId::new(7).expect("an id");
            let ids = CertificateIds::default();
            let ids = ids.with("apns", Slot::Alert, id, Environment::Production);
            start(bare().certificates(ids).without_bridge())
        },
        "push client: there is no store for the client's state, so every start would register a new device; pass .state(FileState::new(path)) with a path in the app's private folder",
    ),
    (
        "a client outside a runtime",
        || {
            let start = complete().without_bridge().start();
            match pin!(start).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(result) => message(result),
                Poll::Pending => "it waits".to_owned(),
            }
        },
        "push client: the push client was started outside a tokio runtime; call start() inside #[tokio::main], or from Runtime::block_on of a runtime that the app keeps",
    ),
    (
        "two route handlers share a name",
        || {
            let builder = complete().without_bridge();
            start(builder.route("chat", chat()).route("chat", chat()))
        },
        "push client: two route handlers are called `chat`: at tests/mistakes/app.rs:LINE and at tests/mistakes/app.rs:LINE; rename one of them",
    ),
    (
        "two interceptors share a name",
        || {
            let audit = || Process::new(|_: &offline_push::payload::Payload| Handled::No);
            let builder = complete().without_bridge();
            start(
                builder
                    .interceptor("audit", audit())
                    .interceptor("audit", audit()),
            )
        },
        "push client: two interceptors are called `audit`: at tests/mistakes/app.rs:LINE and at tests/mistakes/app.rs:LINE; rename one of them",
    ),
    (
        "two certificate ids for one channel",
        || ids([(1, true), (2, true)]),
        "tests/mistakes/app.rs:LINE, tests/mistakes/app.rs:LINE: two certificate ids for channel apns and slot alert; keep one certificate_id! for each channel and slot",
    ),
    (
        "a certificate id that no credential has",
        || ids([(-1, false), (2, true)]),
        "tests/mistakes/app.rs:LINE: the release certificate id of apns is -1, which no credential has; write the id that the gateway gave the credential when it was uploaded: certificate_id!(apns, debug = …, release = …)",
    ),
    (
        "a gateway without TLS",
        || url("http://push.example.com"),
        "gateway URL: http://push.example.com would send every ticket unencrypted; write it like https://push.example.com",
    ),
    (
        "a gateway without a scheme",
        || url("push.example.com"),
        "gateway URL: it does not begin with https://; write it like https://push.example.com",
    ),
];
