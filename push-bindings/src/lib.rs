//! The app half of offline push for other languages: one interface, from which UniFFI writes Swift, Kotlin and Python.
//!
//! It wraps [`push_client`] for foreign languages: records and enums replace Rust's types, objects own their runtime, and the
//! app implements callbacks as traits. The terms are defined in [`push_client`].
//!
//! | here | is |
//! |---|---|
//! | [`Config`] | the configuration: the gateway, the certificate ids, the file for the state |
//! | [`Platform`] | the phone: permission, tokens, the badge, the main thread |
//! | [`android_channel`] | which vendor's push service an Android phone has |
//! | [`RouteHandler`], [`CallHandler`] | the app's functions that open a chat and answer a call |
//! | [`Interceptor`] | gets a clicked payload first, and may handle it itself |
//! | [`EventListener`] | gets every event |
//! | [`PushClient`] | the client, with the manual bridge: `register_service`, `unregister_service` |
//! | [`NotificationExtension`] | acknowledges a push, from the process that the system starts for it |
//! | [`LoginCenter`] | the automatic bridge: the app logs in and out there, and push follows its logins |
//!
//! Nothing registers itself at link time, because the linker would drop it from a static library. All parts are passed to
//! [`PushClient::start`].
//!
//! # Threads
//!
//! Every method may be called from any thread, also from inside a callback, and returns at once; only [`PushClient::stop`] waits.
//! Callbacks are called on a thread of the library, one at a time, and must return at once. Route and call handlers are called
//! where [`Platform::on_main`] runs them, interceptors on the thread that reported the click. An error of a callback is reported
//! as the event `callback_failed` and ends nothing.

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
    client::{ClickSource, Completed, Completion, PushClient, TokenState, TokenStatus},
    config::{CertificateId, Config, DeviceKind, PayloadShape, Slot},
    error::{AppError, ErrorKind, PushError},
    event::{Event, EventListener},
    extension::{Acknowledged, NotificationExtension},
    handlers::{Call, CallHandler, Entity, Interceptor, Opened, RouteHandler},
    login::LoginCenter,
    platform::{Job, Permission, PermissionAnswer, Platform, Token, TokenAnswer, android_channel},
};

uniffi::setup_scaffolding!("offline_push");
