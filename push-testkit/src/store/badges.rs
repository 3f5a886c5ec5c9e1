//! Badges.
#![allow(missing_docs)] // The names say it all.
use std::{collections::HashMap, sync::Arc, time::Duration};

use push_core::{BadgeArithmetic, BadgeChange, Presence};

use super::{
    StoreKit,
    fixtures::{
        Dice, app, at, device, devices, devices_in, message, only_device, presence, register,
        registration, user, within,
    },
};
use crate::place::together;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn badge(by: &str, of: &str, on: &str, change: BadgeArithmetic) -> BadgeChange {
    BadgeChange::new(message(by), user(of), device(on), change)
}

fn plus(by: &str, more: u32) -> BadgeChange {
    badge(by, "alice", "phone", BadgeArithmetic::Add(more))
}

async fn change(kit: &StoreKit, changes: Vec<BadgeChange>) -> Vec<u32> {
    kit.store
        .change_badges(&app("im"), changes)
        .await
        .expect("changes badges")
}

async fn number(kit: &StoreKit) -> u32 {
    only_device(&kit.store, "alice").await.badge
}

// S65
pub async fn the_unread_count_is_the_base_of_the_badge(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let report = async |to, second, badge| {
        let mut change = presence("alice", None, to, at(second));
        change.badge = badge;
        kit.store
            .set_presence(&app("im"), vec![change])
            .await
            .expect("sets presence");
    };
    report(Presence::Background, 1, Some(7)).await;
    assert_eq!(change(&kit, vec![plus("m1", 2)]).await, [9]);
    // No count leaves it; a count of 0 clears it.
    report(Presence::PushOnline, 2, None).await;
    assert_eq!(number(&kit).await, 9);
    report(Presence::Online, 3, Some(0)).await;
    assert_eq!(number(&kit).await, 0);
}

pub async fn badges_are_set_and_added_to_in_order(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    register(&kit.store, registration("alice", "tablet", "t2")).await;
    let set = |by, to| badge(by, "alice", "phone", BadgeArithmetic::Set(to));
    let numbers = change(
        &kit,
        vec![
            plus("m1", 1),
            badge("m1", "alice", "tablet", BadgeArithmetic::Add(5)),
            set("m2", 40),
            plus("m3", 2),
            plus("m4", 0),
            set("m5", 42),
        ],
    )
    .await;
    assert_eq!(numbers, [1, 5, 40, 42, 42, 42]);
    let found = devices(&kit.store, "alice").await;
    assert_eq!((found[0].badge, found[1].badge), (42, 5));
    assert!(change(&kit, Vec::new()).await.is_empty());
}

pub async fn a_badge_never_wraps_around(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let numbers = change(
        &kit,
        vec![
            badge("m1", "alice", "phone", BadgeArithmetic::Set(u32::MAX)),
            plus("m2", 1),
            plus("m3", u32::MAX),
        ],
    )
    .await;
    assert_eq!(numbers, [u32::MAX; 3]);
    assert_eq!(number(&kit).await, u32::MAX);
}

pub async fn an_unknown_device_has_no_badge(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let unknown = || {
        vec![
            badge("m1", "bob", "phone", BadgeArithmetic::Add(3)),
            badge("m1", "alice", "tablet", BadgeArithmetic::Set(3)),
        ]
    };
    assert_eq!(change(&kit, unknown()).await, [0, 0]);
    assert_eq!(number(&kit).await, 0);
    assert_eq!(devices(&kit.store, "bob").await, []);
    // It did not count, so it counts once the device is known.
    register(&kit.store, registration("alice", "tablet", "t2")).await;
    assert_eq!(change(&kit, unknown()).await, [0, 3]);
}

pub async fn a_message_changes_a_badge_once(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    assert_eq!(change(&kit, vec![plus("m1", 1)]).await, [1]);
    assert_eq!(
        change(&kit, vec![plus("m2", 1), plus("m2", 1)]).await,
        [2, 2]
    );
    assert_eq!(
        change(&kit, vec![plus("m1", 1)]).await,
        [1],
        "the number that it led to then"
    );
    let set = badge("m1", "alice", "phone", BadgeArithmetic::Set(70));
    assert_eq!(change(&kit, vec![set.clone()]).await, [1]);
    assert_eq!(number(&kit).await, 2);
    // A change that leaves the number counts, too.
    assert_eq!(change(&kit, vec![plus("m3", 0)]).await, [2]);
    assert_eq!(change(&kit, vec![plus("m4", 5)]).await, [7]);
    assert_eq!(change(&kit, vec![plus("m3", 0)]).await, [2]);
    assert_eq!(number(&kit).await, 7);
}

