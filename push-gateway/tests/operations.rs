//! What operators meet: restarts, shutdowns, queues that fail, several gateways, wrong settings.
mod support;

use std::sync::{Arc, atomic::Ordering};

use push_core::{Gateway as _, RegistrationStore as _, Slot, VendorAnswer, Verdict, VerdictKind};
use serde_json::json;
use support::*;
use tokio::sync::Notify;

/// S128.
#[tokio::test]
async fn what_an_earlier_run_left_in_the_queue_is_sent() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    world.gateway.shutdown().await;
    let answer = world.submit(message("x", &["alice"])).await;
    world.calm().await;
    assert_eq!(world.plan.count(), 0);
    let next = gateway(&world.clock, &world.store, &world.queue, Default::default());
    next.start().await.unwrap();
    world.calm().await;
    assert_eq!(world.plan.count(), 1);
    assert_eq!(world.plan.seen()[0].delivery, answer.deliveries[0].id);
    next.shutdown().await;
}

#[tokio::test]
async fn a_shutdown_waits_for_answers_and_gives_the_rest_back() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    world.plan.script("alice-token", [Reply::Silence]);
    let delivery = world.text("alice").await;
    let stopping = {
        let gateway = world.gateway.clone();
        tokio::spawn(async move { gateway.shutdown().await })
    };
    world.calm().await;
    assert!(!stopping.is_finished(), "it waits for the vendor");
    world.clock.advance(11 * SECOND);
    world.calm().await;
    assert!(stopping.is_finished());
    assert_eq!(world.depth().await, 1, "given back, not lost");

    let next = gateway(&world.clock, &world.store, &world.queue, Default::default());
    next.start().await.unwrap();
    world.pass(MINUTE).await;
    assert_eq!(world.plan.count(), 2);
    assert_eq!(world.plan.seen()[1].delivery, delivery);
}

#[tokio::test]
async fn a_queue_that_fails_for_a_while_delays_and_loses_nothing() {
    let mut made = None;
    let world = World::with(
        |_| {},
        |queue| {
            let queue = Fickle::new(queue);
            made = Some(Arc::clone(&queue));
            queue
        },
    );
    let queue = made.expect("it was made");
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    let release = Arc::new(Notify::new());
    let accepted = Verdict::accepted(VendorAnswer::new(200, ""));
    world
        .plan
        .script("alice-token", [Reply::Held(Arc::clone(&release), accepted)]);
    let answer = world.submit(message("x", &["alice"])).await;
    queue.failures.store(2, Ordering::Relaxed);
    world.pass(10 * SECOND).await;
    assert_eq!(world.plan.count(), 1, "leased after two failures");
    queue.failures.store(3, Ordering::Relaxed);
    release.notify_one();
    world.pass(5 * SECOND).await;
    assert_eq!(
        world.settled(answer.deliveries[0].id).await.as_deref(),
        Some("vendor-accepted")
    );
    assert_eq!(world.depth().await, 0, "acknowledged after three failures");
    world.pass(10 * MINUTE).await;
    assert_eq!(world.plan.count(), 1);
}

/// Two gateways on one store and queue: one rotates, the other notices.
#[tokio::test]
async fn a_rotation_by_another_gateway_is_noticed() {
    let world = World::new(|it| {
        it.probe_first = 60 * MINUTE;
        it.probe_max = 60 * MINUTE;
    });
    let certificate = world.credential(json!({"build": "old"})).await;
    world.login("alice", certificate).await;
    world
        .plan
        .build_always("old", verdict(403, "x", VerdictKind::CredentialRefused));
    let delivery = world.text("alice").await;
    assert!(world.suspended(certificate).await.is_some());
    let other = gateway(&world.clock, &world.store, &world.queue, Default::default());
    world.clock.advance(SECOND);
    other
        .rotate_credential(
            &credential(certificate),
            world.upload(json!({"build": "new"})),
        )
        .await
        .unwrap();
    world.pass(2 * MINUTE).await;
    assert_eq!(world.suspended(certificate).await, None);
    assert_eq!(
        world.settled(delivery).await.as_deref(),
        Some("vendor-accepted")
    );
    assert_eq!(world.plan.seen().last().unwrap().build, "new");
}

