use push_core::{BuildContext, RawConfig};
use push_testkit::{fixtures, sample};

use super::*;
use crate::PLUGIN;

fn right() -> Value {
    json!({ "service_account": file() })
}

fn file() -> Value {
    json!({
        "project_id": "101653523863440882",
        "key_id": "0f1e2d3c",
        "private_key": fixtures::rsa_key(),
        "sub_account": "100000001",
        "token_uri": "https://oauth-login.cloud.huawei.com/oauth2/v3/token",
    })
}

fn build(config: &Value) -> Result<push_core::DynProvider, String> {
    let raw = RawConfig::from_json(config).expect("an object");
    let context = BuildContext::new(std::sync::Arc::new(sample::clock()));
    PLUGIN
        .build(raw, &context)
        .map_err(|error| error.to_string())
}

#[test]
fn every_wrong_value_is_refused_by_its_key_with_advice_and_without_the_key() {
    let of_account = |name: &str, value: Value| {
        let mut file = file();
        file[name] = value;
        file
    };
    for (place, key, value) in [
        ("service_account", "service_account", json!("")),
        (
            "service_account",
            "service_account",
            json!("{\"project_id\":"),
        ),
        (
            "service_account",
            "service_account",
            json!({ "agcgw": {}, "client": {} }),
        ),
        (
            "service_account.project_id",
            "service_account",
            of_account("project_id", json!("../1")),
        ),
        (
            "service_account.project_id",
            "service_account",
            of_account("project_id", json!("")),
        ),
        (
            "service_account.key_id",
            "service_account",
            of_account("key_id", Value::Null),
        ),
        (
            "service_account.sub_account",
            "service_account",
            of_account("sub_account", json!(" ")),
        ),
        (
            "service_account.private_key",
            "service_account",
            of_account("private_key", json!("x")),
        ),
        (
            "service_account.private_key",
            "service_account",
            of_account("private_key", json!(fixtures::apns_key(1))),
        ),
        ("category", "category", json!("im")),
        ("category", "category", json!("")),
        ("action", "action", json!("open chat")),
        ("uri", "uri", json!("push://聊天")),
        ("batch", "batch", json!(0)),
        ("batch", "batch", json!(1001)),
        ("client_id", "client_id", json!("a/b")),
        ("receipt_id", "receipt_id", json!("a b")),
        (
            "receipt_key",
            "receipt_key",
            json!("a-key-without-its-user"),
        ),
        (
            "endpoint",
            "endpoint",
            json!("http://push-api.cloud.huawei.com"),
        ),
        (
            "endpoint",
            "endpoint",
            json!("https://push-api.cloud.huawei.com/v3"),
        ),
    ] {
        let mut config = right();
        config[key] = value;
        let error = build(&config).expect_err(place);
        assert!(error.contains(&format!("{place}: ")), "{place}: {error}");
        assert!(error.contains("; "), "{place} has no advice: {error}");
        assert!(!error.contains("MII"), "{error}");
    }
}

#[test]
fn every_fault_is_reported_at_once() {
    let config = json!({
        "service_account": { "project_id": "1" },
        "category": "im",
        "action": "a b",
        "client_id": "/",
        "receipt_user": "imuser",
        "endpoint": "x",
    });
    let error = build(&config).expect_err("it is refused");
    for key in [
        "service_account.key_id",
        "service_account.sub_account",
        "service_account.private_key",
        "category",
        "action",
        "client_id",
        "receipt_key",
        "endpoint",
    ] {
        assert!(error.contains(&format!("{key}: ")), "{key}: {error}");
    }
}

#[test]
fn values_are_read_however_files_and_shells_changed_their_ends() {
    for end in ["\n", "\r\n", "\\n", " "] {
        let config = json!({
            "service_account": format!("\u{feff}{}{end}", file()),
            "category": format!("WORK{end}"),
            "uri": format!(" push://im/chat{end}"),
            "receipt_user": format!("imuser{end}"),
            "receipt_key": format!("im-secret-1{end}"),
        });
        let config: HarmonyConfig = serde_json::from_value(config).expect("a configuration");
        let settings = config.check().expect("it is right");
        assert_eq!(settings.style.category, "WORK");
        assert_eq!(settings.style.click["uri"], "push://im/chat");
        let signer = settings.receipts.expect("a signer");
        assert_eq!(
            (signer.user.as_str(), signer.key.expose()),
            ("imuser", "im-secret-1")
        );
    }
}

#[test]
fn ids_may_be_numbers_and_the_rest_has_defaults() {
    let mut config = right();
    config["service_account"]["project_id"] = json!(7);
    config["service_account"]["sub_account"] = json!(100_000_001);
    let shown = format!("{:?}", build(&config).expect("it is right"));
    let url = "https://push-api.cloud.huawei.com/v3/7/messages:send";
    assert!(shown.contains(url), "{shown}");
    assert!(
        !shown.contains("MII") && !shown.contains("PRIVATE"),
        "{shown}"
    );
}

#[test]
fn test_messages_go_to_ten_phones_at_most_and_calls_need_their_right() {
    let mut config = right();
    let can = |config: &Value| build(config).expect("it is right").capabilities().clone();
    assert_eq!(can(&config).max_batch, 1000);
    assert_eq!(can(&config).slots.len(), 1);
    config["test_message"] = json!(true);
    config["calls"] = json!(true);
    assert_eq!(can(&config).max_batch, 10);
    assert!(can(&config).slots.contains(&push_core::Slot::Voip));
    config["batch"] = json!(1);
    assert_eq!(can(&config).batching, push_core::Batching::Mixed);
}
