//! What plugins of offline push are tested with.
//!
//! - The common base of every vendor simulator, in layers: [`tls`] (a throw-away authority), [`Listener`] (TCP, TLS, the life
//!   of connections), [`HttpServer`] (HTTP/1.1 and HTTP/2), [`Reply`] and [`Faults`] (everything that goes wrong), [`Log`].
//! - [`simulator`]: what every vendor's simulator has in common, above those layers.
//! - [`provider_conformance!`]: the suite that every provider passes; [`conformance`] says what a vendor declares.
//! - [`store_conformance!`] and [`queue_conformance!`]: the suites that every store and every queue passes.
//! - [`layer_conformance!`]: the suite that every layer passes.
//! - [`login_conformance!`]: the suite that every login bridge passes.
//! - [`ingress_conformance!`]: the suite that every way in passes.
//! - [`jwt`] checks tokens as a vendor would; [`fixtures`] has keys and vectors; [`sample`] has notifications to send.
//!
//! Nothing here needs a network but loopback. It is a library for tests and simulators: its functions panic where a test
//! should fail.

pub mod conformance;
pub mod fixtures;
pub mod ingress;
pub mod jwt;
pub mod layer;
mod listener;
mod log;
pub mod login;
mod place;
pub mod queue;
mod random;
mod reply;
mod run;
pub mod sample;
mod server;
pub mod simulator;
pub mod store;
pub mod tls;

/// What this crate's macros expand to. Not public API.
#[doc(hidden)]
pub mod __private {
    pub use std::sync::Arc;

    pub use push_core::{Layer, Queue, Store};
}

pub use rcgen;
pub use serde_json::{self, json};

pub use crate::{
    listener::{Connection, LOOPBACK, Listener, Peer, Resetter, Stopping, Stream},
    log::{Log, Recorded},
    place::Place,
    random::RandomCases,
    reply::{Faults, Reply},
    run::{
        block_on, eventually, patience, runtime, until, until_idle, until_idle_within, until_within,
    },
    server::{HttpServer, ServerOptions},
    tls::{Alpn, Authority, ClientAuth, Identity},
};
