//! Each delivery waits by its own attempts, until its life ends.
use std::{sync::Arc, time::Duration};

use push_core::{Retry, Scope, Stage, VendorAnswer, Verdict, VerdictKind};
use push_gateway::LaneStatus;
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn the_vendors_retry_after_is_a_floor_for_one_token() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("a", certificate).await;
    world.login("b", certificate).await;
    let limited = Verdict::new(
        VerdictKind::RateLimited(Scope::Token),
        VendorAnswer::new(429, "TooManyRequests"),
    )
    .with_retry(Retry::After(5 * MINUTE));
    world.plan.script("a-token", [Reply::Verdict(limited)]);
    let delivery = world.text("a").await;
    world.pass(5 * MINUTE - SECOND).await;
    assert_eq!(world.plan.count_of("a-token"), 1);
    let other = world.text("b").await;
    assert_eq!(
        world.settled(other).await.as_deref(),
        Some("vendor-accepted"),
        "only that token waits"
    );
    world.pass(3 * SECOND).await;
    assert_eq!(world.plan.count_of("a-token"), 2);
    assert_eq!(
        world.settled(delivery).await.as_deref(),
        Some("vendor-accepted")
    );
}

#[tokio::test]
async fn a_push_that_may_have_been_sent_is_repeated_a_bounded_number_of_times() {
    let world = World::new(|it| it.max_attempts = 4);
    let certificate = world.credential(json!({})).await;
    world.login("a", certificate).await;
    world.plan.always(verdict(200, "?", VerdictKind::Unknown));
    let delivery = world.text("a").await;
    world.pass(60 * MINUTE).await;
    assert_eq!(
        world.settled(delivery).await.as_deref(),
        Some("attempts-exhausted")
    );
    assert_eq!(world.plan.count(), 4);
    assert_eq!(world.depth().await, 0);
    assert_eq!(world.stored("a").await, Some(None));
}

#[tokio::test]
async fn a_push_that_was_certainly_not_sent_is_tried_until_its_life_ends() {
    for down in [
        Reply::Verdict(Verdict::unavailable("connection refused")),
        verdict(500, "x", VerdictKind::Unavailable(Scope::Credential)),
    ] {
        let world = World::new(|it| it.max_attempts = 2);
        let certificate = world.credential(json!({})).await;
        world.login("a", certificate).await;
        world.plan.script("a-token", vec![down; 6]);
        let delivery = world.text("a").await;
        world.pass(20 * MINUTE).await;
        assert_eq!(
            world.settled(delivery).await.as_deref(),
            Some("vendor-accepted")
        );
        assert_eq!(world.plan.count(), 7);
    }
}

/// A token that always fails must not slow the others down, nor use up its attempts while it waits.
#[tokio::test]
async fn a_token_that_always_fails_delays_only_its_own_deliveries() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("bad", certificate).await;
    for number in 0..20 {
        world.login(&format!("good-{number}"), certificate).await;
    }
    let failing = verdict(500, "x", VerdictKind::Unavailable(Scope::Credential));
    world.plan.script("bad-token", vec![failing; 1000]);
    for _ in 0..3 {
        world.text("bad").await;
    }
    assert_eq!(world.status(certificate).await, LaneStatus::Open);
    for number in 0..20 {
        let delivery = world.text(&format!("good-{number}")).await;
        let end = world.settled(delivery).await;
        assert_eq!(end.as_deref(), Some("vendor-accepted"), "without a wait");
    }
    let before = world.plan.count_of("bad-token");
    world.pass(10 * MINUTE).await;
    let tries = world.plan.count_of("bad-token") - before;
    assert!((3..90).contains(&tries), "ever more rarely: {tries}");
    assert_eq!(world.depth().await, 3);
}

