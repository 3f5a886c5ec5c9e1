//! An app that calls nothing: certificate ids, one route handler, a dependency with `login-auto`, and its own login.
//!
//! TUIOfflinePush: steps 1 to 3 of its guide, that is the Podfile, `TUIOfflinePushCertificateIDForAPNS` in the AppDelegate and
//! `navigateToTUIChatViewController:groupID:`, with `TUILogin`, which the component observes.
//!
//! Run it: `cargo run --example auto_login`. App half and gateway are the real ones and speak HTTP on 127.0.0.1; a strict
//! simulator replaces Apple and has the phone.
//!
//! ```toml
//! [dependencies]
//! offline-push = { version = "0.1", default-features = false, features = ["client", "login-auto"] }
//! tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
//!
//! # For `support`, which plays the rest of the world.
//! [dev-dependencies]
//! http = "1"
//! offline-push = { version = "0.1", default-features = false, features = [
//!     "gateway", "provider-apns", "queue-memory", "simulators", "store-memory"] }
//! serde_json = "1"
//! tokio = { version = "1", features = ["net", "sync", "time"] }
//! ```
//!
//! For production, change:
//! - the two numbers to the ids that the gateway gave your credentials;
//! - the parts from `support`: the phone to code that calls the real one and passes its callbacks on, the file to one in the app's
//!   private folder, and the URL to that of your gateway, with https;
//! - the account: its ticket comes from the IM server with the login, as `POST /v1/tickets` gave it;
//! - `LoginCenter` to your own login, if the app has one: `custom_login_bridge` shows how, `manual_login` a simpler way.
#![allow(clippy::print_stdout, reason = "an example prints what it does")]

mod support;

use std::sync::Arc;

use offline_push::{
    BUILTIN, Opened, certificate_id,
    client::{Event, HttpGateway, Navigate, PushClient},
    http::HttpConfig,
    login_auto::LoginCenter,
    payload::ClickTarget,
    route_handler,
};
use serde_json::json;
use support::{ImServer, Result, until};

// begin set-up
certificate_id!(apns, debug = 31287, release = 31288);

route_handler!("chat", Navigate::new(open_chat));

fn open_chat(user_id: &str, group_id: &str) -> Opened {
    println!("the app opens the chat with user {user_id:?}, group {group_id:?}");
    Opened::Done
}
// end set-up

#[tokio::main]
async fn main() -> Result {
    let im_server = ImServer::start().await?;
    let phone = im_server.new_iphone()?;

    // begin set-up
    let gateway = HttpGateway::new(im_server.gateway_url(), HttpConfig::default())?;
    let client = PushClient::linked(Arc::clone(&phone) as _, Arc::new(gateway), BUILTIN)?
        .hooks(phone.callbacks())
        .state(phone.state())
        .start()
        .await?;
    // end set-up
    let mut events = client.subscribe();
    let hello = json!({
        "sender": {"user": "bob", "nickname": "Bob"},
        "elements": [{"type": "text", "text": "lunch at noon?"}],
    });

    let sent = im_server.send(hello.clone()).await?;
    assert_eq!(sent["skipped"][0]["reason"], "never-registered");
    println!(
        "before the login nothing was requested from the phone, and the gateway does not know it"
    );

    let account = im_server.authenticate("alice").await?;
    LoginCenter::shared().login(account).await?;
    until(&mut events, |it| {
        matches!(it, Event::Uploaded { warning: None, .. })
    })
    .await?;
    println!("alice logged in; nothing else was called, and the gateway has her phone's token");

    phone.lock();
    until(&mut events, |it| matches!(it, Event::PresenceReported)).await?;
    im_server.send(hello.clone()).await?;
    let shown = phone.notification().await?;
    assert_eq!(shown.body(), Some("Bob:lunch at noon?"));
    println!("the screen is locked; it shows {:?}", shown.body());

    phone.tap(true)?;
    until(&mut events, |it| match it {
        Event::Opened { by, target } => by == "chat" && is_bob(target),
        _ => false,
    })
    .await?;

    LoginCenter::shared().logout().await?;
    until(&mut events, |it| matches!(it, Event::Unbound(_))).await?;
    let sent = im_server.send(hello).await?;
    assert_eq!(sent["skipped"][0]["reason"], "offline");
    assert_eq!(sent["deliveries"], json!([]));
    println!("she logged out; the next message is not pushed");

    client.close().await;
    im_server.stop().await;
    Ok(())
}

fn is_bob(target: &ClickTarget) -> bool {
    target.navigate_ids() == Some(("bob", ""))
}
