//! The simulator against requests that TPNS refuses.
mod world;

use std::time::Duration;

use push_core::Environment;
use push_provider_tpns::simulator::Route;
use push_testkit::{block_on, json, serde_json::Value};
use world::World;

const OK: i64 = 0;
const NO_JSON: i64 = 1_008_001;
const MISSING: i64 = 1_008_002;
const UNAUTHENTICATED: i64 = 1_008_003;
const WRONG: i64 = 1_008_007;
const TOO_FAST: i64 = 1_008_028;
const INVALID_TOKEN: i64 = 1_008_029;

/// `base` with these fields merged into it; `null` removes.
fn with(base: &Value, fields: &Value) -> Value {
    let mut merged = base.as_object().expect("an object").clone();
    push_kit::overlay::merge(&mut merged, fields.as_object().expect("an object"));
    merged.into()
}

fn android(fields: &Value) -> Value {
    let base = json!({
        "audience_type": "token",
        "token_list": ["t1"],
        "message_type": "notify",
        "message": { "title": "hi", "content": "hello" },
    });
    with(&base, fields)
}

fn ios(fields: &Value) -> Value {
    let base = json!({
        "audience_type": "token",
        "token_list": ["t1"],
        "message_type": "notify",
        "environment": "dev",
        "message": { "title": "hi", "content": "hello", "ios": { "aps": { "alert": {} } } },
    });
    with(&base, fields)
}

#[test]
fn the_simulator_refuses_what_the_page_forbids_on_android() {
    let in_android = |fields: Value| json!({ "message": { "android": fields } });
    let many: Vec<String> = (0..1001).map(|number| format!("t{number}")).collect();
    let cases = [
        (json!({ "audience_type": null }), MISSING, "audience_type"),
        (json!({ "audience_type": "tokens" }), WRONG, "audience_type"),
        (json!({ "token_list": null }), MISSING, "token_list"),
        (json!({ "token_list": [] }), MISSING, "token_list"),
        (json!({ "token_list": "t1" }), WRONG, "token_list"),
        (
            json!({ "audience_type": "token_list", "token_list": many }),
            WRONG,
            "1000",
        ),
        (
            json!({ "audience_type": "account_list" }),
            MISSING,
            "account_list",
        ),
        (
            json!({ "audience_type": "package_token_push" }),
            MISSING,
            "upload_id",
        ),
        (json!({ "audience_type": "tag" }), MISSING, "tag_rules"),
        (json!({ "message_type": null }), MISSING, "message_type"),
        (json!({ "message_type": "alert" }), WRONG, "message_type"),
        (json!({ "message": null }), MISSING, "message"),
        (json!({ "message": { "title": null } }), MISSING, "title"),
        (json!({ "message": { "content": "" } }), MISSING, "content"),
        (
            json!({ "message": { "content": "x".repeat(4096) } }),
            WRONG,
            "4096",
        ),
        (
            json!({ "message_type": "message", "message": { "title": null } }),
            MISSING,
            "title",
        ),
        (json!({ "unknown": 1 }), WRONG, "unknown"),
        (json!({ "expire_time": 259_201 }), WRONG, "259200"),
        (json!({ "expire_time": "60" }), WRONG, "expire_time"),
        (
            json!({ "send_time": "2027-01-01 00:00:00" }),
            WRONG,
            "send_time",
        ),
        (json!({ "loop_param": {} }), WRONG, "loop_param"),
        (json!({ "push_speed": 999 }), WRONG, "push_speed"),
        (json!({ "collapse_id": 1 }), WRONG, "collapse_id"),
        (
            json!({ "ignore_invalid_token": true }),
            WRONG,
            "ignore_invalid_token",
        ),
        (
            json!({ "channel_rules": [{ "channel": "apn" }] }),
            WRONG,
            "channel",
        ),
        (in_android(json!({ "n_id": "1" })), WRONG, "n_id"),
        (
            in_android(json!({ "n_importance": 5 })),
            WRONG,
            "n_importance",
        ),
        (
            in_android(json!({ "badge_type": 100 })),
            WRONG,
            "badge_type",
        ),
        (in_android(json!({ "badge_type": -3 })), WRONG, "badge_type"),
        (
            in_android(json!({ "hw_importance": 3 })),
            WRONG,
            "hw_importance",
        ),
        (
            in_android(json!({ "custom_content": { "ext": "x" } })),
            WRONG,
            "custom_content",
        ),
        (
            in_android(json!({ "custom_content": "x" })),
            WRONG,
            "custom_content",
        ),
        (
            in_android(json!({ "action": { "action_type": 4 } })),
            WRONG,
            "action_type",
        ),
        (
            in_android(json!({ "action": { "action_type": 3 } })),
            WRONG,
            "intent",
        ),
        (
            in_android(json!({ "action": { "action_type": 3, "intent": "chat" } })),
            WRONG,
            "intent",
        ),
        (
            in_android(json!({ "action": { "action_type": 2, "browser": { "url": "ftp://x" } } })),
            WRONG,
            "browser",
        ),
        (json!({}), INVALID_TOKEN, "token"),
    ];
    block_on(async {
        let world = World::android().await;
        for (fields, code, word) in cases {
            let (found, words) = world.ask(&android(&fields)).await;
            assert_eq!(found, code, "{fields}: {words}");
            assert!(words.contains(word), "{fields} is refused with {words}");
        }
        let (code, _) = world.ask(&json!([])).await;
        assert_eq!(code, NO_JSON);
    });
}

