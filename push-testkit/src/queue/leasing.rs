//! Leasing, acknowledging, returning.
#![allow(missing_docs)] // The names say it all.
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use push_core::{Delivery, DeliveryId, LONGEST_WAIT, Lease, LeaseId, Return};

use super::{
    QueueKit,
    fixtures::{HOLD, at, batch, delivery, ids, lane, logout, seconds, users},
};
use crate::{place::together, sample::NOW};

pub async fn the_one_due_first_is_leased_first(kit: QueueKit) {
    kit.put_new(vec![
        delivery("m1", "u0"),
        delivery("m1", "u1").with_due(at(2)),
    ])
    .await;
    kit.advance(1);
    kit.put_new(vec![delivery("m1", "u2")]).await;
    kit.advance(1);
    kit.put_new(vec![
        delivery("m1", "u3"),
        delivery("m1", "u4").with_due(at(-9)),
    ])
    .await;
    // Of those due at the same time, the one put first.
    let leased = kit.lease(10).await;
    assert_eq!(users(&leased), ["u0", "u2", "u1", "u3", "u4"]);
    for (lease, after) in leased.iter().zip([5, 2, 7, 3, 2]) {
        kit.nack(lease, after).await;
    }
    kit.advance(6);
    assert_eq!(users(&kit.lease(10).await), ["u2", "u4", "u3", "u0"]);
}

pub async fn no_more_than_the_limit_are_leased(kit: QueueKit) {
    kit.put_new(
        (0..5)
            .map(|number| delivery("m1", &format!("u{number}")))
            .collect(),
    )
    .await;
    assert!(kit.lease(0).await.is_empty());
    assert_eq!(users(&kit.lease(2).await), ["u0", "u1"]);
    assert_eq!(users(&kit.lease(2).await), ["u2", "u3"]);
    assert_eq!(users(&kit.lease(2).await), ["u4"]);
    assert!(kit.lease(2).await.is_empty());
}

pub async fn a_leased_delivery_is_not_leased_again(kit: QueueKit) {
    kit.put_new(vec![delivery("m1", "alice")]).await;
    let leased = kit.lease(10).await;
    kit.clock.advance(HOLD - Duration::from_millis(1));
    assert!(kit.lease(10).await.is_empty());
    assert_eq!(kit.ack(&leased).await, 1);
    kit.advance(1);
    assert!(kit.lease(10).await.is_empty());
}

pub async fn a_delivery_whose_lease_ended_is_due_again(kit: QueueKit) {
    let put = delivery("m1", "alice");
    kit.put_new(vec![put.clone()]).await;
    for attempt in 1..5 {
        let leased = kit.lease(10).await;
        assert_eq!(leased[0].delivery, put);
        assert_eq!(leased[0].attempt, attempt);
        kit.clock.advance(HOLD);
    }
}

pub async fn no_lease_is_taken_before_the_queues_clock_ends_it(kit: QueueKit) {
    // What callers with a clock of another year put and ask for does not matter.
    let odd = |to: &str, year: i64| {
        let mut odd = delivery("m1", to);
        odd.created_at = at(year * 31_536_000);
        odd
    };
    kit.put_new(vec![odd("past", -20), odd("now", 0), odd("future", 20)])
        .await;
    let leased = kit.lease(10).await;
    assert_eq!(leased.len(), 3);
    let taken = together((0..8).map(|_| {
        let queue = Arc::clone(&kit.queue);
        async move {
            let hold = seconds(0);
            queue.lease(&lane(), 10, hold).await.expect("leases").len()
        }
    }))
    .await;
    assert_eq!(taken.iter().sum::<usize>(), 0);
    assert_eq!(kit.ack(&leased).await, 3);
}

pub async fn a_lease_lasts_at_most_the_longest_wait(kit: QueueKit) {
    kit.put_new(vec![delivery("m1", "alice")]).await;
    let lease = async || {
        let leased = kit.queue.lease(&lane(), 1, Duration::MAX).await;
        leased.expect("leases")
    };
    assert_eq!(lease().await.len(), 1);
    kit.clock.advance(LONGEST_WAIT - seconds(1));
    assert!(lease().await.is_empty());
    kit.advance(1);
    let leased = lease().await;
    assert_eq!(leased.len(), 1);
    kit.nack(&leased[0], u64::MAX).await;
    kit.clock.advance(LONGEST_WAIT - seconds(1));
    assert!(lease().await.is_empty());
    kit.advance(1);
    assert_eq!(lease().await.len(), 1);
}

pub async fn a_lease_that_ended_and_was_taken_does_nothing(kit: QueueKit) {
    kit.put_new(vec![delivery("m1", "alice")]).await;
    let lost = kit.lease(10).await;
    kit.clock.advance(HOLD);
    let held = kit.lease(10).await;
    assert_ne!(lost[0].id, held[0].id);
    assert_eq!(kit.ack(&lost).await, 0);
    assert_eq!(kit.nack(&lost[0], 0).await, 0);
    assert_eq!(kit.replace(&lost[0], delivery("m1", "alice")).await, 0);
    assert!(kit.lease(10).await.is_empty(), "it is leased");
    assert_eq!(kit.ack(&held).await, 1);
    assert_eq!(kit.lanes().await, []);
}

