//! The app half of offline push for other languages: one interface, from which UniFFI writes Swift, Kotlin and Python.
//!
//! It is [`push_client`] with what a foreign language needs in between: records and enums instead of Rust's types, objects that
//! own their runtime, and the app's callbacks as traits that it implements. What the words mean is said there.
//!
//! | here | is |
//! |---|---|
//! | [`Config`] | what the app knows when it starts: the gateway, its certificate ids, the file for its state |
//! | [`Platform`] | the phone: permission, tokens, the badge, the main thread |
//! | [`RouteHandler`], [`CallHandler`] | the app's functions that open a chat and answer a call |
//! | [`Interceptor`] | sees a clicked payload first, and may take it over |
//! | [`EventListener`] | hears everything that happens |
//! | [`PushClient`] | the client, with the manual bridge: `register_service`, `unregister_service` |
//! | [`NotificationExtension`] | tells that a push arrived, from the process that the system starts for it |
//! | [`LoginCenter`] | the automatic bridge: the app logs in and out there, and push follows |
//!
//! Nothing here registers itself at link time: in a static library the linker would drop it. Everything is handed over by
//! [`PushClient::start`].
//!
//! # Threads
//!
//! Every method may be called from any thread, also from inside a callback, and returns at once; [`PushClient::stop`] alone waits.
//! Callbacks come from a thread of the library, one at a time, and must return at once; route and call handlers come where
//! [`Platform::on_main`] runs them, interceptors on the thread that told the click. What a callback throws is told as the event
//! `callback_failed` and ends nothing.

mod c;
mod client;
mod config;
mod error;
mod event;
mod extension;
mod faults;
mod handlers;
mod login;
mod platform;

pub use crate::{
    client::{Completed, Completion, Door, PushClient, TokenState, TokenStatus},
    config::{CertificateId, Config, DeviceKind, PayloadShape, Slot},
    error::{AppError, ErrorKind, PushError},
    event::{Event, EventListener},
    extension::{Acknowledged, NotificationExtension},
    handlers::{Call, CallHandler, Entity, Interceptor, Opened, RouteHandler},
    login::LoginCenter,
    platform::{Job, Permission, PermissionAnswer, Platform, Token, TokenAnswer},
};

uniffi::setup_scaffolding!("offline_push");
