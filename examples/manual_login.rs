//! An app that reports its logins and logouts itself: `register_service` and `unregister_service`.
//!
//! TUIOfflinePush: `registerService` in `onLoginSuccess` and `unregisterService` in `onLogoutSuccess`, for apps that do not log
//! in by `TUILogin`. Here, too, two calls are all: one where the login has succeeded, one where the logout has.
//!
//! Run it: `cargo run --example manual_login`. App half and gateway are the real ones and speak HTTP on 127.0.0.1; a strict
//! simulator replaces Apple and has the phone.
//!
//! ```toml
//! [dependencies]
//! offline-push = { version = "0.1", default-features = false, features = ["client", "login-manual"] }
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
//! For production, change what `auto_login` lists.
#![allow(clippy::print_stdout, reason = "an example prints what it does")]

mod support;

use std::sync::Arc;

use offline_push::{
    Account, BUILTIN, Opened, certificate_id,
    client::{Event, HttpGateway, Navigate, PushClient, SlotState, TokenError},
    http::HttpConfig,
    login_manual::ManualLogin,
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

/// Called by the app's login when it has succeeded.
fn on_login_success(account: Account) {
    ManualLogin::shared().register_service(account);
}

/// Called by the app's logout when it has succeeded.
fn on_logout_success() {
    ManualLogin::shared().unregister_service();
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

    // The app's own login has succeeded; until the app reports it, nothing is requested from the phone.
    let account = im_server.authenticate("alice").await?;
    let waits = SlotState::Waiting(TokenError::NotLoggedIn);
    assert_eq!(client.slot(offline_push::Slot::Alert), waits);
    on_login_success(account.clone());
    until(&mut events, |it| matches!(it, Event::Uploaded { .. })).await?;
    println!("the app reported that alice logged in, and the gateway has her phone's token");

    phone.lock();
    until(&mut events, |it| matches!(it, Event::PresenceReported)).await?;
    im_server.send(hello.clone()).await?;
    println!(
        "the screen is locked; it shows {:?}",
        phone.notification().await?.body()
    );
    phone.tap(true)?;
    until(
        &mut events,
        |it| matches!(it, Event::Opened { by, .. } if by == "chat"),
    )
    .await?;

    on_logout_success();
    until(
        &mut events,
        |it| matches!(it, Event::Unbound(user) if *user == account.user),
    )
    .await?;
    let sent = im_server.send(hello).await?;
    assert_eq!(sent["skipped"][0]["reason"], "offline");
    assert_eq!(sent["deliveries"], json!([]));
    println!("the app reported that she logged out; the next message is not pushed");

    client.close().await;
    im_server.stop().await;
    Ok(())
}
