//! What was accepted is explained after a kill, and what a replaced or damaged file has lost is counted and reported.
mod support;

use std::{fs, path::Path};

use push_provider_apns::simulator::{Options, Outcome, Simulator};
use push_sqlite::rusqlite::Connection;
use serde_json::{Value, json};
use support::{
    Caller, TOPIC, apns_config, apple, eventually, message,
    process::{API_KEY, End, Gateway, configuration},
};

/// A gateway in a process of its own with two phones, and a vendor.
struct World {
    apple: Simulator,
    folder: std::path::PathBuf,
    config: std::path::PathBuf,
    gateway: Option<Gateway>,
    server: Caller,
    certificate: i64,
    token: String,
}

impl World {
    async fn start(name: &str) -> Self {
        Self::start_with(name, "").await
    }

    /// With `more` at the end of the configuration.
    async fn start_with(name: &str, more: &str) -> Self {
        let apple = apple(Options::default()).await;
        let (folder, config) = configuration(name, more);
        let gateway = Gateway::start(&config).await;
        let server = Caller::new(&gateway.address, API_KEY);
        let certificate = server.upload("apns", &apns_config(&apple)).await;
        let phone = apple.install(TOPIC, offline_push::Environment::Production);
        let token = phone.token();
        server.log_in("alice", "apns", certificate, &token).await;
        let phone = apple.install(TOPIC, offline_push::Environment::Production);
        server
            .log_in("carol", "apns", certificate, &phone.token())
            .await;
        Self {
            apple,
            folder,
            config,
            gateway: Some(gateway),
            server,
            certificate,
            token,
        }
    }

    async fn end(&mut self, how: End) {
        self.gateway.take().expect("it runs").end(how).await;
    }

    async fn restart(&mut self) {
        let gateway = Gateway::start(&self.config).await;
        self.server = Caller::new(&gateway.address, API_KEY);
        self.gateway = Some(gateway);
    }

    async fn health(&self) -> (u16, Value) {
        let (status, answer) = self.server.try_get("/healthz").await;
        (status.as_u16(), answer)
    }

    /// How many deliveries were counted as lost.
    async fn lost(&self) -> u64 {
        let metrics = self.server.get("/v1/metrics").await;
        let text = metrics.as_str().unwrap_or_default();
        let line = text
            .lines()
            .find(|line| line.starts_with("offline_push_lost_total"));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
            .unwrap_or(0)
    }

