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
        let sender = Sender {
            user: self.from,
            nickname: String::new(),
            face_url: String::new(),
        };
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use push_core::{Element, PresenceChange, RawConfig, Receipt, Submitted};
    use push_testkit::{block_on, sample};

    use super::*;

    const BODY: &str = r#"{"id": "m-1", "from": "ann", "to": ["bob"], "text": "lunch?"}"#;
    const SECRET: &str = "at least sixteen bytes";

    /// A gateway that keeps what it is given.
    #[derive(Debug, Default)]
    struct Kept {
        messages: Mutex<Vec<Message>>,
        refusal: Option<ErrorKind>,
    }

    #[async_trait]
    impl Gateway for Kept {
        async fn submit(&self, app: &AppId, messages: Vec<Message>) -> Result<Vec<Submitted>> {
            assert_eq!(app.as_str(), "chat");
            if let Some(kind) = self.refusal {
                return Err(Error::new(kind, "not now"));
            }
            let submitted = messages
                .iter()
                .map(|message| Submitted::new(message.id.clone()))
                .collect();
            let mut kept = self.messages.lock().expect("no test panics with the lock");
            kept.extend(messages);
            Ok(submitted)
        }

        async fn set_presence(&self, _: &AppId, _: Vec<PresenceChange>) -> Result<()> {
            Err(Error::new(ErrorKind::Unsupported, "no presence comes this way"))
        }

        async fn recall(&self, _: &AppId, _: &MessageId) -> Result<u64> {
            Err(Error::new(ErrorKind::Unsupported, "no recall comes this way"))
        }

        async fn receipts(&self, _: &AppId, _: Vec<Receipt>) -> Result<()> {
            Err(Error::new(ErrorKind::Unsupported, "no receipt comes this way"))
        }
    }

    fn built(toml: &str) -> Result<Arc<dyn Ingress>> {
        let value = config::Config::builder()
            .add_source(config::File::from_str(toml, config::FileFormat::Toml))
            .build()
            .and_then(config::Config::try_deserialize)
            .expect("the configuration is TOML");
        PLUGIN.build(
            RawConfig::new(value),
            &BuildContext::new(Arc::new(sample::clock())),
        )
    }

    fn asked(gateway: &Arc<Kept>, method: Method, secret: &str, body: &'static str) -> Response<Bytes> {
        let ingress = built(&PLUGIN.example()).expect("the example is a configuration");
        let request = Request::builder()
            .method(method)
            .uri(ingress.prefix())
            .header(header::AUTHORIZATION, format!("Bearer {secret}"))
            .body(Bytes::from_static(body.as_bytes()))
            .expect("a request");
        let gateway: Arc<dyn Gateway> = Arc::<Kept>::clone(gateway);
        block_on(ingress.handle(gateway, request))
    }

    #[test]
    fn a_call_becomes_a_message() {
        let gateway = Arc::new(Kept::default());
        let response = asked(&gateway, Method::POST, SECRET, BODY);
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        let messages = gateway.messages.lock().unwrap();
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].id.as_str(), "m-1");
        let bob = UserId::new("bob").unwrap();
        assert_eq!(messages[0].audience, Audience::user(bob));
        assert_eq!(
            messages[0].elements,
            [Element::Text {
                text: "lunch?".to_owned()
            }]
        );
    }

    #[test]
    fn a_request_without_the_secret_is_refused() {
        for secret in ["", "at least sixteen byteS", "at least sixteen bytes and more"] {
            let gateway = Arc::new(Kept::default());
            let response = asked(&gateway, Method::POST, secret, BODY);
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{secret}");
            assert!(gateway.messages.lock().unwrap().is_empty());
        }
    }

    #[test]
    fn what_is_no_call_is_refused() {
        for body in ["", "null", "{}", r#"{"id": "", "from": "a", "to": [], "text": ""}"#] {
            let response = asked(&Arc::default(), Method::POST, SECRET, body);
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
        }
        let response = asked(&Arc::default(), Method::GET, SECRET, "");
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    }

    #[test]
    fn an_error_of_the_gateway_is_returned_to_the_caller() {
        for (kind, status) in [
            (ErrorKind::Busy, StatusCode::SERVICE_UNAVAILABLE),
            (ErrorKind::Invalid, StatusCode::BAD_REQUEST),
            (ErrorKind::Internal, StatusCode::INTERNAL_SERVER_ERROR),
        ] {
            let gateway = Arc::new(Kept {
                refusal: Some(kind),
                ..Kept::default()
            });
            let response = asked(&gateway, Method::POST, SECRET, BODY);
            assert_eq!(response.status(), status);
        }
    }

    #[test]
    fn a_configuration_that_cannot_work_is_refused() {
        for toml in [
            "app = \"chat\"\nsecret = \"short\"\n",
            "app = \"chat\"\nsecret = \"at least sixteen bytes\"\nprefix = \"x/\"\n",
            "app = \"chat\"\nsecret = \"at least sixteen bytes\"\nunknown = 1\n",
            "secret = \"at least sixteen bytes\"\n",
        ] {
            let error = built(toml).expect_err(toml);
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(!format!("{error:?}{error}").contains("sixteen"), "{error}");
        }
    }
}
