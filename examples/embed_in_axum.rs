//! An axum program, as an IM server may be, that embeds the gateway: one process, one listener, one shutdown.
//!
//! The program keeps its own routes and state, and submits messages in process. The gateway's routes are nested below
//! `/push`: phones call them with the ticket that the program's login returned.
//!
//! Run it: `cargo run --example embed_in_axum`. A simulator on 127.0.0.1 replaces Apple and has the phone; the app half
//! on that phone is the real one.
//!
//! ```toml
//! [dependencies]
//! axum = { version = "0.8", default-features = false, features = ["http1", "json", "tokio"] }
//! http = "1"
//! offline-push = { version = "0.1", default-features = false, features = [
//!     "gateway", "provider-apns", "queue-memory", "store-memory"] }
//! serde_json = "1"
//! tokio = { version = "1", features = ["macros", "net", "rt-multi-thread", "sync", "time"] }
//!
//! # For the phone and Apple, which are elsewhere.
//! [dev-dependencies]
//! offline-push = { version = "0.1", default-features = false, features = ["client", "simulators"] }
//! ```
//!
//! For production, change:
//! - what `minimal_stack` lists: the sqlite store and queue, the credential, the master key;
//! - `/login` and `/chat`, which authenticate no caller, and put TLS in front of the program;
//! - `axum::serve`, if nothing in front bounds connections: `gateway::http::serve` serves any router, and does;
//! - the shutdown to `tokio::signal::ctrl_c`. `story` goes: phones and people are elsewhere.
#![allow(clippy::print_stdout, reason = "an example prints what it does")]

use std::{error::Error, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::post,
};
use http::{Request, StatusCode, header};
use offline_push::{
    Account, AppId, CertificateId, Clock, DeviceId, Environment, Gateway as _, Message, Presence,
    Secret, Slot, UserId,
    api::PresenceBody,
    client::{GatewayApi, HttpGateway},
    gateway::{
        Gateway, Upload,
        http::{HttpSettings, router},
    },
    http::{Client, HttpClient, HttpConfig, TokioClock},
    provider::apns::simulator::{Options, Simulator},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::oneshot, time::timeout};

/// The program's own state; the gateway is a part of it.
#[derive(Clone, Debug)]
struct Im {
    app: AppId,
    gateway: Gateway,
}

/// The program's login. It returns the ticket with which the phone registers for its user at the gateway.
async fn login(State(im): State<Im>, Path(user): Path<UserId>) -> Result<String, Refusal> {
    let day = Duration::from_secs(24 * 60 * 60);
    let (ticket, _) = im.gateway.issue_ticket(&im.app, &user, day)?;
    Ok(ticket.expose().to_owned())
}

/// The program's route to send a message; connected users get it by another way.
async fn chat(State(im): State<Im>, Json(message): Json<Message>) -> Result<Json<Value>, Refusal> {
    let submitted = im.gateway.submit(&im.app, vec![message]).await?.remove(0);
    Ok(Json(
        json!({"pushes": submitted.deliveries.len(), "skipped": submitted.skipped}),
    ))
}

/// An error of the gateway, as this program answers it.
struct Refusal(offline_push::Error);

impl From<offline_push::Error> for Refusal {
    fn from(error: offline_push::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (StatusCode::SERVICE_UNAVAILABLE, self.0.to_string()).into_response()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let apple = Simulator::start(Options::default()).await?;
    let app = AppId::new("im")?;
    let gateway = gateway(&app, &apple).await?;

    let im = Im {
        app,
        gateway: gateway.clone(),
    };
    let program = Router::new()
        .route("/login/{user}", post(login))
        .route("/chat", post(chat))
        .with_state(im)
        .nest("/push", router(&gateway, &HttpSettings::default(), &[])?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = axum::serve(listener, program)
        .with_graceful_shutdown(async { drop(stopped.await) })
        .into_future();
    let serving = tokio::spawn(serving);

    story(&url, &apple).await?;

    // Stops requests first, then pushes: waits for those at the vendor, and leaves the others in the queue.
    drop(stop);
    timeout(Duration::from_secs(10), serving).await???;
    gateway.shutdown().await;
    println!("the program has answered every request and ends");
    Ok(())
}

/// Alice logs in and locks the screen; bob writes to her; her phone shows it.
async fn story(url: &str, apple: &Simulator) -> Result<(), Box<dyn Error>> {
    let people = Client::new(HttpConfig::default(), Arc::new(TokioClock))?;
    let call = async |path: &str, body: Value| -> Result<String, Box<dyn Error>> {
        let request = Request::post(format!("{url}{path}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.to_string().into())?;
        let response = people.send(request).await?;
        assert_eq!(response.status(), StatusCode::OK);
        Ok(String::from_utf8(response.into_body().into())?)
    };
    let alice = Account::new(
        AppId::new("im")?,
        UserId::new("alice")?,
        Secret::new(call("/login/alice", json!({})).await?),
    );
    println!("the program's login returned a ticket to alice's phone");

    // On a real phone `PushClient` does this.
    let iphone = apple.install("com.example.im", Environment::Production);
    let phone = HttpGateway::new(&format!("{url}/push"), HttpConfig::default())?;
    let device = DeviceId::new("alice's phone")?;
    let token = iphone.registration(CertificateId::new(31288)?);
    let registered = phone.register(&alice, &device, Slot::Alert, &token).await?;
    assert!(registered.changed && registered.warning.is_none());
    let locked = PresenceBody::new(Presence::Background, TokioClock.now())
        .with_now(TokioClock.now())
        .with_unread(0);
    phone.presence(&alice, &device, &locked, &[]).await?;
    println!("it registered below /push");

    let message = json!({
        "id": "m-1",
        "sender": {"user": "bob", "nickname": "Bob"},
        "receivers": ["alice"],
        "elements": [{"type": "text", "text": "lunch at noon?"}],
    });
    let answer = call("/chat", message).await?;
    println!("bob wrote to her, and the program answered {answer}");
    assert_eq!(answer, r#"{"pushes":1,"skipped":[]}"#);
    let arrival = timeout(Duration::from_secs(10), iphone.wait_for(1)).await?;
    let body = arrival.as_ref().and_then(|it| it.body());
    println!("her phone shows: {}", body.unwrap_or_default());
    assert_eq!(body, Some("Bob:lunch at noon?"));
    Ok(())
}

/// As in `minimal_stack`.
async fn gateway(app: &AppId, apple: &Simulator) -> Result<Gateway, Box<dyn Error>> {
    // The simulator listens on this machine.
    let gateway = Gateway::in_memory().allow_loopback().start().await?;
    let upload = Upload::of(&apple.credential("com.example.im", Environment::Production))
        .with_id(CertificateId::new(31288)?);
    gateway.add_credential(app, upload).await?;
    Ok(gateway)
}
