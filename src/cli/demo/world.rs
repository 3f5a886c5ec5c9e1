//! The environment of the demo: three vendors, a gateway, and its callers.
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::{Engine, engine::general_purpose::STANDARD};
use offline_push::{
    AddressPolicy, AppId, BuildContext, Clock, Environment, QueueKind, RawConfig, Result, Secret,
    StoreKind,
    gateway::{
        Gateway, MasterKey, Parts, Settings,
        http::{ApiKey, HttpSettings, KeyScope, router, serve},
    },
    http::{HttpConfig, TokioClock},
};
use push_provider_apns::simulator as apns;
use push_provider_fcm::simulator as fcm;
use push_provider_huawei::simulator as huawei;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use super::trouble;
use crate::cli::remote::Remote;

/// The bundle id of the demo's app.
pub(super) const TOPIC: &str = "com.example.im";
/// The app's id at the gateway.
pub(super) const APP: &str = "demo";

/// The time limit of each step. Long, because the machine may be busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The vendors, the gateway and the IM server's connection to it.
#[derive(Debug)]
pub(super) struct World {
    pub(super) apple: apns::Simulator,
    pub(super) google: fcm::Simulator,
    pub(super) huawei: huawei::Simulator,
    pub(super) address: String,
    pub(super) im_server: Remote,
    key_pem: String,
    gateway: Gateway,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
    folder: PathBuf,
    /// The folder that alice's app shares with its notification service extension.
    pub(super) shared: PathBuf,
}

impl World {
    /// Starts everything, with an embedded store in a temporary folder.
    pub(super) async fn start() -> Result<Self> {
        let simulator =
            |error: std::io::Error| trouble("a simulator could not start").because(error);
        let apple = apns::Simulator::start(apns::Options::default())
            .await
            .map_err(simulator)?;
        let google = fcm::Simulator::start(fcm::Options::default())
            .await
            .map_err(simulator)?;
        let huawei = huawei::Simulator::start(huawei::Options::default())
            .await
            .map_err(simulator)?;
        let key_pem = new_key()?;
        apple.register_key("ABC123DEFG", "DEF123GHIJ", &key_pem)?;

        let secret = MasterKey::generate()?;
        let folder = std::env::temp_dir().join(format!("offline-push-demo-{}", std::process::id()));
        let shared = folder.join("app-group");
        std::fs::create_dir_all(&shared)
            .map_err(|error| trouble("no temporary folder").because(error))?;
        let clock: Arc<dyn Clock> = Arc::new(TokioClock);
        let registry = Arc::new(offline_push::registry()?);
        let context = BuildContext::new(Arc::clone(&clock));
        let path = |name: &str| RawConfig::from_json(&json!({"path": folder.join(name)}));
        let gateway = Gateway::new(
            Parts::new(
                registry.build::<StoreKind>("sqlite", path("store.db")?, &context)?,
                registry.build::<QueueKind>("sqlite", path("queue.db")?, &context)?,
                registry,
                clock,
                MasterKey::parse(&secret)?,
            )
            .with_settings(
                Settings::default()
                    // The simulators listen on this machine.
                    .with_addresses(AddressPolicy::public_only().allow_loopback()),
            ),
        )?;
        let api_key = MasterKey::generate()?;
        let http = HttpSettings::default().with_keys(vec![ApiKey::new(
            "im-server",
            AppId::new(APP)?,
            vec![KeyScope::Server, KeyScope::Admin],
            api_key.clone(),
        )]);
        let routes = router(&gateway, &http, &[])?;
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(|error| trouble("cannot listen on 127.0.0.1").because(error))?;
        let address = listener
            .local_addr()
            .map_err(|error| trouble("the listener has no address").because(error))?;
        gateway.start().await?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            serve(listener, routes, &http, async { drop(stopped.await) }).await;
        });
        let address = format!("http://{address}");
        Ok(Self {
            apple,
            google,
            huawei,
            im_server: Remote::new(&address, api_key, HttpConfig::default())?,
            address,
            key_pem,
            gateway,
            stop,
            serving,
            folder,
            shared,
        })
    }

    /// Uploads an APNs key for `environment`. Returns the gateway's answer.
    pub(super) async fn upload_apns(&self, environment: Environment, id: i64) -> Result<Value> {
        let body = json!({
            "provider": "apns",
            "id": id,
            "label": format!("{TOPIC} {environment}"),
            "config": {
                "key": self.key_pem,
                "key_id": "ABC123DEFG",
                "team_id": "DEF123GHIJ",
                "topic": TOPIC,
                "environment": environment,
                "endpoint": self.apple.endpoint(environment),
                "http": {"extra_ca_pem": self.apple.ca_pem()},
            },
        });
        self.im_server.post("/v1/credentials", &body).await
    }

    /// Uploads a credential with a configuration that a simulator wrote.
    pub(super) async fn upload(&self, provider: &str, id: i64, config: Value) -> Result<Value> {
        let body = json!({"provider": provider, "id": id, "config": config});
        self.im_server.post("/v1/credentials", &body).await
    }

    /// Returns the ticket that the IM server passes to `user`'s phone at the login.
    pub(super) async fn ticket(&self, user: &str) -> Result<Secret> {
        let answer = self
            .im_server
            .post("/v1/tickets", &json!({"user": user}))
            .await?;
        Ok(Secret::new(answer["ticket"].as_str().unwrap_or_default()))
    }

    /// Submits a message, as the IM server does.
    pub(super) async fn submit(&self, message: Value) -> Result<Value> {
        let answer = self.im_server.post("/v1/messages", &message).await?;
        Ok(answer["messages"][0].clone())
    }

    /// Returns the devices of `user` in the store.
    pub(super) async fn devices(&self, user: &str) -> Result<Vec<Value>> {
        let answer = self
            .im_server
            .get(&format!("/v1/users/{user}/devices"))
            .await?;
        Ok(answer["devices"].as_array().cloned().unwrap_or_default())
    }

    /// Waits until a delivery is settled, and returns its trace.
    pub(super) async fn settled(&self, delivery: &Value) -> Result<Value> {
        let path = format!(
            "/v1/deliveries/{}/trace",
            delivery.as_str().unwrap_or_default()
        );
        let mut last = Value::Null;
        // The trace is stored after the push, in batches.
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            match self.im_server.get(&path).await {
                Ok(trace) if trace["settled"] == json!(true) => return Ok(trace),
                Ok(trace) => last = trace,
                Err(error) if error.kind() == offline_push::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err(trouble(format!(
            "a delivery was not settled in time: {}",
            last["stage"]
        )))
    }

    /// Stops everything and removes the folder.
    pub(super) async fn stop(self) {
        // The send may fail: dropping the sender also stops the server.
        self.stop.send(()).ok();
        drop(self.serving.await);
        self.gateway.shutdown().await;
        drop(self.gateway);
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// Generates a P-256 key in Apple's format: PKCS#8 in PEM.
fn new_key() -> Result<String> {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
        .and_then(|it| it.to_pkcs8v1())
        .map_err(|_| trouble("no key could be generated"))?;
    let text = STANDARD.encode(key.as_ref());
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .filter_map(|it| std::str::from_utf8(it).ok())
        .collect();
    Ok(format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        lines.join("\n")
    ))
}
