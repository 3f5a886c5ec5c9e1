//! What an app writes to open clicked notifications: certificate ids, route handlers, interceptors.
//!
//! Steps 2 and 3 of the guide, and its custom parsing. Each is one macro, anywhere in the app's crate; the client finds
//! them by itself. Shown here: a click that started the app waits for the login, and then for the main view; handlers and
//! interceptors are asked by order, then by name; a push about an order is taken over and opens no chat.
//!
//! Run it: `cargo run --example custom_route_and_interceptor`. Clicks need no network: the phone is in airplane mode, and
//! nobody listens at the gateway's address.
//!
//! The dependencies of such an app, besides tokio and serde_json:
//!
//! ```toml
//! offline-push = { version = "0.1", default-features = false, features = ["client", "login-auto"] }
//! ```
//!
//! For production, change:
//! - the handlers to what goes to your app's views, and the payloads to those that the phone's system hands over;
//! - the two numbers, the phone, the URL and the state, as `manual_login` says;
//! - the login: a bridge reports it, so `without_bridge` and `session` go.
#![allow(clippy::print_stdout, reason = "an example tells what it does")]

use std::{
    error::Error,
    mem::take,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool, atomic::Ordering::Relaxed},
    time::Duration,
};

use offline_push::{
    Account, AppId, Channel, Click, Handled, Opened, RouteHandler, Secret, Slot, UserId,
    certificate_id,
    client::{
        Completion, Door, Event, HttpGateway, MemoryState, Navigate, Permission, Platform, Process,
        PushClient, Responder, TokenAnswer,
    },
    interceptor,
    payload::{ClickTarget, Entity, Ext, Payload},
    route_handler,
};
use serde_json::json;
use tokio::{sync::broadcast::Receiver, time::timeout};

// Step 2: the numbers that uploading the credentials printed. The kind of build decides which one counts.
certificate_id!(apns, debug = 31287, release = 31288);

// Step 3: opens chats. Exactly one of the two ids is not empty.
route_handler!("chat", Navigate::new(open_chat));

fn open_chat(user_id: &str, group_id: &str) -> Opened {
    note("chat");
    if !MAIN_VIEW_IS_THERE.load(Relaxed) {
        return Opened::NotReady; // kept until the app says `ready`
    }
    println!("  opens the chat with user {user_id:?}, group {group_id:?}");
    Opened::Done
}

// A handler as a type of its own. Its order is lower than 0, so it is asked before "chat".
route_handler!("support", order = -10, SupportPage);

#[derive(Debug)]
struct SupportPage;

impl RouteHandler for SupportPage {
    fn matches(&self, target: &ClickTarget) -> bool {
        target.navigate_ids() == Some(("support", ""))
    }
    fn open(&self, click: &Click) -> Opened {
        note("support");
        println!("  opens the support team's page for {}", click.user);
        Opened::Done
    }
}

// Custom parsing: sees the payload before anything is parsed, and may take it over.
interceptor!("orders", Process::new(take_orders));

fn take_orders(payload: &Payload) -> Handled {
    note("orders");
    let Some(order) = payload.raw().get("order") else {
        return Handled::No; // go on as if nobody had looked
    };
    println!("  opens the page of order {order}");
    Handled::Yes
}

// One that only looks, before the others.
interceptor!("audit", order = -10, Process::new(audit));

fn audit(_payload: &Payload) -> Handled {
    note("audit");
    Handled::No
}

static MAIN_VIEW_IS_THERE: AtomicBool = AtomicBool::new(false);
static NOTES: Mutex<Vec<&str>> = Mutex::new(Vec::new());

/// Remembers who was asked.
fn note(who: &'static str) {
    NOTES
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(who);
}

/// Who was asked since the last time, in order.
fn asked() -> Vec<&'static str> {
    let asked = take(&mut *NOTES.lock().unwrap_or_else(PoisonError::into_inner));
    println!("  asked: {}", asked.join(", "));
    asked
}

/// A phone that has no token to give; see `manual_login` for one that has.
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
        answer.answer(Err("airplane mode".to_owned()));
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let nobody = Arc::new(HttpGateway::new("http://127.0.0.1:1", Default::default())?);
    let client = PushClient::linked(Arc::new(Iphone), nobody, offline_push::BUILTIN)?
        .without_bridge()
        .state(MemoryState::default())
        .start()
        .await?;
    let mut events = client.subscribe();
    let from = |user| Ext::new(Entity::for_user_message(user, "", "", "hello")).to_json_string();
    let clicked =
        |payload| client.clicked(Door::Response, Payload::apns(payload), Completion::none());

    println!("a click on bob's message starts the app; nobody is logged in");
    client.launched(Payload::apns(json!({"aps": {}, "ext": from("bob")})));
    until(&mut events, |it| matches!(it, Event::ClickPending(_))).await?;
    assert_eq!(asked(), ["audit", "orders"]);

    println!("alice logs in; the main view is still being built");
    let alice = Account {
        app: AppId::new("im")?,
        user: UserId::new("alice")?,
        credential: Secret::new("a-ticket-of-the-im-server"),
    };
    client.session().register(alice, "example").await?;
    until(&mut events, |it| matches!(it, Event::ClickPending(_))).await?;
    assert_eq!(asked(), ["chat"]);

    println!("the main view is there: the chat with bob opens");
    MAIN_VIEW_IS_THERE.store(true, Relaxed);
    client.ready();
    until(
        &mut events,
        |it| matches!(it, Event::Opened { by, .. } if by == "chat"),
    )
    .await?;
    assert_eq!(asked(), ["chat"]);

    println!("a click on a message of the support team opens its page");
    clicked(json!({"aps": {}, "ext": from("support")}));
    until(
        &mut events,
        |it| matches!(it, Event::Opened { by, .. } if by == "support"),
    )
    .await?;
    assert_eq!(asked(), ["audit", "orders", "support"]);

    println!("a click on a push about order 42 is taken over");
    clicked(json!({"aps": {}, "order": 42, "ext": from("bob")}));
    until(
        &mut events,
        |it| matches!(it, Event::Intercepted { by } if by == "orders"),
    )
    .await?;
    assert_eq!(asked(), ["audit", "orders"]);

    client.close().await;
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
