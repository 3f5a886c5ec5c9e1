//! A client of the gateway's HTTP API.
use std::{sync::Arc, time::Duration};

use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac,
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use push_core::{
    Account, AppId, DeviceId, Error, ErrorKind, ReceiptKey, Result, Slot,
    api::{
        PresenceAnswer, PresenceBody, Problem, RECEIPT_SIGNATURE, ReceiptsBody, RegistrationAnswer,
        RegistrationBody, code, receipts_to_sign,
    },
    async_trait,
};
use push_http::{Client, HttpClient, HttpConfig};
use serde::Serialize;

use crate::{GatewayAddress, GatewayApi, GatewayError, GatewayErrorKind};

/// The characters to encode in a path segment (RFC 3986 §2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A client of the gateway at a base URL, as [`push_core::api`] describes it.
#[derive(Clone, Debug)]
pub struct HttpGateway {
    address: GatewayAddress,
    client: Arc<dyn HttpClient>,
}

impl HttpGateway {
    /// Connects to the gateway at `base_url`, as in `https://push.example.com` or `https://example.com/push`, with an HTTP client
    /// of its own.
    ///
    /// # Errors
    /// The errors of [`HttpGateway::with_client`], and an error if `config` is invalid.
    pub fn new(base_url: &str, config: HttpConfig) -> Result<Self> {
        let (ca_pem, only_ca) = (config.extra_ca_pem.clone(), config.only_extra_ca);
        let client = Client::new(config, Arc::new(push_http::TokioClock))?;
        let mut gateway = Self::with_client(base_url, Arc::new(client))?;
        gateway.address.ca_pem = ca_pem;
        gateway.address.only_ca = only_ca;
        Ok(gateway)
    }

