//! Messages that Push Kit refuses, and their codes.
use super::*;

/// Messages that the pages forbid, each with a part of the words that refuse it.
#[test]
fn the_simulator_refuses_what_the_pages_forbid() {
    let data = || json!({ "payload": { "extraData": "{}" }, "target": { "token": ["t"] } });
    let options = |options: Value| with(data(), &[("", "pushOptions", options)]);
    let of_alert = |options: Value| with(message(&json!({})), &[("", "pushOptions", options)]);
    let form = json!({ "payload": {
        "moduleName": "entry", "formName": "widget", "abilityName": "Form", "formId": 1, "version": 1,
        "formData": {},
    }, "target": { "token": ["t"] }});
    let forbidden = [
        ("", message(&json!({})), "valid push-type"),
        ("3", message(&json!({})), "valid push-type"),
        (
            "0",
            json!({ "target": { "token": ["t"] } }),
            "notification is mandatory",
        ),
        ("0", data(), "extraData"),
        ("0", message(&json!({ "unknown": 1 })), "unknown"),
        ("0", message(&json!({ "category": "CHAT" })), "category"),
        ("0", message(&json!({ "category": null })), "category"),
        ("0", message(&json!({ "title": "" })), "title"),
        ("0", message(&json!({ "body": null })), "body"),
        ("0", message(&json!({ "clickAction": null })), "actionType"),
        (
            "0",
            message(&json!({ "clickAction": { "actionType": 2 } })),
            "actionType",
        ),
        (
            "0",
            message(&json!({ "clickAction": { "actionType": 1 } })),
            "action or uri",
        ),
        (
            "0",
            message(&json!({ "clickAction": { "actionType": 5, "data": {} } })),
            "tel",
        ),
        (
            "0",
            message(&json!({ "clickAction": { "actionType": 0, "data": "{}" } })),
            "not an object",
        ),
        ("0", message(&json!({ "badge": { "addNum": 0 } })), "addNum"),
        (
            "0",
            message(&json!({ "badge": { "addNum": 100 } })),
            "addNum",
        ),
        (
            "0",
            message(&json!({ "badge": { "setNum": 100 } })),
            "setNum",
        ),
        ("0", message(&json!({ "badge": {} })), "badge"),
        ("0", message(&json!({ "style": 1 })), "bigTitle"),
        ("0", message(&json!({ "style": 2 })), "style"),
        ("0", message(&json!({ "style": 3 })), "inboxContent"),
        (
            "0",
            message(&json!({ "inboxContent": ["1", "2", "3", "4"] })),
            "inboxContent",
        ),
        (
            "0",
            message(&json!({ "notifyId": 2_147_483_648_i64 })),
            "notifyId",
        ),
        ("0", message(&json!({ "appMessageId": "" })), "appMessageId"),
        (
            "0",
            message(&json!({ "appMessageId": "a.b" })),
            "appMessageId",
        ),
        (
            "0",
            message(&json!({ "appMessageId": "a".repeat(65) })),
            "appMessageId",
        ),
        (
            "0",
            message(&json!({ "profileId": "a".repeat(65) })),
            "profileId",
        ),
        (
            "0",
            message(&json!({ "soundDuration": 61 })),
            "soundDuration",
        ),
        (
            "0",
            message(&json!({ "image": "http://x.example/1.png" })),
            "https",
        ),
        ("0", of_alert(json!({ "ttl": "86400" })), "ttl"),
        ("0", of_alert(json!({ "ttl": 0 })), "ttl"),
        ("0", of_alert(json!({ "ttl": 1_296_001 })), "ttl"),
        ("0", of_alert(json!({ "collapseKey": 101 })), "collapseKey"),
        ("0", of_alert(json!({ "biTag": "a".repeat(65) })), "biTag"),
        (
            "0",
            of_alert(json!({ "backgroundMode": 1 })),
            "backgroundMode",
        ),
        ("2", message(&json!({})), "extraData is mandatory"),
        ("6", message(&json!({})), "notification"),
        (
            "6",
            json!({ "payload": {}, "target": { "token": ["t"] } }),
            "extraData",
        ),
        ("6", options(json!({ "collapseKey": 7 })), "collapseKey"),
        ("10", options(json!({ "ttl": 61 })), "30 to 60"),
        ("7", data(), "extraData"),
        (
            "7",
            json!({ "payload": { "activityId": 1, "operation": 3, "event": "TAXI" }, "target": { "token": ["t"] } }),
            "operation",
        ),
        (
            "1",
            with(form.clone(), &[("/payload", "formName", Value::Null)]),
            "formName",
        ),
    ];
    block_on(async {
        let world = World::new(Options::default().with_any_token()).await;
        for (push_type, message, words) in forbidden {
            let (status, code, said) = world.send(push_type, &message).await;
            assert_eq!(
                (status, code.as_str()),
                (400, "80100003"),
                "{push_type} {message}"
            );
            assert!(said.contains(words), "{message} is refused with {said}");
        }
        for (push_type, message) in [
            ("1", form),
            (
                "2",
                with(
                    message(&json!({})),
                    &[("/payload", "extraData", json!("{}"))],
                ),
            ),
            ("6", data()),
            (
                "7",
                json!({ "payload": { "activityId": 1, "operation": 0, "event": "TAXI" }, "target": { "token": ["t"] } }),
            ),
            ("10", options(json!({ "ttl": 30 }))),
        ] {
            let (_, code, said) = world.send(push_type, &message).await;
            assert_eq!(code, "80000000", "{push_type}: {said}");
        }
    });
}

