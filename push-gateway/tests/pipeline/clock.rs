//! A server clock that is set back or forward.
use std::time::Duration;

use push_core::{
    Clock as _, MessageId, Retry, Scope, Stage, Timestamp, TraceEvent, TraceStore as _,
    VendorAnswer, Verdict, VerdictKind,
};
use push_gateway::LaneStatus;
use serde_json::json;

use crate::support::*;

const AHEAD: Duration = Duration::from_secs(2 * 60 * 60);

/// What began before a credential was repaired is known by order, and not by a clock that an operator may set back.
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

/// People who log in before the clock is set two hours ahead.
async fn world_ahead(people: usize) -> (World, push_core::CertificateId) {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({"max_batch": 1})).await;
    for number in 0..people {
        world.login(&format!("p{number}"), certificate).await;
    }
    world.clock.jump_to(START + AHEAD);
    world.calm().await;
    (world, certificate)
}

/// The operator corrects the clock. The gateway reads it when something happens.
fn correct(world: &World) {
    world.clock.jump_to(START + SECOND);
}

#[tokio::test]
async fn a_delivery_that_waits_when_the_clock_is_corrected_waits_no_longer() {
    let (world, _) = world_ahead(1).await;
    let down = VerdictKind::Unavailable(Scope::Token);
    world.plan.script("p0-token", [verdict(503, "x", down)]);
    let delivery = world.text("p0").await;
    assert_eq!(world.plan.count(), 1);
    correct(&world);
    world.pass(MINUTE).await;
    let end = world.settled(delivery).await;
    assert_eq!(end.as_deref(), Some("vendor-accepted"));
}

#[tokio::test]
async fn a_lane_that_backs_off_when_the_clock_is_corrected_waits_no_longer() {
    for kind in [
        VerdictKind::Unavailable(Scope::Credential),
        VerdictKind::Unavailable(Scope::Class),
        VerdictKind::RateLimited(Scope::Credential),
        VerdictKind::RateLimited(Scope::Class),
    ] {
        let (world, certificate) = world_ahead(5).await;
        let down =
            Verdict::new(kind, VendorAnswer::new(503, "x")).with_retry(Retry::After(20 * SECOND));
        for number in 0..4 {
            let down = Reply::Verdict(down.clone());
            world.plan.script(&format!("p{number}-token"), [down]);
            world.text(&format!("p{number}")).await;
        }
        let waiting = world.text("p4").await;
        assert_eq!(world.settled(waiting).await, None, "{kind:?}: it backs off");
        correct(&world);
        let until = |status| match status {
            LaneStatus::BackingOff { until, .. } => Some(until),
            _ => None,
        };
        let shown: Option<Timestamp> = until(world.status(certificate).await);
        let latest = START + 25 * SECOND;
        assert!(shown.is_some_and(|until| until <= latest), "{shown:?}");
        world.pass(MINUTE).await;
        let end = world.settled(waiting).await;
        assert_eq!(end.as_deref(), Some("vendor-accepted"), "{kind:?}");
        assert_eq!(world.depth().await, 0, "{kind:?}");
    }
}

#[tokio::test]
async fn a_suspended_credential_is_tried_in_time_when_the_clock_is_corrected() {
    let (world, certificate) = world_ahead(2).await;
    let refused = verdict(403, "x", VerdictKind::CredentialRefused);
    world.plan.script("p0-token", [refused]);
    world.text("p0").await;
    world.text("p1").await;
    assert!(world.suspended(certificate).await.is_some());
    correct(&world);
    let LaneStatus::Suspended {
        since, probe_at, ..
    } = world.status(certificate).await
    else {
        panic!("it is suspended");
    };
    assert!(since <= START + SECOND, "{since:?}");
    assert!(probe_at <= START + 40 * SECOND, "{probe_at:?}");
    world.pass(2 * MINUTE).await;
    assert_eq!(world.suspended(certificate).await, None);
    assert_eq!(world.depth().await, 0);
}

#[tokio::test]
async fn tokens_refused_before_and_after_the_clock_is_corrected_count_together() {
    let world = World::new(|settings| settings.guard_min = 2);
    let certificate = world.credential(json!({"max_batch": 1})).await;
    world.login("p0", certificate).await;
    world.login("p1", certificate).await;
    world.clock.jump_to(START + AHEAD);
    let other = VerdictKind::TokenUnusable(push_core::TokenFault::App);
    world.plan.always(verdict(400, "x", other));
    world.text("p0").await;
    correct(&world);
    world.text("p1").await;
    let cause = world.suspended(certificate).await;
    assert_eq!(cause, Some("most-tokens-refused"));
}

/// A step forward costs an attempt at most.
#[tokio::test]
async fn a_clock_that_is_set_forward_loses_nothing() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({"max_batch": 1})).await;
    for number in 0..4 {
        world.login(&format!("p{number}"), certificate).await;
    }
    let down = VerdictKind::Unavailable(Scope::Credential);
    for number in 0..4 {
        let who = format!("p{number}");
        let down = verdict(503, "x", down);
        world.plan.script(&format!("{who}-token"), [down]);
        world.text(&who).await;
    }
    world.clock.jump_to(START + AHEAD);
    world.pass(MINUTE).await;
    assert_eq!(world.depth().await, 0);
    assert!(world.plan.count() <= 12);
}

#[test]
fn the_advice_for_a_refused_credential_names_the_clock() {
    let reason = push_core::Reason::find("credential-refused").expect("a reason");
    assert!(reason.advice.contains("this server's clock"));
}

#[tokio::test]
async fn old_traces_are_pruned_also_after_a_clock_far_ahead_is_corrected() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let world = World::new(|_| {});
    world.clock.jump_to(START + 100 * DAY);
    world.calm().await;
    correct(&world);
    let message = MessageId::new("old").unwrap();
    let long_ago = world.clock.now() - 8 * DAY;
    let old = TraceEvent::new(app(), message.clone(), long_ago, Stage::Accepted);
    world.store.append(vec![old]).await.unwrap();
    // They are kept for seven days, and looked at every seven hours.
    world.pass(8 * 60 * MINUTE).await;
    let left = world.store.trace_of_message(&app(), &message).await;
    assert_eq!(left.unwrap(), []);
}
