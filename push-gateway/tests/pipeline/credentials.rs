//! Credentials that the vendor refuses, that are repaired, or that are only suspected.
use std::sync::Arc;

use push_core::{ErrorKind, Retry, Scope, Stage, TokenFault, VendorAnswer, Verdict, VerdictKind};
use serde_json::json;
use tokio::sync::Notify;

use crate::{DEAD, support::*};

#[tokio::test]
async fn a_refused_credential_waits_for_its_rotation_and_costs_nothing() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({"build": "old"})).await;
    for who in ["a", "b", "c"] {
        world.login(who, certificate).await;
    }
    let refused = verdict(403, "InvalidProviderToken", VerdictKind::CredentialRefused);
    world.plan.build_always("old", refused);
    let first = world.text("a").await;
    assert_eq!(
        world.suspended(certificate).await,
        Some("credential-refused")
    );
    let second = world.submit(message("x", &["b", "c"])).await;
    world.calm().await;
    assert_eq!(
        world.plan.count(),
        1,
        "nothing is sent while it is suspended"
    );
    assert_eq!(world.depth().await, 3);

    // It is tried again with one delivery at a time, ever more rarely.
    world.pass(10 * MINUTE).await;
    let tries = world.plan.count();
    assert!((3..=7).contains(&tries), "{tries}");
    assert_eq!(world.depth().await, 3);

    world
        .gateway
        .rotate_credential(
            &credential(certificate),
            world.upload(json!({"build": "new"})),
        )
        .await
        .unwrap();
    world.calm().await;
    assert_eq!(world.suspended(certificate).await, None);
    assert_eq!(
        world.settled(first).await.as_deref(),
        Some("vendor-accepted")
    );
    for it in second.deliveries {
        assert_eq!(
            world.settled(it.id).await.as_deref(),
            Some("vendor-accepted")
        );
    }
    // No attempt was counted against them.
    let last = world
        .trace(first)
        .await
        .into_iter()
        .rev()
        .find(|it| it.stage == Stage::Answered);
    assert_eq!(last.unwrap().attempt, Some(1));
    for who in ["a", "b", "c"] {
        assert_eq!(world.stored(who).await, Some(None));
    }
}

#[tokio::test]
async fn answers_to_the_old_credential_do_not_count_against_the_new_one() {
    for kind in [
        VerdictKind::CredentialRefused,
        VerdictKind::TokenUnusable(TokenFault::App),
        DEAD,
    ] {
        let world = World::new(|_| {});
        let certificate = world.credential(json!({"build": "old"})).await;
        world.login("a", certificate).await;
        let release = Arc::new(Notify::new());
        let verdict = Verdict::new(kind, VendorAnswer::new(403, "x"));
        world
            .plan
            .build_always("old", Reply::Held(Arc::clone(&release), verdict));
        let delivery = world.text("a").await;
        world
            .gateway
            .rotate_credential(
                &credential(certificate),
                world.upload(json!({"build": "new"})),
            )
            .await
            .unwrap();
        release.notify_one();
        world.calm().await;
        assert_eq!(world.suspended(certificate).await, None, "{kind:?}");
        assert_eq!(world.stored("a").await, Some(None), "{kind:?}");
        let end = world.settled(delivery).await;
        assert_eq!(end.as_deref(), Some("vendor-accepted"), "{kind:?}");
    }
}

/// The lesson of a vendor that says of every token that it is dead when the app is the wrong one.
#[tokio::test]
async fn when_most_tokens_die_the_credential_is_suspected_instead() {
    let world = World::new(|it| {
        it.guard_min = 10;
        it.guard_share = 0.8;
    });
    let certificate = world.credential(json!({"max_batch": 1000})).await;
    let people: Vec<String> = (0..60).map(|it| format!("p{it}")).collect();
    for who in &people {
        world.login(who, certificate).await;
    }
    let names: Vec<&str> = people.iter().map(String::as_str).collect();
    world.text("p0").await; // proves the credential
    world.plan.always(verdict(200, "80300007", DEAD));
    world.submit(message("x", &names[..40])).await;
    world.calm().await;
    assert_eq!(
        world.suspended(certificate).await,
        Some("most-tokens-refused")
    );
    for who in &names {
        assert!(world.stored(who).await.is_some(), "{who} was forgotten");
    }
    // What comes now waits, and the alarm is counted.
    world.submit(message("y", &names[40..])).await;
    world.calm().await;
    assert_eq!(world.depth().await, 20);
    let alarms: u64 = world
        .gateway
        .metrics()
        .iter()
        .filter(|(series, _)| series.name == "offline_push_alarms_total")
        .map(|(_, count)| *count)
        .sum();
    assert_eq!(alarms, 1);

    // Mended at the vendor's, and resumed: tokens come back, deliveries go.
    world.plan.always(accepted());
    world
        .gateway
        .resume_credential(&credential(certificate))
        .await
        .unwrap();
    world.calm().await;
    assert_eq!(world.depth().await, 0);
    assert_eq!(world.stored("p5").await, Some(None));
}

