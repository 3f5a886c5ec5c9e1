//! Contracts and vocabulary of offline push: what an IM team puts between its message server and its users' phones.
//!
//! No HTTP client, no TLS, no database and no runtime lives here, only:
//!
//! - the vocabulary: [`AppId`], [`CertificateId`], [`Environment`], [`Slot`], [`Registration`], [`Channel`],
//!   [`Presence`], [`Message`], [`Notification`], [`Delivery`], [`Verdict`];
//! - the contracts that plugins fill: [`Provider`], [`Store`], [`Queue`], [`LoginBridge`], [`Ingress`], and those that
//!   apps fill: [`RouteHandler`], [`Interceptor`];
//! - what is put around them: [`Layer`];
//! - how plugins reach a program: [`register_plugin!`], [`route_handler!`], [`interceptor!`], [`certificate_id!`], and
//!   the [`Registry`];
//! - the codec of what a phone receives: [`payload`];
//! - what the app half and the gateway say to each other: [`api`];
//! - values of configuration: [`AddressPolicy`], [`duration`], and how a configuration is described: [`Describe`].
//!
//! Link-time registration is silent when it fails: a crate that nothing names is not linked, and in a static library
//! nothing is. Whatever is registered at link time can therefore also be passed explicitly.
#![cfg_attr(docsrs, feature(doc_cfg))]

// What the derive macro writes names this crate from outside.
extern crate self as push_core;

mod address;
mod advice;
pub mod api;
mod audience;
pub mod cause;
mod certificate;
mod channel;
mod class;
mod config_path;
mod decode;
mod delivery;
mod describe;
pub mod duration;
mod ending;
mod error;
mod id;
mod ingress;
mod layer;
mod login;
mod message;
mod notification;
mod page;
pub mod payload;
mod plugin;
mod provider;
mod queue;
mod registry;
mod removal;
mod route;
mod secret;
mod setters;
mod store;
mod surrogates;
mod text;
mod ticket;
mod time;
mod trace;
mod typed_config;
mod unknown_key;
mod verdict;

pub use async_trait::async_trait;

pub use crate::decode::Decoded;
pub use crate::{
    address::*,
    advice::{Catalog, nearest},
    audience::*,
    certificate::*,
    channel::*,
    class::*,
    config_path::*,
    delivery::*,
    describe::*,
    ending::*,
    error::*,
    id::*,
    ingress::*,
    layer::*,
    login::*,
    message::*,
    notification::*,
    page::*,
    plugin::*,
    provider::*,
    queue::*,
    registry::*,
    removal::*,
    route::*,
    secret::*,
    store::*,
    surrogates::*,
    text::*,
    ticket::*,
    time::*,
    trace::*,
    typed_config::{ConfigValue, TypedConfig},
    verdict::*,
};

/// What this crate's macros expand to. Not public API.
#[doc(hidden)]
pub mod __private {
    pub use inventory;
    pub use linkme;

    pub use serde_json;

    pub use crate::{
        advice::LinkedCatalog,
        describe::{check_inner, check_length, check_range},
        plugin::Linked,
        typed_config::table,
    };
}
