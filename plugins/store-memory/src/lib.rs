//! A store that keeps everything in memory: for tests, demonstrations and trials.
//!
//! It keeps every promise of [`Store`] but one: what it holds is gone when the process ends. It is bounded: beyond
//! its limits it answers [`ErrorKind::Busy`](push_core::ErrorKind::Busy), and of traces it forgets the oldest.
//!
//! ```
//! use push_store_memory::MemoryStore;
//! # use push_core::{BuildContext, ManualClock, Timestamp};
//! # use std::sync::Arc;
//! # let clock = Arc::new(ManualClock::new(Timestamp::default()));
//! let store = MemoryStore::new(Default::default(), &BuildContext::new(clock));
//! ```
mod app;
mod credentials;
mod registrations;
mod traces;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use push_core::{AppId, BuildContext, Clock, Plugin, Result, Store, StoreKind};
use serde::Deserialize;

use crate::{app::App, traces::Traces};

/// The limits of a [`MemoryStore`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MemoryStoreConfig {
    /// The most devices it knows, of all apps together.
    pub max_devices: usize,
    /// The most credentials it keeps, of all apps together.
    pub max_credentials: usize,
    /// The most trace events it keeps; beyond, the one appended first is forgotten.
    pub max_trace_events: usize,
}

impl Default for MemoryStoreConfig {
    fn default() -> Self {
        Self {
            max_devices: 1_000_000,
            max_credentials: 10_000,
            max_trace_events: 1_000_000,
        }
    }
}

/// Registrations, presence, badges, credentials and traces in memory.
pub struct MemoryStore {
    config: MemoryStoreConfig,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    apps: HashMap<AppId, App>,
    devices: usize,
    credentials: usize,
    traces: Traces,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(config: MemoryStoreConfig, context: &BuildContext) -> Self {
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

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("MemoryStore")
            .field("apps", &state.apps.len())
            .field("devices", &state.devices)
            .field("credentials", &state.credentials)
            .finish_non_exhaustive()
    }
}

/// Describes [`MemoryStore`] to the linker and to the configuration.
#[derive(Debug)]
pub enum MemoryStorePlugin {}

impl Plugin for MemoryStorePlugin {
    type Kind = StoreKind;
    type Config = MemoryStoreConfig;
    const NAME: &'static str = "memory";
    const EXAMPLE: &'static str =
        "max_devices = 1000000\nmax_credentials = 10000\nmax_trace_events = 1000000\n";

    fn build(config: Self::Config, context: &BuildContext) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(MemoryStore::new(config, context)))
    }
}

push_core::register_plugin!(MemoryStorePlugin);
