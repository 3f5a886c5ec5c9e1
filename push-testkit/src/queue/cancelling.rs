//! Cancelling and fences.
#![allow(missing_docs)] // The names say it all.
use std::{collections::BTreeSet, sync::Arc};

use push_core::{Cancel, Class, Delivery, Notification, Put, Slot};

use super::{
    QueueKit,
    fixtures::{
        HOLD, app, at, cancelled, changed, credential, delivery, delivery_with, device, lane,
        lane_of, logout, message, read, to, to_token, user, users, within,
    },
};
use crate::{place::together, sample::NOW};

fn recall(of: &str) -> Cancel {
    Cancel::Message(message(of))
}

pub async fn a_recalled_message_is_cancelled(kit: QueueKit) {
    let mut recalled: Vec<_> = (0..8)
        .map(|number| delivery("m1", &format!("u{number}")))
        .collect();
    recalled.push(changed(delivery("m1", "-"), |token| {
        token.to = to_token("token");
    }));
    let there = lane_of("other", 31287, Class::CHAT);
    let kept = vec![delivery("m2", "u1"), within(delivery("m1", "u1"), &there)];
    kit.put_new(recalled.clone()).await;
    kit.put_new(kept.clone()).await;
    // One is done, one is leased, the others wait.
    let leased = kit.lease(2).await;
    kit.ack(&leased[..1]).await;
    let gone = kit.cancel("im", &recall("m1")).await;
    assert_eq!(gone, cancelled(&recalled[1..]));
    assert_eq!(kit.cancel("im", &recall("m1")).await, []);
    let done = kit
        .put(vec![delivery("m1", "u0"), delivery("m1", "new")])
        .await;
    assert_eq!(done, [Put::Duplicate, Put::Fenced]);
    assert_eq!(kit.lease(10).await[0].delivery, kept[0]);
    assert_eq!(kit.lease_from(&there, 10).await[0].delivery, kept[1]);
}

pub async fn a_device_that_logged_out_is_cancelled(kit: QueueKit) {
    let of = |of: &str, address| changed(delivery(of, "x"), |delivery| delivery.to = address);
    let phone = |slot, instance| to("alice", "phone", slot, instance);
    let gone = vec![
        of("m1", phone(Slot::Alert, "")),
        of("m1", phone(Slot::Voip, "")),
        of("m1", phone(Slot::LiveActivity, "a")),
        of("m1", phone(Slot::LiveActivity, "b")),
        within(
            of("m2", phone(Slot::Alert, "")),
            &lane_of("im", 2, Class::CALL),
        ),
    ];
    let kept = vec![
        of("m3", phone(Slot::Alert, "")).with_revision(2),
        of("m1", to("alice", "tablet", Slot::Alert, "")),
        of("m1", to("bob", "phone", Slot::Alert, "")),
        of("m1", to_token("alice")),
        within(
            of("m1", phone(Slot::Alert, "")),
            &lane_of("other", 31287, Class::CHAT),
        ),
    ];
    kit.put_new(gone.iter().chain(&kept).cloned().collect())
        .await;
    kit.lease(1).await;
    let what = logout("alice", "phone", 2);
    assert_eq!(kit.cancel("im", &what).await, cancelled(&gone));
    assert_eq!(kit.cancel("im", &what).await, []);
    assert_eq!(kit.depth().await, 5);
    kit.advance(3600);
    assert_eq!(kit.lease(10).await.len(), 4);
}

pub async fn a_logout_fences_deliveries_of_an_earlier_revision(kit: QueueKit) {
    let of =
        |number: u32, revision| delivery(&format!("m{number}"), "alice").with_revision(revision);
    assert_eq!(
        kit.cancel("im", &logout("alice", "alice-phone", 5)).await,
        []
    );
    // An earlier logout that comes late takes nothing back.
    assert_eq!(
        kit.cancel("im", &logout("alice", "alice-phone", 3)).await,
        []
    );
    let address = |address| changed(of(3, 4), |delivery| delivery.to = address);
    let done = kit
        .put(vec![
            of(1, 4),
            of(2, 5),
            of(4, u64::MAX >> 1),
            address(to("alice", "alice-phone", Slot::Voip, "x")),
            address(to("alice", "tablet", Slot::Alert, "")),
            address(to("bob", "alice-phone", Slot::Alert, "")),
            address(to_token("alice-phone")),
            within(of(1, 4), &lane_of("other", 1, Class::CHAT)),
        ])
        .await;
    use Put::{Fenced, New};
    assert_eq!(done, [Fenced, New, New, Fenced, New, New, New, New]);
    // One that was put before is a duplicate, whatever its revision.
    assert_eq!(kit.put(vec![of(2, 1)]).await, [Put::Duplicate]);
    assert_eq!(kit.depth().await, 6);
}

