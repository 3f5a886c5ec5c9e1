//! Tokens that died or are quarantined.
#![allow(missing_docs)] // The names say it all.
use push_core::{Channel, CredentialRef, Quarantine, Slot, Timestamp};

use super::{
    StoreKit,
    fixtures::{
        app, at, by, certificate, devices, instance, only_device, pair, register, registration,
        reported, token, tokens,
    },
};
use crate::sample::NOW;

pub async fn a_dead_token_is_forgotten_and_its_device_stays_known(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    register(&kit.store, registration("alice", "tablet", "t2")).await;
    let forget = async || {
        kit.store
            .forget(&app("im"), &Channel::known("sample"), &token("t1"), NOW)
            .await
            .expect("forgets")
    };
    assert!(forget().await, "registered at the very moment it died");
    assert!(!forget().await);
    assert_eq!(tokens(&kit.store, "alice").await, [pair("tablet", "t2")]);
    assert_eq!(devices(&kit.store, "alice").await.len(), 2);
    assert!(
        register(&kit.store, registration("alice", "phone", "t1"))
            .await
            .changed
    );
}

// S114
pub async fn a_token_registered_again_after_it_died_is_kept(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let again = reported(at(100), registration("alice", "phone", "t1"));
    register(&kit.store, again).await;
    let forget = async |since| {
        kit.store
            .forget(&app("im"), &Channel::known("sample"), &token("t1"), since)
            .await
            .expect("forgets")
    };
    assert!(!forget(at(99)).await);
    assert_eq!(tokens(&kit.store, "alice").await, [pair("phone", "t1")]);
    assert!(forget(at(100)).await);
    assert_eq!(tokens(&kit.store, "alice").await, []);
}

pub async fn forgetting_what_is_not_there_does_nothing(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    for (within, channel, with) in [
        ("im", Channel::known("sample"), "T1"),
        ("im", Channel::known("second"), "t1"),
        ("other", Channel::known("sample"), "t1"),
    ] {
        let done = kit
            .store
            .forget(&app(within), &channel, &token(with), at(60))
            .await
            .expect("forgets");
        assert!(!done);
        let done = kit
            .store
            .quarantine(&app(within), &channel, &token(with), "odd", at(60))
            .await
            .expect("quarantines");
        assert!(!done);
    }
    let found = only_device(&kit.store, "alice").await;
    assert_eq!(found.registrations[0].quarantine, None);
}

async fn quarantine(kit: &StoreKit, with: &str, reason: &str, since: Timestamp) -> bool {
    kit.store
        .quarantine(
            &app("im"),
            &Channel::known("sample"),
            &token(with),
            reason,
            since,
        )
        .await
        .expect("quarantines")
}

pub async fn a_quarantined_token_is_kept(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    register(&kit.store, registration("alice", "tablet", "t2")).await;
    for reason in ["token-of-another-environment", "token-of-another-app"] {
        assert!(quarantine(&kit, "t1", reason, at(5)).await);
        let found = devices(&kit.store, "alice").await;
        assert_eq!(
            found[0].registrations[0].quarantine,
            Some(Quarantine::new(reason, at(5)))
        );
        assert_eq!(found[1].registrations[0].quarantine, None);
    }
    assert_eq!(kit.store.count(&app("im")).await.expect("counts"), 2);
}

pub async fn a_token_registered_again_leaves_quarantine(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    quarantine(&kit, "t1", "odd", at(5)).await;
    let done = register(&kit.store, registration("alice", "phone", "t1")).await;
    assert!(done.changed, "it may be pushed to again");
    let found = only_device(&kit.store, "alice").await;
    assert_eq!(found.registrations[0].quarantine, None);
}

pub async fn a_token_registered_again_since_is_not_quarantined(kit: StoreKit) {
    let later = reported(at(100), registration("alice", "phone", "t1"));
    register(&kit.store, later).await;
    assert!(!quarantine(&kit, "t1", "odd", at(99)).await);
    let found = only_device(&kit.store, "alice").await;
    assert_eq!(found.registrations[0].quarantine, None);
    assert!(quarantine(&kit, "t1", "odd", at(100)).await);
}

pub async fn a_new_token_is_not_in_the_quarantine_of_the_old_one(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    quarantine(&kit, "t1", "odd", at(5)).await;
    register(&kit.store, registration("alice", "phone", "t2")).await;
    let found = only_device(&kit.store, "alice").await;
    assert_eq!(found.registrations[0].quarantine, None);
}

pub async fn a_repaired_credential_gets_its_tokens_back(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    register(&kit.store, registration("bob", "tablet", "t2")).await;
    register(&kit.store, registration("carol", "tv", "t3")).await;
    register(&kit.store, by(7, registration("dave", "watch", "t4"))).await;
    for with in ["t1", "t2", "t4"] {
        assert!(quarantine(&kit, with, "odd", at(5)).await);
    }
    let release = async |within, id| {
        kit.store
            .release(&CredentialRef::new(app(within), certificate(id)))
            .await
            .expect("releases")
    };
    assert_eq!(release("other", 31287).await, 0);
    assert_eq!(release("im", 31287).await, 2);
    assert_eq!(release("im", 31287).await, 0);
    for (of, quarantined) in [("alice", false), ("bob", false), ("dave", true)] {
        let found = only_device(&kit.store, of).await;
        assert_eq!(
            found.registrations[0].quarantine.is_some(),
            quarantined,
            "{of}"
        );
    }
}

pub async fn a_token_in_several_slots_is_handled_in_all_of_them(kit: StoreKit) {
    let one = registration("alice", "phone", "t1");
    for it in [
        one.clone(),
        one.clone().with_slot(Slot::Voip),
        one.with_instance(instance("second")),
    ] {
        register(&kit.store, it).await;
    }
    assert!(quarantine(&kit, "t1", "odd", at(5)).await);
    let found = only_device(&kit.store, "alice").await;
    assert_eq!(found.registrations.len(), 3);
    assert!(
        found
            .registrations
            .iter()
            .all(|stored| stored.quarantine.is_some())
    );
    let forgotten = kit
        .store
        .forget(&app("im"), &Channel::known("sample"), &token("t1"), at(5))
        .await;
    assert!(forgotten.expect("forgets"));
    assert_eq!(tokens(&kit.store, "alice").await, []);
}
