//! What phones send: tokens, presence, receipts. Bodies and codes are those of `push_core::api`.
use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use push_core::{
    DeviceId, EndCause, Slot, TicketRefusal,
    api::{PresenceBody, ReceiptsBody, RegistrationAnswer, RegistrationBody, code},
};

use super::{
    Api,
    auth::{Phone, Signer},
    extract::{Body, InPath, InQuery, Json as ReadJson},
    json::parse,
    problem::Problem,
    schema::{
        PresenceAnswerDoc, PresenceDoc, ProblemDoc, ReceiptsDoc, RegistrationAnswerDoc,
        RegistrationDoc,
    },
};
use crate::{decision::reasons, registration::Unregistered, ticket::Ticket};

/// Registers a token of the device for the ticket's user. The ticket is good for the first device that shows it, and no more
/// once its user was kicked or logged out there.
#[utoipa::path(put, path = "/v1/devices/{device}/registrations/{slot}", tag = "phone", security(("ticket" = [])),
    params(("device" = String, Path), ("slot" = String, Path, description = "`alert`, `voip` or `live-activity`")),
    request_body = RegistrationDoc,
    responses((status = 200, body = RegistrationAnswerDoc), (status = 401, body = ProblemDoc), (status = 403, body = ProblemDoc),
        (status = 422, body = ProblemDoc), (status = 429, body = ProblemDoc)))]
pub(super) async fn register(
    State(api): State<Arc<Api>>,
    phone: Phone<false>,
    InPath((device, slot)): InPath<(DeviceId, Slot)>,
    Body(body): Body<RegistrationBody>,
) -> Result<Json<RegistrationAnswer>, Problem> {
    let most = api.settings.phones.devices;
    let answer = api
        .gateway
        .register_with(&phone.ticket, most, &device, slot, body)
        .await;
    match answer {
        Ok(answer) => Ok(Json(answer)),
        Err(Unregistered::Refused(reason)) => Err((&reason).into()),
        Err(Unregistered::Malformed(error)) => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            reasons::TOKEN_MALFORMED.code,
        )
        .detail(error.to_string())),
        Err(Unregistered::Denied(refusal)) => Err(denied(&api, refusal)),
        Err(Unregistered::Failed(error)) => Err(error.into()),
    }
}

/// Why tokens are removed.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Removal {
    #[serde(default)]
    because: Option<String>,
}

impl Removal {
    /// The cause, or `usual` without one, or for one that this version does not know.
    fn cause(&self, usual: EndCause) -> EndCause {
        let cause = self.because.as_deref().and_then(|word| word.parse().ok());
        cause
            .filter(|cause: &EndCause| cause.is_reported())
            .unwrap_or(usual)
    }
}

/// The ticket's user logged out on the device, or switched push off: removes all its tokens. An expired or revoked ticket is
/// accepted. Unless push was only switched off, the tickets of the user for the device are revoked.
#[utoipa::path(delete, path = "/v1/devices/{device}/registrations", tag = "phone", security(("ticket" = [])),
    params(("device" = String, Path),
        ("because" = Option<String>, Query, description = "`logged-out`, `kicked`, `login-expired` or `switched-off`")),
    responses((status = 204), (status = 401, body = ProblemDoc)))]
pub(super) async fn unregister(
    State(api): State<Arc<Api>>,
    phone: Phone<true>,
    InPath(device): InPath<DeviceId>,
    InQuery(removal): InQuery<Removal>,
) -> Result<StatusCode, Problem> {
    // Older apps do not say why.
    let cause = removal.cause(EndCause::Offline);
    unregistered(&api, &phone.ticket, &device, None, cause).await
}

/// Removes the tokens of one slot of the device: push is switched off for it. The ticket stays good.
#[utoipa::path(delete, path = "/v1/devices/{device}/registrations/{slot}", tag = "phone", security(("ticket" = [])),
    params(("device" = String, Path), ("slot" = String, Path),
        ("because" = Option<String>, Query, description = "`withdrawn` (if absent), `switched-off` or another cause")),
    responses((status = 204), (status = 401, body = ProblemDoc)))]
pub(super) async fn unregister_slot(
    State(api): State<Arc<Api>>,
    phone: Phone<true>,
    InPath((device, slot)): InPath<(DeviceId, Slot)>,
    InQuery(removal): InQuery<Removal>,
) -> Result<StatusCode, Problem> {
    let cause = removal.cause(EndCause::Withdrawn);
    unregistered(&api, &phone.ticket, &device, Some(slot), cause).await
}