    /// Connects to the gateway at `base_url` with `client`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the URL is invalid, has a query, or is not `https`, because the ticket must be encrypted. Only a
    /// gateway on the same machine may be `http`.
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
                    "http://{host} would send every ticket unencrypted"
                )));
            }
            _ => return Err(wrong("it does not begin with https://".to_owned())),
        }
        if push_http::port_of(&url).is_none() {
            return Err(wrong("its port is not a number from 1 to 65535".to_owned()));
        }
        if url.query().is_some() {
            return Err(wrong("it has a query".to_owned()));
        }
        Ok(Self {
            address: GatewayAddress {
                url: base_url.trim_end_matches('/').to_owned(),
                ca_pem: None,
                only_ca: false,
            },
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
        let authorization = format!("Bearer {}", account.credential.expose());
        let body = body.map(json).transpose()?;
        self.send(method, path, (header::AUTHORIZATION, authorization), body)
            .await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        (name, proof): (HeaderName, String),
        body: Option<Bytes>,
    ) -> Result<Response<Bytes>, GatewayError> {
        let mut proof = HeaderValue::try_from(proof)
            .map_err(|_| not_sent("the ticket has characters that are not allowed in tickets"))?;
        proof.set_sensitive(true);
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.address.url))
            .header(name, proof)
            .header(header::ACCEPT, "application/json, application/problem+json");
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(body.unwrap_or_default())
            .map_err(|error| not_sent(error.to_string()))?;
        let response = self.client.send(request).await.map_err(|error| {
            // Repeating is safe: every request of this API is idempotent.
            let kind = if error.is_transient() {
                GatewayErrorKind::Unavailable
            } else {
                match error.kind() {
                    push_http::HttpErrorKind::InvalidRequest => GatewayErrorKind::Refused,
                    // A captive portal or a wrong clock; both are temporary.
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

fn not_sent(text: impl Into<String>) -> GatewayError {
    GatewayError::new(GatewayErrorKind::Refused, "not-sent", text)
}

fn json<B: Serialize>(body: &B) -> Result<Bytes, GatewayError> {
    let body = serde_json::to_vec(body).map_err(|error| not_sent(error.to_string()))?;
    Ok(body.into())
}

fn device_path(device: &DeviceId, rest: &str) -> String {
    let device = utf8_percent_encode(device.as_str(), SEGMENT);
    format!("/v1/devices/{device}/{rest}")
}

/// Returns the value of the header [`RECEIPT_SIGNATURE`].
fn signature(app: &AppId, device: &DeviceId, key: &ReceiptKey, body: &[u8]) -> String {
    let digest = hex(digest(&SHA256, body).as_ref());
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
    let tag = hmac::sign(&key, receipts_to_sign(app, device, &digest).as_bytes());
    format!("v1.{digest}.{}", hex(tag.as_ref()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the error for an answer outside 2xx.
fn refusal(response: &Response<Bytes>) -> GatewayError {
    let status = response.status();
    let problem: Problem = serde_json::from_slice(response.body()).unwrap_or_default();
    let kind = match (status, problem.code.as_str()) {
        (_, code::RECEIPT_KEY_REFUSED) => GatewayErrorKind::ReceiptKeyRefused,
        (_, code::TICKET_REFUSED) | (StatusCode::UNAUTHORIZED, _) => {
            GatewayErrorKind::TicketRefused
        }
        (_, code::TOO_FREQUENT) | (StatusCode::TOO_MANY_REQUESTS, _) => {
            GatewayErrorKind::TooFrequent
        }
        (_, code::CERTIFICATE_UNKNOWN) => GatewayErrorKind::CertificateUnknown,
        (_, code::DEVICE_UNKNOWN) => GatewayErrorKind::DeviceUnknown,
        (StatusCode::REQUEST_TIMEOUT, _) => GatewayErrorKind::Unavailable,
        // A redirect or an informational answer comes from a portal or proxy, not from the gateway.
        (status, _) if !status.is_client_error() => GatewayErrorKind::Unavailable,
        // An error without a code comes from a firewall, or a proxy without a route.
        (_, "") => GatewayErrorKind::Unavailable,
        _ => GatewayErrorKind::Refused,
    };
    let text = match (&problem.detail, problem.title.as_str()) {
        (Some(detail), _) => detail.clone(),
        (None, "") => not_a_gateway(status).text,
        (None, title) => title.to_owned(),
    };
    let retry_after = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        // At most a day; the next start of the app retries anyway.
        .map(|seconds: u64| Duration::from_secs(seconds.min(24 * 60 * 60)));
    GatewayError {
        kind,
        code: problem.code,
        // Text of the other side: bounded, and without line breaks.
        text: text
            .chars()
            .filter(|character| !character.is_control())
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
        // A captive portal may answer 200 with an HTML page.
        serde_json::from_slice(response.body()).map_err(|_| not_a_gateway(response.status()))
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

    async fn switch_off(&self, account: &Account, device: &DeviceId) -> Result<(), GatewayError> {
        let path = device_path(device, "registrations?because=switched-off");
        let sent = self.call(Method::DELETE, &path, account, NO_BODY).await;
        done(sent)
    }

    async fn presence(
        &self,
        account: &Account,
        device: &DeviceId,
        body: &PresenceBody,
        registered: &[Slot],
    ) -> Result<PresenceAnswer, GatewayError> {
        let mut path = device_path(device, "presence");
        if !registered.is_empty() {
            let slots: Vec<&str> = registered.iter().map(|slot| slot.as_str()).collect();
            path.push_str("?registered=");
            path.push_str(&slots.join(","));
        }
        let response = self.call(Method::PUT, &path, account, Some(body)).await?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(PresenceAnswer::default());
        }
        // A captive portal may answer 200 with an HTML page.
        serde_json::from_slice(response.body())
            .ok()
            .filter(|answer: &PresenceAnswer| !answer.is_empty())
            .ok_or_else(|| not_a_gateway(response.status()))
    }

    async fn receipts(
        &self,
        app: &AppId,
        device: &DeviceId,
        key: &ReceiptKey,
        body: &ReceiptsBody,
    ) -> Result<(), GatewayError> {
        let body = json(body)?;
        let path = format!(
            "/v1/apps/{}/devices/{}/receipts",
            utf8_percent_encode(app.as_str(), SEGMENT),
            utf8_percent_encode(device.as_str(), SEGMENT),
        );
        let proof = (
            HeaderName::from_static(RECEIPT_SIGNATURE),
            signature(app, device, key, &body),
        );
        done(self.send(Method::POST, &path, proof, Some(body)).await)
    }

    fn address(&self) -> Option<GatewayAddress> {
        Some(self.address.clone())
    }
}

/// Checks the answer to a call that must be answered with 204: a captive portal's page with status 200 is an error.
fn done(sent: Result<Response<Bytes>, GatewayError>) -> Result<(), GatewayError> {
    let response = sent?;
    if response.status() == StatusCode::NO_CONTENT {
        return Ok(());
    }
    Err(not_a_gateway(response.status()))
}

fn not_a_gateway(status: StatusCode) -> GatewayError {
    GatewayError::new(
        GatewayErrorKind::Unavailable,
        "",
        format!(
            "the answer ({status}) did not come from a push gateway; check the gateway URL, and whether the network has a captive portal"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_that_the_api_describes() {
        let (app, device) = (AppId::new("chat").unwrap(), DeviceId::new("phone").unwrap());
        let key = ReceiptKey::new("0123456789abcdef0123456789abcdef").unwrap();
        // Computed independently with Python's hmac and hashlib. The gateway's tests use the same value.
        assert_eq!(
            signature(&app, &device, &key, b"{\"receipts\":[]}"),
            "v1.176a295f7d63602386fc3d8723406f50c90fd6fcd831f844bc88baf62e5aa902.0ff9c604e150d0cdae2d8457e590024d8c8543465abd77b819996eab9b4aea2d"
        );
    }
}
