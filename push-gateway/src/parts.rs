//! What a gateway is made of.
use std::sync::Arc;

use push_core::{Clock, Layers, Queue, Registry, Store};

use crate::{seal::MasterKey, settings::Settings};

/// What a gateway is made of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Parts {
    /// Where registrations, credentials and traces are kept.
    pub store: Arc<dyn Store>,
    /// Where deliveries wait.
    pub queue: Arc<dyn Queue>,
    /// The plugins; providers are built from it.
    pub registry: Arc<Registry>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// What seals credentials, signs tickets and makes the receipt keys of devices.
    pub master_key: MasterKey,
    /// What an operator chose.
    pub settings: Settings,
    /// What is around the store, the queue and every provider.
    pub layers: Layers,
}

impl Parts {
    /// A gateway of these parts, with the default settings and no layer.
    pub fn new(
        store: Arc<dyn Store>,
        queue: Arc<dyn Queue>,
        registry: Arc<Registry>,
        clock: Arc<dyn Clock>,
        master_key: MasterKey,
    ) -> Self {
        Self {
            store,
            queue,
            registry,
            clock,
            master_key,
            settings: Settings::default(),
            layers: Layers::new(),
        }
    }

    push_core::setters! {
        with_registry(registry: Arc<Registry>);
        with_master_key(master_key: MasterKey);
        with_settings(settings: Settings);
        with_layers(layers: Layers);
    }
}
