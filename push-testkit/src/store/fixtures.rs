//! Ids, registrations, and shorter calls for what the cases do.
use std::sync::Arc;

use push_core::{
    AppId, CertificateId, Channel, Device, DeviceFacts, DeviceId, DeviceRef, DeviceToken, EndCause,
    Ended, Environment, Instance, MessageId, Presence, PresenceChange, Receiver, Registered,
    Registration, Slot, Store, Tag, Timestamp, UserId,
};

use crate::sample::NOW;

pub(super) fn app(id: &str) -> AppId {
    AppId::new(id).expect("an app id")
}

pub(super) fn user(id: &str) -> UserId {
    UserId::new(id).expect("a user id")
}

pub(super) fn users<'a>(ids: impl IntoIterator<Item = &'a str>) -> Vec<UserId> {
    ids.into_iter().map(user).collect()
}

pub(super) fn device(id: &str) -> DeviceId {
    DeviceId::new(id).expect("a device id")
}

pub(super) fn owner(of: &str, on: &str) -> DeviceRef {
    DeviceRef::new(app("im"), user(of), device(on))
}

pub(super) fn message(id: &str) -> MessageId {
    MessageId::new(id).expect("a message id")
}

pub(super) fn token(text: &str) -> DeviceToken {
    DeviceToken::new(text).expect("a device token")
}

pub(super) fn certificate(id: i64) -> CertificateId {
    CertificateId::new(id).expect("a certificate id")
}

pub(super) fn instance(id: &str) -> Instance {
    Instance::new(id).expect("an instance")
}

pub(super) fn tags<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<Tag> {
    let tag = |word| Tag::new(word).expect("a tag");
    words.into_iter().map(tag).collect()
}

/// `seconds` after the beginning.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(NOW.unix_seconds() + seconds)
}

/// An alert token, reported at the beginning, in the app `im`.
pub(super) fn registration(of: &str, on: &str, with: &str) -> Registration {
    Registration::new(
        owner(of, on),
        Channel::known("sample"),
        certificate(31287),
        Environment::Sandbox,
        token(with),
        NOW,
    )
}

/// The same, reported at another time.
pub(super) fn reported(when: Timestamp, mut it: Registration) -> Registration {
    it.reported_at = when;
    it
}

/// The same, of another app.
pub(super) fn within(other: &str, mut it: Registration) -> Registration {
    it.app = app(other);
    it
}

/// The same, of another channel.
pub(super) fn over(channel: Channel, mut it: Registration) -> Registration {
    it.channel = channel;
    it
}

/// The same, of another credential.
pub(super) fn by(id: i64, mut it: Registration) -> Registration {
    it.certificate = certificate(id);
    it
}

pub(super) async fn register(store: &Arc<dyn Store>, it: Registration) -> Registered {
    let mut done = register_all(store, vec![it]).await;
    done.remove(0)
}

/// Registers what is of one device in one call.
pub(super) async fn register_all(
    store: &Arc<dyn Store>,
    all: Vec<Registration>,
) -> Vec<Registered> {
    let count = all.len();
    let done = store
        .register(&all[0].owner(), &DeviceFacts::default(), all)
        .await
        .expect("registers");
    assert_eq!(done.len(), count, "one result for each registration");
    done
}

pub(super) async fn unregister(
    store: &Arc<dyn Store>,
    of: &str,
    on: &str,
    slot: Option<Slot>,
) -> Option<Ended> {
    store
        .unregister(&owner(of, on), slot, EndCause::LoggedOut)
        .await
        .expect("unregisters")
}

pub(super) async fn receivers(store: &Arc<dyn Store>, users: &[UserId]) -> Vec<Receiver> {
    store
        .receivers(&app("im"), users)
        .await
        .expect("finds receivers")
}

/// The user's devices by id, their registrations by slot, channel and instance.
pub(super) async fn devices(store: &Arc<dyn Store>, of: &str) -> Vec<Device> {
    devices_in(store, "im", of).await
}

pub(super) async fn devices_in(store: &Arc<dyn Store>, within: &str, of: &str) -> Vec<Device> {
    let mut found = store
        .receivers(&app(within), &[user(of)])
        .await
        .expect("finds receivers");
    assert_eq!(found.len(), 1, "one receiver for each user");
    let found = found.remove(0);
    assert_eq!(found.user, user(of));
    sorted(found.devices)
}

/// Devices by id, their registrations by slot, channel and instance.
pub(super) fn sorted(mut devices: Vec<Device>) -> Vec<Device> {
    devices.sort_by(|a, b| a.device.cmp(&b.device));
    for device in &mut devices {
        device.registrations.sort_by_key(|stored| {
            let it = &stored.registration;
            (it.slot, it.channel.clone(), it.instance.clone())
        });
    }
    devices
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
    let all = found.iter().flat_map(|device| &device.registrations);
    all.map(|stored| {
        let it = &stored.registration;
        (it.device.to_string(), it.token.expose().to_owned())
    })
    .collect()
}

pub(super) fn pair(on: &str, with: &str) -> (String, String) {
    (on.to_owned(), with.to_owned())
}

/// Who lost what, without the revisions.
pub(super) fn lost(ended: &[Ended]) -> Vec<(&str, &str, Option<Slot>)> {
    ended
        .iter()
        .map(|ended| (ended.user.as_str(), ended.device.as_str(), ended.slot))
        .collect()
}

pub(super) fn presence(
    of: &str,
    on: Option<&str>,
    presence: Presence,
    when: Timestamp,
) -> PresenceChange {
    let mut change = PresenceChange::new(user(of), presence, when);
    change.device = on.map(device);
    change
}

/// Numbers that look random and are the same in every run (SplitMix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// The next number below `sides`.
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as usize % sides
    }
}
