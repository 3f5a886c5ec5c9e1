//! Error answers: problem documents (RFC 9457) with stable codes.
use std::{borrow::Cow, time::Duration};

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use push_core::{Error, ErrorKind, Reason, TicketRefusal, api};

/// An error answer.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: Cow<'static, str>,
    detail: Option<String>,
    retry_after: Option<Duration>,
    challenge: bool,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code: code.into(),
            detail: None,
            retry_after: None,
            challenge: status == StatusCode::UNAUTHORIZED,
        }
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(crate) fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// There is no place or memory for the request now.
    pub(crate) fn overloaded(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded")
            .detail(detail)
            .retry_after(Duration::from_secs(1))
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid").detail(detail)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (status, code) = match error.kind() {
            ErrorKind::Config => (StatusCode::UNPROCESSABLE_ENTITY, "config-invalid"),
            ErrorKind::Invalid => (StatusCode::BAD_REQUEST, "invalid"),
            ErrorKind::NotFound => (StatusCode::NOT_FOUND, "not-found"),
            ErrorKind::Conflict => (StatusCode::CONFLICT, "conflict"),
            ErrorKind::Denied => (StatusCode::FORBIDDEN, "denied"),
            ErrorKind::Busy => (StatusCode::TOO_MANY_REQUESTS, "busy"),
            ErrorKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            ErrorKind::Unsupported => (StatusCode::NOT_IMPLEMENTED, "unsupported"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        let problem = Self::new(status, code);
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(%error, "a request failed inside");
            return problem.detail("a fault of the gateway's own; its log says more");
        }
        let transient = error.is_transient();
        let problem = problem.detail(error.to_string());
        if transient {
            problem.retry_after(Duration::from_secs(1))
        } else {
            problem
        }
    }
}

impl From<TicketRefusal> for Problem {
    fn from(refusal: TicketRefusal) -> Self {
        let (status, code) = match refusal {
            TicketRefusal::TooManyDevices => (StatusCode::FORBIDDEN, api::code::TOO_MANY_DEVICES),
            _ => (StatusCode::UNAUTHORIZED, api::code::TICKET_REFUSED),
        };
        Self::new(status, code).detail(refusal.text())
    }
}

impl From<&Reason> for Problem {
    /// A refusal that the caller can correct.
    fn from(reason: &Reason) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, reason.code)
            .detail(format!("{}; {}", reason.text, reason.advice))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = api::Problem::default()
            .with_kind(format!("urn:offline-push:problem:{}", self.code))
            .with_title(self.status.canonical_reason().unwrap_or("Error").to_owned())
            .with_status(self.status.as_u16())
            .with_detail(self.detail)
            .with_code(self.code.into_owned());
        let mut response = (self.status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(after) = self.retry_after {
            headers.insert(
                header::RETRY_AFTER,
                // Rounded up: who asks a moment too early is refused again.
                HeaderValue::from(after.as_secs_f64().ceil().max(1.0) as u64),
            );
        }
        if self.challenge {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"offline-push\""),
            );
        }
        response
    }
}
