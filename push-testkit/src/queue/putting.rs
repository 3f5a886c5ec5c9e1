//! Putting, once each.
#![allow(missing_docs)] // The names say it all.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use push_core::{
    Badge, Cancel, Channel, Delivery, DeliveryId, DeviceToken, Environment, Interruption,
    Notification, NotificationKind, Priority, Put, Slot, Sound,
};

use super::{
    QueueKit,
    fixtures::{app, at, delivery, device, message, user},
};
use crate::{json, place::together, sample::NOW};

pub async fn what_is_put_is_leased_as_it_was(kit: QueueKit) {
    let full = Delivery {
        slot: Slot::LiveActivity,
        channel: Channel::known("smoke-signals"),
        environment: Environment::Production,
        token: DeviceToken::new("' OR 1=1; -- \\").expect("a device token"),
        told_at: at(-86_400),
        user: user("用户 👩‍👩‍👧"),
        notification: Arc::new(Notification {
            kind: NotificationKind::LiveActivity,
            title: "Ann \"the\" Tester".to_owned(),
            subtitle: "sub".to_owned(),
            body: "午餐\n\u{1F600}\u{0}".to_owned(),
            ext: r#"{"entity":{"sender":"ann"}}"#.to_owned(),
            badge: Badge::Set(0),
            sound: Sound::Named("chime.caf".to_owned()),
            image: "https://example.org/a.png".to_owned(),
            priority: Priority::Low,
            interruption: Some(Interruption::Critical),
            thread: "ann".to_owned(),
            collapse: "c".to_owned(),
            mutable: true,
            wakes_app: true,
            expires_at: Some(at(60)),
            vendor: BTreeMap::from([(Channel::HUAWEI, json!({"category": "IM", "n": [1, 2.5]}))]),
        }),
        ..delivery("m1", "alice")
    };
    let plain = delivery("m2", "bob");
    kit.put_new(vec![full.clone(), plain.clone()]).await;
    let leased = kit.lease(10, NOW).await;
    assert_eq!(leased.len(), 2);
    assert_eq!(leased[0].delivery, full);
    assert_eq!(leased[1].delivery, plain);
    assert_eq!((leased[0].attempt, leased[1].attempt), (1, 1));
}

pub async fn a_delivery_put_again_is_a_duplicate(kit: QueueKit) {
    kit.put_new(vec![delivery("m1", "alice")]).await;
    // Another id, token, credential and text: the same push all the same.
    let again = Delivery {
        token: DeviceToken::new("new").expect("a device token"),
        channel: Channel::FCM,
        ..delivery("m1", "alice")
    };
    let new = delivery("m1", "bob");
    let done = kit.put(vec![again, new]).await;
    assert_eq!(done, [Put::Duplicate, Put::New]);
    let leased = kit.lease(10, NOW).await;
    assert_eq!(leased.len(), 2);
    assert_eq!(leased[0].delivery.token.expose(), "token-of-alice");
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
    assert_eq!(kit.lease(10, NOW).await.len(), 2);
    assert_eq!(kit.lanes().await[0].depth, 2);
}

pub async fn a_delivery_that_was_acknowledged_is_a_duplicate_for_a_day(kit: QueueKit) {
    kit.put_new(vec![delivery("m1", "alice")]).await;
    let leased = kit.lease(10, NOW).await;
    assert_eq!(kit.ack(&leased).await, 1);
    let day = Duration::from_secs(24 * 60 * 60);
    let step = Duration::from_secs(60 * 60 - 1);
    let mut now = NOW;
    let mut number = 0;
    while now + step < NOW + day {
        now = now + step;
        number += 1;
        kit.clock.advance(step);
        let later = Delivery {
            created_at: now,
            ..delivery(&format!("later-{number}"), "alice")
        };
        let again = Delivery {
            created_at: now,
            ..delivery("m1", "alice")
        };
        assert_eq!(
            kit.put(vec![later, again]).await,
            [Put::New, Put::Duplicate],
            "after {number} hours"
        );
        let leased = kit.lease_all(now).await;
        kit.ack(&leased).await;
    }
    assert_eq!(kit.lanes().await, []);
}

pub async fn a_delivery_that_was_cancelled_is_a_duplicate(kit: QueueKit) {
    kit.put_new(vec![delivery("m1", "alice")]).await;
    let gone = kit.cancel("im", Cancel::Message(message("m1"))).await;
    assert_eq!(gone.len(), 1);
    let done = kit.put(vec![delivery("m1", "alice")]).await;
    assert_eq!(done, [Put::Duplicate]);
    assert!(kit.lease(10, at(3600)).await.is_empty());
}

