//! An app that defines the navigation of a click: to the tab with the conversations, and from its list to the chat.
//!
//! TUIOfflinePush: `navigateToTUIChatViewController:groupID:` with the steps of its sample. Where that sample returns because
//! the main view does not exist yet ("still logging in"), and loses the click, this one returns `NotReady`: the click
//! waits, and the chat opens when the app calls `ready`. Calls and the support team's chat have handlers of their own.
//!
//! Run it: `cargo run --example custom_jump`. App half and gateway are the real ones and speak HTTP on 127.0.0.1; a strict
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
//! For production, change what `auto_login` lists, and `Window` to your app's views. Handlers are called where the phone's
//! `Platform::on_main` runs them: the thread on which views may be touched.
#![allow(clippy::print_stdout, reason = "an example prints what it does")]

mod support;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use offline_push::{
    BUILTIN, Click, Opened, RouteHandler, certificate_id,
    client::{AnswerCall, Event, HttpGateway, Navigate, PushClient},
    http::HttpConfig,
    login_auto::LoginCenter,
    payload::{CallTarget, ClickTarget, Entity, Ext},
    route_handler,
};
use serde_json::{Value, json};
use support::{ImServer, Iphone, Result, until};

// begin set-up
certificate_id!(apns, debug = 31287, release = 31288);

route_handler!("chat", Navigate::new(open_chat));

fn open_chat(user_id: &str, group_id: &str) -> Opened {
    let mut window = window();
    let Some(tabs) = window.main_controller() else {
        return Opened::NotReady; // still logging in: the click waits
    };
    tabs.selected = 0;
    if tabs.first_tab.first() != Some(&Page::Conversations) {
        return Opened::Failed("the first tab does not begin with the conversations".to_owned());
    }
    tabs.first_tab.push(if group_id.is_empty() {
        Page::ChatWith(user_id.to_owned())
    } else {
        Page::Group(group_id.to_owned())
    });
    Opened::Done
}
// end set-up

// Calls never open a chat: they have handlers of their own.
route_handler!("call", AnswerCall::new(answer_call));

fn answer_call(call: &CallTarget) -> Opened {
    window().call_from = call.user.as_ref().map(ToString::to_string);
    Opened::Done
}

// A handler as its own type. Its order is lower than 0, so it is called before "chat".
route_handler!("support", order = -10, SupportPage);

#[derive(Debug)]
struct SupportPage;

impl RouteHandler for SupportPage {
    fn matches(&self, target: &ClickTarget) -> bool {
        target.navigate_ids() == Some(("support", ""))
    }
    fn open(&self, _click: &Click) -> Opened {
        let mut window = window();
        let Some(tabs) = window.main_controller() else {
            return Opened::NotReady;
        };
        tabs.selected = 2;
        Opened::Done
    }
}

/// The app's views that this example needs.
#[derive(Debug)]
struct Window {
    tabs: Option<Tabs>,
    call_from: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Tabs {
    selected: usize,
    first_tab: Vec<Page>,
}

#[derive(Debug, PartialEq, Eq)]
enum Page {
    Conversations,
    ChatWith(String),
    Group(String),
}

impl Window {
    /// Returns the view with the tabs; `None` while the app shows its splash screen.
    const fn main_controller(&mut self) -> Option<&mut Tabs> {
        self.tabs.as_mut()
    }

    fn show_main_controller(&mut self) {
        self.tabs = Some(Tabs {
            selected: 0,
            first_tab: vec![Page::Conversations],
        });
    }
}

static WINDOW: Mutex<Window> = Mutex::new(Window {
    tabs: None,
    call_from: None,
});

fn window() -> MutexGuard<'static, Window> {
    WINDOW.lock().unwrap_or_else(PoisonError::into_inner)
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

    // Alice has used the app before. Then iOS killed it.
    let client = start(&im_server, &phone).await?;
    let mut events = client.subscribe();
    let account = im_server.authenticate("alice").await?;
    LoginCenter::shared().login(account).await?;
    until(&mut events, |it| matches!(it, Event::Uploaded { .. })).await?;
    phone.lock();
    until(&mut events, |it| matches!(it, Event::PresenceReported)).await?;
    client.close().await;

    println!("a click on bob's message starts the app, which has only its splash screen yet");
    let message = json!({
        "sender": {"user": "bob", "nickname": "Bob"},
        "elements": [{"type": "text", "text": "lunch at noon?"}],
    });
    im_server.send(message.clone()).await?;
    phone.notification().await?;
    let client = start(&im_server, &phone).await?;
    let mut events = client.subscribe();
    phone.tap(false)?;
    until(
        &mut events,
        |it| matches!(it, Event::NotReady { by } if by == "chat"),
    )
    .await?;
    until(&mut events, |it| matches!(it, Event::ClickPending(_))).await?;
    assert_eq!(client.counts().get("opened"), None);

    println!("the main view has appeared: the chat with bob opens, once");
    window().show_main_controller();
    client.ready();
    until(&mut events, opened_by("chat")).await?;
    let bob = Page::ChatWith("bob".to_owned());
    assert_eq!(
        window().tabs.as_ref().map(|it| &it.first_tab),
        Some(&vec![Page::Conversations, bob])
    );

    println!(
        "she is at another tab; a click on a group's message leads to the first one and to the group"
    );
    window().show_main_controller();
    window().main_controller().ok_or("no tabs")?.selected = 1;
    let mut in_group = message.clone();
    in_group["group"] = json!({"id": "@TGS#friends", "name": "Friends"});
    click_on(&im_server, &phone, in_group).await?;
    until(&mut events, opened_by("chat")).await?;
    let friends = Page::Group("@TGS#friends".to_owned());
    assert_eq!(
        window().tabs,
        Some(Tabs {
            selected: 0,
            first_tab: vec![Page::Conversations, friends]
        })
    );

    println!("a click on a call goes to its own handler and opens no chat");
    let call = Ext::new(Entity::for_user_message("bob", "Bob", "", "").calling());
    let mut calling = message.clone();
    calling["push"] = json!({"desc": "Bob is calling", "ext": call.to_json_string()});
    click_on(&im_server, &phone, calling).await?;
    until(&mut events, opened_by("call")).await?;
    assert_eq!(window().call_from.as_deref(), Some("bob"));

    println!("a click on a message of the support team: its handler is called before \"chat\"");
    let mut support = message;
    support["sender"] = json!({"user": "support", "nickname": "Support"});
    click_on(&im_server, &phone, support).await?;
    until(&mut events, opened_by("support")).await?;
    assert_eq!(window().main_controller().map(|it| it.selected), Some(2));
    assert_eq!(client.counts().get("opened"), Some(&4));

    client.close().await;
    im_server.stop().await;
    Ok(())
}

async fn click_on(im_server: &ImServer, phone: &Iphone, message: Value) -> Result {
    im_server.send(message).await?;
    phone.notification().await?;
    phone.tap(true)
}

fn opened_by(handler: &str) -> impl Fn(&Event) -> bool + Send + Sync {
    move |event| matches!(event, Event::Opened { by, .. } if by == handler)
}