#[tokio::test]
async fn the_time_to_live_ends_the_attempts() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("a", certificate).await;
    world.plan.always(verdict(
        503,
        "ServiceUnavailable",
        VerdictKind::Unavailable(Scope::Credential),
    ));
    let answer = world.submit(with_ttl(message("x", &["a"]), 90)).await;
    world.calm().await;
    world.pass(10 * MINUTE).await;
    let delivery = answer.deliveries[0].id;
    assert_eq!(world.settled(delivery).await.as_deref(), Some("expired"));
    let tries = world.plan.count();
    assert!((2..20).contains(&tries), "{tries}");
    let last = world
        .trace(delivery)
        .await
        .into_iter()
        .rev()
        .find(|it| it.stage == Stage::Attempt);
    assert!(last.unwrap().at < START + Duration::from_secs(90));
}

#[tokio::test]
async fn what_expired_while_it_waited_is_not_sent() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("a", certificate).await;
    let refused = verdict(403, "x", VerdictKind::CredentialRefused);
    world.plan.script("a-token", [refused]);
    let answer = world.submit(with_ttl(message("x", &["a"]), 10)).await;
    world.calm().await;
    world.pass(2 * MINUTE).await;
    assert_eq!(
        world.settled(answer.deliveries[0].id).await.as_deref(),
        Some("expired")
    );
    assert_eq!(world.plan.count(), 1);
}

/// A vendor that asks to wait longer than a push lives does not end it early: it may be recalled or cancelled meanwhile.
#[tokio::test]
async fn a_wait_beyond_the_time_to_live_ends_a_delivery_with_its_life() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("a", certificate).await;
    let limited = Verdict::new(
        VerdictKind::RateLimited(Scope::Token),
        VendorAnswer::new(429, "TooManyRequests"),
    )
    .with_retry(Retry::After(5 * MINUTE));
    world.plan.script("a-token", [Reply::Verdict(limited)]);
    let answer = world.submit(with_ttl(message("x", &["a"]), 60)).await;
    world.calm().await;
    world.pass(55 * SECOND).await;
    assert_eq!(world.settled(answer.deliveries[0].id).await, None);
    assert_eq!(world.depth().await, 1);
    world.pass(MINUTE).await;
    let end = world.settled(answer.deliveries[0].id).await;
    assert_eq!(end.as_deref(), Some("expired"));
    assert_eq!((world.depth().await, world.plan.count()), (0, 1));
}

/// `Retry-After: 20` in the answer about one token, whatever the vendor makes of it.
#[tokio::test]
async fn a_retry_after_of_one_token_holds_up_no_other() {
    for kind in [
        VerdictKind::Unavailable(Scope::Credential),
        VerdictKind::Unavailable(Scope::Class),
        VerdictKind::Unavailable(Scope::Token),
        VerdictKind::RateLimited(Scope::Credential),
        VerdictKind::RateLimited(Scope::Class),
        VerdictKind::RateLimited(Scope::Token),
    ] {
        let world = World::new(|_| {});
        let certificate = world.credential(json!({"max_batch": 1})).await;
        world.login("slow", certificate).await;
        let later =
            Verdict::new(kind, VendorAnswer::new(503, "x")).with_retry(Retry::After(20 * SECOND));
        world
            .plan
            .script("slow-token", vec![Reply::Verdict(later); 3]);
        for _ in 0..3 {
            world.text("slow").await;
        }
        for number in 0..20 {
            let who = format!("p{number}");
            world.login(&who, certificate).await;
            let end = world.settled(world.text(&who).await).await;
            assert_eq!(end.as_deref(), Some("vendor-accepted"), "{kind:?}");
        }
        world.pass(19 * SECOND).await;
        assert_eq!(world.plan.count_of("slow-token"), 3, "{kind:?}");
        world.pass(2 * SECOND).await;
        assert_eq!(world.depth().await, 0, "{kind:?}");
    }
}

