//! Serving: HTTP/1.1, and HTTP/2 with prior knowledge, on one listener.
//!
//! Every connection ends in bounded time, whatever the client does: it has [`HttpSettings::head_timeout`] from the connection to
//! its first request, [`HttpSettings::idle_timeout`] between two requests, and must read its answers: a part of each within
//! [`HttpSettings::timeout`], and 1 KiB a second of one that takes longer. At the limit of connections, one that answers no
//! request, or whose client does not read the answer, is closed for a new one; connections with an API key are closed last.
mod accept;
mod progress;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod tracker;

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use axum::{Router, body::Body};
use http::{Request, Response};
use hyper::{
    body::Incoming as Received,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinSet,
    time::Instant,
};

pub(crate) use self::tracker::Tracked;
use self::{
    accept::Incoming,
    stream::{Answering, Stream},
    table::Table,
    tracker::{Open, Timeouts, Tracker},
};
use super::HttpSettings;

/// What is buffered of a connection at most, in bytes: also the longest head of a request.
const BUFFER: usize = 64 * 1024;
/// How much of an HTTP/2 connection's bodies may be on their way, and of one body; in bytes.
const WINDOW: u32 = 1024 * 1024;
const STREAM_WINDOW: u32 = 256 * 1024;
const STREAMS: u32 = 256;
/// How long an idle connection with an API key stays open when it is closed for a new one: a request may be on its way.
const GRACE: Duration = Duration::from_millis(100);

/// Answers requests on `listener` until `stop` completes; then waits for those under way, at most [`HttpSettings::drain`].
///
/// Speaks no TLS: a proxy in front of it does.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: &HttpSettings,
    stop: impl Future<Output = ()> + Send,
) {
    run(listener, router, settings, stop).await;
}

async fn run<I>(
    mut incoming: I,
    router: Router,
    settings: &HttpSettings,
    stop: impl Future<Output = ()> + Send,
) where
    I: Incoming,
    I::Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let builder = builder(settings.head_timeout);
    let timeouts = Timeouts {
        head: settings.head_timeout,
        idle: settings.idle_timeout,
        stall: settings.timeout,
    };
    let places = Arc::new(Semaphore::new(settings.connections));
    let table = Arc::new(Table::default());
    let (stopping, _) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    let mut number = 0;
    loop {
        while connections.try_join_next().is_some() {}
        let next = async {
            let (socket, peer) = accept::next(&mut incoming, &table).await;
            (socket, peer, accept::place(&places, &table).await)
        };
        let (socket, peer, place) = tokio::select! {
            next = next => next,
            () = &mut stop => break,
        };
        number += 1;
        let tracker = Tracker::new(number, peer, timeouts, &table);
        let open = Open(Arc::clone(&tracker));
        let service = {
            let (router, tracker) = (router.clone(), Arc::clone(&tracker));
            service_fn(move |request| answer(router.clone(), Arc::clone(&tracker), request))
        };
        let socket = TokioIo::new(Stream::new(socket, Arc::clone(&tracker)));
        let connection = builder.serve_connection(socket, service).into_owned();
        let mut stopping = stopping.subscribe();
        connections.spawn(async move {
            let mut connection = pin!(connection);
            let end = tokio::select! {
                end = watched(connection.as_mut(), &tracker) => end,
                _ = stopping.wait_for(|stop| *stop) => End::Stopped,
            };
            match end {
                End::Over(result) => log_error(result),
                End::Stopped => {
                    connection.as_mut().graceful_shutdown();
                    log_error(connection.await);
                }
                End::Late if tracker.is_idle_http2() => {
                    connection.as_mut().graceful_shutdown();
                    close(connection, &tracker, timeouts.head).await;
                }
                End::Late => {
                    tracing::debug!("a connection was closed because it was idle or too slow")
                }
                End::Evicted => {
                    // The next connection waits for nothing that this client does.
                    drop((place, open));
                    if tracker.is_idle_http2() {
                        connection.as_mut().graceful_shutdown();
                        let grace = if tracker.is_servers() {
                            GRACE
                        } else {
                            Duration::ZERO
                        };
                        let left = tokio::time::timeout(grace, connection);
                        log_error(left.await.unwrap_or(Ok(())));
                    }
                    return;
                }
            }
            drop((place, open));
        });
    }
    drop(incoming);
    stopping.send_replace(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(settings.drain, drained).await.is_err() {
        tracing::warn!("requests were still under way at the shutdown");
    }
}

fn builder(ping_timeout: Duration) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Its own time-out for heads counts the idle time before them.
    builder
        .http1()
        .header_read_timeout(None)
        .max_buf_size(BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(WINDOW)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(ping_timeout);
    builder
}

/// Answers one request; it counts until the answer is written.
fn answer(
    router: Router,
    tracker: Arc<Tracker>,
    mut request: Request<Received>,
) -> impl Future<Output = Result<Response<Answering<Body>>, Infallible>> + Send + 'static {
    let guard = tracker.begin();
    request.extensions_mut().insert(Tracked(tracker));
    let answer = TowerToHyperService::new(router).call(request);
    async move {
        let answer = answer.await?;
        Ok(answer.map(|body| Answering::new(body, guard)))
    }
}

/// Why a connection ends.
enum End<T> {
    /// It has ended.
    Over(T),
    /// The server stops.
    Stopped,
    /// It reached a deadline.
    Late,
    /// It is closed for a new one.
    Evicted,
}

/// Drives a connection to its end, or until it has to be closed.
async fn watched<C: Future>(mut connection: Pin<&mut C>, tracker: &Tracker) -> End<C::Output> {
    let mut timer = pin!(tokio::time::sleep_until(Instant::now()));
    poll_fn(|cx| {
        tracker.register(cx.waker());
        if let Poll::Ready(result) = connection.as_mut().poll(cx) {
            return Poll::Ready(End::Over(result));
        }
        if tracker.must_close() {
            return Poll::Ready(End::Evicted);
        }
        while let Some(at) = tracker.next_check() {
            if timer.deadline() != at {
                timer.as_mut().reset(at);
            }
            if timer.as_mut().poll(cx).is_pending() {
                break;
            }
            if tracker.is_late() {
                return Poll::Ready(End::Late);
            }
        }
        Poll::Pending
    })
    .await
}

/// Drives a connection that is shutting down to its end, at most for `longest` and until its place is needed.
async fn close<C>(mut connection: Pin<&mut C>, tracker: &Tracker, longest: Duration)
where
    C: Future<Output = Result<(), Box<dyn std::error::Error + Send + Sync>>>,
{
    let left = poll_fn(|cx| {
        tracker.register(cx.waker());
        match connection.as_mut().poll(cx) {
            Poll::Pending if tracker.must_close() => Poll::Ready(Ok(())),
            poll => poll,
        }
    });
    log_error(tokio::time::timeout(longest, left).await.unwrap_or(Ok(())));
}

fn log_error(result: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = result {
        tracing::debug!(%error, "a connection failed");
    }
}