pub async fn a_slot_that_was_switched_off_is_fenced_alone(kit: QueueKit) {
    let of = |number: u32, slot| {
        changed(delivery(&format!("m{number}"), "x"), |delivery| {
            delivery.to = to("alice", "phone", slot, "");
        })
    };
    let waiting = [of(1, Slot::Alert), of(1, Slot::Voip)];
    kit.put_new(waiting.to_vec()).await;
    let what = Cancel::Device {
        user: user("alice"),
        device: device("phone"),
        slot: Some(Slot::Voip),
        before: 2,
    };
    assert_eq!(kit.cancel("im", &what).await, cancelled(&waiting[1..]));
    let done = kit.put(vec![of(2, Slot::Alert), of(2, Slot::Voip)]).await;
    assert_eq!(done, [Put::New, Put::Fenced]);
}

pub async fn a_conversation_that_was_read_is_cancelled(kit: QueueKit) {
    let of = |of: &str, to: &str, thread: &str, created| {
        let notification = Notification::default().with_thread(thread);
        changed(delivery_with(of, to, notification), |delivery| {
            delivery.created_at = at(created);
        })
    };
    let mut gone: Vec<_> = (0..6)
        .map(|number| of(&format!("m{number}"), "alice", "ann", -number))
        .collect();
    gone.push(changed(of("m7", "alice", "ann", 10), |delivery| {
        delivery.to = to("alice", "tablet", Slot::Alert, "");
    }));
    let kept = vec![
        of("m8", "alice", "ann", 11),
        of("m9", "alice", "bob", 0),
        of("m10", "alice", "", 0),
        of("m1", "bob", "ann", 0),
        within(
            of("m1", "alice", "ann", 0),
            &lane_of("other", 31287, Class::CHAT),
        ),
    ];
    kit.put_new(gone.iter().chain(&kept).cloned().collect())
        .await;
    // Leased ones as well.
    kit.lease(2).await;
    let what = read("alice", "ann", at(10));
    assert_eq!(kit.cancel("im", &what).await, cancelled(&gone));
    assert_eq!(kit.cancel("im", &what).await, []);
    assert_eq!(kit.depth().await, 5);
    // It fences nothing.
    kit.put_new(vec![of("m20", "alice", "ann", 0)]).await;
    let no_thread = read("alice", "", at(100));
    assert_eq!(kit.cancel("im", &no_thread).await, cancelled(&kept[2..3]));
}

fn expiring(of: &str, to: &str, end: Option<i64>) -> Delivery {
    let notification = Notification::default().with_expires_at(end.map(at));
    delivery_with(of, to, notification)
}

pub async fn expired_deliveries_that_are_not_leased_are_cancelled(kit: QueueKit) {
    let call = lane_of("im", 31287, Class::CALL);
    let held = expiring("m1", "held", Some(60));
    let gone = [
        expiring("m1", "alice", Some(60)),
        expiring("m1", "bob", Some(59)),
        within(expiring("m1", "carol", Some(60)), &call),
        expiring("m1", "scheduled", Some(60)).with_due(at(3000)),
    ];
    let kept = [
        expiring("m1", "dave", Some(61)),
        expiring("m1", "erin", None),
        within(
            expiring("m1", "frank", Some(60)),
            &lane_of("im", 2, Class::CHAT),
        ),
        within(
            expiring("m1", "grace", Some(60)),
            &lane_of("other", 31287, Class::CHAT),
        ),
    ];
    kit.put_new(vec![held]).await;
    kit.put_new(gone.iter().chain(&kept).cloned().collect())
        .await;
    let own = Cancel::Expired(lane().credential);
    kit.advance(58);
    // By the queue's clock, not by anyone else's.
    assert_eq!(kit.cancel("im", &own).await, []);
    kit.advance(2);
    let leased = kit.lease(1).await;
    assert_eq!(users(&leased), ["held"]);
    assert_eq!(kit.cancel("other", &own).await, []);
    assert_eq!(kit.cancel("im", &own).await, cancelled(&gone));
    assert_eq!(kit.cancel("im", &own).await, []);
    assert_eq!(kit.ack(&leased).await, 1, "the leased one is still leased");
    assert_eq!(users(&kit.lease(10).await), ["dave", "erin"]);
    assert_eq!(kit.lanes().await.len(), 3);
    // It fences nothing.
    kit.put_new(vec![expiring("m2", "alice", Some(60))]).await;
}

