//! The interface for C: `include/offline_push.h`, which says what everything means.
//!
//! It stands on the interface for the other languages, and like that hands everything over explicitly. What C holds are names of
//! objects ([`names`]), so that none of its mistakes with them reaches memory; what it hands over is checked and copied
//! ([`text`], [`grow`]); no panic leaves it ([`fault`]); after a client is closed no callback is called ([`app`]).
//!
//! The header is written by hand: `tests/c_header.rs` compares its functions with those here, and the tests below its structs.

// C is called and calls by pointers.
#![allow(unsafe_code)]
#![warn(clippy::undocumented_unsafe_blocks)]

mod answers;
mod app;
mod callbacks;
mod client;
mod config;
mod extension;
mod fault;
mod grow;
#[cfg(test)]
mod layout;
mod linked;
mod names;
mod text;