/// A wrong topic or a wrong environment uploaded: nothing is deleted, and rotation brings every token back.
#[tokio::test]
async fn no_fault_of_configuration_costs_a_token() {
    for kind in [
        VerdictKind::TokenUnusable(TokenFault::App),
        VerdictKind::TokenUnusable(TokenFault::Environment),
        VerdictKind::CredentialRefused,
        VerdictKind::PayloadRefused,
        DEAD,
    ] {
        let world = World::new(|_| {});
        let certificate = world.credential(json!({"build": "wrong"})).await;
        world
            .plan
            .build_always("wrong", verdict(400, "wrong", kind));
        let people: Vec<String> = (0..80).map(|it| format!("p{it}")).collect();
        for who in &people {
            world.login(who, certificate).await;
        }
        let names: Vec<&str> = people.iter().map(String::as_str).collect();
        world.submit(message("x", &names)).await;
        world.calm().await;
        for who in &names {
            assert!(
                world.stored(who).await.is_some(),
                "{kind:?} cost the token of {who}"
            );
        }
        world
            .gateway
            .rotate_credential(
                &credential(certificate),
                world.upload(json!({"build": "right"})),
            )
            .await
            .unwrap();
        world.calm().await;
        let answer = world.submit(message("y", &names)).await;
        world.calm().await;
        assert_eq!(
            answer.deliveries.len(),
            80,
            "{kind:?}: {:?}",
            answer.skipped
        );
        assert_eq!(world.depth().await, 0, "{kind:?}");
        for who in &names {
            assert_eq!(world.stored(who).await, Some(None), "{kind:?}");
        }
    }
}

#[tokio::test]
async fn what_waits_for_a_removed_credential_ends_with_its_life() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({"build": "old"})).await;
    world.login("a", certificate).await;
    let refused = verdict(403, "InvalidProviderToken", VerdictKind::CredentialRefused);
    world.plan.build_always("old", refused);
    let submitted = world.submit(with_ttl(message("x", &["a"]), 600)).await;
    let waiting = submitted.deliveries[0].id;
    world.calm().await;
    assert_eq!(
        world.suspended(certificate).await,
        Some("credential-refused")
    );

    let removed = world
        .gateway
        .remove_credential(&credential(certificate))
        .await
        .unwrap();
    assert_eq!((removed.info.id, removed.waiting), (certificate, 1));
    world.calm().await;
    assert_eq!(world.depth().await, 1, "it waits");
    assert_eq!(world.settled(waiting).await, None);
    let skipped = world.submit(message("y", &["a"])).await.skipped;
    assert_eq!(skipped[0].reason, "certificate-unknown");

    // The id is not taken by anything else.
    let reference = credential(certificate);
    let again = world.gateway.remove_credential(&reference).await;
    assert_eq!(again.unwrap_err().kind(), ErrorKind::NotFound);
    let upload = world.upload(json!({"build": "new"})).with_id(certificate);
    let added = world.gateway.add_credential(&app(), upload).await;
    assert_eq!(added.unwrap_err().kind(), ErrorKind::Conflict);

    world.pass(12 * MINUTE).await;
    assert_eq!(world.settled(waiting).await.as_deref(), Some("expired"));
    assert_eq!(world.depth().await, 0);
}

