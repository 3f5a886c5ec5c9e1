//! The client against peers that misbehave in every way that matters to a push.
mod addresses;
mod batch;
mod ca;
mod exchange;
mod failed_connections;
mod go_away;
mod growth;
mod http1;
mod parsing;
mod partial;
mod pool;
mod proxy;
mod resets;
mod silence;
mod support;
mod tls;
