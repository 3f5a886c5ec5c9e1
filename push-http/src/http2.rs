//! One HTTP/2 connection: its preface, its driver, and one exchange on it.
use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use h2::{PingPong, Reason, client};
use http::{HeaderValue, Request, header};
use push_core::Sleep;

use crate::{
    connection::{Connection, H2Sender, Lease, Owner},
    error::{HttpError, HttpErrorKind},
    keep_alive::{Idle, KeepAlive},
    plain,
    progress::Progress,
    settings::Settings,
    wire::{Body, Io, Tap, Wire},
};

/// What a peer may send before it is read, in bytes: per stream and per connection. Responses are small.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;
/// The largest header list that is accepted, in bytes.
const MAX_HEADER_LIST: u32 = 64 * 1024;
/// Number of reset streams that are remembered, so that late frames on them are not taken for an error of the peer.
const MAX_RESET_STREAMS: usize = 10_000;
/// Stream identifiers end at 2³¹−1; a connection that comes close to it is replaced.
const LAST_STREAM: u32 = 0x7fff_0000;

type Transport = Tap<Box<dyn Io>>;

/// A connection whose peer has sent its SETTINGS.
pub(crate) struct Ready {
    pub(crate) sender: H2Sender,
    pub(crate) wire: Arc<Wire>,
    pub(crate) connection: client::Connection<Transport, Body>,
}

/// Sends the preface on `io` and waits for the peer's SETTINGS, before which the peer's limits are unknown.
pub(crate) async fn open(io: Box<dyn Io>) -> Result<Ready, HttpError> {
    let wire = Arc::new(Wire::new());
    let (sender, mut connection) = client::Builder::new()
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADER_LIST)
        .max_concurrent_reset_streams(MAX_RESET_STREAMS)
        .handshake(Tap::frames(io, Arc::clone(&wire)))
        .await
        .map_err(|error| preface_failed(&wire, Some(&error)))?;
    poll_fn(|cx| match Pin::new(&mut connection).poll(cx) {
        Poll::Ready(result) => Poll::Ready(Err(preface_failed(&wire, result.err().as_ref()))),
        Poll::Pending if wire.settled() => Poll::Ready(Ok(())),
        Poll::Pending => Poll::Pending,
    })
    .await?;
    Ok(Ready {
        sender,
        wire,
        connection,
    })
}

fn preface_failed(wire: &Wire, error: Option<&h2::Error>) -> HttpError {
    if let Some(failure) = wire.tls_failure() {
        return failure.clone();
    }
    let (kind, why) = match error {
        Some(error) if error.is_library() => (
            HttpErrorKind::Protocol,
            format!("the peer does not speak HTTP/2: {}", plain::h2(error)),
        ),
        Some(error) => (
            HttpErrorKind::Connect,
            format!(
                "the connection ended before the peer's SETTINGS: {}",
                plain::h2(error)
            ),
        ),
        None => (
            HttpErrorKind::Connect,
            "the peer closed the connection before its SETTINGS".into(),
        ),
    };
    HttpError::never(kind, why)
        .with_go_away(wire.go_away())
        .advise("check that the address and port are those of an HTTP/2 service")
}

/// Reads and writes one connection and keeps it alive until it ends. Runs as a task of its own.
pub(crate) struct Driver {
    h2: client::Connection<Transport, Body>,
    ping: Option<PingPong>,
    connection: Arc<Connection>,
    owner: Arc<dyn Owner>,
    keep_alive: KeepAlive,
    idle: Idle,
    /// How long no other connection is opened because this one may soon take more requests.
    warming_up: Option<Sleep>,
}

impl Driver {
    pub(crate) fn new(
        mut h2: client::Connection<Transport, Body>,
        connection: Arc<Connection>,
        owner: Arc<dyn Owner>,
        settings: &Settings,
    ) -> Self {
        Self {
            ping: h2.ping_pong(),
            h2,
            keep_alive: KeepAlive::new(&connection, settings),
            idle: Idle::new(&connection, settings, settings.config.idle_timeout),
            warming_up: Some(settings.clock.sleep(settings.config.connect_timeout)),
            connection,
            owner,
        }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if let Poll::Ready(result) = Pin::new(&mut this.h2).poll(cx) {
            let cause = match result {
                Ok(()) => HttpError::unknown(HttpErrorKind::Closed, "the connection ended"),
                Err(error) if error.is_library() => protocol_error(&error),
                Err(error) => HttpError::unknown(
                    HttpErrorKind::Closed,
                    format!("the connection ended: {}", plain::h2(&error)),
                ),
            };
            this.connection.end(&this.owner, cause);
            return Poll::Ready(());
        }
        if this.connection.wire().take_changed() {
            if this.connection.wire().is_going_away() {
                Arc::clone(&this.owner).going_away(&this.connection);
            } else {
                Arc::clone(&this.owner).changed();
            }
        }
        if let Some(timer) = &mut this.warming_up
            && timer.as_mut().poll(cx).is_ready()
        {
            this.warming_up = None;
            this.connection.stop_warming_up();
            Arc::clone(&this.owner).changed();
        }
        if let Some(ping) = &mut this.ping
            && this.keep_alive.poll(cx, &this.connection, ping).is_ready()
        {
            let error = HttpError::unknown(
                HttpErrorKind::Silent,
                "the peer sent nothing, not even an answer to a PING, and the connection was closed",
            );
            this.connection.end(&this.owner, error);
            return Poll::Ready(());
        }
        if this.idle.poll(cx, &this.connection).is_ready() {
            this.connection.retire();
            Arc::clone(&this.owner).changed();
        }
        Poll::Pending
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Has an effect only if the runtime is shut down while the connection is open.
        let error = HttpError::unknown(HttpErrorKind::Closed, "the runtime was shut down");
        self.connection.end(&self.owner, error);
    }
}

