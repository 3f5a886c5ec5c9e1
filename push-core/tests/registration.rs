//! What a crate leaves for the linker, and what a program finds.
use std::sync::Arc;

use push_core::{
    AnyDescriptor, BuildContext, CertificateEntry, CertificateIds, Click, Describe, Descriptor,
    Environment, ErrorKind, Handled, Ingress, IngressKind, Interceptor, ManualClock, Opened,
    Plugin, RawConfig, Registry, Result, RouteHandler, Slot, Timestamp, async_trait,
    certificate_id, interceptor, linked_interceptors, linked_route_handlers,
    payload::{ClickTarget, Payload},
    register_plugin, route_handler,
};

#[derive(Debug)]
struct Echo {
    prefix: String,
}

/// The path, and how often it is tried.
#[derive(Debug, serde::Deserialize, Describe)]
#[serde(deny_unknown_fields)]
struct EchoConfig {
    /// The path.
    #[describe(example = "/echo")]
    prefix: String,
    /// How often it is tried.
    #[describe(example = 3)]
    retries: u8,
}

#[async_trait]
impl Ingress for Echo {
    fn prefix(&self) -> &str {
        &self.prefix
    }
    async fn handle(
        &self,
        _gateway: Arc<dyn push_core::Gateway>,
        request: http::Request<bytes::Bytes>,
    ) -> http::Response<bytes::Bytes> {
        http::Response::new(request.into_body())
    }
}

impl Plugin for Echo {
    type Kind = IngressKind;
    type Config = EchoConfig;
    const NAME: &'static str = "echo";
    fn build(config: EchoConfig, _: &BuildContext) -> Result<Arc<dyn Ingress>> {
        if config.retries == 0 {
            return Err(push_core::Error::new(
                ErrorKind::Config,
                "`retries` must be at least 1",
            ));
        }
        Ok(Arc::new(Self {
            prefix: config.prefix,
        }))
    }
}

const PLUGIN_LINE: u32 = line!() + 1;
register_plugin!(Echo);

/// Another plugin of the same name, not registered.
const IMPOSTOR_LINE: u32 = line!() + 1;
static IMPOSTOR: Descriptor<IngressKind> = Descriptor::of::<Echo>();

fn context() -> BuildContext {
    BuildContext::new(Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1))))
}

fn raw(json: serde_json::Value) -> RawConfig {
    RawConfig::from_json(&json).expect("the test's configuration is a table")
}

#[test]
fn a_registered_plugin_is_found_by_its_name() {
    let registry = Registry::linked(&[]).unwrap();
    let plugin = registry.find("ingress", "echo").unwrap();
    assert_eq!(plugin.id(), "ingress/echo");
    assert_eq!(plugin.feature(), "ingress-echo");
    registry.check(&["ingress/echo"]).unwrap();
}

#[test]
fn a_plugin_named_both_by_table_and_linker_is_one_plugin() {
    let registry = Registry::linked(&[PLUGIN.any()]).unwrap();
    assert_eq!(registry.iter().filter(|it| it.name() == "echo").count(), 1);
}