async fn unregistered(
    api: &Api,
    ticket: &Ticket,
    device: &DeviceId,
    slot: Option<Slot>,
    cause: EndCause,
) -> Result<StatusCode, Problem> {
    let gateway = &api.gateway;
    let removed = gateway.unregister_with(ticket, device, slot, cause).await?;
    match removed {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(refusal) => Err(denied(api, refusal)),
    }
}

/// Counts and answers a refused ticket.
fn denied(api: &Api, refusal: TicketRefusal) -> Problem {
    let why = match refusal {
        TicketRefusal::Revoked => "revoked",
        TicketRefusal::OtherDevice => "other-device",
        TicketRefusal::Damaged => "damaged",
        _ => "too-many-devices",
    };
    api.refused("ticket", why);
    refusal.into()
}

/// The slots that the app reports as registered.
#[derive(Debug, serde::Deserialize)]
pub(super) struct ReportedSlots {
    #[serde(default)]
    registered: String,
}

/// Reports where the app is: foreground or background. With the slots that the app reports as registered, the answer says
/// which of their tokens the gateway has removed or quarantined.
#[utoipa::path(put, path = "/v1/devices/{device}/presence", tag = "phone", security(("ticket" = [])),
    params(("device" = String, Path), ("registered" = Option<String>, Query, description = "slots, as in `alert,voip`")),
    request_body = PresenceDoc,
    responses((status = 204), (status = 200, body = PresenceAnswerDoc), (status = 401, body = ProblemDoc), (status = 404, body = ProblemDoc)))]
pub(super) async fn presence(
    State(api): State<Arc<Api>>,
    phone: Phone<false>,
    InPath(device): InPath<DeviceId>,
    InQuery(reported): InQuery<ReportedSlots>,
    Body(body): Body<PresenceBody>,
) -> Result<Response, Problem> {
    // Slots of a newer app are unknown to this gateway.
    let registered: Vec<Slot> = reported
        .registered
        .split(',')
        .filter_map(|slot| slot.parse().ok())
        .take(Slot::ALL.len())
        .collect();
    let answer = api
        .gateway
        .presence_with(&phone.ticket, &device, &body, &registered)
        .await?
        .map_err(|refusal| denied(&api, refusal))?;
    let Some(answer) = answer else {
        return Err(Problem::new(StatusCode::NOT_FOUND, code::DEVICE_UNKNOWN)
            .detail("this device is not registered for this user; register its tokens again"));
    };
    Ok(if answer.is_empty() {
        StatusCode::NO_CONTENT.into_response()
    } else {
        Json(answer).into_response()
    })
}

/// Reports which deliveries to the device arrived or were clicked on. Receipts for other deliveries are ignored.
///
/// Signed with the receipt key that the registration was answered with, in place of a ticket: an extension that shows pushes
/// has none, and a push may arrive after the ticket expired. The signature is `v1.<digest>.<tag>`: the SHA-256 of the body, and
/// the HMAC-SHA-256 of the lines `POST receipts v1`, app, device and digest (no line break after the last) under the bytes of
/// the key; both in lower-case hexadecimal digits.
#[utoipa::path(post, path = "/v1/apps/{app}/devices/{device}/receipts", tag = "phone", security(("receipt-key" = [])),
    params(("app" = String, Path), ("device" = String, Path)), request_body = ReceiptsDoc,
    responses((status = 204), (status = 400, body = ProblemDoc), (status = 403, body = ProblemDoc), (status = 413, body = ProblemDoc)))]
pub(super) async fn receipts(
    State(api): State<Arc<Api>>,
    signer: Signer,
    ReadJson(raw): ReadJson,
) -> Result<StatusCode, Problem> {
    signer.check(&raw.bytes)?;
    let body: ReceiptsBody = parse(&raw.bytes)?;
    if body.receipts.len() > ReceiptsBody::MAX {
        return Err(Problem::invalid(format!(
            "`receipts` has {} items; at most {} fit in one request",
            body.receipts.len(),
            ReceiptsBody::MAX
        )));
    }
    api.gateway
        .receipts_of(&signer.app, &signer.device, body)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
