//! An HTTP/1.1 and HTTP/2 server for simulators and scripted vendors.
use std::{
    convert::Infallible,
    fmt,
    future::Future,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use push_core::Clock;
use rustls::ServerConfig;
use tokio::sync::Notify;

use crate::{
    listener::{Connection, LOOPBACK, Listener, MAX_CONNECTIONS},
    log::Log,
    reply::{Act, Answer, Ending, Reply},
    tls::{Alpn, Authority, ClientAuth, server_config},
};

/// How an [`HttpServer`] listens.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerOptions {
    /// Where it listens. Default: a free port of 127.0.0.1.
    pub address: SocketAddr,
    /// TLS; `None` for clear text (HTTP/1.1, or HTTP/2 with prior knowledge). Default: none.
    pub tls: Option<Arc<ServerConfig>>,
    /// The largest request body, in bytes. Default: 64 KiB.
    pub max_body: usize,
    /// The answer to a larger one. Default: 413 without a body.
    pub too_large: Option<Reply>,
    /// Streams a client may have open on one HTTP/2 connection. Default: 200.
    pub max_streams: u32,
    /// How many requests the log keeps. Default: 1,024.
    pub log: usize,
    /// What [`Reply::after`] waits on; `None` is real time. Default: none.
    pub clock: Option<Arc<dyn Clock>>,
    /// Connections at a time; one more is closed at once. Default: 10,000.
    pub max_connections: usize,
    /// The longest that a connection may be without a request and a request without its body, on `clock`. A connection closes
    /// within twice this time, a body that is not complete is 408. `None`: any time. Default: none.
    pub quiet: Option<Duration>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            address: LOOPBACK,
            tls: None,
            max_body: 64 * 1024,
            too_large: None,
            max_streams: 200,
            log: 1024,
            clock: None,
            max_connections: MAX_CONNECTIONS,
            quiet: None,
        }
    }
}

impl ServerOptions {
    /// TLS for `localhost` and `127.0.0.1` with a certificate of `authority`, HTTP/2 and HTTP/1.1.
    pub fn tls(authority: &Authority) -> Self {
        Self::tls_with(authority, Alpn::Both)
    }

    /// The same with these protocols.
    pub fn tls_with(authority: &Authority, alpn: Alpn) -> Self {
        let identity = authority.server(&["localhost", "127.0.0.1"]);
        Self {
            tls: Some(server_config(&identity, alpn, ClientAuth::None)),
            ..Self::default()
        }
    }

    /// Delays on this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    push_core::setters! {
        with_address(address: SocketAddr);
        with_tls(tls: impl Into<Option<Arc<ServerConfig>>>);
        with_max_body(max_body: usize);
        with_too_large(too_large: impl Into<Option<Reply>>);
        with_log(log: usize);
        with_quiet(quiet: impl Into<Option<Duration>>);
    }
}

/// A server that gives every request to one function.
///
/// When it drops, the port and every connection close at once.
#[derive(Debug)]
pub struct HttpServer {
    listener: Listener,
    log: Log,
    tls: bool,
}

impl HttpServer {
    /// Begins to listen. The function gets the whole request, with [`crate::Peer`] among its extensions.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn start<H, F>(options: ServerOptions, handler: H) -> io::Result<Self>
    where
        H: Fn(Request<Bytes>) -> F + Send + Sync + 'static,
        F: Future<Output = Reply> + Send + 'static,
    {
        let log = Log::new(options.log);
        let tls = options.tls.is_some();
        let shared = Arc::new(Shared {
            handler,
            log: log.clone(),
            max_body: options.max_body,
            too_large: options
                .too_large
                .unwrap_or_else(|| Reply::new(StatusCode::PAYLOAD_TOO_LARGE.as_u16())),
            max_streams: options.max_streams,
            clock: options.clock,
            quiet: options.quiet,
        });
        let (address, limit) = (options.address, options.max_connections);
        let listener = Listener::start_with(address, options.tls, limit, move |connection| {
            converse(Arc::clone(&shared), connection)
        })
        .await?;
        Ok(Self { listener, log, tls })
    }

    /// Its address as the beginning of a URL: `https://localhost:<port>`.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.listener.address().port())
    }

    /// What it was asked.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The socket below: its address, and its connections.
    pub fn listener(&self) -> &Listener {
        &self.listener
    }

    /// Closes the port, lets requests in flight finish, and waits for them.
    pub async fn stop(self) {
        self.listener.stop().await;
    }
}

struct Shared<H> {
    handler: H,
    log: Log,
    max_body: usize,
    too_large: Reply,
    max_streams: u32,
    clock: Option<Arc<dyn Clock>>,
    quiet: Option<Duration>,
}

impl<H: Sync> Shared<H> {
    async fn sleep(&self, duration: Duration) {
        match &self.clock {
            Some(clock) => clock.sleep(duration).await,
            None => tokio::time::sleep(duration).await,
        }
    }

    /// Completes when a request has waited too long for its body.
    async fn body_is_late(&self) {
        match self.quiet {
            Some(quiet) => self.sleep(quiet).await,
            None => std::future::pending().await,
        }
    }

