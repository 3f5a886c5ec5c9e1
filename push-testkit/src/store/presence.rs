//! Presence.
#![allow(missing_docs)] // The names say it all.
use std::time::Duration;

use push_core::{Device, DeviceFacts, Platform, Presence, PresenceChange, PresenceSet, Timestamp};

use super::{
    StoreKit,
    fixtures::{
        app, at, devices, devices_in, lost, only_device, owner, presence, register, registration,
        reported, unregister, within,
    },
};
use crate::sample::NOW;

async fn set(kit: &StoreKit, changes: Vec<PresenceChange>) -> PresenceSet {
    kit.store
        .set_presence(&app("im"), changes)
        .await
        .expect("sets presence")
}

/// Reports one change, and returns how many devices accepted it.
async fn report(kit: &StoreKit, change: PresenceChange) -> u64 {
    set(kit, vec![change]).await.accepted
}

fn state(device: &Device) -> (Presence, Timestamp) {
    (device.presence, device.presence_at)
}

pub async fn a_device_starts_online_without_a_badge(kit: StoreKit) {
    let first = reported(at(3), registration("alice", "phone", "t1"));
    register(&kit.store, first).await;
    let found = only_device(&kit.store, "alice").await;
    assert_eq!(state(&found), (Presence::Online, at(3)));
    assert_eq!((found.badge, found.facts.platform), (0, None));
}

pub async fn a_device_in_background_stays_there_when_it_registers_again(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    for (minute, away) in (1..).zip([Presence::Background, Presence::PushOnline]) {
        let mut change = presence("alice", Some("phone"), away, at(60 * minute));
        change.badge = Some(4);
        report(&kit, change).await;
        let again = reported(at(3600), registration("alice", "phone", "t2"));
        register(&kit.store, again).await;
        let found = only_device(&kit.store, "alice").await;
        assert_eq!(state(&found), (away, at(60 * minute)));
        assert_eq!(found.badge, 4);
    }
}

pub async fn a_device_that_was_offline_starts_online_again(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let mut gone = presence("alice", Some("phone"), Presence::Offline, at(60));
    gone.badge = Some(9);
    gone.platform = Some(Platform::Ios);
    report(&kit, gone).await;
    let again = reported(at(120), registration("alice", "phone", "t1"));
    assert!(register(&kit.store, again).await.changed);
    let found = only_device(&kit.store, "alice").await;
    assert_eq!(state(&found), (Presence::Online, at(120)));
    assert_eq!(found.badge, 0);
    assert_eq!(
        found.facts.platform,
        Some(Platform::Ios),
        "it is the same device"
    );
}

pub async fn a_device_of_another_user_starts_online_again(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let mut away = presence("alice", Some("phone"), Presence::Background, at(60));
    away.badge = Some(9);
    report(&kit, away).await;
    let taken = reported(at(120), registration("bob", "phone", "t1"));
    register(&kit.store, taken).await;
    let found = only_device(&kit.store, "bob").await;
    assert_eq!(state(&found), (Presence::Online, at(120)));
    assert_eq!(found.badge, 0, "alice's unread messages are not bob's");
}

pub async fn presence_is_set_for_one_device(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    register(&kit.store, registration("alice", "tablet", "t2")).await;
    let mut change = presence("alice", Some("phone"), Presence::Background, at(1));
    change.platform = Some(Platform::Android);
    assert_eq!(report(&kit, change).await, 1);
    let found = devices(&kit.store, "alice").await;
    assert_eq!(state(&found[0]), (Presence::Background, at(1)));
    assert_eq!(found[0].facts.platform, Some(Platform::Android));
    assert_eq!(state(&found[1]), (Presence::Online, NOW));
    assert_eq!(found[1].facts.platform, None);
    // Without a platform the one that is known stays.
    let change = presence("alice", Some("phone"), Presence::Online, at(2));
    assert_eq!(report(&kit, change).await, 1);
    let found = devices(&kit.store, "alice").await;
    assert_eq!(found[0].facts.platform, Some(Platform::Android));
}

