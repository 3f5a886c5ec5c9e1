//! What devices report of themselves, and their revisions.
#![allow(missing_docs)] // The names say it all.
use std::{sync::Arc, time::Duration};

use push_core::{
    Channel, DeviceFacts, Permission, Platform, Presence, Registered, Registration, Slot, Timestamp,
};

use super::{
    StoreKit,
    fixtures::{
        Dice, app, at, devices, only_device, owner, presence, register, registration, reported,
        token, unregister,
    },
};
use crate::{place::together, sample::NOW};

fn all_facts() -> DeviceFacts {
    DeviceFacts::default()
        .with_platform(Platform::Harmony)
        .with_language("zh-Hans".to_owned())
        .with_time_zone("Asia/Shanghai".to_owned())
        .with_permission(Permission::Provisional)
        .with_brand("ACME".to_owned())
        .with_app_version("7.1 (β)".to_owned())
}

async fn report(
    kit: &StoreKit,
    of: &str,
    facts: &DeviceFacts,
    all: Vec<Registration>,
) -> Vec<Registered> {
    kit.store
        .register(&owner(of, "phone"), facts, all)
        .await
        .expect("registers")
}

pub async fn facts_are_stored_and_absent_ones_stay(kit: StoreKit) {
    let one = registration("alice", "phone", "t1");
    report(&kit, "alice", &all_facts(), vec![one.clone()]).await;
    assert_eq!(only_device(&kit.store, "alice").await.facts, all_facts());
    report(&kit, "alice", &DeviceFacts::default(), vec![one.clone()]).await;
    assert_eq!(only_device(&kit.store, "alice").await.facts, all_facts());
    let denied = DeviceFacts::default().with_permission(Permission::Denied);
    report(&kit, "alice", &denied, vec![one]).await;
    let expected = all_facts().with_permission(Permission::Denied);
    assert_eq!(only_device(&kit.store, "alice").await.facts, expected);
    // They are the phone's, not the user's.
    report(
        &kit,
        "bob",
        &DeviceFacts::default(),
        vec![registration("bob", "phone", "t1")],
    )
    .await;
    assert_eq!(only_device(&kit.store, "bob").await.facts, expected);
}

pub async fn a_change_of_facts_counts_with_the_first_registration(kit: StoreKit) {
    let two = vec![
        registration("alice", "phone", "t1"),
        registration("alice", "phone", "v1").with_slot(Slot::Voip),
    ];
    let changed = async |facts: &DeviceFacts| -> Vec<bool> {
        let done = report(&kit, "alice", facts, two.clone()).await;
        done.iter().map(|one| one.changed).collect()
    };
    assert_eq!(changed(&DeviceFacts::default()).await, [true, true]);
    assert_eq!(changed(&all_facts()).await, [true, false]);
    assert_eq!(changed(&all_facts()).await, [false, false]);
}

pub async fn facts_without_a_registration_change_only_facts(kit: StoreKit) {
    kit.clock.advance(Duration::from_secs(5));
    assert_eq!(
        report(&kit, "alice", &all_facts(), Vec::new()).await,
        Vec::new()
    );
    let mut expected = only_device(&kit.store, "alice").await;
    assert_eq!(expected.facts, all_facts());
    assert_eq!(expected.registrations, []);
    assert_eq!(
        (expected.presence, expected.presence_at),
        (Presence::Online, at(5)),
        "it is seen for the first time"
    );
    // A device that logged out stays so.
    unregister(&kit.store, "alice", "phone", None).await;
    expected.presence = Presence::Offline;
    expected.revision = only_device(&kit.store, "alice").await.revision;
    let denied = DeviceFacts::default().with_permission(Permission::Denied);
    kit.clock.advance(Duration::from_secs(5));
    report(&kit, "alice", &denied, Vec::new()).await;
    expected.facts.permission = Some(Permission::Denied);
    assert_eq!(only_device(&kit.store, "alice").await, expected);
    // Nothing says that bob logged in after alice.
    report(&kit, "bob", &all_facts(), Vec::new()).await;
    assert_eq!(devices(&kit.store, "bob").await, []);
    assert_eq!(only_device(&kit.store, "alice").await, expected);
}

