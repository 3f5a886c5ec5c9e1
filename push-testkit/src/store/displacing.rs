//! Devices that change hands, and tokens that move to another device (S61).
#![allow(missing_docs)] // The names say it all.
use std::sync::Arc;

use push_core::{Channel, Slot};

use super::{
    StoreKit,
    fixtures::{
        app, at, devices, instance, lost, only_device, over, pair, receivers, register,
        register_all, registration, token, tokens, unregister, user,
    },
};
use crate::place::together;

// S61
pub async fn a_device_belongs_to_the_user_who_logged_in_last(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let voip = registration("alice", "phone", "v1").with_slot(Slot::Voip);
    register(&kit.store, voip).await;
    let before = only_device(&kit.store, "alice").await.revision;
    let done = register(&kit.store, registration("bob", "phone", "t1")).await;
    assert!(done.changed);
    assert_eq!(lost(&done.displaced), [("alice", "phone", None)]);
    assert_eq!(devices(&kit.store, "alice").await, []);
    assert_eq!(
        tokens(&kit.store, "bob").await,
        [pair("phone", "t1")],
        "none of alice's other slots remain"
    );
    let after = only_device(&kit.store, "bob").await.revision;
    let revision = done.displaced[0].revision;
    assert!(before < revision && revision <= after);
}

pub async fn a_device_without_registrations_displaces_no_user(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    unregister(&kit.store, "alice", "phone", None).await;
    let done = register(&kit.store, registration("bob", "phone", "t1")).await;
    assert_eq!(done.displaced, []);
    assert_eq!(devices(&kit.store, "alice").await, []);
    assert_eq!(tokens(&kit.store, "bob").await, [pair("phone", "t1")]);
}

// S61
pub async fn a_token_registered_for_another_device_leaves_only_its_slot(kit: StoreKit) {
    register_all(
        &kit.store,
        vec![
            registration("alice", "phone", "t1"),
            registration("alice", "phone", "v1").with_slot(Slot::Voip),
        ],
    )
    .await;
    let before = only_device(&kit.store, "alice").await.revision;
    let done = register(&kit.store, registration("bob", "tablet", "t1")).await;
    assert_eq!(
        lost(&done.displaced),
        [("alice", "phone", Some(Slot::Alert))]
    );
    let phone = only_device(&kit.store, "alice").await;
    assert!(before < done.displaced[0].revision);
    assert_eq!(phone.revision, done.displaced[0].revision);
    assert_eq!(tokens(&kit.store, "alice").await, [pair("phone", "v1")]);
    assert_eq!(tokens(&kit.store, "bob").await, [pair("tablet", "t1")]);
}

pub async fn a_token_that_leaves_two_slots_ends_each_once(kit: StoreKit) {
    let one = registration("alice", "phone", "t1");
    register_all(
        &kit.store,
        vec![
            one.clone(),
            one.clone().with_instance(instance("second")),
            one.clone().with_slot(Slot::Voip),
            over(Channel::known("second"), one),
        ],
    )
    .await;
    let done = register(&kit.store, registration("bob", "tablet", "t1")).await;
    assert_eq!(
        lost(&done.displaced),
        [
            ("alice", "phone", Some(Slot::Alert)),
            ("alice", "phone", Some(Slot::Voip))
        ]
    );
    assert_eq!(done.displaced[0].revision, done.displaced[1].revision);
    let left = only_device(&kit.store, "alice").await.registrations;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].registration.channel, Channel::known("second"));
}

pub async fn one_login_can_displace_a_user_and_another_device(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    register(&kit.store, registration("bob", "tablet", "t2")).await;
    let done = register_all(
        &kit.store,
        vec![
            registration("carol", "phone", "t3"),
            registration("carol", "phone", "t2").with_slot(Slot::Voip),
        ],
    )
    .await;
    assert_eq!(lost(&done[0].displaced), [("alice", "phone", None)]);
    assert_eq!(
        lost(&done[1].displaced),
        [("bob", "tablet", Some(Slot::Alert))]
    );
    assert_eq!(
        tokens(&kit.store, "carol").await,
        [pair("phone", "t3"), pair("phone", "t2")]
    );
}

pub async fn two_devices_can_exchange_their_tokens(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "a")).await;
    register(&kit.store, registration("bob", "tablet", "b")).await;
    let first = register(&kit.store, registration("alice", "phone", "b")).await;
    assert_eq!(
        lost(&first.displaced),
        [("bob", "tablet", Some(Slot::Alert))]
    );
    let second = register(&kit.store, registration("bob", "tablet", "a")).await;
    assert_eq!(second.displaced, []);
    assert_eq!(tokens(&kit.store, "alice").await, [pair("phone", "b")]);
    assert_eq!(tokens(&kit.store, "bob").await, [pair("tablet", "a")]);
}

pub async fn a_reinstalled_app_takes_its_token_from_its_former_self(kit: StoreKit) {
    register(&kit.store, registration("alice", "install-1", "t1")).await;
    let done = register(&kit.store, registration("alice", "install-2", "t1")).await;
    assert_eq!(
        lost(&done.displaced),
        [("alice", "install-1", Some(Slot::Alert))]
    );
    assert_eq!(tokens(&kit.store, "alice").await, [pair("install-2", "t1")]);
}

// S61
pub async fn many_logins_on_one_device_leave_it_with_one_user(kit: StoreKit) {
    let displaced: Vec<_> = together((0..64).map(|number| {
        let store = Arc::clone(&kit.store);
        async move {
            let it = registration(&format!("user-{number}"), "phone", "t1");
            register(&store, it).await.displaced
        }
    }))
    .await
    .concat();
    assert_eq!(
        displaced.len(),
        63,
        "each login but the last one lost the phone"
    );
    let mut revisions: Vec<_> = displaced.iter().map(|ended| ended.revision).collect();
    revisions.sort_unstable();
    revisions.dedup();
    assert_eq!(revisions.len(), 63, "no revision repeats");
    let users: Vec<_> = (0..64)
        .map(|number| user(&format!("user-{number}")))
        .collect();
    let found = receivers(&kit.store, &users).await;
    let devices = found.iter().flat_map(|receiver| &receiver.devices);
    assert_eq!(devices.count(), 1);
    assert_eq!(kit.store.count(&app("im")).await.expect("counts"), 1);
}

// S61
pub async fn a_token_registered_from_many_devices_stays_with_one(kit: StoreKit) {
    together((0..64).map(|number| {
        let store = Arc::clone(&kit.store);
        async move {
            let it = registration(&format!("user-{number}"), &format!("phone-{number}"), "t1");
            register(&store, it).await
        }
    }))
    .await;
    assert_eq!(kit.store.count(&app("im")).await.expect("counts"), 1);
    assert!(
        kit.store
            .forget(&app("im"), &Channel::known("sample"), &token("t1"), at(1))
            .await
            .expect("forgets")
    );
    assert_eq!(kit.store.count(&app("im")).await.expect("counts"), 0);
}
