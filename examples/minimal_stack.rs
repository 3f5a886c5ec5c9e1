//! A server with one vendor: a credential, a phone, a push and its trace.
//!
//! Run it: `cargo run --example minimal_stack`. Nothing leaves this machine: a simulator on 127.0.0.1 replaces Apple. It
//! is as strict as the service, and it has the phone that shows the push.
//!
//! ```toml
//! [dependencies]
//! offline-push = { version = "0.1", default-features = false, features = [
//!     "gateway", "provider-apns", "queue-memory", "simulators", "store-memory"] }
//! serde_json = "1"
//! tokio = { version = "1", features = ["macros", "rt-multi-thread", "time"] }
//! ```
//!
//! For production, change:
//! - `memory` to `sqlite`, in the features and below, as in `.store_with("sqlite", json!({"path": "push.db"}))`: memory
//!   forgets at every restart;
//! - the credential: `ApnsConfig::of_key` with your own key, key id, team id, bundle id and environment, and no `simulators`;
//! - the master key: generate one, keep it, and pass it at every start with `.master_key(…)`. Only it can open the sealed
//!   credentials;
//! - the in-process calls to the HTTP API, where phones and IM server are other programs: see `embed_in_axum`.
#![allow(clippy::print_stdout, reason = "an example prints what it does")]

use std::{error::Error, time::Duration};

use offline_push::{
    prelude::*,
    provider::apns::simulator::{Options, Simulator},
};
use serde_json::json;
use tokio::time::timeout;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Apple, and a phone on which the app is installed.
    let apple = Simulator::start(Options::default()).await?;
    let iphone = apple.install("com.example.im", Environment::Production);

    // The gateway: plugins by name from what the features linked, a key, and defaults for the rest.
    let gateway = Gateway::builder()
        .store("memory")
        .queue("memory")
        .temporary_master_key()
        // The simulator listens on this machine.
        .allow_loopback()
        .start()
        .await?;

    // The credential, under the number that the app's `certificate_id!` will name.
    let app = AppId::new("im")?;
    let certificate = CertificateId::new(31288)?;
    let key = apple.credential("com.example.im", Environment::Production);
    let upload = Upload::of(&key)
        .with_id(certificate)
        .with_label("released app");
    let credential = gateway.add_credential(&app, upload).await?;
    println!(
        "credential {} sends by {}",
        credential.id, credential.channel
    );

    // The requests of the app half when alice logs in, and when she locks the screen.
    let (alice, device) = (UserId::new("alice")?, DeviceId::new("alice's phone")?);
    let token = iphone.registration(certificate);
    let registered = gateway.register(&app, &alice, &device, Slot::Alert, token);
    let registered = registered.await?;
    assert!(registered.warning.is_none(), "{registered:?}");
    let locked = PresenceChange::new(alice.clone(), Presence::Background, gateway.now())
        .on(device)
        .with_badge(0);
    gateway.set_presence(&app, vec![locked]).await?;

    // The IM server's request when bob writes to her: the same JSON that `POST /v1/messages` accepts.
    let message: Message = serde_json::from_value(json!({
        "id": "m-1",
        "sender": {"user": "bob", "nickname": "Bob"},
        "receivers": ["alice"],
        "elements": [{"type": "text", "text": "lunch at noon?"}],
    }))?;
    let submitted = gateway.submit(&app, vec![message]).await?.remove(0);
    let [delivery] = submitted.deliveries.as_slice() else {
        return Err(format!("no push, because of {:?}", submitted.skipped).into());
    };

    let arrival = timeout(Duration::from_secs(10), iphone.wait_for(1)).await?;
    let arrival = arrival.ok_or("the phone does not exist any more")?;
    println!(
        "alice's phone shows: {}",
        arrival.body().unwrap_or_default()
    );
    assert_eq!(arrival.body(), Some("Bob:lunch at noon?"));
    assert_eq!(arrival.apns_id, delivery.id.to_string());

    // Waits for the vendor's answer, so that the trace is complete.
    gateway.shutdown().await;
    let trace = gateway.trace_of_delivery(&app, delivery.id).await?;
    let stages: Vec<&str> = trace.iter().map(|it| it.stage.as_str()).collect();
    println!("the stages of the push: {}", stages.join(", "));
    assert_eq!(stages.last(), Some(&"settled"));
    Ok(())
}
