//! Lanes that stand still: what waits in them must not be in the way of others.
mod support;

use push_core::{CertificateId, ErrorKind, Gateway as _, VerdictKind};
use serde_json::json;
use support::{MINUTE, SECOND, World, message, verdict, with_ttl};

async fn refusing(
    change: impl FnOnce(&mut push_gateway::PipelineSettings),
) -> (World, CertificateId) {
    let world = World::new(change);
    let broken = world.credential(json!({"build": "broken"})).await;
    let works = world.credential(json!({})).await;
    world.login("alice", broken).await;
    world.login("carol", works).await;
    let refused = verdict(403, "InvalidProviderToken", VerdictKind::CredentialRefused);
    world.plan.build_always("broken", refused);
    world.text("alice").await;
    assert_eq!(world.suspended(broken).await, Some("credential-refused"));
    (world, broken)
}

#[tokio::test]
async fn what_expires_while_its_credential_is_suspended_leaves_the_queue_and_says_why() {
    let (world, _) = refusing(|settings| {
        // Trials would take one each: they are not to be seen here.
        settings.probe_first = 1000 * MINUTE;
        settings.probe_max = 1000 * MINUTE;
    })
    .await;
    let mut waiting = Vec::new();
    for it in 0..20 {
        let short = with_ttl(message(&format!("short {it}"), &["alice"]), 120);
        waiting.push(world.submit(short).await.deliveries[0].id);
    }
    world.calm().await;
    assert_eq!(world.depth().await, 21);
    world.pass(4 * MINUTE).await;
    assert_eq!(world.depth().await, 1, "the one that lives longer waits on");
    for it in waiting {
        assert_eq!(world.settled(it).await.as_deref(), Some("expired"));
    }
    assert_eq!(world.plan.count(), 1, "the vendor was not asked again");
}

#[tokio::test]
async fn a_lane_that_is_full_takes_no_more_and_leaves_room_for_the_others() {
    let (world, _) = refusing(|settings| {
        settings.lane_depth = 5;
        settings.sweep = SECOND;
    })
    .await;
    for it in 0..4 {
        let waits = world.submit(message(&format!("m{it}"), &["alice"])).await;
        assert_eq!(waits.deliveries.len(), 1, "{:?}", waits.skipped);
    }
    world.pass(2 * SECOND).await;
    let both = world.submit(message("to both", &["alice", "carol"])).await;
    world.calm().await;
    assert_eq!(both.skipped.len(), 1);
    assert_eq!(both.skipped[0].reason, "lane-full");
    assert_eq!(
        world.settled(both.deliveries[0].id).await.as_deref(),
        Some("vendor-accepted"),
        "carol's credential works"
    );
    assert_eq!(world.depth().await, 5);
}

#[tokio::test]
async fn a_lane_that_was_full_takes_more_when_it_has_room_again() {
    let (world, broken) = refusing(|settings| {
        settings.lane_depth = 1;
        settings.sweep = SECOND;
    })
    .await;
    world.pass(2 * SECOND).await;
    let no_room = vec![message("no room", &["alice"])];
    let refused = world.gateway.submit(&support::app(), no_room).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Busy);
    assert!(
        refused.to_string().contains("`chat` deliveries"),
        "{refused}"
    );
    let lane = support::credential(broken);
    let mended = world.upload(json!({"build": "mended"}));
    world
        .gateway
        .rotate_credential(&lane, mended)
        .await
        .unwrap();
    world.pass(2 * SECOND).await;
    assert_eq!(world.depth().await, 0);
    world.text("alice").await;
}
