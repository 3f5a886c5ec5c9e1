//! One request on its way through one or more connections.
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};

use crate::{
    duration,
    error::{HttpError, HttpErrorKind},
    http1, http2,
    pool::Origin,
    progress::Progress,
};

/// How often one request is put on a connection, counting the first time.
pub const MAX_TRIES: usize = 5;

/// Sends what `request` builds with `body`, again on another connection as long as it was certainly not processed.
pub(crate) async fn run(
    origin: &Arc<Origin>,
    request: impl Fn() -> Request<()>,
    body: &Bytes,
    progress: &Progress,
) -> Result<Response<Bytes>, HttpError> {
    let max_body = origin.settings().config.max_response_bytes;
    let mut avoid = None;
    let mut tries = 0;
    loop {
        let mut lease = origin.lease(body.len(), avoid).await?;
        let connection = Arc::clone(lease.connection());
        avoid = Some(connection.id());
        tries += 1;
        if lease.is_alone() && tries < MAX_TRIES {
            // The peer may have closed the idle connection without the runtime having noticed. If it has, the request goes
            // elsewhere; once it was written, it would be unknown whether the peer processed it.
            tokio::task::yield_now().await;
            if !connection.is_usable() {
                continue;
            }
        }
        progress.place(&connection);
        let (request, body) = (request(), body.clone());
        let result = if connection.is_h2() {
            http2::exchange(&mut lease, request, body, max_body, progress).await
        } else {
            http1::exchange(&mut lease, request, body, max_body, progress).await
        };
        let head = progress.take_head();
        match (result, head) {
            (Ok(body), Some(head)) => return Ok(Response::from_parts(head, body)),
            (Ok(_), None) => {
                return Err(HttpError::unknown(
                    HttpErrorKind::Closed,
                    "the response had no head",
                ));
            }
            (Err(error), head) => {
                let error = error.after(head);
                if !error.may_be_sent_again() || tries >= MAX_TRIES {
                    return Err(error);
                }
                tracing::debug!(%error, tries, "sending again");
                progress.unplace();
            }
        }
    }
}

/// The deadline of a request passed that has come as far as `progress`.
pub(crate) fn too_late(origin: &Arc<Origin>, progress: &Progress) -> HttpError {
    let deadline = duration::format(origin.settings().config.request_deadline);
    let Some((connection, answers)) = progress.placed() else {
        if origin.retire_blocked() {
            return HttpError::never(
                HttpErrorKind::Deadline,
                format!("the peer allowed no request within {deadline}: its stream limit is 0"),
            )
            .advise("send again later; the peer is overloaded or throttles this client");
        }
        return HttpError::never(
            HttpErrorKind::Deadline,
            format!("no connection had room for the request within {deadline}"),
        )
        .advise("send again later, or raise http.max_connections");
    };
    // A peer that answers PINGs but no requests is useless: other requests should not wait for it.
    if connection.answers() == answers {
        connection.retire();
    }
    HttpError::unknown(
        HttpErrorKind::Deadline,
        format!("no whole response within {deadline}"),
    )
    .with_go_away(connection.wire().go_away())
    .after(progress.take_head())
}
