//! How a plugin describes itself to the linker and to the configuration.
use std::{fmt, marker::PhantomData, panic::Location, path::PathBuf, sync::Arc};

use serde::de::DeserializeOwned;

use crate::{
    AddressPolicy, Clock, ConfigFolder, Describe, DynProvider, Error, ErrorKind, Ingress, Layer,
    LoginBridge, Queue, Result, Secret, Shape, Store, Table, decode::Decoded,
};

/// A slot of the framework that plugins fill. Never constructed.
pub trait Kind: Sized + 'static {
    /// What plugins of this kind build.
    type Object;
    /// The word in configuration, feature names, folders and packages.
    const LABEL: &'static str;
    /// Wraps a descriptor of this kind. A function pointer, because what the linker keeps must be a constant.
    #[doc(hidden)]
    const ANY: fn(&'static Descriptor<Self>) -> AnyDescriptor;
    /// The descriptor inside `plugin`, if it is of this kind.
    fn of(plugin: AnyDescriptor) -> Option<&'static Descriptor<Self>>;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident $name:ident($label:literal) => $object:ty;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub enum $name {}
            impl Kind for $name {
                type Object = $object;
                const LABEL: &'static str = $label;
                const ANY: fn(&'static Descriptor<Self>) -> AnyDescriptor = AnyDescriptor::$variant;
                fn of(plugin: AnyDescriptor) -> Option<&'static Descriptor<Self>> {
                    match plugin {
                        AnyDescriptor::$variant(it) => Some(it),
                        _ => None,
                    }
                }
            }
        )*

        /// A plugin of any kind.
        #[derive(Clone, Copy, Debug)]
        #[non_exhaustive]
        pub enum AnyDescriptor {
            $($(#[$doc])* $variant(&'static Descriptor<$name>),)*
        }

        impl AnyDescriptor {
            /// Every kind's label.
            pub const KINDS: &'static [&'static str] = &[$($label),*];

            /// The label of the plugin's kind.
            pub const fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $label,)* }
            }
            /// The plugin's name within its kind.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$variant(it) => it.name,)* }
            }
            /// Returns what its configuration looks like, without the key `type`.
            pub fn table(&self) -> Table {
                match self { $(Self::$variant(it) => it.table(),)* }
            }
            /// Returns a complete example of its configuration, in TOML, without the key `type`.
            pub fn example(&self) -> String {
                self.table().example()
            }
            /// Reads `raw` as the plugin's configuration and forgets it again: is it well formed?
            pub fn check(&self, raw: RawConfig, context: &BuildContext) -> Result<()> {
                match self { $(Self::$variant(it) => it.build(raw, context).map(drop),)* }
            }
            /// Where the plugin is registered.
            pub const fn place(&self) -> &'static Location<'static> {
                match self { $(Self::$variant(it) => it.place,)* }
            }
            pub(crate) fn address(&self) -> usize {
                match self { $(Self::$variant(it) => std::ptr::from_ref(*it).addr(),)* }
            }
        }
    };
}

kinds! {
    /// Push vendors.
    Provider ProviderKind("provider") => DynProvider;
    /// Stores of registrations, credentials and traces.
    Store StoreKind("store") => Arc<dyn Store>;
    /// Queues of deliveries.
    Queue QueueKind("queue") => Arc<dyn Queue>;
    /// Login bridges.
    Login LoginKind("login") => Arc<dyn LoginBridge>;
    /// Ways into the gateway.
    Ingress IngressKind("ingress") => Arc<dyn Ingress>;
    /// What is put around providers, stores and queues.
    Layer LayerKind("layer") => Arc<dyn Layer>;
}

impl AnyDescriptor {
    /// Kind and name, as in `provider/apns`.
    pub fn id(&self) -> String {
        format!("{}/{}", self.kind(), self.name())
    }

    /// The Cargo feature that links the plugin, as in `provider-apns`.
    pub fn feature(&self) -> String {
        format!("{}-{}", self.kind(), self.name())
    }
}

