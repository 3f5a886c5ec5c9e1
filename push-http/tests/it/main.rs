//! The client against peers that do, on purpose, everything a peer can do to a push.
mod ca;
mod exchange;
mod faults;
mod http1;
mod pool;
mod proxy;
mod silence;
mod support;
mod tls;
