//! Accepting connections: one at a time, more slowly while it fails, and never more than there is room for.
use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use super::table::Table;

/// The pause after accepting failed for the first time; it doubles with each further failure in a row.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Where connections come from.
pub(super) trait Incoming: Send {
    /// A connection's bytes.
    type Socket;

    /// The next connection.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Socket, SocketAddr)>> + Send;
}

impl Incoming for TcpListener {
    type Socket = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let (socket, peer) = Self::accept(self).await?;
        // Answers are small and wanted at once.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps Nagle's algorithm");
        }
        Ok((socket, peer))
    }
}

/// The next connection. Failures are waited out; a listener that has failed many times in a row tries once a second.
pub(super) async fn next<I: Incoming>(incoming: &mut I, table: &Table) -> (I::Socket, SocketAddr) {
    let mut failures: u32 = 0;
    loop {
        let error = match incoming.accept().await {
            Ok(connection) => return connection,
            Err(error) => error,
        };
        if is_of_connection(&error) {
            tracing::debug!(%error, "a connection ended before it was accepted");
            continue;
        }
        // No descriptors, usually: a connection that can be spared has one.
        table.evict_one();
        let pause = FIRST_PAUSE
            .saturating_mul(1 << failures.min(16))
            .min(LONGEST_PAUSE);
        failures = failures.saturating_add(1);
        if failures.is_power_of_two() {
            tracing::warn!(%error, failures, "connections cannot be accepted");
        }
        tokio::time::sleep(pause).await;
    }
}

/// Whether it was this connection that failed, and not accepting.
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

/// A place for a connection. When none is free, a connection that answers no request makes room.
pub(super) async fn place(places: &Arc<Semaphore>, table: &Table) -> Option<OwnedSemaphorePermit> {
    loop {
        if let Ok(place) = Arc::clone(places).try_acquire_owned() {
            return Some(place);
        }
        let mut idle = std::pin::pin!(table.idle.notified());
        idle.as_mut().enable();
        table.evict_one();
        tokio::select! {
            place = Arc::clone(places).acquire_owned() => return place.ok(),
            () = idle => {}
        }
    }
}
