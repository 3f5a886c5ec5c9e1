//! An app with a login system of its own: a `LoginBridge` keeps push in step with it.
//!
//! The bridge reports every login and logout, and names the login that a logout ends. So a logout that succeeds late
//! does not end push for a user who has logged in since. This example shows a login, a change of account, such a late
//! logout and a logout, as the gateway sees them.
//!
//! Run it: `cargo run --example custom_login_bridge`. App half and gateway are the real ones and speak HTTP on 127.0.0.1;
//! the phone and the login system are simulated, and no vendor is called.
//!
//! ```toml
//! [dependencies]
//! offline-push = { version = "0.1", default-features = false, features = ["client"] }
//! tokio = { version = "1", features = ["macros", "rt-multi-thread", "sync"] }
//!
//! # For the gateway, which is elsewhere.
//! [dev-dependencies]
//! offline-push = { version = "0.1", default-features = false, features = [
//!     "gateway", "provider-apns", "queue-memory", "store-memory"] }
//! push-testkit = "0.1"
//! tokio = { version = "1", features = ["net", "time"] }
//! ```
//!
//! For production, change the channel of `LoginEvent`s to the callbacks of your login system, in the order in which they
//! come; and what `auto_login` lists: the phone, the URL, the state, the ticket, the two numbers.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example prints what it does"
)]

use std::{collections::HashMap, error::Error, future::pending, sync::Arc, time::Duration};

use offline_push::{
    Account, AppId, CertificateIds, Channel, LoginBridge, LogoutCause, SessionHandle, Slot, UserId,
    async_trait, certificate_id,
    client::{
        Event, HttpGateway, MemoryState, Permission, Phone, PushClient, Responder, Token,
        TokenAnswer,
    },
    gateway::{
        Gateway, Upload,
        http::{HttpSettings, router, serve},
    },
    provider::apns::ApnsConfig,
};
use tokio::{
    net::TcpListener,
    sync::{Mutex, broadcast, mpsc},
    time::timeout,
};

certificate_id!(apns, debug = 31287, release = 31288);

/// An event of the app's login system, which numbers its logins.
#[derive(Debug)]
enum LoginEvent {
    LoggedIn(u32, Account),
    LoggedOut(u32, LogoutCause),
}
use LoginEvent::{LoggedIn, LoggedOut};

/// Translates the events into register and unregister.
#[derive(Debug)]
struct OwnLogin(Mutex<mpsc::Receiver<LoginEvent>>);

#[async_trait]
impl LoginBridge for OwnLogin {
    async fn run(&self, session: SessionHandle) -> offline_push::Result<()> {
        let mut events = self.0.lock().await;
        let mut generations = HashMap::new();
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                () = session.closed() => return Ok(()),
            };
            match event {
                Some(LoggedIn(login, account)) => match session.register(account, "own").await {
                    Ok(generation) => {
                        // The same account again keeps its generation: only its newest login ends it.
                        generations.retain(|_, known| *known != generation);
                        generations.insert(login, generation);
                    }
                    Err(error) => eprintln!("login {login} gets no push: {error}"),
                },
                Some(LoggedOut(login, cause)) => {
                    if let Some(generation) = generations.remove(&login) {
                        session.unregister(generation, cause, "own").await?;
                    }
                }
                None => return Ok(()),
            }
        }
    }
}

/// The functions of the phone's operating system that push needs.
#[derive(Debug)]
struct Iphone;

impl Phone for Iphone {
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
    let app = AppId::new("im")?;
    let (gateway, url) = start_gateway(&app).await?;
    let account = |user| -> Result<Account, Box<dyn Error>> {
        let user = UserId::new(user)?;
        let (credential, _) = gateway.issue_ticket(&app, &user, Duration::from_secs(3600))?;
        Ok(Account::new(app.clone(), user, credential))
    };

    let (login, said) = mpsc::channel(16);
    let api = Arc::new(HttpGateway::new(&url, Default::default())?);
    let client = PushClient::linked(Arc::new(Iphone), api, &[])?
        .bridge("own", Arc::new(OwnLogin(Mutex::new(said))))
        .state(MemoryState::default())
        .start()
        .await?;
    let mut events = client.subscribe();

    login.send(LoggedIn(1, account("alice")?)).await?;
    until(&mut events, |it| matches!(it, Event::Uploaded { .. })).await?;
    assert_eq!(owner(&gateway, &app).await?, Some("alice"));
    println!("alice logged in: the phone is bound to her");

    login.send(LoggedIn(2, account("bob")?)).await?;
    until(&mut events, |it| matches!(it, Event::Uploaded { .. })).await?;
    assert_eq!(owner(&gateway, &app).await?, Some("bob"));
    println!("bob logged in: the phone is bound to him, and not to her any more");

    login.send(LoggedOut(1, LogoutCause::Logout)).await?;
    until(&mut events, |it| matches!(it, Event::StaleLogout { .. })).await?;
    assert_eq!(owner(&gateway, &app).await?, Some("bob"));
    println!("alice's logout succeeded late: the phone stays bound to bob");

    login.send(LoggedOut(2, LogoutCause::KickedOffline)).await?;
    until(&mut events, |it| matches!(it, Event::Unbound(_))).await?;
    assert_eq!(owner(&gateway, &app).await?, None);
    println!("bob was kicked by another device: the phone has no user");

    client.close().await;
    gateway.shutdown().await;
    Ok(())
}

/// Returns the user who gets the pushes on the phone, by the gateway's registrations.
async fn owner(gateway: &Gateway, app: &AppId) -> Result<Option<&'static str>, Box<dyn Error>> {
    for user in ["alice", "bob"] {
        let phones = gateway.diagnose(app, &UserId::new(user)?).await?;
        if phones.iter().any(|it| !it.device.registrations.is_empty()) {
            return Ok(Some(user));
        }
    }
    Ok(None)
}

/// Waits for an event of the app half.
async fn until(
    events: &mut broadcast::Receiver<Event>,
    wanted: fn(&Event) -> bool,
) -> Result<(), Box<dyn Error>> {
    let found = async {
        while !wanted(&events.recv().await?) {}
        Ok(())
    };
    let in_time = timeout(Duration::from_secs(10), found).await;
    in_time.map_err(|_| "the app half did not emit the expected event")?
}

/// Starts the server half, with a credential for the tokens of this build. Returns it and its URL.
async fn start_gateway(app: &AppId) -> Result<(Gateway, String), Box<dyn Error>> {
    let gateway = Gateway::in_memory().start().await?;
    let (id, environment) = CertificateIds::linked()?.get("apns", Slot::Alert)?;
    let key = push_testkit::fixtures::apns_key(1);
    let (key_id, team_id, topic) = ("ABC123DEFG", "DEF123GHIJ", "com.example.im");
    let mut config = ApnsConfig::of_key(key, key_id, team_id, topic, environment);
    config.endpoint = Some("https://127.0.0.1:1".to_owned()); // nothing is sent in this example
    let upload = Upload::of(&config).with_id(id);
    gateway.add_credential(app, upload).await?;
    let settings = HttpSettings::default();
    let routes = router(&gateway, &settings, &[])?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { serve(listener, routes, &settings, pending()).await });
    Ok((gateway, url))
}
