//! When a credential or a class waits entirely, and how it begins again.
use std::sync::Arc;

use push_core::{Retry, Scope, VendorAnswer, Verdict, VerdictKind};
use push_gateway::LaneStatus;
use serde_json::json;
use tokio::sync::Notify;

use crate::support::*;

#[tokio::test]
async fn a_credential_that_is_rate_limited_waits_as_a_whole() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("a", certificate).await;
    world.login("b", certificate).await;
    world.login("c", certificate).await;
    let limited = Verdict::new(
        VerdictKind::RateLimited(Scope::Credential),
        VendorAnswer::new(429, "QUOTA_EXCEEDED"),
    )
    .with_retry(Retry::After(MINUTE));
    for who in ["a", "b"] {
        let limited = Reply::Verdict(limited.clone());
        world.plan.script(&format!("{who}-token"), [limited]);
    }
    let first = world.text("a").await;
    // One token is no evidence about the others.
    assert_eq!(world.status(certificate).await, LaneStatus::Open);
    let second = world.text("b").await;
    let status = world.status(certificate).await;
    assert!(
        matches!(status, LaneStatus::BackingOff { until, reason: "rate-limited", .. } if until >= START + MINUTE),
        "{status:?}"
    );
    let third = world.text("c").await;
    assert_eq!(world.plan.count(), 2);
    world.pass(MINUTE + 2 * SECOND).await;
    for delivery in [first, second, third] {
        let end = world.settled(delivery).await;
        assert_eq!(end.as_deref(), Some("vendor-accepted"));
    }
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
    // As many at a time as before the outage.
    let before = world.plan.count();
    world.plan.always(Reply::Silence);
    world.submit(message("y", &names)).await;
    world.calm().await;
    assert_eq!(world.plan.count() - before, 300);
}

#[tokio::test]
async fn the_window_is_small_after_an_outage_and_grows_while_pushes_are_accepted() {
    let world = World::new(|settings| settings.in_flight = 100);
    let certificate = world.credential(json!({"max_batch": 1})).await;
    let people: Vec<String> = (0..300).map(|number| format!("p{number}")).collect();
    for who in &people {
        world.login(who, certificate).await;
    }
    let names: Vec<&str> = people.iter().map(String::as_str).collect();
    let down = VerdictKind::Unavailable(Scope::Credential);
    world.plan.always(verdict(503, "x", down));
    world.submit(message("x", &names[..60])).await;
    world.calm().await;
    let status = world.status(certificate).await;
    assert!(matches!(status, LaneStatus::BackingOff { .. }));
    // Answers are held back, so that what is under way can be counted.
    let release = Arc::new(Notify::new());
    let held = Verdict::accepted(VendorAnswer::new(200, ""));
    world.plan.always(Reply::Held(Arc::clone(&release), held));
    world.submit(message("y", &names)).await;
    let mut sent = world.plan.count();
    world.pass(2 * SECOND).await;
    let mut windows = Vec::new();
    while world.depth().await > 0 {
        windows.push(world.plan.count() - sent);
        sent = world.plan.count();
        release.notify_waiters();
        world.calm().await;
        assert!(windows.len() < 50, "{windows:?}");
    }
    assert_eq!(windows[0], 16);
    assert!(windows[1] >= 32, "{windows:?}");
    assert_eq!(windows.iter().max(), Some(&100), "{windows:?}");
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
    let advert = |who: &str| message("sale", &[who]).with_class(push_core::Class::MARKETING);
    for who in ["a", "c"] {
        world.login(who, certificate).await;
        let limited = Reply::Verdict(limited.clone());
        world.plan.script(&format!("{who}-token"), [limited]);
        world.submit(advert(who)).await;
        world.calm().await;
    }
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
