//! The one HTTP/2 and TLS client that every provider shares, behind the small trait [`HttpClient`].
//!
//! A provider hands over a whole [`http::Request`] and gets a whole [`http::Response`] or an [`HttpError`]. What matters
//! to a push is in the error: [`HttpError::processed`] says whether the peer certainly did *not* process the request
//! ([`Processed::Never`]: send it again) or may have ([`Processed::Unknown`]: sending it again may ring a phone twice).
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
//! # What it does by itself
//!
//! * **One pool per origin** (scheme, host, port). A request goes to the least loaded connection; when none has room, and
//!   only then, another is opened, up to [`HttpConfig::max_connections`]. "Room" counts the peer's
//!   `SETTINGS_MAX_CONCURRENT_STREAMS` as it is now (APNs: 1 until the first authenticated answer, then 1,000, and down to
//!   1 again when it throttles) *and* the connection's flow-control window: throughput is connections × min(streams,
//!   window ÷ payload) per round trip, and the window is usually the smaller.
//! * **Nothing is sent before the peer's SETTINGS**, and names are resolved anew for each connection.
//! * **GOAWAY, `REFUSED_STREAM` and connections that closed before the request was written** cost nothing: such a request
//!   is sent again on another connection, at most [`MAX_TRIES`] times. What the peer may have seen is never sent again.
//! * **Silence is noticed**: a connection on which nothing is heard gets a PING, and is dropped when that is not answered.
//! * **Every request has a deadline** that includes waiting for a connection and reading the body; the number of waiting
//!   requests is bounded ([`HttpErrorKind::Busy`]); a dropped `send` resets its stream.
//! * **Failed connection attempts back off** (0.1 s doubling to 10 s), and so do connections that end, again and again,
//!   before they bring an answer; meanwhile requests fail at once rather than wait.
//!
//! `https` origins use TLS 1.2 or 1.3 with the Mozilla roots and [`HttpConfig::extra_ca_pem`]; the protocol is agreed by ALPN
//! according to [`Protocols`]. `http` origins use clear-text HTTP/2 with prior knowledge (RFC 9113 §3.3): for a loopback
//! gateway or a benchmark, only when the URL says so.
//!
//! # Time
//!
//! Every timer (deadline, connect timeout, keep-alive, idle, back-off) runs on the [`push_core::Clock`] given to
//! [`Client::new`]: [`TokioClock`] in a program, [`push_core::ManualClock`] in a test.

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
};
