//! What these tests share.
#![allow(dead_code)] // Not every test uses everything.
use std::path::Path;

use push_core::{
    AppId, CertificateId, Channel, DeviceFacts, DeviceId, DeviceRef, DeviceToken, Environment,
    Registered, Registration, RegistrationStore, UserId,
};
use push_store_sqlite::{SqliteStore, SqliteStoreConfig};
use push_testkit::{Place, sample::NOW};

pub(crate) fn store(place: &Place) -> SqliteStore {
    store_at(&place.path("store.db"), place)
}

pub(crate) fn store_at(path: &Path, place: &Place) -> SqliteStore {
    SqliteStore::new(SqliteStoreConfig::new(path), &place.context()).expect("a right configuration")
}

pub(crate) fn app() -> AppId {
    AppId::new("im").expect("an app id")
}

pub(crate) fn user(id: &str) -> UserId {
    UserId::new(id).expect("a user id")
}

pub(crate) fn device(id: &str) -> DeviceId {
    DeviceId::new(id).expect("a device id")
}

/// Registers the device's token under this user.
pub(crate) async fn register(store: &SqliteStore, of: &str, on: &str) -> Registered {
    let owner = DeviceRef::new(app(), user(of), device(on));
    let registration = Registration::new(
        owner.clone(),
        Channel::known("sample"),
        CertificateId::new(1).expect("a certificate id"),
        Environment::Sandbox,
        DeviceToken::new(format!("token-of-{on}")).expect("a device token"),
        NOW,
    );
    let done = store
        .register(&owner, &DeviceFacts::default(), vec![registration])
        .await;
    done.expect("registers").remove(0)
}
