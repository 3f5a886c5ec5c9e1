//! Lanes, hastening, replacing.
#![allow(missing_docs)] // The names say it all.
use std::{collections::BTreeSet, sync::Arc};

use push_core::{
    Badge, Cancel, Channel, Class, Delivery, DeliveryId, ErrorKind, Lane, LaneState, Put, Return,
    Slot,
};

use super::{
    QueueKit,
    fixtures::{
        HOLD, app, at, batch, cancelled, changed, content_id, credential, delivery, ids, lane,
        lane_of, logout, message, seconds, to, to_token, users, within,
    },
};
use crate::{place::together, sample::NOW};

fn delivery_in(of: &Lane, to: &str) -> Delivery {
    within(delivery("m1", to), of)
}

fn chat(of: &str, id: i64) -> Lane {
    lane_of(of, id, Class::CHAT)
}

fn state(lane: &Lane, depth: u64, next_due: u64, oldest: u64) -> LaneState {
    LaneState::new(lane.clone(), depth, seconds(next_due), seconds(oldest))
}

pub async fn lanes_of_credential_and_class_do_not_mix(kit: QueueKit) {
    let own = Class::new("sports").expect("a class");
    let all = [
        (chat("im", 1), "alice"),
        (lane_of("im", 1, Class::CALL), "bob"),
        (lane_of("im", 1, own), "carol"),
        (chat("im", 2), "dave"),
        (chat("other", 1), "erin"),
    ];
    kit.put_new(all.iter().map(|(of, to)| delivery_in(of, to)).collect())
        .await;
    assert!(kit.lease_from(&chat("other", 2), 10).await.is_empty());
    let marketing = lane_of("im", 1, Class::MARKETING);
    assert!(kit.lease_from(&marketing, 10).await.is_empty());
    for (of, to) in all.iter().rev() {
        let leased = kit.lease_from(of, 10).await;
        assert_eq!(users(&leased), [*to]);
        assert_eq!(leased[0].delivery.lane(), *of);
        kit.nack(&leased[0], 60).await;
    }
    // Hastening concerns every lane of the credential.
    assert_eq!(kit.hasten(&credential("im", 1)).await, 3);
    for (number, (of, _)) in all.iter().enumerate() {
        let due = usize::from(number < 3);
        assert_eq!(kit.lease_from(of, 10).await.len(), due, "{of:?}");
    }
}

pub async fn a_lane_reports_depth_next_due_and_oldest(kit: QueueKit) {
    assert_eq!(kit.lanes().await, []);
    let (one, two) = (chat("im", 1), lane_of("im", 1, Class::NOTICE));
    kit.put_new(vec![
        changed(delivery_in(&one, "alice"), |old| old.created_at = at(-100)),
        delivery_in(&one, "bob"),
        delivery_in(&two, "carol").with_due(at(20)),
    ])
    .await;
    assert_eq!(
        kit.lanes().await,
        [state(&one, 2, 0, 100), state(&two, 1, 20, 0)]
    );
    // Leased ones count, and are due when their lease ends.
    let leased = kit.lease_from(&one, 10).await;
    kit.advance(10);
    assert_eq!(
        kit.lanes().await,
        [
            state(&one, 2, HOLD.as_secs() - 10, 110),
            state(&two, 1, 10, 10)
        ]
    );
    kit.nack(&leased[1], 5).await;
    assert_eq!(kit.lanes().await[0], state(&one, 2, 5, 110));
    kit.ack(&leased[..1]).await;
    kit.advance(15);
    assert_eq!(
        kit.lanes().await,
        [state(&one, 1, 0, 25), state(&two, 1, 0, 25)]
    );
    // One that was created later than now is not old.
    let odd = changed(delivery_in(&chat("odd", 1), "dave"), |odd| {
        odd.created_at = at(1000);
    });
    kit.put_new(vec![odd]).await;
    assert_eq!(kit.lanes().await[2], state(&chat("odd", 1), 1, 0, 0));
}