pub async fn a_revision_grows_whenever_push_ends_or_begins(kit: StoreKit) {
    let mut last = 0;
    let mut grew = async |what: &str, of: &str| {
        let now = only_device(&kit.store, of).await.revision;
        let grew = now > last;
        last = now;
        (what.to_owned(), grew)
    };
    let set = async |to: Presence, when: i64| {
        let change = presence("alice", None, to, at(when));
        kit.store
            .set_presence(&app("im"), vec![change])
            .await
            .expect("sets presence")
    };
    let one = || registration("alice", "phone", "t1");
    let yes = |what: &str| (what.to_owned(), true);
    let no = |what: &str| (what.to_owned(), false);
    register(&kit.store, one()).await;
    assert_eq!(grew("first login", "alice").await, yes("first login"));
    register(&kit.store, one()).await;
    assert_eq!(grew("the same token", "alice").await, yes("the same token"));
    set(Presence::Background, 1).await;
    assert_eq!(grew("background", "alice").await, no("background"));
    set(Presence::Offline, 2).await;
    assert_eq!(grew("kick", "alice").await, yes("kick"));
    set(Presence::Offline, 3).await;
    assert_eq!(grew("kick again", "alice").await, yes("kick again"));
    set(Presence::Online, 2).await;
    assert_eq!(grew("too late", "alice").await, no("too late"));
    set(Presence::PushOnline, 4).await;
    assert_eq!(grew("return", "alice").await, yes("return"));
    let quarantined = kit
        .store
        .quarantine(
            &app("im"),
            &Channel::known("sample"),
            &token("t1"),
            "odd",
            at(5),
        )
        .await;
    assert!(quarantined.expect("quarantines"));
    assert_eq!(grew("quarantine", "alice").await, no("quarantine"));
    unregister(&kit.store, "alice", "phone", Some(Slot::Alert)).await;
    assert_eq!(grew("end of a slot", "alice").await, yes("end of a slot"));
    unregister(&kit.store, "alice", "phone", None).await;
    assert_eq!(grew("logout", "alice").await, yes("logout"));
    register(&kit.store, reported(at(9), one())).await;
    assert_eq!(grew("login", "alice").await, yes("login"));
    register(&kit.store, registration("bob", "phone", "t1")).await;
    assert_eq!(grew("another user", "bob").await, yes("another user"));
    register(&kit.store, registration("carol", "tablet", "t1")).await;
    assert_eq!(grew("lost its token", "bob").await, yes("lost its token"));
}

pub async fn a_revision_follows_the_clock_and_never_goes_back(kit: StoreKit) {
    let micros = |time: Timestamp| time.unix_millis().unsigned_abs() * 1000;
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let first = only_device(&kit.store, "alice").await.revision;
    assert!(
        first >= micros(NOW),
        "it is above those that a lost store gave before"
    );
    kit.clock.advance(Duration::from_secs(10));
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let second = only_device(&kit.store, "alice").await.revision;
    assert!(second >= micros(at(10)));
    kit.clock.jump_to(at(-3600));
    let mut last = second;
    for _ in 0..3 {
        register(&kit.store, registration("alice", "phone", "t1")).await;
        let next = only_device(&kit.store, "alice").await.revision;
        assert!(next > last, "the clock was set back");
        last = next;
    }
}

pub async fn no_revision_is_given_twice(kit: StoreKit) {
    let ended: Vec<_> = together((0..16).map(|task| {
        let store = Arc::clone(&kit.store);
        async move {
            let mut dice = Dice(task);
            let mut ended = Vec::new();
            for _ in 0..20 {
                let of = ["alice", "bob", "carol"][dice.roll(3)];
                match dice.roll(3) {
                    0 => {
                        let done = register(&store, registration(of, "phone", "t1")).await;
                        ended.extend(done.displaced);
                    }
                    1 => ended.extend(unregister(&store, of, "phone", None).await),
                    _ => {
                        let kick = presence(of, None, Presence::Offline, at(1));
                        let set = store.set_presence(&app("im"), vec![kick]).await;
                        ended.extend(set.expect("sets presence").ended);
                    }
                }
            }
            ended
        }
    }))
    .await
    .concat();
    assert!(ended.len() > 16, "{} ends are too few", ended.len());
    let mut revisions: Vec<_> = ended.iter().map(|ended| ended.revision).collect();
    revisions.sort_unstable();
    let count = revisions.len();
    revisions.dedup();
    assert_eq!(revisions.len(), count);
    register(&kit.store, registration("dave", "phone", "t1")).await;
    let last = only_device(&kit.store, "dave").await.revision;
    assert!(revisions.iter().all(|revision| *revision < last));
}
