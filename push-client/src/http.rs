//! The gateway over its HTTP API.
use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use push_core::{
    Account, DeviceId, Error, ErrorKind, Result, Slot,
    api::{PresenceBody, Problem, ReceiptsBody, RegistrationAnswer, RegistrationBody, code},
    async_trait,
};
use push_http::{Client, HttpClient, HttpConfig};
use serde::Serialize;

use crate::{GatewayApi, GatewayError, GatewayErrorKind};

/// What may stand in a path segment (RFC 3986 §2.3) as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The gateway at a base URL, as [`push_core::api`] describes it.
#[derive(Clone, Debug)]
pub struct HttpGateway {
    base: String,
    client: Arc<dyn HttpClient>,
}

impl HttpGateway {
    /// The gateway at `base_url`, as in `https://push.example.com` or `https://example.com/push`, over a client of its own.
    ///
    /// # Errors
    /// As [`HttpGateway::with_client`], and if `config` cannot work.
    pub fn new(base_url: &str, config: HttpConfig) -> Result<Self> {
        let client = Client::new(config, Arc::new(push_http::TokioClock))?;
        Self::with_client(base_url, Arc::new(client))
    }

    /// The gateway at `base_url` over `client`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the URL is not one, has a query, or is not `https`: the ticket must not travel in the clear. Only
    /// a gateway on the same machine may be `http`.
    pub fn with_client(base_url: &str, client: Arc<dyn HttpClient>) -> Result<Self> {
        let wrong = |what: String| {
            Error::new(ErrorKind::Config, what)
                .at("gateway URL")
                .advise("write it like https://push.example.com")
        };
        let url: http::Uri = base_url
            .parse()
            .map_err(|_| wrong("it is not a URL".to_owned()))?;
        let host = url.host().unwrap_or_default();
        let is_here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        match url.scheme_str() {
            Some("https") => {}
            Some("http") if is_here => {}
            Some("http") => {
                return Err(wrong(format!(
                    "http://{host} would show every ticket to the network"
                )));
            }
            _ => return Err(wrong("it does not begin with https://".to_owned())),
        }
        if url.query().is_some() {
            return Err(wrong("it has a query".to_owned()));
        }
        Ok(Self {
            base: base_url.trim_end_matches('/').to_owned(),
            client,
        })
    }

    async fn call<B: Serialize + Sync>(
        &self,
        method: Method,
        path: &str,
        account: &Account,
        body: Option<&B>,
    ) -> Result<Response<Bytes>, GatewayError> {
        let internal =
            |text: String| GatewayError::new(GatewayErrorKind::Refused, "not-sent", text);
        let mut authorization =
            header::HeaderValue::try_from(format!("Bearer {}", account.credential.expose()))
                .map_err(|_| internal("the ticket has characters that no ticket has".to_owned()))?;
        authorization.set_sensitive(true);
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::AUTHORIZATION, authorization)
            .header(header::ACCEPT, "application/json, application/problem+json");
        let body = match body {
            None => Bytes::new(),
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                serde_json::to_vec(body)
                    .map_err(|error| internal(error.to_string()))?
                    .into()
            }
        };
        let request = request
            .body(body)
            .map_err(|error| internal(error.to_string()))?;
        let response = self.client.send(request).await.map_err(|error| {
            // Repeating is safe: every request of this API is idempotent.
            let kind = if error.is_transient() {
                GatewayErrorKind::Unavailable
            } else {
                match error.kind() {
                    push_http::HttpErrorKind::InvalidRequest => GatewayErrorKind::Refused,
                    // A captive portal or a wrong clock; both pass.
                    _ => GatewayErrorKind::Unavailable,
                }
            };
            GatewayError::new(kind, "", error.to_string())
        })?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(refusal(&response))
        }
    }
}

fn device_path(device: &DeviceId, rest: &str) -> String {
    let device = utf8_percent_encode(device.as_str(), SEGMENT);
    format!("/v1/devices/{device}/{rest}")
}

