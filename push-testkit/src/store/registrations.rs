//! Registrations.
#![allow(missing_docs)] // The names say it all.
use std::sync::Arc;

use push_core::{
    Channel, DeviceToken, Environment, Presence, Registration, Slot, StoredRegistration,
};

use super::{
    StoreKit,
    fixtures::{
        app, at, certificate, device, devices, devices_in, displaced, only_device, pair, register,
        registration, token, tokens, user,
    },
};
use crate::place::together;

pub async fn a_token_that_was_told_is_found_with_its_user(kit: StoreKit) {
    let told = Registration {
        channel: Channel::known("smoke-signals"),
        slot: Slot::Voip,
        environment: Environment::Production,
        ..registration("alice", "phone", "t1")
    };
    let done = register(&kit.store, told.clone()).await;
    assert!(done.changed);
    assert_eq!(done.displaced, []);
    let found = only_device(&kit.store, "alice").await;
    assert_eq!(found.device, device("phone"));
    assert_eq!(found.platform, None);
    assert_eq!(
        found.registrations,
        [StoredRegistration {
            registration: told,
            quarantine: None
        }]
    );
    assert_eq!(devices(&kit.store, "bob").await, []);
}

pub async fn only_news_count_as_a_change(kit: StoreKit) {
    let first = registration("alice", "phone", "t1");
    let later = Registration {
        told_at: at(60),
        ..first.clone()
    };
    let answers = kit
        .store
        .register(vec![first.clone(), later.clone()])
        .await
        .expect("registers");
    let changed: Vec<_> = answers.iter().map(|it| it.changed).collect();
    assert_eq!(changed, [true, false]);
    assert_eq!(
        only_device(&kit.store, "alice").await.registrations[0]
            .registration
            .told_at,
        at(60),
        "the time is kept although nothing else changed"
    );
    for other in [
        Registration {
            certificate: certificate(31288),
            ..later.clone()
        },
        Registration {
            certificate: certificate(31288),
            environment: Environment::Production,
            ..later.clone()
        },
        registration("alice", "phone", "t2"),
        Registration {
            channel: Channel::FCM,
            ..registration("alice", "phone", "t2")
        },
    ] {
        assert!(register(&kit.store, other.clone()).await.changed);
        assert!(!register(&kit.store, other).await.changed);
    }
}

pub async fn a_new_token_of_a_device_replaces_the_old_one(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "old")).await;
    let done = register(&kit.store, registration("alice", "phone", "new")).await;
    assert_eq!(done.displaced, [], "the device is still alice's");
    assert_eq!(tokens(&kit.store, "alice").await, [pair("phone", "new")]);
    // The old token is nobody's: telling it for another device displaces nobody.
    let done = register(&kit.store, registration("bob", "tablet", "old")).await;
    assert_eq!(done.displaced, []);
}

// S61
pub async fn a_device_belongs_to_the_user_who_logged_in_last(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let voip = Registration {
        slot: Slot::Voip,
        ..registration("alice", "phone", "v1")
    };
    register(&kit.store, voip).await;
    let done = register(&kit.store, registration("bob", "phone", "t1")).await;
    assert!(done.changed);
    assert_eq!(done.displaced, [displaced("alice", "phone")]);
    assert_eq!(devices(&kit.store, "alice").await, []);
    assert_eq!(
        tokens(&kit.store, "bob").await,
        [pair("phone", "t1")],
        "none of alice's other slots remain"
    );
}

pub async fn a_device_that_nobody_was_registered_on_displaces_nobody(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    kit.store
        .unregister(&app("im"), &user("alice"), &device("phone"), None)
        .await
        .expect("unregisters");
    let done = register(&kit.store, registration("bob", "phone", "t1")).await;
    assert_eq!(done.displaced, []);
    assert_eq!(devices(&kit.store, "alice").await, []);
    assert_eq!(tokens(&kit.store, "bob").await, [pair("phone", "t1")]);
}

// S61
pub async fn a_token_told_for_another_device_is_taken_from_the_first(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let done = register(&kit.store, registration("bob", "tablet", "t1")).await;
    assert_eq!(done.displaced, [displaced("alice", "phone")]);
    assert_eq!(tokens(&kit.store, "alice").await, []);
    assert_eq!(tokens(&kit.store, "bob").await, [pair("tablet", "t1")]);
}

