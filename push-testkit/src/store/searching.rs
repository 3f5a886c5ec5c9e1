//! Searches of traces by user, device, message and time.
#![allow(missing_docs)] // The names say it all.
use std::sync::Arc;

use push_core::{Cursor, DeliveryId, ErrorKind, Stage, Store, TraceEvent, TraceQuery};

use super::{
    StoreKit,
    fixtures::{Dice, app, at, device, message, user},
    traces::{append, event},
};
use crate::{place::together, sample::NOW};

/// All events that `query` selects, in pages of `limit`.
async fn find(store: &Arc<dyn Store>, query: &TraceQuery, limit: usize) -> Vec<TraceEvent> {
    let mut all = Vec::new();
    let mut after = None;
    for _ in 0..100_000 {
        let page = store
            .find(&app("im"), query, after, limit)
            .await
            .expect("finds events");
        assert!(page.items.len() <= limit);
        all.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
    panic!("the pages do not come to an end");
}

/// What `query` selects of `events`, which are in the order they were appended: newest first.
fn selected(events: &[TraceEvent], query: &TraceQuery) -> Vec<TraceEvent> {
    let chosen = events.iter().rev().filter(|event| query.selects(event));
    let mut chosen: Vec<_> = chosen.cloned().collect();
    chosen.sort_by_key(|event| std::cmp::Reverse(event.at));
    chosen
}

pub async fn events_are_found_newest_first(kit: StoreKit) {
    let events: Vec<_> = [3, 1, 2, 1, 3]
        .into_iter()
        .zip(Stage::ALL)
        .map(|(second, stage)| event("m1", at(second), *stage))
        .collect();
    append(&kit, events.clone()).await;
    let mut other = event("m1", at(9), Stage::Accepted);
    other.app = app("other");
    append(&kit, vec![other]).await;
    let expected = [4, 0, 2, 3, 1].map(|place| events[place].clone());
    for limit in [1, 2, 5, 6, usize::MAX] {
        let found = find(&kit.store, &TraceQuery::all(), limit).await;
        assert_eq!(found, expected, "in pages of {limit}");
    }
}

pub async fn events_are_found_by_whatever_is_asked_for(kit: StoreKit) {
    let mut dice = Dice(5);
    let ids = ["a", "b", "c"];
    let mut events = Vec::new();
    for _ in 0..300 {
        let mut one = event(
            ["m1", "m2", "m3"][dice.roll(3)],
            at(dice.roll(20) as i64),
            Stage::ALL[dice.roll(Stage::ALL.len())],
        );
        one.user = ids.get(dice.roll(4)).map(|id| user(id));
        one.device = ids.get(dice.roll(4)).map(|id| device(id));
        one.delivery = (dice.roll(2) == 0).then(|| DeliveryId::new(NOW));
        events.push(one);
    }
    for part in events.chunks(37) {
        append(&kit, part.to_vec()).await;
    }
    for _ in 0..100 {
        let from = dice.roll(20) as i64;
        let query = TraceQuery::default()
            .with_user(ids.get(dice.roll(6)).map(|id| user(id)))
            .with_device(ids.get(dice.roll(6)).map(|id| device(id)))
            .with_message(["m1", "m2", "none"].get(dice.roll(6)).map(|id| message(id)))
            .with_from((dice.roll(2) == 0).then(|| at(from)))
            .with_until((dice.roll(2) == 0).then(|| at(from + dice.roll(10) as i64)));
        let limit = 1 + dice.roll(40);
        let found = find(&kit.store, &query, limit).await;
        assert_eq!(
            found,
            selected(&events, &query),
            "{query:?}, pages of {limit}"
        );
    }
}

pub async fn new_events_do_not_disturb_the_pages_of_a_search(kit: StoreKit) {
    let before: Vec<_> = (0..50)
        .map(|second| event("m1", at(second), Stage::Attempt))
        .collect();
    append(&kit, before.clone()).await;
    let first = kit
        .store
        .find(&app("im"), &TraceQuery::all(), None, 20)
        .await
        .expect("finds events");
    together((0..10).map(|_| {
        let store = Arc::clone(&kit.store);
        async move {
            let later = vec![event("m1", at(100), Stage::Accepted); 5];
            store.append(later).await.expect("appends");
        }
    }))
    .await;
    // What is older than the first page is pruned: it does not come, and nothing else is lost.
    kit.store.prune_traces(at(10)).await.expect("prunes");
    let rest = kit
        .store
        .find(&app("im"), &TraceQuery::all(), first.next, 100)
        .await
        .expect("finds events");
    let seconds = |events: &[TraceEvent]| -> Vec<i64> {
        let seconds = events.iter();
        seconds
            .map(|event| event.at.unix_seconds() - NOW.unix_seconds())
            .collect()
    };
    assert_eq!(seconds(&first.items), (30..50).rev().collect::<Vec<_>>());
    assert_eq!(seconds(&rest.items), (10..30).rev().collect::<Vec<_>>());
    assert_eq!(rest.next, None);
}

pub async fn a_few_among_many_events_are_found(kit: StoreKit) {
    // More than a store may look at for one page.
    for hundred in 0..210 {
        let events = (0..100).map(|number| {
            let mut one = event("m1", at(hundred * 100 + number), Stage::Attempt);
            one.user = Some(user("alice"));
            if number == 50 && hundred % 100 == 3 {
                one.message = message("m2");
            }
            one
        });
        append(&kit, events.collect()).await;
    }
    let query = TraceQuery::default()
        .with_user(user("alice"))
        .with_message(message("m2"));
    let found = find(&kit.store, &query, 10).await;
    let times: Vec<_> = found.iter().map(|event| event.at).collect();
    assert_eq!(times, [at(20_350), at(10_350), at(350)]);
}

pub async fn a_search_that_cannot_be_right_is_refused(kit: StoreKit) {
    append(&kit, vec![event("m1", NOW, Stage::Accepted)]).await;
    for (after, limit) in [
        (None, 0),
        (Some(Cursor::new("")), 5),
        (Some(Cursor::new("position:1")), 5),
        (Some(Cursor::new("event:1")), 5),
    ] {
        let error = kit
            .store
            .find(&app("im"), &TraceQuery::all(), after, limit)
            .await
            .expect_err("it cannot be right");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}
