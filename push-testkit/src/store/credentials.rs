//! Credentials.
#![allow(missing_docs)] // The names say it all.
use std::{collections::BTreeSet, sync::Arc};

use push_core::{
    AppId, CertificateId, Channel, CredentialRef, Environment, ErrorKind, NewCredential,
    StoredCredential, Timestamp,
};

use super::{
    StoreKit,
    fixtures::{app, at, by, certificate, only_device, register, registration},
};
use crate::place::together;

fn credential(within: &str, sealed: &[u8], when: Timestamp) -> NewCredential {
    NewCredential::new(
        app(within),
        "sample",
        Channel::known("sample"),
        sealed.to_vec(),
        when,
    )
    .with_environment(Environment::Sandbox)
    .with_label("debug")
    .with_expires_at(at(1000))
}

async fn free(kit: &StoreKit, within: &AppId) -> CertificateId {
    kit.store
        .free_certificate(within)
        .await
        .expect("returns a free number")
}

async fn add(kit: &StoreKit, id: Option<i64>, it: NewCredential) -> StoredCredential {
    let id = match id {
        Some(id) => certificate(id),
        None => free(kit, &it.app).await,
    };
    kit.store
        .add_credential(id, it)
        .await
        .expect("adds a credential")
}

async fn one(kit: &StoreKit, within: &str, id: i64) -> Option<StoredCredential> {
    kit.store
        .credential(&CredentialRef::new(app(within), certificate(id)))
        .await
        .expect("looks a credential up")
}

pub async fn a_free_number_is_another_for_each_credential(kit: StoreKit) {
    let first = add(&kit, None, credential("im", b"one", at(1))).await;
    let second = add(&kit, None, credential("im", b"two", at(2))).await;
    assert_ne!(first.id, second.id);
    assert_eq!(first.sealed, b"one");
    assert_eq!((first.created_at, first.rotated_at), (at(1), at(1)));
    let found = one(&kit, "im", second.id.into()).await;
    assert_eq!(found, Some(second));
}

pub async fn a_credential_can_keep_a_number_from_elsewhere(kit: StoreKit) {
    let kept = add(&kit, Some(31287), credential("im", b"x", at(1))).await;
    assert_eq!(kept.id, certificate(31287));
    let next = add(&kit, None, credential("im", b"y", at(1))).await;
    assert_ne!(next.id, kept.id);
    assert_eq!(one(&kit, "im", 31287).await, Some(kept));
}

pub async fn a_number_that_is_taken_is_a_conflict(kit: StoreKit) {
    let first = add(&kit, Some(5), credential("im", b"x", at(1))).await;
    let error = kit
        .store
        .add_credential(certificate(5), credential("im", b"y", at(2)))
        .await
        .expect_err("5 is taken");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(one(&kit, "im", 5).await, Some(first));
}

pub async fn after_the_highest_number_a_free_one_is_found(kit: StoreKit) {
    let highest = i64::from(u32::MAX);
    add(&kit, Some(highest), credential("im", b"x", at(1))).await;
    add(&kit, Some(1), credential("im", b"x", at(1))).await;
    let mut ids = BTreeSet::from([certificate(highest), certificate(1)]);
    for _ in 0..3 {
        let id = add(&kit, None, credential("im", b"y", at(1))).await.id;
        assert!(ids.insert(id), "{id} was taken");
    }
}

// S58
pub async fn rotating_keeps_the_id(kit: StoreKit) {
    add(&kit, Some(5), credential("im", b"old", at(1))).await;
    let neighbour = add(&kit, Some(6), credential("im", b"old", at(1))).await;
    let mut new = credential("im", b"new", at(9)).with_label("debug 2027");
    new.expires_at = None;
    let rotated = kit
        .store
        .rotate_credential(certificate(5), new)
        .await
        .expect("rotates");
    assert_eq!(rotated.id, certificate(5));
    assert_eq!(rotated.sealed, b"new");
    assert_eq!(rotated.label, "debug 2027");
    assert_eq!(rotated.expires_at, None);
    assert_eq!((rotated.created_at, rotated.rotated_at), (at(1), at(9)));
    assert_eq!(rotated.environment, Some(Environment::Sandbox));
    assert_eq!(one(&kit, "im", 5).await, Some(rotated));
    assert_eq!(one(&kit, "im", 6).await, Some(neighbour));
}

