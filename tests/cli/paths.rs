//! Where files are, wherever the program is started, and which layer says so.
use std::{
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::Path,
};

use serde_json::{Value, json};

use super::{KEY, MASTER_KEY, folder, objects, program, running::Server, text, write};

const CONFIG: &str = r#"
listen = "127.0.0.1:0"
master_key_file = "keys/master.key"
[store]
type = "sqlite"
path = "data/store.db"
[queue]
type = "sqlite"
path = "not/here.db"
[[http.keys]]
name = "im-server"
app = "demo"
scopes = ["server", "admin"]
key_file = "keys/im-server.key"
"#;

fn configured(name: &str) -> std::path::PathBuf {
    let folder = folder(name);
    std::fs::create_dir_all(folder.join("keys")).expect("a folder");
    write(&folder, "offline-push.toml", CONFIG);
    write(&folder, "keys/master.key", MASTER_KEY);
    write(&folder, "keys/im-server.key", KEY);
    folder
}

/// A unit of systemd without a working directory starts in `/`.
#[tokio::test(flavor = "multi_thread")]
async fn paths_start_at_the_folder_of_the_configuration_not_where_it_is_started() {
    let folder = configured("paths");
    write(
        &folder,
        "conf.d/1.toml",
        "[queue]\npath = \"data/queue.db\"\n",
    );
    let start = || {
        let mut server = Server::command(&folder);
        server
            .current_dir("/")
            .env("OFFLINE_PUSH__STORE__TRACES_PATH", "more/traces.db");
        server
    };
    let files = ["data/queue.db", "data/store.db", "more/traces.db"].map(|it| folder.join(it));
    for created in [true, false] {
        let server = Server::start(start(), &folder).await;
        let said: Vec<Value> = files
            .iter()
            .map(|path| json!({"path": path, "created": created}))
            .collect();
        assert_eq!(server.said["files"], json!(said));
        let log = server.stop().await;
        for path in &files {
            let line = log
                .lines()
                .find(|line| line.contains(&*path.to_string_lossy()) && line.contains("the file"))
                .unwrap_or_else(|| panic!("{} in {log}", path.display()));
            assert_eq!(line.contains("was created"), created, "{line}");
        }
    }
    for path in &files {
        assert!(path.exists(), "{}", path.display());
    }
    drop(std::fs::remove_dir_all(folder));
}

/// What `check-config` says in `folder`, with these variables.
fn check(folder: &Path, variables: &[(&str, &str)]) -> (bool, Vec<Value>) {
    let output = program()
        .args(["check-config", "--json"])
        .envs(variables.iter().copied())
        .current_dir(folder)
        .output()
        .expect("the program runs");
    (output.status.success(), objects(&output))
}

/// The number of an account that owns no file.
const UNPRIVILEGED: u32 = 65_534;

/// As a user who may not read everything, which root may.
fn check_as_another_user(folder: &Path, format: &[&str]) -> std::process::Output {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0);
    let mut command = program();
    if is_root {
        // The folder of the build may be one that only root can enter.
        let copy = folder.join("offline-push");
        std::fs::copy(command.get_program(), &copy).expect("room");
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&copy, open).expect("it is ours");
        command = std::process::Command::new(copy);
        command
            .uid(UNPRIVILEGED)
            .gid(UNPRIVILEGED)
            .env("NO_COLOR", "1");
    }
    command
        .arg("check-config")
        .args(format)
        .current_dir(folder)
        .output()
        .expect("the program runs")
}

