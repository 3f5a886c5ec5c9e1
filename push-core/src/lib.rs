//! Contracts and vocabulary of offline push.
//!
//! No HTTP client, no TLS, no database and no runtime lives here.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod error;
pub mod payload;
mod secret;
mod time;

pub use async_trait::async_trait;

pub use crate::{
    error::{Error, ErrorKind, Result},
    secret::{DeviceToken, Secret},
    time::{Clock, ManualClock, Sleep, Timestamp},
};
