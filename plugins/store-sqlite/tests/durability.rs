//! What the files keep, over a restart and over a kill, and what is refused.
mod common;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use push_core::{
    Audience, BadgeArithmetic, BadgeChange, Channel, ConfigPath, CredentialRef, CredentialStore,
    DeliveryId, DeviceFacts, DeviceRef, DeviceToken, Environment, ErrorKind, Mark, MessageId,
    NewCredential, Permission, Platform, Presence, PresenceChange, RawConfig, RegistrationStore,
    Stage, StoredCredential, Tag, TraceEvent, TraceQuery, TraceStore, UserId,
};
use push_sqlite::rusqlite::Connection;
use push_store_sqlite::{SqliteStore, SqliteStoreConfig};
use push_testkit::{Place, block_on, json, sample::NOW};

use crate::common::{app, device, register, store, store_at, user};

fn credential() -> NewCredential {
    NewCredential::new(
        app(),
        "sample",
        Channel::known("sample"),
        vec![0, 1, 2, 255],
        NOW,
    )
    .with_environment(Environment::Sandbox)
    .with_label("debug")
}

async fn add_credential(store: &SqliteStore) -> StoredCredential {
    let id = store.free_certificate(&app()).await.expect("a free id");
    let added = store.add_credential(id, credential()).await;
    added.expect("adds a credential")
}

async fn devices(store: &SqliteStore, users: &[UserId]) -> Vec<Vec<push_core::Device>> {
    let found = store.receivers(&app(), users).await.expect("finds");
    found.into_iter().map(|receiver| receiver.devices).collect()
}

async fn add(store: &SqliteStore, by: &str) -> u32 {
    let one = BadgeChange::new(
        MessageId::new(by).expect("a message id"),
        user("alice"),
        device("phone"),
        BadgeArithmetic::Add(3),
    );
    store.change_badges(&app(), vec![one]).await.expect("adds")[0]
}

#[test]
fn a_restart_keeps_everything() {
    let place = Place::new();
    block_on(async {
        let message = MessageId::new("m1").unwrap();
        let event = TraceEvent::new(app(), message.clone(), NOW, Stage::Accepted);
        let tags = vec![Tag::new("vip").unwrap()];
        let (before, credentials) = {
            let store = store(&place);
            register(&store, "alice", "phone").await;
            register(&store, "alice", "tablet").await;
            let facts = DeviceFacts::default()
                .with_language("zh-Hans".to_owned())
                .with_permission(Permission::Granted);
            let phone = DeviceRef::new(app(), user("alice"), device("phone"));
            store.register(&phone, &facts, Vec::new()).await.unwrap();
            let token = DeviceToken::new("token-of-tablet").unwrap();
            store
                .quarantine(&app(), &Channel::known("sample"), &token, "odd", NOW)
                .await
                .unwrap();
            let mut away = PresenceChange::new(user("alice"), Presence::Background, NOW)
                .on(device("phone"))
                .with_badge(4);
            away.platform = Some(Platform::Ios);
            store.set_presence(&app(), vec![away]).await.unwrap();
            assert_eq!(add(&store, "m1").await, 7);
            store
                .set_tags(&app(), &user("alice"), tags.clone())
                .await
                .unwrap();
            add_credential(&store).await;
            let removed = add_credential(&store).await;
            let removed = CredentialRef::new(app(), removed.id);
            assert!(store.remove_credential(&removed).await.unwrap());
            store.append(vec![event.clone()]).await.unwrap();
            (
                devices(&store, &[user("alice")]).await,
                store.credentials(None).await.unwrap(),
            )
        };
        assert_eq!(before[0].len(), 2);
        assert_eq!(before[0][0].badge, 7);
        let store = store(&place);
        assert_eq!(devices(&store, &[user("alice")]).await, before);
        assert_eq!(store.credentials(None).await.unwrap(), credentials);
        assert_eq!(store.tags(&app(), &user("alice")).await.unwrap(), tags);
        let trace = store.trace_of_message(&app(), &message).await.unwrap();
        assert_eq!(trace, [event]);
        assert_eq!(store.count(&app()).await.unwrap(), 2);
        assert_eq!(add(&store, "m1").await, 7, "the message counted before");
        let next = add_credential(&store).await;
        assert_eq!(i64::from(next.id), 3, "2 was removed");
        // The clock was set back meanwhile.
        place.clock.jump_to(NOW - Duration::from_secs(3600));
        register(&store, "alice", "phone").await;
        let after = devices(&store, &[user("alice")]).await;
        assert!(after[0][0].revision > before[0][0].revision);
    });
}