pub async fn an_acknowledged_delivery_is_done(kit: QueueKit) {
    kit.put_new(vec![delivery("m1", "alice"), delivery("m1", "bob")])
        .await;
    let leased = kit.lease(10).await;
    assert_eq!(kit.ack(&leased[..1]).await, 1);
    assert_eq!(
        kit.ack(&leased).await,
        1,
        "the first one is done already, the second one is not"
    );
    assert_eq!(kit.ack(&leased).await, 0);
    kit.advance(86_400);
    assert!(kit.lease(10).await.is_empty());
}

pub async fn a_lease_that_never_was_does_nothing(kit: QueueKit) {
    kit.put_new(vec![delivery("m1", "alice")]).await;
    let mut odd: Vec<_> = [i64::MIN, -1, 0, 1, i64::MAX].map(LeaseId::from).to_vec();
    odd.push(LeaseId::new(*b""));
    odd.push(LeaseId::new(*b"another queue's lease"));
    assert_eq!(kit.ack_ids(odd.clone()).await, 0);
    let back = odd
        .iter()
        .map(|lease| Return::new(lease.clone(), seconds(0)));
    assert_eq!(kit.nack_all(back.collect()).await, 0);
    assert_eq!(kit.ack_ids(Vec::new()).await, 0);
    assert_eq!(kit.nack_all(Vec::new()).await, 0);
    let leased = kit.lease(10).await;
    assert_eq!(leased[0].attempt, 1);
    // The same lease twice in one call is one lease.
    let twice = vec![leased[0].id.clone(), leased[0].id.clone()];
    assert_eq!(kit.ack_ids(twice).await, 1);
}

pub async fn a_returned_delivery_waits_for_its_time(kit: QueueKit) {
    kit.put_new(vec![delivery("m1", "alice"), delivery("m1", "bob")])
        .await;
    let leased = kit.lease(10).await;
    let back = leased
        .iter()
        .zip([60, 90])
        .map(|(lease, after)| Return::new(lease.id.clone(), seconds(after)));
    assert_eq!(kit.nack_all(back.collect()).await, 2);
    kit.advance(59);
    assert!(kit.lease(10).await.is_empty());
    kit.advance(1);
    let first = kit.lease(10).await;
    assert_eq!(users(&first), ["alice"]);
    assert_eq!(first[0].attempt, 2);
    kit.advance(29);
    assert!(kit.lease(10).await.is_empty());
    kit.ack(&first).await;
    kit.advance(1);
    assert_eq!(users(&kit.lease(10).await), ["bob"]);
}

pub async fn an_attempt_without_the_vendor_does_not_count(kit: QueueKit) {
    kit.put_new(vec![delivery("m1", "alice")]).await;
    let mut seen = Vec::new();
    for attempted in [false, false, true, false, true, true] {
        let leased = kit.lease(10).await;
        let back = Return::new(leased[0].id.clone(), seconds(0));
        let back = if attempted {
            back
        } else {
            back.without_attempt()
        };
        assert_eq!(kit.nack_all(vec![back]).await, 1);
        seen.push(leased[0].attempt);
    }
    assert_eq!(seen, [1, 1, 1, 2, 2, 3]);
}

pub async fn a_lease_is_returned_once(kit: QueueKit) {
    kit.put_new(vec![delivery("m1", "alice")]).await;
    let leased = kit.lease(10).await;
    assert_eq!(kit.nack(&leased[0], 60).await, 1);
    assert_eq!(kit.nack(&leased[0], 10).await, 0);
    assert_eq!(kit.ack(&leased).await, 0);
    kit.advance(59);
    assert!(kit.lease(10).await.is_empty());
    kit.advance(1);
    assert_eq!(kit.lease(10).await.len(), 1);
}

pub async fn a_delivery_keeps_the_batch_it_was_returned_with(kit: QueueKit) {
    kit.put_new(vec![delivery("m1", "alice"), delivery("m1", "bob")])
        .await;
    let sent = batch(2);
    let leased = kit.lease(10).await;
    assert!(leased.iter().all(|lease| lease.batch.is_none()));
    let back = |lease: &Lease| Return::new(lease.id.clone(), seconds(0));
    let returns = leased
        .iter()
        .map(|lease| back(lease).with_batch(Some(sent)));
    kit.nack_all(returns.collect()).await;
    // Also over a lease that ended by itself.
    for _ in 0..2 {
        let leased = kit.lease(10).await;
        assert!(leased.iter().all(|lease| lease.batch == Some(sent)));
        kit.clock.advance(HOLD);
    }
    // The next return says what the last attempt was.
    let leased = kit.lease(10).await;
    let other = batch(9);
    kit.nack_all(vec![
        back(&leased[0]),
        back(&leased[1]).with_batch(Some(other)),
    ])
    .await;
    let leased = kit.lease(10).await;
    assert_eq!(leased[0].batch, None);
    assert_eq!(leased[1].batch, Some(other));
}

