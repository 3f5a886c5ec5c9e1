//! Vendor fields of messages and policies: neither speaks for the credential.
mod support;

use push_core::{
    CertificateId, Channel, Class, ErrorKind, Gateway as _, Message, OfflinePushInfo, Overrides,
};
use push_gateway::{Settings, decision::ClassPolicy};
use serde_json::{Value, json};
use support::*;

/// The channel of the scripted vendor.
fn channel() -> Channel {
    let any = CertificateId::new(1).expect("an id");
    registration("token", any).channel
}

fn policy(class: &Class, fields: &Value) -> ClassPolicy {
    let fields = fields.as_object().expect("an object").clone();
    ClassPolicy::new(class.clone(), [(channel(), fields)].into())
}

fn with_policy(policy: ClassPolicy) -> World {
    World::with_settings(
        |settings| settings.decision.policies = vec![policy],
        |queue| queue,
    )
}

fn with_fields(fields: &Value) -> Message {
    let fields = fields.as_object().expect("an object").clone();
    let mut message = message("hello", &["alice"]);
    let overrides = Overrides::of_fields(fields);
    message.push =
        Some(OfflinePushInfo::default().with_per_channel([(channel(), overrides)].into()));
    message
}

#[tokio::test]
async fn a_field_that_speaks_for_the_credential_is_refused_at_submission_by_name() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    let refused = with_fields(&json!({"topic": "com.example.other"}));
    let error = world.gateway.submit(&app(), vec![refused]).await;
    let error = error.expect_err("it is refused");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("`topic`"), "{error}");
    world.calm().await;
    assert_eq!(world.plan.count(), 0);
    let fine = world.submit(with_fields(&json!({"category": "IM"}))).await;
    assert_eq!(fine.deliveries.len(), 1);
}

#[test]
fn a_policy_that_speaks_for_the_credential_is_a_fault_of_the_settings() {
    for field in ["topic", "Authorization", "environment", "app_id"] {
        let mut settings = Settings::default();
        settings.decision.policies = vec![policy(&Class::CHAT, &json!({ field: "x" }))];
        let error = settings.check().expect_err(field);
        assert_eq!(error.kind(), ErrorKind::Config);
        let text = error.to_string();
        assert!(
            text.contains("policies[0].vendor.") && text.contains(field),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_credential_whose_provider_refuses_a_policy_is_not_stored() {
    let world = with_policy(policy(&Class::MARKETING, &json!({"no-such-field": 1})));
    let refused = world
        .gateway
        .add_credential(&app(), world.upload(json!({})))
        .await;
    let error = refused.expect_err("the policy does not fit");
    assert_eq!(error.kind(), ErrorKind::Config);
    for part in ["no-such-field", "marketing", "policies"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    let stored = world.gateway.credentials(&app()).await.expect("it lists");
    assert_eq!(stored.len(), 0);
    // Another channel's credential has nothing to do with it.
    world.credential(json!({"channel": "elsewhere"})).await;
}

#[tokio::test]
async fn a_message_that_contradicts_the_policy_of_its_class_is_refused() {
    let world = with_policy(policy(&Class::CHAT, &json!({"exclusive": 1})));
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    let alone = with_fields(&json!({"category": "IM"}));
    world
        .gateway
        .submit(&app(), vec![alone])
        .await
        .expect("it fits");
    let both = with_fields(&json!({"exclusive-too": 1}));
    let error = world.gateway.submit(&app(), vec![both]).await;
    let error = error.expect_err("together they do not fit");
    assert!(error.to_string().contains("exclusive"), "{error}");
}
