//! What can go wrong with an exchange, and whether the peer may have acted on it.
use std::{
    error::Error as StdError,
    fmt::{self, Write as _},
};

use bytes::Bytes;
use http::{StatusCode, response::Parts};
use push_core::{Error, ErrorKind};

use crate::plain;

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HttpErrorKind {
    /// The request cannot be sent as it is: no absolute URL, a scheme other than `http` or `https`, a forbidden header.
    InvalidRequest,
    /// Too many requests wait already, or too many origins are in use: the same request may succeed later.
    Busy,
    /// The peer's name did not resolve, or no address of it accepted a connection, or not in time.
    Connect,
    /// The operator's [`AddressPolicy`](push_core::AddressPolicy) does not permit the peer's address. Nothing was sent to
    /// it, so the error is the same whatever listens there.
    AddressDenied,
    /// TLS failed: the peer's certificate, the client's, or no version or cipher in common.
    Tls,
    /// The proxy could not be reached, or refused to open a tunnel.
    Proxy,
    /// The peer does not speak the protocol: no HTTP/2 by ALPN where it is required, or it broke the rules.
    Protocol,
    /// The exchange did not end within the request deadline.
    Deadline,
    /// The peer reset this one stream.
    Reset,
    /// The peer refused this one stream before doing anything with it (`REFUSED_STREAM`).
    Refused,
    /// The peer is shutting the connection down (GOAWAY); [`HttpError::go_away`] has its error code and text.
    GoAway,
    /// The connection ended while the request was on it.
    Closed,
    /// Nothing was heard from the peer, not even an answer to a PING, and the connection was given up.
    Silent,
    /// The response body exceeds [`HttpConfig::max_response_bytes`](crate::HttpConfig::max_response_bytes).
    BodyTooLarge,
}

/// Whether the peer may have acted on a request that got no complete response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
// Closed: a request was certainly not processed, or it may have been.
pub enum Processed {
    /// Certainly not: the request was never written, or the peer reported that it did not process it. Sending it again is
    /// safe.
    Never,
    /// The peer may have processed it, or may still do so. Sending it again may do it twice.
    Unknown,
}

/// The frame with which a peer begins to shut a connection down (RFC 9113 §6.8).
#[derive(Clone, PartialEq, Eq)]
pub struct GoAway {
    pub(crate) last_stream: u32,
    pub(crate) code: u32,
    pub(crate) debug_data: Bytes,
}

impl GoAway {
    /// The last stream that the peer may have processed.
    pub fn last_stream(&self) -> u32 {
        self.last_stream
    }

    /// The HTTP/2 error code: 0 is `NO_ERROR`.
    pub fn code(&self) -> u32 {
        self.code
    }

    /// The peer's debug data, at most 1,024 bytes. Some vendors put a reason in JSON here.
    pub fn debug_data(&self) -> &Bytes {
        &self.debug_data
    }
}

impl fmt::Display for GoAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&plain::reason_name(self.code))?;
        if !self.debug_data.is_empty() {
            f.write_str(": ")?;
            for byte in self.debug_data.iter().take(200) {
                let printable = matches!(byte, b' '..=b'~');
                f.write_char(if printable { char::from(*byte) } else { '.' })?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for GoAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GoAway({self}, last stream {})", self.last_stream)
    }
}

/// Why there is no complete response: what happened, with which origin, what to do, and whether the peer may have acted.
///
/// `Display` and `Debug` show no header, path or body, so that no token or message gets into a log.
#[derive(Clone)]
pub struct HttpError(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: HttpErrorKind,
    processed: Processed,
    message: String,
    origin: Option<String>,
    advice: &'static str,
    go_away: Option<GoAway>,
    response: Option<Box<Parts>>,
}

/// The next step, where the place of the error knows no better one.
fn usual_advice(kind: HttpErrorKind) -> &'static str {
    match kind {
        HttpErrorKind::InvalidRequest => "correct the request",
        HttpErrorKind::Busy => "send again later",
        HttpErrorKind::Connect => "check that the peer is up and reachable from this machine",
        HttpErrorKind::AddressDenied => "ask the operator to allow this network",
        HttpErrorKind::Tls => "check the address and the peer's certificate",
        HttpErrorKind::Proxy => "check http.proxy and the proxy's log",
        HttpErrorKind::Protocol => "check the address; a device in between may change the traffic",
        HttpErrorKind::BodyTooLarge => "check the address",
        HttpErrorKind::Deadline
        | HttpErrorKind::Reset
        | HttpErrorKind::Refused
        | HttpErrorKind::GoAway
        | HttpErrorKind::Closed
        | HttpErrorKind::Silent => {
            "check the network and the peer's status page if this happens often"
        }
    }
}

