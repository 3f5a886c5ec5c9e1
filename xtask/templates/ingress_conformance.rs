//! The way in keeps the contract of its kind, and turns calls into messages.
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, header};
use push_core::{
    Audience, BuildContext, Element, ErrorKind, Ingress, RawConfig, Result, Timestamp, UserId,
};
use push_testkit::{
    block_on,
    ingress::{GatewayRecorder, IngressDriver},
    json, sample,
};
use {{ident}}::PLUGIN;

const SECRET: &str = "at least sixteen bytes";

/// The other system.
struct Caller;

impl IngressDriver for Caller {
    fn ingress(&self, context: &BuildContext) -> Arc<dyn Ingress> {
        built(&PLUGIN.example(), context).expect("the example is a configuration")
    }

    fn call(&self, number: u32) -> Vec<u8> {
        let id = format!("m-{number}");
        json!({"id": id, "from": "ann", "to": ["bob"], "text": "lunch?"}).to_string().into()
    }

    fn request(&self, body: Vec<u8>, _now: Timestamp) -> Request<Bytes> {
        request(SECRET, body)
    }

    fn forged(&self, body: Vec<u8>, _now: Timestamp) -> Vec<Request<Bytes>> {
        ["", "at least sixteen byteS", "at least", "at least sixteen bytes and more"]
            .map(|secret| request(secret, body.clone()))
            .into()
    }

    fn malformed(&self) -> Vec<Vec<u8>> {
        ["null", "{}", r#"{"id": "", "from": "a", "to": [], "text": ""}"#]
            .map(Into::into)
            .into()
    }

    fn secrets(&self) -> Vec<String> {
        vec![SECRET.to_owned()]
    }
}

push_testkit::ingress_conformance!(|| Caller);

fn request(secret: &str, body: Vec<u8>) -> Request<Bytes> {
    Request::post("/{{name}}")
        .header(header::AUTHORIZATION, format!("Bearer {secret}"))
        .body(body.into())
        .expect("a request")
}

fn context() -> BuildContext {
    BuildContext::new(Arc::new(sample::clock()))
}

fn built(toml: &str, context: &BuildContext) -> Result<Arc<dyn Ingress>> {
    let value = config::Config::builder()
        .add_source(config::File::from_str(toml, config::FileFormat::Toml))
        .build()
        .and_then(config::Config::try_deserialize)
        .expect("the configuration is TOML");
    PLUGIN.build(RawConfig::new(value), context)
}

#[test]
fn a_call_becomes_a_message() {
    let gateway = GatewayRecorder::new();
    let ingress = Caller.ingress(&context());
    let call = request(SECRET, Caller.call(1));
    block_on(ingress.handle(Arc::new(gateway.clone()), call));
    let messages = gateway.messages();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].id.as_str(), "m-1");
    let bob = UserId::new("bob").expect("a user id");
    assert_eq!(messages[0].audience, Audience::user(bob));
    assert_eq!(
        messages[0].elements,
        [Element::Text {
            text: "lunch?".to_owned()
        }]
    );
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    for toml in [
        "app = \"chat\"\nsecret = \"short\"\n",
        "app = \"chat\"\nsecret = \"at least sixteen bytes\"\nprefix = \"x/\"\n",
        "app = \"chat\"\nsecret = \"at least sixteen bytes\"\nunknown = 1\n",
        "secret = \"at least sixteen bytes\"\n",
    ] {
        let error = built(toml, &context()).expect_err(toml);
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(!format!("{error:?}{error}").contains("sixteen"), "{error}");
    }
}
