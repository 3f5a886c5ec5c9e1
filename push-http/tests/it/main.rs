//! The client against peers that do, on purpose, everything a peer can do to a push.
mod exchange;
mod support;
