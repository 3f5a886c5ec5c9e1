//! The base of every vendor's simulator.
//!
//! A vendor writes what its service checks, how it answers, and what its phone makes of a push. From here come:
//!
//! | part | what it is |
//! |---|---|
//! | [`Options`], [`simulator_options!`](crate::simulator_options) | address, authority, clock, delay, log, tokens that all exist |
//! | [`Options::serve`], [`Service`], [`Delay`] | the TLS server with a bounded log, for vendors that speak plain HTTP |
//! | [`Inbox`], [`Arrives`] | what arrives on a phone: arrivals, screen, badge, what waits while it is off |
//! | [`crate::Faults`] | outcomes that a test scripts: for the next pushes, for a token |
//! | [`AccessTokens`], [`bearer`], [`form`], [`random`], [`random_text`] | token endpoints |
//! | [`counters!`](crate::counters) | what is counted |
//! | [`Receipts`] | what a vendor posts back |
//! | [`RunningSimulator`], [`ServiceSimulator`], [`register_simulator!`](crate::register_simulator) | for `offline-push simulate`, which names no vendor |
//! | [`Control`] | the HTTP API of that program |
//!
//! A simulator states the vendor's limits itself, each with the vendor's page, and takes no constant from the provider: a
//! wrong one there must not be excused by the same mistake here.
mod access;
mod control;
mod counters;
mod inbox;
mod options;
mod receipts;
mod running;

pub use inventory;
pub use push_core::Clock;

pub use self::{
    access::{AccessTokens, NotGranted, bearer, form, random, random_text},
    control::{
        Control, MAX_ARRIVALS, MAX_BODY, MAX_CONNECTIONS, MAX_OUTCOMES, MAX_PHONES, MAX_WAIT,
        MAX_WORD, QUIET, describe,
    },
    inbox::{Arrives, BoxFuture, Inbox, REMEMBERED, View},
    options::{Delay, Options, Service},
    receipts::{Posted, Receipts},
    running::{
        Action, Credential, Install, Order, Problem, RunningSimulator, ServiceSimulator,
        SimulatedPhone, SimulatorDescriptor, Starting, simulators,
    },
};
