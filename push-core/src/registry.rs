//! The set of plugins that a program may use.
use std::{collections::BTreeMap, fmt};

use crate::{
    AnyDescriptor, BuildContext, Error, ErrorKind, Kind, RawConfig, Result, plugin::Linked,
};

/// Plugins of every kind, by name. Sorted: the order of linking has no meaning.
pub struct Registry {
    plugins: BTreeMap<(&'static str, &'static str), AnyDescriptor>,
}

impl Registry {
    /// An explicit registry: for tests, embedders and static libraries, where link-time registration is empty.
    ///
    /// One plugin named twice is one plugin.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`], listing every name that two different plugins share.
    pub fn new(plugins: impl IntoIterator<Item = AnyDescriptor>) -> Result<Self> {
        let mut map = BTreeMap::<_, AnyDescriptor>::new();
        let mut twice = Vec::new();
        for plugin in plugins {
            let old = map.insert((plugin.kind(), plugin.name()), plugin);
            if old.is_some_and(|old| old.address() != plugin.address()) {
                twice.push(plugin.id());
            }
        }
        if twice.is_empty() {
            Ok(Self { plugins: map })
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

    /// The plugins of `builtin` and everything the linker kept besides.
    ///
    /// # Errors
    /// As [`Registry::new`].
    pub fn linked(builtin: &[AnyDescriptor]) -> Result<Self> {
        let submitted = inventory::iter::<Linked>.into_iter().map(|it| (it.0)());
        Self::new(builtin.iter().copied().chain(submitted))
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
        .advise("run `cargo xtask tidy --fix` and build again"))
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
    /// [`ErrorKind::NotFound`], listing what is compiled in and which feature to add.
    pub fn find(&self, kind: &str, name: &str) -> Result<AnyDescriptor> {
        self.by_id(&format!("{kind}/{name}")).ok_or_else(|| {
            let known = self
                .iter()
                .filter(|it| it.kind() == kind)
                .map(|it| it.name())
                .collect::<Vec<_>>()
                .join(", ");
            Error::new(
                ErrorKind::NotFound,
                format!(
                    "no {kind} `{name}` in this build; compiled in: {}",
                    if known.is_empty() { "none" } else { &known }
                ),
            )
            .advise(format!("rebuild with `--features {kind}-{name}`"))
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
