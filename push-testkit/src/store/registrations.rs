//! Registrations: what is stored, and what counts as a change.
#![allow(missing_docs)] // The names say it all.
use push_core::{
    Channel, DeviceFacts, DeviceToken, EndCause, Environment, ErrorKind, Instance, Slot,
    StoredRegistration,
};

use super::{
    StoreKit,
    fixtures::{
        app, at, by, device, devices, devices_in, instance, only_device, over, owner, pair,
        register, register_all, registration, reported, token, tokens, unregister, within,
    },
};

pub async fn a_registered_token_is_found_with_its_user(kit: StoreKit) {
    let mut new = over(
        Channel::known("smoke-signals"),
        registration("alice", "phone", "t1"),
    )
    .with_slot(Slot::LiveActivity)
    .with_instance(instance("match 7"))
    .with_rank(255);
    new.environment = Environment::Production;
    let done = register(&kit.store, new.clone()).await;
    assert!(done.changed);
    assert_eq!(done.displaced, []);
    let found = only_device(&kit.store, "alice").await;
    assert_eq!(found.device, device("phone"));
    assert_eq!(found.facts, DeviceFacts::default());
    assert_eq!(found.registrations, [StoredRegistration::new(new)]);
    assert_eq!(devices(&kit.store, "bob").await, []);
}

pub async fn only_news_count_as_a_change(kit: StoreKit) {
    let first = registration("alice", "phone", "t1");
    let later = reported(at(60), first.clone());
    let done = register_all(&kit.store, vec![first, later.clone()]).await;
    let changed: Vec<_> = done.iter().map(|one| one.changed).collect();
    assert_eq!(changed, [true, false]);
    assert_eq!(
        only_device(&kit.store, "alice").await.registrations[0]
            .registration
            .reported_at,
        at(60),
        "the time is kept although nothing else changed"
    );
    let mut released = by(31288, later.clone());
    released.environment = Environment::Production;
    for other in [
        by(31288, later.clone()),
        released,
        later.clone().with_rank(1),
        registration("alice", "phone", "t2"),
        over(Channel::known("second"), later.clone()),
        later.with_instance(instance("second")),
    ] {
        assert!(register(&kit.store, other.clone()).await.changed);
        assert!(!register(&kit.store, other).await.changed);
    }
}

pub async fn a_new_token_replaces_the_old_one_of_its_key(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "old")).await;
    let done = register(&kit.store, registration("alice", "phone", "new")).await;
    assert_eq!(done.displaced, [], "the device is still alice's");
    assert_eq!(tokens(&kit.store, "alice").await, [pair("phone", "new")]);
    // No device has the old token: registering it for another one displaces none.
    let done = register(&kit.store, registration("bob", "tablet", "old")).await;
    assert_eq!(done.displaced, []);
}

