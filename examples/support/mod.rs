//! The environment of the app examples: the IM server with its gateway, Apple, and the phone.
use std::{
    env,
    error::Error,
    fs,
    future::pending,
    path::PathBuf,
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{Request, header};
use offline_push::{
    Account, AppId, CertificateId, Channel, Environment, Secret, Slot, UserId,
    client::{
        Completion, Event, FileState, HostEvent, HostHooks, Permission, Responder, Token,
        TokenAnswer,
    },
    gateway::{
        Gateway, MasterKey, Upload,
        http::{ApiKey, HttpSettings, KeyScope, router, serve},
    },
    http::{Client, HttpClient, HttpConfig, TokioClock},
    payload::Payload,
    provider::apns::simulator::{Arrival, Options, Phone, Simulator},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::broadcast::Receiver, time::timeout};

pub(crate) type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

const APP: &str = "im";
const BUNDLE_ID: &str = "com.example.im";
const TEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The IM server and its gateway, with Apple behind it.
#[derive(Debug)]
pub(crate) struct ImServer {
    gateway: Gateway,
    gateway_url: String,
    apple: Simulator,
    key: Secret,
    client: Client,
    sent: AtomicU64,
}

impl ImServer {
    /// Starts them, and uploads one credential for debug builds and one for releases.
    pub(crate) async fn start() -> Result<Self> {
        // The simulator listens on this machine.
        let gateway = Gateway::in_memory().allow_loopback().start().await?;
        let apple = Simulator::start(Options::default()).await?;
        for (id, environment) in [
            (31287, Environment::Sandbox),
            (31288, Environment::Production),
        ] {
            let upload = Upload::of(&apple.credential(BUNDLE_ID, environment))
                .with_id(CertificateId::new(id)?);
            gateway.add_credential(&AppId::new(APP)?, upload).await?;
        }
        let key = MasterKey::generate()?;
        let settings = HttpSettings::default().with_keys(vec![ApiKey::new(
            "im-server",
            AppId::new(APP)?,
            vec![KeyScope::Server],
            key.clone(),
        )]);
        let routes = router(&gateway, &settings, &[])?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let gateway_url = format!("http://{}", listener.local_addr()?);
        tokio::spawn(async move { serve(listener, routes, &settings, pending()).await });
        Ok(Self {
            gateway,
            gateway_url,
            apple,
            key,
            client: Client::new(HttpConfig::default(), Arc::new(TokioClock))?,
            sent: AtomicU64::new(0),
        })
    }

    /// Returns the URL in the app's settings.
    pub(crate) fn gateway_url(&self) -> &str {
        &self.gateway_url
    }

    /// Returns a new phone with this build of the app.
    pub(crate) fn new_iphone(&self) -> Result<Arc<Iphone>> {
        let environment = if cfg!(debug_assertions) {
            Environment::Sandbox
        } else {
            Environment::Production
        };
        let name = format!("offline-push-example-{}", process::id());
        let folder = env::temp_dir().join(name);
        fs::create_dir_all(&folder)?;
        Ok(Arc::new(Iphone {
            phone: self.apple.install(BUNDLE_ID, environment),
            system: Arc::new(HostHooks::new()),
            folder,
            seen: AtomicU64::new(0),
        }))
    }

    /// Logs `user` in at the IM server. Returns the account with the ticket for the gateway.
    pub(crate) async fn authenticate(&self, user: &str) -> Result<Account> {
        let answer = self.call("/v1/tickets", json!({"user": user})).await?;
        Ok(Account::new(
            AppId::new(APP)?,
            UserId::new(user)?,
            Secret::new(answer["ticket"].as_str().unwrap_or_default()),
        ))
    }

    /// Submits a message to alice, by default a one-to-one message. Returns the
    /// gateway's answer: `deliveries`, and `skipped` with reasons.
    pub(crate) async fn send(&self, mut message: Value) -> Result<Value> {
        let number = self.sent.fetch_add(1, Relaxed);
        message["id"] = json!(format!("message-{number}"));
        message["receivers"] = json!(["alice"]);
        let mut answer = self.call("/v1/messages", message).await?;
        Ok(answer["messages"][0].take())
    }

    async fn call(&self, path: &str, body: Value) -> Result<Value> {
        let request = Request::post(format!("{}{path}", self.gateway_url))
            .header(header::CONTENT_TYPE, "application/json")
            .header(
                header::AUTHORIZATION,
                format!("Bearer {}", self.key.expose()),
            )
            .body(body.to_string().into())?;
        let response = self.client.send(request).await?;
        let (status, body) = (response.status(), response.into_body());
        if !status.is_success() {
            return Err(format!("{path}: {status} {}", String::from_utf8_lossy(&body)).into());
        }
        Ok(serde_json::from_slice(&body)?)
    }

    pub(crate) async fn stop(self) {
        self.gateway.shutdown().await;
    }
}

/// A phone with the app: the callbacks of iOS.
#[derive(Debug)]
pub(crate) struct Iphone {
    phone: Phone,
    system: Arc<HostHooks>,
    folder: PathBuf,
    seen: AtomicU64,
}

impl Iphone {
    /// The system's callbacks.
    pub(crate) fn callbacks(&self) -> Arc<HostHooks> {
        Arc::clone(&self.system)
    }

    /// A file in the app's private folder.
    pub(crate) fn state(&self) -> FileState {
        FileState::new(self.folder.join("push.json"))
    }

    /// Locks the screen.
    pub(crate) fn lock(&self) {
        self.system.dispatch(&HostEvent::Background);
    }

    /// Waits for the next notification.
    pub(crate) async fn notification(&self) -> Result<Arrival> {
        let count = self.seen.fetch_add(1, Relaxed) + 1;
        let arrival = timeout(TEST_TIMEOUT, self.phone.wait_for(count)).await;
        let arrival = arrival.map_err(|_| "no notification arrived on the phone")?;
        Ok(arrival.ok_or("the phone does not exist any more")?)
    }

    /// Taps the newest notification. A running app gets a response, an app that is started by it a launch.
    pub(crate) fn tap(&self, running: bool) -> Result {
        let user_info = self.phone.tap_newest().ok_or("the screen is empty")?;
        let payload = Payload::apns(user_info);
        self.system.dispatch(&match running {
            true => HostEvent::Clicked(payload, Completion::none()),
            false => HostEvent::Launched(Some(payload)),
        });
        Ok(())
    }
}

impl offline_push::client::Phone for Iphone {
    fn channel(&self) -> Channel {
        Channel::APNS
    }
    fn ask_permission(&self, answer: Responder<Permission>) {
        answer.answer(Permission::Granted);
    }
    fn request_token(&self, _slot: Slot, answer: Responder<TokenAnswer>) {
        answer.answer(Ok(Token::Text(self.phone.token())));
    }
}

impl Drop for Iphone {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// Waits for an event of the app half.
pub(crate) async fn until(
    events: &mut Receiver<Event>,
    wanted: impl Fn(&Event) -> bool + Send + Sync,
) -> Result {
    let found = async {
        while !wanted(&events.recv().await?) {}
        Ok(())
    };
    let in_time = timeout(TEST_TIMEOUT, found).await;
    in_time.map_err(|_| "the app half did not emit the expected event")?
}
