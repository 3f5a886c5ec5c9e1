//! A phone acknowledges a push: the extension while the app is not running, and the app when it is clicked.
mod support;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use offline_push::{
    Account, AppId, CertificateEntry, CertificateIds, Channel, DeliveryId, Environment, Secret,
    Slot, Stage, UserId,
    client::{
        FileState, HttpGateway, NotificationExtension, Permission, PushClient, Responder, Token,
        TokenAnswer, delivery_of,
    },
    gateway::Settings,
    http::HttpConfig,
    payload::Payload,
};
use push_provider_apns::simulator::{Options, Phone, Simulator};
use push_testkit::Place;
use serde_json::{Value, json};
use support::{Caller, PATIENCE, TOPIC, apns_config, apple, eventually, gateway::Served, message};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    task::JoinSet,
};

const API_KEY: &str = "a key that only this test knows";
const APP: &str = "demo";

/// A phone's operating system with this token.
#[derive(Debug)]
struct Iphone(String);

impl offline_push::client::Phone for Iphone {
    fn channel(&self) -> Channel {
        Channel::APNS
    }
    fn ask_permission(&self, answer: Responder<Permission>) {
        answer.answer(Permission::Granted);
    }
    fn request_token(&self, _slot: Slot, answer: Responder<TokenAnswer>) {
        answer.answer(Ok(Token::Text(self.0.clone())));
    }
}

/// A gateway in this process, an Apple, and a phone on which alice has installed the app.
struct World {
    _apple: Simulator,
    iphone: Phone,
    served: Served,
    server: Caller,
    certificate: i64,
    place: Place,
}

impl World {
    async fn start() -> Self {
        let apple = apple(Options::default()).await;
        let mut settings = Settings::default();
        settings.decision.mutable_content = true;
        let served = Served::start(APP, API_KEY, settings).await;
        let server = Caller::new(&served.url, API_KEY);
        let certificate = server.upload("apns", &apns_config(&apple)).await;
        let iphone = apple.install(TOPIC, Environment::Production);
        Self {
            _apple: apple,
            iphone,
            served,
            server,
            certificate,
            place: Place::new(),
        }
    }

    /// Starts the app on the phone, without a login.
    async fn app(&self) -> PushClient {
        let certificates = CertificateIds::new([CertificateEntry::new(
            "apns",
            Slot::Alert,
            self.certificate,
            false,
            (file!(), line!()),
        )]);
        let gateway =
            HttpGateway::new(&self.served.url, HttpConfig::default()).expect("a good URL");
        PushClient::builder(Arc::new(Iphone(self.iphone.token())), Arc::new(gateway))
            .certificates(certificates.expect("a good certificate id"))
            .state(FileState::new(self.place.path("push.json")))
            .extension_folder(self.place.directory())
            .without_bridge()
            .start()
            .await
            .expect("the app starts")
    }

    /// Starts the app, logs alice in, puts the app in background and kills it.
    async fn logged_in_and_closed(&self) {
        let app = self.app().await;
        let ticket = self
            .server
            .post("/v1/tickets", &json!({"user": "alice"}))
            .await;
        let account = Account::new(
            AppId::new(APP).expect("a good app id"),
            UserId::new("alice").expect("a good user id"),
            Secret::new(ticket["ticket"].as_str().expect("a ticket")),
        );
        app.session()
            .register(account, "test")
            .await
            .expect("a login");
        app.background(None);
        eventually("the registration", async || {
            let devices = self.server.get("/v1/users/alice/devices").await;
            let is_reachable = devices["devices"][0]["would_push"] == json!(true);
            (is_reachable && self.place.path("receipts.key").exists()).then_some(())
        })
        .await;
        app.close().await;
    }

    /// Sends `count` messages. Returns the pushes that the phone got.
    async fn pushes(&self, count: usize) -> Vec<Value> {
        for number in 0..count {
            let message = message(&format!("m{number}"), &["alice"]);
            self.server.post("/v1/messages", &message).await;
        }
        let arrivals = eventually("the pushes", async || {
            let arrivals = self.iphone.arrivals();
            (arrivals.len() == count).then_some(arrivals)
        })
        .await;
        arrivals.into_iter().map(|it| it.payload).collect()
    }

