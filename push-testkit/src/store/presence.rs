//! Presence and badges.
#![allow(missing_docs)] // The names say it all.
use std::{sync::Arc, time::Duration};

use push_core::{
    BadgeArithmetic, BadgeChange, Device, Platform, Presence, PresenceChange, Registration,
    Timestamp,
};

use super::{
    StoreKit,
    fixtures::{app, at, device, devices, devices_in, only_device, register, registration, user},
};
use crate::{place::together, sample::NOW};

fn change(of: &str, on: Option<&str>, presence: Presence, when: Timestamp) -> PresenceChange {
    PresenceChange {
        user: user(of),
        device: on.map(device),
        platform: None,
        presence,
        at: when,
        badge: None,
    }
}

async fn tell(kit: &StoreKit, it: PresenceChange) -> u64 {
    kit.store
        .set_presence(&app("im"), vec![it])
        .await
        .expect("takes presence")
}

fn badge(of: &str, on: &str, change: BadgeArithmetic) -> BadgeChange {
    BadgeChange {
        user: user(of),
        device: device(on),
        change,
    }
}

async fn change_badges(kit: &StoreKit, changes: Vec<BadgeChange>) -> Vec<u32> {
    kit.store
        .change_badges(&app("im"), changes)
        .await
        .expect("changes badges")
}

fn state(it: &Device) -> (Presence, Timestamp) {
    (it.presence, it.presence_at)
}

pub async fn a_device_starts_online_without_a_badge(kit: StoreKit) {
    let told = Registration {
        told_at: at(3),
        ..registration("alice", "phone", "t1")
    };
    register(&kit.store, told).await;
    let found = only_device(&kit.store, "alice").await;
    assert_eq!(state(&found), (Presence::Online, at(3)));
    assert_eq!((found.badge, found.platform), (0, None));
}

pub async fn a_device_in_background_stays_there_when_its_token_is_told_again(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    for (minute, presence) in (1..).zip([Presence::Background, Presence::PushOnline]) {
        let mut it = change("alice", Some("phone"), presence, at(60 * minute));
        it.badge = Some(4);
        tell(&kit, it).await;
        let again = Registration {
            told_at: at(3600),
            ..registration("alice", "phone", "t2")
        };
        register(&kit.store, again).await;
        let found = only_device(&kit.store, "alice").await;
        assert_eq!(state(&found), (presence, at(60 * minute)));
        assert_eq!(found.badge, 4);
    }
}

pub async fn a_device_that_was_offline_starts_online_again(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let mut gone = change("alice", Some("phone"), Presence::Offline, at(60));
    gone.badge = Some(9);
    gone.platform = Some(Platform::Ios);
    tell(&kit, gone).await;
    let again = Registration {
        told_at: at(120),
        ..registration("alice", "phone", "t1")
    };
    assert!(register(&kit.store, again).await.changed);
    let found = only_device(&kit.store, "alice").await;
    assert_eq!(state(&found), (Presence::Online, at(120)));
    assert_eq!(found.badge, 0);
    assert_eq!(found.platform, Some(Platform::Ios), "it is the same device");
}

pub async fn a_device_of_another_user_starts_online_again(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let mut away = change("alice", Some("phone"), Presence::Background, at(60));
    away.badge = Some(9);
    tell(&kit, away).await;
    let taken = Registration {
        told_at: at(120),
        ..registration("bob", "phone", "t1")
    };
    register(&kit.store, taken).await;
    let found = only_device(&kit.store, "bob").await;
    assert_eq!(state(&found), (Presence::Online, at(120)));
    assert_eq!(found.badge, 0, "alice's unread messages are not bob's");
}

pub async fn presence_is_told_for_one_device(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    register(&kit.store, registration("alice", "tablet", "t2")).await;
    let mut it = change("alice", Some("phone"), Presence::Background, at(1));
    it.platform = Some(Platform::Android);
    assert_eq!(tell(&kit, it).await, 1);
    let found = devices(&kit.store, "alice").await;
    assert_eq!(state(&found[0]), (Presence::Background, at(1)));
    assert_eq!(found[0].platform, Some(Platform::Android));
    assert_eq!(state(&found[1]), (Presence::Online, NOW));
    assert_eq!(found[1].platform, None);
    // Without a platform the one that is known stays.
    let it = change("alice", Some("phone"), Presence::Online, at(2));
    assert_eq!(tell(&kit, it).await, 1);
    let found = devices(&kit.store, "alice").await;
    assert_eq!(found[0].platform, Some(Platform::Android));
}

