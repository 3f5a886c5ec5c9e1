//! No end is forgotten before its trace is stored, and what the queue lost is reported after the next start.
use std::sync::{Arc, atomic::Ordering};

use push_core::{
    BuildContext, Cancel, DeliveryId, EndCause, MessageId, Presence, PresenceChange, Queue,
    RegistrationStore as _, RemovalCause, Removed, Stage, TraceStore as _,
};
use push_gateway::{Gateway, Settings};
use push_queue_memory::MemoryQueue;
use serde_json::json;

use crate::{DEAD, support::*};

#[tokio::test]
async fn the_trace_of_an_end_is_stored_before_the_queue_forgets_it() {
    for reply in [accepted(), verdict(410, "x", DEAD)] {
        let (world, fickle) = fickle_world();
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

fn fickle_world() -> (World, Arc<Fickle>) {
    let mut fickle = None;
    let world = World::with(
        |_| {},
        |queue| {
            let queue = Fickle::new(queue);
            fickle = Some(Arc::clone(&queue));
            queue
        },
    );
    (world, fickle.expect("it was built"))
}

/// A gateway whose vendor does not answer, with a queue that keeps what it removed, and a delivery to `a`.
async fn waiting() -> (World, Arc<Fickle>, MessageId, DeliveryId) {
    let (world, fickle) = fickle_world();
    let certificate = world.credential(json!({})).await;
    world.login("a", certificate).await;
    world.plan.always(Reply::Silence);
    let answer = world.submit(message("x", &["a"])).await;
    world.calm().await;
    (world, fickle, answer.message, answer.deliveries[0].id)
}

/// What a kick that was stored, and then cancelled in the queue, leaves behind if the gateway is killed in between.
async fn kick_without_a_gateway(world: &World) -> Cancel {
    let change = PresenceChange::new(user("a"), Presence::Offline, world.gateway.now());
    let mut change = change.on(device("a-phone"));
    change.because = Some(EndCause::Kicked);
    let set = world.store.set_presence(&app(), vec![change]).await;
    let ended = set.expect("the store works").ended;
    Cancel::Device {
        user: user("a"),
        device: device("a-phone"),
        slot: None,
        before: ended[0].revision,
    }
}

#[tokio::test]
async fn the_trace_of_a_cancelled_push_is_stored_before_the_queue_forgets_it() {
    for recalls in [true, false] {
        let (world, fickle, message, delivery) = waiting().await;
        fickle.hold_confirmations.store(true, Ordering::Relaxed);
        let gateway = world.gateway.clone();
        let cancel = tokio::spawn(async move {
            let gateway: &dyn push_core::Gateway = &gateway;
            if recalls {
                return gateway.recall(&app(), &message).await.map(drop);
            }
            let change = PresenceChange::new(user("a"), Presence::Offline, START);
            gateway
                .set_presence(&app(), vec![change.on(device("a-phone"))])
                .await
        });
        world.calm().await;
        assert_eq!(fickle.removed().len(), 1, "the queue has it");
        // As the store has it: the gateway would store what waits before it reads.
        let trace = world.store.trace_of_delivery(&app(), delivery).await;
        let trace = trace.expect("the store works");
        assert!(trace.iter().any(|event| event.stage == Stage::Settled));
        cancel.abort();
    }
}

#[tokio::test]
async fn a_confirmed_end_is_forgotten_by_the_queue() {
    let (world, fickle, message, delivery) = waiting().await;
    let count = push_core::Gateway::recall(&world.gateway, &app(), &message).await;
    assert_eq!(count.expect("the queue works"), 1);
    assert_eq!(fickle.removed().len(), 0);
    assert_eq!(world.settled(delivery).await.as_deref(), Some("recalled"));
}

#[tokio::test]
async fn what_was_cancelled_when_the_gateway_was_killed_is_explained_at_the_start() {
    for expected in ["recalled", "expired", "kicked"] {
        let (world, fickle, message, delivery) = waiting().await;
        let what = match expected {
            "kicked" => kick_without_a_gateway(&world).await,
            _ => Cancel::Message(message),
        };
        let gone = fickle.cancel(&app(), &what, 9).await;
        assert_eq!(gone.expect("the queue works").len(), 1);
        if expected == "expired" {
            fickle.removed()[0].0 = RemovalCause::Expired;
        }
        assert_eq!(world.settled(delivery).await, None);
        let queue: Arc<dyn Queue> = Arc::clone(&world.queue);
        for _ in 0..2 {
            let again = started_again(&world, Arc::clone(&queue)).await;
            assert_eq!(world.settled(delivery).await.as_deref(), Some(expected));
            assert_eq!(fickle.removed().len(), 0);
            assert_eq!(lost(&again), 0, "{expected}");
        }
    }
}

#[tokio::test]
async fn a_record_that_the_queue_moved_aside_settles_its_push_as_damaged() {
    let (world, fickle, message, delivery) = waiting().await;
    let gone = fickle.cancel(&app(), &Cancel::Message(message), 9).await;
    assert_eq!(gone.expect("the queue works").len(), 1);
    // As a queue moves aside what it cannot read: no more than its id and app are left.
    *fickle.removed() = vec![(RemovalCause::Damaged, Removed::new(delivery, app()))];
    world.pass(2 * MINUTE).await;
    assert_eq!(world.settled(delivery).await.as_deref(), Some("damaged"));
    assert_eq!(lost(&world.gateway), 1);
    assert_eq!(fickle.removed().len(), 0);
    let settled = world.trace(delivery).await.pop().expect("a trace");
    assert_eq!(settled.user, Some(user("a")));
    assert_eq!(settled.device, Some(device("a-phone")));
    let again = started_again(&world, Arc::clone(&world.queue)).await;
    assert_eq!(lost(&again), 0);
}

/// A record whose id is damaged is moved aside without a trace. The queue knows the message nevertheless.
#[tokio::test]
async fn what_a_queue_has_no_more_and_no_trace_explains_has_an_unknown_end() {
    let (world, fickle, message, delivery) = waiting().await;
    let still_there = world.submit(crate::support::message("x", &["a"])).await;
    world.calm().await;
    let gone = fickle.cancel(&app(), &Cancel::Message(message), 9).await;
    assert_eq!(gone.expect("the queue works").len(), 1);
    fickle.removed().clear();
    let again = started_again(&world, Arc::clone(&world.queue)).await;
    assert_eq!(lost(&again), 1);
    assert_eq!(
        world.settled(delivery).await.as_deref(),
        Some("end-unknown")
    );
    assert_eq!(world.settled(still_there.deliveries[0].id).await, None);
    let third = started_again(&world, Arc::clone(&world.queue)).await;
    assert_eq!(lost(&third), 0);
}

/// A recall may come between the look into the traces and the question to the queue.
#[tokio::test]
async fn what_is_removed_while_losses_are_sought_keeps_the_reason_of_its_removal() {
    let (world, fickle, message, delivery) = waiting().await;
    fickle
        .recalled_meanwhile
        .lock()
        .expect("no test panics while holding it")
        .push((app(), message));
    let again = started_again(&world, Arc::clone(&world.queue)).await;
    assert_eq!(world.settled(delivery).await.as_deref(), Some("recalled"));
    assert_eq!(lost(&again), 0);
    assert_eq!(fickle.removed().len(), 0);
}

#[tokio::test]
async fn a_queue_that_fails_is_asked_again_after_longer_and_longer_pauses() {
    const TICK: std::time::Duration = std::time::Duration::from_millis(1);
    let (world, fickle) = fickle_world();
    let certificate = world.credential(json!({})).await;
    world.login("a", certificate).await;
    fickle.failing_acks.store(3, Ordering::Relaxed);
    let acks = || fickle.acks.load(Ordering::Relaxed);
    world.text("a").await;
    for (asked, pause) in [(1, 100), (2, 200), (3, 400)] {
        assert_eq!(acks(), asked);
        world.pass(pause * TICK - TICK).await;
        assert_eq!(acks(), asked, "before {pause} ms");
        world.pass(TICK).await;
    }
    assert_eq!(acks(), 4);
    assert_eq!(world.depth().await, 0);
    assert_eq!(world.plan.count(), 1);
}

#[tokio::test]
async fn losses_of_an_app_without_any_credential_are_found() {
    let Accepted { world, waiting, .. } = accepted_by_a_gateway().await;
    for info in world.gateway.credentials(&app()).await.expect("a list") {
        let removed = world.gateway.remove_credential(&credential(info.id)).await;
        removed.expect("it is there");
    }
    let again = started_again(&world, empty_queue(&world)).await;
    assert_eq!(lost(&again), 5);
    for delivery in waiting {
        assert_eq!(world.settled(delivery).await.as_deref(), Some("lost"));
    }
}