pub async fn an_empty_lane_is_not_reported(kit: QueueKit) {
    let (one, two) = (chat("im", 1), chat("im", 2));
    kit.put_new(vec![delivery_in(&one, "alice")]).await;
    kit.put_new(vec![delivery_in(&two, "bob")]).await;
    let leased = kit.lease_from(&one, 10).await;
    kit.ack(&leased).await;
    kit.cancel("im", &logout("bob", "bob-phone", 2)).await;
    assert_eq!(kit.lanes().await, []);
    let again = within(delivery("m2", "alice"), &one);
    kit.put_new(vec![again]).await;
    assert_eq!(kit.lanes().await, [state(&one, 1, 0, 0)]);
}

pub async fn hastening_makes_postponed_deliveries_due(kit: QueueKit) {
    let mut all = ["waits", "held", "due"]
        .map(|to| delivery("m1", to))
        .to_vec();
    all.push(delivery("m1", "scheduled").with_due(at(1000)));
    all.push(delivery("m1", "was-scheduled").with_due(at(1)));
    kit.put_new(all).await;
    kit.advance(2);
    let leased = kit.lease(4).await;
    assert_eq!(users(&leased), ["waits", "held", "due", "was-scheduled"]);
    for (number, after) in [(0, 1800), (2, 0), (3, 1800)] {
        kit.nack(&leased[number], after).await;
    }
    kit.advance(8);
    assert_eq!(kit.hasten(&credential("im", 404)).await, 0);
    assert_eq!(kit.hasten(&credential("other", 31287)).await, 0);
    let own = lane().credential;
    assert_eq!(kit.hasten(&own).await, 2);
    assert_eq!(kit.hasten(&own).await, 0);
    let due = kit.lease(10).await;
    assert_eq!(users(&due), ["due", "waits", "was-scheduled"]);
    assert_eq!(kit.ack(&leased[1..2]).await, 1, "the held one is held");
    kit.advance(989);
    let late = kit.lease(10).await;
    assert!(!users(&late).contains(&"scheduled"));
    kit.advance(1);
    assert_eq!(users(&kit.lease(10).await), ["scheduled"]);
}

pub async fn a_replaced_delivery_changes_its_lane_and_keeps_its_attempts(kit: QueueKit) {
    let put = delivery("m1", "alice");
    kit.put_new(vec![put.clone(), delivery("m1", "bob")]).await;
    let leased = kit.lease(1).await;
    let sent = Return::new(leased[0].id.clone(), seconds(0)).with_batch(Some(batch(1)));
    kit.nack_all(vec![sent]).await;
    let leased = kit.lease(10).await;
    assert_eq!(users(&leased), ["alice", "bob"]);
    let there = lane_of("im", 7, Class::NOTICE);
    let new = changed(within(put.clone(), &there), |new| {
        new.channel = Channel::known("third");
        new.to = to("alice", "alice-phone", Slot::Alert, "again");
        new.badge = Badge::Set(2);
        new.revision = 3;
        Arc::make_mut(&mut new.content).id = content_id("for the third");
    });
    assert_eq!(kit.replace(&leased[0], new.clone()).await, 1);
    assert_eq!(kit.ack(&leased[..1]).await, 0, "its lease has ended");
    assert_eq!(kit.replace(&leased[0], put.clone()).await, 0);
    let moved = kit.lease_from(&there, 10).await;
    assert_eq!(moved.len(), 1, "it is due at once");
    assert_eq!(moved[0].delivery, new);
    assert_eq!((moved[0].attempt, moved[0].batch), (3, None));
    assert_eq!(
        kit.lanes().await,
        [
            state(&there, 1, HOLD.as_secs(), 0),
            state(&lane(), 1, HOLD.as_secs(), 0)
        ]
    );
    // Both identities are remembered, and the content of what stays is kept.
    let again = kit.put(vec![put, new]).await;
    assert_eq!(again, [Put::Duplicate, Put::Duplicate]);
    kit.clock.advance(HOLD);
    let left = kit.lease(10).await;
    assert_eq!(users(&left), ["bob"]);
    assert_eq!(left[0].delivery.content, delivery("m1", "bob").content);
    assert_eq!(kit.ack(&left).await, 1);
    let moved = kit.lease_from(&there, 10).await;
    assert_eq!(kit.ack(&moved).await, 1);
    assert_eq!(kit.lanes().await, []);
}