#[test]
fn two_plugins_of_one_name_are_refused_by_name() {
    let error = Registry::new([PLUGIN.any(), IMPOSTOR.any()]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let text = error.to_string();
    let places = format!(
        "ingress/echo (at {0}:{PLUGIN_LINE} and at {0}:{IMPOSTOR_LINE})",
        file!()
    );
    assert!(text.contains(&places), "{text}");
}

#[test]
fn a_promised_plugin_that_is_not_linked_is_missed_at_start() {
    let error = Registry::new([PLUGIN.any()])
        .unwrap()
        .check(&["ingress/echo", "provider/apns"])
        .unwrap_err();
    assert!(error.to_string().contains("provider/apns"), "{error}");
    assert!(
        !error
            .message()
            .starts_with("enabled by a feature but not linked: ingress/echo")
    );
}

#[test]
fn an_explicit_registry_is_empty_without_plugins() {
    assert_eq!(Registry::new([]).unwrap().iter().count(), 0);
}

#[test]
fn configuration_is_read_loosely_and_wrong_keys_are_named() {
    let registry = Registry::new([PLUGIN.any()]).unwrap();
    let good = registry.build::<IngressKind>(
        "echo",
        raw(serde_json::json!({"prefix": "/e", "retries": "7"})),
        &context(),
    );
    assert_eq!(good.unwrap().prefix(), "/e");

    for (json, says) in [
        (
            serde_json::json!({"prefix": "/e", "retries": 1, "colour": 1}),
            "colour",
        ),
        (serde_json::json!({"prefix": "/e"}), "retries"),
        (
            serde_json::json!({"prefix": "/e", "retries": 0}),
            "at least 1",
        ),
    ] {
        let error = registry
            .build::<IngressKind>("echo", raw(json), &context())
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let text = error.to_string();
        assert!(text.contains(says), "{text}");
        assert!(text.contains("ingress/echo"), "{text}");
    }
    assert!(RawConfig::from_json(&serde_json::json!([1])).is_err());
}

#[test]
fn debug_of_a_raw_configuration_shows_keys_only() {
    let shown = format!("{:?}", raw(serde_json::json!({"password": "hunter2"})));
    assert_eq!(shown, r#"{"password"}"#);
}

#[derive(Debug)]
struct Chat;

impl RouteHandler for Chat {
    fn matches(&self, target: &ClickTarget) -> bool {
        matches!(target, ClickTarget::User(_) | ClickTarget::Group(_))
    }
    fn open(&self, _: &Click) -> Opened {
        Opened::Done
    }
}

#[derive(Debug)]
struct Audit;

impl Interceptor for Audit {
    fn intercept(&self, _: &Payload) -> Handled {
        Handled::No
    }
}

route_handler!("zebra", Chat);
route_handler!("ant", order = 5, Chat);
const BEE: u32 = line!() + 1;
route_handler!("bee", Chat);
interceptor!("last", order = 10, Audit);
interceptor!("first", order = -10, Audit);

#[test]
fn handlers_are_asked_by_order_and_name_never_by_link_order() {
    let names: Vec<_> = linked_route_handlers()
        .unwrap()
        .iter()
        .map(|it| it.name)
        .collect();
    assert_eq!(names, ["bee", "zebra", "ant"]);
    let names: Vec<_> = linked_interceptors()
        .unwrap()
        .iter()
        .map(|it| it.name)
        .collect();
    assert_eq!(names, ["first", "last"]);
}

certificate_id!(apns, debug = 31287, release = 31288);
certificate_id!(apns, slot = Voip, debug = 7, release = 8);
certificate_id!("web-push", debug = 9, release = 10);

/// S50, S51, S59: the macro yields the id of this kind of build, by channel and slot.
#[test]
fn a_build_uses_the_certificate_id_of_its_kind() {
    let ids = CertificateIds::linked().unwrap();
    let (id, environment) = ids.get("apns", Slot::Alert).unwrap();
    let (want, want_environment) = if cfg!(debug_assertions) {
        (31287, Environment::Sandbox)
    } else {
        (31288, Environment::Production)
    };
    assert_eq!((id.get(), environment), (want, want_environment));
    let (voip, _) = ids.get("apns", Slot::Voip).unwrap();
    assert_ne!(voip, id);
    let (browser, _) = ids.get("web-push", Slot::Alert).unwrap();
    assert_eq!(browser.get(), if cfg!(debug_assertions) { 9 } else { 10 });
}

/// S51: a missing id is an error that says what to write.
#[test]
fn a_missing_certificate_id_says_what_to_write() {
    let ids = CertificateIds::linked().unwrap();
    for (channel, slot, what) in [
        ("huawei", Slot::Alert, "certificate_id!(huawei, debug"),
        (
            "web-push",
            Slot::Voip,
            "certificate_id!(\"web-push\", slot = Voip, debug",
        ),
    ] {
        let error = ids.get(channel, slot).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(what), "{error}");
    }
}

/// S51: zero is an error at start, not a silent 0.
#[test]
fn a_zero_or_ambiguous_certificate_id_is_an_error_that_names_its_line() {
    let entry = |id| CertificateEntry::new("apns", Slot::Alert, id, true, ("app/src/main.rs", 7));
    for id in [0, -1, i64::from(u32::MAX) + 1] {
        let error = CertificateIds::new([entry(id)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("app/src/main.rs:7"), "{error}");
    }
    let mut elsewhere = entry(2);
    elsewhere.place = ("app/src/chat.rs", 9);
    for order in [[entry(1), elsewhere], [elsewhere, entry(1)]] {
        let error = CertificateIds::new(order).unwrap_err();
        assert_eq!(error.place(), Some("app/src/chat.rs:9, app/src/main.rs:7"));
    }
    assert!(CertificateIds::new([entry(1), entry(1)]).is_ok());
    assert!(CertificateIds::new([]).unwrap().is_empty());
}

#[test]
fn a_hook_knows_the_place_of_its_macro() {
    let hooks = linked_route_handlers().unwrap();
    let bee = hooks.iter().find(|hook| hook.name == "bee").unwrap();
    assert_eq!(bee.place().file(), file!());
    assert_eq!(bee.place().line(), BEE);
}

#[test]
fn every_kind_of_plugin_has_its_label() {
    assert_eq!(
        AnyDescriptor::KINDS,
        ["provider", "store", "queue", "login", "ingress", "layer"]
    );
}
