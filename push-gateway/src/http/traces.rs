//! Answers to "why did it not arrive": traces, reasons, the devices of a user, counters.
use std::sync::Arc;

use axum::{Json, extract::State, response::IntoResponse};
use http::{StatusCode, header};
use push_core::{
    DeliveryId, MessageId, REASONS, Reason, StoredRegistration, TraceEvent, UserId, VendorAnswer,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Api,
    auth::{Admin, Anybody, Server},
    extract::InPath,
    problem::Problem,
    schema::ProblemDoc,
};
use crate::{metrics::prometheus, registration::Diagnosis, trace::Conclusion};

/// Why something went the way it went.
#[derive(Clone, Serialize, ToSchema)]
pub(super) struct Explanation {
    /// The stable code.
    code: String,
    /// What happened.
    text: &'static str,
    /// What to do about it; empty if nothing is wrong.
    advice: &'static str,
}

impl Explanation {
    fn of(code: &str) -> Self {
        let known = Reason::find(code);
        Self {
            code: code.to_owned(),
            text: known.map_or("", |it| it.text),
            advice: known.map_or("", |it| it.advice),
        }
    }
}

impl From<&Reason> for Explanation {
    fn from(reason: &Reason) -> Self {
        Self {
            code: reason.code.to_owned(),
            text: reason.text,
            advice: reason.advice,
        }
    }
}

/// One line of a trace. Times are in milliseconds since 1970.
#[derive(Serialize, ToSchema)]
pub(super) struct Event {
    at: i64,
    /// `accepted`, `decided`, `queued`, `attempt`, `answered`, `settled`, `delivered` or `clicked`.
    stage: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Explanation>,
    /// The vendor's own words: `status`, `code`, `text`, `request_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    answer: Option<VendorAnswer>,
}

impl From<TraceEvent> for Event {
    fn from(it: TraceEvent) -> Self {
        Self {
            at: it.at.unix_millis(),
            stage: it.stage.as_str(),
            delivery: it.delivery.map(|it| it.to_string()),
            user: it.user.map(Into::into),
            device: it.device.map(Into::into),
            channel: it.channel.map(Into::into),
            certificate: it.certificate.map(push_core::CertificateId::get),
            attempt: it.attempt,
            reason: it.reason.as_deref().map(Explanation::of),
            answer: it.answer,
        }
    }
}

/// A trace, oldest event first.
#[derive(Serialize, ToSchema)]
pub(super) struct MessageTrace {
    message: String,
    events: Vec<Event>,
}

/// The trace of a message: who got a delivery, who did not and why.
#[utoipa::path(get, path = "/v1/messages/{id}/trace", tag = "server", security(("key" = [])),
    params(("id" = String, Path, description = "The message's id")),
    responses((status = 200, body = MessageTrace), (status = 404, body = ProblemDoc)))]
pub(super) async fn of_message(
    State(api): State<Arc<Api>>,
    caller: Server,
    InPath(message): InPath<MessageId>,
) -> Result<Json<MessageTrace>, Problem> {
    let events = api.gateway.trace_of_message(&caller.app, &message).await?;
    if events.is_empty() {
        return Err(unknown("message"));
    }
    Ok(Json(MessageTrace {
        message: message.to_string(),
        events: events.into_iter().map(Into::into).collect(),
    }))
}

/// How far a delivery came, and why no further.
#[derive(Serialize, ToSchema)]
pub(super) struct DeliveryTrace {
    delivery: String,
    message: String,
    /// The furthest stage it reached.
    stage: &'static str,
    /// When it reached it.
    at: i64,
    /// Whether this is the end: nothing more will be tried.
    settled: bool,
    /// Why it went no further, or the vendor's word on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Explanation>,
    events: Vec<Event>,
}

/// The trace of a delivery, with the last word on it.
#[utoipa::path(get, path = "/v1/deliveries/{id}/trace", tag = "server", security(("key" = [])),
    params(("id" = String, Path, description = "The delivery's id, a UUID")),
    responses((status = 200, body = DeliveryTrace), (status = 404, body = ProblemDoc)))]