#[test]
fn the_simulator_refuses_what_the_page_forbids_on_ios() {
    let in_aps = |fields: Value| json!({ "message": { "ios": { "aps": fields } } });
    let silent = |fields: &Value| {
        let base = json!({ "message_type": "message", "message": null });
        let silent = with(
            &ios(&base),
            &json!({ "message": { "ios": { "aps": { "content-available": 1 } } } }),
        );
        with(&silent, fields)
    };
    let cases = [
        (ios(&json!({ "environment": null })), MISSING, "environment"),
        (
            ios(&json!({ "environment": "production" })),
            WRONG,
            "environment",
        ),
        (
            ios(&json!({ "message": { "ios": null } })),
            MISSING,
            "ios.aps",
        ),
        (ios(&in_aps(json!({ "alert": null }))), MISSING, "alert"),
        (
            ios(&json!({ "message": { "title": "" } })),
            MISSING,
            "title",
        ),
        (
            ios(&in_aps(json!({ "content-available": 1 }))),
            WRONG,
            "content-available",
        ),
        (
            ios(&in_aps(json!({ "interruption-level": "loud" }))),
            WRONG,
            "interruption-level",
        ),
        (ios(&in_aps(json!({ "badge": 1 }))), WRONG, "badge"),
        (
            ios(&json!({ "message": { "ios": { "custom_content": "[]" } } })),
            WRONG,
            "custom_content",
        ),
        (
            silent(&in_aps(json!({ "content-available": null }))),
            MISSING,
            "content-available",
        ),
        (
            silent(&in_aps(json!({ "sound": "default" }))),
            WRONG,
            "content-available",
        ),
        (
            silent(&in_aps(json!({ "badge_type": 1 }))),
            WRONG,
            "content-available",
        ),
        (silent(&json!({})), INVALID_TOKEN, "token"),
    ];
    block_on(async {
        let world = World::ios().await;
        for (request, code, word) in cases {
            let (found, words) = world.ask(&request).await;
            assert_eq!(found, code, "{request}: {words}");
            assert!(words.contains(word), "{request} is refused with {words}");
        }
    });
}

