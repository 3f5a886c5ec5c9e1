//! Tags of users, by which messages can be addressed.
use std::sync::Arc;

use axum::{Json, extract::State};
use http::StatusCode;
use push_core::{Tag, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Api,
    auth::Server,
    extract::{Body, InPath},
    problem::Problem,
    schema::ProblemDoc,
};

/// The tags of a user.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tags {
    /// At most 100, each 1 to 64 bytes.
    #[schema(value_type = Vec<String>)]
    tags: Vec<Tag>,
}

/// Replaces the tags of a user.
#[utoipa::path(put, path = "/v1/users/{user}/tags", tag = "server", security(("key" = [])), request_body = Tags,
    params(("user" = String, Path)),
    responses((status = 204), (status = 400, body = ProblemDoc), (status = 401, body = ProblemDoc)))]
pub(super) async fn set(
    State(api): State<Arc<Api>>,
    caller: Server,
    InPath(user): InPath<UserId>,
    Body(body): Body<Tags>,
) -> Result<StatusCode, Problem> {
    api.gateway.set_tags(&caller.app, &user, body.tags).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns the tags of a user.
#[utoipa::path(get, path = "/v1/users/{user}/tags", tag = "server", security(("key" = [])),
    params(("user" = String, Path)),
    responses((status = 200, body = Tags), (status = 401, body = ProblemDoc)))]
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    caller: Server,
    InPath(user): InPath<UserId>,
) -> Result<Json<Tags>, Problem> {
    let tags = api.gateway.tags(&caller.app, &user).await?;
    Ok(Json(Tags { tags }))
}