pub async fn deliveries_returned_in_one_batch_follow_each_other(kit: QueueKit) {
    let all = (0..9).map(|number| delivery("m1", &format!("u{number}")));
    kit.put_new(all.collect()).await;
    let (odd, even) = (batch(4), batch(3));
    let leased = kit.lease(10).await;
    // Returned in another order than they were put, two batches at the same time, and two deliveries alone.
    let returns = leased.iter().enumerate().rev().map(|(number, lease)| {
        let of = match number {
            0 | 4 => None,
            _ if number % 2 == 1 => Some(odd),
            _ => Some(even),
        };
        Return::new(lease.id.clone(), seconds(20)).with_batch(of)
    });
    kit.nack_all(returns.collect()).await;
    kit.put_new(vec![delivery("m1", "late").with_due(at(20))])
        .await;
    kit.advance(20);
    let leased = kit.lease(100).await;
    let order = ["u0", "u1", "u3", "u5", "u7", "u2", "u6", "u8", "u4", "late"];
    assert_eq!(users(&leased), order);
    // Also when the lease ends, and when they are hastened.
    kit.clock.advance(HOLD);
    let leased = kit.lease(100).await;
    assert_eq!(users(&leased), order);
    let returns = leased
        .iter()
        .map(|lease| Return::new(lease.id.clone(), seconds(50)).with_batch(lease.batch));
    kit.nack_all(returns.collect()).await;
    assert_eq!(kit.hasten(&lane().credential).await, 10);
    assert_eq!(users(&kit.lease(100).await), order);
}

pub async fn no_lease_is_named_twice(kit: QueueKit) {
    let all = (0..10).map(|number| delivery("m1", &format!("u{number}")));
    kit.put_new(all.collect()).await;
    let mut names = BTreeSet::new();
    for _ in 0..20 {
        let leased = kit.lease(10).await;
        assert_eq!(leased.len(), 10);
        for lease in &leased {
            assert!(names.insert(lease.id.clone()), "{:?} is not new", lease.id);
            kit.nack(lease, 0).await;
        }
    }
}

pub async fn a_clock_that_was_ahead_delays_nothing_for_hours(kit: QueueKit) {
    let ahead = |hours: i64| at(hours * 3600);
    // An operator's mistake: put, leased and returned ten hours ahead.
    kit.clock.jump_to(ahead(10));
    kit.put_new(vec![
        delivery("m1", "held"),
        delivery("m1", "back"),
        delivery("m1", "fresh"),
        delivery("m1", "scheduled").with_due(ahead(3)),
        delivery("m1", "later").with_due(ahead(20)),
    ])
    .await;
    let leased = kit.lease(2).await;
    kit.nack(&leased[1], 600).await;
    kit.cancel("im", &logout("alice", "alice-phone", 7)).await;
    kit.clock.jump_to(NOW);
    assert_eq!(
        users(&kit.lease(10).await),
        ["fresh"],
        "the held one is held, the returned one waits as long as it should, and the scheduled ones have time"
    );
    assert_eq!(kit.nack(&leased[0], 60).await, 1, "it is still held");
    kit.advance(600);
    let leased = kit.lease(10).await;
    let mut due = users(&leased);
    due.sort_unstable();
    assert_eq!(due, ["back", "fresh", "held"]);
    kit.clock.jump_to(ahead(3));
    let mut found = kit.lease(10).await;
    found.retain(|lease| lease.delivery.due.is_some());
    assert_eq!(users(&found), ["scheduled"]);
    // A lease that is not ended is due again when it expires.
    kit.put_new(vec![delivery("m2", "lost")]).await;
    kit.clock.jump_to(ahead(100));
    let held = kit.lease(100).await;
    assert!(users(&held).contains(&"lost"));
    kit.clock.jump_to(ahead(3));
    kit.lanes().await;
    kit.clock.advance(2 * HOLD.max(seconds(120)));
    assert!(users(&kit.lease(100).await).contains(&"lost"));
}

pub async fn many_workers_lease_each_delivery_once(kit: QueueKit) {
    const COUNT: usize = 2000;
    let all: Vec<Delivery> = (0..COUNT)
        .map(|number| delivery("m1", &format!("user-{number}")))
        .collect();
    kit.put_new(all).await;
    let open = Arc::new(AtomicUsize::new(COUNT));
    let leased: Vec<DeliveryId> = together((0..16).map(|_| {
        let queue = Arc::clone(&kit.queue);
        let open = Arc::clone(&open);
        async move {
            let mut mine = Vec::new();
            while open.load(Ordering::SeqCst) > 0 {
                let leased = queue.lease(&lane(), 7, HOLD).await.expect("leases");
                if leased.is_empty() {
                    break;
                }
                let acked = queue.ack(ids(&leased)).await.expect("acknowledges");
                assert_eq!(acked, leased.len() as u64);
                open.fetch_sub(leased.len(), Ordering::SeqCst);
                mine.extend(leased.into_iter().map(|lease| lease.delivery.id));
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
