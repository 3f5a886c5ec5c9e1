//! A gateway that is killed while it sends loses nothing and repeats only what was on the wire; one that is asked to stop
//! repeats nothing.
mod support;

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use offline_push::DeliveryId;
use push_provider_apns::simulator::Options;
use serde_json::{Value, json};
use support::{Caller, apns_config, apple, eventually, message};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

const USERS: usize = 100;
const MESSAGES: usize = 200;
/// The most deliveries that are with the vendor at the same time: the gateway's default.
const IN_FLIGHT: usize = 2000;
const API_KEY: &str = "a key that only this test knows";

/// How a gateway ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// SIGKILL: no destructor runs, nothing is flushed.
    Killed,
    /// SIGTERM: it may finish what it began.
    Stopped,
}

/// A gateway in a process of its own. Killed when it drops.
struct Gateway {
    process: Child,
    address: String,
}

impl Gateway {
    async fn start(config: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_offline-push"))
            .args(["serve", "--json", "--config"])
            .arg(config)
            .env("OFFLINE_PUSH_LOG", "error")
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

    async fn end(mut self, how: End) {
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

fn configuration(how: End) -> (PathBuf, PathBuf) {
    let name = format!("offline-push-{how:?}-{}", std::process::id());
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
[[http.keys]]
name = "test"
app = "demo"
scopes = ["server", "admin"]
key = "{API_KEY}"
"#,
        folder = folder.display()
    );
    std::fs::write(&file, text).expect("a configuration");
    (folder, file)
}

/// Ends a gateway amid 20,000 pushes to a vendor that answers after 50 ms, starts it again, waits until the vendor has them
/// all, and answers how many came twice. None comes more often.
async fn repeated_when(how: End) -> usize {
    let apple = apple(
        Options::default()
            .with_delay(Duration::from_millis(50))
            .with_any_token(),
    )
    .await;
    let (folder, config) = configuration(how);
    let gateway = Gateway::start(&config).await;
    let server = Caller::new(&gateway.address, API_KEY);
    let certificate = server.upload("apns", &apns_config(&apple)).await;
    let users: Vec<String> = (0..USERS).map(|n| format!("user-{n}")).collect();
    for (n, user) in users.iter().enumerate() {
        server
            .log_in(user, "apns", certificate, &format!("{n:064x}"))
            .await;
    }

    // Until Apple knows the key nothing goes out, so that everything waits in the queue when sending begins.
    apple.revoke_key(support::KEY_ID);
    let receivers: Vec<&str> = users.iter().map(String::as_str).collect();
    let mut deliveries = HashSet::new();
    for quarter in 0..4 {
        let numbers = quarter * MESSAGES / 4..(quarter + 1) * MESSAGES / 4;
        let batch: Vec<Value> = numbers
            .map(|n| message(&format!("m-{n}"), &receivers))
            .collect();
        let answer = server.post("/v1/messages", &json!(batch)).await;
        for submitted in answer["messages"].as_array().expect("an answer for each") {
            assert_eq!(submitted["skipped"], json!([]));
            for it in submitted["deliveries"].as_array().expect("a list") {
                let id: DeliveryId = it["id"].as_str().expect("an id").parse().expect("a UUID");
                deliveries.insert(id);
            }
        }
    }
    assert_eq!(deliveries.len(), USERS * MESSAGES);

    // Everything was answered 202 by now.
    apple
        .register_key(
            support::KEY_ID,
            support::TEAM_ID,
            &push_testkit::fixtures::apns_key(1),
        )
        .expect("the fixture is a key");
    server
        .post(&format!("/v1/credentials/{certificate}/resume"), &json!({}))
        .await;
    eventually("a quarter of the pushes", async || {
        (apple.counters().accepted >= 5000).then_some(())
    })
    .await;
    gateway.end(how).await;
    eventually("the vendor to notice", async || {
        (apple.open_connections() == 0).then_some(())
    })
    .await;
    let before = apple.counters();
    assert!(
        before.accepted < (USERS * MESSAGES) as u64,
        "the end came too late to prove anything"
    );

    let gateway = Gateway::start(&config).await;
    eventually("every push", async || {
        deliveries
            .iter()
            .all(|it| apple.accepted_of(it.as_uuid()) >= 1)
            .then_some(())
    })
    .await;
    let again = Caller::new(&gateway.address, API_KEY);
    let answer = again.get("/v1/credentials").await;
    assert_eq!(answer["credentials"][0]["lane"]["state"], json!("open"));
    gateway.end(End::Killed).await;

    let mut repeated = 0;
    for id in &deliveries {
        let times = apple.accepted_of(id.as_uuid());
        assert!(times <= 2, "a push was sent {times} times");
        repeated += usize::from(times == 2);
    }
    drop(std::fs::remove_dir_all(folder));
    repeated
}

/// S128+: nothing is lost, and only what was in flight comes twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_gateway_loses_nothing_and_repeats_only_what_was_in_flight() {
    let repeated = repeated_when(End::Killed).await;
    assert!(
        repeated <= IN_FLIGHT,
        "{repeated} pushes were repeated, more than were in flight"
    );
}

/// S128+: an update of the gateway is no reason to ring anybody's phone twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_asked_to_stop_loses_nothing_and_repeats_nothing() {
    assert_eq!(repeated_when(End::Stopped).await, 0);
}