pub async fn rotating_what_is_not_there_is_not_found(kit: StoreKit) {
    add(&kit, Some(5), credential("other", b"x", at(1))).await;
    let error = kit
        .store
        .rotate_credential(certificate(5), credential("im", b"y", at(2)))
        .await
        .expect_err("5 is another app's");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(one(&kit, "im", 5).await, None);
}

pub async fn rotating_into_something_else_is_a_conflict(kit: StoreKit) {
    let old = add(&kit, Some(5), credential("im", b"x", at(1))).await;
    let new = credential("im", b"y", at(2));
    let changes: [fn(&mut NewCredential); 4] = [
        |new| new.provider = "sample-two".to_owned(),
        |new| new.channel = Channel::known("second"),
        |new| new.environment = Some(Environment::Production),
        |new| new.environment = None,
    ];
    for change in changes {
        let mut other = new.clone();
        change(&mut other);
        let error = kit
            .store
            .rotate_credential(certificate(5), other)
            .await
            .expect_err("it is of another kind");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(one(&kit, "im", 5).await.as_ref(), Some(&old));
    }
}

pub async fn credentials_are_listed_by_id(kit: StoreKit) {
    for (within, id) in [("im", 40), ("other", 7), ("im", 5), ("im", 600)] {
        add(&kit, Some(id), credential(within, b"x", at(1))).await;
    }
    let list = async |within: Option<&str>| -> Vec<(String, i64)> {
        let within = within.map(app);
        let found = kit
            .store
            .credentials(within.as_ref())
            .await
            .expect("lists credentials");
        found
            .iter()
            .map(|found| (found.app.to_string(), found.id.into()))
            .collect()
    };
    let of = |within: &str, id| (within.to_owned(), id);
    assert_eq!(
        list(Some("im")).await,
        [of("im", 5), of("im", 40), of("im", 600)]
    );
    assert_eq!(list(Some("third")).await, []);
    let mut all = list(None).await;
    all.sort();
    assert_eq!(
        all,
        [of("im", 5), of("im", 40), of("im", 600), of("other", 7)]
    );
}

pub async fn sealed_bytes_come_back_as_they_were(kit: StoreKit) {
    let every_byte: Vec<u8> = (0..=255).collect();
    for sealed in [Vec::new(), every_byte.clone(), every_byte.repeat(256)] {
        let mut new = credential("im", &sealed, at(1)).with_label("");
        new.environment = None;
        let id = add(&kit, None, new).await.id;
        let found = one(&kit, "im", id.into()).await.expect("it is there");
        assert_eq!(found.sealed, sealed);
        assert_eq!((found.label.as_str(), found.environment), ("", None));
    }
}

pub async fn the_credentials_of_two_apps_never_mix(kit: StoreKit) {
    let here = add(&kit, Some(5), credential("im", b"here", at(1))).await;
    let there = add(&kit, Some(5), credential("other", b"there", at(1))).await;
    kit.store
        .rotate_credential(certificate(5), credential("other", b"new", at(2)))
        .await
        .expect("rotates");
    assert_eq!(one(&kit, "im", 5).await, Some(here));
    assert_ne!(one(&kit, "other", 5).await, Some(there));
}

pub async fn of_credentials_added_at_once_one_gets_a_number(kit: StoreKit) {
    let id = free(&kit, &app("im")).await;
    let added = together((0..50_u8).map(|number| {
        let store = Arc::clone(&kit.store);
        async move {
            let new = credential("im", &[number], at(1));
            match store.add_credential(id, new).await {
                Ok(added) => Some(added),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Conflict);
                    None
                }
            }
        }
    }))
    .await;
    let added: Vec<_> = added.into_iter().flatten().collect();
    assert_eq!(added.len(), 1);
    assert_eq!(one(&kit, "im", id.into()).await, added.into_iter().next());
    assert_ne!(free(&kit, &app("im")).await, id);
}

async fn remove(kit: &StoreKit, within: &str, id: i64) -> bool {
    kit.store
        .remove_credential(&CredentialRef::new(app(within), certificate(id)))
        .await
        .expect("removes a credential")
}

