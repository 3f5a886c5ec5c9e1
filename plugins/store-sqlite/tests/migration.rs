//! Files of an older version keep their data when a newer program opens them.
mod common;

use std::{fs, path::Path};

use push_core::{
    Audience, Channel, CredentialStore, DeviceToken, Mark, MessageId, Presence, RegistrationStore,
    Stage, Timestamp, TraceQuery, TraceStore,
};
use push_sqlite::rusqlite::Connection;
use push_testkit::{Place, block_on};

use crate::common::{app, device, register, store, user};

fn write(path: &Path, sql: &str) {
    let file = Connection::open(path).expect("opens");
    file.execute_batch(sql).expect("is SQL of version 1");
}

/// A place with the files of version 1.
fn old() -> Place {
    let place = Place::new();
    write(&place.path("store.db"), include_str!("v1/store.sql"));
    write(
        &place.path("store-traces.db"),
        include_str!("v1/traces.sql"),
    );
    place
}

#[test]
fn registrations_and_credentials_of_version_1_are_kept() {
    let place = old();
    let store = store(&place);
    block_on(async {
        let found = store
            .scan(&app(), &Audience::Everybody, None, 10)
            .await
            .unwrap();
        let all: Vec<_> = found
            .items
            .iter()
            .flat_map(|receiver| &receiver.devices)
            .collect();
        let states: Vec<_> = all
            .iter()
            .map(|device| {
                let platform = device.facts.platform.map(|platform| platform.as_str());
                let at = device.presence_at.unix_seconds();
                (
                    device.device.as_str(),
                    platform,
                    device.presence,
                    at,
                    device.badge,
                )
            })
            .collect();
        assert_eq!(
            states,
            [
                ("phone", Some("ios"), Presence::Background, 1_700_000_060, 7),
                ("tablet", None, Presence::Online, 1_700_000_000, 0),
                ("tv", Some("android"), Presence::Offline, 1_700_000_030, 0)
            ]
        );
        let registrations: Vec<_> = all
            .iter()
            .flat_map(|device| &device.registrations)
            .map(|stored| {
                let it = &stored.registration;
                assert!(it.instance.is_only());
                assert_eq!(it.rank, 0);
                (
                    it.slot.as_str(),
                    it.token.expose(),
                    i64::from(it.certificate),
                    it.environment.as_str(),
                    it.reported_at.unix_seconds(),
                    stored.quarantine.as_ref().map(|it| it.reason.as_str()),
                )
            })
            .collect();
        assert_eq!(
            registrations,
            [
                ("alert", "a1", 31287, "sandbox", 1_700_000_000, None),
                (
                    "voip",
                    "v1",
                    31288,
                    "sandbox",
                    1_700_000_001,
                    Some("token-of-another-app")
                ),
                ("alert", "f1", 5, "production", 1_700_000_000, None)
            ]
        );
        assert_eq!(store.count(&app()).await.unwrap(), 3);
        let credentials = store.credentials(None).await.unwrap();
        let credentials: Vec<_> = credentials
            .iter()
            .map(|one| (i64::from(one.id), one.sealed.as_slice(), one.expires_at))
            .collect();
        assert_eq!(
            credentials,
            [
                (5, &[][..], None),
                (
                    31287,
                    &[0, 255][..],
                    Some(Timestamp::from_unix_seconds(1_800_000_000))
                )
            ]
        );
    });
}

#[test]
fn devices_of_version_1_go_on_as_others_do() {
    let place = old();
    let store = store(&place);
    block_on(async {
        let of = async |of: &str| store.receivers(&app(), &[user(of)]).await.unwrap();
        let before = of("alice").await.remove(0).devices;
        // Microseconds of 2024 or later: above every revision that a device had before the file was restored.
        assert!(before[0].revision > 1_700_000_000_000_000);
        assert!(register(&store, "alice", "phone").await.changed);
        let after = of("alice").await.remove(0).devices;
        assert!(after[0].revision > before[0].revision);
        assert_eq!(after[0].registrations.len(), 2, "it replaced the old alert");
        assert_eq!(store.count(&app()).await.unwrap(), 3);
        // The index of tokens and the tally work as before.
        let token = DeviceToken::new("f1").unwrap();
        let forgotten = store
            .forget(
                &app(),
                &Channel::known("second"),
                &token,
                Timestamp::from_unix_seconds(1_700_000_000),
            )
            .await;
        assert!(forgotten.unwrap());
        assert_eq!(store.count(&app()).await.unwrap(), 2);
    });
}

#[test]
fn traces_of_version_1_are_found_and_marked() {
    let place = old();
    let store = store(&place);
    block_on(async {
        let message = MessageId::new("m1").unwrap();
        let events = store.trace_of_message(&app(), &message).await.unwrap();
        let stages: Vec<_> = events.iter().map(|event| event.stage).collect();
        assert_eq!(stages, [Stage::Accepted, Stage::Queued, Stage::Answered]);
        let answer = events[2].answer.as_ref().unwrap();
        assert_eq!(answer.code, "Unregistered");
        assert_eq!(events[2].token, None);
        for query in [
            TraceQuery::default().with_user(user("alice")),
            TraceQuery::default().with_device(device("phone")),
        ] {
            let found = store.find(&app(), &query, None, 10).await.unwrap();
            assert_eq!(found.items.len(), 2);
        }
        let delivery = events[1].delivery.unwrap();
        let shown = Mark::new(
            delivery,
            Some(device("phone")),
            Stage::Shown,
            Timestamp::from_unix_seconds(1_700_000_009),
        );
        assert_eq!(store.record(&app(), vec![shown]).await.unwrap(), [true]);
        assert_eq!(
            store
                .trace_of_delivery(&app(), delivery)
                .await
                .unwrap()
                .len(),
            4
        );
    });
}

#[test]
fn a_migrated_file_has_the_tables_of_a_new_one() {
    let (old, new) = (old(), Place::new());
    for name in ["store.db", "store-traces.db"] {
        let schema = |place: &Place| -> Vec<(String, String)> {
            block_on(store(place).open()).unwrap();
            let file = Connection::open(place.path(name)).unwrap();
            let mut select = file
                .prepare("SELECT name, coalesce(sql, '') FROM sqlite_schema ORDER BY name")
                .unwrap();
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
            rows.unwrap().map(Result::unwrap).collect()
        };
        assert_eq!(schema(&old), schema(&new));
    }
}

#[test]
fn a_newer_file_is_refused_and_not_migrated() {
    let place = old();
    for name in ["store.db", "store-traces.db"] {
        let path = place.path(name);
        let good = fs::read(&path).unwrap();
        write(&path, "PRAGMA user_version = 1000");
        let newer = fs::read(&path).unwrap();
        let error = block_on(store(&place).open()).unwrap_err();
        assert!(error.to_string().contains("newer version"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), newer);
        fs::write(&path, good).unwrap();
    }
    block_on(store(&place).open()).unwrap();
}
