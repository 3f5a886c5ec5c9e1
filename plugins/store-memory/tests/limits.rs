//! The store in memory is bounded, and says so.
use std::sync::Arc;

use push_core::{
    AppId, CertificateId, Channel, CredentialStore, DeviceId, DeviceToken, Environment, ErrorKind,
    MessageId, NewCredential, RawConfig, Registration, RegistrationStore, Slot, Stage, TraceEvent,
    TraceStore, UserId,
};
use push_store_memory::{MemoryStore, MemoryStoreConfig};
use push_testkit::{Place, block_on, sample::NOW};

fn store(place: &Place) -> MemoryStore {
    MemoryStore::new(
        MemoryStoreConfig {
            max_devices: 2,
            max_credentials: 1,
            max_trace_events: 3,
        },
        &place.context(),
    )
}

fn app() -> AppId {
    AppId::new("im").expect("an app id")
}

fn registration(device: &str, token: &str) -> Registration {
    Registration {
        app: app(),
        user: UserId::new("alice").expect("a user id"),
        device: DeviceId::new(device).expect("a device id"),
        slot: Slot::Alert,
        channel: Channel::APNS,
        certificate: CertificateId::new(1).expect("a certificate id"),
        environment: Environment::Sandbox,
        token: DeviceToken::new(token).expect("a device token"),
        told_at: NOW,
    }
}

#[test]
fn a_device_too_many_is_refused_and_changes_nothing() {
    let place = Place::new();
    let store = store(&place);
    block_on(async {
        store.register(vec![registration("a", "1")]).await.unwrap();
        let error = store
            .register(vec![
                registration("a", "2"),
                registration("b", "3"),
                registration("c", "4"),
            ])
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert!(error.to_string().contains("max_devices"), "{error}");
        assert_eq!(store.count(&app()).await.unwrap(), 1);
        let again = store
            .register(vec![registration("a", "1")])
            .await
            .unwrap()
            .remove(0);
        assert!(!again.changed, "the refused call took token 1 away");
        // The same new device twice is one device.
        store
            .register(vec![registration("b", "3"), registration("b", "5")])
            .await
            .unwrap();
    });
}

#[test]
fn a_credential_too_many_is_refused() {
    let place = Place::new();
    let store = store(&place);
    let new = NewCredential {
        app: app(),
        provider: "apns".to_owned(),
        channel: Channel::APNS,
        environment: None,
        label: String::new(),
        sealed: vec![1],
        at: NOW,
        expires_at: None,
    };
    block_on(async {
        store.add_credential(None, new.clone()).await.unwrap();
        let error = store.add_credential(None, new).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert_eq!(store.credentials(None).await.unwrap().len(), 1);
    });
}

#[test]
fn of_too_many_events_the_first_are_forgotten() {
    let place = Place::new();
    let store = store(&place);
    let message = MessageId::new("m1").expect("a message id");
    let event = |stage| TraceEvent::new(app(), message.clone(), NOW, stage);
    block_on(async {
        let all = Stage::ALL.iter().copied().map(event).collect();
        store.append(all).await.unwrap();
        let left = store.trace_of_message(&app(), &message).await.unwrap();
        let left: Vec<_> = left.iter().map(|it| it.stage).collect();
        assert_eq!(left, Stage::ALL[Stage::ALL.len() - 3..]);
    });
}

#[test]
fn the_plugin_reads_its_example_and_refuses_unknown_keys() {
    let place = Place::new();
    let descriptor = &push_store_memory::PLUGIN;
    assert_eq!(descriptor.any().id(), "store/memory");
    let example =
        push_testkit::json!({"max_devices": 2, "max_credentials": 2, "max_trace_events": 2});
    for key in example.as_object().unwrap().keys() {
        assert!(descriptor.example.contains(&format!("{key} = ")));
    }
    let built = descriptor.build(RawConfig::from_json(&example).unwrap(), &place.context());
    assert!(Arc::strong_count(&built.unwrap()) == 1);
    let odd = push_testkit::json!({"max_device": 2});
    let error = descriptor
        .build(RawConfig::from_json(&odd).unwrap(), &place.context())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}
