//! The app half of offline push: it lives in the app, registers the device with login and logout, and turns a click on a
//! notification into a jump to the right chat.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use push_client::{FileState, GatewayApi, Phone, PushClient};
//! use push_core::{Click, Opened, RouteHandler, certificate_id, payload::ClickTarget, route_handler};
//!
//! certificate_id!(apns, debug = 31287, release = 31288);
//!
//! #[derive(Debug, Default)]
//! struct OpenChat;
//! impl RouteHandler for OpenChat {
//!     fn matches(&self, target: &ClickTarget) -> bool {
//!         target.navigate_ids().is_some()
//!     }
//!     fn open(&self, click: &Click) -> Opened {
//!         // Go to the conversation, or `Opened::NotReady` while the app is still starting.
//!         Opened::Done
//!     }
//! }
//! route_handler!("chat", OpenChat);
//!
//! # async fn f(phone: Arc<dyn Phone>, gateway: Arc<dyn GatewayApi>) -> push_core::Result<()> {
//! let client = PushClient::linked(phone, gateway, &[])?
//!     .state(FileState::new("/path/in/the/app/push.json"))
//!     .start()
//!     .await?;
//! # Ok(()) }
//! ```
//!
//! # What happens when
//!
//! - **Before the first login** the client requests nothing from the user, the phone or the network (S36). Clicks wait; tokens
//!   are stored.
//! - **At a login** that a bridge reports, the client starts a generation, observes the platform's callbacks, requests the extra
//!   tokens (VoIP), permission and the alert token, and then opens the waiting click (S37). It uploads each token as soon as the
//!   platform returns it, retries until the gateway has it (S54), and does not upload an unchanged token again (S38, S55).
//! - **At a logout**, kick or expiry the client unbinds the device. Without network it does so later, even after a restart (S47).
//! - **A click** passes the interceptors, is parsed, waits until its account is logged in, and is opened once. The arrival of a
//!   push opens nothing.
//! - **Arrivals and clicks** are reported to the gateway in receipts that are signed with the key of this device, independent of
//!   the current login. While the app is not running, a [`NotificationExtension`] reports arrivals.
//!
//! [`PushClient::slot`] returns how far a token has come, and [`PushClient::subscribe`] returns every [`Event`].

mod builder;
mod click;
mod client;
mod clock;
mod completion;
mod event;
mod extension;
mod gateway;
mod handlers;
mod health;
mod hooks;
#[cfg(feature = "http")]
mod http;
mod maker;
mod outbox;
mod phone;
mod receipts;
mod router;
mod session;
mod settings;
mod shared;
mod state;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod token;
mod upload;

#[cfg(feature = "http")]
pub use crate::http::HttpGateway;
pub use crate::{
    builder::Builder,
    click::{ClickSource, delivery_of},
    client::PushClient,
    clock::SystemClock,
    completion::{Completed, Completion, Deferral},
    event::{Dropped, Event},
    extension::{Acknowledged, NotificationExtension},
    gateway::{GatewayAddress, GatewayApi, GatewayError, GatewayErrorKind},
    handlers::{AnswerCall, Navigate, Process},
    hooks::{HostEvent, HostHooks, HostObserver},
    maker::AndroidMaker,
    phone::{Job, Permission, Phone, Responder, Token, TokenAnswer},
    settings::Settings,
    store::{FileState, MemoryState, StateStore},
    token::{MAX_LOGIN_DATA_BYTES, SlotState, TokenError},
};

/// The examples of the README are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