pub async fn a_token_moves_within_one_call_too(kit: StoreKit) {
    let done = kit
        .store
        .register(vec![
            registration("alice", "phone", "t1"),
            registration("bob", "tablet", "t1"),
            registration("carol", "tablet", "t2"),
        ])
        .await
        .expect("registers");
    assert_eq!(done[0].displaced, []);
    assert_eq!(done[1].displaced, [displaced("alice", "phone")]);
    assert_eq!(done[2].displaced, [displaced("bob", "tablet")]);
    assert_eq!(tokens(&kit.store, "alice").await, []);
    assert_eq!(tokens(&kit.store, "bob").await, []);
    assert_eq!(tokens(&kit.store, "carol").await, [pair("tablet", "t2")]);
}

pub async fn two_devices_can_exchange_their_tokens(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "a")).await;
    register(&kit.store, registration("bob", "tablet", "b")).await;
    let first = register(&kit.store, registration("alice", "phone", "b")).await;
    assert_eq!(first.displaced, [displaced("bob", "tablet")]);
    let second = register(&kit.store, registration("bob", "tablet", "a")).await;
    assert_eq!(second.displaced, []);
    assert_eq!(tokens(&kit.store, "alice").await, [pair("phone", "b")]);
    assert_eq!(tokens(&kit.store, "bob").await, [pair("tablet", "a")]);
}

pub async fn a_reinstalled_app_takes_its_token_from_its_former_self(kit: StoreKit) {
    register(&kit.store, registration("alice", "install-1", "t1")).await;
    let done = register(&kit.store, registration("alice", "install-2", "t1")).await;
    assert_eq!(done.displaced, [displaced("alice", "install-1")]);
    assert_eq!(tokens(&kit.store, "alice").await, [pair("install-2", "t1")]);
}

pub async fn the_same_token_of_another_channel_is_another_token(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let other = Registration {
        channel: Channel::FCM,
        ..registration("bob", "tablet", "t1")
    };
    assert_eq!(register(&kit.store, other).await.displaced, []);
    assert_eq!(tokens(&kit.store, "alice").await, [pair("phone", "t1")]);
    assert!(
        kit.store
            .forget(&app("im"), &Channel::FCM, &token("t1"), at(60))
            .await
            .expect("forgets")
    );
    assert_eq!(tokens(&kit.store, "alice").await, [pair("phone", "t1")]);
    assert_eq!(tokens(&kit.store, "bob").await, []);
}

pub async fn one_token_can_fill_two_slots_of_a_device(kit: StoreKit) {
    let alert = registration("alice", "phone", "t1");
    let voip = Registration {
        slot: Slot::Voip,
        ..alert.clone()
    };
    assert_eq!(register(&kit.store, alert).await.displaced, []);
    assert_eq!(register(&kit.store, voip).await.displaced, []);
    assert_eq!(tokens(&kit.store, "alice").await.len(), 2);
    kit.store
        .unregister(
            &app("im"),
            &user("alice"),
            &device("phone"),
            Some(Slot::Alert),
        )
        .await
        .expect("unregisters");
    assert!(
        kit.store
            .forget(&app("im"), &Channel::APNS, &token("t1"), at(60))
            .await
            .expect("forgets"),
        "the other slot still has it"
    );
    assert_eq!(tokens(&kit.store, "alice").await, []);
}

// S59
pub async fn each_slot_has_a_token_of_its_own(kit: StoreKit) {
    for (slot, with) in [
        (Slot::LiveActivity, "l"),
        (Slot::Alert, "a"),
        (Slot::Voip, "v"),
    ] {
        let it = Registration {
            slot,
            ..registration("alice", "phone", with)
        };
        assert!(register(&kit.store, it).await.changed);
    }
    let found = only_device(&kit.store, "alice").await;
    let slots: Vec<_> = found
        .registrations
        .iter()
        .map(|it| (it.registration.slot, it.registration.token.expose()))
        .collect();
    assert_eq!(
        slots,
        [
            (Slot::Alert, "a"),
            (Slot::Voip, "v"),
            (Slot::LiveActivity, "l")
        ]
    );
}

pub async fn a_slot_is_unregistered_alone(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "a")).await;
    let voip = Registration {
        slot: Slot::Voip,
        ..registration("alice", "phone", "v")
    };
    register(&kit.store, voip).await;
    let unregister = async |slot| {
        kit.store
            .unregister(&app("im"), &user("alice"), &device("phone"), slot)
            .await
            .expect("unregisters")
    };
    assert!(unregister(Some(Slot::Voip)).await);
    assert!(!unregister(Some(Slot::Voip)).await);
    assert_eq!(tokens(&kit.store, "alice").await, [pair("phone", "a")]);
    assert_eq!(
        only_device(&kit.store, "alice").await.presence,
        Presence::Online,
        "nobody logged out"
    );
}