#[test]
fn a_file_that_may_not_be_read_is_named_with_the_cause() {
    let folder = configured("permission");
    let open = |path: &str, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(folder.join(path), mode).expect("it is ours");
    };
    open(".", 0o755);
    open("offline-push.toml", 0o644);
    open("keys", 0o755);
    open("keys/im-server.key", 0o644);
    open("keys/master.key", 0);
    let output = check_as_another_user(&folder, &["--json"]);
    assert!(!output.status.success());
    let said = objects(&output);
    let errors: Vec<&Value> = said.iter().filter(|it| it["error"].is_string()).collect();
    assert_eq!(errors.len(), 1, "{said:?}");
    assert_eq!(errors[0]["cause"], json!("permission is denied"));
    let place = errors[0]["place"].as_str().expect("a place");
    assert!(place.contains("master_key_file"), "{place}");
    let words = errors[0].to_string();
    assert!(words.contains("keys/master.key"), "{words}");
    let said = text(&check_as_another_user(&folder, &[]).stderr);
    assert!(said.contains("(permission is denied)"), "{said}");
    drop(std::fs::remove_dir_all(folder));
}

#[test]
fn the_environment_alone_can_be_the_configuration() {
    let folder = folder("environment");
    write(&folder, "master.key", MASTER_KEY);
    let all = [
        ("OFFLINE_PUSH__LISTEN", "127.0.0.1:1"),
        ("OFFLINE_PUSH__MASTER_KEY_FILE", "master.key"),
        ("OFFLINE_PUSH__STORE__TYPE", "memory"),
        ("OFFLINE_PUSH__QUEUE__TYPE", "sqlite"),
        ("OFFLINE_PUSH__QUEUE__PATH", "queue.db"),
        ("OFFLINE_PUSH__HTTP__KEYS__0__NAME", "im-server"),
        ("OFFLINE_PUSH__HTTP__KEYS__0__APP", "demo"),
        ("OFFLINE_PUSH__HTTP__KEYS__0__SCOPES__0", "server"),
        ("OFFLINE_PUSH__HTTP__KEYS__0__KEY", KEY),
    ];
    let (good, said) = check(&folder, &all);
    assert!(good, "{said:?}");
    let here = folder.canonicalize().expect("it exists");
    assert_eq!(said[0]["folder"], json!(here));
    assert_eq!(said[0]["queue_files"], json!([here.join("queue.db")]));
    let output = program()
        .arg("check-config")
        .envs(all)
        .current_dir(&folder)
        .output()
        .expect("the program runs");
    let said = text(&output.stdout);
    assert!(said.contains("start at the working directory"), "{said}");
    // Without any variable the file is missed.
    let (good, said) = check(&folder, &[]);
    assert!(!good);
    assert_eq!(said[0]["place"], json!("offline-push.toml"));
    drop(std::fs::remove_dir_all(folder));
}

#[test]
fn a_later_layer_replaces_a_key_whether_or_not_it_names_a_file() {
    let folder = configured("layers-of-files");
    std::fs::remove_file(folder.join("keys/master.key")).expect("it was written");
    let (good, said) = check(&folder, &[]);
    assert!(!good);
    assert_eq!(said[0]["place"], json!("master_key_file"));
    // The variable holds the key, the file is not read.
    let (good, said) = check(&folder, &[("OFFLINE_PUSH__MASTER_KEY", MASTER_KEY)]);
    assert!(good, "{said:?}");
    // And the other way round: a file of conf.d names a file, the main file has a key.
    write(
        &folder,
        "offline-push.toml",
        &CONFIG.replace(
            "master_key_file = \"keys/master.key\"",
            "master_key = \"short\"",
        ),
    );
    write(&folder, "other.key", MASTER_KEY);
    write(
        &folder,
        "conf.d/1.toml",
        "master_key_file = \"other.key\"\n",
    );
    let (good, said) = check(&folder, &[]);
    assert!(good, "{said:?}");
    // A variable changes one element of a list.
    let (good, said) = check(&folder, &[("OFFLINE_PUSH__HTTP__KEYS__0__APP", "other")]);
    assert!(good, "{said:?}");
    assert_eq!(said[0]["apps"], json!(["other"]));
    let (good, said) = check(&folder, &[("OFFLINE_PUSH__HTTP__KEYS__7__APP", "other")]);
    assert!(!good);
    assert_eq!(said[0]["place"], json!("http.keys[7]"), "{said:?}");
    drop(std::fs::remove_dir_all(folder));
}
