//! Traces.
#![allow(missing_docs)] // The names say it all.
use std::{borrow::Cow, sync::Arc};

use push_core::{Channel, DeliveryId, Stage, TRACE_LIMIT, Timestamp, TraceEvent, VendorAnswer};

use super::{
    StoreKit,
    fixtures::{app, at, certificate, device, message, user},
};
use crate::{place::together, sample::NOW};

pub(super) fn event(of: &str, when: Timestamp, stage: Stage) -> TraceEvent {
    TraceEvent::new(app("im"), message(of), when, stage)
}

pub(super) async fn append(kit: &StoreKit, events: Vec<TraceEvent>) {
    kit.store.append(events).await.expect("appends");
}

pub(super) async fn of_message(kit: &StoreKit, of: &str) -> Vec<TraceEvent> {
    kit.store
        .trace_of_message(&app("im"), &message(of))
        .await
        .expect("finds a trace")
}

pub(super) async fn of_delivery(kit: &StoreKit, of: DeliveryId) -> Vec<TraceEvent> {
    kit.store
        .trace_of_delivery(&app("im"), of)
        .await
        .expect("finds a trace")
}

pub async fn the_trace_of_a_message_has_all_its_events(kit: StoreKit) {
    let mut other = event("m1", at(2), Stage::Queued);
    other.delivery = Some(DeliveryId::new(NOW));
    let events = vec![
        event("m1", at(1), Stage::Accepted),
        other,
        event("m1", at(3), Stage::Answered),
    ];
    append(&kit, events.clone()).await;
    append(&kit, vec![event("m2", at(1), Stage::Accepted)]).await;
    append(&kit, Vec::new()).await;
    assert_eq!(of_message(&kit, "m1").await, events);
}

pub async fn a_trace_is_returned_oldest_first(kit: StoreKit) {
    let id = DeliveryId::new(NOW);
    let stages = [Stage::Answered, Stage::Accepted, Stage::Queued];
    for (second, stage) in [3, 1, 2].into_iter().zip(stages) {
        let mut it = event("m1", at(second), stage);
        it.delivery = Some(id);
        append(&kit, vec![it]).await;
    }
    let expected = [Stage::Accepted, Stage::Queued, Stage::Answered];
    for found in [of_message(&kit, "m1").await, of_delivery(&kit, id).await] {
        let stages: Vec<_> = found.iter().map(|event| event.stage).collect();
        assert_eq!(stages, expected);
    }
}

pub async fn events_of_one_moment_stay_in_their_order(kit: StoreKit) {
    let mut events: Vec<_> = Stage::ALL
        .iter()
        .rev()
        .map(|stage| event("m1", NOW, *stage))
        .collect();
    for event in &mut events {
        event.delivery = Some(DeliveryId::new(at(7)));
    }
    let (first, second) = events.split_at(3);
    append(&kit, first.to_vec()).await;
    append(&kit, second.to_vec()).await;
    assert_eq!(of_message(&kit, "m1").await, events);
}

pub async fn the_trace_of_a_delivery_leaves_the_others_out(kit: StoreKit) {
    let (mine, other) = (DeliveryId::new(NOW), DeliveryId::new(NOW));
    let of = |id, of: &str, on: &str, second, stage| {
        event("m1", at(second), stage)
            .with_delivery(id)
            .with_user(user(of))
            .with_device(device(on))
    };
    append(
        &kit,
        vec![
            event("m1", at(1), Stage::Accepted),
            of(None, "alice", "phone", 2, Stage::Decided),
            of(None, "bob", "tablet", 2, Stage::Decided),
            of(None, "alice", "watch", 2, Stage::Decided),
            of(Some(mine), "alice", "phone", 3, Stage::Queued),
            of(Some(other), "bob", "tablet", 3, Stage::Queued),
            of(Some(mine), "alice", "phone", 4, Stage::Answered),
            event("m2", at(5), Stage::Accepted),
        ],
    )
    .await;
    let found: Vec<_> = of_delivery(&kit, mine)
        .await
        .into_iter()
        .map(|event| (event.stage, event.delivery))
        .collect();
    assert_eq!(
        found,
        [
            (Stage::Accepted, None),
            (Stage::Decided, None),
            (Stage::Queued, Some(mine)),
            (Stage::Answered, Some(mine)),
        ]
    );
    assert_eq!(of_message(&kit, "m1").await.len(), 7);
}

