//! What the files keep, over a restart and over a kill, and what is refused.
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use push_core::{
    AppId, BadgeArithmetic, BadgeChange, CertificateId, Channel, CredentialStore, DeviceId,
    DeviceToken, Environment, ErrorKind, MessageId, NewCredential, Platform, Presence,
    PresenceChange, RawConfig, Registration, RegistrationStore, Slot, Stage, TraceEvent,
    TraceStore, UserId,
};
use push_sqlite::rusqlite::Connection;
use push_store_sqlite::{SqliteStore, SqliteStoreConfig};
use push_testkit::{Place, block_on, json, sample::NOW};

fn store(place: &Place) -> SqliteStore {
    store_at(&place.path("store.db"), place)
}

fn store_at(path: &Path, place: &Place) -> SqliteStore {
    SqliteStore::new(SqliteStoreConfig::new(path), &place.context()).expect("a right configuration")
}

fn app() -> AppId {
    AppId::new("im").expect("an app id")
}

fn user(id: &str) -> UserId {
    UserId::new(id).expect("a user id")
}

fn registration(of: &str, on: &str) -> Registration {
    Registration {
        app: app(),
        user: user(of),
        device: DeviceId::new(on).expect("a device id"),
        slot: Slot::Alert,
        channel: Channel::APNS,
        certificate: CertificateId::new(1).expect("a certificate id"),
        environment: Environment::Sandbox,
        token: DeviceToken::new(format!("token-of-{on}")).expect("a device token"),
        told_at: NOW,
    }
}

fn credential() -> NewCredential {
    NewCredential {
        app: app(),
        provider: "apns".to_owned(),
        channel: Channel::APNS,
        environment: Some(Environment::Sandbox),
        label: "debug".to_owned(),
        sealed: vec![0, 1, 2, 255],
        at: NOW,
        expires_at: None,
    }
}

#[test]
fn a_restart_keeps_everything() {
    let place = Place::new();
    block_on(async {
        let message = MessageId::new("m1").unwrap();
        let event = TraceEvent::new(app(), message.clone(), NOW, Stage::Accepted);
        let (devices, credentials) = {
            let store = store(&place);
            let all = vec![registration("alice", "phone"), registration("alice", "pad")];
            store.register(all).await.unwrap();
            let token = registration("alice", "pad").token;
            store
                .quarantine(&app(), &Channel::APNS, &token, "odd", NOW)
                .await
                .unwrap();
            let away = PresenceChange {
                user: user("alice"),
                device: Some(DeviceId::new("phone").unwrap()),
                platform: Some(Platform::Ios),
                presence: Presence::Background,
                at: NOW,
                badge: Some(4),
            };
            store.set_presence(&app(), vec![away]).await.unwrap();
            let plus = BadgeChange {
                user: user("alice"),
                device: DeviceId::new("phone").unwrap(),
                change: BadgeArithmetic::Add(3),
            };
            store.change_badges(&app(), vec![plus]).await.unwrap();
            store.add_credential(None, credential()).await.unwrap();
            store.append(vec![event.clone()]).await.unwrap();
            (
                store.devices_of(&app(), &[user("alice")]).await.unwrap(),
                store.credentials(None).await.unwrap(),
            )
        };
        assert_eq!(devices[0].len(), 2);
        assert_eq!(devices[0][1].badge, 7);
        let store = store(&place);
        let found = store.devices_of(&app(), &[user("alice")]).await.unwrap();
        assert_eq!(found, devices);
        assert_eq!(store.credentials(None).await.unwrap(), credentials);
        let trace = store.trace_of_message(&app(), &message).await.unwrap();
        assert_eq!(trace, [event]);
        assert_eq!(store.count(&app()).await.unwrap(), 2);
        let next = store.add_credential(None, credential()).await.unwrap();
        assert_ne!(next.id, credentials[0].id);
    });
}

/// Set for the process that is to be killed: the directory of its store.
const CHILD: &str = "OFFLINE_PUSH_KILLED_STORE";

#[test]
fn a_kill_loses_no_login_that_was_answered() {
    if let Some(directory) = std::env::var_os(CHILD) {
        return block_on(register_until_killed(directory.as_ref()));
    }
    let place = Place::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "a_kill_loses_no_login_that_was_answered",
            "--nocapture",
        ])
        .env(CHILD, place.directory())
        // What it leaves behind when it is killed goes with the directory.
        .env("TMPDIR", place.directory())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answered = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        if let Some(id) = line.unwrap().strip_prefix("registered ") {
            answered.push(user(id));
            if answered.len() == 300 {
                child.kill().unwrap();
            }
        }
    }
    child.wait().unwrap();
    assert!(answered.len() >= 300, "the child ended by itself");
    let store = store(&place);
    let found = block_on(store.devices_of(&app(), &answered)).unwrap();
    for (user, devices) in answered.iter().zip(found) {
        assert_eq!(devices.len(), 1, "{user} was answered, and is gone");
        assert_eq!(devices[0].registrations.len(), 1);
    }
}

async fn register_until_killed(directory: &Path) {
    let place = Place::new();
    let store = Arc::new(store_at(&directory.join("store.db"), &place));
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for number in 0.. {
                    let id = format!("user-{task}-{number}");
                    let it = registration(&id, &id);
                    store.register(vec![it]).await.expect("registers");
                    // Not `print!`, which the test harness may keep to itself.
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "registered {id}").expect("the parent listens");
                    out.flush().expect("the parent listens");
                }
            })
        })
        .collect();
    for it in tasks {
        it.await.expect("it ends by being killed");
    }
}