pub async fn presence_is_told_for_a_platform_or_for_all(kit: StoreKit) {
    for (on, platform) in [
        ("a-phone", Some(Platform::Ios)),
        ("b-pad", Some(Platform::Ipad)),
        ("c-phone", Some(Platform::Ios)),
        ("d-unknown", None),
    ] {
        register(&kit.store, registration("alice", on, on)).await;
        let mut it = change("alice", Some(on), Presence::Online, at(1));
        it.platform = platform;
        tell(&kit, it).await;
    }
    register(&kit.store, registration("bob", "e-phone", "t5")).await;
    let mut it = change("alice", None, Presence::PushOnline, at(2));
    it.platform = Some(Platform::Ios);
    assert_eq!(tell(&kit, it).await, 2);
    let found = devices(&kit.store, "alice").await;
    let presences: Vec<_> = found.iter().map(|it| it.presence).collect();
    assert_eq!(
        presences,
        [
            Presence::PushOnline,
            Presence::Online,
            Presence::PushOnline,
            Presence::Online
        ]
    );
    assert_eq!(
        tell(&kit, change("alice", None, Presence::Offline, at(3))).await,
        4
    );
    let found = devices(&kit.store, "alice").await;
    assert!(
        found
            .iter()
            .all(|it| state(it) == (Presence::Offline, at(3)))
    );
    assert_eq!(found[3].platform, None);
    assert_eq!(
        only_device(&kit.store, "bob").await.presence,
        Presence::Online
    );
}

// S71
pub async fn presence_older_than_what_is_known_is_ignored(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let told = async |presence, when, badge| {
        let mut it = change("alice", Some("phone"), presence, when);
        it.badge = Some(badge);
        it.platform = Some(Platform::Ios);
        let taken = tell(&kit, it).await;
        let found = only_device(&kit.store, "alice").await;
        (taken, found.presence, found.badge)
    };
    assert_eq!(
        told(Presence::Background, at(100), 5).await,
        (1, Presence::Background, 5)
    );
    let late = Timestamp::from_unix_millis(at(100).unix_millis() - 1);
    assert_eq!(
        told(Presence::Online, late, 6).await,
        (0, Presence::Background, 5)
    );
    assert_eq!(
        told(Presence::Background, at(100), 5).await,
        (1, Presence::Background, 5),
        "told twice is no harm"
    );
    assert_eq!(
        told(Presence::Online, at(100), 7).await,
        (1, Presence::Online, 7),
        "of one moment the last one counts"
    );
    // In one call, too.
    let changes = [(at(300), Presence::PushOnline), (at(200), Presence::Online)]
        .map(|(when, presence)| change("alice", None, presence, when));
    let taken = kit
        .store
        .set_presence(&app("im"), changes.to_vec())
        .await
        .expect("takes presence");
    assert_eq!(taken, 1);
    let found = only_device(&kit.store, "alice").await;
    assert_eq!(state(&found), (Presence::PushOnline, at(300)));
}

pub async fn presence_of_unknown_devices_is_ignored(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let changes = vec![
        change("bob", Some("phone"), Presence::Offline, at(1)),
        change("bob", None, Presence::Offline, at(1)),
        change("alice", Some("tablet"), Presence::Offline, at(1)),
    ];
    let taken = kit
        .store
        .set_presence(&app("im"), changes)
        .await
        .expect("takes presence");
    assert_eq!(taken, 0);
    assert_eq!(
        state(&only_device(&kit.store, "alice").await),
        (Presence::Online, NOW)
    );
    assert_eq!(devices(&kit.store, "bob").await, []);
    assert_eq!(
        kit.store
            .set_presence(&app("im"), Vec::new())
            .await
            .expect("takes nothing"),
        0
    );
}

