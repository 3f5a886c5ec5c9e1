//! A gateway with its HTTP API, Apple, and an app on a phone.
#![allow(clippy::future_not_send)] // Tests wait on one thread.
use std::sync::Arc;

use offline_push::{
    Account, AppId, CertificateEntry, CertificateId, CertificateIds, Channel, Environment, Secret,
    Slot, UserId,
    client::{
        Event, HttpGateway, MemoryState, Permission, Phone, PushClient, Responder, Token,
        TokenAnswer,
    },
    gateway::{Settings, Upload},
    http::HttpConfig,
};
use push_provider_apns::simulator::{Options, Simulator};
use serde_json::{Value, json};
use tokio::{process::Command, sync::broadcast::Receiver, time::timeout};

use crate::support::{Caller, PATIENCE, apns_config, apple, eventually, gateway::Served};

pub(crate) const KEY: &str = "0123456789abcdef0123";
/// The credential for the sandbox, and that for production.
pub(crate) const DEBUG: i64 = 31287;
pub(crate) const RELEASE: i64 = 31288;

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) apple: Simulator,
    pub(crate) im_server: Caller,
    pub(crate) served: Served,
}

impl World {
    pub(crate) async fn start() -> Self {
        let apple = apple(Options::default()).await;
        let served = Served::start("im", KEY, Settings::default()).await;
        let app = AppId::new("im").expect("an app id");
        for (id, environment) in [
            (DEBUG, Environment::Sandbox),
            (RELEASE, Environment::Production),
        ] {
            let mut config = apns_config(&apple);
            config["environment"] = json!(environment);
            config["endpoint"] = json!(apple.endpoint(environment));
            let upload = Upload::new("apns", config)
                .with_id(CertificateId::new(id).expect("a certificate id"));
            served
                .gateway
                .add_credential(&app, upload)
                .await
                .expect("the credential is accepted");
        }
        Self {
            apple,
            im_server: Caller::new(&served.url, KEY),
            served,
        }
    }

    pub(crate) async fn account(&self, user: &str) -> Account {
        let answer = self
            .im_server
            .post("/v1/tickets", &json!({"user": user}))
            .await;
        Account::new(
            AppId::new("im").expect("an app id"),
            UserId::new(user).expect("a user id"),
            Secret::new(answer["ticket"].as_str().expect("a ticket")),
        )
    }

    /// The app on `phone`, with `certificates`; `user` logs in.
    pub(crate) async fn app(
        &self,
        phone: Iphone,
        certificates: CertificateIds,
        user: &str,
    ) -> (PushClient, Receiver<Event>) {
        let gateway = HttpGateway::new(&self.served.url, HttpConfig::default())
            .expect("a URL on this machine");
        let client = PushClient::builder(Arc::new(phone), Arc::new(gateway))
            .certificates(certificates)
            .state(MemoryState::default())
            .without_bridge()
            .start()
            .await
            .expect("nothing is missing");
        let events = client.subscribe();
        let account = self.account(user).await;
        client
            .session()
            .register(account, "test")
            .await
            .expect("the login is accepted");
        (client, events)
    }

    /// What becomes of `message` to `user`.
    pub(crate) async fn send(&self, id: &str, user: &str, more: Value) -> Value {
        let mut message = json!({"id": id, "sender": {"user": "bob"}, "receivers": [user],
            "elements": [{"type": "text", "text": "hello"}]});
        for (key, value) in more.as_object().into_iter().flatten() {
            message[key] = value.clone();
        }
        let mut answer = self.im_server.post("/v1/messages", &message).await;
        answer["messages"][0].take()
    }

    /// What `offline-push trace` prints of message `id` once `word` is in it: lines without times, in words separated by one
    /// space.
    pub(crate) async fn trace(&self, id: &str, word: &str) -> Vec<String> {
        eventually("the trace", async || {
            let output = Command::new(env!("CARGO_BIN_EXE_offline-push"))
                .args(["trace", id, "--server", &self.served.url])
                .env("OFFLINE_PUSH_KEY", KEY)
                .env("NO_COLOR", "1")
                .output()
                .await
                .expect("the program runs");
            let text = String::from_utf8(output.stdout).expect("the program writes UTF-8");
            let line = |line: &str| {
                let words = line.split_whitespace();
                let words: Vec<&str> = words
                    .skip_while(|it| it.starts_with('+') || *it == "ms")
                    .collect();
                words.join(" ")
            };
            text.contains(word)
                .then(|| text.lines().map(line).collect())
        })
        .await
    }
}

/// Waits for what `wanted` picks out, and answers it.
pub(crate) async fn heard<T>(
    events: &mut Receiver<Event>,
    wanted: impl Fn(&Event) -> Option<T>,
) -> T {
    let listening = async {
        loop {
            let event = events.recv().await.expect("the client is open");
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    };
    let in_time = timeout(PATIENCE, listening).await;
    in_time.expect("the app half emits the event")
}

/// What a build of the app says about itself.
pub(crate) fn certificate(id: i64, debug: bool) -> CertificateIds {
    CertificateIds::new([CertificateEntry::new(
        "apns",
        Slot::Alert,
        id,
        debug,
        ("src/lib.rs", 7),
    )])
    .expect("an id")
}

/// A phone that gives this token, or says why it has none.
#[derive(Debug)]
pub(crate) struct Iphone(pub(crate) Result<String, &'static str>);

impl Phone for Iphone {
    fn channel(&self) -> Channel {
        Channel::APNS
    }
    fn ask_permission(&self, answer: Responder<Permission>) {
        answer.answer(Permission::Granted);
    }
    fn request_token(&self, _slot: Slot, answer: Responder<TokenAnswer>) {
        answer.answer(match &self.0 {
            Ok(token) => Ok(Token::Text(token.clone())),
            Err(why) => Err((*why).to_owned()),
        });
    }
}