#[test]
fn an_invalid_token_fails_the_request_unless_it_is_to_be_ignored() {
    block_on(async {
        let world = World::android().await;
        let phone = world.simulator.install(Route::Tpns);
        let list = json!({ "audience_type": "token_list", "token_list": ["t1", phone.token()] });
        assert_eq!(world.ask(&android(&list)).await.0, INVALID_TOKEN);
        assert!(phone.arrivals().is_empty());
        let ignoring = with(&list, &json!({ "ignore_invalid_token": 1 }));
        assert_eq!(world.ask(&android(&ignoring)).await.0, OK);
        assert_eq!(phone.arrivals().len(), 1);
        // Of several, `token` is for the first.
        let first = json!({ "token_list": [phone.token(), "t1"] });
        assert_eq!(world.ask(&android(&first)).await.0, OK);
    });
}

#[test]
fn a_token_is_known_to_its_own_app_and_environment() {
    block_on(async {
        let world = World::ios().await;
        let android_phone = world.simulator.install(Route::Tpns);
        let debug = world.simulator.install_ios(Environment::Sandbox);
        let released = world.simulator.install_ios(Environment::Production);
        for (phone, code) in [
            (&android_phone, INVALID_TOKEN),
            (&debug, OK),
            (&released, INVALID_TOKEN),
        ] {
            let request = ios(&json!({ "token_list": [phone.token()] }));
            assert_eq!(world.ask(&request).await.0, code);
        }
    });
}

#[test]
fn pushes_to_all_are_limited_to_one_a_second_and_not_repeated() {
    block_on(async {
        let world = World::android().await;
        let phone = world.simulator.install(Route::Tpns);
        let to_all = |title: &str| {
            let fields = json!({
                "audience_type": "all", "token_list": null, "message": { "title": title },
            });
            android(&fields)
        };
        assert_eq!(world.ask(&to_all("one")).await.0, OK);
        assert_eq!(world.ask(&to_all("two")).await.0, TOO_FAST);
        world.clock.advance(Duration::from_secs(1));
        assert_eq!(world.ask(&to_all("one")).await.0, 10_010_018);
        assert_eq!(world.ask(&to_all("two")).await.0, OK);
        assert_eq!(phone.arrivals().len(), 2);
        let account = json!({ "audience_type": "account", "account_list": ["ann"] });
        assert_eq!(world.ask(&android(&account)).await.0, OK);
        assert_eq!(phone.arrivals().len(), 2);
    });
}

#[test]
fn channels_can_be_left_out() {
    block_on(async {
        let world = World::android().await;
        for (route, rules, arrives) in [
            (
                Route::Huawei,
                json!({ "channel_rules": [{ "channel": "hw", "disable": true }] }),
                0,
            ),
            (
                Route::Huawei,
                json!({ "channel_rules": [{ "channel": "xm", "disable": true }] }),
                1,
            ),
            (Route::Huawei, json!({ "tpns_online_push_type": 1 }), 1),
            (Route::Tpns, json!({ "tpns_online_push_type": 1 }), 0),
            (
                Route::Vivo,
                json!({ "message": { "android": { "vivo_category": "im" } } }),
                0,
            ),
            (
                Route::Vivo,
                json!({ "message": { "android": { "vivo_category": "IM" } } }),
                1,
            ),
        ] {
            let phone = world.simulator.install(route);
            let request = with(&android(&rules), &json!({ "token_list": [phone.token()] }));
            assert_eq!(world.ask(&request).await.0, OK);
            assert_eq!(phone.arrivals().len(), arrives, "{route:?} {rules}");
        }
    });
}

#[test]
fn a_signature_is_good_for_its_body_and_its_time_only() {
    block_on(async {
        let world = World::android().await;
        let phone = world.simulator.install(Route::Tpns);
        world.send_to(&phone).await;
        let signed = world.simulator.log().requests().pop().expect("a request");
        assert_eq!(world.replay(&signed).await.0, OK);
        let mut other = signed.clone();
        other.body = [&signed.body[..], b" "].concat().into();
        assert_eq!(world.replay(&other).await.0, UNAUTHENTICATED);
        for name in ["sign", "timestamp"] {
            let mut other = signed.clone();
            other.headers.insert(name, "1".parse().expect("a value"));
            assert_eq!(world.replay(&other).await.0, UNAUTHENTICATED, "{name}");
        }
    });
}
