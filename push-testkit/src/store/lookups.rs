//! Reading users, slots and tokens.
#![allow(missing_docs)] // The names say it all.
use push_core::{Channel, DeviceToken, Slot, SlotRef, StoredRegistration};

use super::{
    StoreKit,
    fixtures::{
        app, at, device, instance, only_device, over, receivers, register, register_all,
        registration, token, unregister, user, users, within,
    },
};

pub async fn receivers_are_returned_in_the_order_of_the_users(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    register(&kit.store, registration("alice", "tablet", "t2")).await;
    register(&kit.store, registration("bob", "tv", "t3")).await;
    let found = receivers(&kit.store, &users(["bob", "zoe", "alice", "bob"])).await;
    let mut names: Vec<(_, Vec<_>)> = found
        .iter()
        .map(|receiver| {
            let devices = receiver.devices.iter();
            (
                receiver.user.as_str(),
                devices.map(|device| device.device.as_str()).collect(),
            )
        })
        .collect();
    names[2].1.sort_unstable();
    assert_eq!(
        names,
        [
            ("bob", vec!["tv"]),
            ("zoe", vec![]),
            ("alice", vec!["phone", "tablet"]),
            ("bob", vec!["tv"])
        ]
    );
    assert!(receivers(&kit.store, &[]).await.is_empty());
}

async fn resolve(kit: &StoreKit, slots: &[SlotRef]) -> Vec<Option<StoredRegistration>> {
    kit.store
        .resolve(&app("im"), slots)
        .await
        .expect("resolves slots")
}

fn slot(of: &str, on: &str, slot: Slot, channel: Channel, id: &str) -> SlotRef {
    SlotRef::new(user(of), device(on), slot, channel, instance(id))
}

fn texts(found: &[Option<StoredRegistration>]) -> Vec<Option<&str>> {
    found
        .iter()
        .map(|stored| Some(stored.as_ref()?.registration.token.expose()))
        .collect()
}

pub async fn a_slot_resolves_to_the_token_that_it_has_now(kit: StoreKit) {
    let live = |with: &str, id| {
        registration("alice", "phone", with)
            .with_slot(Slot::LiveActivity)
            .with_instance(instance(id))
    };
    register_all(
        &kit.store,
        vec![
            registration("alice", "phone", "a"),
            over(
                Channel::known("second"),
                registration("alice", "phone", "f"),
            ),
            live("l1", "1"),
            live("l2", "2"),
        ],
    )
    .await;
    let all = [
        slot("alice", "phone", Slot::Alert, Channel::known("sample"), ""),
        slot("alice", "phone", Slot::Alert, Channel::known("second"), ""),
        slot(
            "alice",
            "phone",
            Slot::LiveActivity,
            Channel::known("sample"),
            "2",
        ),
        slot(
            "alice",
            "phone",
            Slot::LiveActivity,
            Channel::known("sample"),
            "3",
        ),
        slot("alice", "phone", Slot::Voip, Channel::known("sample"), ""),
        slot("alice", "tablet", Slot::Alert, Channel::known("sample"), ""),
        slot("bob", "phone", Slot::Alert, Channel::known("sample"), ""),
        slot("alice", "phone", Slot::Alert, Channel::known("sample"), ""),
    ];
    assert_eq!(
        texts(&resolve(&kit, &all).await),
        [
            Some("a"),
            Some("f"),
            Some("l2"),
            None,
            None,
            None,
            None,
            Some("a")
        ]
    );
    assert!(resolve(&kit, &[]).await.is_empty());
    // A new token, a quarantine, a logout and another user show at once.
    register(&kit.store, registration("alice", "phone", "new")).await;
    kit.store
        .quarantine(
            &app("im"),
            &Channel::known("sample"),
            &token("new"),
            "odd",
            at(1),
        )
        .await
        .expect("quarantines");
    let found = resolve(&kit, &all[..1]).await;
    assert_eq!(texts(&found), [Some("new")]);
    let phone = only_device(&kit.store, "alice").await;
    assert_eq!(found[0].as_ref(), Some(&phone.registrations[0]));
    assert!(phone.registrations[0].quarantine.is_some());
    unregister(&kit.store, "alice", "phone", Some(Slot::LiveActivity)).await;
    assert_eq!(texts(&resolve(&kit, &all[2..3]).await), [None]);
    register(&kit.store, registration("bob", "phone", "b")).await;
    assert_eq!(
        texts(&resolve(&kit, &[all[0].clone(), all[6].clone()]).await),
        [None, Some("b")]
    );
}

pub async fn a_token_is_found_with_the_device_that_holds_it(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    register(&kit.store, registration("bob", "tablet", "t2")).await;
    let holders = async |within, channel: Channel, tokens: &[&str]| -> Vec<Option<String>> {
        let tokens: Vec<DeviceToken> = tokens.iter().map(|text| token(text)).collect();
        let found = kit.store.holders(&app(within), &channel, &tokens).await;
        found
            .expect("finds holders")
            .into_iter()
            .zip(tokens)
            .map(|(stored, token)| {
                let it = stored?.registration;
                assert_eq!((&it.channel, &it.token), (&channel, &token));
                Some(it.device.to_string())
            })
            .collect()
    };
    let held = |on: &str| Some(on.to_owned());
    assert_eq!(
        holders("im", Channel::known("sample"), &["t2", "none", "t1", "t2"]).await,
        [held("tablet"), None, held("phone"), held("tablet")]
    );
    assert_eq!(
        holders("im", Channel::known("second"), &["t1"]).await,
        [None]
    );
    assert_eq!(
        holders("other", Channel::known("sample"), &["t1"]).await,
        [None]
    );
    assert!(
        holders("im", Channel::known("sample"), &[])
            .await
            .is_empty()
    );
    register(&kit.store, registration("carol", "tv", "t1")).await;
    assert_eq!(
        holders("im", Channel::known("sample"), &["t1"]).await,
        [held("tv")],
        "the token moved"
    );
}

pub async fn of_two_slots_with_a_token_the_first_is_its_holder(kit: StoreKit) {
    let one = registration("alice", "phone", "t1");
    register_all(
        &kit.store,
        vec![
            one.clone().with_slot(Slot::LiveActivity),
            one.clone().with_slot(Slot::Voip),
        ],
    )
    .await;
    let holder = async || {
        let found = kit
            .store
            .holders(&app("im"), &Channel::known("sample"), &[token("t1")])
            .await;
        let found = found.expect("finds holders").remove(0);
        found.map(|stored| stored.registration.slot)
    };
    assert_eq!(holder().await, Some(Slot::Voip));
    register(&kit.store, one).await;
    assert_eq!(holder().await, Some(Slot::Alert));
    register(&kit.store, within("other", registration("bob", "tv", "t1"))).await;
    assert_eq!(holder().await, Some(Slot::Alert));
}