pub(super) async fn of_delivery(
    State(api): State<Arc<Api>>,
    caller: Server,
    InPath(delivery): InPath<DeliveryId>,
) -> Result<Json<DeliveryTrace>, Problem> {
    let events = api.gateway.trace_of_delivery(&caller.app, delivery).await?;
    let (Some(first), Some(conclusion)) = (events.first(), Conclusion::of(&events)) else {
        return Err(unknown("delivery"));
    };
    Ok(Json(DeliveryTrace {
        delivery: delivery.to_string(),
        message: first.message.to_string(),
        stage: conclusion.stage.as_str(),
        at: conclusion.at.unix_millis(),
        settled: conclusion.settled,
        reason: conclusion.reason.as_deref().map(Explanation::of),
        events: events.into_iter().map(Into::into).collect(),
    }))
}

fn unknown(what: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not-found").detail(format!(
        "no trace of such a {what} in this app: it was never submitted, or is older than traces are kept"
    ))
}

/// Every reason that a push can go or not go for.
#[derive(Serialize, ToSchema)]
pub(super) struct ReasonList {
    reasons: Vec<Explanation>,
}

/// Explains the codes of reasons.
#[utoipa::path(get, path = "/v1/reasons", tag = "server", security(("key" = [])),
    responses((status = 200, body = ReasonList)))]
pub(super) async fn reasons(_caller: Anybody) -> Json<ReasonList> {
    let mut reasons: Vec<Explanation> = REASONS.iter().map(Into::into).collect();
    reasons.sort_by(|one, other| one.code.cmp(&other.code));
    Json(ReasonList { reasons })
}

/// A token, told apart by its fingerprint.
#[derive(Serialize, ToSchema)]
pub(super) struct Token {
    slot: &'static str,
    channel: String,
    certificate: u32,
    environment: &'static str,
    fingerprint: String,
    told_at: i64,
    /// Why it is set aside, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    set_aside: Option<Explanation>,
}

impl From<&StoredRegistration> for Token {
    fn from(it: &StoredRegistration) -> Self {
        let registration = &it.registration;
        Self {
            slot: registration.slot.as_str(),
            channel: registration.channel.to_string(),
            certificate: registration.certificate.get(),
            environment: registration.environment.as_str(),
            fingerprint: registration.token.fingerprint(),
            told_at: registration.told_at.unix_millis(),
            set_aside: it.quarantine.as_ref().map(|it| Explanation::of(&it.reason)),
        }
    }
}

/// A device, and whether a text message would be pushed to it now.
#[derive(Serialize, ToSchema)]
pub(super) struct UserDevice {
    device: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<&'static str>,
    presence: &'static str,
    presence_at: i64,
    badge: u32,
    would_push: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Explanation>,
    registrations: Vec<Token>,
}

impl From<Diagnosis> for UserDevice {
    fn from(Diagnosis { device, reason }: Diagnosis) -> Self {
        Self {
            device: device.device.to_string(),
            platform: device.platform.map(push_core::Platform::as_str),
            presence: device.presence.as_str(),
            presence_at: device.presence_at.unix_millis(),
            badge: device.badge,
            would_push: reason.is_none(),
            reason: reason.as_ref().map(Into::into),
            registrations: device.registrations.iter().map(Into::into).collect(),
        }
    }
}

/// A user's devices. None: no device ever registered for this user.
#[derive(Serialize, ToSchema)]
pub(super) struct UserDevices {
    user: String,
    devices: Vec<UserDevice>,
}

/// Why this user would get a push now, or would not.
#[utoipa::path(get, path = "/v1/users/{user}/devices", tag = "server", security(("key" = [])),
    params(("user" = String, Path)),
    responses((status = 200, body = UserDevices)))]
pub(super) async fn of_user(
    State(api): State<Arc<Api>>,
    caller: Server,
    InPath(user): InPath<UserId>,
) -> Result<Json<UserDevices>, Problem> {
    let devices = api.gateway.diagnose(&caller.app, &user).await?;
    Ok(Json(UserDevices {
        user: user.into(),
        devices: devices.into_iter().map(Into::into).collect(),
    }))
}

/// The app's counters, in Prometheus' text format.
#[utoipa::path(get, path = "/v1/metrics", tag = "admin", security(("key" = [])),
    responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn metrics(State(api): State<Arc<Api>>, caller: Admin) -> impl IntoResponse {
    let mut snapshot = api.gateway.metrics();
    snapshot.retain(|series, _| {
        let app = series.labels.first().map_or("", |(_, app)| app.as_str());
        app.is_empty() || app == caller.app.as_str()
    });
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        prometheus(&snapshot),
    )
}
