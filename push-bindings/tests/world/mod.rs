//! The environment of an app in another language: a gateway with Apple's simulator, and a phone. The app is a child process that writes a
//! request on each line and reads the answer.

use std::{future::pending, process::Stdio, sync::Arc, time::Duration};

use push_core::{
    AddressPolicy, AppId, BuildContext, CertificateId, Clock, Environment, QueueKind, RawConfig,
    Registry, Secret, StoreKind,
};
use push_gateway::{
    Gateway, MasterKey, Parts, Settings, Upload,
    http::{ApiKey, HttpSettings, KeyScope, router, serve},
};
use push_http::TokioClock;
use push_provider_apns::simulator::{Options, Phone, Simulator};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    process::Command,
    time::timeout,
};

const APP: &str = "im";
const TOPIC: &str = "com.example.im";

/// The time limit for a push to reach the phone.
const TEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The time limit for the whole story: less than the time-out of the test runner.
const STORY: Duration = Duration::from_secs(50);

/// A gateway and Apple.
#[derive(Debug)]
pub(crate) struct World {
    apple: Simulator,
    gateway: Gateway,
    url: String,
    key: Secret,
    phones: Vec<Phone>,
}

impl World {
    pub(crate) async fn start() -> Self {
        let registry = Registry::new([
            push_provider_apns::PLUGIN.any(),
            push_store_memory::PLUGIN.any(),
            push_queue_memory::PLUGIN.any(),
        ])
        .expect("three plugins of different names");
        let registry = Arc::new(registry);
        let clock: Arc<dyn Clock> = Arc::new(TokioClock);
        let context = BuildContext::new(Arc::clone(&clock));
        let gateway = Gateway::new(
            Parts::new(
                registry
                    .build::<StoreKind>("memory", RawConfig::empty(), &context)
                    .expect("a store"),
                registry
                    .build::<QueueKind>("memory", RawConfig::empty(), &context)
                    .expect("a queue"),
                registry,
                clock,
                MasterKey::parse(&MasterKey::generate().expect("a key"))
                    .expect("the key just made"),
            )
            .with_settings(
                Settings::default()
                    // The simulators listen on this machine.
                    .with_addresses(AddressPolicy::public_only().allow_loopback()),
            ),
        )
        .expect("a gateway");
        let apple = Simulator::start(Options::default())
            .await
            .expect("Apple on a loopback port");
        let p8 = push_testkit::fixtures::apns_key(1);
        apple
            .register_key("ABC123DEFG", "DEF123GHIJ", &p8)
            .expect("Apple accepts the key");
        let app = AppId::new(APP).expect("an id");
        for (id, environment) in [
            (31287, Environment::Sandbox),
            (31288, Environment::Production),
        ] {
            let upload = Upload::new(
                "apns",
                json!({
                    "key": p8, "key_id": "ABC123DEFG", "team_id": "DEF123GHIJ",
                    "topic": TOPIC, "environment": environment,
                    "endpoint": apple.endpoint(environment),
                    "http": {"extra_ca_pem": apple.ca_pem()},
                }),
            )
            .with_id(CertificateId::new(id).expect("an id"))
            .with_label(format!("{TOPIC} {environment}"));
            gateway
                .add_credential(&app, upload)
                .await
                .expect("the gateway accepts the credential");
        }
        let key = MasterKey::generate().expect("a key");
        let settings = HttpSettings::default().with_keys(vec![ApiKey::new(
            "im-server",
            app,
            vec![KeyScope::Server],
            key.clone(),
        )]);
        let routes = router(&gateway, &settings, &[]).expect("routes");
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a loopback port");
        let address = listener.local_addr().expect("an address");
        gateway
            .start()
            .await
            .expect("the master key is that of the store");
        tokio::spawn(async move { serve(listener, routes, &settings, pending()).await });
        Self {
            apple,
            gateway,
            url: format!("http://{address}"),
            key,
            phones: Vec::new(),
        }
    }

    /// Runs the app and answers its requests until it ends successfully. The gateway's address is in its environment variables.
    pub(crate) async fn run(mut self, mut app: Command) {
        let mut child = app
            .env("GATEWAY_URL", &self.url)
            .env("GATEWAY_KEY", self.key.expose())
            .env("APP_ID", APP)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the app starts");
        let mut answers = child.stdin.take().expect("a pipe");
        let mut questions = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut stderr = child.stderr.take().expect("a pipe");
        let output = tokio::spawn(async move {
            let mut output = String::new();
            stderr.read_to_string(&mut output).await.ok();
            output
        });
        let story = async {
            while let Ok(Some(question)) = questions.next_line().await {
                let answer = match serde_json::from_str(&question) {
                    Ok(question) => self.answer(&question).await,
                    // Only the story writes there.
                    Err(_) => json!({"error": format!("no question: {question}")}),
                };
                let line = format!("{answer}\n");
                if answers.write_all(line.as_bytes()).await.is_err() {
                    break;
                }
            }
            drop(answers);
            child.wait().await
        };
        let ended = timeout(STORY, story).await;
        if ended.is_err() {
            child.kill().await.ok();
        }
        let output = output.await.expect("the output is read");
        let status = ended.unwrap_or_else(|_| panic!("the story does not end:\n{output}"));
        let status = status.expect("the child has a status");
        assert!(status.success(), "{status}\n{output}");
        // Not the last line where another program watches the app and has its own to say.
        assert!(
            output.lines().any(|line| line == "the story is complete"),
            "the story ended early:\n{output}"
        );
        self.gateway.shutdown().await;
    }

    async fn answer(&mut self, question: &Value) -> Value {
        let number = question["phone"].as_u64().unwrap_or_default() as usize;
        match question["ask"].as_str().unwrap_or_default() {
            // A phone with a debug build of the app.
            "install" => {
                let phone = self.apple.install(TOPIC, Environment::Sandbox);
                let token = phone.token();
                self.phones.push(phone);
                json!({"phone": self.phones.len() - 1, "token": token})
            }
            // The number of pushes that it has received.
            "arrived" => json!({"count": self.phones[number].arrived()}),
            // The push after `count` others, and the payload that the app gets when it is tapped.
            "wait" => {
                let count = question["count"].as_u64().unwrap_or_default();
                let phone = &self.phones[number];
                match timeout(TEST_TIMEOUT, phone.wait_for(count)).await {
                    Ok(Some(arrival)) => json!({
                        "title": arrival.title(),
                        "body": arrival.body(),
                        "badge": arrival.badge(),
                        "tap": phone.tap(&arrival),
                    }),
                    _ => json!({"error": format!("push number {count} did not arrive")}),
                }
            }
            other => json!({"error": format!("unknown request `{other}`")}),
        }
    }
}
