//! A gateway in a process of its own, which can be killed.
use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

pub(crate) const API_KEY: &str = "a key that only this test knows";

/// How a gateway ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// SIGKILL: no destructor runs, nothing is flushed.
    Killed,
    /// SIGTERM: it may finish what it began.
    Stopped,
}

/// A gateway in a process of its own. Killed when it drops.
pub(crate) struct Gateway {
    process: Child,
    pub(crate) address: String,
}

impl Gateway {
    pub(crate) async fn start(config: &Path) -> Self {
        Self::start_with(config, &[]).await
    }

    pub(crate) async fn start_with(config: &Path, more: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_offline-push"))
            .args(["serve", "--json", "--config"])
            .arg(config)
            .args(more)
            .env("OFFLINE_PUSH_LOG", "error")
            // The simulators listen on this machine.
            .env("OFFLINE_PUSH__GATEWAY__ADDRESSES", "public,loopback")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let output = process.stdout.take().expect("its output is piped");
        let line = BufReader::new(output).lines().next_line().await;
        let line = line
            .expect("its output is text")
            .expect("it says where it listens");
        let said: Value = serde_json::from_str(&line).expect("it says so in JSON");
        let address = said["listening"].as_str().expect("an address");
        Self {
            address: format!("http://{address}"),
            process,
        }
    }

    pub(crate) async fn end(mut self, how: End) {
        match how {
            End::Killed => self.process.kill().await.expect("it was running"),
            End::Stopped => {
                let id = self.process.id().expect("it is running").to_string();
                let sent = Command::new("kill").args(["-TERM", &id]).status().await;
                assert!(sent.expect("kill is a program").success());
                let status = self.process.wait().await.expect("it ends");
                assert!(status.success(), "{status}");
            }
        }
    }
}

/// A configuration in a new folder, with `more` at its end: the folder and the file.
pub(crate) fn configuration(name: &str, more: &str) -> (PathBuf, PathBuf) {
    let name = format!("offline-push-{name}-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let file = folder.join("offline-push.toml");
    let text = format!(
        r#"
listen = "127.0.0.1:0"
master_key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
[store]
type = "sqlite"
path = "{folder}/store.db"
[queue]
type = "sqlite"
path = "{folder}/queue.db"
[gateway]
addresses = ["public", "loopback"]
[[http.keys]]
name = "test"
app = "demo"
scopes = ["server", "admin"]
key = "{API_KEY}"
{more}"#,
        folder = folder.display()
    );
    std::fs::write(&file, text).expect("a configuration");
    (folder, file)
}
