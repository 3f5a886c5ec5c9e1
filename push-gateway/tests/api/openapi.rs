//! The OpenAPI document against the paths and bodies that it describes.
use serde_json::{Value, json};

use crate::support::{
    START, message, registration,
    served::{SERVER_KEY, Served},
};

#[tokio::test]
async fn the_openapi_document_describes_every_path() {
    let served = Served::new().await;
    let document = served.get("/v1/openapi.json", SERVER_KEY).await;
    assert_eq!(document.status, 200);
    let paths = document.body["paths"].as_object().unwrap();
    let schemes = document.body["components"]["securitySchemes"]
        .as_object()
        .unwrap();
    for (path, methods) in [
        ("/v1/messages", &["post"][..]),
        ("/v1/messages/{id}/recall", &["post"]),
        ("/v1/messages/{id}/trace", &["get"]),
        ("/v1/deliveries/{id}/trace", &["get"]),
        ("/v1/presence", &["post"]),
        ("/v1/tickets", &["post"]),
        ("/v1/users/{user}/devices", &["get"]),
        ("/v1/credentials", &["get", "post"]),
        ("/v1/users/{user}/tags", &["get", "put"]),
        ("/v1/traces", &["get"]),
        ("/v1/credentials/{id}", &["delete", "put"]),
        ("/v1/credentials/{id}/verify", &["post"]),
        ("/v1/devices/{device}/registrations", &["delete"]),
        (
            "/v1/devices/{device}/registrations/{slot}",
            &["delete", "put"],
        ),
        ("/v1/devices/{device}/presence", &["put"]),
        ("/v1/apps/{app}/devices/{device}/receipts", &["post"]),
    ] {
        let item = paths.get(path).unwrap_or_else(|| panic!("no {path}"));
        for method in methods {
            let operation = &item[*method];
            assert!(operation["summary"].is_string(), "{method} {path}");
            assert!(operation["security"].is_array(), "{method} {path}");
            for scheme in operation["security"].as_array().unwrap() {
                let name = scheme.as_object().unwrap().keys().next().unwrap();
                assert!(schemes.contains_key(name), "{method} {path}: {name}");
            }
        }
    }
    // Every reference leads somewhere.
    let schemas = document.body["components"]["schemas"].as_object().unwrap();
    for part in document.text.split("\"#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
}

/// The document's description of types that live elsewhere is compared with what they really write.
#[tokio::test]
async fn the_openapi_document_names_every_member_of_the_bodies() {
    let document: Value = serde_json::from_str(&push_gateway::http::openapi()).unwrap();
    let members = |schema: &str| -> Vec<String> {
        let properties = &document["components"]["schemas"][schema]["properties"];
        properties
            .as_object()
            .unwrap_or_else(|| panic!("no {schema}"))
            .keys()
            .cloned()
            .collect()
    };
    let written = |value: Value| -> Vec<String> {
        let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    let mut message = message("x", &["a"]);
    message.group = Some(serde_json::from_value(json!({"id": "g"})).unwrap());
    // What is only read: each described member is accepted, and an unknown one is not.
    for (schema, base) in [
        ("Message", json!({"id": "m"})),
        ("OfflinePushInfo", json!({})),
        ("Overrides", json!({})),
        ("ApnsInfo", json!({})),
    ] {
        let read = |member: &str| {
            let mut object = base.clone();
            if schema == "Message" && member != "audience" {
                object["receivers"] = json!(["a"]);
            }
            if member == "audience" {
                object["audience"] = json!("everybody");
            } else if object.get(member).is_none() {
                object[member] = Value::Null;
            }
            let push = match schema {
                "Message" => return serde_json::from_value::<push_core::Message>(object).is_ok(),
                "OfflinePushInfo" => object,
                "Overrides" => json!({"channels": {"sample": object}}),
                _ => json!({"apns": object}),
            };
            serde_json::from_value::<push_core::OfflinePushInfo>(push).is_ok()
        };
        for member in members(schema) {
            assert!(read(&member), "{schema}.{member}");
        }
        assert!(!read("unheard_of"), "{schema}");
    }
    let receipt =
        json!({"delivery": "0190163d-8694-739b-aea5-966c26f8ad91", "what": "clicked", "at": 1});
    let receipt: push_core::Receipt = serde_json::from_value(receipt).unwrap();
    let mut registration = registration("t", push_core::CertificateId::new(1).unwrap());
    registration.rank = 1;
    registration.instance = push_core::Instance::new("i").unwrap();
    registration.facts = serde_json::from_value(json!({
        "platform": "ios", "language": "en", "time_zone": "UTC", "permission": "granted",
        "brand": "b", "app_version": "1",
    }))
    .unwrap();
    let submitted: push_core::Submitted = serde_json::from_value(json!({
        "message": "m",
        "deliveries": [{"id": "0190163d-8694-739b-aea5-966c26f8ad91", "user": "u", "device": "d", "token": 0, "channel": "apns"}],
        "skipped": [{"user": "u", "device": "d", "token": 0, "reason": "r"}],
    })).unwrap();
    let presence = push_core::api::PresenceBody::new(push_core::Presence::Online, START)
        .with_now(START)
        .with_unread(1);
    let presence_answer = push_core::api::PresenceAnswer::new(
        vec![push_core::Slot::Voip],
        vec![push_core::api::QuarantinedToken::new(
            push_core::Slot::Alert,
            push_core::api::Warning::new("c", "t"),
        )],
    );
    let answer = push_core::api::RegistrationAnswer::default()
        .with_changed(true)
        .with_warning(push_core::api::Warning::new("c", "t"))
        .with_receipt_key(push_core::ReceiptKey::new("0123456789abcdef").unwrap());
    let problem = push_core::api::Problem::default().with_detail("d".to_owned());
    for (schema, value) in [
        ("Sender", serde_json::to_value(&message.sender).unwrap()),
        ("Group", serde_json::to_value(&message.group).unwrap()),
        ("Receipt", serde_json::to_value(&receipt).unwrap()),
        ("Registration", serde_json::to_value(&registration).unwrap()),
        ("Submitted", serde_json::to_value(&submitted).unwrap()),
        (
            "Delivery",
            serde_json::to_value(&submitted.deliveries[0]).unwrap(),
        ),
        (
            "Skipped",
            serde_json::to_value(&submitted.skipped[0]).unwrap(),
        ),
        ("Presence", serde_json::to_value(presence).unwrap()),
        (
            "PresenceAnswer",
            serde_json::to_value(&presence_answer).unwrap(),
        ),
        (
            "QuarantinedToken",
            serde_json::to_value(&presence_answer.quarantined[0]).unwrap(),
        ),
        ("RegistrationAnswer", serde_json::to_value(&answer).unwrap()),
        ("Warning", serde_json::to_value(&answer.warning).unwrap()),
        ("Problem", serde_json::to_value(&problem).unwrap()),
    ] {
        let mut described = members(schema);
        described.sort();
        assert_eq!(described, written(value), "{schema}");
    }
}
