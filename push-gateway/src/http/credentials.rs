//! What operators do: upload, look at, verify, rotate, resume and remove credentials.
use std::sync::Arc;

use axum::{Json, extract::State};
use http::StatusCode;
use push_core::{Acceptance, CertificateId, CredentialRef, Error, ErrorKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    Api,
    auth::Admin,
    extract::{Body, InPath},
    problem::Problem,
    schema::ProblemDoc,
};
use crate::{
    credentials::{CredentialInfo, Upload},
    lane_status::LaneStatus,
};

/// A credential to upload.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CredentialBody {
    /// The provider plugin, by its name in the registry.
    provider: String,
    /// Its configuration, with files' contents instead of their names.
    #[schema(value_type = Object)]
    config: Value,
    /// The id to take, for apps that come from another system; absent for a free one. Ignored by a rotation.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    id: Option<CertificateId>,
    /// A name for people.
    #[serde(default)]
    label: Option<String>,
}

impl From<CredentialBody> for Upload {
    fn from(body: CredentialBody) -> Self {
        Self {
            provider: body.provider,
            config: without_null(body.config),
            id: body.id,
            label: body.label.unwrap_or_default(),
        }
    }
}

/// Leaves out members that are `null`, which means absent.
fn without_null(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_null(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_null).collect(),
        value => value,
    }
}

/// A credential, without its secrets. Times are in milliseconds since 1970.
#[derive(Serialize, ToSchema)]
pub(super) struct Credential {
    /// What apps write into `certificate_id!`. It stays when the credential is rotated.
    id: u32,
    provider: String,
    channel: String,
    /// `sandbox`, `production`, or absent if the vendor has only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'static str>,
    label: String,
    created_at: i64,
    rotated_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    /// `fine`, `soon` or `expired`.
    expiry: &'static str,
    /// Whether its deliveries are sent.
    lane: Lane,
    /// Why it cannot be used; absent if it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    unusable: Option<Unusable>,
    /// The address to which the vendor posts receipts, for the vendor's console; absent if vendors cannot reach the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipts: Option<String>,
}

/// Why a credential cannot be used.
#[derive(Serialize, ToSchema)]
pub(super) struct Unusable {
    /// A code that `GET /v1/reasons` explains.
    reason: &'static str,
    /// What is wrong with it, and what to do.
    evidence: String,
}

/// Whether the deliveries of a credential travel.
#[derive(Serialize, ToSchema)]
pub(super) struct Lane {
    /// `open`, `backing-off` or `suspended`.
    state: &'static str,
    /// Why it is suspended or backing off: a code that `GET /v1/reasons` explains.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// The vendor's code or message that led to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<i64>,
    /// When it is tried next.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try: Option<i64>,
}

impl From<LaneStatus> for Lane {
    fn from(status: LaneStatus) -> Self {
        let open = Self {
            state: "open",
            reason: None,
            evidence: None,
            since: None,
            next_try: None,
        };
        match status {
            LaneStatus::Open => open,
            LaneStatus::BackingOff {
                until,
                reason,
                evidence,
            } => Self {
                state: "backing-off",
                reason: Some(reason),
                evidence: Some(evidence).filter(|text| !text.is_empty()),
                next_try: Some(until.unix_millis()),
                ..open
            },
            LaneStatus::Suspended {
                reason,
                since,
                probe_at,
                evidence,
            } => Self {
                state: "suspended",
                reason: Some(reason),
                evidence: Some(evidence).filter(|text| !text.is_empty()),
                since: Some(since.unix_millis()),
                next_try: Some(probe_at.unix_millis()),
            },
        }
    }
}

impl From<CredentialInfo> for Credential {
    fn from(it: CredentialInfo) -> Self {
        Self {
            id: it.id.get(),
            provider: it.provider,
            channel: it.channel.to_string(),
            environment: it.environment.map(push_core::Environment::as_str),
            label: it.label,
            created_at: it.created_at.unix_millis(),
            rotated_at: it.rotated_at.unix_millis(),
            expires_at: it.expires_at.map(push_core::Timestamp::unix_millis),
            expiry: it.expiry.as_str(),
            lane: it.lane.into(),
            unusable: it.unusable.map(|unusable| Unusable {
                reason: unusable.reason.code,
                evidence: unusable.evidence,
            }),
            receipts: it.receipts,
        }
    }
}

/// A provider that does not exist is the request's fault, not a missing page.
fn refused(error: Error) -> Problem {
    match error.kind() {
        ErrorKind::NotFound => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "provider-unknown")
            .detail(error.to_string()),
        _ => error.into(),
    }
}

/// Uploads a credential, once its provider accepts the configuration, and answers its certificate id.
#[utoipa::path(post, path = "/v1/credentials", tag = "admin", security(("key" = [])), request_body = CredentialBody,
    responses((status = 201, body = Credential), (status = 409, body = ProblemDoc), (status = 422, body = ProblemDoc)))]