#[test]
fn numbers_of_tokens_and_sizes_have_codes_of_their_own() {
    let many = |count: usize| vec!["t"; count];
    let test = json!({ "testMessage": true });
    let form = json!({ "payload": {
        "moduleName": "entry", "formName": "widget", "abilityName": "Form", "formId": 1, "version": 1,
        "formData": {},
    }, "target": { "token": ["t", "u"] }});
    let alert = || message(&json!({}));
    let cases = [
        (
            "0",
            with(alert(), &[("/target", "token", json!([]))]),
            "80300010",
        ),
        (
            "0",
            with(alert(), &[("/target", "token", json!("t"))]),
            "80100003",
        ),
        (
            "0",
            with(alert(), &[("/target", "token", json!(many(1001)))]),
            "80300010",
        ),
        (
            "0",
            with(alert(), &[("/target", "token", json!(many(1000)))]),
            "80000000",
        ),
        (
            "0",
            with(
                alert(),
                &[
                    ("", "pushOptions", test.clone()),
                    ("/target", "token", json!(many(11))),
                ],
            ),
            "80300030",
        ),
        (
            "0",
            with(
                alert(),
                &[
                    ("", "pushOptions", test.clone()),
                    ("/target", "token", json!(many(10))),
                ],
            ),
            "80000000",
        ),
        ("1", form.clone(), "80300010"),
        ("1", with(form, &[("", "pushOptions", test)]), "80300030"),
        (
            "0",
            message(&json!({ "title": "x".repeat(4096) })),
            "80300008",
        ),
    ];
    block_on(async {
        let world = World::new(Options::default().with_any_token()).await;
        for (push_type, body, code) in cases {
            let (_, answered, said) = world.send(push_type, &body).await;
            assert_eq!(answered, code, "{said}");
        }
    });
}

#[test]
fn reasons_come_as_json_within_json() {
    block_on(async {
        let world = World::new(Options::default()).await;
        let phone = world.simulator.install();
        let both = json!(["of-no-phone", phone.token()]);
        let some = with(message(&json!({})), &[("/target", "token", both)]);
        let (status, code, msg) = world.send("0", &some).await;
        assert_eq!((status, code.as_str()), (200, "80100000"));
        let inner: Value = serde_json::from_str(&msg).expect("JSON");
        let illegal = json!({ "tokenFormatError": ["of-no-phone"] });
        assert_eq!(
            inner,
            json!({ "illegalTokens": illegal, "success": 1, "failure": 1 })
        );
        let voice = message(&json!({ "category": "PLAY_VOICE" }));
        let (_, code, msg) = world.send("0", &voice).await;
        assert_eq!(code, "80300007");
        assert!(
            msg.contains("notSupportPlayVoice") && !msg.contains("success"),
            "{msg}"
        );
        let closed = World::new(Options::default().with_push_types(vec![])).await;
        let data = json!({ "payload": { "extraData": "{}" }, "target": { "token": ["t"] } });
        let (_, _, msg) = closed.send("6", &data).await;
        assert!(msg.contains("noPushTypeRight"), "{msg}");
    });
}