// S47
pub async fn unregistering_takes_all_tokens_away_and_can_be_repeated(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "a")).await;
    let voip = Registration {
        slot: Slot::Voip,
        ..registration("alice", "phone", "v")
    };
    register(&kit.store, voip).await;
    register(&kit.store, registration("alice", "tablet", "t")).await;
    for had_some in [true, false] {
        let done = kit
            .store
            .unregister(&app("im"), &user("alice"), &device("phone"), None)
            .await
            .expect("unregisters");
        assert_eq!(done, had_some);
        let found = devices(&kit.store, "alice").await;
        assert_eq!(found[0].device, device("phone"));
        assert_eq!(found[0].registrations, []);
        assert_eq!(found[0].presence, Presence::Offline);
        assert_eq!(found[1].registrations.len(), 1, "the tablet is left alone");
        assert_eq!(found[1].presence, Presence::Online);
    }
    assert!(
        !kit.store
            .unregister(&app("im"), &user("nobody"), &device("nothing"), None)
            .await
            .expect("unregisters what is not there")
    );
}

// S47
pub async fn a_late_logout_of_a_former_user_changes_nothing(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    register(&kit.store, registration("bob", "phone", "t1")).await;
    let before = only_device(&kit.store, "bob").await;
    kit.clock.advance(std::time::Duration::from_secs(5));
    for slot in [None, Some(Slot::Alert)] {
        let done = kit
            .store
            .unregister(&app("im"), &user("alice"), &device("phone"), slot)
            .await
            .expect("unregisters");
        assert!(!done);
    }
    assert_eq!(only_device(&kit.store, "bob").await, before);
}

pub async fn devices_are_answered_in_the_order_of_the_users(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    register(&kit.store, registration("alice", "tablet", "t2")).await;
    register(&kit.store, registration("bob", "tv", "t3")).await;
    let asked: Vec<_> = ["bob", "nobody", "alice", "bob"].map(user).to_vec();
    let found = kit
        .store
        .devices_of(&app("im"), &asked)
        .await
        .expect("finds devices");
    let mut names: Vec<Vec<_>> = found
        .iter()
        .map(|it| it.iter().map(|it| it.device.as_str()).collect())
        .collect();
    names[2].sort_unstable();
    assert_eq!(
        names,
        [vec!["tv"], vec![], vec!["phone", "tablet"], vec!["tv"]]
    );
    let none = kit
        .store
        .devices_of(&app("im"), &[])
        .await
        .expect("finds devices");
    assert!(none.is_empty());
}

pub async fn registrations_are_counted(kit: StoreKit) {
    let count = async |within| kit.store.count(&app(within)).await.expect("counts");
    assert_eq!(count("im").await, 0);
    register(&kit.store, registration("alice", "phone", "t1")).await;
    register(&kit.store, registration("alice", "phone", "t2")).await;
    let voip = Registration {
        slot: Slot::Voip,
        ..registration("alice", "phone", "v")
    };
    register(&kit.store, voip).await;
    register(&kit.store, registration("bob", "tablet", "t3")).await;
    let elsewhere = Registration {
        app: app("other"),
        ..registration("bob", "tablet", "t3")
    };
    register(&kit.store, elsewhere).await;
    assert_eq!(count("im").await, 3);
    // Bob takes the phone over: alice loses two, bob gains one.
    register(&kit.store, registration("bob", "phone", "t4")).await;
    assert_eq!(count("im").await, 2);
    register(&kit.store, registration("carol", "tv", "t3")).await;
    assert_eq!(count("im").await, 2);
    kit.store
        .unregister(&app("im"), &user("bob"), &device("phone"), None)
        .await
        .expect("unregisters");
    assert_eq!(count("im").await, 1);
    kit.store
        .forget(&app("im"), &Channel::APNS, &token("t3"), at(1))
        .await
        .expect("forgets");
    assert_eq!(count("im").await, 0);
    assert_eq!(count("other").await, 1);
}

pub async fn the_registrations_of_two_apps_never_mix(kit: StoreKit) {
    let here = registration("alice", "phone", "t1");
    let there = Registration {
        app: app("other"),
        ..here.clone()
    };
    register(&kit.store, here).await;
    assert_eq!(register(&kit.store, there).await.displaced, []);
    let there = app("other");
    assert!(
        kit.store
            .quarantine(&there, &Channel::APNS, &token("t1"), "odd", at(1))
            .await
            .expect("sets aside")
    );
    let untouched = only_device(&kit.store, "alice").await;
    assert_eq!(untouched.registrations[0].quarantine, None);
    let moved = Registration {
        app: there.clone(),
        ..registration("bob", "phone", "t1")
    };
    register(&kit.store, moved).await;
    assert!(
        kit.store
            .forget(&there, &Channel::APNS, &token("t1"), at(1))
            .await
            .expect("forgets")
    );
    kit.store
        .unregister(&there, &user("bob"), &device("phone"), None)
        .await
        .expect("unregisters");
    assert_eq!(only_device(&kit.store, "alice").await, untouched);
    assert_eq!(devices_in(&kit.store, "other", "alice").await, []);
    assert_eq!(
        devices_in(&kit.store, "other", "bob").await[0].registrations,
        []
    );
    assert_eq!(devices_in(&kit.store, "third", "alice").await, []);
}

