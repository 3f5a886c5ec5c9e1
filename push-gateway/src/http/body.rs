//! Reading bodies: within a size, within a time, and within what all of them together may take of the memory.
use std::{sync::Arc, time::Duration};

use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use http::{StatusCode, header};
use http_body_util::BodyExt as _;
use push_core::{Clock, Error, ErrorKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;

/// In what portions memory is taken, in bytes.
const PORTION: usize = 16 * 1024;

/// What bodies may take of the memory together.
#[derive(Clone, Debug)]
pub(super) struct Room(Arc<Semaphore>);

impl Room {
    pub(super) fn new(bytes: usize) -> Self {
        let portions = bytes.div_ceil(PORTION).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(portions)))
    }

    fn take(&self, portions: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let portions = u32::try_from(portions).unwrap_or(u32::MAX);
        Arc::clone(&self.0)
            .try_acquire_many_owned(portions)
            .map_err(|_| {
                Problem::overloaded("the gateway reads as many bodies as it has memory for")
            })
    }
}

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
    _room: Option<OwnedSemaphorePermit>,
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
        let announced = parts
            .headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > rules.limit as u64) {
            return Err(too_large(rules.limit));
        }
        tokio::select! {
            read = read(body, rules) => read,
            () = rules.clock.sleep(rules.timeout) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body-slow")
                .detail(format!("the body did not come within {} seconds; send it again", rules.timeout.as_secs_f64()))),
        }
    }
}

async fn read(mut body: axum::body::Body, rules: &Rules) -> Result<Raw, Problem> {
    let mut bytes = BytesMut::new();
    let mut room: Option<OwnedSemaphorePermit> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::invalid("the body broke off"))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let length = bytes.len() + data.len();
        if length > rules.limit {
            return Err(too_large(rules.limit));
        }
        if let Some(all) = &rules.room {
            let has = room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            let more = length.div_ceil(PORTION).saturating_sub(has);
            if more > 0 {
                let more = all.take(more)?;
                match &mut room {
                    Some(room) => room.merge(more),
                    None => room = Some(more),
                }
            }
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Raw {
        bytes: bytes.freeze(),
        _room: room,
    })
}

fn too_large(limit: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large").detail(format!(
        "the body is larger than {limit} bytes, the most that is read here; send less at a time"
    ))
}
