//! A master key that does not fit the stored credentials, and a store from before they were bound to their id.
mod support;

use std::{
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use push_sqlite::rusqlite::Connection;
use support::process::{API_KEY, End, Gateway, configuration};

const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const OTHER: &str = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=";

/// What is sealed in the store: each credential's id, time of rotation and sealed bytes, and the check value.
type Sealed = (Vec<(i64, i64, Vec<u8>)>, Option<Vec<u8>>);

fn database(folder: &Path) -> Connection {
    Connection::open(folder.join("store.db")).expect("opens")
}

fn sealed(folder: &Path) -> Sealed {
    let file = database(folder);
    let mut select = file
        .prepare("SELECT id, rotated_at, sealed FROM credential ORDER BY id")
        .expect("is SQL");
    let rows = select
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .expect("reads");
    let rows = rows.map(|row| row.expect("reads")).collect();
    let check = file.query_row("SELECT sealed FROM key_check", [], |row| row.get(0));
    (rows, check.ok())
}

/// A folder with a configuration and a store of version 4 with two sealed credentials.
fn old(name: &str) -> (std::path::PathBuf, std::path::PathBuf) {
    let (folder, config) = configuration(name, "");
    database(&folder)
        .execute_batch(include_str!("fixtures/store_v4.sql"))
        .expect("is SQL of version 4");
    (folder, config)
}

fn offline_push(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_offline-push"))
        .args(arguments)
        .env("OFFLINE_PUSH_KEY", API_KEY)
        .env("NO_COLOR", "1")
        .output()
        .expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What `serve` says when it does not start.
async fn refused(config: &Path) -> String {
    let ends = tokio::process::Command::new(env!("CARGO_BIN_EXE_offline-push"))
        .args(["serve", "--config"])
        .arg(config)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(60), ends).await;
    let output = output
        .expect("it does not start")
        .expect("the program runs");
    assert!(!output.status.success(), "{}", text(&output.stdout));
    text(&output.stderr)
}

fn listed(gateway: &Gateway) -> Vec<String> {
    let output = offline_push(&["credential", "list", "--server", &gateway.address]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = text(&output.stdout);
    lines.lines().skip(1).map(str::to_owned).collect()
}

fn replace_key(config: &Path, from: &str, to: &str) {
    let before = std::fs::read_to_string(config).expect("a configuration");
    let after = before.replace(from, to);
    assert_ne!(before, after);
    std::fs::write(config, after).expect("a configuration");
}

#[tokio::test]
async fn credentials_of_an_older_store_are_bound_to_their_id_and_stay_so() {
    let (folder, config) = old("older-store");
    let gateway = Gateway::start(&config).await;
    for line in listed(&gateway) {
        assert!(
            line.contains("open") && !line.contains("unusable"),
            "{line}"
        );
    }
    gateway.end(End::Killed).await;
    let (rows, check) = sealed(&folder);
    assert!(check.is_some());
    // The form, and nothing but the form, is another one.
    assert_eq!(rows[0].2[0], 2);
    assert_eq!(rows[1].2[0], 2);
    assert_eq!((rows[0].1, rows[1].1), (1796028866444, 1796028866465));

    // A row of the same store is copied to another id, and one from the backup of the older store comes back.
    let file = database(&folder);
    file.execute(
        "UPDATE credential SET sealed = (SELECT sealed FROM credential WHERE id = 5) WHERE id = 6",
        [],
    )
    .expect("is SQL");
    let (backup, _) = old("older-backup");
    let older = &sealed_before_migration(&backup)[0];
    file.execute("UPDATE credential SET sealed = ?1 WHERE id = 5", [older])
        .expect("is SQL");
    let gateway = Gateway::start(&config).await;
    let lines = listed(&gateway);
    assert!(
        lines[0].contains("unusable, credential-unusable"),
        "{lines:?}"
    );
    assert!(lines[0].contains("an older form"), "{lines:?}");
    assert!(
        lines[1].contains("copied from another app, provider or id"),
        "{lines:?}"
    );
    gateway.end(End::Killed).await;
    for folder in [folder, backup] {
        drop(std::fs::remove_dir_all(folder));
    }
}

fn sealed_before_migration(folder: &Path) -> Vec<Vec<u8>> {
    let file = database(folder);
    let mut select = file
        .prepare("SELECT sealed FROM credential ORDER BY id")
        .expect("is SQL");
    let rows = select.query_map([], |row| row.get(0)).expect("reads");
    rows.map(|row| row.expect("reads")).collect()
}

#[tokio::test]
async fn a_server_with_another_master_key_says_so_and_changes_nothing() {
    let (folder, config) = old("another-key");
    let before = sealed_before_migration(&folder);
    // Of an older store nothing but its credentials shows which key it was.
    replace_key(&config, KEY, OTHER);
    let said = refused(&config).await;
    assert!(said.contains("another master key"), "{said}");
    assert!(said.contains("`master_key` in the configuration"), "{said}");
    assert!(said.contains("--accept-new-master-key"), "{said}");
    assert_eq!(sealed_before_migration(&folder), before);
    assert_eq!(sealed(&folder).1, None);

    replace_key(&config, OTHER, KEY);
    Gateway::start(&config).await.end(End::Killed).await;
    let after = sealed(&folder);
    std::fs::write(folder.join("other.key"), OTHER).expect("a key");
    replace_key(
        &config,
        &format!("master_key = \"{KEY}\""),
        "master_key_file = \"other.key\"",
    );
    let said = refused(&config).await;
    assert!(said.contains("another master key"), "{said}");
    let file = folder.join("other.key");
    assert!(said.contains(&*file.to_string_lossy()), "{said}");
    assert_eq!(sealed(&folder), after);

    // The operator lost the key: the ids stay, and each credential is uploaded again.
    let config = config.to_string_lossy();
    let gateway = Gateway::start_with(Path::new(&*config), &["--accept-new-master-key"]).await;
    for line in listed(&gateway) {
        assert!(line.contains("sealed with another master key"), "{line}");
    }
    let rotated = offline_push(&[
        "credential",
        "rotate",
        "5",
        "--server",
        &gateway.address,
        "--type",
        "huawei",
        "--set",
        "app_id=100000001",
        "--set",
        "app_secret=the-same-secret",
        "--set",
        "action=com.example.im.OPEN_CHAT",
    ]);
    assert!(rotated.status.success(), "{}", text(&rotated.stderr));
    gateway.end(End::Killed).await;
    let gateway = Gateway::start(Path::new(&*config)).await;
    let lines = listed(&gateway);
    assert!(!lines[0].contains("unusable"), "{lines:?}");
    assert!(
        lines[1].contains("sealed with another master key"),
        "{lines:?}"
    );
    gateway.end(End::Killed).await;
    drop(std::fs::remove_dir_all(folder));
}
