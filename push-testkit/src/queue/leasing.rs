//! Leasing, acknowledging, giving back.
#![allow(missing_docs)] // The names say it all.
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use push_core::{Delivery, LeaseId, Return, Timestamp};

use super::{
    QueueKit,
    fixtures::{HOLD, at, delivery, lane, users},
};
use crate::{place::together, sample::NOW};

pub async fn the_oldest_due_is_leased_first(kit: QueueKit) {
    let of = |to: &str, second| Delivery {
        created_at: at(second),
        ..delivery("m1", to)
    };
    kit.clock.advance(Duration::from_secs(100));
    kit.put_new(vec![of("late", 30), of("early", 10)]).await;
    kit.put_new(vec![of("middle", 20), of("early-too", 10)])
        .await;
    let leased = kit.lease(10, at(100)).await;
    assert_eq!(users(&leased), ["early", "early-too", "middle", "late"]);
    // What was given back takes its place by its new time.
    for (it, second) in leased.iter().zip([205, 202, 207, 203]) {
        kit.nack(it, at(second), true).await;
    }
    let again = kit.lease(10, at(206)).await;
    assert_eq!(users(&again), ["early-too", "late", "early"]);
}

pub async fn no_more_than_the_limit_are_leased(kit: QueueKit) {
    kit.put_new((0..5).map(|it| delivery("m1", &format!("u{it}"))).collect())
        .await;
    assert!(kit.lease(0, NOW).await.is_empty());
    assert_eq!(users(&kit.lease(2, NOW).await), ["u0", "u1"]);
    assert_eq!(users(&kit.lease(2, NOW).await), ["u2", "u3"]);
    assert_eq!(users(&kit.lease(2, NOW).await), ["u4"]);
    assert!(kit.lease(2, NOW).await.is_empty());
}

pub async fn what_is_held_is_not_leased_again(kit: QueueKit) {
    kit.put_new(vec![delivery("m1", "alice")]).await;
    let leased = kit.lease(10, NOW).await;
    let just_before = Timestamp::from_unix_millis((NOW + HOLD).unix_millis() - 1);
    assert!(kit.lease(10, just_before).await.is_empty());
    assert_eq!(kit.ack(&leased).await, 1);
    assert!(kit.lease(10, NOW + HOLD).await.is_empty());
}

pub async fn what_was_held_too_long_is_due_again(kit: QueueKit) {
    let put = delivery("m1", "alice");
    kit.put_new(vec![put.clone()]).await;
    for attempt in 1..=3 {
        let now = NOW + HOLD * (attempt - 1);
        let leased = kit.lease(10, now).await;
        assert_eq!(leased.len(), 1);
        assert_eq!(leased[0].attempt, attempt);
        assert_eq!(leased[0].delivery, put, "its id is the same");
    }
}

pub async fn a_lost_lease_does_nothing(kit: QueueKit) {
    kit.put_new(vec![delivery("m1", "alice")]).await;
    let lost = kit.lease(10, NOW).await;
    let held = kit.lease(10, NOW + HOLD).await;
    assert_ne!(lost[0].id, held[0].id);
    assert_eq!(kit.ack(&lost).await, 0);
    assert_eq!(kit.nack(&lost[0], NOW, false).await, 0);
    assert!(kit.lease(10, NOW + HOLD).await.is_empty(), "it is held");
    assert_eq!(kit.ack(&held).await, 1);
    assert_eq!(kit.lanes().await, []);
}

pub async fn what_is_acknowledged_is_done(kit: QueueKit) {
    kit.put_new(vec![delivery("m1", "alice"), delivery("m1", "bob")])
        .await;
    let leased = kit.lease(10, NOW).await;
    assert_eq!(kit.ack(&leased[..1]).await, 1);
    assert_eq!(
        kit.ack(&leased).await,
        1,
        "the first one is done already, its neighbour is not"
    );
    assert_eq!(kit.ack(&leased).await, 0);
    assert!(kit.lease(10, at(86_400)).await.is_empty());
}

pub async fn a_lease_that_never_was_does_nothing(kit: QueueKit) {
    kit.put_new(vec![delivery("m1", "alice")]).await;
    let odd: Vec<_> = [i64::MIN, -1, 0, 1, i64::MAX].map(LeaseId).to_vec();
    assert_eq!(kit.ack_ids(odd.clone()).await, 0);
    let back = odd.iter().map(|it| Return {
        lease: *it,
        due: NOW,
        attempted: false,
    });
    let done = kit.queue.nack(back.collect()).await.expect("gives back");
    assert_eq!(done, 0);
    assert_eq!(kit.ack_ids(Vec::new()).await, 0);
    assert_eq!(kit.queue.nack(Vec::new()).await.expect("gives back"), 0);
    let leased = kit.lease(10, NOW).await;
    assert_eq!(leased[0].attempt, 1);
    // The same lease twice in one call is one lease.
    assert_eq!(kit.ack_ids(vec![leased[0].id, leased[0].id]).await, 1);
}

