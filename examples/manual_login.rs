//! An app that says itself when it has logged in and out: `register_service` and `unregister_service`.
//!
//! For apps whose login `login-auto` cannot observe. Two calls are all: one where the login has succeeded, one where the
//! logout has. This example makes them, and asks the gateway each time whether a message to alice would be pushed.
//!
//! Run it: `cargo run --example manual_login`. App half and gateway are the real ones and speak HTTP on 127.0.0.1; the
//! phone is made up, and no vendor is asked for anything.
//!
//! The dependencies of such an app, besides tokio:
//!
//! ```toml
//! offline-push = { version = "0.1", default-features = false, features = ["client", "login-manual"] }
//! push-login-manual = "0.1" # whose `ManualLogin` the app calls
//! ```
//!
//! For production, change:
//! - `Iphone` to what asks the real phone, and the URL to that of your gateway, with https;
//! - `MemoryState` to `FileState` in the app's private folder, so that the device is the same one after a restart;
//! - the ticket: the IM server gets it from the gateway (`POST /v1/tickets`) and hands it over with the login;
//! - the two numbers to those of your credentials. `start_gateway` goes: it is the server's business.
#![allow(clippy::print_stdout, reason = "an example tells what it does")]

use std::{error::Error, future::pending, sync::Arc, time::Duration};

use offline_push::{
    Account, AppId, BuildContext, CertificateIds, Channel, Clock, QueueKind, RawConfig, Slot,
    StoreKind, UserId, certificate_id,
    client::{
        Event, HttpGateway, MemoryState, Permission, Platform, PushClient, Responder, Token,
        TokenAnswer,
    },
    gateway::{
        Gateway, MasterKey, Parts, Settings, Upload,
        http::{HttpSettings, router, serve},
    },
    http::TokioClock,
};
use push_login_manual::ManualLogin;
use serde_json::json;
use tokio::{net::TcpListener, sync::broadcast::Receiver, time::timeout};

certificate_id!(apns, debug = 31287, release = 31288);

/// Called by the app's login when it has succeeded.
fn on_login_success(account: Account) {
    ManualLogin::shared().register_service(account);
}

/// Called by the app's logout when it has succeeded.
fn on_logout_success() {
    ManualLogin::shared().unregister_service();
}

/// The phone's operating system, as far as push needs it.
#[derive(Debug)]
struct Iphone;

impl Platform for Iphone {
    fn channel(&self) -> Channel {
        Channel::APNS
    }
    fn ask_permission(&self, answer: Responder<Permission>) {
        answer.answer(Permission::Granted);
    }
    fn request_token(&self, _slot: Slot, answer: Responder<TokenAnswer>) {
        answer.answer(Ok(Token::Bytes(vec![0xa1; 32])));
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (app, alice) = (AppId::new("im")?, UserId::new("alice")?);
    let (gateway, url) = start_gateway(&app).await?;

    // The app starts. `linked` finds the certificate ids and the bridge `manual` by itself.
    let api = Arc::new(HttpGateway::new(&url, Default::default())?);
    let client = PushClient::linked(Arc::new(Iphone), api, offline_push::BUILTIN)?
        .state(MemoryState::default())
        .start()
        .await?;
    let mut events = client.subscribe();
    assert!(gateway.diagnose(&app, &alice).await?.is_empty());
    println!("before the login the gateway knows no phone of alice");

    let (ticket, _) = gateway.issue_ticket(&app, &alice, Duration::from_secs(3600))?;
    on_login_success(Account {
        app: app.clone(),
        user: alice.clone(),
        credential: ticket,
    });
    until(&mut events, |it| matches!(it, Event::Uploaded { .. })).await?;
    client.background(Some(0));
    until(&mut events, |it| matches!(it, Event::PresenceReported)).await?;
    let phones = gateway.diagnose(&app, &alice).await?;
    assert_eq!(phones[0].reason, None);
    println!("she logged in and locked the screen: a message to her is pushed");

    on_logout_success();
    until(&mut events, |it| matches!(it, Event::Unbound(_))).await?;
    let phones = gateway.diagnose(&app, &alice).await?;
    let reason = phones[0].reason.ok_or("a push after the logout")?;
    assert_eq!(reason.code, "logged-out");
    println!("she logged out: a message to her is not pushed, {reason}");

    client.close().await;
    gateway.shutdown().await;
    Ok(())
}

/// Waits for an event of the app half.
async fn until(
    events: &mut Receiver<Event>,
    wanted: fn(&Event) -> bool,
) -> Result<(), Box<dyn Error>> {
    let found = async {
        while !wanted(&events.recv().await?) {}
        Ok(())
    };
    let in_time = timeout(Duration::from_secs(10), found).await;
    in_time.map_err(|_| "the app half did not tell what comes next")?
}

/// The server half, with a credential for the tokens of this build; answers it and its URL.
async fn start_gateway(app: &AppId) -> Result<(Gateway, String), Box<dyn Error>> {
    let registry = Arc::new(offline_push::registry()?);
    let clock: Arc<dyn Clock> = Arc::new(TokioClock);
    let context = BuildContext::new(Arc::clone(&clock));
    let gateway = Gateway::new(Parts {
        store: registry.build::<StoreKind>("memory", RawConfig::empty(), &context)?,
        queue: registry.build::<QueueKind>("memory", RawConfig::empty(), &context)?,
        registry,
        clock,
        master_key: MasterKey::parse(&MasterKey::generate()?)?,
        settings: Settings::default(),
    })?;
    gateway.start();
    let (id, environment) = CertificateIds::linked()?.get("apns", Slot::Alert)?;
    let upload = Upload {
        provider: "apns".to_owned(),
        id: Some(id),
        label: String::new(),
        config: json!({
            "key": push_testkit::fixtures::apns_key(1), "key_id": "ABC123DEFG", "team_id": "DEF123GHIJ",
            "topic": "com.example.im", "environment": environment,
            "endpoint": "https://127.0.0.1:1", // nothing is sent in this example
        }),
    };
    gateway.add_credential(app, upload).await?;
    let settings = HttpSettings::default();
    let routes = router(&gateway, &settings, &[])?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { serve(listener, routes, &settings, pending()).await });
    Ok((gateway, url))
}