    /// Returns how far the delivery has come, and the phone's receipts for it.
    async fn stages(&self, delivery: &str) -> (Value, Vec<Stage>) {
        let trace = self.server.settled(delivery).await;
        let events = self
            .served
            .gateway
            .trace_of_delivery(
                &AppId::new(APP).expect("a good app id"),
                delivery.parse().expect("a delivery id"),
            )
            .await
            .expect("the store answers");
        let receipts = events
            .iter()
            .map(|it| it.stage)
            .filter(|it| *it >= Stage::Delivered);
        (trace["stage"].clone(), receipts.collect())
    }

    /// Returns the deliveries whose receipts are in the shared folder.
    fn waiting(&self) -> BTreeSet<String> {
        let Ok(entries) = std::fs::read_dir(self.place.path("receipts")) else {
            return BTreeSet::new();
        };
        entries
            .map(|it| it.expect("a folder that can be read").file_name())
            .filter_map(|it| Some(it.to_str()?.rsplit('.').next()?.to_owned()))
            .collect()
    }
}

fn id(payload: &Value) -> String {
    let delivery: Option<DeliveryId> = delivery_of(&Payload::apns(payload.clone()));
    delivery.expect("the push names its delivery").to_string()
}

/// S111: delivered by the extension, clicked in the app that the click started, before a login.
#[tokio::test]
async fn a_push_to_a_closed_app_is_delivered_and_then_clicked() {
    let world = World::start().await;
    world.logged_in_and_closed().await;
    let push = world.pushes(1).await.remove(0);
    // Without it the system would not start the extension.
    assert_eq!(push["aps"]["mutable-content"], 1);
    let delivery = id(&push);
    assert_eq!(world.stages(&delivery).await, (json!("settled"), vec![]));

    let extension = NotificationExtension::new(world.place.directory());
    let payload = Payload::apns(push);
    let done = extension.delivered(&payload, PATIENCE).await;
    assert_eq!((done.sent, done.waiting), (1, 0), "{done:?}");
    assert_eq!(
        world.stages(&delivery).await,
        (json!("delivered"), vec![Stage::Delivered])
    );

    let app = world.app().await;
    app.launched(payload.clone());
    eventually("the click", async || {
        let (stage, _) = world.stages(&delivery).await;
        (stage == json!("clicked")).then_some(())
    })
    .await;
    // The same push again, reported late.
    extension.delivered(&payload, PATIENCE).await;
    assert_eq!(
        world.stages(&delivery).await,
        (json!("clicked"), vec![Stage::Delivered, Stage::Clicked])
    );
    app.close().await;
}

const FOLDER: &str = "OFFLINE_PUSH_TEST_FOLDER";
const PUSHES: &str = "OFFLINE_PUSH_TEST_PUSHES";

/// The extension, which the tests below start in its own processes. Alone, it has no gateway.
#[test]
fn an_extension_without_gateway_stores_its_receipts() {
    let (Some(folder), Some(pushes)) = (std::env::var_os(FOLDER), std::env::var_os(PUSHES)) else {
        let place = Place::new();
        let extension = NotificationExtension::new(place.directory());
        let push = json!({"delivery": "0190163d-8694-739b-aea5-966c26f8ad91"});
        let done = extension.delivered_blocking(&Payload::apns(push), PATIENCE);
        assert_eq!((done.sent, done.waiting), (0, 1), "{done:?}");
        return;
    };
    let extension = NotificationExtension::new(folder);
    let pushes = std::fs::read_to_string(pushes).expect("the pushes");
    for push in pushes.lines() {
        let push: Value = serde_json::from_str(push).expect("a push");
        extension.delivered_blocking(&Payload::apns(push.clone()), PATIENCE);
        // Not `println!`, which the test's harness may keep.
        let line = format!("done {}\n", id(&push));
        std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).expect("a parent");
    }
}

/// An extension in a process of its own. Killed when it drops.
struct Process {
    child: Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStderr>>,
}

