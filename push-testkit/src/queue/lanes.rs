//! Lanes, hastening, cancelling.
#![allow(missing_docs)] // The names say it all.
use std::{collections::BTreeSet, sync::Arc};

use push_core::{Cancel, CertificateId, Delivery, Lane, LaneState, Notification, Slot, Timestamp};

use super::{
    QueueKit,
    fixtures::{HOLD, app, at, delivery, device, lane, message, user, users},
};
use crate::{place::together, sample::NOW};

fn certificate(id: i64) -> CertificateId {
    CertificateId::new(id).expect("a certificate id")
}

fn lane_of(within: &str, id: i64) -> Lane {
    Lane {
        app: app(within),
        certificate: certificate(id),
    }
}

fn delivery_in(within: &str, id: i64, to: &str) -> Delivery {
    Delivery {
        app: app(within),
        certificate: certificate(id),
        ..delivery("m1", to)
    }
}

fn state(lane: Lane, depth: u64, next_due: Timestamp) -> LaneState {
    LaneState {
        lane,
        depth,
        next_due,
    }
}

pub async fn lanes_do_not_mix(kit: QueueKit) {
    kit.put_new(vec![
        delivery_in("im", 1, "alice"),
        delivery_in("im", 2, "bob"),
        delivery_in("other", 1, "carol"),
    ])
    .await;
    assert!(
        kit.lease_from(&lane_of("other", 2), 10, NOW)
            .await
            .is_empty()
    );
    for (within, id, to) in [("other", 1, "carol"), ("im", 2, "bob"), ("im", 1, "alice")] {
        let leased = kit.lease_from(&lane_of(within, id), 10, NOW).await;
        assert_eq!(users(&leased), [to]);
        kit.nack(&leased[0], at(60), true).await;
    }
    let moved = kit.queue.hasten(&lane_of("im", 1), NOW).await;
    assert_eq!(moved.expect("hastens"), 1);
    assert!(kit.lease_from(&lane_of("im", 2), 10, NOW).await.is_empty());
    assert!(
        kit.lease_from(&lane_of("other", 1), 10, NOW)
            .await
            .is_empty()
    );
    assert_eq!(kit.lease_from(&lane_of("im", 1), 10, NOW).await.len(), 1);
}

pub async fn a_lane_says_how_much_waits_and_until_when(kit: QueueKit) {
    assert_eq!(kit.lanes().await, []);
    kit.put_new(vec![
        delivery_in("im", 1, "alice"),
        delivery_in("im", 1, "bob"),
        delivery_in("im", 2, "carol"),
    ])
    .await;
    let (one, two) = (lane_of("im", 1), lane_of("im", 2));
    assert_eq!(
        kit.lanes().await,
        [state(one.clone(), 2, NOW), state(two.clone(), 1, NOW)]
    );
    // Held ones count, and are due when their lease ends.
    let leased = kit.lease_from(&one, 10, NOW).await;
    assert_eq!(
        kit.lanes().await,
        [
            state(one.clone(), 2, NOW + HOLD),
            state(two.clone(), 1, NOW)
        ]
    );
    kit.nack(&leased[0], at(20), true).await;
    assert_eq!(kit.lanes().await[0], state(one.clone(), 2, at(20)));
    kit.ack(&leased[1..]).await;
    assert_eq!(
        kit.lanes().await,
        [state(one.clone(), 1, at(20)), state(two, 1, NOW)]
    );
    let moved = kit.queue.hasten(&one, at(5)).await;
    assert_eq!(moved.expect("hastens"), 1);
    assert_eq!(kit.lanes().await[0], state(one, 1, at(5)));
}

pub async fn an_empty_lane_is_no_lane(kit: QueueKit) {
    kit.put_new(vec![delivery_in("im", 1, "alice")]).await;
    kit.put_new(vec![delivery_in("im", 2, "bob")]).await;
    let leased = kit.lease_from(&lane_of("im", 1), 10, NOW).await;
    kit.ack(&leased).await;
    kit.cancel("im", Cancel::Device(user("bob"), device("bob-phone")))
        .await;
    assert_eq!(kit.lanes().await, []);
    // It is one again when something is put.
    let again = Delivery {
        message: message("m2"),
        ..delivery_in("im", 1, "alice")
    };
    kit.put_new(vec![again]).await;
    assert_eq!(kit.lanes().await, [state(lane_of("im", 1), 1, NOW)]);
}

pub async fn hastening_makes_what_waits_due_at_once(kit: QueueKit) {
    kit.put_new(
        ["waits", "held", "due"]
            .map(|it| delivery("m1", it))
            .to_vec(),
    )
    .await;
    let leased = kit.lease(2, NOW).await;
    kit.nack(&leased[0], at(3600), true).await;
    let hasten = async |of: Lane| kit.queue.hasten(&of, at(10)).await.expect("hastens");
    assert_eq!(hasten(lane_of("im", 404)).await, 0);
    assert_eq!(hasten(lane()).await, 1, "neither the held nor the due one");
    assert_eq!(hasten(lane()).await, 0);
    assert_eq!(users(&kit.lease(10, at(10)).await), ["due", "waits"]);
    assert_eq!(kit.ack(&leased[1..]).await, 1, "the held one is still held");
}

