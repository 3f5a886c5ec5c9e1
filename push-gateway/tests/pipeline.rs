//! Every fault ends in the right act: scripted vendor, memory plugins, a clock that stands still.
mod support;

use std::{sync::Arc, time::Duration};

use push_core::{Retry, Scope, Stage, TokenFault, VendorAnswer, Verdict, VerdictKind};
use push_gateway::LaneStatus;
use serde_json::json;
use support::*;
use tokio::sync::Notify;

const DEAD: VerdictKind = VerdictKind::TokenDead { since: None };

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

#[tokio::test]
async fn a_trial_that_passes_opens_the_lane_by_itself() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    for who in ["a", "b"] {
        world.login(who, certificate).await;
    }
    let refused = verdict(403, "ExpiredProviderToken", VerdictKind::CredentialRefused);
    world.plan.script("a-token", [refused]);
    let answer = world.submit(message("x", &["a"])).await;
    world.calm().await;
    world.submit(message("y", &["b"])).await;
    assert!(world.suspended(certificate).await.is_some());
    world.pass(MINUTE).await;
    assert_eq!(world.suspended(certificate).await, None);
    assert_eq!(
        world.settled(answer.deliveries[0].id).await.as_deref(),
        Some("vendor-accepted")
    );
    assert_eq!(world.depth().await, 0);
}

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
async fn a_credential_that_is_rate_limited_waits_as_a_whole() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("a", certificate).await;
    world.login("b", certificate).await;
    let limited = Verdict::new(
        VerdictKind::RateLimited(Scope::Credential),
        VendorAnswer::new(429, "QUOTA_EXCEEDED"),
    )
    .with_retry(Retry::After(MINUTE));
    world.plan.script("a-token", [Reply::Verdict(limited)]);
    let first = world.text("a").await;
    assert!(
        matches!(world.status(certificate).await, LaneStatus::BackingOff { until, reason: "rate-limited", .. } if until >= START + MINUTE)
    );
    let second = world.text("b").await;
    assert_eq!(world.plan.count(), 1);
    world.pass(MINUTE + 2 * SECOND).await;
    assert_eq!(
        world.settled(first).await.as_deref(),
        Some("vendor-accepted")
    );
    assert_eq!(
        world.settled(second).await.as_deref(),
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

#[tokio::test]
async fn one_vendors_outage_delays_no_other() {
    let world = World::new(|it| it.in_flight = 4);
    let (name, healthy) = world.another_plan();
    let down = world.credential(json!({})).await;
    let up = world.credential(json!({"plan": name})).await;
    world.plan.always(Reply::Silence);
    for number in 0..40 {
        world.login(&format!("down-{number}"), down).await;
    }
    world.login("up", up).await;
    for number in 0..40 {
        world
            .submit(message("x", &[&format!("down-{number}")]))
            .await;
    }
    world.calm().await;
    assert_eq!(world.plan.count(), 4, "bounded in flight");
    let delivery = world.text("up").await;
    assert_eq!(
        world.settled(delivery).await.as_deref(),
        Some("vendor-accepted")
    );
    assert_eq!(healthy.count(), 1);
}

#[tokio::test]
async fn an_outage_is_met_with_few_attempts_and_recovers_to_full_speed() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({"max_batch": 1})).await;
    let people: Vec<String> = (0..300).map(|it| format!("p{it}")).collect();
    for who in &people {
        world.login(who, certificate).await;
    }
    let names: Vec<&str> = people.iter().map(String::as_str).collect();
    world.plan.always(verdict(
        503,
        "ServiceUnavailable",
        VerdictKind::Unavailable(Scope::Credential),
    ));
    world.submit(message("x", &names)).await;
    world.calm().await;
    let first = world.plan.count();
    assert_eq!(first, 300);
    // Only a window of 16 is risked with each further try.
    world.pass(5 * MINUTE).await;
    let tried = world.plan.count() - first;
    assert!(tried <= 16 * 14, "{tried}");
    world.plan.always(accepted());
    world.pass(11 * MINUTE).await;
    assert_eq!(world.depth().await, 0);
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

/// A vendor that asks to wait longer than a push lives ends it at once, without waiting.
#[tokio::test]
async fn a_wait_beyond_the_time_to_live_ends_a_delivery_at_once() {
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
    let end = world.settled(answer.deliveries[0].id).await;
    assert_eq!(end.as_deref(), Some("expired"));
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

/// A target whose answer accuses the credential, among others that are accepted.
#[tokio::test]
async fn one_target_that_accuses_the_credential_ends_alone() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({"max_batch": 1})).await;
    world.login("poison", certificate).await;
    for number in 0..30 {
        world.login(&format!("good-{number}"), certificate).await;
    }
    world.text("good-0").await; // the credential has proved itself
    let refused = verdict(401, "x", VerdictKind::CredentialRefused);
    world.plan.script("poison-token", vec![refused; 100]);
    let poisoned = world.text("poison").await;
    for number in 1..30 {
        let delivery = world.text(&format!("good-{number}")).await;
        let end = world.settled(delivery).await;
        assert_eq!(end.as_deref(), Some("vendor-accepted"), "without a wait");
    }
    world.pass(5 * MINUTE).await;
    let end = world.settled(poisoned).await;
    assert_eq!(end.as_deref(), Some("refused-alone"));
    assert_eq!(world.suspended(certificate).await, None);
    assert!(world.plan.count_of("poison-token") <= 3);
    assert_eq!(world.stored("poison").await, Some(None));
}

/// A quota for one class of messages leaves the others alone.
#[tokio::test]
async fn a_class_that_is_throttled_delays_no_other_class() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("a", certificate).await;
    world.login("b", certificate).await;
    let limited = Verdict::new(
        VerdictKind::RateLimited(Scope::Class),
        VendorAnswer::new(429, "daily quota"),
    )
    .with_retry(Retry::After(60 * MINUTE));
    world.plan.script("a-token", [Reply::Verdict(limited)]);
    let advert = |who: &str| message("sale", &[who]).with_class(push_core::Class::MARKETING);
    world.submit(advert("a")).await;
    world.calm().await;
    let waits = world.submit(advert("b")).await.deliveries[0].id;
    let chat = world.text("b").await;
    let end = world.settled(chat).await;
    assert_eq!(end.as_deref(), Some("vendor-accepted"));
    assert_eq!(world.settled(waits).await, None);
    assert!(matches!(
        world.status(certificate).await,
        LaneStatus::BackingOff { .. }
    ));
    world.pass(61 * MINUTE).await;
    assert_eq!(world.depth().await, 0);
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

/// Attempts from before a credential was corrected are recognized by their order, not by a clock that may be set back.
#[tokio::test]
async fn a_clock_that_is_set_back_hides_no_refusal() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world
        .gateway
        .resume_credential(&credential(certificate))
        .await
        .unwrap();
    world.clock.jump_to(START - 60 * MINUTE);
    world.login("a", certificate).await;
    let refused = VerdictKind::CredentialRefused;
    world.plan.always(verdict(403, "x", refused));
    world.text("a").await;
    let cause = world.suspended(certificate).await;
    assert_eq!(cause, Some("credential-refused"));
}
