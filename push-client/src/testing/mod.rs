//! A phone and a gateway that do what a test says. Behind the feature `testing`.
//!
//! [`ScriptedPhone`] stands for the phone's operating system, [`ScriptedGateway`] for the server half. Both remember
//! everything that was asked of them and need no network, clock or sleep.
mod gateway;
mod phone;

pub use self::{
    gateway::{Asked, Exchange, ScriptedGateway},
    phone::{PhoneCall, ScriptedPhone},
};
