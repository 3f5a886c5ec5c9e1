//! A phone and a gateway that a test controls. Behind the feature `testing`.
//!
//! [`ScriptedPhone`] replaces the phone's operating system, [`ScriptedGateway`] replaces the server half. Both record every
//! request and need no network, clock or sleep.
mod gateway;
mod phone;

pub use self::{
    gateway::{Asked, Exchange, ScriptedGateway},
    phone::{PhoneCall, ScriptedPhone},
};
