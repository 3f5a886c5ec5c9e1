//! The one HTTP/2 and TLS client that every provider shares, behind the small trait [`HttpClient`].
//!
//! A provider passes a whole [`http::Request`] and gets a whole [`http::Response`] or an [`HttpError`]. The error says what
//! matters to a push: [`HttpError::processed`] whether the peer certainly did *not* process the request
//! ([`Processed::Never`]: send it again) or may have ([`Processed::Unknown`]: sending it again may ring a phone twice), and
//! [`HttpError::response_head`] the status that arrived although the response is not complete.
//!
//! ```no_run
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use push_http::{Client, HttpClient, HttpConfig, Protocols, TokioClock};
//!
//! let config = HttpConfig::default().with_protocols(Protocols::H2Only);
//! let client = Client::new(config, Arc::new(TokioClock))?; // no I/O, no runtime needed yet
//! let request = http::Request::post("https://api.push.apple.com/3/device/00fc13adff785122")
//!     .header("apns-topic", "com.example.chat")
//!     .body(bytes::Bytes::from_static(br#"{"aps":{"alert":"hi"}}"#))?;
//! let response = client.send(request).await?;
//! # Ok(()) }
//! ```
//!
//! # What the client does
//!
//! * **One pool per origin** (scheme, host, port). A request goes to the least loaded connection; only when none has room
//!   is another opened, up to [`HttpConfig::max_connections`]. Room is the peer's `SETTINGS_MAX_CONCURRENT_STREAMS` as it
//!   is now (APNs: 1 until the first authenticated response, then 1,000, and 1 again when it throttles) *and* the
//!   connection's flow-control window: throughput is connections × min(streams, window ÷ payload) per round trip, and the
//!   window is usually the smaller.
//! * **Pools grow by round trips**: their connections double at most; a peer that allows few streams gets one more
//!   connection at a time, and the next only after the newest has completed four round trips; a peer that allows no stream
//!   is waited for.
//! * **Nothing is sent before the peer's SETTINGS**, and names are resolved anew for each connection.
//! * **Addresses are the operator's choice**: [`HttpConfig::with_addresses`] is checked after resolving and before
//!   connecting, so that a URL in an uploaded credential cannot explore the operator's network.
//! * **GOAWAY, `REFUSED_STREAM` and connections that closed before the request was written** lose nothing: such a request
//!   is sent again on another connection, at most [`MAX_TRIES`] times. What the peer may have seen is never sent again.
//! * **Silence is detected**: a connection on which nothing is received gets a PING, and is closed when that is not
//!   answered.
//! * **Every request has a deadline** that includes waiting for a connection and reading the body; the number of waiting
//!   requests is bounded ([`HttpErrorKind::Busy`]); a dropped `send` resets its stream.
//! * **Batches share a head and a deadline**: [`HttpClient::send_many`] sends many requests to one origin for less than
//!   as many calls of `send` cost.
//! * **Failed connection attempts back off** (0.1 s doubling to 10 s), and so do connections that repeatedly end before
//!   they bring a response; meanwhile requests fail at once rather than wait.
//!
//! `https` origins use TLS 1.2 or 1.3 with the Mozilla roots and [`HttpConfig::extra_ca_pem`]; the protocol is agreed by ALPN
//! according to [`Protocols`]. `http` origins use clear-text HTTP/2 with prior knowledge (RFC 9113 §3.3): for a loopback
//! gateway or a benchmark, only when the URL says so.
//!
//! # Time
//!
//! Every timer (deadline, connect timeout, keep-alive, idle, back-off) runs on the [`push_core::Clock`] given to
//! [`Client::new`]: [`TokioClock`] in a program, [`push_core::ManualClock`] in a test.

mod backoff;
mod batch;
mod client;
mod clock;
mod config;
mod connect;
mod connection;
mod dial;
mod error;
mod exchange;
mod frame;
#[doc(hidden)]
pub mod fuzz;
mod http1;
mod http2;
mod keep_alive;
mod plain;
mod pool;
mod port;
mod progress;
mod proxy;
mod settings;
mod tls;
mod wire;

pub use push_core::duration;

pub use crate::{
    batch::{Answers, Head, Item},
    client::{Client, HttpClient},
    clock::TokioClock,
    config::{ClientCertificate, HttpConfig, MAX_RESPONSE_BYTES, MAX_WAIT, MAX_WAITING, Protocols},
    error::{GoAway, HttpError, HttpErrorKind, Processed},
    exchange::MAX_TRIES,
    pool::OriginStats,
    port::port_of,
};