#[test]
fn a_scan_and_a_search_go_on_after_a_restart() {
    let place = Place::new();
    let ids: Vec<_> = (0..25).map(|number| format!("user-{number:02}")).collect();
    block_on(async {
        let message = MessageId::new("m1").unwrap();
        {
            let store = store(&place);
            for id in &ids {
                register(&store, id, id).await;
                let event = TraceEvent::new(app(), message.clone(), NOW, Stage::Accepted)
                    .with_user(user(id));
                store.append(vec![event]).await.unwrap();
            }
        }
        let listed = Audience::Users(ids.iter().map(|id| user(id)).collect());
        for audience in [Audience::Everybody, listed] {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = store(&place)
                    .scan(&app(), &audience, after, 4)
                    .await
                    .unwrap();
                found.extend(
                    page.items
                        .into_iter()
                        .map(|receiver| receiver.user.to_string()),
                );
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(found, ids);
        }
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let query = TraceQuery::all();
            let page = store(&place).find(&app(), &query, after, 4).await.unwrap();
            found.extend(page.items.into_iter().filter_map(|event| event.user));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        found.reverse();
        let found: Vec<_> = found.iter().map(UserId::as_str).collect();
        assert_eq!(found, ids);
    });
}

#[test]
fn badge_changes_are_small_and_pruned_after_a_day() {
    let place = Place::new();
    let store = store(&place);
    let rows = || -> i64 {
        let file = Connection::open(place.path("store.db")).unwrap();
        file.query_row("SELECT count(*) FROM badge_change", [], |row| row.get(0))
            .unwrap()
    };
    block_on(async {
        register(&store, "alice", "phone").await;
        for number in 0..40 {
            add(&store, &format!("m{number}")).await;
        }
        assert_eq!(rows(), 40);
        for _ in 0..5 {
            add(&store, "m0").await;
        }
        assert_eq!(rows(), 40, "a repeated change writes nothing");
        place.clock.advance(Duration::from_secs(24 * 60 * 60));
        add(&store, "n0").await;
        assert_eq!(rows(), 41, "some are less than a day old");
        place.clock.advance(Duration::from_secs(24 * 60 * 60));
        for number in 0..10 {
            add(&store, &format!("o{number}")).await;
        }
        assert_eq!(rows(), 11);
    });
}

#[test]
fn marks_are_on_the_disk_when_they_are_reported_and_events_later() {
    let place = Place::new();
    let store = store(&place);
    block_on(async {
        let delivery = DeliveryId::new(NOW);
        let event = TraceEvent::new(app(), MessageId::new("m1").unwrap(), NOW, Stage::Queued)
            .with_delivery(delivery);
        store.append(vec![event]).await.unwrap();
        store.trace_of_delivery(&app(), delivery).await.unwrap();
        assert_eq!(store.trace_stats().syncs, 0);
        let shown = Mark::new(delivery, None, Stage::Shown, NOW);
        assert_eq!(store.record(&app(), vec![shown]).await.unwrap(), [true]);
        assert_eq!(store.trace_stats().syncs, 1);
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
    let found = block_on(devices(&store, &answered));
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
                    register(&store, &id, &id).await;
                    // Not `print!`, which the test harness may keep to itself.
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "registered {id}").expect("the parent listens");
                    out.flush().expect("the parent listens");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("it ends by being killed");
    }
}

#[test]
fn a_second_process_is_kept_off_both_files() {
    let place = Place::new();
    let first = store(&place);
    let alone = |path: &str, traces: &str| {
        let config = SqliteStoreConfig::new(place.path(path))
            .with_traces_path(ConfigPath::from(place.path(traces)));
        SqliteStore::new(config, &place.context()).unwrap()
    };
    block_on(async {
        first.open().await.unwrap();
        for (path, traces) in [
            ("store.db", "store-traces.db"),
            ("store.db", "other-traces.db"),
            ("other.db", "store-traces.db"),
        ] {
            let error = alone(path, traces).open().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict, "{path} {traces}");
            let text = error.to_string();
            assert!(text.contains("another process has this"), "{text}");
        }
        assert!(register(&first, "alice", "phone").await.changed);
        // Who only looks is let in.
        let look = Connection::open(place.path("store.db")).unwrap();
        let count = look.query_row("SELECT count(*) FROM device", [], |row| row.get(0));
        assert_eq!(count, Ok(1));
    });
    drop(first);
    let second = store(&place);
    block_on(async {
        second.open().await.unwrap();
        assert_eq!(devices(&second, &[user("alice")]).await[0].len(), 1);
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
    let config = SqliteStoreConfig::new(place.path("store-traces.db"))
        .with_traces_path(Some(place.path("more-traces.db").into()));
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
        register(&store, "alice", "phone").await;
        let message = MessageId::new("m1").unwrap();
        let event = TraceEvent::new(app(), message, NOW, Stage::Accepted);
        let error = store.append(vec![event]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        register(&store, "bob", "tablet").await;
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
                    register(&store, &id, &id).await
                })
            })
            .collect();
        for call in calls {
            assert!(call.await.unwrap().changed);
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
            let at = NOW + Duration::from_secs(second);
            TraceEvent::new(app(), message.clone(), at, Stage::Attempt)
        };
        for _ in 0..25 {
            let events = (0..1000).map(|number| event(number % 10)).collect();
            store.append(events).await.unwrap();
        }
        let before = NOW + Duration::from_secs(9);
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
        assert!(descriptor.example().contains(&format!("{key} = ")));
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
            ConfigPath::new(traces)
        );
    }
}