/// A plugin: a name, a configuration and a constructor.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a plugin",
    note = "implement `Plugin` for it: the name, the type of its configuration, and `build`",
    note = "`register_plugin!` takes this type, which names the plugin; the provider or store that `build` returns can be another one"
)]
pub trait Plugin: 'static {
    /// The slot it fills.
    type Kind: Kind;
    /// Its configuration, a struct that derives [`Describe`]: its example, its reference and the errors about it come from that.
    /// Put `#[serde(deny_unknown_fields)]` on it, [`Secret`](crate::Secret) around what is secret, and
    /// [`ConfigPath`](crate::ConfigPath) around every path.
    type Config: DeserializeOwned + Describe + fmt::Debug;
    /// Its name in configuration, unique within the kind; the same as its folder's.
    const NAME: &'static str;
    /// Builds the object. The numbers, durations and lengths of `config` are in the ranges that it describes, unless there are
    /// other faults: then the result is only asked for its errors. Pure: no file, network or clock is touched, so that a configuration can be checked offline.
    /// What a configuration names with a `_file` suffix has been read before this is called.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], saying which key is wrong and what to write there; all that are wrong at once
    /// ([`Faults`](crate::Faults)), each with its key as its place.
    fn build(config: Self::Config, context: &BuildContext) -> Result<<Self::Kind as Kind>::Object>;
}

/// What every plugin may use.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BuildContext {
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Which addresses outgoing connections may reach.
    pub addresses: AddressPolicy,
    /// The operator's proxy, through which every connection goes: `http://[user:password@]host:port`.
    pub proxy: Option<Secret>,
    /// The largest response body that a configuration may allow, in bytes; `None` for no limit of the operator's.
    pub max_response_bytes: Option<usize>,
    /// The most requests that a configuration may let wait for a connection; `None` for no limit of the operator's.
    pub max_waiting: Option<usize>,
    /// For a provider: the address to which the vendor posts receipts of this credential, with a part that cannot be guessed;
    /// `None` if the gateway cannot be reached from outside.
    pub receipts: Option<http::Uri>,
    /// The folder at which relative paths of the configuration start ([`ConfigPath`](crate::ConfigPath)).
    pub folder: ConfigFolder,
    /// The table of the configuration that the plugin is built from, in front of the keys in errors; `None` for the plugin's id.
    pub table: Option<String>,
}

impl BuildContext {
    /// A context with this clock, in which connections may reach any address.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            addresses: AddressPolicy::any(),
            proxy: None,
            max_response_bytes: None,
            max_waiting: None,
            receipts: None,
            folder: ConfigFolder::default(),
            table: None,
        }
    }

    /// Sets the folder at which relative paths of the configuration start.
    #[must_use]
    pub fn with_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = ConfigFolder::new(folder);
        self
    }

    /// Sets the table of the configuration that a plugin is built from.
    #[must_use]
    pub fn with_table(mut self, table: impl Into<String>) -> Self {
        self.table = Some(table.into());
        self
    }

    /// Restricts which addresses outgoing connections may reach.
    #[must_use]
    pub fn with_addresses(mut self, addresses: AddressPolicy) -> Self {
        self.addresses = addresses;
        self
    }

    /// Sends every connection through the operator's proxy.
    #[must_use]
    pub fn with_proxy(mut self, proxy: Option<Secret>) -> Self {
        self.proxy = proxy;
        self
    }

    /// Limits what a configuration may allow: the bytes of a response, and the requests that wait for a connection.
    #[must_use]
    pub const fn with_limits(mut self, max_response_bytes: usize, max_waiting: usize) -> Self {
        self.max_response_bytes = Some(max_response_bytes);
        self.max_waiting = Some(max_waiting);
        self
    }

    /// Sets the address to which the vendor posts receipts.
    #[must_use]
    pub fn with_receipts(mut self, receipts: Option<http::Uri>) -> Self {
        self.receipts = receipts;
        self
    }
}

/// A plugin's configuration before the plugin has read it. `Debug` shows its keys only.
#[derive(Clone)]
pub struct RawConfig(config::Value);

impl RawConfig {
    /// From a layered configuration: keeps the loose typing of environment variables (`"7"` is a number where a
    /// number is wanted) and the origin of each value for error messages.
    pub const fn new(value: config::Value) -> Self {
        Self(value)
    }

    /// From JSON, as the API and the store hold it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if `json` is not an object.
    pub fn from_json(json: &serde_json::Value) -> Result<Self> {
        let value: config::Value = serde_json::from_value(json.clone()).map_err(|source| {
            Error::new(ErrorKind::Config, "the configuration cannot be read").because(source)
        })?;
        match value.kind {
            config::ValueKind::Table(_) => Ok(Self(value)),
            _ => Err(Error::new(
                ErrorKind::Config,
                "a plugin's configuration is a table of keys and values",
            )),
        }
    }

