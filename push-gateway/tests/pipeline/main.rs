//! Every fault ends in the right act: scripted vendor, memory plugins, a clock that stands still.
mod alone;
mod clock;
mod counters;
mod credentials;
mod ends;
mod losses;
mod outages;
mod poison;
mod retries;
mod shares;
#[path = "../support/mod.rs"]
mod support;
mod trials;

use push_core::VerdictKind;

const DEAD: VerdictKind = VerdictKind::TokenDead { since: None };
