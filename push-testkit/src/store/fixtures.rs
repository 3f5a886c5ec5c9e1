//! Ids, registrations, and shorter words for what the cases do.
use std::sync::Arc;

use push_core::{
    AppId, CertificateId, Channel, Device, DeviceId, DeviceToken, Displaced, Environment,
    Registration, Slot, Store, Timestamp, UserId,
};

use crate::sample::NOW;

pub(super) fn app(id: &str) -> AppId {
    AppId::new(id).expect("an app id")
}

pub(super) fn user(id: &str) -> UserId {
    UserId::new(id).expect("a user id")
}

pub(super) fn device(id: &str) -> DeviceId {
    DeviceId::new(id).expect("a device id")
}

pub(super) fn token(text: &str) -> DeviceToken {
    DeviceToken::new(text).expect("a device token")
}

pub(super) fn certificate(id: i64) -> CertificateId {
    CertificateId::new(id).expect("a certificate id")
}

/// So many seconds after the beginning.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(NOW.unix_seconds() + seconds)
}

/// An alert token of APNs, told at the beginning, in the app `im`.
pub(super) fn registration(of: &str, on: &str, with: &str) -> Registration {
    Registration {
        app: app("im"),
        user: user(of),
        device: device(on),
        slot: Slot::Alert,
        channel: Channel::APNS,
        certificate: certificate(31287),
        environment: Environment::Sandbox,
        token: token(with),
        told_at: NOW,
    }
}

pub(super) async fn register(store: &Arc<dyn Store>, it: Registration) -> push_core::Registered {
    let mut done = store.register(vec![it]).await.expect("registers");
    assert_eq!(done.len(), 1, "one answer for each registration");
    done.remove(0)
}

/// The user's devices by id, their registrations by slot.
pub(super) async fn devices(store: &Arc<dyn Store>, of: &str) -> Vec<Device> {
    devices_in(store, "im", of).await
}

pub(super) async fn devices_in(store: &Arc<dyn Store>, within: &str, of: &str) -> Vec<Device> {
    let mut found = store
        .devices_of(&app(within), &[user(of)])
        .await
        .expect("finds devices");
    assert_eq!(found.len(), 1, "one answer for each user");
    let mut found = found.remove(0);
    found.sort_by(|a, b| a.device.cmp(&b.device));
    for it in &mut found {
        it.registrations.sort_by_key(|it| it.registration.slot);
    }
    found
}

/// The user's only device.
pub(super) async fn only_device(store: &Arc<dyn Store>, of: &str) -> Device {
    let mut found = devices(store, of).await;
    assert_eq!(found.len(), 1, "{of} has one device");
    found.remove(0)
}

/// The tokens of a user, with their devices.
pub(super) async fn tokens(store: &Arc<dyn Store>, of: &str) -> Vec<(String, String)> {
    let found = devices(store, of).await;
    let all = found.iter().flat_map(|it| &it.registrations);
    all.map(|it| {
        let it = &it.registration;
        (it.device.to_string(), it.token.expose().to_owned())
    })
    .collect()
}

pub(super) fn pair(on: &str, with: &str) -> (String, String) {
    (on.to_owned(), with.to_owned())
}

pub(super) fn displaced(of: &str, on: &str) -> Displaced {
    Displaced {
        user: user(of),
        device: device(on),
    }
}