pub async fn an_expiry_that_meets_leases_ends_each_delivery_once(kit: QueueKit) {
    const COUNT: usize = 1500;
    let all: Vec<_> = (0..COUNT)
        .map(|number| expiring("m1", &format!("u{number}"), Some(-1)))
        .collect();
    kit.put_new(all).await;
    let leasing = together((0..4).map(|_| {
        let queue = Arc::clone(&kit.queue);
        async move {
            let mut mine = Vec::new();
            loop {
                let leased = queue.lease(&lane(), 20, HOLD).await.expect("leases");
                if leased.is_empty() {
                    return mine;
                }
                mine.extend(leased);
            }
        }
    }));
    let expiring = async {
        let what = Cancel::Expired(lane().credential);
        let mut gone = Vec::new();
        for _ in 0..50 {
            let some = kit.queue.cancel(&app("im"), &what, 30).await;
            gone.extend(some.expect("cancels"));
        }
        gone
    };
    let (leased, gone) = tokio::join!(leasing, expiring);
    let leased: Vec<_> = leased.into_iter().flatten().collect();
    let mut ended: BTreeSet<_> = leased.iter().map(|lease| lease.delivery.id).collect();
    ended.extend(gone.iter().map(|cancelled| cancelled.id));
    assert_eq!(leased.len() + gone.len(), COUNT);
    assert_eq!(ended.len(), COUNT);
    assert_eq!(kit.ack(&leased).await, leased.len() as u64);
    assert_eq!(kit.lanes().await, []);
}

pub async fn a_cancelled_lease_does_nothing(kit: QueueKit) {
    kit.put_new(vec![delivery("m1", "alice")]).await;
    let leased = kit.lease(10).await;
    assert_eq!(kit.cancel("im", &recall("m1")).await.len(), 1);
    assert_eq!(kit.nack(&leased[0], 0).await, 0);
    assert_eq!(kit.replace(&leased[0], leased[0].delivery.clone()).await, 0);
    assert_eq!(kit.ack(&leased).await, 0);
    kit.advance(3600);
    assert!(kit.lease(10).await.is_empty());
    assert_eq!(kit.lanes().await, []);
}

pub async fn cancelling_what_is_not_there_changes_nothing(kit: QueueKit) {
    kit.put_new(vec![delivery("m1", "alice")]).await;
    for (within, what) in [
        ("im", recall("m2")),
        ("other", recall("m1")),
        ("im", logout("alice", "tablet", 9)),
        ("im", logout("bob", "alice-phone", 9)),
        ("im", logout("alice", "alice-phone", 1)),
        ("im", logout("alice", "alice-phone", 0)),
        ("other", logout("alice", "alice-phone", 9)),
        ("im", read("alice", "ann", at(99))),
        ("im", read("bob", "", at(99))),
        ("im", read("alice", "", at(-1))),
        ("im", Cancel::Expired(lane().credential)),
        ("im", Cancel::Expired(credential("other", 31287))),
    ] {
        assert_eq!(kit.cancel(within, &what).await, [], "{what:?}");
    }
    assert_eq!(kit.lease(10).await.len(), 1);
}

pub async fn no_more_than_the_limit_are_cancelled_in_one_call(kit: QueueKit) {
    const COUNT: usize = 4500;
    let of = |number: usize| {
        let notification = Notification::default()
            .with_thread("ann")
            .with_expires_at(NOW);
        changed(delivery_with("m", "alice", notification), |delivery| {
            let app = &format!("{}", number % 4);
            *delivery = within(delivery.clone(), &lane_of(app, 1, Class::CHAT));
            let instance = &format!("{number}");
            delivery.to = to("alice", "phone", Slot::LiveActivity, instance);
        })
    };
    // Far more than one transaction of a queue removes.
    kit.put_new((0..COUNT * 4).map(of).collect()).await;
    for (within, what) in [
        ("0", recall("m")),
        ("1", logout("alice", "phone", 2)),
        ("2", read("alice", "ann", at(1))),
        ("3", Cancel::Expired(credential("3", 1))),
    ] {
        let cancel = async |limit| {
            let some = kit.queue.cancel(&app(within), &what, limit).await;
            some.expect("cancels").len()
        };
        assert_eq!(cancel(0).await, 0);
        assert_eq!(cancel(1).await, 1);
        assert_eq!(cancel(2500).await, 2500, "{what:?}");
        assert_eq!(cancel(usize::MAX).await, COUNT - 2501, "{what:?}");
        assert_eq!(cancel(10).await, 0);
    }
    assert_eq!(kit.lanes().await, []);
}

