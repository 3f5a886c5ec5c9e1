//! Receipts that vendors post.
use std::sync::Arc;

use axum::{body::Body, extract::State, response::Response};
use http::{StatusCode, request::Parts};
use push_core::{AppId, CertificateId, CredentialRef, Error, ErrorKind};

use super::{
    Api,
    auth::place,
    extract::{InPath, Raw},
    problem::Problem,
    schema::ProblemDoc,
};

/// The largest body of receipts that is read, in bytes.
pub(super) const MAX_BYTES: usize = 1024 * 1024;

type Address = InPath<(AppId, CertificateId, String)>;

/// Records receipts of a vendor. The last part of the path is the credential's secret; the body is the vendor's own format.
#[utoipa::path(post, path = "/v1/vendor-receipts/{app}/{certificate}/{secret}", tag = "vendor",
    params(("app" = String, Path), ("certificate" = i64, Path), ("secret" = String, Path)),
    responses((status = 200, description = "What the vendor expects"), (status = 400, body = ProblemDoc),
        (status = 403, body = ProblemDoc), (status = 404, body = ProblemDoc)))]
pub(super) async fn post(
    State(api): State<Arc<Api>>,
    address: Address,
    parts: Parts,
    Raw(body): Raw,
) -> Result<Response, Problem> {
    record(&api, address, parts, body).await
}

/// As the request with a body: some vendors call with the query only, or test the address so.
#[utoipa::path(get, path = "/v1/vendor-receipts/{app}/{certificate}/{secret}", tag = "vendor",
    params(("app" = String, Path), ("certificate" = i64, Path), ("secret" = String, Path)),
    responses((status = 200, description = "What the vendor expects"), (status = 400, body = ProblemDoc),
        (status = 403, body = ProblemDoc), (status = 404, body = ProblemDoc)))]
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    address: Address,
    parts: Parts,
) -> Result<Response, Problem> {
    record(&api, address, parts, axum::body::Bytes::new()).await
}

async fn record(
    api: &Api,
    InPath((app, certificate, secret)): Address,
    parts: Parts,
    body: axum::body::Bytes,
) -> Result<Response, Problem> {
    let credential = CredentialRef::new(app, certificate);
    let gateway = &api.gateway;
    // Before anything is kept for the app: the path alone may name any.
    if !gateway
        .0
        .receipt_addresses
        .is_secret_of(&credential, &secret)
    {
        return Err(unknown());
    }
    let _place = place(api, &credential.app)?;
    let request = http::Request::from_parts(parts, body);
    let reply = gateway
        .vendor_receipts(&credential, &secret, &request)
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
