//! No end is forgotten before its trace is stored, and what the queue lost is reported after the next start.
use std::sync::{Arc, atomic::Ordering};

use push_core::{BuildContext, DeliveryId, Queue, Stage, TraceStore as _};
use push_gateway::{Gateway, Settings};
use push_queue_memory::MemoryQueue;
use serde_json::json;

use crate::{DEAD, support::*};

#[tokio::test]
async fn the_trace_of_an_end_is_stored_before_the_queue_forgets_it() {
    for reply in [accepted(), verdict(410, "x", DEAD)] {
        let mut fickle = None;
        let world = World::with(
            |_| {},
            |queue| {
                let queue = Fickle::new(queue);
                fickle = Some(Arc::clone(&queue));
                queue
            },
        );
        let fickle = fickle.expect("it was built");
        let certificate = world.credential(json!({})).await;
        world.login("a", certificate).await;
        world.plan.always(reply);
        fickle.hold_acks.store(true, Ordering::Relaxed);
        let delivery = world.text("a").await;
        assert_eq!(world.depth().await, 1, "the queue has it");
        // As the store has it: the gateway would store what waits before it reads.
        let trace = world.store.trace_of_delivery(&app(), delivery).await;
        let trace = trace.expect("the store works");
        assert!(trace.iter().any(|event| event.stage == Stage::Settled));
    }
}

/// Another gateway after the first one was killed, with the same store.
async fn started_again(world: &World, queue: Arc<dyn Queue>) -> Gateway {
    world.clock.advance(SECOND);
    let gateway = gateway(&world.clock, &world.store, &queue, Settings::default());
    gateway.start().await.expect("the key is right");
    world.calm().await;
    gateway
}

fn empty_queue(world: &World) -> Arc<dyn Queue> {
    let context = BuildContext::new(Arc::new(world.clock.clone()));
    Arc::new(MemoryQueue::new(Default::default(), &context))
}

fn lost(gateway: &Gateway) -> u64 {
    let metrics = gateway.metrics();
    let of_losses = metrics
        .iter()
        .filter(|(series, _)| series.name == "offline_push_lost_total");
    of_losses.map(|(_, count)| count).sum()
}

/// A gateway whose vendor does not answer, and what it accepted: deliveries that wait, and such that ended.
struct Accepted {
    world: World,
    waiting: Vec<DeliveryId>,
    ended: Vec<(DeliveryId, &'static str)>,
}

async fn accepted_by_a_gateway() -> Accepted {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({"max_batch": 1})).await;
    for who in ["a", "b", "gone"] {
        world.login(who, certificate).await;
    }
    let arrived = world.text("a").await;
    world.plan.script("gone-token", [verdict(410, "x", DEAD)]);
    let dead = world.text("gone").await;
    world.plan.always(Reply::Silence);
    let recalled = world.submit(message("x", &["a"])).await;
    world.calm().await;
    let count = push_core::Gateway::recall(&world.gateway, &app(), &recalled.message).await;
    assert_eq!(count.expect("the queue works"), 1);
    let mut waiting = Vec::new();
    for _ in 0..4 {
        waiting.push(world.text("a").await);
    }
    // One message to several, of which one is done.
    world.plan.script("b-token", [accepted()]);
    let group = world.submit(message("x", &["a", "b"])).await;
    world.calm().await;
    let mut ended = vec![
        (arrived, "vendor-accepted"),
        (dead, "token-dead"),
        (recalled.deliveries[0].id, "recalled"),
    ];
    for delivery in group.deliveries {
        match delivery.user == Some(user("a")) {
            true => waiting.push(delivery.id),
            false => ended.push((delivery.id, "vendor-accepted")),
        }
    }
    for (delivery, reason) in &ended {
        assert_eq!(world.settled(*delivery).await.as_deref(), Some(*reason));
    }
    Accepted {
        world,
        waiting,
        ended,
    }
}

#[tokio::test]
async fn what_a_replaced_queue_no_longer_has_is_counted_and_explained_once() {
    let Accepted {
        world,
        waiting,
        ended,
    } = accepted_by_a_gateway().await;
    let queue = empty_queue(&world);
    let again = started_again(&world, Arc::clone(&queue)).await;
    assert_eq!(lost(&again), 5);
    for delivery in &waiting {
        assert_eq!(world.settled(*delivery).await.as_deref(), Some("lost"));
    }
    for (delivery, reason) in &ended {
        assert_eq!(world.settled(*delivery).await.as_deref(), Some(*reason));
    }
    let third = started_again(&world, queue).await;
    assert_eq!(lost(&third), 0);
    for delivery in waiting {
        assert_eq!(world.settled(delivery).await.as_deref(), Some("lost"));
    }
}

#[tokio::test]
async fn a_restart_with_the_same_queue_loses_nothing() {
    let Accepted { world, waiting, .. } = accepted_by_a_gateway().await;
    let again = started_again(&world, Arc::clone(&world.queue)).await;
    assert_eq!(lost(&again), 0);
    for delivery in waiting {
        assert_eq!(world.settled(delivery).await, None);
    }
}

#[tokio::test]
async fn what_expired_in_the_queue_is_not_lost() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("a", certificate).await;
    world.plan.always(Reply::Silence);
    let answer = world.submit(with_ttl(message("x", &["a"]), 60)).await;
    world.calm().await;
    world.clock.advance(120 * MINUTE);
    let again = started_again(&world, Arc::clone(&world.queue)).await;
    assert_eq!(lost(&again), 0);
    let trace = world.trace(answer.deliveries[0].id).await;
    let reasons: Vec<_> = trace
        .iter()
        .filter_map(|event| event.reason.clone())
        .collect();
    assert!(
        reasons.iter().any(|reason| reason == "expired"),
        "{reasons:?}"
    );
    assert!(!reasons.iter().any(|reason| reason == "lost"));
}

/// A queue forgets messages after a day: of what is older nothing is concluded.
#[tokio::test]
async fn what_a_queue_may_have_forgotten_is_not_called_lost() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("a", certificate).await;
    world.plan.always(Reply::Silence);
    let old = world.text("a").await;
    world.clock.advance(23 * 60 * MINUTE);
    let young = world.text("a").await;
    let again = started_again(&world, empty_queue(&world)).await;
    assert_eq!(lost(&again), 1);
    assert_ne!(world.settled(old).await.as_deref(), Some("lost"));
    assert_eq!(world.settled(young).await.as_deref(), Some("lost"));
}

/// More than one page of events, and more than one app's messages in a page.
#[tokio::test]
async fn losses_are_found_among_thousands_of_events() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({"max_batch": 100})).await;
    let people: Vec<String> = (0..700).map(|number| format!("p{number}")).collect();
    for who in &people {
        world.login(who, certificate).await;
    }
    let names: Vec<&str> = people.iter().map(String::as_str).collect();
    for _ in 0..2 {
        world.submit(message("x", &names)).await;
        world.calm().await;
    }
    assert_eq!(world.depth().await, 0);
    world.plan.always(Reply::Silence);
    world.submit(message("x", &names[..3])).await;
    world.calm().await;
    let again = started_again(&world, empty_queue(&world)).await;
    assert_eq!(lost(&again), 3);
}
