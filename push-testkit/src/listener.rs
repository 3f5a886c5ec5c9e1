//! TCP, TLS and the life of connections, below any HTTP.
use std::{
    fmt,
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{Instant, Sleep},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// Time for a client to complete its TLS handshake, and again from there to its first bytes.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// With how many bytes every request begins at least: HTTP/2's preface has as many.
const BEGINNING: usize = 24;
/// How long a client may send nothing. Pushes are often sent over connections that are kept for long.
const IDLE: Duration = Duration::from_secs(60 * 60);
/// The pause after accepting failed for the first time; it doubles with each further failure in a row.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Connections that a listener serves at a time; one more is closed at once.
pub(crate) const MAX_CONNECTIONS: usize = 10_000;

/// A free port on loopback.
pub const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A listening socket whose connections are handed to a function, each in a task of its own.
///
/// When it drops, the port and every connection close at once; [`Listener::stop`] lets connections finish first.
pub struct Listener {
    address: SocketAddr,
    counters: Arc<Counters>,
    stop: watch::Sender<Stop>,
    cut: watch::Sender<u64>,
    task: JoinHandle<()>,
}

/// What connections are asked.
#[derive(Clone, Copy, Default)]
struct Stop {
    /// Everything ends.
    everything: bool,
    /// How often the connections of that time were asked to finish.
    rounds: u64,
}

#[derive(Default)]
struct Counters {
    accepted: AtomicU64,
    open: AtomicUsize,
}

impl Listener {
    /// Binds `address` and begins to serve; with `tls`, after a handshake. Needs a tokio runtime.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn start<H, F>(
        address: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        handler: H,
    ) -> io::Result<Self>
    where
        H: Fn(Connection) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self::start_with(address, tls, MAX_CONNECTIONS, handler).await
    }

    /// The same with at most `limit` connections at a time.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn start_with<H, F>(
        address: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        limit: usize,
        handler: H,
    ) -> io::Result<Self>
    where
        H: Fn(Connection) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let counters = Arc::new(Counters::default());
        let (stop, stopping) = watch::channel(Stop::default());
        let (cut, cutting) = watch::channel(0);
        let task = tokio::spawn(serve(
            listener,
            tls.map(TlsAcceptor::from),
            Arc::new(handler),
            (Arc::clone(&counters), limit),
            Stopping {
                stop: stopping,
                round: 0,
            },
            cutting,
        ));
        Ok(Self {
            address,
            counters,
            stop,
            cut,
            task,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were accepted since the start.
    pub fn accepted(&self) -> u64 {
        self.counters.accepted.load(Ordering::Relaxed)
    }

    /// How many connections are open now.
    pub fn open(&self) -> usize {
        self.counters.open.load(Ordering::Relaxed)
    }

    /// Closes every connection at once and without a message, as a vendor's crash would. New ones are accepted.
    pub fn cut_connections(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }

    /// Asks every connection to finish what it has begun and to close. New ones are accepted.
    pub fn finish_connections(&self) {
        self.stop.send_modify(|stop| stop.rounds += 1);
    }

    /// Closes the port, asks every connection to finish, and waits until all have.
    pub async fn stop(mut self) {
        self.stop.send_modify(|stop| stop.everything = true);
        // The task ends by itself; an error would only repeat a panic that has been printed.
        (&mut self.task).await.unwrap_or_default();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("address", &self.address)
            .field("accepted", &self.accepted())
            .field("open", &self.open())
            .finish()
    }
}

async fn serve<H, F>(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    handler: Arc<H>,
    (counters, limit): (Arc<Counters>, usize),
    mut stopping: Stopping,
    cutting: watch::Receiver<u64>,
) where
    H: Fn(Connection) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    let mut failures = 0_u32;
    loop {
        let accepted = tokio::select! {
            () = stopping.wait_for_the_end() => break,
            Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((tcp, peer)) = accepted else {
            // Out of descriptors, or the client is gone already: neither is a reason to stop serving.
            let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(16));
            failures = failures.saturating_add(1);
            tokio::select! {
                () = stopping.wait_for_the_end() => break,
                () = tokio::time::sleep(pause.min(LONGEST_PAUSE)) => continue,
            }
        };
        failures = 0;
        if counters.open.load(Ordering::Relaxed) >= limit {
            continue;
        }
        let number = counters.accepted.fetch_add(1, Ordering::Relaxed) + 1;
        let open = Open::new(&counters);
        let (tls, handler) = (tls.clone(), Arc::clone(&handler));
        let (stopping, mut cutting) = (stopping.now(), cutting.clone());
        cutting.mark_unchanged();
        tasks.spawn(async move {
            let _open = open;
            let serve = async {
                if let Some(it) = Connection::accept(tcp, peer, number, tls, stopping).await {
                    handler(it).await;
                }
            };
            tokio::select! {
                () = serve => {}
                // An error means that the listener is gone, and this task with it.
                _ = cutting.changed() => {}
            }
        });
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

/// Counts a connection as open while it lives.
struct Open(Arc<Counters>);

impl Open {
    fn new(counters: &Arc<Counters>) -> Self {
        counters.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counters))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One accepted connection.
#[derive(Debug)]
#[non_exhaustive]
pub struct Connection {
    /// The bytes, in clear.
    pub io: Stream,
    /// Who it is.
    pub peer: Peer,
    /// When to finish.
    pub stopping: Stopping,
}

/// The other end of a connection. In the extensions of every request that [`crate::HttpServer`] hands on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Peer {
    /// The sequence number of the connection on its listener, from 1.
    pub connection: u64,
    /// Its address.
    pub address: SocketAddr,
    /// What ALPN agreed on, if anything.
    pub alpn: Option<Vec<u8>>,
    /// The certificate it showed, if any.
    pub certificate: Option<CertificateDer<'static>>,
}

/// Signals a connection to finish.
#[derive(Clone)]
pub struct Stopping {
    stop: watch::Receiver<Stop>,
    round: u64,
}

impl Stopping {
    /// Completes when the connection should finish what it has and close.
    pub async fn wait(&mut self) {
        let round = self.round;
        // An error means that the listener is gone: that is a stop, too.
        self.stop
            .wait_for(|stop| stop.everything || stop.rounds > round)
            .await
            .map(drop)
            .unwrap_or(());
    }

    /// Completes when everything ends.
    async fn wait_for_the_end(&mut self) {
        self.stop
            .wait_for(|stop| stop.everything)
            .await
            .map(drop)
            .unwrap_or(());
    }

    /// For a connection that is accepted now: earlier rounds do not concern it.
    fn now(&self) -> Self {
        Self {
            stop: self.stop.clone(),
            round: self.stop.borrow().rounds,
        }
    }
}

impl fmt::Debug for Stopping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stopping")
    }
}

