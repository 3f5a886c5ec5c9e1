//! The push channel `{{name}}`: one JSON request over HTTP for each token, with the app's secret in a header.
//!
//! Everything below stands for a vendor that does not exist. Replace, in this order: [`{{Name}}Config`] (what the vendor
//! gave the app's owner), `render` (what it wants on the wire), `judge` (what its codes mean), `verify`, and the replies at
//! the end of this file. Name the vendor's page and the date you read it here.
#![cfg_attr(docsrs, feature(doc_cfg))]

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri, header};
use push_core::{
    Badge, Batch, BuildContext, Capabilities, Channel, Clock, DynProvider, Error, ErrorKind,
    Health, Notification, Plugin, Provider, ProviderKind, Result, Retry, Scope, Secret, Target,
    TextLimits, TextUnit, VendorAnswer, Verdict, VerdictKind, Verdicts, async_trait,
};
use push_http::{Client, HttpClient, HttpConfig, Processed};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The largest payload that the vendor takes, in bytes.
const MAX_PAYLOAD: usize = 4096;

/// What the vendor's console gave the app's owner.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct {{Name}}Config {
    /// The app's id.
    pub app_id: String,
    /// The app's secret.
    pub app_secret: Secret,
    /// Where the vendor listens, without a path.
    #[serde(default = "endpoint")]
    pub endpoint: String,
    /// How to connect.
    #[serde(default)]
    pub http: HttpConfig,
}

fn endpoint() -> String {
    "https://push.{{name}}.example".to_owned()
}

/// One credential at the vendor. Clones nothing, keeps nothing: all state is the connection.
#[derive(Debug)]
pub struct {{Name}} {
    app_id: String,
    app_secret: Secret,
    endpoint: String,
    client: Client,
    clock: Arc<dyn Clock>,
    capabilities: Capabilities,
}

push_core::register_plugin!({{Name}});

impl Plugin for {{Name}} {
    type Kind = ProviderKind;
    type Config = {{Name}}Config;
    const NAME: &'static str = "{{name}}";
    const EXAMPLE: &'static str = "app_id = \"1001\"\napp_secret = \"from the vendor's console\"\n";

    fn build(config: {{Name}}Config, context: &BuildContext) -> Result<DynProvider> {
        let wrong = |message: &str, key: &str, advice: &str| {
            Err(Error::new(ErrorKind::Config, message)
                .at(key)
                .advise(advice))
        };
        if config.app_id.is_empty() || !config.app_id.bytes().all(|it| it.is_ascii_graphic()) {
            return wrong(
                "is empty or holds a space",
                "app_id",
                "copy it from the vendor's console",
            );
        }
        let endpoint = config.endpoint.trim_end_matches('/').to_owned();
        let is_origin = endpoint
            .parse::<Uri>()
            .is_ok_and(|it| it.scheme().is_some() && it.path() == "/" && it.query().is_none());
        if !is_origin {
            return wrong(
                "is not a scheme and a host",
                "endpoint",
                "leave it out, or write it like \"https://push.{{name}}.example\"",
            );
        }
        Ok(Arc::new(Self {
            app_id: config.app_id,
            app_secret: config.app_secret,
            endpoint,
            client: Client::new(config.http, Arc::clone(&context.clock))?,
            clock: Arc::clone(&context.clock),
            capabilities: Capabilities::new(Channel::known(Self::NAME), MAX_PAYLOAD).with_text(
                TextLimits {
                    title: 50,
                    body: 200,
                    unit: TextUnit::Utf16,
                },
            ),
        }))
    }
}

#[async_trait]
impl Provider for {{Name}} {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        // `max_batch` is 1, so no target waits for another here.
        for (position, target) in batch.targets.iter().enumerate() {
            let verdict = self.push(&batch.notification, target).await;
            verdicts.report(position, verdict);
        }
    }

    async fn verify(&self) -> Result<Health> {
        let request = self.request(Method::GET, "/v1/app", Bytes::new())?;
        let response = self.client.send(request).await?;
        let answer = Answer::of(&response);
        let kind = judge(response.status(), answer.code);
        match kind {
            VerdictKind::Accepted | VerdictKind::CredentialRefused => Ok(Health {
                accepted: kind == VerdictKind::Accepted,
                evidence: format!("{} {}", response.status(), answer.words()),
            }),
            _ => Err(Error::new(
                ErrorKind::Unavailable,
                format!(
                    "the vendor answered {} {}",
                    response.status(),
                    answer.words()
                ),
            )
            .advise("try again later")),
        }
    }
}

