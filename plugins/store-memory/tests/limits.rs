//! The store in memory is bounded, and its errors name the limit.
use std::{sync::Arc, time::Duration};

use push_core::{
    AppId, BadgeArithmetic, BadgeChange, CertificateId, Channel, CredentialStore, DeviceFacts,
    DeviceId, DeviceRef, DeviceToken, Environment, ErrorKind, MessageId, NewCredential, Presence,
    PresenceChange, RawConfig, Registered, Registration, RegistrationStore, Result, ShownTicket,
    Stage, Tag, TicketId, TraceEvent, TraceStore, UserId,
};
use push_store_memory::{MemoryStore, MemoryStoreConfig};
use push_testkit::{Place, block_on, sample::NOW};

fn store(place: &Place) -> MemoryStore {
    MemoryStore::new(
        MemoryStoreConfig::default()
            .with_max_devices(2)
            .with_max_credentials(1)
            .with_max_trace_events(3)
            .with_max_badge_changes(2)
            .with_max_tickets(2),
        &place.context(),
    )
}

fn app() -> AppId {
    AppId::new("im").expect("an app id")
}

fn user(id: &str) -> UserId {
    UserId::new(id).expect("a user id")
}

fn device(id: &str) -> DeviceId {
    DeviceId::new(id).expect("a device id")
}

async fn register(store: &MemoryStore, on: &str, with: &str) -> Result<Vec<Registered>> {
    let owner = DeviceRef::new(app(), user("alice"), device(on));
    let registration = Registration::new(
        owner.clone(),
        Channel::known("sample"),
        CertificateId::new(1).expect("a certificate id"),
        Environment::Sandbox,
        DeviceToken::new(with).expect("a device token"),
        NOW,
    );
    store
        .register(&owner, &DeviceFacts::default(), vec![registration])
        .await
}

#[test]
fn a_device_too_many_is_refused_and_changes_nothing() {
    let place = Place::new();
    let store = store(&place);
    block_on(async {
        register(&store, "a", "1").await.unwrap();
        register(&store, "b", "2").await.unwrap();
        // It would take a's token.
        let error = register(&store, "c", "1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert!(error.to_string().contains("max_devices"), "{error}");
        assert_eq!(store.count(&app()).await.unwrap(), 2);
        let again = register(&store, "a", "1").await.unwrap().remove(0);
        assert!(!again.changed, "the refused call took token 1 away");
        let new = register(&store, "b", "3").await.unwrap().remove(0);
        assert!(new.changed, "known devices register as before");
    });
}

#[test]
fn a_user_with_tags_too_many_is_refused() {
    let place = Place::new();
    let store = store(&place);
    block_on(async {
        let tag = |word| Tag::new(word).expect("a tag");
        let set = async |of: &str, tags| store.set_tags(&app(), &user(of), tags).await;
        set("alice", vec![tag("a")]).await.unwrap();
        set("alice", vec![tag("b")]).await.unwrap();
        set("bob", vec![tag("a")]).await.unwrap();
        let error = set("carol", vec![tag("a")]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert_eq!(store.tags(&app(), &user("carol")).await.unwrap(), []);
        for _ in 0..2 {
            set("bob", Vec::new()).await.unwrap();
        }
        set("carol", vec![tag("a")]).await.unwrap();
        set("bob", vec![tag("a")]).await.unwrap_err();
    });
}

#[test]
fn of_too_many_badge_changes_the_oldest_is_forgotten() {
    let place = Place::new();
    let store = store(&place);
    block_on(async {
        register(&store, "a", "1").await.unwrap();
        let add = async |by: &str| {
            let one = BadgeChange::new(
                MessageId::new(by).expect("a message id"),
                user("alice"),
                device("a"),
                BadgeArithmetic::Add(1),
            );
            store.change_badges(&app(), vec![one]).await.unwrap()[0]
        };
        for (by, number) in [("m1", 1), ("m2", 2), ("m3", 3), ("m2", 2), ("m1", 4)] {
            assert_eq!(add(by).await, number, "{by}");
        }
    });
}

#[test]
fn a_credential_too_many_is_refused() {
    let place = Place::new();
    let store = store(&place);
    let new = NewCredential::new(app(), "sample", Channel::known("sample"), vec![1], NOW);
    block_on(async {
        let id = |id| CertificateId::new(id).unwrap();
        store.add_credential(id(1), new.clone()).await.unwrap();
        let error = store.add_credential(id(2), new).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert_eq!(store.credentials(None).await.unwrap().len(), 1);
    });
}

#[test]
fn of_too_many_events_the_first_is_forgotten() {
    let place = Place::new();
    let store = store(&place);
    let message = MessageId::new("m1").expect("a message id");
    let event = |stage| TraceEvent::new(app(), message.clone(), NOW, stage);
    block_on(async {
        let all = Stage::ALL.iter().copied().map(event).collect();
        store.append(all).await.unwrap();
        let left = store.trace_of_message(&app(), &message).await.unwrap();
        let left: Vec<_> = left.iter().map(|event| event.stage).collect();
        assert_eq!(left, Stage::ALL[Stage::ALL.len() - 3..]);
    });
}

#[test]
fn the_plugin_reads_its_example_and_refuses_unknown_keys() {
    let place = Place::new();
    let descriptor = &push_store_memory::PLUGIN;
    assert_eq!(descriptor.any().id(), "store/memory");
    let example = push_testkit::json!({"max_devices": 2, "max_credentials": 2, "max_trace_events": 2, "max_badge_changes": 2});
    for key in example.as_object().unwrap().keys() {
        assert!(descriptor.example().contains(&format!("{key} = ")));
    }
    let built = descriptor.build(RawConfig::from_json(&example).unwrap(), &place.context());
    assert!(Arc::strong_count(&built.unwrap()) == 1);
    let odd = push_testkit::json!({"max_device": 2});
    let error = descriptor
        .build(RawConfig::from_json(&odd).unwrap(), &place.context())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

/// A kick that cannot be remembered must not look as if it was: the old ticket would bring the device back.
#[test]
fn a_ticket_too_many_is_refused_and_changes_nothing() {
    let place = Place::new();
    let store = store(&place);
    block_on(async {
        let ticket = |number: u8, seconds| {
            ShownTicket::new(
                TicketId::new([number; 16]),
                NOW,
                NOW + Duration::from_secs(seconds),
            )
        };
        let owner = |on| DeviceRef::new(app(), user("alice"), device(on));
        let nothing = DeviceFacts::default();
        let kick = |on| {
            let at = NOW + Duration::from_secs(1);
            PresenceChange::new(user("alice"), Presence::Offline, at).on(device(on))
        };
        register(&store, "a", "1").await.unwrap();
        let admitted = store
            .admit(&owner("a"), &ticket(1, 60), &nothing)
            .await
            .unwrap();
        assert_eq!(admitted, Ok(()));
        let kicked = store.set_presence(&app(), vec![kick("a")]).await.unwrap();
        assert_eq!(kicked.accepted, 1);
        let error = store
            .set_presence(&app(), vec![kick("b")])
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert!(error.to_string().contains("max_tickets"), "{error}");
        let error = store
            .admit(&owner("b"), &ticket(2, 60), &nothing)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        // What has ended makes room.
        place.clock.advance(Duration::from_secs(61));
        let mut of_a_later_login = ticket(2, 120);
        of_a_later_login.issued_at = NOW + Duration::from_secs(1);
        let admitted = store
            .admit(&owner("b"), &of_a_later_login, &nothing)
            .await
            .unwrap();
        assert_eq!(admitted, Ok(()));
    });
}