    /// No key at all.
    pub fn empty() -> Self {
        Self(config::Value::new(
            None,
            config::ValueKind::Table(config::Map::new()),
        ))
    }

    /// Reads it as a `T`, and finds everything that is wrong with it.
    pub fn decode<T: DeserializeOwned + Describe>(self) -> Decoded<T> {
        Decoded::of(self.0)
    }

    /// The underlying value.
    pub fn into_value(self) -> config::Value {
        self.0
    }
}

impl fmt::Debug for RawConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            config::ValueKind::Table(table) => f.debug_set().entries(table.keys()).finish(),
            _ => f.write_str("RawConfig"),
        }
    }
}

/// What a plugin leaves in the registry.
pub struct Descriptor<K: Kind> {
    /// [`Plugin::NAME`].
    pub name: &'static str,
    shape: fn() -> Shape,
    build: fn(RawConfig, &BuildContext) -> Result<K::Object>,
    place: &'static Location<'static>,
    kind: PhantomData<fn() -> K>,
}

impl<K: Kind> Descriptor<K> {
    /// Describes `P`; the caller's place is its place.
    #[track_caller]
    pub const fn of<P: Plugin<Kind = K>>() -> Self {
        Self {
            name: P::NAME,
            shape: P::Config::shape,
            build: build::<P>,
            place: Location::caller(),
            kind: PhantomData,
        }
    }

    /// This plugin as one of any kind.
    pub fn any(&'static self) -> AnyDescriptor {
        K::ANY(self)
    }

    /// Returns what the configuration looks like, without the key `type`.
    pub fn table(&self) -> Table {
        match (self.shape)() {
            Shape::Table(table) => table,
            _ => Table::new("", Vec::new()),
        }
    }

    /// Returns a complete example of the configuration, in TOML, without the key `type`.
    pub fn example(&self) -> String {
        self.table().example()
    }

    /// Reads the configuration and builds the plugin.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], naming the plugin and the key.
    pub fn build(&self, raw: RawConfig, context: &BuildContext) -> Result<K::Object> {
        (self.build)(raw, context)
    }
}

impl<K: Kind> fmt::Debug for Descriptor<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", K::LABEL, self.name)
    }
}

fn build<P: Plugin>(raw: RawConfig, context: &BuildContext) -> Result<<P::Kind as Kind>::Object> {
    let id = || format!("{}/{}", P::Kind::LABEL, P::NAME);
    let placed = |error: Error| match &context.table {
        Some(table) => error.under(table),
        None => error.at(id()),
    };
    let mut decoded = Decoded::<P::Config>::of(raw.0);
    let mut faults = std::mem::take(&mut decoded.faults);
    // Built also of what has faults, so that those which only the plugin finds are reported with them.
    let built = match decoded.value.take() {
        Some(config) => P::build(config, context).map_err(Error::each),
        None => Err(Vec::new()),
    };
    match built {
        Ok(built) if faults.is_empty() => return Ok(built),
        Ok(_) => {}
        Err(errors) => faults.extend(errors.into_iter().filter(|it| !decoded.is_consequence(it))),
    }
    Err(match Error::all(faults) {
        Some(error) => placed(error),
        None => placed(Error::new(ErrorKind::Config, "cannot be read")),
    })
}

/// One plugin that the linker kept.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Linked(pub fn() -> AnyDescriptor);

inventory::collect!(Linked);

/// Registers a plugin at link time, and defines `pub static PLUGIN`, which keeps the crate linked wherever it is named.
///
/// Use it once, at the root of the plugin's crate. A binary must still name that crate: the facade's generated table
/// does so for crates of this workspace; for your own, write `use push_provider_acme as _;`, or pass
/// `push_provider_acme::PLUGIN.any()` to [`Registry::new`](crate::Registry::new).
#[macro_export]
macro_rules! register_plugin {
    ($plugin:ty) => {
        /// This crate's plugin.
        pub static PLUGIN: $crate::Descriptor<<$plugin as $crate::Plugin>::Kind> =
            $crate::Descriptor::of::<$plugin>();

        $crate::__private::inventory::submit! {
            $crate::__private::Linked(|| PLUGIN.any())
        }
    };
}
