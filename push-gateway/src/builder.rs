//! Builds a gateway from the names of its plugins.
use std::{fmt, sync::Arc};

use push_core::{
    AddressPolicy, BuildContext, Clock, Error, ErrorKind, Kind, Layer, LayerKind, Layers,
    QueueKind, RawConfig, Registry, Result, StoreKind,
};
use push_http::TokioClock;
use serde_json::Value;

use crate::{Gateway, MasterKey, Parts, Settings};

impl Gateway {
    /// Returns a builder, which takes plugins by the names that a configuration would use:
    ///
    /// ```no_run
    /// # async fn f() -> push_core::Result<()> {
    /// use push_gateway::Gateway;
    ///
    /// let gateway = Gateway::builder()
    ///     .store("memory")
    ///     .queue("memory")
    ///     .temporary_master_key()
    ///     .start()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn builder() -> Builder {
        Builder {
            registry: None,
            store: None,
            queue: None,
            layers: Vec::new(),
            clock: None,
            master_key: None,
            settings: Settings::default(),
        }
    }

    /// Returns a builder with the store and the queue `memory` and a temporary master key: for tests and trials. Everything is
    /// lost with the gateway.
    pub fn in_memory() -> Builder {
        Self::builder()
            .store("memory")
            .queue("memory")
            .temporary_master_key()
    }
}

/// The parts of a gateway. [`Builder::build`] reports what is missing and what to write.
#[must_use = "a builder does nothing until it is built"]
pub struct Builder {
    registry: Option<Registry>,
    store: Option<Part<StoreKind>>,
    queue: Option<Part<QueueKind>>,
    layers: Vec<Part<LayerKind>>,
    clock: Option<Arc<dyn Clock>>,
    master_key: Option<Key>,
    settings: Settings,
}

/// A plugin's name and configuration, or the object that it would build.
enum Part<K: Kind> {
    Named(String, Value),
    Object(K::Object),
}

enum Key {
    Given(MasterKey),
    Temporary,
}

