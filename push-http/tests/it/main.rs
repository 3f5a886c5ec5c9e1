//! The client against peers that do, on purpose, everything that a peer can do to a push.
mod addresses;
mod batch;
mod ca;
mod exchange;
mod faults;
mod growth;
mod http1;
mod parsing;
mod partial;
mod pool;
mod proxy;
mod silence;
mod support;
mod tls;
