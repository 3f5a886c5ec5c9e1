//! Each delivery of a batch has its own end, and its token the right fate.
use std::sync::Arc;

use push_core::{Scope, Stage, TokenFault, VendorAnswer, Verdict, VerdictKind};
use serde_json::json;
use tokio::sync::Notify;

use crate::{DEAD, support::*};

#[tokio::test]
async fn a_push_is_sent_and_its_trace_has_every_stage() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    let delivery = world.text("alice").await;

    assert_eq!(
        world.settled(delivery).await.as_deref(),
        Some("vendor-accepted")
    );
    let stages: Vec<Stage> = world
        .trace(delivery)
        .await
        .iter()
        .map(|it| it.stage)
        .collect();
    assert_eq!(
        stages,
        [
            Stage::Accepted,
            Stage::Queued,
            Stage::Answered,
            Stage::Settled
        ]
    );
    let seen = world.plan.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].delivery, delivery);
    assert_eq!(seen[0].notification.body, "Bob:hello");
    assert_eq!(world.depth().await, 0);
}

/// S114+.
#[tokio::test]
async fn a_token_that_died_is_removed_unless_registered_again_since() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    world.login("carol", certificate).await;
    // Registered at START; dead since one second after that, and since one second before.
    let after = VerdictKind::TokenDead {
        since: Some(START + SECOND),
    };
    let before = VerdictKind::TokenDead {
        since: Some(START - SECOND),
    };
    world
        .plan
        .script("alice-token", [verdict(410, "Unregistered", after)]);
    world
        .plan
        .script("carol-token", [verdict(410, "Unregistered", before)]);

    let dead = world.text("alice").await;
    let renewed = world.text("carol").await;
    assert_eq!(world.settled(dead).await.as_deref(), Some("token-dead"));
    assert_eq!(
        world.settled(renewed).await.as_deref(),
        Some("token-renewed")
    );
    assert_eq!(world.stored("alice").await, None);
    assert_eq!(world.stored("carol").await, Some(None));
}

/// S114: the token is registered again between the attempt and the answer.
#[tokio::test]
async fn a_token_registered_again_before_the_answer_survives_an_undated_death() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    world.login("carol", certificate).await;
    world.login("dave", certificate).await;
    world.text("dave").await; // the credential has proved itself
    let dead = Verdict::new(DEAD, VendorAnswer::new(200, "unregistered"));
    let release = [Arc::new(Notify::new()), Arc::new(Notify::new())];
    for (who, release) in ["alice", "carol"].iter().zip(&release) {
        let held = Reply::Held(Arc::clone(release), dead.clone());
        world.plan.script(&format!("{who}-token"), [held]);
    }
    let renewed = world.text("alice").await;
    let gone = world.text("carol").await;
    world.clock.advance(SECOND);
    world
        .register("alice", "alice-phone", "alice-token", certificate)
        .await;
    release.iter().for_each(|it| it.notify_one());
    world.calm().await;
    assert_eq!(
        world.settled(renewed).await.as_deref(),
        Some("token-renewed")
    );
    assert_eq!(world.settled(gone).await.as_deref(), Some("token-dead"));
    assert_eq!(world.stored("alice").await, Some(None));
    assert_eq!(world.stored("carol").await, None);
}

#[tokio::test]
async fn an_undated_death_is_believed_only_of_a_credential_that_has_proved_itself() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    for who in ["alice", "carol", "dave"] {
        world.login(who, certificate).await;
    }
    world
        .plan
        .script("alice-token", [verdict(404, "UNREGISTERED", DEAD)]);
    world
        .plan
        .script("dave-token", [verdict(404, "UNREGISTERED", DEAD)]);

    let unproved = world.text("alice").await;
    assert_eq!(
        world.settled(unproved).await.as_deref(),
        Some("token-suspect")
    );
    assert_eq!(
        world.stored("alice").await,
        Some(Some("token-suspect".into()))
    );

    world.text("carol").await;
    let proved = world.text("dave").await;
    assert_eq!(world.settled(proved).await.as_deref(), Some("token-dead"));
    assert_eq!(world.stored("dave").await, None);
}

/// S57, S122: each of a batch has its own end, and no fault of configuration removes a token.
#[tokio::test]
async fn each_target_of_a_batch_has_its_own_end() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    let people = ["a", "b", "c", "d", "e", "f"];
    for who in people {
        world.login(who, certificate).await;
    }
    let dead = VerdictKind::TokenDead {
        since: Some(START + SECOND),
    };
    let environment = VerdictKind::TokenUnusable(TokenFault::Environment);
    let other_app = VerdictKind::TokenUnusable(TokenFault::App);
    world
        .plan
        .script("b-token", [verdict(400, "BadDeviceToken", environment)]);
    world
        .plan
        .script("c-token", [verdict(410, "Unregistered", dead)]);
    world.plan.script(
        "d-token",
        [verdict(400, "DeviceTokenNotForTopic", other_app)],
    );
    world.plan.script(
        "e-token",
        [verdict(413, "PayloadTooLarge", VerdictKind::PayloadRefused)],
    );

    let answer = world.submit(message("hello", &people)).await;
    world.calm().await;
    assert_eq!(world.plan.seen()[0].batch, 6, "they travel together");
    let mut ends = Vec::new();
    for it in &answer.deliveries {
        ends.push(world.settled(it.id).await.unwrap());
    }
    assert_eq!(
        ends,
        [
            "vendor-accepted",
            "environment-mismatch",
            "token-dead",
            "token-of-another-app",
            "payload-refused",
            "vendor-accepted"
        ]
    );
    assert_eq!(
        world.stored("b").await,
        Some(Some("environment-mismatch".into()))
    );
    assert_eq!(world.stored("c").await, None);
    assert_eq!(
        world.stored("d").await,
        Some(Some("token-of-another-app".into()))
    );
    assert_eq!(world.stored("e").await, Some(None));
    let answer = world.submit(message("again", &["b"])).await;
    assert_eq!(answer.skipped[0].reason, "environment-mismatch");
}

