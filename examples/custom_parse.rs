//! An app that inspects pushes itself: one interceptor only inspects them, another handles the app's own pushes.
//!
//! TUIOfflinePush: `processTUIOfflinePushNotification:`. `Handled::No` is its NO: the default goes on. `Handled::Yes` is its
//! YES: nothing is parsed and nothing is opened. Two things it does not have: the interceptor sees the whole payload, not the
//! entity alone, and it is asked on a cold start, too.
//!
//! Run it: `cargo run --example custom_parse`. App half and gateway are the real ones and speak HTTP on 127.0.0.1; a strict
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
//! For production, change what `auto_login` lists.
#![allow(clippy::print_stdout, reason = "an example prints what it does")]

mod support;

use std::{
    mem::take,
    sync::{Arc, Mutex, PoisonError},
};

use offline_push::{
    BUILTIN, Handled, Opened, certificate_id,
    client::{Event, HttpGateway, Navigate, Process, PushClient},
    http::HttpConfig,
    interceptor,
    login_auto::LoginCenter,
    payload::Payload,
    route_handler,
};
use serde_json::json;
use support::{ImServer, Iphone, Result, until};

// begin set-up
certificate_id!(apns, debug = 31287, release = 31288);

route_handler!("chat", Navigate::new(open_chat));

fn open_chat(user_id: &str, _group_id: &str) -> Opened {
    note(format!("chat with {user_id}"));
    Opened::Done
}

interceptor!("audit", order = -10, Process::new(audit));

fn audit(payload: &Payload) -> Handled {
    let everything = payload.raw();
    let sender = payload
        .entity(payload.shape().profile())
        .map_or("no sender".to_owned(), |entity| entity.sender);
    note(format!("saw {} keys, from {sender}", everything.len()));
    Handled::No
}

interceptor!("orders", Process::new(take_orders));

fn take_orders(payload: &Payload) -> Handled {
    let ext = payload.raw().get("ext").and_then(|it| it.as_str());
    if ext.is_none_or(|it| !it.contains("\"order\"")) {
        return Handled::No;
    }
    note("order".to_owned());
    Handled::Yes
}
// end set-up

/// The calls of the functions above, in order.
static NOTES: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn note(what: String) {
    println!("  {what}");
    NOTES
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(what);
}

fn notes() -> Vec<String> {
    take(&mut *NOTES.lock().unwrap_or_else(PoisonError::into_inner))
}

async fn start(im_server: &ImServer, phone: &Arc<Iphone>) -> Result<PushClient> {
    // begin set-up
    let gateway = HttpGateway::new(im_server.gateway_url(), HttpConfig::default())?;
    let builder = PushClient::linked(Arc::clone(phone) as _, Arc::new(gateway), BUILTIN)?
        .hooks(phone.callbacks())
        .state(phone.state());
    let client = builder.start().await?;
    // end set-up
    Ok(client)
}

#[tokio::main]
async fn main() -> Result {
    let im_server = ImServer::start().await?;
    let phone = im_server.new_iphone()?;
    let client = start(&im_server, &phone).await?;
    let mut events = client.subscribe();
    let account = im_server.authenticate("alice").await?;
    LoginCenter::shared().login(account).await?;
    until(&mut events, |it| matches!(it, Event::Uploaded { .. })).await?;
    phone.lock();
    until(&mut events, |it| matches!(it, Event::PresenceReported)).await?;

    println!("bob writes; no interceptor handles the click, and the chat opens");
    let hello = json!({
        "sender": {"user": "bob", "nickname": "Bob"},
        "elements": [{"type": "text", "text": "lunch at noon?"}],
    });
    im_server.send(hello).await?;
    phone.notification().await?;
    phone.tap(true)?;
    until(
        &mut events,
        |it| matches!(it, Event::Opened { by, .. } if by == "chat"),
    )
    .await?;
    // `aps`, `ext` and the delivery's id.
    assert_eq!(notes(), ["saw 4 keys, from bob", "chat with bob"]);

    println!(
        "a push about an order, whose payload also names bob's chat: the app handles the click"
    );
    let ext = json!({
        "order": 42,
        "entity": {"version": 1, "action": 1, "chatType": 1, "sender": "bob"},
    });
    let order = json!({
        "kind": "push",
        "push": {"title": "Order 42", "desc": "is on its way", "ext": ext.to_string()},
    });
    im_server.send(order.clone()).await?;
    phone.notification().await?;
    phone.tap(true)?;
    until(
        &mut events,
        |it| matches!(it, Event::Intercepted { by } if by == "orders"),
    )
    .await?;
    assert_eq!(notes(), ["saw 4 keys, from bob", "order"]);
    assert_eq!(client.counts().get("opened"), Some(&1));

    println!("the same on a cold start: the app was killed, and the click starts it");
    client.close().await;
    im_server.send(order).await?;
    phone.notification().await?;
    let client = start(&im_server, &phone).await?;
    let mut events = client.subscribe();
    phone.tap(false)?;
    until(
        &mut events,
        |it| matches!(it, Event::Intercepted { by } if by == "orders"),
    )
    .await?;
    assert_eq!(notes(), ["saw 4 keys, from bob", "order"]);
    assert_eq!(client.counts().get("opened"), None);

    client.close().await;
    im_server.stop().await;
    Ok(())
}