#[test]
fn two_processes_share_the_files() {
    let place = Place::new();
    let (gateway, command) = (store(&place), store(&place));
    block_on(async {
        let done = gateway.register(vec![registration("alice", "phone")]).await;
        assert!(done.unwrap()[0].changed);
        let added = command.add_credential(None, credential()).await.unwrap();
        let found = gateway.credentials(Some(&app())).await.unwrap();
        assert_eq!(found, [added]);
        let done = command.register(vec![registration("bob", "phone")]).await;
        assert_eq!(done.unwrap()[0].displaced.len(), 1);
        let found = gateway
            .devices_of(&app(), &[user("alice"), user("bob")])
            .await;
        let found: Vec<_> = found.unwrap().iter().map(Vec::len).collect();
        assert_eq!(found, [0, 1]);
    });
}

#[test]
fn newer_and_damaged_files_are_refused_and_not_touched() {
    let place = Place::new();
    block_on(store(&place).open()).unwrap();
    for name in ["store.db", "store-traces.db"] {
        let path = place.path(name);
        let good = fs::read(&path).unwrap();
        let newer = Connection::open(&path).unwrap();
        newer.pragma_update(None, "user_version", 99).unwrap();
        drop(newer);
        let newer = fs::read(&path).unwrap();
        for (content, said) in [
            (newer, "newer version"),
            (vec![7; 5000], "no SQLite database"),
        ] {
            fs::write(&path, &content).unwrap();
            let error = block_on(store(&place).open()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.to_string().contains(said), "{error}");
            assert!(error.to_string().contains(name), "{error}");
            assert_eq!(fs::read(&path).unwrap(), content);
        }
        fs::write(&path, &good).unwrap();
        block_on(store(&place).open()).unwrap();
    }
}

#[test]
fn the_two_files_cannot_be_mistaken_for_one_another() {
    let place = Place::new();
    block_on(store(&place).open()).unwrap();
    let config = SqliteStoreConfig {
        traces_path: Some(place.path("more-traces.db")),
        ..SqliteStoreConfig::new(place.path("store-traces.db"))
    };
    let swapped = SqliteStore::new(config, &place.context()).unwrap();
    let error = block_on(swapped.open()).unwrap_err();
    assert!(error.to_string().contains("no store"), "{error}");
}

#[test]
fn damaged_traces_do_not_stop_logins() {
    let place = Place::new();
    fs::write(place.path("store-traces.db"), b"odd").unwrap();
    let store = store(&place);
    block_on(async {
        store
            .register(vec![registration("alice", "phone")])
            .await
            .unwrap();
        let message = MessageId::new("m1").unwrap();
        let event = TraceEvent::new(app(), message, NOW, Stage::Accepted);
        let error = store.append(vec![event]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        store
            .register(vec![registration("bob", "pad")])
            .await
            .unwrap();
    });
}

#[test]
fn many_logins_at_once_share_few_transactions() {
    let place = Place::new();
    let store = Arc::new(store(&place));
    block_on(async {
        store.open().await.unwrap();
        let calls: Vec<_> = (0..1000)
            .map(|number| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    let id = format!("user-{number}");
                    store.register(vec![registration(&id, &id)]).await
                })
            })
            .collect();
        for it in calls {
            assert!(it.await.unwrap().unwrap()[0].changed);
        }
        let stats = store.stats();
        assert_eq!(stats.calls, 1000);
        assert!(stats.commits <= 100, "{} transactions", stats.commits);
        assert_eq!(store.count(&app()).await.unwrap(), 1000);
    });
}

#[test]
fn old_events_are_dropped_in_portions() {
    let place = Place::new();
    let store = store(&place);
    block_on(async {
        let message = MessageId::new("m1").unwrap();
        let event = |second: u64| {
            let at = NOW + std::time::Duration::from_secs(second);
            TraceEvent::new(app(), message.clone(), at, Stage::Attempt)
        };
        for _ in 0..25 {
            let events = (0..1000).map(|it| event(it % 10)).collect();
            store.append(events).await.unwrap();
        }
        let before = NOW + std::time::Duration::from_secs(9);
        assert_eq!(store.prune_traces(before).await.unwrap(), 22_500);
        let left = store.trace_of_message(&app(), &message).await.unwrap();
        assert_eq!(left.len(), 2500);
    });
}

#[test]
fn the_plugin_reads_its_example_and_refuses_what_is_wrong() {
    let place = Place::new();
    let descriptor = &push_store_sqlite::PLUGIN;
    assert_eq!(descriptor.any().id(), "store/sqlite");
    let path = place.path("store.db");
    let full = json!({"path": path, "traces_path": place.path("t.db"), "readers": 5, "group_rows": 5, "group_delay_ms": 5});
    for key in full.as_object().unwrap().keys() {
        assert!(descriptor.example.contains(&format!("{key} = ")));
    }
    let build = |json| descriptor.build(RawConfig::from_json(&json).unwrap(), &place.context());
    build(full).unwrap();
    build(json!({"path": path})).unwrap();
    assert_eq!(
        fs::read_dir(place.directory()).unwrap().count(),
        0,
        "building touches no file"
    );
    for (wrong, key) in [
        (json!({}), "path"),
        (json!({"path": ""}), "path"),
        (json!({"path": path, "readers": 0}), "readers"),
        (json!({"path": path, "group_rows": 0}), "group_rows"),
        (json!({"path": path, "traces_path": path}), "traces_path"),
        (json!({"path": path, "pathh": 1}), "pathh"),
    ] {
        let error = build(wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(key), "{error}");
    }
}

#[test]
fn traces_lie_beside_the_store() {
    for (path, traces) in [
        ("/a/store.db", "/a/store-traces.db"),
        ("store", "store-traces"),
        ("/a.b/im.v1.sqlite", "/a.b/im.v1-traces.sqlite"),
    ] {
        assert_eq!(
            SqliteStoreConfig::new(path).traces_path(),
            Path::new(traces)
        );
    }
}
