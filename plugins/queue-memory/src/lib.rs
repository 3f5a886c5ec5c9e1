//! A queue that keeps everything in memory: for tests, demonstrations and trials.
//!
//! It keeps every promise of [`Queue`] but one: what it holds is lost when the process ends. It is bounded: beyond
//! its limits [`Queue::put`] returns [`ErrorKind::Busy`].
mod state;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use push_core::{
    AppId, BuildContext, Cancel, Cancelled, Clock, CredentialRef, Delivery, Describe, Error,
    ErrorKind, Lane, LaneState, Lease, LeaseId, MessageId, Plugin, Put, Queue, QueueKind, Result,
    Return, Sought, Timestamp, async_trait,
};
use serde::Deserialize;

use crate::state::State;

/// How long the deliveries of a message are remembered after one of them was put last, so that none is queued twice.
pub const REMEMBER: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a logout fences off deliveries of an earlier revision.
pub const KEEP_FENCE: Duration = Duration::from_secs(2 * 60 * 60);

/// The limits of a [`MemoryQueue`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Describe)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MemoryQueueConfig {
    /// The most deliveries it holds; more are refused.
    ///
    /// Beyond half of it apps and credentials share the room ([`push_core::Held`]).
    #[describe(min = 1)]
    pub max_deliveries: usize,
    /// The most deliveries it remembers for a day, those it holds included. Also the most messages and logouts.
    ///
    /// Apps share this room, too.
    #[describe(min = 1)]
    pub max_remembered: usize,
}

impl MemoryQueueConfig {
    push_core::setters! {
        with_max_deliveries(max_deliveries: usize);
        with_max_remembered(max_remembered: usize);
    }
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state and the time, read in this order, so that callers see the time grow.
    fn state(&self) -> (MutexGuard<'_, State>, Timestamp) {
        let mut state = self.lock();
        let now = self.clock.now();
        state.tick(now);
        (state, now)
    }
}

impl fmt::Debug for MemoryQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("MemoryQueue")
            .field("deliveries", &state.len())
            .field("remembered", &state.remembered())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn put(&self, deliveries: Vec<Delivery>) -> Result<Vec<Put>> {
        let (mut state, now) = self.state();
        state.prune(now);
        // A call with duplicates in it is refused a little early; counting them first would slow down every other call.
        if state.len() + deliveries.len() > self.config.max_deliveries {
            return Err(full("holds", state.len(), "deliveries", "max_deliveries"));
        }
        if state.remembered() + deliveries.len() > self.config.max_remembered {
            return Err(full(
                "remembers",
                state.remembered(),
                "deliveries",
                "max_remembered",
            ));
        }
        let limits = (
            self.config.max_deliveries as u64,
            self.config.max_remembered as u64,
        );
        Ok(deliveries
            .into_iter()
            .map(|delivery| state.put(delivery, now, limits))
            .collect())
    }

    async fn lease(&self, lane: &Lane, limit: usize, hold: Duration) -> Result<Vec<Lease>> {
        let (mut state, now) = self.state();
        Ok(state.lease(lane, limit, now, hold))
    }

    async fn ack(&self, leases: Vec<LeaseId>) -> Result<u64> {
        let mut state = self.lock();
        let done = leases.iter().filter(|lease| state.ack(lease));
        Ok(done.count() as u64)
    }

    async fn nack(&self, returns: Vec<Return>) -> Result<u64> {
        let (mut state, now) = self.state();
        Ok(state.nack(&returns, now))
    }

    async fn replace(&self, replacements: Vec<(LeaseId, Delivery)>) -> Result<u64> {
        let (mut state, now) = self.state();
        state.replace(replacements, now)
    }

    async fn hasten(&self, credential: &CredentialRef) -> Result<u64> {
        let (mut state, now) = self.state();
        Ok(state.hasten(credential, now))
    }

    async fn cancel(&self, app: &AppId, what: &Cancel, limit: usize) -> Result<Vec<Cancelled>> {
        let (mut state, now) = self.state();
        state.prune(now);
        let fences = matches!(what, Cancel::Message(_) | Cancel::Device { .. });
        if fences && state.fences() >= self.config.max_remembered {
            return Err(full(
                "remembers",
                state.fences(),
                "messages and logouts",
                "max_remembered",
            ));
        }
        state.cancel(app, what, limit, now)
    }

    async fn lanes(&self) -> Result<Vec<LaneState>> {
        let (state, now) = self.state();
        Ok(state.lanes(now))
    }

    async fn remembered(&self, app: &AppId, messages: Vec<MessageId>) -> Result<Option<Vec<bool>>> {
        let state = self.lock();
        let known = messages
            .into_iter()
            .map(|message| state.remembers(app, message));
        Ok(Some(known.collect()))
    }

    async fn holds(&self, app: &AppId, deliveries: Vec<Sought>) -> Result<Option<Vec<bool>>> {
        Ok(Some(self.lock().holds(app, &deliveries)))
    }
}

fn full(does: &str, count: usize, of: &str, key: &str) -> Error {
    Error::new(ErrorKind::Busy, format!("the queue {does} {count} {of}"))
        .at("queue/memory")
        .advise(format!("try again later, or raise {key}"))
}

/// Describes [`MemoryQueue`] to the linker and to the configuration.
#[derive(Debug)]
pub enum MemoryQueuePlugin {}

impl Plugin for MemoryQueuePlugin {
    type Kind = QueueKind;
    type Config = MemoryQueueConfig;
    const NAME: &'static str = "memory";

    fn build(config: Self::Config, context: &BuildContext) -> Result<Arc<dyn Queue>> {
        Ok(Arc::new(MemoryQueue::new(config, context)))
    }
}

push_core::register_plugin!(MemoryQueuePlugin);
