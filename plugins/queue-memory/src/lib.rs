//! A queue that keeps everything in memory: for tests, demonstrations and trials.
//!
//! It keeps every promise of [`Queue`] but one: what it holds is gone when the process ends. It is bounded: beyond
//! its limits [`Queue::put`] answers [`ErrorKind::Busy`].
mod state;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use push_core::{
    AppId, BuildContext, Cancel, Clock, Delivery, Error, ErrorKind, Lane, LaneState, Lease,
    LeaseId, Plugin, Put, Queue, QueueKind, Result, Return, Timestamp, async_trait,
};
use serde::Deserialize;

use crate::state::State;

/// How long a delivery is remembered after it was decided, so that it is not put twice.
pub const REMEMBER: Duration = Duration::from_secs(24 * 60 * 60);

/// The limits of a [`MemoryQueue`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MemoryQueueConfig {
    /// The most deliveries it holds.
    pub max_deliveries: usize,
    /// The most deliveries it remembers for [`REMEMBER`], those it holds included.
    pub max_remembered: usize,
}

impl Default for MemoryQueueConfig {
    fn default() -> Self {
        Self {
            max_deliveries: 1_000_000,
            max_remembered: 4_000_000,
        }
    }
}

/// A queue in memory.
pub struct MemoryQueue {
    config: MemoryQueueConfig,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl MemoryQueue {
    /// An empty queue.
    pub fn new(config: MemoryQueueConfig, context: &BuildContext) -> Self {
        Self {
            config,
            clock: Arc::clone(&context.clock),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("MemoryQueue")
            .field("deliveries", &state.len())
            .field("remembered", &state.remembered())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn put(&self, deliveries: Vec<Delivery>) -> Result<Vec<Put>> {
        let now = self.clock.now();
        let mut state = self.state();
        state.prune(now);
        let full = |what: &str, has: usize, key: &str| {
            Error::new(
                ErrorKind::Busy,
                format!("the queue {what} {has} deliveries"),
            )
            .at("queue/memory")
            .advise(format!("try again later, or raise {key}"))
        };
        // A batch with duplicates in it is refused a little early; counting them first would cost every other batch.
        if state.len() + deliveries.len() > self.config.max_deliveries {
            return Err(full("holds", state.len(), "max_deliveries"));
        }
        if state.remembered() + deliveries.len() > self.config.max_remembered {
            return Err(full("remembers", state.remembered(), "max_remembered"));
        }
        Ok(deliveries
            .into_iter()
            .map(|it| state.put(it, now))
            .collect())
    }

    async fn lease(
        &self,
        lane: &Lane,
        limit: usize,
        now: Timestamp,
        hold: Duration,
    ) -> Result<Vec<Lease>> {
        Ok(self.state().lease(lane, limit, now, hold))
    }

    async fn ack(&self, leases: Vec<LeaseId>) -> Result<u64> {
        let mut state = self.state();
        let done = leases.into_iter().filter(|it| state.ack(*it));
        Ok(done.count() as u64)
    }

    async fn nack(&self, returns: Vec<Return>) -> Result<u64> {
        let mut state = self.state();
        let done = returns.into_iter().filter(|it| state.nack(*it));
        Ok(done.count() as u64)
    }

    async fn hasten(&self, lane: &Lane, now: Timestamp) -> Result<u64> {
        Ok(self.state().hasten(lane, now))
    }

    async fn cancel(&self, app: &AppId, what: &Cancel) -> Result<Vec<Delivery>> {
        Ok(self.state().cancel(app, what))
    }

    async fn lanes(&self) -> Result<Vec<LaneState>> {
        Ok(self.state().lanes())
    }
}

/// Describes [`MemoryQueue`] to the linker and to the configuration.
#[derive(Debug)]
pub enum MemoryQueuePlugin {}

impl Plugin for MemoryQueuePlugin {
    type Kind = QueueKind;
    type Config = MemoryQueueConfig;
    const NAME: &'static str = "memory";
    const EXAMPLE: &'static str = "max_deliveries = 1000000\nmax_remembered = 4000000\n";

    fn build(config: Self::Config, context: &BuildContext) -> Result<Arc<dyn Queue>> {
        Ok(Arc::new(MemoryQueue::new(config, context)))
    }
}

push_core::register_plugin!(MemoryQueuePlugin);