/// What was held against the old content of a credential is not held against the new one.
#[tokio::test]
async fn a_resumed_credential_begins_with_a_clean_record() {
    let world = World::new(|it| it.guard_min = 10);
    let certificate = world.credential(json!({})).await;
    let people: Vec<String> = (0..20).map(|it| format!("p{it}")).collect();
    for who in &people {
        world.login(who, certificate).await;
    }
    let names: Vec<&str> = people.iter().map(String::as_str).collect();
    let other_app = VerdictKind::TokenUnusable(TokenFault::App);
    world.plan.always(verdict(400, "x", other_app));
    world.submit(message("x", &names[..15])).await;
    world.calm().await;
    assert_eq!(
        world.suspended(certificate).await,
        Some("most-tokens-refused")
    );
    world
        .gateway
        .resume_credential(&credential(certificate))
        .await
        .unwrap();
    world.text("p19").await;
    assert_eq!(world.suspended(certificate).await, None, "one is not most");
}

#[tokio::test]
async fn a_resumed_credential_sends_at_once_what_waits_for_later() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("a", certificate).await;
    let limited = Verdict::new(
        VerdictKind::RateLimited(Scope::Credential),
        VendorAnswer::new(429, "QUOTA_EXCEEDED"),
    )
    .with_retry(Retry::After(60 * MINUTE));
    world.plan.script("a-token", [Reply::Verdict(limited)]);
    let delivery = world.text("a").await;
    world.pass(MINUTE).await;
    assert_eq!(world.settled(delivery).await, None);
    world
        .gateway
        .resume_credential(&credential(certificate))
        .await
        .unwrap();
    world.calm().await;
    let end = world.settled(delivery).await;
    assert_eq!(end.as_deref(), Some("vendor-accepted"));
}

/// S114: a delivery follows its device to the credential that it registered under since.
#[tokio::test]
async fn what_waited_for_a_wrong_credential_is_sent_through_the_right_one() {
    for kind in [VerdictKind::TokenUnusable(TokenFault::App), DEAD] {
        let world = World::new(|_| {});
        let wrong = world.credential(json!({"build": "wrong"})).await;
        let right = world.credential(json!({"build": "right"})).await;
        world.login("a", wrong).await;
        let down = verdict(503, "x", VerdictKind::Unavailable(Scope::Credential));
        world.plan.build_always("wrong", down);
        let waiting = world.text("a").await;
        world.clock.advance(SECOND);
        world.login("a", right).await;
        world.clock.advance(SECOND);
        world.plan.build_always("wrong", verdict(400, "x", kind));
        world.pass(10 * MINUTE).await;
        let end = world.settled(waiting).await;
        assert_eq!(end.as_deref(), Some("vendor-accepted"), "{kind:?}");
        let last = world.plan.seen().pop().expect("it was sent");
        assert_eq!((last.build.as_str(), last.delivery), ("right", waiting));
        assert_eq!(world.stored("a").await, Some(None), "{kind:?}");
    }
}

#[tokio::test]
async fn what_was_under_way_when_a_credential_was_resumed_costs_no_token() {
    for kind in [VerdictKind::TokenUnusable(TokenFault::App), DEAD] {
        let world = World::new(|it| it.guard_min = 2);
        let certificate = world.credential(json!({})).await;
        let release = [Arc::new(Notify::new()), Arc::new(Notify::new())];
        let mut deliveries = Vec::new();
        for (who, release) in ["a", "b"].iter().zip(&release) {
            world.login(who, certificate).await;
            let verdict = Verdict::new(kind, VendorAnswer::new(400, "x"));
            let held = Reply::Held(Arc::clone(release), verdict);
            world.plan.script(&format!("{who}-token"), [held]);
            deliveries.push(world.text(who).await);
        }
        world.clock.advance(SECOND);
        world
            .gateway
            .resume_credential(&credential(certificate))
            .await
            .unwrap();
        release.iter().for_each(|it| it.notify_one());
        world.pass(SECOND).await;
        assert_eq!(world.suspended(certificate).await, None, "{kind:?}");
        for (who, delivery) in ["a", "b"].iter().zip(deliveries) {
            assert_eq!(world.stored(who).await, Some(None), "{kind:?}");
            let end = world.settled(delivery).await;
            assert_eq!(end.as_deref(), Some("vendor-accepted"), "{kind:?}");
        }
    }
}