    /// Completes when there was no request for too long.
    async fn is_quiet(&self, activity: &Activity) {
        let Some(quiet) = self.quiet else {
            return std::future::pending().await;
        };
        loop {
            let changes = activity.changes.load(Ordering::Acquire);
            self.sleep(quiet).await;
            if activity.open.load(Ordering::Acquire) == 0
                && activity.changes.load(Ordering::Acquire) == changes
            {
                return;
            }
        }
    }
}

/// The requests of one connection.
#[derive(Default)]
struct Activity {
    /// How often one began or ended.
    changes: AtomicU64,
    open: AtomicUsize,
}

/// A request that is being answered.
struct Begun(Arc<Activity>);

impl Begun {
    fn new(activity: &Arc<Activity>) -> Self {
        activity.changes.fetch_add(1, Ordering::AcqRel);
        activity.open.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(activity))
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        // First, so that a connection whose last request has ended is not quiet since it began.
        self.0.changes.fetch_add(1, Ordering::AcqRel);
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

async fn converse<H, F>(shared: Arc<Shared<H>>, connection: Connection)
where
    H: Fn(Request<Bytes>) -> F + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let Connection {
        io,
        peer,
        mut stopping,
    } = connection;
    let resetter = io.resetter();
    let cut = Arc::new(Notify::new());
    let activity = Arc::new(Activity::default());
    let service = {
        let (shared, cut) = (Arc::clone(&shared), Arc::clone(&cut));
        let activity = Arc::clone(&activity);
        service_fn(move |request: Request<Incoming>| {
            let (shared, cut, peer) = (Arc::clone(&shared), Arc::clone(&cut), peer.clone());
            let begun = Begun::new(&activity);
            async move {
                let _begun = begun;
                let (mut parts, body) = request.into_parts();
                parts.extensions.insert(peer);
                let reply = tokio::select! {
                    body = Limited::new(body, shared.max_body).collect() => match body {
                        Ok(body) => {
                            let request = Request::from_parts(parts, body.to_bytes());
                            shared.log.add(&request);
                            resolve(&shared, request).await
                        }
                        Err(_) => shared.too_large.clone(),
                    },
                    () = shared.body_is_late() => Reply::new(408),
                };
                Ok::<_, Infallible>(answer(reply, &cut).await)
            }
        })
    };
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http2()
        .max_concurrent_streams(shared.max_streams)
        .initial_connection_window_size(1 << 20);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(io), service));
    tokio::select! {
        // How a client leaves is its own affair.
        _ = serving.as_mut() => return,
        () = cut.notified() => return resetter.arm(),
        () = shared.is_quiet(&activity) => return,
        () = stopping.wait() => {}
    }
    serving.as_mut().graceful_shutdown();
    tokio::select! {
        _ = serving => {}
        () = cut.notified() => resetter.arm(),
        () = shared.is_quiet(&activity) => {}
    }
}

/// Asks the handler, waits out the delay, and settles replies that depend on the request.
async fn resolve<H, F>(shared: &Shared<H>, request: Request<Bytes>) -> Reply
where
    H: Fn(Request<Bytes>) -> F + Send + Sync,
    F: Future<Output = Reply> + Send,
{
    let copy = request.clone();
    let mut reply = (shared.handler)(request).await;
    loop {
        if reply.delay > Duration::ZERO {
            shared.sleep(reply.delay).await;
        }
        match &reply.act {
            Act::With(with) => reply = with(&copy),
            _ => return reply,
        }
    }
}

async fn answer(reply: Reply, cut: &Notify) -> Response<ReplyBody> {
    let answer = match reply.act {
        Act::Answer(answer) => answer,
        Act::Reset => {
            cut.notify_one();
            return std::future::pending().await;
        }
        Act::Silence | Act::With(_) => return std::future::pending().await,
    };
    let Answer {
        status,
        mut headers,
        body: mut data,
        ending,
    } = *answer;
    if ending == Ending::Truncated {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(data.len().max(1)));
        data.truncate(data.len() / 2);
    }
    let mut response = Response::new(ReplyBody {
        data,
        ending,
        flushed: false,
    });
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// A body that may break off, or not end.
struct ReplyBody {
    data: Bytes,
    ending: Ending,
    flushed: bool,
}

/// Why a body breaks off.
#[derive(Debug)]
struct Truncated;

impl fmt::Display for Truncated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the script ends the body here")
    }
}

impl std::error::Error for Truncated {}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Truncated;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Truncated>>> {
        if !self.data.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.data)))));
        }
        let ending = self.ending;
        match ending {
            Ending::Whole => Poll::Ready(None),
            // Dropped with its connection.
            Ending::Open => Poll::Pending,
            Ending::Truncated if !std::mem::replace(&mut self.flushed, true) => {
                // Whatever hyper has is written out only when there is nothing more for now.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Ending::Truncated => Poll::Ready(Some(Err(Truncated))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_empty() && self.ending == Ending::Whole
    }

    fn size_hint(&self) -> SizeHint {
        if self.ending == Ending::Whole {
            SizeHint::with_exact(self.data.len() as u64)
        } else {
            SizeHint::default()
        }
    }
}