// S71
pub async fn presence_from_before_a_logout_does_not_undo_it(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    kit.clock.advance(Duration::from_secs(60));
    kit.store
        .unregister(&app("im"), &user("alice"), &device("phone"), None)
        .await
        .expect("unregisters");
    assert_eq!(
        state(&only_device(&kit.store, "alice").await),
        (Presence::Offline, at(60))
    );
    let late = change("alice", Some("phone"), Presence::Background, at(59));
    assert_eq!(tell(&kit, late).await, 0);
    assert_eq!(
        only_device(&kit.store, "alice").await.presence,
        Presence::Offline
    );
}

// S65
pub async fn the_unread_count_is_the_base_of_the_badge(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let mut it = change("alice", Some("phone"), Presence::Background, at(1));
    it.badge = Some(7);
    tell(&kit, it).await;
    let plus = badge("alice", "phone", BadgeArithmetic::Add(2));
    assert_eq!(change_badges(&kit, vec![plus]).await, [9]);
    // No count leaves it; a count of 0 clears it.
    tell(
        &kit,
        change("alice", Some("phone"), Presence::PushOnline, at(2)),
    )
    .await;
    assert_eq!(only_device(&kit.store, "alice").await.badge, 9);
    let mut it = change("alice", None, Presence::Online, at(3));
    it.badge = Some(0);
    tell(&kit, it).await;
    assert_eq!(only_device(&kit.store, "alice").await.badge, 0);
}

pub async fn badges_are_set_and_added_to_in_order(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    register(&kit.store, registration("alice", "tablet", "t2")).await;
    let answers = change_badges(
        &kit,
        vec![
            badge("alice", "phone", BadgeArithmetic::Add(1)),
            badge("alice", "tablet", BadgeArithmetic::Add(5)),
            badge("alice", "phone", BadgeArithmetic::Set(40)),
            badge("alice", "phone", BadgeArithmetic::Add(2)),
            badge("alice", "phone", BadgeArithmetic::Add(0)),
        ],
    )
    .await;
    assert_eq!(answers, [1, 5, 40, 42, 42]);
    let found = devices(&kit.store, "alice").await;
    assert_eq!((found[0].badge, found[1].badge), (42, 5));
    assert!(change_badges(&kit, Vec::new()).await.is_empty());
}

pub async fn a_badge_never_wraps_around(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let answers = change_badges(
        &kit,
        vec![
            badge("alice", "phone", BadgeArithmetic::Set(u32::MAX)),
            badge("alice", "phone", BadgeArithmetic::Add(1)),
            badge("alice", "phone", BadgeArithmetic::Add(u32::MAX)),
        ],
    )
    .await;
    assert_eq!(answers, [u32::MAX; 3]);
    assert_eq!(only_device(&kit.store, "alice").await.badge, u32::MAX);
}

pub async fn an_unknown_device_has_no_badge(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let answers = change_badges(
        &kit,
        vec![
            badge("bob", "phone", BadgeArithmetic::Add(3)),
            badge("alice", "tablet", BadgeArithmetic::Set(3)),
        ],
    )
    .await;
    assert_eq!(answers, [0, 0]);
    assert_eq!(only_device(&kit.store, "alice").await.badge, 0);
    assert_eq!(devices(&kit.store, "bob").await, []);
}

pub async fn badges_added_at_once_all_count(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let mut numbers: Vec<_> = together((0..100).map(|_| {
        let store = Arc::clone(&kit.store);
        async move {
            let one = badge("alice", "phone", BadgeArithmetic::Add(1));
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

pub async fn presence_and_badges_of_two_apps_never_mix(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let there = Registration {
        app: app("other"),
        ..registration("alice", "phone", "t1")
    };
    register(&kit.store, there).await;
    let everything = change("alice", None, Presence::Background, at(1));
    assert_eq!(tell(&kit, everything).await, 1);
    let plus = badge("alice", "phone", BadgeArithmetic::Add(1));
    assert_eq!(change_badges(&kit, vec![plus]).await, [1]);
    let there = devices_in(&kit.store, "other", "alice").await;
    assert_eq!(state(&there[0]), (Presence::Online, NOW));
    assert_eq!(there[0].badge, 0);
}