impl {{Name}} {
    async fn push(&self, notification: &Notification, target: &Target) -> Verdict {
        let body = self.render(notification, target);
        if body.len() > MAX_PAYLOAD {
            return Verdict::payload_refused(
                "too large",
                format!("{} bytes, of which {MAX_PAYLOAD} are allowed", body.len()),
            );
        }
        let request = match self.request(Method::POST, "/v1/messages", body) {
            Ok(request) => request,
            Err(error) => return Verdict::payload_refused("no request", error.to_string()),
        };
        match self.client.send(request).await {
            Ok(response) => self.classify(&response, target),
            Err(error) => match error.processed() {
                Processed::Never => Verdict::unavailable(error.to_string()),
                Processed::Unknown => Verdict::unknown(error.to_string()),
            },
        }
    }

    /// The notification in the vendor's words.
    fn render(&self, notification: &Notification, target: &Target) -> Bytes {
        let mut message = Map::new();
        let mut put = |key: &str, value: Value| message.insert(key.to_owned(), value);
        put("id", target.delivery.to_string().into());
        put("token", target.token.expose().into());
        put("title", notification.title.as_str().into());
        put("body", notification.body.as_str().into());
        if !notification.ext.is_empty() {
            put("ext", notification.ext.as_str().into());
        }
        if let Badge::Set(badge) = notification.badge {
            put("badge", badge.into());
        }
        if let Some(at) = notification.expires_at {
            put("ttl", at.since(self.clock.now()).as_secs().into());
        }
        if let Some(Value::Object(own)) = notification.vendor.get(&self.capabilities.channel) {
            for (key, value) in own {
                // Beside what is set above, never in its place: the token is ours to choose.
                message.entry(key).or_insert_with(|| value.clone());
            }
        }
        Value::Object(message).to_string().into()
    }

    fn request(&self, method: Method, path: &str, body: Bytes) -> Result<Request<Bytes>> {
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.endpoint))
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-app-id", &self.app_id)
            .header("x-app-secret", self.app_secret.expose())
            .body(body)
            .map_err(|_| {
                Error::new(ErrorKind::Config, "app_id or app_secret cannot be sent")
                    .advise("copy both from the vendor's console once more")
            })
    }

    fn classify(&self, response: &Response<Bytes>, target: &Target) -> Verdict {
        let answer = Answer::of(response);
        let status = response.status();
        let words = VendorAnswer::new(status.as_u16(), answer.code.map_or_else(String::new, |it| it.to_string()))
            .with_text(&answer.message)
            .with_request_id(&answer.request_id)
            .without(&target.token);
        let verdict = Verdict::new(judge(status, answer.code), words);
        match Retry::from_headers(response.headers(), self.clock.now()) {
            Some(wait) if verdict.retry == Retry::Backoff => verdict.with_retry(wait),
            _ => verdict,
        }
    }
}

/// The vendor's answer. Every field may be missing: between us and the vendor there are proxies.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    code: Option<i64>,
    message: String,
    request_id: String,
}

impl Answer {
    fn of(response: &Response<Bytes>) -> Self {
        serde_json::from_slice(response.body()).unwrap_or_default()
    }

    fn words(&self) -> String {
        let code = self.code.map_or_else(String::new, |it| it.to_string());
        format!("{code} {}", self.message)
    }
}

/// What status and code together ask the pipeline to do. This table is the heart of a provider: take it from the
/// vendor's manual, and keep to what that says. A code that nobody knows costs no token and is not lost.
fn judge(status: StatusCode, code: Option<i64>) -> VerdictKind {
    match (status.as_u16(), code) {
        (200, Some(0)) => VerdictKind::Accepted,
        (_, Some(40001)) => VerdictKind::TokenDead { since: None },
        (_, Some(40002)) => VerdictKind::TokenMismatch(push_core::Mismatch::App),
        (401 | 403, _) => VerdictKind::CredentialRefused,
        (413, _) | (_, Some(40003)) => VerdictKind::PayloadRefused,
        (429, _) => VerdictKind::RateLimited(Scope::Credential),
        (500.., _) => VerdictKind::Unavailable,
        _ => VerdictKind::Unknown,
    }
}

