//! Apple Push Notification service.
mod certificate;
mod classify;
mod config;
mod payload;
mod provider;
mod push_type;
mod request;
#[cfg(feature = "simulator")]
pub mod simulator;
mod token;
mod vendor;

pub use crate::{
    certificate::{CertificateFacts, CertificateTopic},
    config::ApnsConfig,
    payload::{Alert, AlertFields, Aps, CriticalSound, Event, InterruptionLevel, Sound, Text},
    provider::{Apns, ApnsProvider},
    push_type::PushType,
    vendor::VendorFields,
};

push_core::register_plugin!(Apns);