    /// Submits messages that wait for their credential, which the vendor refuses; returns their deliveries, whose traces are stored.
    async fn held(&self, ids: &[&str]) -> Vec<String> {
        self.apple.revoke_key(support::KEY_ID);
        let mut deliveries = Vec::new();
        for id in ids {
            deliveries.push(self.server.text(id, "alice").await);
        }
        let refused = |trace: &Value| {
            let events = trace["events"].as_array();
            events.is_some_and(|events| events.iter().any(|event| event["stage"] == "answered"))
        };
        for (number, delivery) in deliveries.iter().enumerate() {
            // The first one is refused, and the others wait for its credential.
            let is_stored = |trace: &Value| number > 0 || refused(trace);
            self.server.trace(delivery, is_stored).await;
        }
        deliveries
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// Removes a database with its log and index.
fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let name = format!("{}{suffix}", path.display());
        drop(fs::remove_file(name));
    }
    assert!(!path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_not_forgotten_before_its_trace_is_stored() {
    let mut world = World::start("lost-trace").await;
    let lock = Connection::open(world.folder.join("store-traces.db")).expect("the file is there");
    lock.execute_batch("BEGIN IMMEDIATE").expect("a lock");
    world
        .apple
        .once(&world.token, Outcome::answer(400, "BadDeviceToken"));
    let delivery = world.server.text("m-1", "alice").await;
    // The verdict is acted upon: the token first, then the delivery.
    eventually("the quarantine", async || {
        let tokens = world.server.tokens("alice").await;
        (!tokens.first()?["quarantine"].is_null()).then_some(())
    })
    .await;
    // The queue has written what it was given before.
    for number in 0..10 {
        world.server.text(&format!("n-{number}"), "carol").await;
    }
    world.end(End::Killed).await;
    lock.execute_batch("ROLLBACK").expect("the lock is held");
    world.restart().await;
    world.server.settled(&delivery).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_deleted_queue_file_has_lost_is_counted_and_reported() {
    let mut world = World::start("lost-queue").await;
    let arrived = world.server.text("m-arrived", "alice").await;
    world.server.settled(&arrived).await;
    let lost = world.held(&["m-1", "m-2", "m-3", "m-4", "m-5"]).await;
    let recalled = world.server.text("m-recalled", "alice").await;
    world
        .server
        .post("/v1/messages/m-recalled/recall", &json!({}))
        .await;

    // A restart alone loses nothing.
    world.end(End::Killed).await;
    world.restart().await;
    let waiting = world.server.text("m-6", "alice").await;
    world.server.settled(&recalled).await;
    assert_eq!(world.lost().await, 0);
    for delivery in &lost {
        let trace = world.server.trace(delivery, |_| true).await;
        assert_eq!(trace["settled"], json!(false), "{trace}");
    }

    world.end(End::Killed).await;
    remove(&world.folder.join("queue.db"));
    world.restart().await;
    for delivery in lost.iter().chain([&waiting]) {
        let trace = world.server.settled(delivery).await;
        assert_eq!(trace["reason"]["code"], json!("lost"), "{trace}");
    }
    for (delivery, reason) in [(&arrived, "vendor-accepted"), (&recalled, "recalled")] {
        let trace = world.server.settled(delivery).await;
        assert_eq!(trace["reason"]["code"], json!(reason), "{trace}");
    }
    assert_eq!(world.lost().await, 6);

    // They are counted once.
    world.end(End::Stopped).await;
    world.restart().await;
    let last = world.server.text("m-7", "alice").await;
    world.server.trace(&last, |_| true).await;
    assert_eq!(world.lost().await, 0);
}

/// What was accepted is explained also if single rows of the queue's file are damaged.
#[tokio::test(flavor = "multi_thread")]
async fn pushes_whose_records_are_damaged_have_an_end_in_their_traces() {
    const DAMAGE: [(&str, &str); 3] = [
        ("user = CAST(x'ff' AS TEXT)", "damaged"),
        ("content = 404", "damaged"),
        ("uuid = x'0102'", "end-unknown"),
    ];
    // What was moved aside is looked for at every sweep.
    let sweep = "[gateway.pipeline]\nsweep = \"1s\"";
    let mut world = World::start_with("lost-rows", sweep).await;
    let deliveries = world.held(&["m-0", "m-1", "m-2"]).await;
    world.end(End::Killed).await;
    let file = Connection::open(world.folder.join("queue.db")).expect("the file is there");
    for ((change, _), row) in DAMAGE.iter().zip(1..) {
        // Due at once, however long it was to wait for the credential.
        let sql = format!("UPDATE delivery SET due = 0, {change} WHERE id = {row}");
        assert_eq!(file.execute(&sql, []), Ok(1), "{sql}");
    }
    drop(file);
    world
        .apple
        .register_key(
            support::KEY_ID,
            support::TEAM_ID,
            &push_testkit::fixtures::apns_key(1),
        )
        .expect("the fixture is a key");
    world.restart().await;
    for (delivery, (change, reason)) in deliveries.iter().zip(DAMAGE) {
        let trace = world.server.settled(delivery).await;
        assert_eq!(trace["reason"]["code"], json!(reason), "{change}: {trace}");
    }
    eventually("the count", async || {
        (world.lost().await == 3).then_some(())
    })
    .await;
    world.end(End::Stopped).await;
    world.restart().await;
    let last = world.server.text("m-3", "carol").await;
    world.server.settled(&last).await;
    assert_eq!(world.lost().await, 0, "they are counted once");
}

/// A row of the store that cannot be read is not a device that never registered, nor one without a token.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_records_of_devices_are_called_damaged() {
    let world = World::start("damaged-store").await;
    let waiting = world.held(&["m-1"]).await;
    let file = Connection::open(world.folder.join("store.db")).expect("the file is there");
    file.busy_timeout(support::PATIENCE).expect("it is set");
    for sql in [
        "UPDATE registration SET token = CAST(x'ff' AS TEXT) WHERE user = 'alice'",
        "UPDATE device SET presence = 'nowhere' WHERE user = 'carol'",
    ] {
        assert_eq!(file.execute(sql, []), Ok(1), "{sql}");
    }
    let text = json!([message("m-2", &["alice", "carol"])]);
    let answer = world.server.post("/v1/messages", &text).await;
    let skipped = answer["messages"][0]["skipped"].as_array().expect("a list");
    assert_eq!(skipped.len(), 2, "{answer}");
    for skip in skipped {
        assert_eq!(skip["reason"], json!("record-damaged"), "{answer}");
    }
    // What waits finds out when its turn comes.
    world
        .apple
        .register_key(
            support::KEY_ID,
            support::TEAM_ID,
            &push_testkit::fixtures::apns_key(1),
        )
        .expect("the fixture is a key");
    let certificate = world.certificate;
    let resume = format!("/v1/credentials/{certificate}/resume");
    world.server.post(&resume, &json!({})).await;
    let trace = world.server.settled(&waiting[0]).await;
    assert_eq!(trace["reason"]["code"], json!("record-damaged"), "{trace}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_vanish_or_are_damaged_make_the_gateway_unhealthy() {
    for (name, damage, words) in [
        ("queue.db", "remove", "is gone"),
        ("queue.db-wal", "remove", "is gone"),
        ("queue.db", "replace", "was replaced"),
        ("queue.db", "overwrite", "was overwritten"),
        ("store.db", "remove", "is gone"),
        ("store-traces.db", "remove", "is gone"),
    ] {
        let world = World::start(&format!("lost-{name}-{damage}")).await;
        let delivery = world.server.text("m-1", "alice").await;
        world.server.settled(&delivery).await;
        assert_eq!(world.health().await.0, 200);
        let file = world.folder.join(name);
        match damage {
            "remove" => fs::remove_file(&file).expect("it is there"),
            "replace" => {
                let copy = world.folder.join("copy");
                fs::copy(&file, &copy).expect("it can be read");
                fs::rename(&copy, &file).expect("it can be replaced");
            }
            _ => {
                use std::io::Write as _;
                let mut open = fs::OpenOptions::new()
                    .write(true)
                    .open(&file)
                    .expect("it is there");
                open.write_all(&[0x55; 4096]).expect("it can be written");
            }
        }
        let (status, answer) = world.health().await;
        assert_eq!(status, 503, "{name} {damage}: {answer}");
        let detail = answer["detail"].as_str().expect("words");
        assert!(detail.contains(name) && detail.contains(words), "{detail}");
        if name.starts_with("queue") {
            let text = json!([message("m-2", &["alice"])]);
            let answer = world.server.try_post("/v1/messages", &text).await;
            let (status, answer) = answer.expect("an answer");
            assert_eq!(status, 503, "nothing is accepted: {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_record_of_a_credential_stops_nothing_else_and_is_written_anew() {
    let mut world = World::start("damaged-credential").await;
    let config = apns_config(&world.apple);
    let other = world.server.upload("apns", &config).await;
    let phone = world
        .apple
        .install(TOPIC, offline_push::Environment::Production);
    world
        .server
        .log_in("dave", "apns", other, &phone.token())
        .await;
    for (number, change) in [
        "sealed = x'00'",
        "provider = CAST(x'ff' AS TEXT)",
        "channel = 'NO CHANNEL'",
        "environment = 'nowhere'",
    ]
    .into_iter()
    .enumerate()
    {
        world.end(End::Stopped).await;
        let file = Connection::open(world.folder.join("store.db")).expect("the file is there");
        let certificate = world.certificate;
        let sql = format!("UPDATE credential SET {change} WHERE id = {certificate}");
        assert_eq!(file.execute(&sql, []), Ok(1), "{sql}");
        drop(file);
        world.restart().await;
        let text = json!([message(&format!("m-{number}"), &["alice", "dave"])]);
        let answer = world.server.post("/v1/messages", &text).await;
        let message = &answer["messages"][0];
        assert_eq!(
            message["skipped"][0]["reason"],
            json!("credential-unusable"),
            "{change}: {answer}"
        );
        let delivery = message["deliveries"][0]["id"].as_str().expect("an id");
        let trace = world.server.settled(delivery).await;
        assert_eq!(trace["reason"]["code"], json!("vendor-accepted"), "{trace}");
        let of_credential = format!("/v1/credentials/{certificate}");
        let verify = format!("{of_credential}/verify");
        let health = world.server.post(&verify, &json!({})).await;
        let evidence = health["evidence"].as_str().expect("words");
        assert!(evidence.contains("credential rotate"), "{evidence}");
        world
            .server
            .put(
                &of_credential,
                &json!({"provider": "apns", "config": config}),
            )
            .await;
        let again = world.server.text(&format!("again-{number}"), "alice").await;
        let trace = world.server.settled(&again).await;
        assert_eq!(trace["reason"]["code"], json!("vendor-accepted"), "{trace}");
    }
}
