//! A layer that logs every call of providers, stores and queues, with its outcome and duration: [`Traced`].
//!
//! Events and spans are those of `tracing`, with the target [`TARGET`]; the README lists their names and fields, which are
//! stable. None has a token, a secret, a user or a text.
mod event;
mod object;
mod provider;

use std::{fmt, sync::Arc};

use push_core::{
    BuildContext, Clock, CredentialRef, Describe, DynProvider, Layer, LayerKind, Layered, Plugin,
    Queue, Result, Selection, Store,
};
use serde::Deserialize;

use crate::{object::TracedObject, provider::TracedProvider};

/// The target of every event and span.
pub const TARGET: &str = concat!("offline_push::", "traced");

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Describe)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TracedConfig {
    /// The objects whose calls are logged; all if it is left out.
    pub calls: Vec<Calls>,
    /// The level of the events.
    pub level: Level,
    /// The credentials whose provider is logged; all if it is left out.
    pub only: Selection,
}

impl Default for TracedConfig {
    fn default() -> Self {
        Self {
            calls: vec![Calls::Provider, Calls::Store, Calls::Queue],
            level: Level::Info,
            only: Selection::default(),
        }
    }
}

/// Objects whose calls can be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Describe)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Calls {
    /// Providers: sending and verifying.
    Provider,
    /// The store.
    Store,
    /// The queue.
    Queue,
}

/// A level of `tracing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Describe)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Logs every call of providers, stores and queues.
pub struct Traced {
    config: TracedConfig,
    clock: Arc<dyn Clock>,
}

impl Traced {
    /// A layer that logs what `config` says, with durations by this clock.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](push_core::ErrorKind::Config), naming the key that is wrong.
    pub fn new(config: TracedConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        config.only.check().map_err(|error| error.under("only"))?;
        Ok(Self { config, clock })
    }

    fn logs(&self, calls: Calls) -> bool {
        self.config.calls.contains(&calls)
    }

    fn object(&self, name: &'static str) -> TracedObject {
        TracedObject::new(name, self.config.level, Arc::clone(&self.clock))
    }
}

impl Layer for Traced {
    fn provider(&self, inner: DynProvider, credential: &CredentialRef) -> DynProvider {
        let channel = inner.capabilities().channel.clone();
        if !self.logs(Calls::Provider) || !self.config.only.selects(credential, &channel) {
            return inner;
        }
        let clock = Arc::clone(&self.clock);
        let around = TracedProvider::new(channel, credential.clone(), self.config.level, clock);
        Arc::new(Layered::new(inner, around))
    }

    fn store(&self, inner: Arc<dyn Store>) -> Arc<dyn Store> {
        match self.logs(Calls::Store) {
            true => Arc::new(Layered::new(inner, self.object("store"))),
            false => inner,
        }
    }

    fn queue(&self, inner: Arc<dyn Queue>) -> Arc<dyn Queue> {
        match self.logs(Calls::Queue) {
            true => Arc::new(Layered::new(inner, self.object("queue"))),
            false => inner,
        }
    }
}

impl fmt::Debug for Traced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traced")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// The plugin `layer/traced`.
#[derive(Debug)]
pub struct TracedPlugin;

impl Plugin for TracedPlugin {
    type Kind = LayerKind;
    type Config = TracedConfig;
    const NAME: &'static str = "traced";

    fn build(config: TracedConfig, context: &BuildContext) -> Result<Arc<dyn Layer>> {
        Ok(Arc::new(Traced::new(config, Arc::clone(&context.clock))?))
    }
}

push_core::register_plugin!(TracedPlugin);
