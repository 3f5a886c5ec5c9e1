//! A phone and a gateway that do what a test says. Behind the feature `testing`.
//!
//! [`ScriptedPlatform`] stands for the phone's operating system, [`ScriptedGateway`] for the server half. Both remember
//! everything that was asked of them and need no network, clock or sleep.
mod gateway;
mod platform;

pub use self::{
    gateway::{Asked, Exchange, ScriptedGateway},
    platform::{PlatformCall, ScriptedPlatform},
};