pub async fn a_recalled_message_is_cancelled(kit: QueueKit) {
    let mut recalled: Vec<_> = ["alice", "bob", "carol"]
        .map(|it| delivery("m1", it))
        .to_vec();
    let kept = vec![
        delivery("m2", "alice"),
        Delivery {
            app: app("other"),
            ..delivery("m1", "alice")
        },
    ];
    kit.put_new(recalled.clone()).await;
    kit.put_new(kept.clone()).await;
    // One is done, one is held, one waits.
    let leased = kit.lease(2, NOW).await;
    kit.ack(&leased[..1]).await;
    let gone = kit.cancel("im", Cancel::Message(message("m1"))).await;
    recalled.remove(0);
    recalled.sort_by_key(|it| it.id);
    assert_eq!(gone, recalled);
    let again = kit.cancel("im", Cancel::Message(message("m1"))).await;
    assert_eq!(again, []);
    assert_eq!(kit.lease(10, at(3600)).await[0].delivery, kept[0]);
    let there = Lane {
        app: app("other"),
        ..lane()
    };
    assert_eq!(kit.lease_from(&there, 10, NOW).await[0].delivery, kept[1]);
}

pub async fn a_device_that_logged_out_is_cancelled(kit: QueueKit) {
    let of = |within: &str, of: &str, to: &str, on: &str, slot| Delivery {
        app: app(within),
        device: device(on),
        slot,
        ..delivery(of, to)
    };
    let mut gone = vec![
        of("im", "m1", "alice", "phone", Slot::Alert),
        of("im", "m1", "alice", "phone", Slot::Voip),
        Delivery {
            certificate: certificate(2),
            ..of("im", "m2", "alice", "phone", Slot::Alert)
        },
    ];
    let kept = vec![
        of("im", "m1", "alice", "tablet", Slot::Alert),
        of("im", "m1", "bob", "phone", Slot::Alert),
        of("other", "m1", "alice", "phone", Slot::Alert),
    ];
    kit.put_new(gone.iter().chain(&kept).cloned().collect())
        .await;
    kit.lease(1, NOW).await;
    let what = Cancel::Device(user("alice"), device("phone"));
    gone.sort_by_key(|it| it.id);
    assert_eq!(kit.cancel("im", what.clone()).await, gone);
    assert_eq!(kit.cancel("im", what).await, []);
    let left: u64 = kit.lanes().await.iter().map(|it| it.depth).sum();
    assert_eq!(left, 3);
    let leased = kit.lease(10, at(3600)).await;
    assert_eq!(users(&leased), ["alice", "bob"]);
}

pub async fn what_has_expired_and_nobody_holds_is_cancelled(kit: QueueKit) {
    let living = |to: &str, until: Option<i64>| {
        let it = delivery("m1", to);
        Delivery {
            notification: Arc::new(Notification {
                expires_at: until.map(at),
                ..Notification::clone(&it.notification)
            }),
            ..it
        }
    };
    let held = living("held", Some(60));
    let gone = [living("alice", Some(60)), living("bob", Some(59))];
    let kept = [living("carol", Some(61)), living("dave", None)];
    let elsewhere = Delivery {
        certificate: certificate(2),
        ..living("erin", Some(60))
    };
    kit.put_new(vec![held]).await;
    let leased = kit.lease(1, NOW).await;
    let waiting = gone.iter().chain(&kept).chain([&elsewhere]);
    kit.put_new(waiting.cloned().collect()).await;

    let expired = Cancel::Expired(lane().certificate, at(60));
    assert_eq!(kit.cancel("other", expired.clone()).await, []);
    let mut cancelled = kit.cancel("im", expired.clone()).await;
    cancelled.sort_by_key(|it| it.user.clone());
    assert_eq!(cancelled, gone);
    assert_eq!(kit.cancel("im", expired).await, []);
    assert_eq!(kit.ack(&leased).await, 1, "the held one is still held");
    assert_eq!(users(&kit.lease(10, at(60)).await), ["carol", "dave"]);
    assert_eq!(kit.lanes().await.len(), 2);
}

pub async fn what_has_expired_is_cancelled_so_many_at_a_time(kit: QueueKit) {
    let notification = Arc::new(Notification {
        expires_at: Some(at(60)),
        ..Notification::default()
    });
    let all = Cancel::MOST_EXPIRED + Cancel::MOST_EXPIRED / 2;
    let expiring = |it| Delivery {
        notification: Arc::clone(&notification),
        ..delivery("m1", &format!("u{it}"))
    };
    kit.put_new((0..all).map(expiring).collect()).await;
    let expired = Cancel::Expired(lane().certificate, at(60));
    let mut gone = 0;
    loop {
        let some = kit.cancel("im", expired.clone()).await.len();
        assert!(some <= Cancel::MOST_EXPIRED, "{some} at once");
        gone += some;
        if some == 0 {
            break;
        }
    }
    assert_eq!(gone, all);
    assert_eq!(kit.lanes().await, []);
}

