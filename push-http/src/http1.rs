//! One HTTP/1.1 connection, for peers without HTTP/2: one exchange at a time, kept alive.
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::{
    connection::{Connection, H1Sender, Lease, Owner},
    error::{HttpError, HttpErrorKind},
    http2::{body_too_large, closed_before},
    keep_alive::Idle,
    plain,
    progress::Progress,
    settings::Settings,
    wire::{Io, Tap, Wire},
};

/// Servers close idle HTTP/1.1 connections without notice, so the client closes them first.
const MAX_IDLE: Duration = Duration::from_secs(60);

type Transport = TokioIo<Tap<Box<dyn Io>>>;

/// A connection that may take its first request.
pub(crate) struct Ready {
    pub(crate) sender: H1Sender,
    pub(crate) wire: Arc<Wire>,
    pub(crate) connection: http1::Connection<Transport, Full<Bytes>>,
}

/// Prepares `io` for requests.
pub(crate) async fn open(io: Box<dyn Io>) -> Result<Ready, HttpError> {
    let wire = Arc::new(Wire::new());
    let io = TokioIo::new(Tap::bytes(io, Arc::clone(&wire)));
    let (sender, connection) = http1::handshake(io).await.map_err(|error| {
        HttpError::never(
            HttpErrorKind::Connect,
            format!("the HTTP/1.1 connection failed: {}", plain::hyper(&error)),
        )
    })?;
    Ok(Ready {
        sender,
        wire,
        connection,
    })
}

/// Reads and writes one connection until it ends. Runs as a task of its own.
pub(crate) struct Driver {
    http: http1::Connection<Transport, Full<Bytes>>,
    connection: Arc<Connection>,
    owner: Arc<dyn Owner>,
    idle: Idle,
}

impl Driver {
    pub(crate) fn new(
        http: http1::Connection<Transport, Full<Bytes>>,
        connection: Arc<Connection>,
        owner: Arc<dyn Owner>,
        settings: &Settings,
    ) -> Self {
        let idle = settings.config.idle_timeout.min(MAX_IDLE);
        Self {
            http,
            idle: Idle::new(&connection, settings, idle),
            connection,
            owner,
        }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if let Poll::Ready(result) = Pin::new(&mut this.http).poll(cx) {
            let why = match result {
                Ok(()) => "the connection ended".into(),
                Err(error) => format!("the connection ended: {}", plain::hyper(&error)),
            };
            let error = HttpError::unknown(HttpErrorKind::Closed, why);
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
        let error = HttpError::unknown(HttpErrorKind::Closed, "the runtime was shut down");
        self.connection.end(&self.owner, error);
    }
}

/// Sends one request on the connection of `lease`, stores the head of the response in `progress`, and returns its body.
/// Dropping the future closes the connection.
pub(crate) async fn exchange(
    lease: &mut Lease,
    mut request: Request<()>,
    body: Bytes,
    max_body: usize,
    progress: &Progress,
) -> Result<Bytes, HttpError> {
    let connection = Arc::clone(lease.connection());
    let Some(mut sender) = connection.take_h1_sender() else {
        return Err(closed_before());
    };
    sender.ready().await.map_err(|_| closed_before())?;
    let uri = request.uri();
    let host = uri
        .authority()
        .map(|host| HeaderValue::from_str(host.as_str()));
    let target = uri.path_and_query().map_or("/", |path| path.as_str());
    let target: Uri = target.parse().map_err(|_| unfit())?;
    if let Some(host) = host {
        request
            .headers_mut()
            .insert(header::HOST, host.map_err(|_| unfit())?);
    }
    *request.uri_mut() = target;
    let written = connection.wire().bytes_written();
    let response = sender
        .try_send_request(request.map(|()| Full::new(body)))
        .await
        .map_err(|mut error| {
            let wire = connection.wire();
            let untouched = error.take_message().is_some()
                || (wire.is_closed() && wire.bytes_written() == written);
            let error = error.into_error();
            if untouched && error.is_user() {
                unfit()
            } else if untouched {
                closed_before()
            } else {
                unanswered(&error)
            }
        })?;
    lease.answered();
    let (head, mut incoming) = response.into_parts();
    let status = head.status;
    progress.arrived(head);
    let mut collected = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        if let Ok(chunk) = frame.map_err(|error| unanswered(&error))?.into_data() {
            if collected.len() + chunk.len() > max_body {
                return Err(body_too_large(status, max_body));
            }
            collected.extend_from_slice(&chunk);
        }
    }
    connection.give_h1_sender(sender);
    Ok(collected.freeze())
}

fn unanswered(error: &hyper::Error) -> HttpError {
    HttpError::unknown(
        HttpErrorKind::Closed,
        format!(
            "the connection ended without a whole response: {}",
            plain::hyper(error)
        ),
    )
}

fn unfit() -> HttpError {
    HttpError::never(
        HttpErrorKind::InvalidRequest,
        "HTTP/1.1 cannot carry this request",
    )
}
