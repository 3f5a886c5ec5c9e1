//! The client against a reference model: logins, kicks, switches, tokens, clicks, faults and restarts in any order.
//!
//! [`operations`] generates operations; [`model`] and [`logins`] are the reference; [`world`] is the client with a scripted phone
//! and a scripted gateway; [`ledger`] checks that each request has a cause; [`run`] applies operations to client and reference;
//! [`check`] compares them. Cases that failed once are in [`found`].
//!
//! `PUSH_MODEL_CASES` sets the number of cases, 256 by default. A failure prints the shortest case that fails and
//! the seed, which `OFFLINE_PUSH_SEED` sets again. It is kept in `proptest-regressions/model.txt` and tried first from then
//! on; to keep it when the operations change, copy it into a test in `found.rs`.
mod check;
mod found;
mod ledger;
mod logins;
mod model;
mod operations;
mod run;
mod world;

use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError},
};
use push_testkit::RandomCases;

use crate::{
    operations::operations,
    run::{Case, run},
    world::Bridges,
};

fn case() -> impl Strategy<Value = Case> {
    let bridges = prop_oneof![
        1 => Just(Bridges::Auto),
        1 => Just(Bridges::Manual),
        2 => Just(Bridges::Both),
    ];
    (bridges, prop::bool::weighted(0.7), operations()).prop_map(
        |(bridges, answers_calls, operations)| Case {
            bridges,
            answers_calls,
            operations,
        },
    )
}

/// S24, S28, S32, S42, S43, S47, S54, S61: in every order of events, each click is opened as often as it should be and for
/// the user it was sent to, and the gateway holds the registrations it should hold.
#[test]
fn the_client_behaves_as_the_model() {
    let cases = std::env::var("PUSH_MODEL_CASES").ok();
    let cases = cases.map_or(256, |it| it.parse().expect("PUSH_MODEL_CASES is a number"));
    let config = Config {
        cases,
        max_shrink_iters: 20_000,
        // In milliseconds.
        max_shrink_time: 30_000,
        ..Config::default()
    };
    let result = RandomCases::new("model", config)
        .check(&case(), |case| run(&case).map_err(TestCaseError::fail));
    if let Err(failure) = result {
        // One operation per line, as in `found.rs`.
        panic!("{}", failure.replace("\n        ", " "));
    }
}
