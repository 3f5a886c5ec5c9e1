//! Answers to "why did it not arrive": traces, reasons, the devices of a user, counters.
use std::{collections::HashMap, sync::Arc};

use axum::{Json, extract::State, response::IntoResponse};
use http::{StatusCode, header};
use push_core::{
    AppId, CertificateId, CredentialRef, Cursor, DeliveryId, DeviceId, MessageId, Reason,
    StoredRegistration, Timestamp, TraceEvent, TraceQuery, UserId, VendorAnswer,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Api,
    auth::{Admin, Anybody, Server},
    extract::{InPath, InQuery},
    problem::Problem,
    schema::ProblemDoc,
};
use crate::{
    decision::reasons, gateway::Delayed, lane_status::LaneStatus, metrics::prometheus,
    registration::Diagnosis, trace::Conclusion,
};

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
    /// `accepted`, `decided`, `queued`, `attempt`, `answered`, `settled`, `delivered`, `shown` or `clicked`.
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
    /// The vendor's answer: `status`, `code`, `text`, `request_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    answer: Option<Arc<VendorAnswer>>,
    /// The fingerprint of the token that was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
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
            certificate: it.certificate.map(CertificateId::get),
            attempt: it.attempt,
            reason: it.reason.as_deref().map(Explanation::of),
            answer: it.answer,
            token: it.token,
        }
    }
}

/// A delivery that waits because its credential is suspended or backs off.
#[derive(Serialize, ToSchema)]
pub(super) struct Waiting {
    delivery: String,
    /// The certificate id of the credential.
    certificate: u32,
    /// `backing-off` or `suspended`.
    state: &'static str,
    /// Why.
    reason: Explanation,
    /// The vendor's code or message that led to it.
    #[serde(skip_serializing_if = "String::is_empty")]
    evidence: String,
    /// When it is tried next, at the earliest.
    next_try: i64,
}

impl Waiting {
    fn new(delivery: Delayed) -> Option<Self> {
        let reason = delivery.reason;
        let (state, evidence, next_try) = match delivery.status {
            LaneStatus::Open => return None,
            LaneStatus::BackingOff {
                until, evidence, ..
            } => ("backing-off", evidence, until),
            LaneStatus::Suspended {
                probe_at, evidence, ..
            } => ("suspended", evidence, probe_at),
        };
        Some(Self {
            delivery: delivery.delivery.to_string(),
            certificate: delivery.certificate.get(),
            state,
            reason: (&reason).into(),
            evidence,
            next_try: next_try.unix_millis(),
        })
    }
}

/// The events as they are shown, with the advice of the credential's provider, and the deliveries that wait.
async fn shown(api: &Api, app: &AppId, events: Vec<TraceEvent>) -> (Vec<Event>, Vec<Waiting>) {
    let delayed = api.gateway.delayed(app, &events).await;
    let mut shown = Vec::with_capacity(events.len());
    let mut advised: HashMap<CertificateId, Reason> = HashMap::new();
    for event in events {
        let certificate = event.certificate;
        let refused = event
            .reason
            .as_deref()
            .is_some_and(|code| code == reasons::CREDENTIAL_REFUSED.code);
        let mut event = Event::from(event);
        if let Some(certificate) = certificate.filter(|_| refused) {
            let reason = match advised.get(&certificate) {
                Some(reason) => *reason,
                None => {
                    let credential = CredentialRef::new(app.clone(), certificate);
                    let refused = reasons::CREDENTIAL_REFUSED;
                    let reason = api.gateway.advised(&credential, refused).await;
                    *advised.entry(certificate).or_insert(reason)
                }
            };
            event.reason = Some((&reason).into());
        }
        shown.push(event);
    }
    (
        shown,
        delayed.into_iter().filter_map(Waiting::new).collect(),
    )
}

