//! The set of plugins that a program may use.
use std::{collections::BTreeMap, fmt};

use crate::{
    AnyDescriptor, BuildContext, Catalog, Error, ErrorKind, Kind, RawConfig, Result,
    advice::{Adviser, LinkedCatalog, Program},
    plugin::Linked,
    route,
};

/// Plugins of every kind, by name. Sorted: the order of linking has no meaning.
pub struct Registry {
    plugins: BTreeMap<(&'static str, &'static str), AnyDescriptor>,
    adviser: Adviser,
}

impl Registry {
    /// An explicit registry: for tests, embedders and static libraries, where link-time registration is empty.
    ///
    /// One plugin named twice is one plugin.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`], listing every name that two different plugins share, with the places of both.
    pub fn new(plugins: impl IntoIterator<Item = AnyDescriptor>) -> Result<Self> {
        let mut map = BTreeMap::<_, AnyDescriptor>::new();
        let mut twice = Vec::new();
        for plugin in plugins {
            let old = map.insert((plugin.kind(), plugin.name()), plugin);
            if let Some(old) = old.filter(|old| old.address() != plugin.address()) {
                let mut places = [old, plugin].map(|plugin| route::place(plugin.place()));
                // The linker keeps no order.
                places.sort();
                let [first, second] = places;
                twice.push(format!("{} (at {first} and at {second})", plugin.id()));
            }
        }
        if twice.is_empty() {
            Ok(Self {
                plugins: map,
                adviser: Adviser::default(),
            })
        } else {
            twice.sort();
            twice.dedup();
            Err(Error::new(
                ErrorKind::Conflict,
                format!("two different plugins share a name: {}", twice.join(", ")),
            )
            .advise("rename one of them, or do not link its crate"))
        }
    }

    /// The plugins of `builtin` and everything the linker kept besides; for advice, the catalog of a package that submits one.
    ///
    /// # Errors
    /// As [`Registry::new`].
    pub fn linked(builtin: &[AnyDescriptor]) -> Result<Self> {
        let submitted = inventory::iter::<Linked>.into_iter().map(|it| (it.0)());
        let mut registry = Self::new(builtin.iter().copied().chain(submitted))?;
        // The linker keeps no order.
        let catalogs = inventory::iter::<LinkedCatalog>.into_iter().map(|it| it.0);
        registry.adviser.catalog = catalogs.min_by_key(|catalog| catalog.package);
        Ok(registry)
    }

    /// Adds what a package could link, for the advice of [`Registry::find`].
    #[must_use]
    pub const fn with_catalog(mut self, catalog: Catalog) -> Self {
        self.adviser.catalog = Some(catalog);
        self
    }

    /// Says that the user runs a program of this name with the command `plugins`, and does not call this library: errors
    /// then advise what the program's users can do. The program belongs to the package of the catalog, whose features it has.
    #[must_use]
    pub const fn for_program(mut self, name: &'static str) -> Self {
        self.adviser.program = Some(Program {
            name,
            is_of_package: true,
        });
        self
    }

    /// The same for a program of another package, which depends on that of the catalog: a plugin that is missing is a feature
    /// of its dependency.
    #[must_use]
    pub const fn for_dependent_program(mut self, name: &'static str) -> Self {
        self.adviser.program = Some(Program {
            name,
            is_of_package: false,
        });
        self
    }

    /// The program that the user runs, by [`Registry::for_program`] or [`Registry::for_dependent_program`].
    pub fn program(&self) -> Option<&'static str> {
        self.adviser.program.map(|program| program.name)
    }

    /// Compares the registry with what the enabled features promise.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`], naming what is missing: a plugin that nothing names is silently not linked. Plugins
    /// beyond `expected` are welcome: they are the program's own.
    pub fn check(&self, expected: &[&str]) -> Result<()> {
        let missing: Vec<&str> = expected
            .iter()
            .copied()
            .filter(|id| self.by_id(id).is_none())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Internal,
            format!(
                "enabled by a feature but not linked: {}; linked are: {}",
                missing.join(", "),
                self.ids()
            ),
        )
        .advise("in the repository of the package whose features these are, run `cargo xtask tidy --fix` and build again; elsewhere, report it there"))
    }

    /// Every plugin, sorted by kind and name.
    pub fn iter(&self) -> impl Iterator<Item = AnyDescriptor> {
        self.plugins.values().copied()
    }

    /// The plugin with this id, as in `provider/apns`.
    pub fn by_id(&self, id: &str) -> Option<AnyDescriptor> {
        let (kind, name) = id.split_once('/')?;
        self.iter()
            .find(|it| it.kind() == kind && it.name() == name)
    }

    /// The plugin called `name` of kind `kind`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], listing what is compiled in, and how to get the plugin that `name` means.
    pub fn find(&self, kind: &str, name: &str) -> Result<AnyDescriptor> {
        self.iter()
            .find(|plugin| plugin.kind() == kind && plugin.name() == name)
            .ok_or_else(|| {
                let of_kind = self.iter().filter(|plugin| plugin.kind() == kind);
                let linked: Vec<_> = of_kind.map(|plugin| plugin.name()).collect();
                let named = self.iter().filter(|plugin| plugin.name() == name);
                let elsewhere: Vec<_> = named.map(|plugin| plugin.kind()).collect();
                self.adviser.unknown(kind, name, &linked, &elsewhere)
            })
    }

    /// Builds the plugin of kind `K` called `name`.
    ///
    /// # Errors
    /// As [`Registry::find`], and what the plugin says of its configuration.
    pub fn build<K: Kind>(
        &self,
        name: &str,
        raw: RawConfig,
        context: &BuildContext,
    ) -> Result<K::Object> {
        let plugin = self.find(K::LABEL, name)?;
        K::of(plugin)
            .ok_or_else(|| Error::new(ErrorKind::Internal, "a plugin is filed under a wrong kind"))?
            .build(raw, context)
            .map_err(|error| {
                // Each of several mistakes keeps the advice that it has.
                let advised = error.each().into_iter().map(|error| match error.kind() {
                    ErrorKind::Config if error.advice().is_none() => {
                        error.advise(self.adviser.example(plugin))
                    }
                    _ => error,
                });
                Error::all(advised)
                    .unwrap_or_else(|| Error::new(ErrorKind::Config, "cannot be read"))
            })
    }

    fn ids(&self) -> String {
        self.iter().map(|it| it.id()).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|it| it.id()))
            .finish()
    }
}