pub async fn presence_is_set_for_a_platform_or_for_all(kit: StoreKit) {
    for (on, platform) in [
        ("a-phone", Some(Platform::Ios)),
        ("b-pad", Some(Platform::Ipad)),
        ("d-unknown", None),
    ] {
        register(&kit.store, registration("alice", on, on)).await;
        let mut change = presence("alice", Some(on), Presence::Online, at(1));
        change.platform = platform;
        report(&kit, change).await;
    }
    // Whether a phone says what it is or the message server does makes no difference.
    let facts = DeviceFacts::default().with_platform(Platform::Ios);
    kit.store
        .register(
            &owner("alice", "c-phone"),
            &facts,
            vec![registration("alice", "c-phone", "c")],
        )
        .await
        .expect("registers");
    register(&kit.store, registration("bob", "e-phone", "t5")).await;
    let mut change = presence("alice", None, Presence::PushOnline, at(2));
    change.platform = Some(Platform::Ios);
    assert_eq!(report(&kit, change).await, 2);
    let found = devices(&kit.store, "alice").await;
    let presences: Vec<_> = found.iter().map(|device| device.presence).collect();
    assert_eq!(
        presences,
        [
            Presence::PushOnline,
            Presence::Online,
            Presence::PushOnline,
            Presence::Online
        ]
    );
    let all = presence("alice", None, Presence::Offline, at(3));
    assert_eq!(report(&kit, all).await, 4);
    let found = devices(&kit.store, "alice").await;
    assert!(
        found
            .iter()
            .all(|device| state(device) == (Presence::Offline, at(3)))
    );
    assert_eq!(found[3].facts.platform, None);
    assert_eq!(
        only_device(&kit.store, "bob").await.presence,
        Presence::Online
    );
}

// S63
pub async fn a_device_that_goes_offline_is_ended(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    register(&kit.store, registration("alice", "tablet", "t2")).await;
    let away = presence("alice", None, Presence::Background, at(1));
    assert_eq!(set(&kit, vec![away]).await.ended, []);
    let before = devices(&kit.store, "alice").await;
    let kick = presence("alice", None, Presence::Offline, at(2));
    let late = presence("alice", Some("phone"), Presence::Offline, at(-1));
    let done = set(&kit, vec![late, kick]).await;
    assert_eq!(done.accepted, 2);
    let mut ended = done.ended;
    ended.sort_by(|a, b| a.device.cmp(&b.device));
    assert_eq!(
        lost(&ended),
        [("alice", "phone", None), ("alice", "tablet", None)]
    );
    let after = devices(&kit.store, "alice").await;
    for place in 0..2 {
        assert!(before[place].revision < ended[place].revision);
        assert_eq!(after[place].revision, ended[place].revision);
        assert_eq!(after[place].registrations, before[place].registrations);
    }
}

pub async fn a_repeated_kick_ends_the_device_again(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let kick = presence("alice", Some("phone"), Presence::Offline, at(2));
    let mut last = 0;
    for _ in 0..3 {
        let done = set(&kit, vec![kick.clone()]).await;
        assert_eq!(lost(&done.ended), [("alice", "phone", None)]);
        assert!(done.ended[0].revision > last);
        last = done.ended[0].revision;
    }
    let twice = set(&kit, vec![kick.clone(), kick]).await;
    assert_eq!(twice.ended.len(), 2, "once for each change");
    assert!(last < twice.ended[0].revision);
    assert!(twice.ended[0].revision < twice.ended[1].revision);
}

