//! The provider against the service, the service against plain requests, and what an operator writes.
mod channels;
mod config;
mod conformance;
mod connections;
mod credential;
mod notification;
mod path;
mod service;
mod support;
mod tokens;
