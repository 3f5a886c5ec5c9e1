//! The server as its system meets it: signals, a second one, its log.
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
};

use super::{KEY, MASTER_KEY, folder, program, support::eventually, text, write};

/// `serve`, started.
pub(crate) struct Server {
    process: Child,
    log: PathBuf,
    // Kept open.
    _output: BufReader<ChildStdout>,
    /// What it said first.
    pub(crate) said: Value,
}

impl Server {
    /// The command that starts it with the configuration in `folder`.
    pub(crate) fn command(folder: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_offline-push"));
        command
            .args(["serve", "--json", "--config"])
            .arg(folder.join("offline-push.toml"))
            .env_remove("OFFLINE_PUSH_LOG");
        command
    }

    /// Starts it and waits until it listens. Its log is in `folder`.
    pub(crate) async fn start(mut command: Command, folder: &Path) -> Self {
        let log = folder.join("log");
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(File::create(&log).expect("a log"))
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let mut output = BufReader::new(process.stdout.take().expect("its output is piped"));
        let mut line = String::new();
        output
            .read_line(&mut line)
            .await
            .expect("its output is text");
        let said = serde_json::from_str(&line).unwrap_or_else(|_| {
            panic!(
                "{line}; {}",
                std::fs::read_to_string(&log).unwrap_or_default()
            )
        });
        Self {
            process,
            log,
            _output: output,
            said,
        }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("a log")
    }

    fn signal(&self, name: &str) {
        let id = self.process.id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill")
            .args([name, &id])
            .status();
        assert!(sent.expect("kill is a program").success());
    }

    /// Stops it, and returns its log.
    pub(crate) async fn stop(mut self) -> String {
        self.signal("-TERM");
        let status = self.process.wait().await.expect("it ends");
        assert!(status.success(), "{status}: {}", self.log());
        self.log()
    }
}

/// A configuration that listens on `port`.
fn configured(name: &str, port: &str) -> PathBuf {
    let folder = folder(name);
    write(&folder, "master.key", MASTER_KEY);
    write(
        &folder,
        "offline-push.toml",
        &format!(
            r#"
listen = "127.0.0.1:{port}"
master_key_file = "master.key"
[store]
type = "sqlite"
path = "data/store.db"
[queue]
type = "sqlite"
path = "data/queue.db"
[[http.keys]]
name = "im-server"
app = "demo"
scopes = ["server", "admin"]
key = "{KEY}"
"#
        ),
    );
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_does_not_end_the_server_and_the_log_says_what_it_does() {
    let folder = configured("hangup", "0");
    let server = Server::start(Server::command(&folder), &folder).await;
    server.signal("-HUP");
    eventually("the log's line", async || {
        server
            .log()
            .contains("SIGHUP changes nothing")
            .then_some(())
    })
    .await;
    // It ends as it always does.
    server.stop().await;
    drop(std::fs::remove_dir_all(folder));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_port_touches_no_file() {
    let first = configured("first", "0");
    let server = Server::start(Server::command(&first), &first).await;
    let address = server.said["listening"].as_str().expect("an address");
    let port = address.rsplit(':').next().expect("a port");
    let second = configured("second", port);
    let output = program()
        .args(["serve", "--config"])
        .arg(second.join("offline-push.toml"))
        .output()
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("cannot listen on"), "{said}");
    assert!(!second.join("data").exists(), "it opened its files");
    server.stop().await;
    for folder in [first, second] {
        drop(std::fs::remove_dir_all(folder));
    }
}

/// A queue of its own does not let a second server have the store.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_with_the_same_store_is_refused() {
    let folder = configured("store-of-two", "0");
    let server = Server::start(Server::command(&folder), &folder).await;
    let output = program()
        .args(["serve", "--config"])
        .arg(folder.join("offline-push.toml"))
        .env("OFFLINE_PUSH__QUEUE__PATH", "data/other.db")
        .output()
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.contains("another process has this store open"),
        "{said}"
    );
    server.stop().await;
    drop(std::fs::remove_dir_all(folder));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_log_cannot_be_written_goes_on() {
    let folder = configured("full-log", "0");
    let mut command = Server::command(&folder);
    command.env("OFFLINE_PUSH_LOG", "trace");
    let full = File::options().write(true).open("/dev/full");
    let mut process = command
        .stdout(Stdio::piped())
        .stderr(full.expect("Linux has it"))
        .kill_on_drop(true)
        .spawn()
        .expect("the program starts");
    let mut output = BufReader::new(process.stdout.take().expect("its output is piped"));
    let mut line = String::new();
    output
        .read_line(&mut line)
        .await
        .expect("its output is text");
    let said: Value = serde_json::from_str(&line).expect("it listens");
    assert_eq!(said["credentials"], json!(0));
    let id = process.id().expect("it runs").to_string();
    let sent = std::process::Command::new("kill")
        .args(["-TERM", &id])
        .status();
    assert!(sent.expect("kill is a program").success());
    assert!(process.wait().await.expect("it ends").success());
    drop(std::fs::remove_dir_all(folder));
}