pub async fn everything_in_an_event_comes_back(kit: StoreKit) {
    let full = event("m1", Timestamp::from_unix_millis(1), Stage::Settled)
        .with_delivery(DeliveryId::new(NOW))
        .with_user(user("alice"))
        .with_device(device("phone"))
        .with_channel(Channel::HARMONY)
        .with_certificate(certificate(i64::from(u32::MAX)))
        .with_reason(Cow::Borrowed("token-dead"))
        .with_attempt(u32::MAX)
        .with_token("0123456789abcdef".to_owned())
        .with_answer(Arc::new(
            VendorAnswer::new(410, "Unregistered")
                .with_text("\"gone\" – 走了")
                .with_request_id("r-1"),
        ));
    append(&kit, vec![full.clone()]).await;
    assert_eq!(of_message(&kit, "m1").await, [full]);
}

pub async fn what_is_unknown_has_no_trace(kit: StoreKit) {
    append(&kit, vec![event("m1", NOW, Stage::Accepted)]).await;
    assert_eq!(of_message(&kit, "m2").await, []);
    assert_eq!(of_delivery(&kit, DeliveryId::new(NOW)).await, []);
}

pub async fn old_events_are_pruned(kit: StoreKit) {
    append(
        &kit,
        vec![
            event("m1", at(10), Stage::Accepted),
            event("m1", at(20), Stage::Queued),
            event("m2", at(5), Stage::Accepted),
            event("m1", at(9), Stage::Decided),
        ],
    )
    .await;
    let prune = async || kit.store.prune_traces(at(10)).await.expect("prunes");
    assert_eq!(prune().await, 2);
    assert_eq!(prune().await, 0);
    let left: Vec<_> = of_message(&kit, "m1").await;
    let left: Vec<_> = left.iter().map(|event| event.at).collect();
    assert_eq!(left, [at(10), at(20)]);
    assert_eq!(of_message(&kit, "m2").await, []);
}

pub async fn the_apps_that_have_traces_are_known(kit: StoreKit) {
    let of = |app_id: &str| event("m1", at(10), Stage::Accepted).with_app(app(app_id));
    let apps = async || kit.store.traced_apps().await.expect("lists apps");
    assert_eq!(apps().await, []);
    append(&kit, vec![of("im"), of("b"), of("im"), of("a")]).await;
    let mut found = apps().await;
    found.sort();
    // A store need not know.
    let expected = ["a", "b", "im"].map(app);
    assert!(found.is_empty() || found == expected, "{found:?}");
    kit.store.prune_traces(at(11)).await.expect("prunes");
    assert_eq!(apps().await, []);
}

pub async fn a_trace_has_an_end(kit: StoreKit) {
    let id = DeliveryId::new(NOW);
    let many: Vec<_> = (0..3007)
        .map(|it| event("m1", at(it), Stage::Attempt).with_delivery((it % 2 == 0).then_some(id)))
        .collect();
    append(&kit, many.clone()).await;
    assert_eq!(of_message(&kit, "m1").await.len(), 3007);
    for _ in 0..4 {
        append(&kit, many.clone()).await;
    }
    for found in [of_message(&kit, "m1").await, of_delivery(&kit, id).await] {
        assert_eq!(found.len(), TRACE_LIMIT);
        assert_eq!(found[0].at, at(0), "the oldest are returned");
    }
}

pub async fn the_traces_of_two_apps_never_mix(kit: StoreKit) {
    let id = DeliveryId::new(NOW);
    let here = event("m1", NOW, Stage::Queued).with_delivery(id);
    let there = here
        .clone()
        .with_app(app("other"))
        .with_reason(Cow::Borrowed("elsewhere"));
    append(&kit, vec![here.clone(), there.clone()]).await;
    assert_eq!(of_message(&kit, "m1").await, std::slice::from_ref(&here));
    assert_eq!(of_delivery(&kit, id).await, [here]);
    let other = app("other");
    let found = kit.store.trace_of_delivery(&other, id).await;
    assert_eq!(found.expect("finds a trace"), std::slice::from_ref(&there));
    let found = kit.store.trace_of_message(&other, &message("m1")).await;
    assert_eq!(found.expect("finds a trace"), [there]);
}

pub async fn events_appended_at_once_are_all_there(kit: StoreKit) {
    together((0..50).map(|it| {
        let store = Arc::clone(&kit.store);
        async move {
            let events = vec![event("m1", at(it), Stage::Attempt); 10];
            store.append(events).await.expect("appends");
        }
    }))
    .await;
    let found = of_message(&kit, "m1").await;
    assert_eq!(found.len(), 500);
    assert!(found.is_sorted_by_key(|event| event.at));
}