pub async fn what_is_cancelled_cannot_be_acknowledged(kit: QueueKit) {
    kit.put_new(vec![delivery("m1", "alice")]).await;
    let leased = kit.lease(10, NOW).await;
    let gone = kit.cancel("im", Cancel::Message(message("m1"))).await;
    assert_eq!(gone.len(), 1);
    assert_eq!(kit.nack(&leased[0], NOW, true).await, 0);
    assert_eq!(kit.ack(&leased).await, 0);
    assert!(kit.lease(10, at(3600)).await.is_empty());
    assert_eq!(kit.lanes().await, []);
}

pub async fn cancelling_nothing_is_no_harm(kit: QueueKit) {
    kit.put_new(vec![delivery("m1", "alice")]).await;
    for (within, what) in [
        ("im", Cancel::Message(message("m2"))),
        ("other", Cancel::Message(message("m1"))),
        ("im", Cancel::Device(user("alice"), device("tablet"))),
        ("im", Cancel::Device(user("bob"), device("alice-phone"))),
        (
            "other",
            Cancel::Device(user("alice"), device("alice-phone")),
        ),
    ] {
        assert_eq!(kit.cancel(within, what).await, []);
    }
    assert_eq!(kit.lease(10, NOW).await.len(), 1);
}

pub async fn what_is_left_of_a_message_keeps_its_notification(kit: QueueKit) {
    let shared = Arc::new(Notification {
        body: "shared by all".to_owned(),
        ..Notification::default()
    });
    let all: Vec<_> = (0..10)
        .map(|it| Delivery {
            notification: Arc::clone(&shared),
            ..delivery("m1", &format!("u{it}"))
        })
        .collect();
    kit.put_new(all).await;
    let leased = kit.lease(3, NOW).await;
    kit.ack(&leased).await;
    for it in 3..9 {
        let to = format!("u{it}");
        let what = Cancel::Device(user(&to), device(&format!("{to}-phone")));
        let gone = kit.cancel("im", what).await;
        assert_eq!(gone[0].notification, shared);
    }
    // The message's last deliveries: one from the first call, one put now.
    let late = Delivery {
        notification: Arc::clone(&shared),
        ..delivery("m1", "late")
    };
    kit.put_new(vec![late]).await;
    let leased = kit.lease(10, NOW).await;
    assert_eq!(users(&leased), ["u9", "late"]);
    assert!(leased.iter().all(|it| it.delivery.notification == shared));
}

pub async fn many_puts_and_leases_at_once_lose_nothing(kit: QueueKit) {
    const PRODUCERS: usize = 8;
    const EACH: usize = 100;
    let produced = together((0..PRODUCERS).map(|producer| {
        let queue = Arc::clone(&kit.queue);
        async move {
            let mut ids = Vec::new();
            for it in 0..EACH {
                let new = delivery(&format!("m{producer}-{it}"), "alice");
                ids.push(new.id);
                queue.put(vec![new]).await.expect("puts");
            }
            ids
        }
    }));
    let consumed = together((0..4).map(|worker| {
        let queue = Arc::clone(&kit.queue);
        async move {
            let mut ids = Vec::new();
            while ids.len() < PRODUCERS * EACH / 4 {
                let want = 10.min(PRODUCERS * EACH / 4 - ids.len());
                let leased = queue.lease(&lane(), want, NOW, HOLD).await.expect("leases");
                if leased.is_empty() {
                    tokio::task::yield_now().await;
                    continue;
                }
                // Every other batch comes back once before it is done.
                if worker % 2 == 0 && leased[0].attempt == 1 {
                    let back = leased.iter().map(|it| push_core::Return {
                        lease: it.id,
                        due: NOW,
                        attempted: true,
                    });
                    let done = queue.nack(back.collect()).await.expect("gives back");
                    assert_eq!(done, leased.len() as u64);
                    continue;
                }
                let acked = queue.ack(leased.iter().map(|it| it.id).collect()).await;
                assert_eq!(acked.expect("acknowledges"), leased.len() as u64);
                ids.extend(leased.into_iter().map(|it| it.delivery.id));
            }
            ids
        }
    }));
    let (produced, consumed) = tokio::join!(produced, consumed);
    let produced: BTreeSet<_> = produced.into_iter().flatten().collect();
    let consumed: Vec<_> = consumed.into_iter().flatten().collect();
    assert_eq!(consumed.len(), PRODUCERS * EACH);
    assert_eq!(consumed.into_iter().collect::<BTreeSet<_>>(), produced);
    assert_eq!(kit.lanes().await, []);
}
