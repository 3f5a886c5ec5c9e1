//! The whole way of a push in twenty lines: a gateway, a vendor, a phone, a message.
//!
//! Run it: `cargo run --example first_push`. Nothing leaves this machine: a simulator on 127.0.0.1 replaces Apple, and has the
//! phone that shows the push. What it leaves out is in `minimal_stack`: ids that stay, presence, the trace, and what to change
//! for production.
//!
//! ```toml
//! [dependencies]
//! offline-push = { version = "0.1", default-features = false, features = [
//!     "gateway", "provider-apns", "queue-memory", "simulators", "store-memory"] }
//! tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
//! ```
#![allow(clippy::print_stdout, reason = "an example prints what it does")]

use offline_push::{prelude::*, provider::apns::simulator::Simulator};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let apple = Simulator::start(Default::default()).await?;
    let iphone = apple.install("com.example.im", Environment::Production);
    let gateway = Gateway::in_memory().allow_loopback().start().await?;

    let (app, alice, phone) = ("im".parse()?, "alice".parse()?, "phone".parse()?);
    let key = Upload::of(&apple.credential("com.example.im", Environment::Production));
    let token = iphone.registration(gateway.add_credential(&app, key).await?.id);
    let registered = gateway.register(&app, &alice, &phone, Slot::Alert, token);
    registered.await?;
    let locked = PresenceChange::new(alice.clone(), Presence::Background, gateway.now());
    gateway.set_presence(&app, vec![locked]).await?;

    let message = Message::new(MessageId::new("m-1")?, Audience::user(alice));
    let message = message.with_text("lunch at noon?");
    gateway.submit(&app, vec![message]).await?;
    let arrival = iphone.wait_for(1).await.ok_or("the phone is gone")?;
    println!("the phone shows: {}", arrival.body().ok_or("no text")?);
    Ok(())
}