pub async fn another_app_message_user_device_or_slot_is_no_duplicate(kit: QueueKit) {
    let first = delivery("m1", "alice");
    let others = vec![
        Delivery {
            app: app("other"),
            ..first.clone()
        },
        Delivery {
            message: message("m2"),
            ..first.clone()
        },
        Delivery {
            user: user("bob"),
            ..first.clone()
        },
        Delivery {
            device: device("tablet"),
            ..first.clone()
        },
        Delivery {
            slot: Slot::Voip,
            ..first.clone()
        },
    ];
    kit.put_new(vec![first.clone()]).await;
    kit.put_new(others.clone()).await;
    for it in others.into_iter().chain([first]) {
        assert_eq!(kit.put(vec![it]).await, [Put::Duplicate]);
    }
    // Ids that only look the same when they are strung together.
    let of = |user_id, device_id| Delivery {
        user: user(user_id),
        device: device(device_id),
        ..delivery("m9", "x")
    };
    kit.put_new(vec![of("ab", "c"), of("a", "bc")]).await;
}

pub async fn any_number_of_deliveries_can_be_put_at_once(kit: QueueKit) {
    for count in [0, 1, 999, 1000, 1001, 3007] {
        let notification = Arc::new(Notification::default());
        let batch: Vec<_> = (0..count)
            .map(|it| Delivery {
                notification: Arc::clone(&notification),
                ..delivery(&format!("m{count}"), &format!("user-{it}"))
            })
            .collect();
        let ids: BTreeSet<_> = batch.iter().map(|it| it.id).collect();
        assert_eq!(ids.len(), count);
        kit.put_new(batch.clone()).await;
        let again = kit.put(batch).await;
        assert!(again.iter().all(|it| *it == Put::Duplicate));
        let leased = kit.lease_all(NOW).await;
        let found: BTreeSet<_> = leased.iter().map(|it| it.delivery.id).collect();
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
            let it = vec![delivery("m1", "alice"), delivery("m1", "bob")];
            queue.put(it).await.expect("puts")
        }
    }))
    .await;
    for position in [0, 1] {
        let new = answers.iter().filter(|it| it[position] == Put::New);
        assert_eq!(new.count(), 1);
    }
    assert_eq!(kit.lease(10, NOW).await.len(), 2);
}

pub async fn each_delivery_keeps_its_own_notification(kit: QueueKit) {
    // One message, and a badge for each device: some share theirs, some do not.
    let shared: Vec<_> = (0..3)
        .map(|it| {
            Arc::new(Notification {
                badge: Badge::Set(it),
                ..Notification::default()
            })
        })
        .collect();
    let of = |number: u32| Delivery {
        notification: match number {
            0..40 => Arc::clone(&shared[number as usize % 3]),
            _ => Arc::new(Notification {
                badge: Badge::Set(number),
                ..Notification::default()
            }),
        },
        ..delivery("m1", &format!("user-{number:03}"))
    };
    for numbers in [0..20, 20..60, 60..61, 61..62] {
        kit.put_new(numbers.map(of).collect()).await;
    }
    let leased = kit.lease_all(NOW).await;
    assert_eq!(leased.len(), 62);
    for (number, it) in (0..).zip(&leased) {
        assert_eq!(it.delivery.notification, of(number).notification);
    }
}

pub async fn deliveries_of_many_messages_share_nothing_but_what_they_should(kit: QueueKit) {
    // The very same notification in different messages and apps, and different ones under the same names.
    let shared = Arc::new(Notification {
        body: "shared".to_owned(),
        ..Notification::default()
    });
    let of = |number: usize| {
        let it = delivery(&format!("m{}", number / 4), &format!("user-{}", number % 4));
        if number.is_multiple_of(3) {
            it
        } else {
            Delivery {
                notification: Arc::clone(&shared),
                ..it
            }
        }
    };
    let all: Vec<Delivery> = (0..400).map(of).collect();
    kit.put_new(all.clone()).await;
    // Acknowledging one must not take another's notification away.
    let (first, second) = {
        let mut leased = kit.lease_all(NOW).await;
        let second = leased.split_off(200);
        (leased, second)
    };
    assert_eq!(kit.ack(&first).await, 200);
    for it in &second {
        assert_eq!(kit.nack(it, at(1), true).await, 1);
    }
    let left: BTreeMap<DeliveryId, Delivery> = kit
        .lease_all(at(1))
        .await
        .into_iter()
        .map(|it| (it.delivery.id, it.delivery))
        .collect();
    assert_eq!(left.len(), 200);
    for it in all {
        if let Some(found) = left.get(&it.id) {
            assert_eq!(*found, it);
        }
    }
}
