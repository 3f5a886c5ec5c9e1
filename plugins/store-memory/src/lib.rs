//! A store that keeps everything in memory: for tests, demonstrations and trials.
//!
//! It does everything that [`Store`] documents but one thing: its data is gone when the process ends. It is bounded: beyond
//! its limits calls fail with [`ErrorKind::Busy`](push_core::ErrorKind::Busy); of traces and badge changes it forgets the
//! oldest.
//!
//! ```
//! use push_store_memory::MemoryStore;
//! # use push_core::{BuildContext, ManualClock, Timestamp};
//! # use std::sync::Arc;
//! # let clock = Arc::new(ManualClock::new(Timestamp::default()));
//! let store = MemoryStore::new(Default::default(), &BuildContext::new(clock));
//! ```
mod admission;
mod app;
mod badges;
mod credentials;
mod endings;
mod registrations;
mod scan;
mod tickets;
mod traces;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use push_core::{AppId, BuildContext, Clock, Describe, Plugin, Result, Store, StoreKind};
use serde::Deserialize;

use crate::{app::App, badges::BadgeChanges, traces::Traces};

/// The limits of a [`MemoryStore`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Describe)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MemoryStoreConfig {
    /// The most devices it knows, and the most users that have tags, of all apps together.
    #[describe(min = 1)]
    pub max_devices: usize,
    /// The most credentials it keeps, of all apps together.
    #[describe(min = 1)]
    pub max_credentials: usize,
    /// The most trace events it keeps; beyond, the one appended first is forgotten.
    #[describe(min = 1)]
    pub max_trace_events: usize,
    /// The most badge changes it remembers; beyond, the oldest is forgotten even if it is not a day old.
    #[describe(min = 1)]
    pub max_badge_changes: usize,
    /// The most bindings and revocations of tickets it remembers, of all apps together.
    #[describe(min = 1)]
    pub max_tickets: usize,
}

impl MemoryStoreConfig {
    push_core::setters! {
        with_max_devices(max_devices: usize);
        with_max_credentials(max_credentials: usize);
        with_max_trace_events(max_trace_events: usize);
        with_max_badge_changes(max_badge_changes: usize);
        with_max_tickets(max_tickets: usize);
    }
}

impl Default for MemoryStoreConfig {
    fn default() -> Self {
        Self {
            max_devices: 1_000_000,
            max_credentials: 10_000,
            max_trace_events: 1_000_000,
            max_badge_changes: 1_000_000,
            max_tickets: 1_000_000,
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
    /// Users with tags.
    tagged: usize,
    credentials: usize,
    key_check: Option<Vec<u8>>,
    badges: BadgeChanges,
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

    fn build(config: Self::Config, context: &BuildContext) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(MemoryStore::new(config, context)))
    }
}

push_core::register_plugin!(MemoryStorePlugin);
