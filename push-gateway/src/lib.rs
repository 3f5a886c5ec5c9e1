//! The server half of offline push: who is logged in where, who gets a push, what it says, and what became of it.
//!
//! ```text
//! messages → decision → queue → lanes (one for each credential) → vendors → verdicts → settle → traces
//! ```
//!
//! [`Gateway`] puts it together from a [`Store`](push_core::Store), a [`Queue`](push_core::Queue) and the providers of a
//! [`Registry`](push_core::Registry); [`decision`] is a pure function; the pipeline alone acts on vendors' verdicts.

mod credentials;
pub mod decision;
mod gateway;
mod grace;
pub mod http;
mod metrics;
mod pipeline;
mod recent;
mod registration;
mod seal;
mod settings;
mod submit;
mod ticket;
mod trace;

pub use crate::{
    credentials::{CredentialInfo, Expiry, LaneStatus, Upload},
    gateway::{Gateway, Parts},
    metrics::{Series, Snapshot, prometheus},
    registration::{Diagnosis, Unregistered},
    seal::MasterKey,
    settings::{Limits, PipelineSettings, Settings},
    ticket::{Ticket, TicketUse, Tickets},
    trace::Conclusion,
};
