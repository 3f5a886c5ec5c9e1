//! Putting, once each.
#![allow(missing_docs)] // The names say it all.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use push_core::{
    AppId, Badge, Cancel, Channel, Class, Delivery, DeliveryId, Interruption, MessageId,
    Notification, NotificationKind, Priority, Put, Slot, Sought, Sound, Timestamp,
};

use super::{
    QueueKit,
    fixtures::{
        at, changed, content_id, delivery, delivery_with, lane, lane_of, logout, message, to,
        to_token, users, within,
    },
};
use crate::{json, place::together, sample::NOW};

/// A day in seconds: how long a queue remembers messages at least.
const DAY: u64 = 24 * 60 * 60;

pub async fn what_is_put_is_leased_as_it_was(kit: QueueKit) {
    let notification = Notification::default()
        .with_kind(NotificationKind::LiveActivity)
        .with_title("Ann \"the\" Tester")
        .with_subtitle("sub")
        .with_body("午餐\n\u{1F600}\u{0}")
        .with_ext(r#"{"entity":{"sender":"ann"}}"#.to_owned())
        .with_sound(Sound::Named("chime.caf".to_owned()))
        .with_image("https://example.org/a.png")
        .with_priority(Priority::Low)
        .with_interruption(Interruption::Critical)
        .with_thread("ann")
        .with_collapse("c")
        .with_collapse_waiting(true)
        .with_mutable(true)
        .with_wakes_app(true)
        .with_expires_at(at(60))
        .with_vendor(
            json!({"category": "IM", "n": [1, 2.5]})
                .as_object()
                .cloned()
                .unwrap_or_default(),
        );
    let full = changed(delivery_with("m1", "alice", notification), |full| {
        full.to = to("用户 👩‍👩‍👧", "phone", Slot::LiveActivity, "activity 7");
        full.channel = Channel::known("smoke-signals");
        full.badge = Badge::Set(0);
        full.due = Some(at(-5));
        full.revision = 1_700_000_000_000_000;
        full.created_at = at(-7);
    });
    let token = changed(delivery("m2", "-"), |token| {
        token.to = to_token("' OR 1=1; -- \\");
        token.badge = Badge::Add(u32::MAX);
        token.revision = 0;
    });
    let plain = delivery("m3", "bob");
    let all = vec![full, token, plain];
    kit.put_new(all.clone()).await;
    let leased = kit.lease(10).await;
    assert_eq!(leased.len(), 3);
    for (lease, put) in leased.iter().zip(&all) {
        assert_eq!(lease.delivery, *put);
        assert_eq!((lease.attempt, lease.batch), (1, None));
    }
}

pub async fn a_delivery_put_again_is_a_duplicate(kit: QueueKit) {
    let token = changed(delivery("m1", "-"), |token| token.to = to_token("token"));
    let first = vec![delivery("m1", "alice"), token];
    kit.put_new(first.clone()).await;
    // Another id, credential, text, badge and revision: the same push all the same.
    let again = first.iter().cloned().map(|delivery| {
        changed(delivery, |delivery| {
            delivery.id = DeliveryId::new(NOW);
            delivery.badge = Badge::Set(4);
            delivery.revision = 9;
            Arc::make_mut(&mut delivery.content).id = content_id("other");
            *delivery = within(delivery.clone(), &lane_of("im", 2, Class::CALL));
        })
    });
    let mut again: Vec<_> = again.collect();
    again.push(delivery("m1", "bob"));
    let done = kit.put(again).await;
    assert_eq!(done, [Put::Duplicate, Put::Duplicate, Put::New]);
    let leased = kit.lease(10).await;
    assert_eq!(users(&leased), ["alice", "-", "bob"]);
    assert_eq!(leased[0].delivery, first[0]);
    assert_eq!(kit.lanes().await.len(), 1);
}

pub async fn a_delivery_put_twice_in_one_call_is_a_duplicate(kit: QueueKit) {
    let done = kit
        .put(vec![
            delivery("m1", "alice"),
            delivery("m1", "bob"),
            delivery("m1", "alice"),
        ])
        .await;
    assert_eq!(done, [Put::New, Put::New, Put::Duplicate]);
    assert_eq!(kit.lease(10).await.len(), 2);
    assert_eq!(kit.lanes().await[0].depth, 2);
}

pub async fn an_acknowledged_delivery_is_a_duplicate_for_a_day(kit: QueueKit) {
    kit.put_new(vec![delivery("m1", "alice")]).await;
    let leased = kit.lease(10).await;
    assert_eq!(kit.ack(&leased).await, 1);
    for number in 0..23 {
        kit.advance(60 * 60);
        // Gives the queue a reason to forget what it may.
        kit.put_new(vec![delivery(&format!("later-{number}"), "alice")])
            .await;
        let leased = kit.lease_all().await;
        kit.ack(&leased).await;
    }
    kit.advance(60 * 60 - 1);
    let done = kit.put(vec![delivery("m1", "alice")]).await;
    assert_eq!(done, [Put::Duplicate]);
    assert_eq!(kit.lanes().await, []);
}

pub async fn what_waits_or_is_leased_is_held_and_nothing_else(kit: QueueKit) {
    let sought = |of: &Delivery| Sought::new(of.id, of.message().clone(), of.user().cloned());
    let token = |token| {
        let mut delivery = delivery("m1", "no-user");
        delivery.to = to_token(token);
        delivery
    };
    let put = [
        delivery("m1", "done"),
        token("token-1"),
        delivery("m1", "leased"),
        token("token-2"),
        delivery("m1", "waits"),
        delivery("m2", "recalled"),
    ];
    kit.put_new(put.to_vec()).await;
    let done = kit.lease(2).await;
    kit.ack(&done).await;
    kit.lease(1).await;
    kit.cancel("im", &Cancel::Message(message("m2"))).await;
    let never = delivery("m1", "waits");
    let all = put.iter().chain([&never]).map(sought);
    let app = AppId::new("im").expect("an app");
    let held = kit.queue.holds(&app, all.collect()).await;
    let held = held.expect("it can be asked");
    let expected = vec![false, false, true, true, true, false, false];
    // It need not know.
    if held.is_some() {
        assert_eq!(held, Some(expected));
    }
}

pub async fn a_message_put_again_is_remembered_for_another_day(kit: QueueKit) {
    let first = delivery("m1", "alice");
    kit.put_new(vec![first.clone()]).await;
    let leased = kit.lease(10).await;
    kit.ack(&leased).await;
    for number in 0..40 {
        kit.advance(DAY / 10);
        // One delivery more of the message, or the same one again.
        let again = match number % 2 {
            0 => vec![delivery("m1", &format!("user-{number}"))],
            _ => vec![delivery("m1", "alice")],
        };
        kit.put(again).await;
        let leased = kit.lease_all().await;
        kit.ack(&leased).await;
        kit.put_new(vec![delivery(&format!("other-{number}"), "bob")])
            .await;
    }
    assert_eq!(kit.put(vec![first]).await, [Put::Duplicate]);
}

pub async fn a_message_that_was_put_or_recalled_is_remembered_for_a_day(kit: QueueKit) {
    let remembers = async |app: &str, messages: &[&str]| {
        let messages = messages
            .iter()
            .map(|id| MessageId::new(*id).expect("an id"));
        let app = AppId::new(app).expect("an app");
        let known = kit.queue.remembered(&app, messages.collect()).await;
        known.expect("it can be asked")
    };
    if remembers("im", &["m1"]).await.is_none() {
        // It does not know; that is allowed.
        return;
    }
    kit.put_new(vec![delivery("done", "alice"), delivery("waits", "bob")])
        .await;
    let leased = kit.lease(1).await;
    kit.ack(&leased).await;
    let recall = Cancel::Message(MessageId::new("recalled").expect("an id"));
    kit.cancel("im", &recall).await;
    let names = ["waits", "never", "done", "recalled"];
    let expected = Some(vec![true, false, true, true]);
    assert_eq!(remembers("im", &names).await, expected);
    assert_eq!(remembers("another", &["waits"]).await, Some(vec![false]));
    assert_eq!(remembers("im", &[]).await, Some(Vec::new()));
    kit.advance(DAY - 1);
    assert_eq!(remembers("im", &names).await, expected);
    // What waits is remembered for as long as it waits.
    for number in 0..3 {
        kit.advance(DAY);
        kit.put_new(vec![delivery(&format!("later-{number}"), "carol")])
            .await;
    }
    assert_eq!(remembers("im", &["waits"]).await, Some(vec![true]));
}

pub async fn a_queue_that_is_in_order_says_so(kit: QueueKit) {
    kit.queue.check().await.expect("it is new");
    kit.put_new(vec![delivery("m1", "alice")]).await;
    kit.queue.check().await.expect("it is in order");
}

pub async fn a_cancelled_delivery_is_a_duplicate(kit: QueueKit) {
    kit.put_new(vec![delivery("m1", "alice")]).await;
    let gone = kit.cancel("im", &Cancel::Message(message("m1"))).await;
    assert_eq!(gone.len(), 1);
    let done = kit.put(vec![delivery("m1", "alice")]).await;
    assert_eq!(done, [Put::Duplicate]);
    kit.advance(3600);
    assert!(kit.lease(10).await.is_empty());
}

pub async fn another_app_message_address_or_channel_is_no_duplicate(kit: QueueKit) {
    let first = delivery("m1", "alice");
    let other = |change: &dyn Fn(&mut Delivery)| changed(first.clone(), change);
    let address = |address| other(&|delivery| delivery.to = Clone::clone(&address));
    let others = vec![
        within(first.clone(), &lane_of("other", 31287, Class::CHAT)),
        other(&|delivery| Arc::make_mut(&mut delivery.content).message = message("m2")),
        address(to("bob", "alice-phone", Slot::Alert, "")),
        address(to("alice", "tablet", Slot::Alert, "")),
        address(to("alice", "alice-phone", Slot::Voip, "")),
        address(to("alice", "alice-phone", Slot::Alert, "activity")),
        address(to_token("alice")),
        address(to_token("bob")),
        other(&|delivery| delivery.channel = Channel::known("second")),
    ];
    kit.put_new(vec![first.clone()]).await;
    kit.put_new(others.clone()).await;
    for delivery in others.into_iter().chain([first]) {
        assert_eq!(kit.put(vec![delivery]).await, [Put::Duplicate]);
    }
    // Ids that only look the same when they are joined.
    let of = |user_id, device_id| {
        changed(delivery("m9", "x"), |delivery| {
            delivery.to = to(user_id, device_id, Slot::Alert, "");
        })
    };
    kit.put_new(vec![of("ab", "c"), of("a", "bc")]).await;
}

pub async fn any_number_of_deliveries_can_be_put_at_once(kit: QueueKit) {
    for count in [0, 1, 999, 1000, 1001, 3007] {
        let batch: Vec<_> = (0..count)
            .map(|number| delivery(&format!("m{count}"), &format!("user-{number}")))
            .collect();
        let ids: BTreeSet<_> = batch.iter().map(|delivery| delivery.id).collect();
        assert_eq!(ids.len(), count);
        kit.put_new(batch.clone()).await;
        let again = kit.put(batch).await;
        assert!(again.iter().all(|put| *put == Put::Duplicate));
        let leased = kit.lease_all().await;
        let found: BTreeSet<_> = leased.iter().map(|lease| lease.delivery.id).collect();
        assert_eq!(leased.len(), count);
        assert_eq!(found, ids);
        assert_eq!(kit.ack(&leased).await, count as u64);
    }
    assert_eq!(kit.lanes().await, []);
}

pub async fn of_the_same_delivery_put_by_many_one_is_new(kit: QueueKit) {
    let answers = together((0..64).map(|_| {
        let queue = Arc::clone(&kit.queue);
        async move {
            let both = vec![delivery("m1", "alice"), delivery("m1", "bob")];
            queue.put(both).await.expect("puts")
        }
    }))
    .await;
    for position in [0, 1] {
        let new = answers.iter().filter(|puts| puts[position] == Put::New);
        assert_eq!(new.count(), 1);
    }
    assert_eq!(kit.lease(10).await.len(), 2);
}

pub async fn a_delivery_waits_until_it_is_due(kit: QueueKit) {
    let due = |to, count| delivery("m1", to).with_due(at(count));
    // Longer than anything else may wait, too.
    kit.put_new(vec![
        due("morning", 10 * 3600),
        due("soon", 60),
        due("past", -3600),
        due("never", i64::from(i32::MAX)),
    ])
    .await;
    assert_eq!(users(&kit.lease(10).await), ["past"]);
    kit.advance(59);
    assert_eq!(users(&kit.lease(10).await), ["past"], "its lease has ended");
    kit.advance(1);
    let leased = kit.lease(10).await;
    assert_eq!(users(&leased), ["soon"]);
    assert_eq!(leased[0].delivery.due, Some(at(60)));
    kit.advance(10 * 3600 - 61);
    assert_eq!(users(&kit.lease(10).await), ["past", "soon"]);
    kit.advance(1);
    assert_eq!(users(&kit.lease(10).await), ["morning"]);
}

pub async fn a_delivery_without_a_due_time_is_due_at_once(kit: QueueKit) {
    // Whatever the clock of its caller says.
    for (number, created) in [-86_400 * 365, -1, 1, 3600, 86_400 * 365]
        .into_iter()
        .enumerate()
    {
        let odd = changed(delivery(&format!("m{number}"), "alice"), |odd| {
            odd.created_at = at(created);
        });
        kit.put_new(vec![odd]).await;
        let leased = kit.lease(10).await;
        assert_eq!(leased.len(), 1, "created {created} s after now");
        kit.ack(&leased).await;
    }
    let odd = changed(delivery("last", "alice"), |odd| {
        odd.created_at = Timestamp::from_unix_millis(i64::MAX);
    });
    kit.put_new(vec![odd]).await;
    assert_eq!(kit.lease(10).await.len(), 1);
}

pub async fn deliveries_of_one_content_share_it(kit: QueueKit) {
    // Put in many calls, each with a copy of its own, as a broadcast comes.
    for number in 0..30 {
        kit.put_new(vec![delivery("m1", &format!("user-{number}"))])
            .await;
    }
    // The id is what counts, not the text.
    let other = changed(delivery("m1", "late"), |other| {
        Arc::make_mut(&mut other.content).notification.title = "other".to_owned();
    });
    kit.put_new(vec![other]).await;
    let leased = kit.lease(100).await;
    assert_eq!(leased.len(), 31);
    let first = &leased[0].delivery.content;
    assert_eq!(**first, *delivery("m1", "x").content);
    assert!(
        leased
            .iter()
            .all(|lease| Arc::ptr_eq(&lease.delivery.content, first))
    );
}

pub async fn each_delivery_keeps_its_own_badge_and_content(kit: QueueKit) {
    let of = |number: u32| {
        let notification = Notification::default().with_title(format!("text {}", number % 7));
        delivery_with("m1", &format!("user-{number:03}"), notification).with_badge(
            match number % 3 {
                0 => Badge::Leave,
                1 => Badge::Set(number),
                _ => Badge::Add(number),
            },
        )
    };
    for numbers in [0..20, 20..60, 60..61, 61..62] {
        kit.put_new(numbers.map(of).collect()).await;
    }
    let leased = kit.lease_all().await;
    assert_eq!(leased.len(), 62);
    for (number, lease) in (0..).zip(&leased) {
        let put = of(number);
        assert_eq!(lease.delivery.content, put.content);
        assert_eq!(lease.delivery.badge, put.badge);
    }
}

pub async fn deliveries_of_many_messages_keep_their_contents(kit: QueueKit) {
    // The same content id in different messages, and different contents of one message.
    let of = |number: usize| {
        let (of, to) = (format!("m{}", number / 4), format!("user-{}", number % 4));
        let title = match number % 3 {
            0 => "shared".to_owned(),
            _ => of.clone(),
        };
        let notification = Notification::default().with_title(title);
        delivery_with(&of, &to, notification)
    };
    let all: Vec<Delivery> = (0..400).map(of).collect();
    kit.put_new(all.clone()).await;
    // Acknowledging one must not remove another's content.
    let mut first = kit.lease_all().await;
    let second = first.split_off(200);
    assert_eq!(kit.ack(&first).await, 200);
    for lease in &second {
        assert_eq!(kit.nack(lease, 1).await, 1);
    }
    kit.advance(1);
    let left: BTreeMap<DeliveryId, Delivery> = kit
        .lease_all()
        .await
        .into_iter()
        .map(|lease| (lease.delivery.id, lease.delivery))
        .collect();
    assert_eq!(left.len(), 200);
    for put in all {
        if let Some(found) = left.get(&put.id) {
            assert_eq!(*found, put);
        }
    }
}

pub async fn a_recall_fences_messages_never_seen(kit: QueueKit) {
    let what = Cancel::Message(message("m1"));
    assert_eq!(kit.cancel("im", &what).await, []);
    let elsewhere = within(
        delivery("m1", "alice"),
        &lane_of("other", 31287, Class::CHAT),
    );
    let token = changed(delivery("m1", "-"), |token| token.to = to_token("token"));
    let done = kit
        .put(vec![
            delivery("m1", "alice"),
            token,
            delivery("m2", "alice"),
            elsewhere,
        ])
        .await;
    assert_eq!(done, [Put::Fenced, Put::Fenced, Put::New, Put::New]);
    // As long as it remembers messages.
    kit.advance(DAY - 1);
    let done = kit.put(vec![delivery("m1", "bob")]).await;
    assert_eq!(done, [Put::Fenced]);
    let mut left = kit.lanes().await;
    left.retain(|state| state.lane == lane());
    assert_eq!(left[0].depth, 1);
}

pub async fn a_fence_lasts_for_an_hour_and_is_forgotten_some_day(kit: QueueKit) {
    let what = logout("alice", "alice-phone", 5);
    assert_eq!(kit.cancel("im", &what).await, []);
    let of = |number: u64| delivery(&format!("m{number}"), "alice").with_revision(4);
    for number in 0..6 {
        assert_eq!(kit.put(vec![of(number)]).await, [Put::Fenced]);
        kit.advance(10 * 60 - 1);
    }
    // A fenced delivery is not remembered: decided again at the new revision it is new.
    kit.put_new(vec![of(0).with_revision(5)]).await;
    kit.advance(3 * DAY);
    // Twice, because forgetting may happen beside the first call.
    kit.put(vec![delivery("x", "bob")]).await;
    kit.put(vec![delivery("y", "bob")]).await;
    assert_eq!(kit.put(vec![of(1)]).await, [Put::New]);
}