// S71
pub async fn presence_older_than_what_is_known_is_ignored(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let set_phone = async |to, when, badge| {
        let mut change = presence("alice", Some("phone"), to, when);
        change.badge = Some(badge);
        change.platform = Some(Platform::Ios);
        let accepted = report(&kit, change).await;
        let found = only_device(&kit.store, "alice").await;
        (accepted, found.presence, found.badge)
    };
    assert_eq!(
        set_phone(Presence::Background, at(100), 5).await,
        (1, Presence::Background, 5)
    );
    let late = Timestamp::from_unix_millis(at(100).unix_millis() - 1);
    assert_eq!(
        set_phone(Presence::Online, late, 6).await,
        (0, Presence::Background, 5)
    );
    assert_eq!(
        set_phone(Presence::Background, at(100), 5).await,
        (1, Presence::Background, 5),
        "the same report twice is no harm"
    );
    assert_eq!(
        set_phone(Presence::Online, at(100), 7).await,
        (1, Presence::Online, 7),
        "of one moment the last one counts"
    );
    // In one call, too.
    let changes = [(at(300), Presence::PushOnline), (at(200), Presence::Online)]
        .map(|(when, to)| presence("alice", None, to, when));
    assert_eq!(set(&kit, changes.to_vec()).await.accepted, 1);
    let found = only_device(&kit.store, "alice").await;
    assert_eq!(state(&found), (Presence::PushOnline, at(300)));
}

// S71
pub async fn an_end_counts_however_often_the_phone_reports_since(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let mut used = presence("alice", Some("phone"), Presence::Background, at(100));
    used.by_phone = true;
    assert_eq!(report(&kit, used.clone()).await, 1);
    let before_the_login = presence("alice", None, Presence::Offline, at(-1));
    assert_eq!(report(&kit, before_the_login).await, 0);
    let kick = presence("alice", Some("phone"), Presence::Offline, at(50));
    let done = set(&kit, vec![kick]).await;
    assert_eq!(lost(&done.ended), [("alice", "phone", None)]);
    let found = only_device(&kit.store, "alice").await;
    assert_eq!(state(&found), (Presence::Offline, at(100)));
    // What the phone reported before stays older than that.
    used.at = at(99);
    assert_eq!(report(&kit, used).await, 0);
}

// S71
pub async fn an_end_from_before_the_login_was_confirmed_is_ignored(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let confirmed = presence("alice", Some("phone"), Presence::Background, at(100));
    assert_eq!(report(&kit, confirmed).await, 1);
    let late = presence("alice", Some("phone"), Presence::Offline, at(99));
    assert_eq!(report(&kit, late).await, 0);
    // A registration without a ticket is no new login, and one after an end is.
    let again = reported(at(200), registration("alice", "phone", "t2"));
    register(&kit.store, again).await;
    let end = presence("alice", Some("phone"), Presence::Offline, at(150));
    assert_eq!(report(&kit, end.clone()).await, 1);
    let again = reported(at(300), registration("alice", "phone", "t2"));
    register(&kit.store, again).await;
    assert_eq!(report(&kit, end).await, 0);
    let found = only_device(&kit.store, "alice").await;
    assert_eq!(state(&found), (Presence::Online, at(300)));
}

pub async fn presence_of_unknown_devices_is_ignored(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let changes = vec![
        presence("bob", Some("phone"), Presence::Offline, at(1)),
        presence("bob", None, Presence::Offline, at(1)),
        presence("alice", Some("tablet"), Presence::Offline, at(1)),
    ];
    assert_eq!(set(&kit, changes).await, PresenceSet::default());
    assert_eq!(
        state(&only_device(&kit.store, "alice").await),
        (Presence::Online, NOW)
    );
    assert_eq!(devices(&kit.store, "bob").await, []);
    assert_eq!(set(&kit, Vec::new()).await, PresenceSet::default());
}

// S71
pub async fn presence_from_before_a_logout_does_not_undo_it(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    kit.clock.advance(Duration::from_secs(60));
    unregister(&kit.store, "alice", "phone", None).await;
    assert_eq!(
        state(&only_device(&kit.store, "alice").await),
        (Presence::Offline, at(60))
    );
    let late = presence("alice", Some("phone"), Presence::Background, at(59));
    assert_eq!(report(&kit, late).await, 0);
    assert_eq!(
        only_device(&kit.store, "alice").await.presence,
        Presence::Offline
    );
}

pub async fn the_presence_of_two_apps_never_mixes(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let there = within("other", registration("alice", "phone", "t1"));
    register(&kit.store, there).await;
    let all = presence("alice", None, Presence::Background, at(1));
    assert_eq!(report(&kit, all).await, 1);
    let there = devices_in(&kit.store, "other", "alice").await;
    assert_eq!(state(&there[0]), (Presence::Online, NOW));
}
