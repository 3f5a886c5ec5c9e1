//! Counters of verdicts, of what is done, and of what is damaged.
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use push_core::{EndCause, Scope, TokenFault, VerdictKind};
use serde_json::json;

use crate::{DEAD, support::*};

/// The values of a counter by its last label, of the app and channel.
fn counts(world: &World, name: &str) -> BTreeMap<String, u64> {
    let all = world.gateway.metrics();
    all.into_iter()
        .filter(|(series, _)| series.name == name)
        .map(|(series, count)| {
            let label = |name: &str| {
                let label = series.labels.iter().find(|(label, _)| *label == name);
                label.map_or("", |(_, value)| value.as_str())
            };
            let is_of_channel = series.labels.iter().any(|(label, _)| *label == "channel");
            assert!(!is_of_channel || label("app") == "chat");
            let last = series.labels.last().expect("a label");
            (last.1.clone(), count)
        })
        .collect()
}

fn expected(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
    counts
        .iter()
        .map(|(label, count)| ((*label).to_owned(), *count))
        .collect()
}

#[tokio::test]
async fn every_verdict_and_every_end_is_counted_once() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    let dead = VerdictKind::TokenDead {
        since: Some(START + SECOND),
    };
    let answers = [
        ("a", None),
        ("b", None),
        ("c", Some(dead)),
        ("d", Some(VerdictKind::PayloadRefused)),
        ("e", Some(VerdictKind::TokenUnusable(TokenFault::Muted))),
        ("f", Some(VerdictKind::TargetRefused)),
        ("g", Some(VerdictKind::Unavailable(Scope::Token))),
    ];
    for (who, kind) in answers {
        world.login(who, certificate).await;
        let replies = kind.map(|kind| verdict(400, "x", kind));
        world.plan.script(&format!("{who}-token"), replies);
    }
    world
        .submit(message("x", &answers.map(|(who, _)| who)))
        .await;
    world.calm().await;
    assert_eq!(
        counts(&world, "offline_push_verdicts_total"),
        expected(&[
            ("accepted", 2),
            ("token-dead", 1),
            ("payload-refused", 1),
            ("token-muted", 1),
            ("target-refused", 1),
            ("unavailable", 1),
        ])
    );
    let mut settled = vec![
        ("vendor-accepted", 2),
        ("token-dead", 1),
        ("payload-refused", 1),
        ("token-muted", 1),
        ("target-refused", 1),
    ];
    assert_eq!(
        counts(&world, "offline_push_settled_total"),
        expected(&settled)
    );
    // The one that was unavailable is accepted later: another verdict, and its only end.
    world.pass(MINUTE).await;
    settled[0].1 = 3;
    assert_eq!(
        counts(&world, "offline_push_settled_total"),
        expected(&settled)
    );
    let verdicts = counts(&world, "offline_push_verdicts_total");
    assert_eq!(verdicts["accepted"], 3);
}

#[tokio::test]
async fn what_ends_without_a_verdict_is_counted_as_settled_alone() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    for who in ["proves", "expires", "leaves", "recalled"] {
        world.login(who, certificate).await;
    }
    world.text("proves").await;
    let refused = verdict(403, "x", VerdictKind::CredentialRefused);
    world.plan.always(refused);
    let mut recalled = message("x", &["recalled"]);
    recalled.id = push_core::MessageId::new("recalled").expect("an id");
    world
        .submit(with_ttl(message("x", &["expires"]), 100))
        .await;
    world.submit(message("x", &["leaves"])).await;
    world.submit(recalled.clone()).await;
    world.pass(SECOND).await;
    push_core::Gateway::recall(&world.gateway, &app(), &recalled.id)
        .await
        .expect("recalls");
    world
        .gateway
        .unregister(
            &app(),
            &user("leaves"),
            &device("leaves-phone"),
            None,
            EndCause::LoggedOut,
        )
        .await
        .expect("unregisters");
    world.pass(5 * MINUTE).await;
    let settled = counts(&world, "offline_push_settled_total");
    let ends = [
        ("vendor-accepted", 1),
        ("expired", 1),
        ("recalled", 1),
        ("logged-out", 1),
    ];
    assert_eq!(settled, expected(&ends));
    let verdicts = counts(&world, "offline_push_verdicts_total");
    let kinds: Vec<_> = verdicts.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["accepted", "credential-refused"]);
}

#[tokio::test]
async fn dead_tokens_of_a_doubted_credential_are_counted_by_what_was_done() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("a", certificate).await;
    world.plan.always(verdict(404, "x", DEAD));
    world.text("a").await;
    let settled = counts(&world, "offline_push_settled_total");
    assert_eq!(settled, expected(&[("token-suspect", 1)]));
    let verdicts = counts(&world, "offline_push_verdicts_total");
    assert_eq!(verdicts, expected(&[("token-dead", 1)]));
}

#[tokio::test]
async fn damaged_deliveries_are_counted_when_the_queue_finds_them() {
    let mut fickle = None;
    let world = World::with(
        |settings| settings.sweep = MINUTE,
        |queue| {
            let queue = Fickle::new(queue);
            fickle = Some(Arc::clone(&queue));
            queue
        },
    );
    let fickle = fickle.expect("it was wrapped");
    world.calm().await;
    for count in [3, 3, 8] {
        fickle.damaged.store(count, Ordering::Relaxed);
        world.pass(MINUTE).await;
        let damaged = counts(&world, "offline_push_damaged_total");
        assert_eq!(damaged, expected(&[("queue", count)]));
    }
}