/// S123+: an error that is seen, instead of a success that is none.
#[tokio::test]
async fn a_credential_whose_provider_is_not_compiled_in_is_reported() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    let parts = push_gateway::Parts::new(
        Arc::clone(&world.store) as _,
        Arc::clone(&world.queue),
        Arc::new(push_core::Registry::new([]).unwrap()),
        Arc::new(world.clock.clone()),
        push_gateway::MasterKey::parse(&push_core::Secret::new(KEY)).unwrap(),
    )
    .with_settings(Default::default());
    let bare = push_gateway::Gateway::new(parts.clone()).unwrap();
    let answer = bare
        .submit(&app(), vec![message("x", &["alice"])])
        .await
        .unwrap();
    assert_eq!(answer[0].skipped[0].reason, "no-provider");
    let error = bare
        .add_credential(&app(), world.upload(json!({})))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("`scripted`"), "{error}");
    // There is no such feature.
    assert!(!error.to_string().contains("provider-scripted"), "{error}");
    // Without the provider nothing says what form its tokens have: the phone tries again later.
    let (phone, body) = (device("erin-phone"), registration("ERIN", certificate));
    let error = bare
        .register(&app(), &user("erin"), &phone, Slot::Alert, body)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("cannot be checked"), "{error}");
    let found = world
        .store
        .receivers(&app(), &[user("erin")])
        .await
        .unwrap();
    assert!(
        found.iter().all(|receiver| receiver.devices.is_empty()),
        "{found:?}"
    );

    // With another master key, the credential says so too.
    let other = push_core::Secret::new("02".repeat(32));
    let locked = push_gateway::Gateway::new(
        parts
            .with_registry(Arc::new(
                push_core::Registry::new([SCRIPTED.any()]).unwrap(),
            ))
            .with_master_key(push_gateway::MasterKey::parse(&other).unwrap()),
    )
    .unwrap();
    let answer = locked
        .submit(&app(), vec![message("y", &["alice"])])
        .await
        .unwrap();
    assert_eq!(answer[0].skipped[0].reason, "credential-unusable");
    let health = locked
        .verify_credential(&credential(certificate))
        .await
        .unwrap();
    assert!(
        health.acceptance == push_core::Acceptance::Refused
            && health.evidence.contains("another master key"),
        "{health:?}"
    );
}

#[test]
fn settings_that_cannot_work_are_refused_by_name() {
    for (table, key, value) in [
        ("pipeline", "in_flight", json!(0)),
        ("pipeline", "max_attempts", json!(0)),
        ("pipeline", "attempt_timeout", json!("0s")),
        ("pipeline", "backoff_base", json!("1h")),
        ("pipeline", "guard_share", json!(1.5)),
        ("decision", "default_ttl", json!(0)),
    ] {
        let settings: push_gateway::Settings =
            serde_json::from_value(json!({table: {key: value}})).unwrap();
        let error = settings.check().unwrap_err();
        assert!(
            error.to_string().contains(&format!("{table}.{key}")),
            "{error}"
        );
    }
    let typo =
        serde_json::from_value::<push_gateway::Settings>(json!({"pipeline": {"inflight": 1}}));
    assert!(typo.is_err());
}

#[tokio::test]
async fn the_same_receipt_twice_is_one_even_in_one_request() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    let receipt = push_core::Receipt::new(
        world.text("alice").await,
        push_core::ReceiptKind::Clicked,
        START,
    );
    let twice = vec![receipt.clone(), receipt.clone()];
    push_core::Gateway::receipts(&world.gateway, &app(), twice)
        .await
        .unwrap();
    let trace = world.trace(receipt.delivery).await;
    let clicks = trace
        .iter()
        .filter(|it| it.stage == push_core::Stage::Clicked);
    assert_eq!(clicks.count(), 1);
}