#[tokio::test]
async fn one_silent_target_does_not_delay_its_neighbours() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    for who in ["a", "b", "c"] {
        world.login(who, certificate).await;
    }
    world.plan.script("b-token", [Reply::Silence]);
    let answer = world.submit(message("hello", &["a", "b", "c"])).await;
    world.calm().await;
    let [a, b, c] = [0, 1, 2].map(|it| answer.deliveries[it].id);
    assert_eq!(world.settled(a).await.as_deref(), Some("vendor-accepted"));
    assert_eq!(world.settled(c).await.as_deref(), Some("vendor-accepted"));
    assert_eq!(world.settled(b).await, None);
    assert_eq!(world.depth().await, 1);

    // Unanswered for a minute, then tried again under the same id.
    world.pass(2 * MINUTE).await;
    assert_eq!(world.settled(b).await.as_deref(), Some("vendor-accepted"));
    assert_eq!(world.plan.count_of("b-token"), 2);
    assert!(
        world
            .plan
            .seen()
            .iter()
            .all(|it| it.token.expose() != "b-token" || it.delivery == b)
    );
    let trace = world.trace(b).await;
    assert!(
        trace
            .iter()
            .any(|it| it.reason.as_deref() == Some("no-answer"))
    );
}

#[tokio::test]
async fn a_provider_that_panics_loses_nothing() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    world.plan.script("alice-token", [Reply::Panic]);
    let delivery = world.text("alice").await;
    assert_eq!(world.settled(delivery).await, None);
    world.pass(MINUTE).await;
    assert_eq!(
        world.settled(delivery).await.as_deref(),
        Some("vendor-accepted")
    );
}

/// A push follows the token: replaced while it waited, or while the vendor refused the old one.
#[tokio::test]
async fn a_replaced_token_receives_the_push_under_the_same_id() {
    let dead = VerdictKind::TokenDead {
        since: Some(START + SECOND),
    };
    for kind in [
        VerdictKind::Unavailable(Scope::Token),
        dead,
        VerdictKind::TokenUnusable(TokenFault::Environment),
        VerdictKind::TokenUnusable(TokenFault::Muted),
    ] {
        let world = World::new(|_| {});
        let certificate = world.credential(json!({})).await;
        world.login("a", certificate).await;
        let release = Arc::new(Notify::new());
        let answer = Verdict::new(kind, VendorAnswer::new(410, "x"));
        let held = Reply::Held(Arc::clone(&release), answer);
        world.plan.script("a-token", [held]);
        let delivery = world.text("a").await;
        world
            .register("a", "a-phone", "new-token", certificate)
            .await;
        world.background("a", "a-phone").await;
        release.notify_one();
        world.pass(MINUTE).await;
        let end = world.settled(delivery).await;
        assert_eq!(end.as_deref(), Some("vendor-accepted"), "{kind:?}");
        let seen = world.plan.seen();
        let sent: Vec<_> = seen
            .iter()
            .map(|it| (it.token.expose(), it.delivery))
            .collect();
        assert_eq!(sent, [("a-token", delivery), ("new-token", delivery)]);
        assert_eq!(world.stored("a").await, Some(None), "{kind:?}");
    }
}

#[tokio::test]
async fn equal_badges_share_one_notification_and_a_group_goes_in_few_batches() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({"max_batch": 500})).await;
    let people: Vec<String> = (0..1000).map(|it| format!("p{it}")).collect();
    for who in &people {
        world.login(who, certificate).await;
    }
    let names: Vec<&str> = people.iter().map(String::as_str).collect();
    let answer = world.submit(message("x", &names)).await;
    assert_eq!(answer.deliveries.len(), 1000);
    world.calm().await;
    let seen = world.plan.seen();
    assert_eq!(seen.len(), 1000);
    assert!(seen.iter().all(|it| it.batch == 500));
    let mut ids: Vec<_> = seen.iter().map(|it| it.delivery).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 1000, "each exactly once");
}

/// A batch without an answer is repeated as it was, under its id.
#[tokio::test]
async fn a_batch_with_unknown_outcome_is_sent_again_under_the_same_id() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({"uniform": true})).await;
    for who in ["a", "b", "c"] {
        world.login(who, certificate).await;
        world.plan.script(
            &format!("{who}-token"),
            [verdict(200, "?", VerdictKind::Unknown)],
        );
    }
    world.submit(message("x", &["a", "b", "c"])).await;
    world.calm().await;
    world.pass(MINUTE).await;
    let seen = world.plan.seen();
    assert_eq!(seen.len(), 6);
    assert!(
        seen.iter()
            .all(|it| it.batch == 3 && it.batch_id == seen[0].batch_id)
    );
    assert_eq!(world.depth().await, 0);
}