/// Pushes that are accepted in between say nothing of a delivery that fails again and again.
#[tokio::test]
async fn an_accepted_push_does_not_shorten_the_waits_of_others() {
    for kind in [
        VerdictKind::Unavailable(Scope::Credential),
        VerdictKind::Unknown,
    ] {
        let world = World::new(|_| {});
        let certificate = world.credential(json!({})).await;
        world.login("bad", certificate).await;
        world.login("good", certificate).await;
        world
            .plan
            .script("bad-token", vec![verdict(500, "x", kind); 1000]);
        let delivery = world.text("bad").await;
        for _ in 0..60 {
            world.text("good").await;
            world.pass(SECOND).await;
        }
        // 36 seconds were enough for thirty attempts.
        let tries = world.plan.count_of("bad-token");
        assert!((4..14).contains(&tries), "{kind:?}: {tries}");
        assert_eq!(world.settled(delivery).await, None, "{kind:?}");
    }
}

/// 87 pushes with a life of a week, of which a vendor that is half down answers none for a day.
#[tokio::test]
async fn a_partial_outage_of_a_day_loses_no_push_that_lives_longer() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({"max_batch": 1})).await;
    world.login("good", certificate).await;
    world.plan.script("good-token", vec![accepted(); 1000]);
    world.plan.always(verdict(504, "x", VerdictKind::Unknown));
    let mut waiting = Vec::new();
    for number in 0..87 {
        let who = format!("p{number}");
        world.login(&who, certificate).await;
        let week = with_ttl(message("x", &[&who]), 7 * 24 * 60 * 60);
        waiting.push(world.submit(week).await.deliveries[0].id);
    }
    for _ in 0..24 * 3 {
        world.submit(message("y", &["good"])).await;
        world.pass(20 * MINUTE).await;
    }
    let accepted_ones = world.plan.count_of("good-token");
    assert!(accepted_ones > 60, "the others go on: {accepted_ones}");
    let tries = (world.plan.count() - accepted_ones) / 87;
    assert!((8..29).contains(&tries), "{tries} attempts of each");
    world.plan.always(accepted());
    world.pass(24 * 60 * MINUTE).await;
    for delivery in waiting {
        let end = world.settled(delivery).await;
        assert_eq!(end.as_deref(), Some("vendor-accepted"));
    }
}

/// What is tried once more just before its life ends is not given up while it lives.
#[tokio::test]
async fn a_wait_is_shortened_to_what_is_left_of_the_life() {
    let world = World::new(|settings| settings.backoff_base = 600 * SECOND);
    let certificate = world.credential(json!({})).await;
    world.login("a", certificate).await;
    let down = verdict(503, "x", VerdictKind::Unavailable(Scope::Token));
    world.plan.script("a-token", vec![down; 4]);
    let short = with_ttl(message("x", &["a"]), 30 * 60);
    let delivery = world.submit(short).await.deliveries[0].id;
    for _ in 0..30 {
        world.pass(MINUTE).await;
    }
    let end = world.settled(delivery).await;
    assert!(world.plan.count_of("a-token") >= 3);
    assert!(end.is_some(), "it ends with its life");
}

/// The queue counts a wait from when it took the lease back, which may be later than the answer.
#[tokio::test]
async fn a_queue_that_takes_leases_back_slowly_delays_no_retry() {
    let mut fickle = None;
    let world = World::with(
        |settings| settings.sweep = 1000 * MINUTE,
        |queue| {
            let queue = Fickle::new(queue);
            fickle = Some(Arc::clone(&queue));
            queue
        },
    );
    let fickle = fickle.expect("it was wrapped");
    let certificate = world.credential(json!({})).await;
    world.login("a", certificate).await;
    let slow = (world.clock.clone(), 300 * SECOND / 1000);
    *fickle.slow.lock().expect("no test panics while holding it") = Some(slow);
    let down = verdict(503, "x", VerdictKind::Unavailable(Scope::Token));
    world.plan.script("a-token", vec![down; 2]);
    let delivery = world.text("a").await;
    world.pass(MINUTE).await;
    let end = world.settled(delivery).await;
    assert_eq!(end.as_deref(), Some("vendor-accepted"));
}