pub(super) async fn add(
    State(api): State<Arc<Api>>,
    caller: Admin,
    Body(body): Body<CredentialBody>,
) -> Result<(StatusCode, Json<Credential>), Problem> {
    let info = api
        .gateway
        .add_credential(&caller.app, body.into())
        .await
        .map_err(refused)?;
    Ok((StatusCode::CREATED, Json(info.into())))
}

/// The app's credentials.
#[derive(Serialize, ToSchema)]
pub(super) struct CredentialList {
    credentials: Vec<Credential>,
}

/// Lists the app's credentials, with their expiry and whether their deliveries travel.
#[utoipa::path(get, path = "/v1/credentials", tag = "admin", security(("key" = [])),
    responses((status = 200, body = CredentialList)))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Admin,
) -> Result<Json<CredentialList>, Problem> {
    let credentials = api.gateway.credentials(&caller.app).await?;
    Ok(Json(CredentialList {
        credentials: credentials.into_iter().map(Into::into).collect(),
    }))
}

/// Replaces a credential's content in place: the id stays, quarantined tokens are released, and waiting deliveries go.
#[utoipa::path(put, path = "/v1/credentials/{id}", tag = "admin", security(("key" = [])), request_body = CredentialBody,
    params(("id" = i64, Path, description = "The certificate id")),
    responses((status = 200, body = Credential), (status = 404, body = ProblemDoc), (status = 409, body = ProblemDoc),
        (status = 422, body = ProblemDoc)))]
pub(super) async fn rotate(
    State(api): State<Arc<Api>>,
    caller: Admin,
    InPath(id): InPath<CertificateId>,
    Body(body): Body<CredentialBody>,
) -> Result<Json<Credential>, Problem> {
    let credential = CredentialRef::new(caller.app.clone(), id);
    let info = api
        .gateway
        .rotate_credential(&credential, body.into())
        .await?;
    Ok(Json(info.into()))
}

/// A credential that was removed.
#[derive(Serialize, ToSchema)]
pub(super) struct RemovedDoc {
    #[serde(flatten)]
    credential: Credential,
    /// How many deliveries wait for it. They go on to wait until their life ends.
    waiting: u64,
}

/// Removes a credential, and answers what it was. Registrations that name its id get no push, with the reason
/// `certificate-unknown`, and what waits for it goes on to wait, for the same reason, until its life ends. The id is never given
/// to another credential.
#[utoipa::path(delete, path = "/v1/credentials/{id}", tag = "admin", security(("key" = [])),
    params(("id" = i64, Path, description = "The certificate id")),
    responses((status = 200, body = RemovedDoc), (status = 404, body = ProblemDoc)))]
pub(super) async fn remove(
    State(api): State<Arc<Api>>,
    caller: Admin,
    InPath(id): InPath<CertificateId>,
) -> Result<Json<RemovedDoc>, Problem> {
    let credential = CredentialRef::new(caller.app.clone(), id);
    let removed = api.gateway.remove_credential(&credential).await?;
    Ok(Json(RemovedDoc {
        credential: removed.info.into(),
        waiting: removed.waiting,
    }))
}

/// What the vendor says of a credential.
#[derive(Serialize, ToSchema)]
pub(super) struct Verification {
    /// `accepted`, `refused`, or `cannot-tell` where the vendor cannot be asked.
    #[schema(value_type = String)]
    acceptance: Acceptance,
    /// Whether the vendor accepts it.
    accepted: bool,
    evidence: String,
}

/// Asks the vendor whether it accepts a credential, without disturbing a user.
#[utoipa::path(post, path = "/v1/credentials/{id}/verify", tag = "admin", security(("key" = [])),
    params(("id" = i64, Path, description = "The certificate id")),
    responses((status = 200, body = Verification), (status = 404, body = ProblemDoc), (status = 503, body = ProblemDoc)))]
pub(super) async fn verify(
    State(api): State<Arc<Api>>,
    caller: Admin,
    InPath(id): InPath<CertificateId>,
) -> Result<Json<Verification>, Problem> {
    let health = api
        .gateway
        .verify_credential(&CredentialRef::new(caller.app.clone(), id))
        .await?;
    Ok(Json(Verification {
        acceptance: health.acceptance,
        accepted: health.acceptance == Acceptance::Accepted,
        evidence: health.evidence,
    }))
}

/// Resumes a suspended credential after its cause was repaired at the vendor.
#[utoipa::path(post, path = "/v1/credentials/{id}/resume", tag = "admin", security(("key" = [])),
    params(("id" = i64, Path, description = "The certificate id")),
    responses((status = 200, body = Credential), (status = 404, body = ProblemDoc)))]
pub(super) async fn resume(
    State(api): State<Arc<Api>>,
    caller: Admin,
    InPath(id): InPath<CertificateId>,
) -> Result<Json<Credential>, Problem> {
    let info = api
        .gateway
        .resume_credential(&CredentialRef::new(caller.app.clone(), id))
        .await?;
    Ok(Json(info.into()))
}