pub async fn what_is_given_back_waits_for_its_time(kit: QueueKit) {
    kit.put_new(vec![delivery("m1", "alice"), delivery("m1", "bob")])
        .await;
    let leased = kit.lease(10, NOW).await;
    let back = leased.iter().zip([60, 90]).map(|(it, second)| Return {
        lease: it.id,
        due: at(second),
        attempted: true,
    });
    let done = kit.queue.nack(back.collect()).await.expect("gives back");
    assert_eq!(done, 2);
    assert!(kit.lease(10, at(59)).await.is_empty());
    let first = kit.lease(10, at(60)).await;
    assert_eq!(users(&first), ["alice"]);
    assert_eq!(first[0].attempt, 2);
    assert!(kit.lease(10, at(89)).await.is_empty());
    kit.ack(&first).await;
    assert_eq!(users(&kit.lease(10, at(90)).await), ["bob"]);
}

pub async fn an_attempt_that_never_was_does_not_count(kit: QueueKit) {
    kit.put_new(vec![delivery("m1", "alice")]).await;
    let attempts = async |attempted| {
        let leased = kit.lease(10, NOW).await;
        assert_eq!(kit.nack(&leased[0], NOW, attempted).await, 1);
        leased[0].attempt
    };
    let mut seen = Vec::new();
    for attempted in [false, false, true, false, true, true] {
        seen.push(attempts(attempted).await);
    }
    assert_eq!(seen, [1, 1, 1, 2, 2, 3]);
}

pub async fn a_lease_is_given_back_once(kit: QueueKit) {
    kit.put_new(vec![delivery("m1", "alice")]).await;
    let leased = kit.lease(10, NOW).await;
    assert_eq!(kit.nack(&leased[0], at(60), true).await, 1);
    assert_eq!(kit.nack(&leased[0], at(10), true).await, 0);
    assert_eq!(kit.ack(&leased).await, 0);
    assert!(kit.lease(10, at(59)).await.is_empty());
    assert_eq!(kit.lease(10, at(60)).await.len(), 1);
}

pub async fn no_lease_is_named_twice(kit: QueueKit) {
    kit.put_new(
        (0..10)
            .map(|it| delivery("m1", &format!("u{it}")))
            .collect(),
    )
    .await;
    let mut names = BTreeSet::new();
    for round in 0..20 {
        let leased = kit.lease(10, at(round)).await;
        assert_eq!(leased.len(), 10);
        for it in &leased {
            assert!(names.insert(it.id), "{:?} was there before", it.id);
            kit.nack(it, at(round), round % 2 == 0).await;
        }
    }
}

pub async fn what_was_decided_in_the_future_is_due_at_once(kit: QueueKit) {
    let odd = Delivery {
        created_at: at(3600),
        ..delivery("m1", "alice")
    };
    kit.put_new(vec![odd]).await;
    assert_eq!(kit.lease(10, NOW).await.len(), 1);
}

pub async fn many_workers_lease_each_delivery_once(kit: QueueKit) {
    const COUNT: usize = 2000;
    kit.put_new(
        (0..COUNT)
            .map(|it| delivery("m1", &format!("user-{it}")))
            .collect(),
    )
    .await;
    let open = Arc::new(AtomicUsize::new(COUNT));
    let leased: Vec<_> = together((0..16).map(|_| {
        let queue = Arc::clone(&kit.queue);
        let open = Arc::clone(&open);
        async move {
            let mut mine = Vec::new();
            while open.load(Ordering::SeqCst) > 0 {
                let leased = queue.lease(&lane(), 7, NOW, HOLD).await.expect("leases");
                if leased.is_empty() {
                    break;
                }
                let ids: Vec<_> = leased.iter().map(|it| it.id).collect();
                let acked = queue.ack(ids).await.expect("acknowledges");
                assert_eq!(acked, leased.len() as u64);
                open.fetch_sub(leased.len(), Ordering::SeqCst);
                mine.extend(leased.into_iter().map(|it| it.delivery.id));
            }
            mine
        }
    }))
    .await
    .into_iter()
    .flatten()
    .collect();
    assert_eq!(leased.len(), COUNT);
    assert_eq!(leased.iter().collect::<BTreeSet<_>>().len(), COUNT);
    assert_eq!(kit.lanes().await, []);
}
