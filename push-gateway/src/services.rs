//! What the parts of a gateway share.
use std::sync::Arc;

use push_core::{Clock, Queue, Store};
use tokio::sync::Mutex;

use crate::{credentials::Vault, metrics::Metrics, settings::Settings, trace::Recorder};

/// The gateway's store, queue, clock and records, and what the operator chose.
pub(crate) struct Services {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) settings: Settings,
    /// Held while removals are looked up and recorded.
    pub(crate) explaining: Mutex<()>,
}
