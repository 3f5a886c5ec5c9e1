//! The way in `{{name}}`: `POST /{{name}}` with one message as JSON, and a shared secret in `authorization`.
//!
//! ```json
//! {"id": "m-1", "from": "ann", "to": ["bob"], "text": "lunch?"}
//! ```
//!
//! 202 says that the message's deliveries are durable, and how many there are. Replace [`Call`] by what the other system
//! sends, and `is_authentic` by how it proves itself. Name its documentation, and the date you read it, here.
#![cfg_attr(docsrs, feature(doc_cfg))]

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use push_core::{
    AppId, Audience, BuildContext, Describe, Error, ErrorKind, Gateway, Ingress, IngressKind, Message,
    MessageId, Plugin, Result, Secret, Sender, UserId, async_trait,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// The shortest secret that is accepted, in bytes.
const SHORTEST_SECRET: usize = 16;

/// The configuration of this way in.
#[derive(Debug, Deserialize, Describe)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct {{Name}}Config {
    /// The app whose messages come this way.
    #[describe(example = "chat")]
    pub app: AppId,
    /// What the caller puts behind `Bearer` in `authorization`: at least 16 bytes.
    #[describe(example = "at least sixteen bytes", min_len = SHORTEST_SECRET)]
    pub secret: Secret,
    /// The path below which it is mounted.
    #[serde(default = "prefix")]
    pub prefix: String,
}

fn prefix() -> String {
    "/{{name}}".to_owned()
}

/// What the other system sends.
#[derive(Debug, Deserialize)]
#[non_exhaustive]
pub struct Call {
    /// The message's id over there. The same id twice is one message.
    pub id: MessageId,
    /// Who wrote it.
    pub from: UserId,
    /// Whom it is for.
    pub to: Vec<UserId>,
    /// What it says.
    pub text: String,
}

/// The way in.
#[derive(Debug)]
pub struct {{Name}} {
    config: {{Name}}Config,
}

push_core::register_plugin!({{Name}});

impl Plugin for {{Name}} {
    type Kind = IngressKind;
    type Config = {{Name}}Config;
    const NAME: &'static str = "{{name}}";

    fn build(config: {{Name}}Config, _: &BuildContext) -> Result<Arc<dyn Ingress>> {
        let wrong = |message: &str, key: &str, advice: &str| {
            Err(Error::new(ErrorKind::Config, message)
                .at(key)
                .advise(advice))
        };
        if !config.prefix.starts_with('/') || config.prefix.ends_with('/') {
            return wrong(
                "is not a path",
                "prefix",
                "write it with a slash in front and none behind, like \"/{{name}}\"",
            );
        }
        Ok(Arc::new(Self { config }))
    }
}

#[async_trait]
impl Ingress for {{Name}} {
    fn prefix(&self) -> &str {
        &self.config.prefix
    }

    async fn handle(
        &self,
        gateway: Arc<dyn Gateway>,
        request: Request<Bytes>,
    ) -> Response<Bytes> {
        if request.uri().path() != self.config.prefix {
            return answer(StatusCode::NOT_FOUND, &json!({"error": "there is nothing at this path"}));
        }
        if request.method() != Method::POST {
            let mut response = answer(
                StatusCode::METHOD_NOT_ALLOWED,
                &json!({"error": "only POST is answered here"}),
            );
            let post = header::HeaderValue::from_static("POST");
            response.headers_mut().insert(header::ALLOW, post);
            return response;
        }
        if !self.is_authentic(request.headers()) {
            return answer(
                StatusCode::UNAUTHORIZED,
                &json!({"error": "send `authorization: Bearer` with the configured secret"}),
            );
        }
        let call: Call = match serde_json::from_slice(request.body()) {
            Ok(call) => call,
            Err(error) => {
                return answer(
                    StatusCode::BAD_REQUEST,
                    &json!({"error": error.to_string()}),
                );
            }
        };
        match gateway
            .submit(&self.config.app, vec![call.into_message()])
            .await
        {
            Ok(submitted) => {
                let deliveries: usize = submitted.iter().map(|it| it.deliveries.len()).sum();
                answer(StatusCode::ACCEPTED, &json!({"deliveries": deliveries}))
            }
            Err(error) => answer(status_of(&error), &json!({"error": error.to_string()})),
        }
    }
}

impl {{Name}} {
    fn is_authentic(&self, headers: &HeaderMap) -> bool {
        let received = headers
            .get(header::AUTHORIZATION)
            .and_then(|it| it.as_bytes().strip_prefix(b"Bearer "))
            .unwrap_or_default();
        verify_slices_are_equal(received, self.config.secret.expose().as_bytes()).is_ok()
    }
}

impl Call {
    fn into_message(self) -> Message {
        let sender = Sender::new(self.from);
        Message::new(self.id, Audience::Users(self.to))
            .with_sender(sender)
            .with_text(self.text)
    }
}

fn status_of(error: &Error) -> StatusCode {
    match error.kind() {
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Denied => StatusCode::FORBIDDEN,
        _ if error.is_transient() => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn answer(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
