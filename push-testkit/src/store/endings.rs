//! What is remembered of how push ended.
#![allow(missing_docs)] // The names say it all.
use push_core::{Channel, DeviceFacts, EndCause, Ending, Presence, Slot};

use super::{
    StoreKit,
    fixtures::{
        app, at, device, owner, presence, register, registration, token, unregister, user, within,
    },
};

/// The user's endings: device and slot, cause, reason of a refusal.
async fn endings(kit: &StoreKit, of: &str) -> Vec<(String, EndCause)> {
    endings_in(kit, "im", of).await
}

async fn endings_in(kit: &StoreKit, within: &str, of: &str) -> Vec<(String, EndCause)> {
    let mut found = kit
        .store
        .endings(&app(within), &[user(of)])
        .await
        .expect("returns endings");
    assert_eq!(found.len(), 1, "one list for each user");
    let name = |ending: &Ending| {
        let device = ending.device.as_ref().map_or("", |device| device.as_str());
        let slot = ending.slot.map_or("", |slot| slot.as_str());
        [device, slot].join("/")
    };
    let mut all: Vec<_> = found
        .remove(0)
        .iter()
        .map(|ending| (name(ending), ending.cause))
        .collect();
    all.sort();
    all
}

fn one(name: &str, cause: EndCause) -> Vec<(String, EndCause)> {
    vec![(name.to_owned(), cause)]
}

async fn log_out(kit: &StoreKit, of: &str, on: &str, slot: Option<Slot>, cause: EndCause) {
    kit.store
        .unregister(&owner(of, on), slot, cause)
        .await
        .expect("unregisters");
}

async fn go_offline(kit: &StoreKit, of: &str, because: Option<EndCause>, seconds: i64) {
    let mut change = presence(of, None, Presence::Offline, at(seconds));
    change.because = because;
    kit.store
        .set_presence(&app("im"), vec![change])
        .await
        .expect("sets presence");
}

// S63
pub async fn the_cause_that_ended_a_device_or_slot_is_remembered(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    assert_eq!(endings(&kit, "alice").await, []);
    log_out(
        &kit,
        "alice",
        "phone",
        Some(Slot::Voip),
        EndCause::SwitchedOff,
    )
    .await;
    assert_eq!(endings(&kit, "alice").await, [], "it had no such token");
    let alert = Some(Slot::Alert);
    log_out(&kit, "alice", "phone", alert, EndCause::SwitchedOff).await;
    let of_slot = one("phone/alert", EndCause::SwitchedOff);
    assert_eq!(endings(&kit, "alice").await, of_slot);
    log_out(&kit, "alice", "phone", None, EndCause::LoginExpired).await;
    let of_device = one("phone/", EndCause::LoginExpired);
    assert_eq!(
        endings(&kit, "alice").await,
        of_device,
        "in place of its slots'"
    );
    let (app, both) = (app("im"), [user("bob"), user("alice")]);
    let found = kit.store.endings(&app, &both).await;
    let found = found.expect("returns endings");
    assert_eq!(found[0], []);
    assert_eq!(found[1][0].device, Some(device("phone")));
    assert_eq!((found[1][0].slot, found[1][0].at), (None, at(0)));
    assert_eq!(
        kit.store.endings(&app, &[]).await.expect("returns"),
        Vec::<Vec<Ending>>::new()
    );
}

// S67, S68
pub async fn the_first_cause_of_an_offline_device_stays(kit: StoreKit) {
    for (reported, then, stays) in [
        (None, EndCause::LoggedOut, EndCause::LoggedOut),
        (
            Some(EndCause::Kicked),
            EndCause::LoggedOut,
            EndCause::Kicked,
        ),
    ] {
        register(&kit.store, registration("alice", "phone", "t1")).await;
        go_offline(&kit, "alice", reported, 1).await;
        let first = reported.unwrap_or(EndCause::Offline);
        assert_eq!(endings(&kit, "alice").await, one("phone/", first));
        log_out(&kit, "alice", "phone", None, then).await;
        assert_eq!(endings(&kit, "alice").await, one("phone/", stays));
        go_offline(&kit, "alice", None, 2).await;
        assert_eq!(endings(&kit, "alice").await, one("phone/", stays));
        // Online again, it can end for another cause.
        let back = presence("alice", None, Presence::Online, at(3));
        let set = kit.store.set_presence(&app("im"), vec![back]).await;
        set.expect("sets presence");
        assert_eq!(
            endings(&kit, "alice").await,
            one("phone/", stays),
            "why it has no token"
        );
        go_offline(&kit, "alice", Some(EndCause::LoggedOut), 4).await;
        assert_eq!(
            endings(&kit, "alice").await,
            one("phone/", EndCause::LoggedOut)
        );
    }
}

