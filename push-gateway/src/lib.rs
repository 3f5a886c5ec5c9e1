//! The server half of offline push: who is logged in where, who gets a push, what it says, and what happened to it.
//!
//! ```text
//! messages → decision → queue → lanes (one for each credential and class) → vendors → verdicts → settle → traces
//! ```
//!
//! [`Gateway`] puts it together from a [`Store`](push_core::Store), a [`Queue`](push_core::Queue) and the providers of a
//! [`Registry`](push_core::Registry); [`decision`] is a pure function; the pipeline alone acts on vendors' verdicts;
//! [`http`] serves it.
//!
//! ```
//! use push_core::{AppId, Gateway as _, Message};
//! use push_gateway::Gateway;
//! # use {push_queue_memory as _, push_store_memory as _};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> push_core::Result<()> {
//! let gateway = Gateway::builder()
//!     .store("memory")
//!     .queue("memory")
//!     .temporary_master_key() // in production one that is kept: it opens the credentials
//!     .start()
//!     .await?;
//!
//! let message: Message = serde_json::from_str(
//!     r#"{"id":"1","receivers":["alice"],"elements":[{"type":"text","text":"hello"}]}"#,
//! ).expect("a message");
//! let answers = gateway.submit(&AppId::new("chat")?, vec![message]).await?;
//! assert_eq!(answers[0].skipped[0].reason, "never-registered");
//! gateway.shutdown().await;
//! # Ok(()) }
//! ```
//!
//! # What it promises
//!
//! - What [`Gateway::submit`](push_core::Gateway::submit) has answered is in the queue, durably; a delivery keeps its id on
//!   every attempt.
//! - After a logout, a change of accounts or a kick has been answered, nothing more is sent to that device for that user,
//!   but what a vendor has already.
//! - No fault of configuration costs a token: tokens are removed only if the vendor calls them dead to a working credential,
//!   and only if the app has not registered them again since.
//! - Every receiver and device without a push has a [`Reason`](push_core::Reason) with a stable code and advice: [`decision::reasons`].

mod builder;
mod credentials;
pub mod decision;
mod gateway;
pub mod http;
mod key_check;
mod lane_status;
mod lost;
mod metrics;
mod parts;
mod pipeline;
mod receipt;
mod receipt_address;
mod receipt_key;
mod registration;
mod removed;
mod seal;
mod services;
mod settings;
mod submit;
mod ticket;
mod trace;

pub use crate::{
    builder::Builder,
    credentials::{CredentialInfo, Expiry, RemovedCredential, UnusableCredential, Upload},
    gateway::Gateway,
    lane_status::LaneStatus,
    metrics::{Series, Snapshot, prometheus},
    parts::Parts,
    registration::{Diagnosis, Unregistered},
    seal::MasterKey,
    settings::{Limits, PipelineSettings, Settings},
    ticket::{Ticket, TicketUse, Tickets},
    trace::Conclusion,
};

/// The entry point of the fuzz target `receipt_signature`.
#[doc(hidden)]
pub mod fuzz {
    use push_core::{AppId, DeviceId, Result};

    /// Whether `signature` is one of `device` for `body`, under keys derived from `master`.
    ///
    /// # Errors
    /// Those of deriving the key.
    pub fn is_signed(
        master: &crate::MasterKey,
        app: &AppId,
        device: &DeviceId,
        signature: &str,
        body: &[u8],
    ) -> Result<bool> {
        let keys = crate::receipt_key::ReceiptKeys::new(master)?;
        let signed = keys.check(app, device, signature)?;
        Ok(signed.is_some_and(|digest| digest.is_of(body)))
    }
}
