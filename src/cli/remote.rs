//! A client of a running gateway, for operators and IM servers.
use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use offline_push::{
    Error, ErrorKind, Result, Secret,
    api::Problem,
    http::{Client, HttpClient, HttpConfig, Protocols, TokioClock},
};
use serde_json::Value;

use super::settings::read_text;

/// The gateway to call, and the key.
#[derive(Debug, clap::Args)]
pub(crate) struct Server {
    /// The gateway's address
    #[arg(
        long,
        env = "OFFLINE_PUSH_SERVER",
        value_name = "URL",
        default_value = "http://127.0.0.1:8710"
    )]
    server: String,
    /// A file with the API key; the environment variable OFFLINE_PUSH_KEY can hold the key itself
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// A file with the certificate of the authority behind the gateway's TLS, PEM
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl Server {
    /// Returns a client. It connects at the first call.
    pub(crate) fn connect(&self) -> Result<Remote> {
        let key = match &self.key_file {
            Some(file) => read_text(file)?,
            None => std::env::var("OFFLINE_PUSH_KEY").map_err(|_| {
                Error::new(ErrorKind::Config, "no API key").advise(
                    "set OFFLINE_PUSH_KEY, or name a file with --key-file; the keys are in the gateway's configuration under [[http.keys]]",
                )
            })?,
        };
        let mut config = HttpConfig::default();
        if let Some(file) = &self.ca_file {
            config.extra_ca_pem = Some(read_text(file)?);
        }
        Remote::new(&self.server, Secret::new(key.trim()), config)
    }
}

/// A client of a gateway.
#[derive(Debug)]
pub(crate) struct Remote {
    base: String,
    key: Secret,
    client: Client,
}

impl Remote {
    pub(crate) fn new(base: &str, key: Secret, config: HttpConfig) -> Result<Self> {
        Ok(Self {
            base: base.trim_end_matches('/').to_owned(),
            key,
            client: Client::new(
                config.with_protocols(Protocols::Negotiate),
                Arc::new(TokioClock),
            )?,
        })
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.call(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Value> {
        self.call(Method::DELETE, path, None).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let place = format!("{method} {}{path}", self.base);
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(
                header::AUTHORIZATION,
                format!("Bearer {}", self.key.expose()),
            )
            .header(header::CONTENT_TYPE, "application/json")
            .body(Bytes::from(body.map(Value::to_string).unwrap_or_default()))
            .map_err(|source| {
                Error::new(ErrorKind::Invalid, "the request cannot be built")
                    .at(&place)
                    .because(source)
                    .advise("the gateway's address is written like http://127.0.0.1:8710")
            })?;
        let response = self.client.send(request).await.map_err(|error| {
            Error::from(error)
                .at(&place)
                .advise("is the gateway running, and is --server its address?")
        })?;
        let status = response.status();
        if !status.is_success() {
            return Err(refused(status, response.body()).at(&place));
        }
        if response.body().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(response.body()).map_err(|source| {
            Error::new(ErrorKind::Internal, "the answer is not JSON")
                .at(&place)
                .because(source)
        })
    }
}

fn refused(status: StatusCode, body: &[u8]) -> Error {
    let kind = match status.as_u16() {
        401 | 403 => ErrorKind::Denied,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        429 | 503 => ErrorKind::Busy,
        400..500 => ErrorKind::Invalid,
        _ => ErrorKind::Internal,
    };
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) if !problem.code.is_empty() => Error::new(
            kind,
            format!(
                "{} ({status}, {})",
                problem.detail.unwrap_or(problem.title),
                problem.code
            ),
        ),
        _ => Error::new(kind, format!("the gateway answered {status}")),
    }
}

/// Encodes `text` as a segment of a path.
pub(crate) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out += &format!("%{byte:02X}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_segment_holds_nothing_that_ends_it() {
        assert_eq!(segment("a/b?用"), "a%2Fb%3F%E7%94%A8");
    }

    #[test]
    fn a_problem_document_becomes_its_words() {
        let error = refused(
            StatusCode::NOT_FOUND,
            br#"{"type":"about:blank","title":"Not found","status":404,"detail":"no certificate 7","code":"certificate-unknown"}"#,
        );
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("no certificate 7"), "{error}");
        assert!(
            refused(StatusCode::BAD_GATEWAY, b"<html>")
                .to_string()
                .contains("502")
        );
    }
}