// S61
pub async fn the_former_user_of_a_device_is_remembered(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    log_out(&kit, "alice", "phone", None, EndCause::LoggedOut).await;
    let taken = register(&kit.store, registration("bob", "phone", "t1")).await;
    assert_eq!(taken.displaced, [], "nothing of hers was left");
    assert_eq!(
        endings(&kit, "alice").await,
        one("/", EndCause::DeviceTaken)
    );
    assert_eq!(endings(&kit, "bob").await, []);
    let taken = register(&kit.store, registration("alice", "phone", "t1")).await;
    assert_eq!(taken.displaced[0].cause, EndCause::DeviceTaken);
    assert_eq!(endings(&kit, "alice").await, []);
    assert_eq!(endings(&kit, "bob").await, one("/", EndCause::DeviceTaken));
}

// S61, S114
pub async fn a_token_that_moved_or_died_is_remembered_for_its_slot(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let voip = registration("alice", "phone", "v1").with_slot(Slot::Voip);
    register(&kit.store, voip).await;
    let moved = register(&kit.store, registration("bob", "tablet", "t1")).await;
    assert_eq!(moved.displaced[0].cause, EndCause::TokenTaken);
    let of_alert = ("phone/alert".to_owned(), EndCause::TokenTaken);
    assert_eq!(endings(&kit, "alice").await, vec![of_alert.clone()]);
    let forgotten = kit
        .store
        .forget(&app("im"), &Channel::known("sample"), &token("v1"), at(1))
        .await;
    assert!(forgotten.expect("forgets"));
    let of_voip = ("phone/voip".to_owned(), EndCause::TokenDead);
    assert_eq!(endings(&kit, "alice").await, [of_alert, of_voip.clone()]);
    register(&kit.store, registration("alice", "phone", "t2")).await;
    assert_eq!(
        endings(&kit, "alice").await,
        [of_voip],
        "the other slot's stays"
    );
    assert_eq!(endings(&kit, "bob").await, []);
}

pub async fn a_refused_registration_is_remembered(kit: StoreKit) {
    let refuse = async |reason: &str| {
        let phone = owner("alice", "phone");
        let refused = kit.store.refuse(&phone, Slot::Alert, reason).await;
        refused.expect("remembers it");
        let found = kit.store.endings(&app("im"), &[user("alice")]).await;
        found
            .expect("returns endings")
            .remove(0)
            .pop()
            .expect("an ending")
    };
    let first = refuse("certificate-unknown").await;
    assert_eq!((first.device, first.slot), (None, None));
    assert_eq!(first.cause, EndCause::Refused);
    assert_eq!(first.reason.as_deref(), Some("certificate-unknown"));
    let again = refuse("slot-unsupported").await;
    assert_eq!(again.reason.as_deref(), Some("slot-unsupported"));
    assert_eq!(endings(&kit, "alice").await.len(), 1, "the last one");
    // Facts alone make the device known, and bring no token.
    kit.store
        .register(&owner("alice", "phone"), &DeviceFacts::default(), vec![])
        .await
        .expect("stores facts");
    let known = refuse("channel-mismatch").await;
    assert_eq!(known.device, Some(device("phone")));
    assert_eq!(known.slot, Some(Slot::Alert));
    register(&kit.store, registration("alice", "phone", "t1")).await;
    assert_eq!(endings(&kit, "alice").await, []);
}

pub async fn the_endings_of_two_apps_never_mix(kit: StoreKit) {
    register(&kit.store, registration("alice", "phone", "t1")).await;
    let there = within("other", registration("alice", "phone", "t1"));
    register(&kit.store, there.clone()).await;
    let bob = within("other", registration("bob", "phone", "t1"));
    register(&kit.store, bob).await;
    assert_eq!(
        endings_in(&kit, "other", "alice").await,
        one("/", EndCause::DeviceTaken)
    );
    assert_eq!(endings(&kit, "alice").await, []);
    assert_eq!(endings_in(&kit, "third", "alice").await, []);
    let ended = unregister(&kit.store, "alice", "phone", None).await;
    assert_eq!(
        ended.expect("it was there").cause,
        EndCause::LoggedOut,
        "as was reported"
    );
    register(&kit.store, there).await;
    assert_eq!(
        endings(&kit, "alice").await,
        one("phone/", EndCause::LoggedOut)
    );
}
