//! What IM servers send: messages, recalls, presence, and requests for tickets.
use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use http::StatusCode;
use push_core::{
    DeviceId, EndCause, Gateway as _, Message, MessageId, Platform, Presence, PresenceChange,
    Submitted, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Api,
    auth::Server,
    extract::{Body, InPath, Json as ReadJson},
    json::parse,
    problem::Problem,
    schema::{MessageDoc, ProblemDoc, SubmittedDoc},
};

/// How many presence changes one request may carry.
const MAX_CHANGES: usize = 1000;

/// What became of the messages, in their order.
#[derive(Serialize, ToSchema)]
pub(super) struct SubmitAnswer {
    #[schema(value_type = Vec<SubmittedDoc>)]
    messages: Vec<Submitted>,
}

/// Submits one message, or an array of at most 500 with 10,000 receivers together.
///
/// Answers when every delivery is durable. Who gets no push is in `skipped`, with the reason; that is no error.
#[utoipa::path(post, path = "/v1/messages", tag = "server", security(("key" = [])),
    request_body(content = MessageDoc, description = "One message, or an array of them"),
    responses((status = 202, body = SubmitAnswer), (status = 400, body = ProblemDoc), (status = 401, body = ProblemDoc),
        (status = 413, body = ProblemDoc), (status = 429, body = ProblemDoc), (status = 503, body = ProblemDoc)))]
pub(super) async fn submit(
    State(api): State<Arc<Api>>,
    caller: Server,
    ReadJson(raw): ReadJson,
) -> Result<(StatusCode, Json<SubmitAnswer>), Problem> {
    let first = raw.bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    let messages: Vec<Message> = if first == Some(&b'[') {
        parse(&raw.bytes)?
    } else {
        vec![parse(&raw.bytes)?]
    };
    drop(raw);
    if messages.is_empty() {
        return Err(Problem::invalid("there is no message in the request"));
    }
    let messages = api.gateway.submit(&caller.app, messages).await?;
    Ok((StatusCode::ACCEPTED, Json(SubmitAnswer { messages })))
}

/// How many deliveries were cancelled.
#[derive(Serialize, ToSchema)]
pub(super) struct RecallAnswer {
    cancelled: u64,
}

/// Cancels what of a message has not been sent yet.
#[utoipa::path(post, path = "/v1/messages/{id}/recall", tag = "server", security(("key" = [])),
    params(("id" = String, Path, description = "The message's id")),
    responses((status = 200, body = RecallAnswer), (status = 401, body = ProblemDoc)))]
pub(super) async fn recall(
    State(api): State<Arc<Api>>,
    caller: Server,
    InPath(message): InPath<MessageId>,
) -> Result<Json<RecallAnswer>, Problem> {
    let cancelled = api.gateway.recall(&caller.app, &message).await?;
    Ok(Json(RecallAnswer { cancelled }))
}

/// Presence of users, as the IM server sees it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PresenceChanges {
    /// At most 1,000, applied in order.
    changes: Vec<PresenceItem>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PresenceItem {
    #[schema(value_type = String)]
    user: UserId,
    /// Absent: all of the user's devices of `platform`, or all of them.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    device: Option<DeviceId>,
    /// `ios`, `ipad`, `android`, `harmony`, `web` or `desktop`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    platform: Option<Platform>,
    /// `online`, `background`, `push-online`, or `offline` (logged out or kicked: no push until the next login, for which the
    /// phone needs a ticket that was issued later).
    #[schema(value_type = String)]
    presence: Presence,
    /// When that was so, in milliseconds since 1970; absent for now. Older than what is known: ignored. Ahead of the gateway's
    /// clock: now; more than a day ahead: refused.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    at: Option<Timestamp>,
    /// The unread count, which becomes the base of the badge; absent leaves it.
    #[serde(default)]
    badge: Option<u32>,
    /// Why it is `offline`: `logged-out`, `kicked`, `login-expired` or `switched-off`; absent if that is not known.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    because: Option<EndCause>,
}

/// Reports the presence of users. `offline` revokes the tickets of the devices that it names, also of those that have not
/// registered yet.
#[utoipa::path(post, path = "/v1/presence", tag = "server", security(("key" = [])), request_body = PresenceChanges,
    responses((status = 204), (status = 400, body = ProblemDoc), (status = 401, body = ProblemDoc)))]
pub(super) async fn presence(
    State(api): State<Arc<Api>>,
    caller: Server,
    Body(body): Body<PresenceChanges>,
) -> Result<StatusCode, Problem> {
    if body.changes.len() > MAX_CHANGES {
        return Err(Problem::invalid(format!(
            "`changes` has {} items; at most {MAX_CHANGES} fit in one request",
            body.changes.len()
        )));
    }
    let unreported = |it: &PresenceItem| it.because.is_some_and(|cause| !cause.is_reported());
    if body.changes.iter().any(unreported) {
        return Err(Problem::invalid(
            "`because` is `logged-out`, `kicked`, `login-expired` or `switched-off`",
        ));
    }
    let now = api.gateway.now();
    let changes = body
        .changes
        .into_iter()
        .map(|it| {
            let mut change = PresenceChange::new(it.user, it.presence, it.at.unwrap_or(now));
            change.device = it.device;
            change.platform = it.platform;
            change.badge = it.badge;
            change.because = it.because;
            change.is_latest = it.at.is_none();
            change
        })
        .collect();
    api.gateway.set_presence(&caller.app, changes).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// For whom, and for how long.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TicketRequest {
    #[schema(value_type = String)]
    user: UserId,
    /// 60 seconds to 180 days; one day if absent.
    #[serde(default)]
    life_seconds: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct TicketAnswer {
    /// What the phone sends as `authorization: Bearer <ticket>`.
    ticket: String,
    /// In milliseconds since 1970.
    expires_at: i64,
}

/// Issues a ticket for a user who logged in; hand it to the phone with the login. It is good for one login on one device: the
/// first device that shows it, until that user is kicked or logs out there. Kick others first and then issue it.
#[utoipa::path(post, path = "/v1/tickets", tag = "server", security(("key" = [])), request_body = TicketRequest,
    responses((status = 201, body = TicketAnswer), (status = 400, body = ProblemDoc), (status = 401, body = ProblemDoc)))]
pub(super) async fn ticket(
    State(api): State<Arc<Api>>,
    caller: Server,
    Body(body): Body<TicketRequest>,
) -> Result<(StatusCode, Json<TicketAnswer>), Problem> {
    let life = body
        .life_seconds
        .map_or(api.settings.ticket_life, Duration::from_secs);
    let (text, ticket) = api.gateway.issue_ticket(&caller.app, &body.user, life)?;
    let answer = TicketAnswer {
        ticket: text.expose().to_owned(),
        expires_at: ticket.expires_at.unix_millis(),
    };
    Ok((StatusCode::CREATED, Json(answer)))
}