/// Sends one request on the connection of `lease`, stores the head of the response in `progress`, and returns its body.
/// Dropping the future resets the stream.
pub(crate) async fn exchange(
    lease: &mut Lease,
    mut request: Request<()>,
    body: Bytes,
    max_body: usize,
    progress: &Progress,
) -> Result<Bytes, HttpError> {
    let connection = Arc::clone(lease.connection());
    let Some(mut sender) = connection.h2_sender() else {
        return Err(closed_before());
    };
    let headers = request.headers_mut();
    headers.remove(header::HOST);
    if !body.is_empty() && !headers.contains_key(header::CONTENT_LENGTH) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    let (response, mut stream) = match sender.send_request(request, body.is_empty()) {
        Ok(sent) => sent,
        Err(error) if error.is_io() || error.is_go_away() => {
            connection.retire();
            return Err(closed_before());
        }
        Err(_) => {
            return Err(HttpError::never(
                HttpErrorKind::InvalidRequest,
                "HTTP/2 cannot carry this request",
            )
            .advise(
                "remove headers about the connection: `connection`, `upgrade`, `transfer-encoding`",
            ));
        }
    };
    drop(sender);
    let id = response.stream_id().as_u32();
    if id > LAST_STREAM {
        connection.retire();
    }
    if !body.is_empty()
        && let Err(error) = stream.send_data(lease.body(body), true)
    {
        // The stream has ended meanwhile; its response has the reason.
        tracing::trace!(reason = %plain::h2(&error), "a body was not taken");
    }
    let response = response
        .await
        .map_err(|error| failed(&connection, id, &error))?;
    lease.answered();
    let (head, mut incoming) = response.into_parts();
    let status = head.status;
    progress.arrived(head);
    let mut collected = BytesMut::new();
    while let Some(chunk) = incoming.data().await {
        let chunk = chunk.map_err(|error| failed(&connection, id, &error))?;
        if collected.len() + chunk.len() > max_body {
            return Err(body_too_large(status, max_body));
        }
        // Fails only if the stream has ended, which is read next.
        incoming.flow_control().release_capacity(chunk.len()).ok();
        if collected.is_empty() && incoming.is_end_stream() {
            return Ok(chunk);
        }
        collected.extend_from_slice(&chunk);
    }
    Ok(collected.freeze())
}

fn protocol_error(error: &h2::Error) -> HttpError {
    HttpError::unknown(
        HttpErrorKind::Protocol,
        format!(
            "the peer violated the HTTP/2 protocol: {}",
            plain::h2(error)
        ),
    )
}

pub(crate) fn closed_before() -> HttpError {
    HttpError::never(
        HttpErrorKind::Closed,
        "the connection closed before the request was written",
    )
}

pub(crate) fn body_too_large(status: http::StatusCode, max: usize) -> HttpError {
    HttpError::unknown(
        HttpErrorKind::BodyTooLarge,
        format!("the response (status {status}) has a body of more than {max} bytes"),
    )
    .advise("check the address, or raise http.max_response_bytes")
}

/// The outcome of the request on stream `id`, which ended with `error`.
fn failed(connection: &Connection, id: u32, error: &h2::Error) -> HttpError {
    let go_away = connection.wire().go_away();
    if error.is_reset() && error.is_remote() {
        let reason = error.reason().unwrap_or(Reason::INTERNAL_ERROR);
        // RFC 9113 §8.7: the only reset that guarantees that nothing was processed.
        let error = if reason == Reason::REFUSED_STREAM {
            HttpError::never(
                HttpErrorKind::Refused,
                "the peer refused the stream before processing it",
            )
        } else {
            HttpError::unknown(
                HttpErrorKind::Reset,
                format!(
                    "the peer reset the stream: {}",
                    plain::reason_name(reason.into())
                ),
            )
        };
        return error.with_go_away(go_away);
    }
    // RFC 9113 §6.8: streams above the last one were not and will not be processed.
    if go_away
        .as_ref()
        .is_some_and(|go_away| id > go_away.last_stream())
    {
        return HttpError::never(
            HttpErrorKind::GoAway,
            "the peer shut the connection down before processing the request",
        )
        .with_go_away(go_away);
    }
    if connection.wire().certainly_not_written(id) {
        return closed_before().with_go_away(go_away);
    }
    let error = match connection.cause() {
        Some(cause) => cause.clone(),
        None if error.is_library() => protocol_error(error),
        None if go_away.is_some() => HttpError::unknown(
            HttpErrorKind::GoAway,
            "the peer shut the connection down without answering",
        ),
        None => HttpError::unknown(
            HttpErrorKind::Closed,
            format!(
                "the connection ended without a response: {}",
                plain::h2(error)
            ),
        ),
    };
    error.with_go_away(go_away)
}
