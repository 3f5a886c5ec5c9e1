//! The master key is checked at start, and a sealed credential belongs to one app, provider and id.
mod support;

use std::{sync::Arc, time::Duration};

use push_core::{CredentialStore as _, ErrorKind, Gateway as _, Registry, Secret, Store};
use push_gateway::{CredentialInfo, Gateway, MasterKey, Parts};
use push_testkit::until;
use serde_json::json;
use support::{KEY, SCRIPTED, SECOND, World, app, credential, message};

/// A second gateway on the store of `world`.
fn with_key(world: &World, key: &str) -> Gateway {
    let key = MasterKey::parse(&Secret::new(key)).expect("a key");
    Gateway::new(Parts::new(
        Arc::clone(&world.store) as Arc<dyn Store>,
        Arc::clone(&world.queue),
        Arc::new(Registry::new([SCRIPTED.any()]).expect("a registry")),
        Arc::new(world.clock.clone()),
        key.from_source("the file other.key"),
    ))
    .expect("the settings work")
}

fn other_key() -> String {
    "02".repeat(32)
}

async fn listed(gateway: &Gateway) -> Vec<CredentialInfo> {
    gateway.credentials(&app()).await.expect("lists")
}

#[tokio::test]
async fn a_gateway_does_not_start_with_another_master_key() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    let before = world.store.credentials(None).await.unwrap();
    let other = with_key(&world, &other_key());
    let started = other.start().await.unwrap_err();
    let added = other.add_credential(&app(), world.upload(json!({}))).await;
    let rotated = other
        .rotate_credential(&credential(certificate), world.upload(json!({})))
        .await;
    for error in [started, added.unwrap_err(), rotated.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Config);
        let text = error.to_string();
        assert!(text.contains("another master key"), "{text}");
        assert!(text.contains("the file other.key"), "{text}");
        assert!(text.contains("`accept_master_key`"), "{text}");
    }
    assert_eq!(world.store.credentials(None).await.unwrap(), before);
    with_key(&world, KEY).start().await.unwrap();
}

/// The first start wrote the check, so that the first upload is not what decides.
#[tokio::test]
async fn a_store_without_credentials_remembers_its_master_key() {
    let world = World::new(|_| {});
    let check = world.store.key_check().await.unwrap();
    assert!(check.is_some());
    let error = with_key(&world, &other_key()).start().await.unwrap_err();
    assert!(error.to_string().contains("another master key"), "{error}");
    with_key(&world, KEY).start().await.unwrap();
    assert_eq!(world.store.key_check().await.unwrap(), check);
}

#[tokio::test]
async fn a_damaged_check_is_replaced_if_the_credentials_open() {
    let world = World::new(|_| {});
    world.credential(json!({})).await;
    let damage = async || {
        let mut check = world.store.key_check().await.unwrap().unwrap();
        let before = check.clone();
        *check.last_mut().unwrap() ^= 1;
        let is_set = world.store.set_key_check(Some(&before), check.clone());
        assert!(is_set.await.unwrap());
        check
    };
    let damaged = damage().await;
    with_key(&world, KEY).start().await.unwrap();
    assert_ne!(world.store.key_check().await.unwrap().unwrap(), damaged);
    damage().await;
    let error = with_key(&world, &other_key()).start().await.unwrap_err();
    assert!(error.to_string().contains("another master key"), "{error}");
}

#[tokio::test]
async fn a_new_master_key_is_accepted_and_credentials_are_uploaded_again() {
    let world = World::new(|_| {});
    let certificate = world.credential(json!({})).await;
    world.login("alice", certificate).await;
    world.gateway.shutdown().await;
    let other = with_key(&world, &other_key());
    other.accept_master_key().await.unwrap();
    other.start().await.unwrap();
    let unusable = listed(&other).await.remove(0).unusable.unwrap();
    assert_eq!(unusable.reason.code, "credential-unusable");
    assert!(unusable.evidence.contains("another master key"));
    let answer = other.submit(&app(), vec![message("x", &["alice"])]).await;
    assert_eq!(answer.unwrap()[0].skipped[0].reason, "credential-unusable");
    let rotated = other
        .rotate_credential(&credential(certificate), world.upload(json!({})))
        .await
        .unwrap();
    assert_eq!(rotated.unusable, None);
    let answer = other.submit(&app(), vec![message("y", &["alice"])]).await;
    assert_eq!(answer.unwrap()[0].deliveries.len(), 1);
    with_key(&world, &other_key()).start().await.unwrap();
    assert!(with_key(&world, KEY).start().await.is_err());
}

#[tokio::test]
async fn a_sealed_credential_that_was_copied_to_another_id_is_not_used() {
    let world = World::new(|_| {});
    let (first, second) = (
        world.credential(json!({})).await,
        world.credential(json!({})).await,
    );
    let sealed = async |id| {
        let stored = world.store.credential(&credential(id)).await.unwrap();
        stored.unwrap().sealed
    };
    let copied = world
        .store
        .reseal_credential(
            &credential(second),
            &sealed(second).await,
            sealed(first).await,
        )
        .await;
    assert!(copied.unwrap());
    let next = with_key(&world, KEY);
    next.start().await.unwrap();
    let listed = listed(&next).await;
    assert_eq!(listed[0].unusable, None);
    let unusable = listed[1].unusable.clone().unwrap();
    assert_eq!(unusable.reason.code, "credential-unusable");
    assert!(
        unusable
            .evidence
            .contains("copied from another app, provider or id")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn credentials_uploaded_at_the_same_time_get_different_ids() {
    let world = World::new(|_| {});
    let uploads: Vec<_> = (0..500)
        .map(|_| {
            let (gateway, upload) = (world.gateway.clone(), world.upload(json!({})));
            tokio::spawn(async move { gateway.add_credential(&app(), upload).await })
        })
        .collect();
    let mut ids = std::collections::BTreeSet::new();
    for upload in uploads {
        ids.insert(upload.await.unwrap().unwrap().id);
    }
    assert_eq!(ids.len(), 500);
}

#[tokio::test]
async fn a_vendor_that_is_silent_is_asked_no_longer_than_the_operator_allows() {
    for (wanted, limit) in [(None, 10), (Some("3s"), 3)] {
        let world = World::with_settings(
            |settings| {
                if let Some(wanted) = wanted {
                    let limits = json!({"limits": {"verify_timeout": wanted}});
                    *settings = serde_json::from_value(limits).unwrap();
                }
            },
            |queue| queue,
        );
        let certificate = world.credential(json!({})).await;
        let silent = &world.plan.is_silent_about_health;
        silent.store(true, std::sync::atomic::Ordering::Relaxed);
        let gateway = world.gateway.clone();
        let asked =
            tokio::spawn(async move { gateway.verify_credential(&credential(certificate)).await });
        world.calm().await;
        world
            .clock
            .advance(limit * SECOND - Duration::from_millis(1));
        world.calm().await;
        assert!(!asked.is_finished());
        world.clock.advance(Duration::from_millis(1));
        until(|| asked.is_finished()).await;
        let error = asked.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let text = error.to_string();
        assert!(text.contains(&format!("within {limit} s")), "{text}");
        assert!(text.contains("limits.verify_timeout"), "{text}");
    }
}
