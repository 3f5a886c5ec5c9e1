//! The state of a pool at one moment.
use super::Origin;

/// The state of one origin's pool.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OriginStats {
    /// Scheme, host and port.
    pub origin: String,
    /// Connections that take requests.
    pub connections: usize,
    /// Connections that only finish their requests: after a GOAWAY, or retired by this client.
    pub draining: usize,
    /// Connections being opened.
    pub connecting: usize,
    /// Connections opened since the pool was created.
    pub opened: u64,
    /// Requests on connections.
    pub in_flight: usize,
    /// Requests that wait for room.
    pub waiting: usize,
    /// The smallest stream limit of the peer on a connection that takes requests, if it has set one.
    pub stream_limit: Option<u32>,
}

impl Origin {
    pub(crate) fn stats(&self) -> OriginStats {
        let state = self.lock();
        let connections = state.usable().count();
        OriginStats {
            origin: self.target.to_string(),
            connections,
            draining: state.connections.len() - connections,
            connecting: state.connecting,
            opened: state.opened,
            in_flight: state
                .connections
                .iter()
                .map(|connection| connection.load())
                .sum(),
            waiting: state
                .waiting
                .values()
                .filter(|waiting| !waiting.give.is_closed())
                .count(),
            stream_limit: state
                .usable()
                .filter(|connection| connection.is_h2())
                .map(|connection| connection.wire().stream_limit())
                .min()
                .filter(|limit| *limit != u32::MAX),
        }
    }
}