pub async fn a_replaced_delivery_can_be_cancelled(kit: QueueKit) {
    let there = chat("im", 7);
    let put: Vec<_> = (0..4)
        .map(|number| delivery("m1", &format!("u{number}")))
        .collect();
    kit.put_new(put.clone()).await;
    let leased = kit.lease(10).await;
    let new: Vec<_> = put
        .into_iter()
        .map(|put| {
            changed(within(put, &there), |new| {
                new.channel = Channel::known("second");
                new.revision = 5;
            })
        })
        .collect();
    let replacements = ids(&leased).into_iter().zip(new.clone()).collect();
    let done = kit.queue.replace(replacements).await.expect("replaces");
    assert_eq!(done, 4);
    assert_eq!(kit.cancel("im", &logout("u0", "u0-phone", 5)).await, []);
    let gone = kit.cancel("im", &logout("u0", "u0-phone", 6)).await;
    assert_eq!(gone, cancelled(&new[..1]));
    let what = Cancel::Message(message("m1"));
    let gone = kit.cancel("im", &what).await;
    assert_eq!(gone, cancelled(&new[1..]));
    assert_eq!(kit.lanes().await, []);
}

pub async fn a_replacement_that_is_another_delivery_is_refused(kit: QueueKit) {
    let put = delivery("m1", "alice");
    kit.put_new(vec![put.clone(), delivery("m1", "bob")]).await;
    let leased = kit.lease(10).await;
    let other = |change: &dyn Fn(&mut Delivery)| changed(put.clone(), change);
    for wrong in [
        other(&|other| other.id = DeliveryId::new(NOW)),
        other(&|other| Arc::make_mut(&mut other.content).message = message("m2")),
        other(&|other| Arc::make_mut(&mut other.content).app = app("other")),
    ] {
        let good = (leased[1].id.clone(), leased[1].delivery.clone());
        let both = vec![good, (leased[0].id.clone(), wrong)];
        let error = kit.queue.replace(both).await.expect_err("refuses");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    assert_eq!(kit.ack(&leased).await, 2, "nothing was replaced");
    // A lease that was not held is left alone, whatever it is to be replaced by.
    let odd = changed(delivery("m3", "-"), |odd| odd.to = to_token("token"));
    assert_eq!(kit.replace(&leased[0], odd).await, 0);
    assert_eq!(kit.lanes().await, []);
}

pub async fn many_puts_and_leases_at_once_lose_nothing(kit: QueueKit) {
    const PRODUCERS: usize = 8;
    const EACH: usize = 100;
    let produced = together((0..PRODUCERS).map(|producer| {
        let queue = Arc::clone(&kit.queue);
        async move {
            let mut ids = Vec::new();
            for number in 0..EACH {
                let new = delivery(&format!("m{producer}-{number}"), "alice");
                ids.push(new.id);
                queue.put(vec![new]).await.expect("puts");
            }
            ids
        }
    }));
    let consumed = together((0..4).map(|worker| {
        let queue = Arc::clone(&kit.queue);
        async move {
            let mut done = Vec::new();
            while done.len() < PRODUCERS * EACH / 4 {
                let want = 10.min(PRODUCERS * EACH / 4 - done.len());
                let leased = queue.lease(&lane(), want, HOLD).await.expect("leases");
                if leased.is_empty() {
                    tokio::task::yield_now().await;
                    continue;
                }
                // Every other batch is returned once before it is done.
                if worker % 2 == 0 && leased[0].attempt == 1 {
                    let back = ids(&leased)
                        .into_iter()
                        .map(|lease| Return::new(lease, seconds(0)));
                    let returned = queue.nack(back.collect()).await.expect("returns");
                    assert_eq!(returned, leased.len() as u64);
                    continue;
                }
                let acked = queue.ack(ids(&leased)).await;
                assert_eq!(acked.expect("acknowledges"), leased.len() as u64);
                done.extend(leased.into_iter().map(|lease| lease.delivery.id));
            }
            done
        }
    }));
    let (produced, consumed) = tokio::join!(produced, consumed);
    let produced: BTreeSet<_> = produced.into_iter().flatten().collect();
    let consumed: Vec<_> = consumed.into_iter().flatten().collect();
    assert_eq!(consumed.len(), PRODUCERS * EACH);
    assert_eq!(consumed.into_iter().collect::<BTreeSet<_>>(), produced);
    assert_eq!(kit.lanes().await, []);
}
