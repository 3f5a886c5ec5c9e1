//! Logouts (S43, S47).
#![allow(missing_docs)] // The names say it all.
use std::time::Duration;

use push_core::{Channel, DeviceFacts, Presence, Slot};

use super::{
    StoreKit,
    fixtures::{
        app, at, device, devices, instance, lost, only_device, over, owner, pair, presence,
        register, register_all, registration, tokens, unregister,
    },
};

pub async fn a_slot_is_unregistered_alone(kit: StoreKit) {
    let voip = registration("alice", "phone", "v").with_slot(Slot::Voip);
    register_all(
        &kit.store,
        vec![
            registration("alice", "phone", "a"),
            voip.clone(),
            voip.clone().with_instance(instance("second")),
            over(Channel::known("second"), voip),
        ],
    )
    .await;
    let before = only_device(&kit.store, "alice").await;
    let ended = unregister(&kit.store, "alice", "phone", Some(Slot::Voip))
        .await
        .expect("there was one");
    assert_eq!(
        lost(std::slice::from_ref(&ended)),
        [("alice", "phone", Some(Slot::Voip))]
    );
    assert_eq!(
        tokens(&kit.store, "alice").await,
        [pair("phone", "a")],
        "all channels and instances of the slot are gone"
    );
    let after = only_device(&kit.store, "alice").await;
    assert!(before.revision < ended.revision);
    assert_eq!(after.revision, ended.revision);
    assert_eq!(after.presence, Presence::Online, "no user logged out");
    let again = unregister(&kit.store, "alice", "phone", Some(Slot::Voip)).await;
    assert_eq!(again, None);
    assert_eq!(only_device(&kit.store, "alice").await, after);
}

// S47
pub async fn unregistering_removes_all_tokens_and_can_be_repeated(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "a")).await;
    let voip = registration("alice", "phone", "v").with_slot(Slot::Voip);
    register(&kit.store, voip).await;
    register(&kit.store, registration("alice", "tablet", "t")).await;
    let before = devices(&kit.store, "alice").await;
    let mut revision = before[0].revision;
    for first in [true, false] {
        kit.clock.advance(Duration::from_secs(10));
        let ended = unregister(&kit.store, "alice", "phone", None).await;
        assert_eq!(ended.is_some(), first);
        if let Some(ended) = ended {
            assert_eq!(
                lost(std::slice::from_ref(&ended)),
                [("alice", "phone", None)]
            );
            assert!(revision < ended.revision);
            revision = ended.revision;
        }
        let found = devices(&kit.store, "alice").await;
        assert_eq!(found[0].device, device("phone"));
        assert_eq!(found[0].registrations, []);
        assert_eq!(found[0].presence, Presence::Offline);
        assert_eq!(found[0].revision, revision);
        assert_eq!(
            found[0].presence_at,
            if first { at(10) } else { at(20) },
            "a presence from before the last logout cannot bring it back"
        );
        assert_eq!(found[1], before[1], "the tablet is left alone");
    }
    assert_eq!(
        unregister(&kit.store, "unknown", "nothing", None).await,
        None
    );
}

pub async fn a_logout_ends_a_device_that_was_kicked_or_has_no_token(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "a")).await;
    let kick = presence("alice", None, Presence::Offline, at(1));
    kit.store
        .set_presence(&app("im"), vec![kick])
        .await
        .expect("sets presence");
    let ended = unregister(&kit.store, "alice", "phone", None).await;
    assert!(ended.is_some(), "its registrations were still there");
    kit.store
        .register(
            &owner("alice", "tablet"),
            &DeviceFacts::default(),
            Vec::new(),
        )
        .await
        .expect("stores facts");
    let ended = unregister(&kit.store, "alice", "tablet", None).await;
    assert!(ended.is_some(), "it was online");
    let ended = unregister(&kit.store, "alice", "tablet", None).await;
    assert_eq!(ended, None);
}

// S47
pub async fn a_late_logout_of_a_former_user_changes_nothing(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    register(&kit.store, registration("bob", "phone", "t1")).await;
    let before = only_device(&kit.store, "bob").await;
    kit.clock.advance(Duration::from_secs(5));
    for slot in [None, Some(Slot::Alert)] {
        assert_eq!(unregister(&kit.store, "alice", "phone", slot).await, None);
    }
    assert_eq!(only_device(&kit.store, "bob").await, before);
}