// S59
pub async fn each_slot_has_a_token_of_its_own(kit: StoreKit) {
    for (slot, with) in [
        (Slot::LiveActivity, "l"),
        (Slot::Alert, "a"),
        (Slot::Voip, "v"),
    ] {
        let it = registration("alice", "phone", with).with_slot(slot);
        assert!(register(&kit.store, it).await.changed);
    }
    let found = only_device(&kit.store, "alice").await;
    let slots: Vec<_> = found
        .registrations
        .iter()
        .map(|stored| (stored.registration.slot, stored.registration.token.expose()))
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

// S125
pub async fn a_slot_has_a_token_for_each_channel_and_instance(kit: StoreKit) {
    let all = [
        registration("alice", "phone", "a"),
        over(
            Channel::known("second"),
            registration("alice", "phone", "f"),
        )
        .with_rank(1),
        registration("alice", "phone", "l1")
            .with_slot(Slot::LiveActivity)
            .with_instance(instance("1")),
        registration("alice", "phone", "l2")
            .with_slot(Slot::LiveActivity)
            .with_instance(instance("2")),
    ];
    for done in register_all(&kit.store, all.to_vec()).await {
        assert!(done.changed);
    }
    let found = only_device(&kit.store, "alice").await;
    let found: Vec<_> = found
        .registrations
        .into_iter()
        .map(|stored| stored.registration)
        .collect();
    assert_eq!(found, all);
    // Only the second activity gets a new token.
    register(
        &kit.store,
        registration("alice", "phone", "l3")
            .with_slot(Slot::LiveActivity)
            .with_instance(instance("2")),
    )
    .await;
    assert_eq!(
        tokens(&kit.store, "alice").await,
        ["a", "f", "l1", "l3"].map(|with| pair("phone", with))
    );
}

pub async fn a_slot_keeps_the_instances_that_were_reported_last(kit: StoreKit) {
    let most = Instance::MAX_PER_SLOT;
    let activity = |number: usize, seconds: usize| {
        let it = registration("alice", "phone", &format!("l{number}"))
            .with_slot(Slot::LiveActivity)
            .with_instance(instance(&number.to_string()));
        reported(at(seconds.try_into().expect("small")), it)
    };
    register(&kit.store, registration("alice", "phone", "t1")).await;
    for number in 0..most {
        register(&kit.store, activity(number, number + 1)).await;
    }
    // The oldest one reports again, so the second one is the oldest.
    register(&kit.store, activity(0, most + 1)).await;
    assert_eq!(tokens(&kit.store, "alice").await.len(), most + 1);
    register(&kit.store, activity(most, most + 2)).await;
    let kept = tokens(&kit.store, "alice").await;
    assert_eq!(kept.len(), most + 1);
    for (token, is_kept) in [("t1", true), ("l0", true), ("l1", false), ("l2", true)] {
        assert_eq!(kept.contains(&pair("phone", token)), is_kept, "{token}");
    }
    assert!(kept.contains(&pair("phone", &format!("l{most}"))));
    // Whatever its time says, the one that comes last has its place.
    register(&kit.store, activity(most + 1, 0)).await;
    let kept = tokens(&kit.store, "alice").await;
    assert_eq!(kept.len(), most + 1);
    assert!(kept.contains(&pair("phone", &format!("l{}", most + 1))));
}

pub async fn the_same_token_of_another_channel_is_another_token(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let other = over(
        Channel::known("second"),
        registration("bob", "tablet", "t1"),
    );
    assert_eq!(register(&kit.store, other).await.displaced, []);
    assert_eq!(tokens(&kit.store, "alice").await, [pair("phone", "t1")]);
    assert!(
        kit.store
            .forget(&app("im"), &Channel::known("second"), &token("t1"), at(60))
            .await
            .expect("forgets")
    );
    assert_eq!(tokens(&kit.store, "alice").await, [pair("phone", "t1")]);
    assert_eq!(tokens(&kit.store, "bob").await, []);
}

pub async fn one_token_can_fill_two_slots_of_a_device(kit: StoreKit) {
    let alert = registration("alice", "phone", "t1");
    let voip = alert.clone().with_slot(Slot::Voip);
    assert_eq!(register(&kit.store, alert).await.displaced, []);
    assert_eq!(register(&kit.store, voip).await.displaced, []);
    assert_eq!(tokens(&kit.store, "alice").await.len(), 2);
    unregister(&kit.store, "alice", "phone", Some(Slot::Alert)).await;
    assert!(
        kit.store
            .forget(&app("im"), &Channel::known("sample"), &token("t1"), at(60))
            .await
            .expect("forgets"),
        "the other slot still has it"
    );
    assert_eq!(tokens(&kit.store, "alice").await, []);
}

pub async fn a_registration_of_another_device_than_the_call_is_refused(kit: StoreKit) {
    let mine = registration("alice", "phone", "t1");
    for other in [
        registration("bob", "phone", "t2"),
        registration("alice", "tablet", "t2"),
        within("other", registration("alice", "phone", "t2")),
    ] {
        let error = kit
            .store
            .register(
                &owner("alice", "phone"),
                &DeviceFacts::default(),
                vec![mine.clone(), other],
            )
            .await
            .expect_err("it is of another device");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    for within in ["im", "other"] {
        for of in ["alice", "bob"] {
            assert_eq!(devices_in(&kit.store, within, of).await, []);
        }
    }
}

pub async fn registrations_are_counted(kit: StoreKit) {
    let count = async |within| kit.store.count(&app(within)).await.expect("counts");
    assert_eq!(count("im").await, 0);
    register(&kit.store, registration("alice", "phone", "t1")).await;
    register(&kit.store, registration("alice", "phone", "t2")).await;
    let voip = registration("alice", "phone", "v").with_slot(Slot::Voip);
    register(&kit.store, voip).await;
    register(&kit.store, registration("bob", "tablet", "t3")).await;
    let elsewhere = within("other", registration("bob", "tablet", "t3"));
    register(&kit.store, elsewhere).await;
    assert_eq!(count("im").await, 3);
    // Bob takes the phone over: alice loses two, bob gains one.
    register(&kit.store, registration("bob", "phone", "t4")).await;
    assert_eq!(count("im").await, 2);
    register(&kit.store, registration("carol", "tv", "t3")).await;
    assert_eq!(count("im").await, 2);
    unregister(&kit.store, "bob", "phone", None).await;
    assert_eq!(count("im").await, 1);
    kit.store
        .forget(&app("im"), &Channel::known("sample"), &token("t3"), at(1))
        .await
        .expect("forgets");
    assert_eq!(count("im").await, 0);
    assert_eq!(count("other").await, 1);
}

pub async fn the_registrations_of_two_apps_never_mix(kit: StoreKit) {
    let here = registration("alice", "phone", "t1");
    register(&kit.store, here.clone()).await;
    let there = within("other", here);
    assert_eq!(register(&kit.store, there).await.displaced, []);
    let there = app("other");
    assert!(
        kit.store
            .quarantine(
                &there,
                &Channel::known("sample"),
                &token("t1"),
                "odd",
                at(1)
            )
            .await
            .expect("quarantines")
    );
    let untouched = only_device(&kit.store, "alice").await;
    assert_eq!(untouched.registrations[0].quarantine, None);
    register(
        &kit.store,
        within("other", registration("bob", "phone", "t1")),
    )
    .await;
    assert!(
        kit.store
            .forget(&there, &Channel::known("sample"), &token("t1"), at(1))
            .await
            .expect("forgets")
    );
    let mut bob = owner("bob", "phone");
    bob.app = there;
    kit.store
        .unregister(&bob, None, EndCause::LoggedOut)
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
                .forget(&app("im"), &Channel::known("sample"), &token(with), at(1))
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

pub async fn any_number_of_registrations_can_be_stored_at_once(kit: StoreKit) {
    let mut total = 0;
    for count in [1_u64, 999, 1000, 1001, 3007] {
        let on = format!("phone-{count}");
        let all: Vec<_> = (0..count)
            .map(|number| {
                let id = format!("{count}-{number}");
                registration("alice", &on, &id).with_instance(instance(&id))
            })
            .collect();
        for done in register_all(&kit.store, all).await {
            assert!(done.changed && done.displaced.is_empty());
        }
        total += count.min(Instance::MAX_PER_SLOT as u64);
        assert_eq!(kit.store.count(&app("im")).await.expect("counts"), total);
    }
    assert_eq!(tokens(&kit.store, "alice").await.len() as u64, total);
}