/// What an answer outside 2xx means.
fn refusal(response: &Response<Bytes>) -> GatewayError {
    let status = response.status();
    let problem: Problem = serde_json::from_slice(response.body()).unwrap_or_default();
    let kind = match (status, problem.code.as_str()) {
        (_, code::TICKET_REFUSED) | (StatusCode::UNAUTHORIZED, _) => {
            GatewayErrorKind::TicketRefused
        }
        (_, code::TOO_FREQUENT) | (StatusCode::TOO_MANY_REQUESTS, _) => {
            GatewayErrorKind::TooFrequent
        }
        (_, code::CERTIFICATE_UNKNOWN) => GatewayErrorKind::CertificateUnknown,
        (_, code::DEVICE_UNKNOWN) => GatewayErrorKind::DeviceUnknown,
        (StatusCode::REQUEST_TIMEOUT, _) => GatewayErrorKind::Unavailable,
        // A redirect or an informational answer is not the gateway speaking: a portal, a proxy.
        (status, _) if !status.is_client_error() => GatewayErrorKind::Unavailable,
        _ => GatewayErrorKind::Refused,
    };
    let text = match (&problem.detail, problem.title.as_str()) {
        (Some(detail), _) => detail.clone(),
        (None, "") => format!("the gateway answered {status}"),
        (None, title) => title.to_owned(),
    };
    let retry_after = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|it| it.to_str().ok()?.trim().parse().ok())
        // A day is as good as never: the next start asks anyway.
        .map(|seconds: u64| Duration::from_secs(seconds.min(24 * 60 * 60)));
    GatewayError {
        kind,
        code: problem.code,
        // Foreign words: bounded, and without line breaks.
        text: text
            .chars()
            .filter(|it| !it.is_control())
            .take(500)
            .collect(),
        retry_after,
    }
}

const NO_BODY: Option<&()> = None;

#[async_trait]
impl GatewayApi for HttpGateway {
    async fn register(
        &self,
        account: &Account,
        device: &DeviceId,
        slot: Slot,
        body: &RegistrationBody,
    ) -> Result<RegistrationAnswer, GatewayError> {
        let path = device_path(device, &format!("registrations/{slot}"));
        let response = self.call(Method::PUT, &path, account, Some(body)).await?;
        // A portal may answer 200 with a page of its own.
        serde_json::from_slice(response.body()).map_err(|_| {
            GatewayError::new(
                GatewayErrorKind::Unavailable,
                "",
                "the answer is not one of a push gateway; is the gateway URL right, and is there a network portal in between?",
            )
        })
    }

    async fn unregister(
        &self,
        account: &Account,
        device: &DeviceId,
        slot: Option<Slot>,
    ) -> Result<(), GatewayError> {
        let rest = match slot {
            None => "registrations".to_owned(),
            Some(slot) => format!("registrations/{slot}"),
        };
        let path = device_path(device, &rest);
        let sent = self.call(Method::DELETE, &path, account, NO_BODY).await;
        done(sent)
    }

    async fn presence(
        &self,
        account: &Account,
        device: &DeviceId,
        body: &PresenceBody,
    ) -> Result<(), GatewayError> {
        let path = device_path(device, "presence");
        done(self.call(Method::PUT, &path, account, Some(body)).await)
    }

    async fn receipts(&self, account: &Account, body: &ReceiptsBody) -> Result<(), GatewayError> {
        done(
            self.call(Method::POST, "/v1/receipts", account, Some(body))
                .await,
        )
    }
}

/// A portal's page with status 200 must not pass for "unbound": these calls answer 204.
fn done(sent: Result<Response<Bytes>, GatewayError>) -> Result<(), GatewayError> {
    let response = sent?;
    if response.status() == StatusCode::NO_CONTENT {
        return Ok(());
    }
    Err(GatewayError::new(
        GatewayErrorKind::Unavailable,
        "",
        format!(
            "the answer ({}) is not one of a push gateway; is the gateway URL right, and is there a network portal in between?",
            response.status()
        ),
    ))
}