impl Connection {
    async fn accept(
        tcp: TcpStream,
        address: SocketAddr,
        number: u64,
        tls: Option<TlsAcceptor>,
        stopping: Stopping,
    ) -> Option<Self> {
        tcp.set_nodelay(true).ok()?;
        let mut peer = Peer {
            connection: number,
            address,
            alpn: None,
            certificate: None,
        };
        let io = match tls {
            None => Io::Clear(tcp),
            Some(tls) => {
                let stream = tokio::time::timeout(HANDSHAKE, tls.accept(tcp)).await;
                let stream = stream.ok()?.ok()?;
                let session = stream.get_ref().1;
                peer.alpn = session.alpn_protocol().map(<[u8]>::to_vec);
                peer.certificate = session
                    .peer_certificates()
                    .and_then(|it| it.first())
                    .map(|it| it.clone().into_owned());
                Io::Tls(Box::new(stream))
            }
        };
        Some(Self {
            io: Stream {
                io,
                reset: Arc::default(),
                silence: Silence::new(),
            },
            peer,
            stopping,
        })
    }
}

/// The bytes of a connection, TLS taken off.
#[derive(Debug)]
pub struct Stream {
    io: Io,
    reset: Arc<AtomicBool>,
    silence: Silence,
}

/// How long nothing was read.
#[derive(Debug)]
struct Silence {
    /// How many bytes are missing of the first ones.
    missing: usize,
    until: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Silence {
    fn new() -> Self {
        let until = Instant::now() + HANDSHAKE;
        Self {
            missing: BEGINNING,
            until,
            timer: Box::pin(tokio::time::sleep_until(until)),
        }
    }

    /// `bytes` bytes were read.
    fn end(&mut self, bytes: usize) {
        self.missing = self.missing.saturating_sub(bytes);
        if self.missing == 0 {
            self.until = Instant::now() + IDLE;
        }
    }

    /// Completes when it has lasted too long. The timer is set again only when it has run out: that is once an hour.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.timer.as_mut().poll(cx).is_ready() {
            if self.until <= Instant::now() {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(self.until);
        }
        Poll::Pending
    }
}

#[derive(Debug)]
enum Io {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// A switch that, once thrown, makes the connection end in a TCP reset when the stream drops, not in a close.
    pub fn resetter(&self) -> Resetter {
        Resetter(Arc::clone(&self.reset))
    }
}

/// See [`Stream::resetter`].
#[derive(Clone, Debug)]
pub struct Resetter(Arc<AtomicBool>);

impl Resetter {
    /// Throws the switch.
    pub fn arm(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            let tcp = match &self.io {
                Io::Clear(it) => it,
                Io::Tls(it) => it.get_ref().0,
            };
            // Where that fails the peer is gone already.
            tcp.set_zero_linger().unwrap_or_default();
        }
    }
}

macro_rules! forward {
    ($self:ident, $method:ident($($arg:expr),*)) => {
        match &mut $self.get_mut().io {
            Io::Clear(it) => Pin::new(it).$method($($arg),*),
            Io::Tls(it) => Pin::new(it).$method($($arg),*),
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = match &mut this.io {
            Io::Clear(it) => Pin::new(it).poll_read(cx, buffer),
            Io::Tls(it) => Pin::new(it).poll_read(cx, buffer),
        };
        if read.is_ready() {
            this.silence.end(buffer.filled().len() - before);
            return read;
        }
        match this.silence.poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        forward!(self, poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Echoes what comes.
    async fn echo(connection: Connection) {
        let mut io = connection.io;
        let mut bytes = [0; 64];
        while let Ok(length @ 1..) = io.read(&mut bytes).await {
            if io.write_all(&bytes[..length]).await.is_err() {
                break;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_is_closed() {
        let listener = Listener::start(LOOPBACK, None, echo).await.unwrap();
        for (sent, life) in [
            (&b""[..], HANDSHAKE),
            (b"half a preface", HANDSHAKE),
            (b"the beginning of a request", IDLE),
        ] {
            let mut tcp = TcpStream::connect(listener.address()).await.unwrap();
            let start = Instant::now();
            tcp.write_all(sent).await.unwrap();
            let mut echoed = vec![0; sent.len()];
            tcp.read_exact(&mut echoed).await.unwrap();
            assert_eq!(tcp.read(&mut [0; 64]).await.unwrap_or(0), 0);
            let lived = start.elapsed();
            // Time stands still until all wait: it does not until the bytes have come.
            let slack = Duration::from_secs(1);
            assert!(lived >= life && lived < life + slack, "{lived:?}");
        }
    }
}
