//! Receipts that vendors post.
use std::sync::Arc;

use axum::{
    body::Body,
    extract::{FromRequestParts, State},
    response::Response,
};
use bytes::Bytes;
use http::{StatusCode, request::Parts};
use push_core::{AppId, CertificateId, CredentialRef, Error, ErrorKind};

use super::{
    Api,
    body::Raw,
    extract::InPath,
    limits::{Kind, Place},
    problem::Problem,
    room::OfApp,
    schema::ProblemDoc,
};

/// The largest body of receipts that is read, in bytes.
pub(super) const MAX_BYTES: usize = 1024 * 1024;

/// A vendor that knows the secret of a credential's address, known from the path alone: before that no body is read, and
/// nothing is kept for an app that the path may have made up.
pub(super) struct Vendor {
    credential: CredentialRef,
    secret: String,
    _place: Place,
}

impl FromRequestParts<Arc<Api>> for Vendor {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let InPath((app, certificate, secret)) =
            InPath::<(AppId, CertificateId, String)>::from_request_parts(parts, api).await?;
        let credential = CredentialRef::new(app, certificate);
        let addresses = &api.gateway.0.receipt_addresses;
        if !addresses.is_secret_of(&credential, &secret) {
            api.refused("receipt-address", "wrong");
            return Err(unknown());
        }
        parts.extensions.insert(OfApp(credential.app.clone()));
        Ok(Self {
            _place: api.limits.place_of(Kind::Vendor, &credential.app)?,
            credential,
            secret,
        })
    }
}

/// Records receipts of a vendor. The last part of the path is the credential's secret; the body is the vendor's own format.
#[utoipa::path(post, path = "/v1/vendor-receipts/{app}/{certificate}/{secret}", tag = "vendor",
    params(("app" = String, Path), ("certificate" = i64, Path), ("secret" = String, Path)),
    responses((status = 200, description = "What the vendor expects"), (status = 400, body = ProblemDoc),
        (status = 403, body = ProblemDoc), (status = 404, body = ProblemDoc)))]
pub(super) async fn post(
    State(api): State<Arc<Api>>,
    vendor: Vendor,
    parts: Parts,
    raw: Raw,
) -> Result<Response, Problem> {
    record(&api, vendor, parts, raw.bytes.clone()).await
}

/// As the request with a body: some vendors call with the query only, or test the address so.
#[utoipa::path(get, path = "/v1/vendor-receipts/{app}/{certificate}/{secret}", tag = "vendor",
    params(("app" = String, Path), ("certificate" = i64, Path), ("secret" = String, Path)),
    responses((status = 200, description = "What the vendor expects"), (status = 400, body = ProblemDoc),
        (status = 403, body = ProblemDoc), (status = 404, body = ProblemDoc)))]
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    vendor: Vendor,
    parts: Parts,
) -> Result<Response, Problem> {
    record(&api, vendor, parts, Bytes::new()).await
}

async fn record(api: &Api, vendor: Vendor, parts: Parts, body: Bytes) -> Result<Response, Problem> {
    let request = http::Request::from_parts(parts, body);
    let reply = api
        .gateway
        .vendor_receipts(&vendor.credential, &vendor.secret, &request)
        .await
        .map_err(refused)?;
    Ok(reply.map(Body::from))
}

fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not-found").detail("there is no such receipt address")
}

fn refused(error: Error) -> Problem {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::Unsupported => unknown(),
        _ => error.into(),
    }
}