#[cfg(test)]
push_testkit::provider_conformance! {
    plugin: {{Name}},
    descriptor: PLUGIN,
    config: |endpoint, ca_pem| push_testkit::json!({
        "app_id": "1001",
        "app_secret": "the-secret-of-a-test",
        "endpoint": endpoint,
        "http": { "extra_ca_pem": ca_pem },
    }),
    secrets: ["the-secret-of-a-test"],
    token: "{{name}}-token-000000",
    ok: (200, r#"{"code": 0, "message": "ok", "request_id": "r-1"}"#),
    token_dead: [(200, r#"{"code": 40001, "message": "no such token"}"#)],
    token_mismatch: [(200, r#"{"code": 40002, "message": "a token of another app"}"#)],
    credential_refused: [(401, r#"{"code": 40100, "message": "wrong secret"}"#), (403, "")],
    payload_refused: [(400, r#"{"code": 40003, "message": "bad title"}"#), (413, "")],
    rate_limited: [(429, "retry-after: 7", r#"{"code": 42900}"#)],
    retry_after_dates: true,
    unavailable: [(503, "retry-after: 7", ""), (500, "", r#"{"code": 50000}"#)],
    unknown: ((400, r#"{"code": 49999, "message": "not in any manual"}"#), "49999"),
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use push_testkit::{HttpServer, Reply, ServerOptions, block_on, json, sample};

    use super::*;

    /// What the vendor is sent, as its manual wants it.
    #[test]
    fn a_notification_is_written_as_the_vendor_reads_it() {
        block_on(async {
            let vendor = HttpServer::start(ServerOptions::default(), |_| async {
                Reply::from((200, r#"{"code": 0}"#))
            })
            .await
            .unwrap();
            let config = {{Name}}Config {
                app_id: "1001".to_owned(),
                app_secret: Secret::new("the-secret-of-a-test"),
                endpoint: vendor.url(),
                http: HttpConfig::default(),
            };
            let clock = sample::clock();
            let context = BuildContext::new(Arc::new(clock));
            let provider = {{Name}}::build(config, &context).unwrap();
            let mut notification = sample::notification();
            notification.expires_at = Some(sample::NOW + Duration::from_secs(60));
            notification.vendor.insert(
                Channel::known({{Name}}::NAME),
                json!({"category": "IM", "token": "of somebody else"}),
            );
            let batch = sample::batch(notification, ["{{name}}-token-000001"]);
            let id = batch.targets[0].delivery.to_string();
            let verdicts = sample::send(&provider, batch).await;
            assert_eq!(verdicts[0].kind, VerdictKind::Accepted);

            let request = vendor.log().requests().remove(0);
            assert_eq!(request.uri.path(), "/v1/messages");
            assert_eq!(request.headers["x-app-id"], "1001");
            assert_eq!(
                serde_json::from_slice::<Value>(&request.body).unwrap(),
                json!({
                    "id": id,
                    "token": "{{name}}-token-000001",
                    "title": sample::TITLE,
                    "body": sample::BODY,
                    "ext": sample::EXT,
                    "badge": 3,
                    "ttl": 60,
                    "category": "IM",
                })
            );
        });
    }

    #[test]
    fn a_configuration_that_cannot_work_is_refused_with_the_key() {
        for (app_id, endpoint, key) in [
            ("", "https://localhost", "app_id"),
            ("10 01", "https://localhost", "app_id"),
            ("1001", "localhost", "endpoint"),
            ("1001", "https://localhost/path", "endpoint"),
        ] {
            let config = {{Name}}Config {
                app_id: app_id.to_owned(),
                app_secret: Secret::new("s"),
                endpoint: endpoint.to_owned(),
                http: HttpConfig::default(),
            };
            let context = BuildContext::new(Arc::new(sample::clock()));
            let error = {{Name}}::build(config, &context).expect_err(key);
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(key), "{error}");
        }
    }
}
