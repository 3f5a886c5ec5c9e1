//! What phones send: tokens, presence, receipts. Bodies and codes are those of `push_core::api`.
use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use push_core::{
    DeviceId, EndCause, Gateway as _, PresenceChange, Slot,
    api::{PresenceBody, ReceiptsBody, RegistrationAnswer, RegistrationBody, code},
};

use super::{
    Api,
    auth::{Phone, Signer},
    extract::{Body, InPath, InQuery, Raw, parse},
    problem::Problem,
    schema::{
        PresenceAnswerDoc, PresenceDoc, ProblemDoc, ReceiptsDoc, RegistrationAnswerDoc,
        RegistrationDoc,
    },
};
use crate::{decision::reasons, registration::Unregistered};

/// Registers a token of the device for the ticket's user.
#[utoipa::path(put, path = "/v1/devices/{device}/registrations/{slot}", tag = "phone", security(("ticket" = [])),
    params(("device" = String, Path), ("slot" = String, Path, description = "`alert`, `voip` or `live-activity`")),
    request_body = RegistrationDoc,
    responses((status = 200, body = RegistrationAnswerDoc), (status = 401, body = ProblemDoc), (status = 422, body = ProblemDoc)))]
pub(super) async fn register(
    State(api): State<Arc<Api>>,
    phone: Phone<false>,
    InPath((device, slot)): InPath<(DeviceId, Slot)>,
    Body(body): Body<RegistrationBody>,
) -> Result<Json<RegistrationAnswer>, Problem> {
    let answer = api
        .gateway
        .register(&phone.app, &phone.user, &device, slot, body)
        .await;
    match answer {
        Ok(answer) => Ok(Json(answer)),
        Err(Unregistered::Refused(reason)) => Err((&reason).into()),
        Err(Unregistered::Malformed(error)) => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            reasons::TOKEN_MALFORMED.code,
        )
        .detail(error.to_string())),
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

/// The ticket's user logged out on the device, or switched push off: removes all its tokens. An expired ticket is accepted.
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
    api.gateway
        .unregister(&phone.app, &phone.user, &device, None, cause)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes the tokens of one slot of the device: push is switched off for it.
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
    api.gateway
        .unregister(&phone.app, &phone.user, &device, Some(slot), cause)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the phone believes.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Believed {
    #[serde(default)]
    registered: String,
}

/// Reports where the app is: foreground or background. With the slots that the app believes to be registered, the answer says
/// which of their tokens the gateway has removed or quarantined.
#[utoipa::path(put, path = "/v1/devices/{device}/presence", tag = "phone", security(("ticket" = [])),
    params(("device" = String, Path), ("registered" = Option<String>, Query, description = "slots, as in `alert,voip`")),
    request_body = PresenceDoc,
    responses((status = 204), (status = 200, body = PresenceAnswerDoc), (status = 401, body = ProblemDoc), (status = 404, body = ProblemDoc)))]
pub(super) async fn presence(
    State(api): State<Arc<Api>>,
    phone: Phone<false>,
    InPath(device): InPath<DeviceId>,
    InQuery(believed): InQuery<Believed>,
    Body(body): Body<PresenceBody>,
) -> Result<Response, Problem> {
    // Slots of a newer app are unknown to this gateway.
    let registered: Vec<Slot> = believed
        .registered
        .split(',')
        .filter_map(|slot| slot.parse().ok())
        .take(Slot::ALL.len())
        .collect();
    // By the gateway's clock, since a phone's may be wrong: a phone reports where it is now, however long the report took. From
    // before the check, so that a kick or a logout meanwhile stands.
    let at = api.gateway.now();
    // A phone that was kicked while its app was not running learns here that it must register again.
    let standing = api
        .gateway
        .token_standing(&phone.app, &phone.user, &device, &registered)
        .await?;
    let Some(answer) = standing else {
        return Err(Problem::new(StatusCode::NOT_FOUND, code::DEVICE_UNKNOWN)
            .detail("this device is not registered for this user; register its tokens again"));
    };
    let change = PresenceChange {
        user: phone.user,
        device: Some(device),
        platform: None,
        presence: body.presence,
        at,
        badge: body.unread,
        because: None,
    };
    api.gateway.set_presence(&phone.app, vec![change]).await?;
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
    Raw(body): Raw,
) -> Result<StatusCode, Problem> {
    signer.check(&body)?;
    let body: ReceiptsBody = parse(&body)?;
    if body.receipts.len() > ReceiptsBody::MAX {
        return Err(Problem::invalid("at most 100 receipts in one request"));
    }
    api.gateway
        .receipts_of(&signer.app, &signer.device, body.receipts)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
