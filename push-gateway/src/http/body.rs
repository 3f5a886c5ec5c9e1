//! Reading bodies: within a size, within a time, and within what all of them together may take of the memory.
use std::{sync::Arc, time::Duration};

use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt as _;
use push_core::{Clock, Error, ErrorKind};

use super::{
    problem::Problem,
    room::{OfApp, Room, Taken},
};

/// How the body of a request is read. In its extensions.
#[derive(Clone)]
pub(super) struct Rules {
    /// The largest that is read, in bytes.
    pub(super) limit: usize,
    /// How long reading may take.
    pub(super) timeout: Duration,
    /// `None` where the number of requests bounds it.
    pub(super) room: Option<Room>,
    pub(super) clock: Arc<dyn Clock>,
}

/// The body as it came.
pub(crate) struct Raw {
    pub(crate) bytes: Bytes,
    /// Its memory.
    _room: Option<Taken>,
}

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;
    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let rules = parts.extensions.get::<Rules>().ok_or_else(|| {
            Error::new(
                ErrorKind::Internal,
                "a request came without rules for its body",
            )
        })?;
        check_encoding(&parts.headers)?;
        let announced = parts
            .headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > rules.limit as u64) {
            return Err(too_large(rules.limit));
        }
        let app = parts
            .extensions
            .get::<OfApp>()
            .map(|OfApp(app)| app.clone());
        let room = rules.room.as_ref().map(|room| room.begin(app, announced));
        tokio::select! {
            read = read(body, room, rules.limit) => read,
            () = rules.clock.sleep(rules.timeout) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body-slow")
                .detail(format!("the body did not come within {} seconds; send it again", rules.timeout.as_secs_f64()))),
        }
    }
}

async fn read(
    mut body: axum::body::Body,
    mut room: Option<Taken>,
    limit: usize,
) -> Result<Raw, Problem> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::invalid("the body broke off"))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let length = bytes.len() + data.len();
        if length > limit {
            return Err(too_large(limit));
        }
        if let Some(room) = &mut room {
            room.grow(length)?;
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Raw {
        bytes: bytes.freeze(),
        _room: room,
    })
}

/// Refuses a body that says it is compressed.
fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let is_plain = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(|value| {
            value.to_str().is_ok_and(|value| {
                value
                    .split(',')
                    .map(str::trim)
                    .all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case("identity"))
            })
        });
    if is_plain {
        return Ok(());
    }
    Err(
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoded").detail(
            "the request has the header `content-encoding`, and bodies are read without compression only; send the body uncompressed, and without the header",
        ),
    )
}

fn too_large(limit: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large").detail(format!(
        "the body is larger than {limit} bytes, the most that is read here; send less at a time"
    ))
}