pub async fn a_removed_credential_is_gone_and_its_registrations_stay(kit: StoreKit) {
    add(&kit, Some(5), credential("im", b"x", at(1))).await;
    let neighbour = add(&kit, Some(6), credential("im", b"y", at(1))).await;
    let there = add(&kit, Some(5), credential("other", b"z", at(1))).await;
    register(&kit.store, by(5, registration("alice", "phone", "t1"))).await;
    let phone = only_device(&kit.store, "alice").await;
    assert!(remove(&kit, "im", 5).await);
    assert!(!remove(&kit, "im", 5).await);
    assert!(!remove(&kit, "im", 7).await);
    assert!(!remove(&kit, "third", 5).await);
    assert_eq!(one(&kit, "im", 5).await, None);
    let left = kit.store.credentials(Some(&app("im"))).await;
    assert_eq!(left.expect("lists credentials"), [neighbour]);
    assert_eq!(one(&kit, "other", 5).await, Some(there));
    assert_eq!(only_device(&kit.store, "alice").await, phone);
    let error = kit
        .store
        .rotate_credential(certificate(5), credential("im", b"y", at(2)))
        .await
        .expect_err("it was removed");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

pub async fn the_number_of_a_removed_credential_is_never_given_again(kit: StoreKit) {
    let first = add(&kit, None, credential("im", b"x", at(1))).await.id;
    assert!(remove(&kit, "im", first.into()).await);
    let second = add(&kit, None, credential("im", b"y", at(1))).await.id;
    assert_ne!(second, first);
    let error = kit
        .store
        .add_credential(first, credential("im", b"z", at(2)))
        .await
        .expect_err("devices may still name it");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    add(&kit, Some(first.into()), credential("other", b"z", at(2))).await;
    // Also when the highest number is used up.
    let highest = i64::from(u32::MAX);
    add(&kit, Some(highest), credential("im", b"x", at(1))).await;
    assert!(remove(&kit, "im", highest).await);
    let mut ids = BTreeSet::from([first, second, certificate(highest)]);
    for _ in 0..3 {
        let id = add(&kit, None, credential("im", b"x", at(1))).await.id;
        assert!(ids.insert(id), "{id} was given before");
        assert!(remove(&kit, "im", id.into()).await);
    }
}

pub async fn a_credential_sealed_in_another_form_keeps_all_else(kit: StoreKit) {
    let old = add(&kit, Some(5), credential("im", b"old", at(1))).await;
    let neighbour = add(&kit, Some(6), credential("im", b"old", at(1))).await;
    let there = add(&kit, Some(5), credential("other", b"old", at(1))).await;
    let reseal = async |id: i64, before: &[u8], after: &[u8]| {
        let credential = CredentialRef::new(app("im"), certificate(id));
        kit.store
            .reseal_credential(&credential, before, after.to_vec())
            .await
            .expect("reseals a credential")
    };
    assert!(reseal(5, b"old", b"new").await);
    // It is another now, and must not be lost.
    assert!(!reseal(5, b"old", b"newer").await);
    assert!(!reseal(7, b"old", b"new").await);
    let mut new = old;
    new.sealed = b"new".to_vec();
    assert_eq!(one(&kit, "im", 5).await, Some(new));
    assert_eq!(one(&kit, "im", 6).await, Some(neighbour));
    assert_eq!(one(&kit, "other", 5).await, Some(there));
}

pub async fn the_check_of_the_key_is_replaced_only_by_who_knows_it(kit: StoreKit) {
    let stored = async || kit.store.key_check().await.expect("reads the check");
    let set = async |before: Option<&[u8]>, after: &[u8]| {
        kit.store
            .set_key_check(before, after.to_vec())
            .await
            .expect("stores the check")
    };
    assert_eq!(stored().await, None);
    assert!(!set(Some(b"one"), b"two").await);
    assert_eq!(stored().await, None);
    assert!(set(None, b"one").await);
    assert!(!set(None, b"two").await);
    assert_eq!(stored().await.as_deref(), Some(&b"one"[..]));
    assert!(!set(Some(b"two"), b"three").await);
    assert!(set(Some(b"one"), b"three").await);
    assert_eq!(stored().await.as_deref(), Some(&b"three"[..]));
}

pub async fn of_checks_of_the_key_stored_at_once_one_is_kept(kit: StoreKit) {
    let stored = together((0..20_u8).map(|number| {
        let store = Arc::clone(&kit.store);
        async move {
            let is_stored = store.set_key_check(None, vec![number]).await;
            is_stored.expect("stores the check").then_some(vec![number])
        }
    }))
    .await;
    let stored: Vec<_> = stored.into_iter().flatten().collect();
    assert_eq!(stored.len(), 1);
    let kept = kit.store.key_check().await.expect("reads the check");
    assert_eq!(kept.as_ref(), stored.first());
}