impl Builder {
    /// Sets the plugins that names are looked up in. Default: those that the linker kept ([`Registry::linked`]).
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = Some(registry);
        self
    }

    /// Selects a store that needs no configuration.
    pub fn store(self, name: impl Into<String>) -> Self {
        self.store_with(name, Value::Object(serde_json::Map::new()))
    }

    /// Selects a store, with its configuration as a JSON object, as in `json!({"path": "push.db"})`.
    pub fn store_with(mut self, name: impl Into<String>, config: Value) -> Self {
        self.store = Some(Part::Named(name.into(), config));
        self
    }

    /// Sets a store that is built already.
    pub fn store_object(mut self, store: <StoreKind as Kind>::Object) -> Self {
        self.store = Some(Part::Object(store));
        self
    }

    /// Selects a queue that needs no configuration.
    pub fn queue(self, name: impl Into<String>) -> Self {
        self.queue_with(name, Value::Object(serde_json::Map::new()))
    }

    /// Selects a queue, with its configuration as a JSON object.
    pub fn queue_with(mut self, name: impl Into<String>, config: Value) -> Self {
        self.queue = Some(Part::Named(name.into(), config));
        self
    }

    /// Sets a queue that is built already.
    pub fn queue_object(mut self, queue: <QueueKind as Kind>::Object) -> Self {
        self.queue = Some(Part::Object(queue));
        self
    }

    /// Adds a layer around the store, the queue and every provider, inside the layers that were added before: a call passes the
    /// layers in the order in which they were added ([`Layers`]).
    pub fn layer(mut self, layer: impl Layer) -> Self {
        let layer: Arc<dyn Layer> = Arc::new(layer);
        self.layers.push(Part::Object(layer));
        self
    }

    /// Adds a layer by the name of its plugin, with its configuration as a JSON object, in the same order.
    pub fn layer_with(mut self, name: impl Into<String>, config: Value) -> Self {
        self.layers.push(Part::Named(name.into(), config));
        self
    }

    /// Sets the key that seals credentials and signs tickets. Only it opens the credentials in the store again.
    pub fn master_key(mut self, key: MasterKey) -> Self {
        self.master_key = Some(Key::Given(key));
        self
    }

    /// Generates a key that is lost with the gateway: for tests, and for stores that forget as well.
    pub fn temporary_master_key(mut self) -> Self {
        self.master_key = Some(Key::Temporary);
        self
    }

    /// Sets what an operator chose.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Sets which addresses credentials may reach, as [`Settings::addresses`] does. Call it after [`Builder::settings`].
    pub fn addresses(mut self, addresses: AddressPolicy) -> Self {
        self.settings.addresses = addresses;
        self
    }

    /// Lets credentials reach this machine besides public addresses: for simulators, which listen there. Call it after
    /// [`Builder::settings`].
    pub fn allow_loopback(mut self) -> Self {
        self.settings.addresses = self.settings.addresses.allow_loopback();
        self
    }

    /// Sets the clock. Default: that of the runtime, [`TokioClock`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Puts the gateway together. Nothing runs yet, and nothing is read or written.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if a part is missing or its configuration is wrong, [`ErrorKind::NotFound`] if no plugin has
    /// the name, and those of [`Gateway::new`]. The text says what to write.
    pub fn build(self) -> Result<Gateway> {
        let registry = match self.registry {
            Some(registry) => registry,
            None => Registry::linked(&[])?,
        };
        let clock = self.clock.unwrap_or_else(|| Arc::new(TokioClock));
        let context = BuildContext::new(Arc::clone(&clock));
        let store = build::<StoreKind>(self.store, &registry, &context)?;
        let queue = build::<QueueKind>(self.queue, &registry, &context)?;
        let layers = self
            .layers
            .into_iter()
            .map(|layer| build::<LayerKind>(Some(layer), &registry, &context))
            .collect::<Result<Layers>>()?;
        let master_key = match self.master_key {
            Some(Key::Given(key)) => key,
            Some(Key::Temporary) => MasterKey::parse(&MasterKey::generate()?)?,
            None => {
                return Err(missing("master key, which seals the credentials").advise(
                    "write .master_key(MasterKey::parse(…)?) with a key that is kept, or .temporary_master_key() for tests",
                ));
            }
        };
        let parts = Parts::new(store, queue, Arc::new(registry), clock, master_key);
        Gateway::new(parts.with_settings(self.settings).with_layers(layers))
    }

    /// Builds the gateway and starts it.
    ///
    /// # Errors
    /// Those of [`Builder::build`] and of [`Gateway::start`].
    pub async fn start(self) -> Result<Gateway> {
        let gateway = self.build()?;
        gateway.start().await?;
        Ok(gateway)
    }
}

fn build<K: Kind>(
    part: Option<Part<K>>,
    registry: &Registry,
    context: &BuildContext,
) -> Result<K::Object> {
    match part {
        Some(Part::Object(object)) => Ok(object),
        Some(Part::Named(name, config)) => {
            let config = RawConfig::from_json(&config).map_err(|error| {
                let id = format!("{}/{name}", K::LABEL);
                error
                    .at(id)
                    .advise("write it like json!({\"key\": \"value\"})")
            })?;
            registry.build::<K>(&name, config, context)
        }
        None => {
            let kind = K::LABEL;
            let plugins = registry.iter().filter(|plugin| plugin.kind() == kind);
            let names: Vec<&str> = plugins.map(|plugin| plugin.name()).collect();
            Err(missing(kind).advise(if names.is_empty() {
                format!("link the crate of a {kind}, and write .{kind}(\"NAME\") with its name")
            } else {
                format!("write .{kind}(\"NAME\") with one of: {}", names.join(", "))
            }))
        }
    }
}

fn missing(what: &str) -> Error {
    Error::new(ErrorKind::Config, format!("the gateway has no {what}"))
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("registry", &self.registry)
            .finish_non_exhaustive()
    }
}
