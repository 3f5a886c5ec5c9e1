//! The payload: everything Apple defines in `aps`, typed, and what stands beside it.
mod aps;
mod fit;
mod render;

pub use aps::{Alert, AlertFields, Aps, CriticalSound, Event, InterruptionLevel, Sound, Text};
pub(crate) use render::{Refusal, render};
