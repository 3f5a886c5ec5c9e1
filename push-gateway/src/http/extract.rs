//! Reading requests, with problem documents for what cannot be read.
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::BytesRejection},
    response::IntoResponse,
};
use http::{StatusCode, request::Parts};
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Raw(bytes) = Raw::from_request(request, state).await?;
        parse(&bytes).map(Self)
    }
}

/// The body as it came.
pub(crate) struct Raw(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Bytes::from_request(request, state)
            .await
            .map(Self)
            .map_err(|rejection: BytesRejection| {
                let status = rejection.into_response().status();
                if status == StatusCode::PAYLOAD_TOO_LARGE {
                    Problem::new(status, "too-large")
                        .detail("the body is larger than this gateway reads; send less at a time")
                } else {
                    Problem::invalid("the body broke off")
                }
            })
    }
}

/// Reads JSON.
///
/// # Errors
/// Says where it goes wrong. What stands there is not repeated: it may be a token or a message's text.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        let words = error.to_string();
        let words = words.split(" at line").next().unwrap_or_default();
        // serde quotes the value that it did not expect; other texts are its own or those of the types, which quote nothing.
        let what = if error.is_data() && words.starts_with("invalid ") {
            "a value of a wrong type or form"
        } else if error.is_data() || error.is_eof() {
            words
        } else {
            "this is not JSON"
        };
        // An error about a whole object has no place of its own.
        Problem::invalid(match (error.line(), error.column()) {
            (0, _) => what.to_owned(),
            (line, column) => format!("{what}, at line {line} column {column} of the body"),
        })
    })
}

/// A part of the path.
pub(crate) struct InPath<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for InPath<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Path::<T>::from_request_parts(parts, state)
            .await
            .map(|Path(it)| Self(it))
            .map_err(|_| {
                Problem::invalid("a part of the path is not of the form that belongs there")
            })
    }
}

/// The query.
pub(crate) struct InQuery<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for InQuery<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Query::<T>::from_request_parts(parts, state)
            .await
            .map(|Query(it)| Self(it))
            .map_err(|_| Problem::invalid("the query is not of the form that belongs there"))
    }
}