impl Process {
    fn start(world: &World, name: &str, pushes: &[Value]) -> Self {
        let file: PathBuf = world.place.path(name);
        let lines: String = pushes.iter().map(|it| format!("{it}\n")).collect();
        std::fs::write(&file, lines).expect("the folder can be written to");
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args([
                "--exact",
                "an_extension_without_gateway_stores_its_receipts",
            ])
            .arg("--nocapture")
            .env(FOLDER, world.place.directory())
            .env(PUSHES, Path::new(&file))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("this program starts");
        let output = child.stderr.take().expect("its output is piped");
        Self {
            child,
            lines: BufReader::new(output).lines(),
        }
    }

    /// Returns the next delivery that it has finished; `None` at the end.
    async fn done(&mut self) -> Option<String> {
        loop {
            let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
            let line = line.expect("it goes on").expect("its output is text")?;
            if let Some(delivery) = line.strip_prefix("done ") {
                return Some(delivery.to_owned());
            }
        }
    }

    async fn kill(&mut self) {
        self.child.kill().await.expect("it was running");
    }
}

/// Stored receipts are sent, even if processes are killed and several run at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn extensions_that_are_killed_lose_nothing() {
    const PROCESSES: usize = 4;
    const EACH: usize = 12;
    let world = World::start().await;
    world.logged_in_and_closed().await;
    let pushes = world.pushes(PROCESSES * EACH).await;
    let mut shares: Vec<Vec<Value>> = pushes.chunks(EACH).map(<[Value]>::to_vec).collect();

    // Killed while the gateway does not answer: all receipts are stored, and none is sent.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port of the loopback");
    let silent = (
        format!("http://{}", silent.local_addr().expect("an address")),
        silent,
    );
    let key = world.place.path("receipts.key");
    let real = std::fs::read_to_string(&key).expect("the key is there");
    assert!(real.contains(&world.served.url));
    std::fs::write(&key, real.replace(&world.served.url, &silent.0))
        .expect("the key can be written");
    let mut processes: Vec<Process> = shares
        .iter_mut()
        .enumerate()
        .map(|(number, share)| {
            Process::start(&world, &format!("first-{number}"), &[share.remove(0)])
        })
        .collect();
    eventually("that all have written", async || {
        (world.waiting().len() == PROCESSES).then_some(())
    })
    .await;
    for process in &mut processes {
        process.kill().await;
    }
    let mut kept = world.waiting();
    assert_eq!(kept.len(), PROCESSES);
    std::fs::write(&key, real).expect("the key can be written");

    // Killed at work: each after another number of pushes, all at the same time.
    let world = Arc::new(world);
    let mut work = JoinSet::new();
    for (number, share) in shares.into_iter().enumerate() {
        work.spawn(killed_and_started_again(Arc::clone(&world), number, share));
    }
    kept.extend(work.join_all().await.into_iter().flatten());
    assert_eq!(kept.len(), PROCESSES * EACH, "each receipt was stored");

    // The app sends the receipts that still wait.
    let app = world.app().await;
    eventually("that nothing waits", async || {
        world.waiting().is_empty().then_some(())
    })
    .await;
    app.close().await;
    for delivery in kept {
        assert_eq!(
            world.stages(&delivery).await,
            (json!("delivered"), vec![Stage::Delivered]),
            "{delivery}"
        );
    }
}

/// Runs a process that is killed after some of `pushes`, and one that continues with the pushes that may be unfinished. Returns the
/// stored receipts.
async fn killed_and_started_again(
    world: Arc<World>,
    number: usize,
    pushes: Vec<Value>,
) -> BTreeSet<String> {
    let mut kept = BTreeSet::new();
    let mut process = Process::start(&world, &format!("second-{number}"), &pushes);
    for _ in 0..=number * 2 {
        kept.insert(process.done().await.expect("it has more to do"));
    }
    process.kill().await;
    kept.extend(world.waiting());
    let done = pushes
        .iter()
        .take_while(|it| kept.contains(&id(it)))
        .count();
    let mut process = Process::start(&world, &format!("third-{number}"), &pushes[done..]);
    while let Some(delivery) = process.done().await {
        kept.insert(delivery);
    }
    kept
}
