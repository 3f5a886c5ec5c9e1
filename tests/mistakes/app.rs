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
    let entries = entries.map(|(id, debug)| CertificateEntry {
        channel: "apns",
        slot: Slot::Alert,
        id,
        debug,
        place: (file!(), line!()),
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
        "",
    ),
    ("no login bridge", || start(complete()), ""),
    (
        "no store for the state",
        || {
            let id = CertificateId::new(7).expect("an id");
            let ids = CertificateIds::default();
            let ids = ids.with("apns", Slot::Alert, id, Environment::Production);
            start(bare().certificates(ids).without_bridge())
        },
        "",
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
        "",
    ),
    (
        "two route handlers share a name",
        || {
            let builder = complete().without_bridge();
            start(builder.route("chat", chat()).route("chat", chat()))
        },
        "",
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
        "",
    ),
    (
        "two certificate ids for one channel",
        || ids([(1, true), (2, true)]),
        "",
    ),
    (
        "a certificate id that no credential has",
        || ids([(-1, false), (2, true)]),
        "",
    ),
    (
        "a gateway without TLS",
        || url("http://push.example.com"),
        "",
    ),
    ("a gateway without a scheme", || url("push.example.com"), ""),
];
