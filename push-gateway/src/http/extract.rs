//! Reading requests, with problem documents for what cannot be read.
use axum::extract::{
    FromRequest, FromRequestParts, Path, Query, Request,
    path::ErrorKind as PathError,
    rejection::{PathRejection, QueryRejection},
};
use http::{HeaderMap, StatusCode, header, request::Parts};
use serde::de::DeserializeOwned;

use super::{body::Raw, json::parse, problem::Problem};

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Json(raw) = Json::from_request(request, state).await?;
        parse(&raw.bytes).map(Self)
    }
}

/// A body that says it is JSON, or does not say what it is.
pub(crate) struct Json(pub(crate) Raw);

impl<S: Send + Sync> FromRequest<S> for Json {
    type Rejection = Problem;
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        check_content_type(request.headers())?;
        Raw::from_request(request, state).await.map(Self)
    }
}

/// Refuses a body that says it is something else than JSON in UTF-8: most likely a form, whose sender forgot the header.
fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let value = value.to_str().unwrap_or_default().to_ascii_lowercase();
    let mut parts = value.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    let is_json =
        kind == "application/json" || kind.starts_with("application/") && kind.ends_with("+json");
    let charset = parts.find_map(|parameter| parameter.strip_prefix("charset="));
    let is_utf8 = charset.is_none_or(|charset| charset.trim_matches('"') == "utf-8");
    if is_json && is_utf8 {
        return Ok(());
    }
    Err(
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json").detail(
            "the body is read as JSON in UTF-8 only; send the header `content-type: application/json`",
        ),
    )
}

/// A part of the path.
pub(crate) struct InPath<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for InPath<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Path::<T>::from_request_parts(parts, state)
            .await
            .map(|Path(value)| Self(value))
            .map_err(|rejection| Problem::invalid(in_path(rejection)))
    }
}

/// What is wrong with a path. Values are not repeated: one is a secret.
fn in_path(rejection: PathRejection) -> String {
    let PathRejection::FailedToDeserializePathParams(error) = rejection else {
        return "the path has another number of parts".to_owned();
    };
    match error.into_kind() {
        PathError::ParseErrorAtKey { key, .. } => {
            format!("the part `{{{key}}}` of the path has a wrong form")
        }
        PathError::InvalidUtf8InPathParam { key } => {
            format!("the part `{{{key}}}` of the path is not UTF-8")
        }
        // The error texts of this workspace's types, which repeat no value.
        PathError::DeserializeError { key, message, .. } => {
            format!("the part `{{{key}}}` of the path: {message}")
        }
        PathError::Message(message) => format!("a part of the path: {message}"),
        _ => "a part of the path has a wrong form".to_owned(),
    }
}

/// The query.
pub(crate) struct InQuery<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for InQuery<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Query::<T>::from_request_parts(parts, state)
            .await
            .map(|Query(value)| Self(value))
            .map_err(|rejection| Problem::invalid(in_query(&rejection)))
    }
}

fn in_query(rejection: &QueryRejection) -> String {
    let text = rejection.body_text();
    let what = text
        .split_once("query string: ")
        .map_or("a parameter has a wrong form", |(_, what)| what);
    let what: String = what
        .chars()
        .filter(|it| !it.is_control())
        .take(300)
        .collect();
    format!("the query cannot be read: {what}")
}