/// A trace, oldest event first.
#[derive(Serialize, ToSchema)]
pub(super) struct MessageTrace {
    message: String,
    events: Vec<Event>,
    /// The deliveries that wait because their credential is suspended or backs off now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waiting: Vec<Waiting>,
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
    let (events, waiting) = shown(&api, &caller.app, events).await;
    Ok(Json(MessageTrace {
        message: message.to_string(),
        events,
        waiting,
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
    /// Why it went no further, or what the vendor answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Explanation>,
    events: Vec<Event>,
    /// The delivery, if it waits because its credential is suspended or backs off now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waiting: Vec<Waiting>,
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
    let message = first.message.to_string();
    let (events, waiting) = shown(&api, &caller.app, events).await;
    let code = conclusion.reason.as_deref();
    // The same words as in the event that gave the reason.
    let reason = events
        .iter()
        .rev()
        .filter_map(|event| event.reason.as_ref())
        .find(|reason| Some(reason.code.as_str()) == code)
        .cloned();
    Ok(Json(DeliveryTrace {
        delivery: delivery.to_string(),
        message,
        stage: conclusion.stage.as_str(),
        at: conclusion.at.unix_millis(),
        settled: conclusion.settled,
        reason: reason.or_else(|| code.map(Explanation::of)),
        events,
        waiting,
    }))
}

/// Which events to find.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Search {
    user: Option<UserId>,
    device: Option<DeviceId>,
    message: Option<MessageId>,
    from: Option<i64>,
    until: Option<i64>,
    after: Option<String>,
    limit: Option<usize>,
}

/// Events, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct EventPage {
    events: Vec<MessageEvent>,
    /// What to send as `after` for the next page; absent if this is the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// An event with its message.
#[derive(Serialize, ToSchema)]
pub(super) struct MessageEvent {
    message: String,
    #[serde(flatten)]
    event: Event,
}

/// The most events of one page.
const MAX_PAGE: usize = 1_000;

/// Finds events of the app by user, device, message and time, newest first.
#[utoipa::path(get, path = "/v1/traces", tag = "server", security(("key" = [])),
    params(("user" = Option<String>, Query), ("device" = Option<String>, Query), ("message" = Option<String>, Query),
        ("from" = Option<i64>, Query, description = "milliseconds since 1970, included"),
        ("until" = Option<i64>, Query, description = "milliseconds since 1970, not included"),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<usize>, Query, description = "1 to 1,000; 100 if absent")),
    responses((status = 200, body = EventPage), (status = 400, body = ProblemDoc)))]
pub(super) async fn find(
    State(api): State<Arc<Api>>,
    caller: Server,
    InQuery(search): InQuery<Search>,
) -> Result<Json<EventPage>, Problem> {
    let limit = search.limit.unwrap_or(100);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Problem::invalid(format!("`limit` is from 1 to {MAX_PAGE}")));
    }
    for (parameter, millis) in [("from", search.from), ("until", search.until)] {
        let time = Timestamp::from_unix_millis(millis.unwrap_or_default());
        time.check_unit()
            .map_err(|error| error.at(format!("`{parameter}`")))?;
    }
    let query = TraceQuery::default()
        .with_user(search.user)
        .with_device(search.device)
        .with_message(search.message)
        .with_from(search.from.map(Timestamp::from_unix_millis))
        .with_until(search.until.map(Timestamp::from_unix_millis));
    let after = search.after.map(Cursor::new);
    let page = api
        .gateway
        .find_traces(&caller.app, &query, after, limit)
        .await?;
    let events = page.items.into_iter().map(|event| MessageEvent {
        message: event.message.to_string(),
        event: event.into(),
    });
    Ok(Json(EventPage {
        events: events.collect(),
        next: page.next.map(|cursor| cursor.as_str().to_owned()),
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
    let mut reasons: Vec<Explanation> = Reason::linked().map(Into::into).collect();
    reasons.sort_by(|one, other| one.code.cmp(&other.code));
    Json(ReasonList { reasons })
}

/// A token, identified by its fingerprint.
#[derive(Serialize, ToSchema)]
pub(super) struct Token {
    slot: &'static str,
    channel: String,
    certificate: u32,
    environment: &'static str,
    /// The order in which the channels of the slot are tried, smallest first.
    rank: u8,
    #[serde(skip_serializing_if = "String::is_empty")]
    instance: String,
    fingerprint: String,
    reported_at: i64,
    /// Why it is quarantined, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantine: Option<Explanation>,
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
            rank: registration.rank,
            instance: registration.instance.as_str().to_owned(),
            reported_at: registration.reported_at.unix_millis(),
            quarantine: it
                .quarantine
                .as_ref()
                .map(|quarantine| Explanation::of(&quarantine.reason)),
        }
    }
}

/// A device, and whether a text message would be sent to it now.
#[derive(Serialize, ToSchema)]
pub(super) struct UserDevice {
    device: String,
    #[serde(flatten)]
    #[schema(value_type = Object)]
    facts: push_core::DeviceFacts,
    presence: &'static str,
    presence_at: i64,
    badge: u32,
    would_push: bool,
    /// Why not; also where it would be queued and wait for its credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Explanation>,
    registrations: Vec<Token>,
}

impl From<Diagnosis> for UserDevice {
    fn from(Diagnosis { device, reason }: Diagnosis) -> Self {
        Self {
            device: device.device.to_string(),
            facts: device.facts,
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
