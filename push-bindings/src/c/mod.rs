//! The interface for C: `include/offline_push.h`, which documents it.
//!
//! It uses the interface for the other languages, and passes all parts explicitly. C code holds names of objects
//! ([`names`]), so that its mistakes with them do not reach memory. The values that it passes are checked and copied
//! ([`text`], [`grow`]), no panic reaches it ([`fault`]), and no callback is called after a client is closed ([`app`]).
//!
//! The header is written by hand: `tests/c_header.rs` compares its functions with those here, and `layout.rs` its structs.

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