pub async fn one_message_changes_the_badge_of_each_device(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    register(&kit.store, registration("alice", "tablet", "t2")).await;
    register(&kit.store, registration("bob", "tv", "t3")).await;
    register(
        &kit.store,
        within("other", registration("alice", "phone", "t1")),
    )
    .await;
    let all = [("alice", "phone"), ("alice", "tablet"), ("bob", "tv")]
        .map(|(of, on)| badge("m1", of, on, BadgeArithmetic::Add(1)));
    assert_eq!(change(&kit, all.to_vec()).await, [1, 1, 1]);
    let there = kit
        .store
        .change_badges(&app("other"), vec![plus("m1", 3)])
        .await;
    assert_eq!(there.expect("changes badges"), [3]);
    assert_eq!(
        devices_in(&kit.store, "other", "alice").await[0].badge,
        3,
        "of another app it is another message"
    );
    assert_eq!(devices(&kit.store, "alice").await[0].badge, 1);
    // The phone is another user's now, who starts at 0.
    register(&kit.store, registration("bob", "phone", "t1")).await;
    let bobs = badge("m1", "bob", "phone", BadgeArithmetic::Add(1));
    assert_eq!(change(&kit, vec![bobs]).await, [1]);
}

pub async fn a_badge_change_is_remembered_for_a_day(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    assert_eq!(change(&kit, vec![plus("m1", 1)]).await, [1]);
    for hour in 1..24 {
        kit.clock.advance(DAY / 24);
        let other = format!("hour-{hour}");
        assert_eq!(change(&kit, vec![plus(&other, 1)]).await, [hour + 1]);
        assert_eq!(change(&kit, vec![plus("m1", 1)]).await, [1]);
    }
    kit.clock.advance(DAY / 24);
    assert_eq!(change(&kit, vec![plus("m1", 1)]).await, [1]);
    // An operator corrects the clock.
    kit.clock.jump_to(at(-3600));
    assert_eq!(change(&kit, vec![plus("m1", 1)]).await, [1]);
    assert_eq!(number(&kit).await, 24);
}

pub async fn badges_changed_at_once_all_count(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let mut numbers: Vec<_> = together((0..100).map(|number| {
        let store = Arc::clone(&kit.store);
        async move {
            let one = plus(&format!("m{number}"), 1);
            store
                .change_badges(&app("im"), vec![one])
                .await
                .expect("changes badges")[0]
        }
    }))
    .await;
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=100).collect::<Vec<u32>>());
}

pub async fn a_message_submitted_many_times_at_once_counts_once(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let numbers = together((0..100).map(|_| {
        let store = Arc::clone(&kit.store);
        async move {
            store
                .change_badges(&app("im"), vec![plus("m1", 1)])
                .await
                .expect("changes badges")[0]
        }
    }))
    .await;
    assert_eq!(numbers, [1; 100]);
    assert_eq!(number(&kit).await, 1);
}

pub async fn repeated_badge_changes_lead_where_single_ones_do(kit: StoreKit) {
    let phones = ["phone", "tablet", "tv"];
    for on in phones {
        register(&kit.store, registration("alice", on, on)).await;
    }
    let mut dice = Dice(7);
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    let mut done: HashMap<(String, &str), u32> = HashMap::new();
    for _ in 0..100 {
        let mut changes = Vec::new();
        let mut expected = Vec::new();
        for _ in 0..dice.roll(6) {
            let by = format!("m{}", dice.roll(40));
            let on = phones[dice.roll(3)];
            let by_how_much = dice.roll(9) as u32;
            let to = if dice.roll(4) == 0 {
                BadgeArithmetic::Set(by_how_much)
            } else {
                BadgeArithmetic::Add(by_how_much)
            };
            changes.push(badge(&by, "alice", on, to));
            let number = numbers.entry(on).or_default();
            let led_to = done.entry((by, on)).or_insert_with(|| {
                *number = match to {
                    BadgeArithmetic::Set(to) => to,
                    BadgeArithmetic::Add(more) => *number + more,
                };
                *number
            });
            expected.push(*led_to);
        }
        assert_eq!(change(&kit, changes).await, expected);
    }
    for device in devices(&kit.store, "alice").await {
        assert_eq!(device.badge, numbers[device.device.as_str()]);
    }
}