pub async fn tokens_are_stored_as_they_are(kit: StoreKit) {
    let mut odd: Vec<String> = [
        r#"{"endpoint":"https://push.example/a?b=c&d='e'","keys":{"p256dh":"B_-%3D","auth":"=="}}"#,
        "'; DROP TABLE registration; --",
        "%_*?[a-z]",
        "0042",
        " leading and trailing ",
    ]
    .map(str::to_owned)
    .to_vec();
    odd.push("f".repeat(DeviceToken::MAX_BYTES));
    for (number, with) in odd.iter().enumerate() {
        let of = format!("user-{number}");
        register(&kit.store, registration(&of, &of, with)).await;
    }
    for (number, with) in odd.iter().enumerate() {
        let of = format!("user-{number}");
        assert_eq!(tokens(&kit.store, &of).await, [pair(&of, with)]);
        assert!(
            kit.store
                .forget(&app("im"), &Channel::APNS, &token(with), at(1))
                .await
                .expect("forgets")
        );
    }
    // Ids with every kind of character, as other systems have them.
    let id = "Ünïcode 用户 👩‍👩‍👧 % _ ' \" \\";
    register(&kit.store, registration(id, id, "t1")).await;
    assert_eq!(tokens(&kit.store, id).await, [pair(id, "t1")]);
    assert_eq!(devices(&kit.store, &id.to_uppercase()).await, []);
}

pub async fn any_number_of_registrations_can_be_told_at_once(kit: StoreKit) {
    let mut total = 0;
    for count in [0_u64, 1, 999, 1000, 1001, 3007] {
        let batch: Vec<_> = (0..count)
            .map(|it| {
                let name = format!("{count}-{it}");
                registration(&format!("user-{}", it / 3), &name, &name)
            })
            .collect();
        let done = kit.store.register(batch).await.expect("registers");
        assert_eq!(done.len() as u64, count);
        assert!(done.iter().all(|it| it.changed && it.displaced.is_empty()));
        total += count;
        assert_eq!(kit.store.count(&app("im")).await.expect("counts"), total);
    }
    let users: Vec<_> = (0..1003).map(|it| user(&format!("user-{it}"))).collect();
    let found = kit
        .store
        .devices_of(&app("im"), &users)
        .await
        .expect("finds devices");
    assert_eq!(found.len(), users.len());
    let devices: u64 = found.iter().map(|it| it.len() as u64).sum();
    assert_eq!(devices, total);
}

// S61
pub async fn many_logins_on_one_device_leave_it_with_one_user(kit: StoreKit) {
    let displaced: usize = together((0..64).map(|it| {
        let store = Arc::clone(&kit.store);
        async move {
            let it = registration(&format!("user-{it}"), "phone", "t1");
            register(&store, it).await.displaced.len()
        }
    }))
    .await
    .into_iter()
    .sum();
    assert_eq!(displaced, 63, "each login but the last one lost the phone");
    let users: Vec<_> = (0..64).map(|it| user(&format!("user-{it}"))).collect();
    let found = kit
        .store
        .devices_of(&app("im"), &users)
        .await
        .expect("finds devices");
    assert_eq!(found.iter().flatten().count(), 1);
    assert_eq!(kit.store.count(&app("im")).await.expect("counts"), 1);
}

// S61
pub async fn a_token_told_from_many_devices_stays_with_one(kit: StoreKit) {
    together((0..64).map(|it| {
        let store = Arc::clone(&kit.store);
        async move {
            let it = registration(&format!("user-{it}"), &format!("phone-{it}"), "t1");
            register(&store, it).await
        }
    }))
    .await;
    assert_eq!(kit.store.count(&app("im")).await.expect("counts"), 1);
    assert!(
        kit.store
            .forget(&app("im"), &Channel::APNS, &token("t1"), at(1))
            .await
            .expect("forgets")
    );
    assert_eq!(kit.store.count(&app("im")).await.expect("counts"), 0);
}
