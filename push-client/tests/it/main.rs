//! The app half with a scripted phone and a scripted gateway, on a clock that the tests own.
mod clicks;
mod completions;
mod extension;
mod health;
mod hooks;
#[cfg(feature = "http")]
mod http;
mod kit;
mod log;
mod logins;
mod reports;
mod restart;
mod routes;
mod start;
mod tokens;