impl HttpError {
    pub(crate) fn new(
        kind: HttpErrorKind,
        processed: Processed,
        message: impl Into<String>,
    ) -> Self {
        Self(Box::new(Inner {
            kind,
            processed,
            message: message.into(),
            origin: None,
            advice: usual_advice(kind),
            go_away: None,
            response: None,
        }))
    }

    /// An error after which it is certain that the peer did not process the request.
    pub(crate) fn never(kind: HttpErrorKind, message: impl Into<String>) -> Self {
        Self::new(kind, Processed::Never, message)
    }

    /// An error after which the peer may have processed the request.
    pub(crate) fn unknown(kind: HttpErrorKind, message: impl Into<String>) -> Self {
        Self::new(kind, Processed::Unknown, message)
    }

    #[must_use]
    pub(crate) fn at(mut self, origin: impl fmt::Display) -> Self {
        if self.0.origin.is_none() {
            self.0.origin = Some(origin.to_string());
        }
        self
    }

    #[must_use]
    pub(crate) fn advise(mut self, advice: &'static str) -> Self {
        self.0.advice = advice;
        self
    }

    /// The response had begun, so that the peer has processed the request whatever the error means by itself.
    #[must_use]
    pub(crate) fn after(mut self, response: Option<Parts>) -> Self {
        if let Some(response) = response {
            self.0.processed = Processed::Unknown;
            self.0.response = Some(Box::new(response));
        }
        self
    }

    #[must_use]
    pub(crate) fn with_go_away(mut self, go_away: Option<GoAway>) -> Self {
        self.0.go_away = go_away;
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> HttpErrorKind {
        self.0.kind
    }

    /// Whether the peer may have acted on the request.
    pub fn processed(&self) -> Processed {
        self.0.processed
    }

    /// What happened, without origin and advice.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Scheme, host and port of the peer, where there is one.
    pub fn origin(&self) -> Option<&str> {
        self.0.origin.as_deref()
    }

    /// The status and headers of the response, if they arrived and its body did not, or not completely.
    ///
    /// A vendor whose answer is complete in its status (a 200 without a body) has then answered: the delivery is accepted,
    /// and sending it again would show it twice.
    pub fn response_head(&self) -> Option<&Parts> {
        self.0.response.as_deref()
    }

    /// The status of [`response_head`](Self::response_head).
    pub fn status(&self) -> Option<StatusCode> {
        self.response_head().map(|head| head.status)
    }

    /// The next step for an operator.
    pub fn advice(&self) -> Option<&str> {
        Some(self.0.advice)
    }

    /// The peer's GOAWAY, if it had sent one on the connection when the exchange failed.
    pub fn go_away(&self) -> Option<&GoAway> {
        self.0.go_away.as_ref()
    }

    /// Returns `true` if the same request may succeed later without a change of configuration.
    pub fn is_transient(&self) -> bool {
        !matches!(
            self.0.kind,
            HttpErrorKind::InvalidRequest
                | HttpErrorKind::AddressDenied
                | HttpErrorKind::Tls
                | HttpErrorKind::Protocol
                | HttpErrorKind::BodyTooLarge
        )
    }

    /// Returns `true` if the client itself may send the request again on another connection.
    pub(crate) fn may_be_sent_again(&self) -> bool {
        self.0.processed == Processed::Never
            && matches!(
                self.0.kind,
                HttpErrorKind::Refused | HttpErrorKind::GoAway | HttpErrorKind::Closed
            )
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.0.origin {
            write!(f, "{origin}: ")?;
        }
        f.write_str(&self.0.message)?;
        if let Some(go_away) = &self.0.go_away {
            write!(f, " (GOAWAY {go_away})")?;
        }
        write!(f, "; {}", self.0.advice)
    }
}

impl fmt::Debug for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpError")
            .field("kind", &self.0.kind)
            .field("processed", &self.0.processed)
            .field("message", &self.0.message)
            .field("origin", &self.0.origin)
            .field("advice", &self.0.advice)
            .field("go_away", &self.0.go_away)
            .field("status", &self.status())
            .finish()
    }
}

impl StdError for HttpError {}

impl From<HttpError> for Error {
    /// For operations other than sending (a token endpoint, a health check). Whether the peer acted is lost.
    fn from(error: HttpError) -> Self {
        let kind = match error.kind() {
            HttpErrorKind::InvalidRequest => ErrorKind::Invalid,
            HttpErrorKind::Busy => ErrorKind::Busy,
            HttpErrorKind::AddressDenied => ErrorKind::Denied,
            _ => ErrorKind::Unavailable,
        };
        let mut out = Self::new(kind, error.message());
        if let Some(origin) = error.origin() {
            out = out.at(origin);
        }
        if let Some(advice) = error.advice() {
            out = out.advise(advice);
        }
        out
    }
}