pub async fn a_fence_stands_before_its_deliveries_are_removed(kit: QueueKit) {
    kit.put_new(
        (0..9)
            .map(|number| delivery("m1", &format!("u{number}")))
            .collect(),
    )
    .await;
    let of = |number| {
        let name = format!("m{number}");
        changed(delivery(&name, "alice"), |delivery| {
            delivery.to = to("alice", "phone", Slot::Alert, "");
        })
    };
    kit.put_new((10..19).map(of).collect()).await;
    for what in [recall("m1"), logout("alice", "phone", 2)] {
        for limit in [0, 2] {
            let some = kit.queue.cancel(&app("im"), &what, limit).await;
            assert_eq!(some.expect("cancels").len(), limit);
            let late = match what {
                Cancel::Message(_) => delivery("m1", "late"),
                _ => of(20),
            };
            assert_eq!(kit.put(vec![late]).await, [Put::Fenced]);
        }
    }
}

pub async fn no_earlier_delivery_survives_a_logout(kit: QueueKit) {
    // Submissions and a logout that race in every order: whatever was decided before revision 2 is gone afterwards.
    for round in 0..20 {
        let name = format!("user-{round}");
        let on = format!("{name}-phone");
        let putting = together((0..8).map(|task| {
            let queue = Arc::clone(&kit.queue);
            let name = name.clone();
            async move {
                let mut done = Vec::new();
                for number in 0..4 {
                    let revision = 1 + number % 2;
                    let of = format!("m-{round}-{task}-{number}");
                    let one = vec![delivery(&of, &name).with_revision(revision)];
                    let put = queue.put(one).await.expect("puts")[0];
                    assert!(put == Put::New || (put == Put::Fenced && revision == 1));
                    done.push(put);
                }
                done
            }
        }));
        let cancelling = async {
            tokio::task::yield_now().await;
            kit.cancel("im", &logout(&name, &on, 2)).await
        };
        let (puts, gone) = tokio::join!(putting, cancelling);
        let new = puts.iter().flatten().filter(|put| **put == Put::New);
        let new = new.count();
        let mut left = kit.lease_all().await;
        left.retain(|lease| lease.delivery.user() == Some(&user(&name)));
        assert!(left.iter().all(|lease| lease.delivery.revision == 2));
        assert_eq!(left.len(), 16);
        assert_eq!(new, left.len() + gone.len());
        kit.ack(&left).await;
    }
}

pub async fn no_delivery_survives_a_recall(kit: QueueKit) {
    for round in 0..20 {
        let name = format!("m{round}");
        let putting = together((0..8).map(|task| {
            let queue = Arc::clone(&kit.queue);
            let name = name.clone();
            async move {
                let mut new = 0;
                for number in 0..4 {
                    let one = vec![delivery(&name, &format!("u-{task}-{number}"))];
                    let put = queue.put(one).await.expect("puts")[0];
                    new += usize::from(put == Put::New);
                }
                new
            }
        }));
        let cancelling = async {
            tokio::task::yield_now().await;
            kit.cancel("im", &recall(&name)).await
        };
        let (new, gone) = tokio::join!(putting, cancelling);
        assert_eq!(new.iter().sum::<usize>(), gone.len());
        assert_eq!(kit.lanes().await, []);
    }
}

pub async fn deliveries_left_of_a_message_keep_their_content(kit: QueueKit) {
    let all = (0..10).map(|number| delivery("m1", &format!("u{number}")));
    kit.put_new(all.collect()).await;
    let leased = kit.lease(3).await;
    kit.ack(&leased).await;
    for number in 3..9 {
        let name = format!("u{number}");
        let gone = kit
            .cancel("im", &logout(&name, &format!("{name}-phone"), 2))
            .await;
        assert_eq!(gone.len(), 1);
    }
    // The message's last deliveries: one from the first call, one put now.
    kit.put_new(vec![delivery("m1", "late")]).await;
    let leased = kit.lease(10).await;
    assert_eq!(users(&leased), ["u9", "late"]);
    let shared = delivery("m1", "x").content;
    assert!(leased.iter().all(|lease| lease.delivery.content == shared));
}
