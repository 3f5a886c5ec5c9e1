//! The configuration of `serve`: a file, the folder `conf.d` beside it, and the environment, in this order.
//!
//! All errors are reported at once, each with its place and the value to write there, and none that only follows from another.
mod description;
mod environment;
mod faults;
mod files;
mod layers;
mod lines;
mod same_file;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use config::{Map, Value, ValueKind};
use offline_push::{
    BuildContext, Clock, Decoded, Describe, Error, ErrorKind, Faults, Field, Ingress, IngressKind,
    Kind, LayerKind, Layers, Queue, QueueKind, RawConfig, Registry, Result, Secret, Shape, Store,
    StoreKind, Table,
    gateway::{
        MasterKey, Settings as GatewaySettings,
        http::{HttpSettings, check_prefixes},
    },
};
use serde::de::DeserializeOwned;

pub(crate) use self::{
    description::{example, table},
    faults::Fault,
    files::read_text,
    layers::DEFAULT_FILE,
};
use self::{faults::Origins, files::Files, same_file::Identity};

/// The configuration of `serve`, with its plugins built.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) master_key: MasterKey,
    pub(crate) store: Built<Arc<dyn Store>>,
    pub(crate) queue: Built<Arc<dyn Queue>>,
    pub(crate) ingresses: Vec<Arc<dyn Ingress>>,
    pub(crate) layers: Layers,
    /// The names of the layers, outermost first.
    pub(crate) layer_names: Vec<String>,
    pub(crate) http: HttpSettings,
    pub(crate) gateway: GatewaySettings,
}

/// A plugin of the configuration.
#[derive(Debug)]
pub(crate) struct Built<T> {
    /// Its name, the `type` of its table.
    pub(crate) name: String,
    pub(crate) plugin: T,
    /// The files that its configuration names, absolute.
    pub(crate) files: Vec<PathBuf>,
}

/// What was read of a configuration, right or wrong.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The settings, or everything that is wrong.
    pub(crate) settings: Result<Settings, Vec<Fault>>,
    /// What works, but should be otherwise.
    pub(crate) warnings: Vec<Error>,
    /// The files of the configuration; none if it is from the environment alone.
    pub(crate) files: Vec<PathBuf>,
    /// Where relative paths start.
    pub(crate) folder: PathBuf,
}

/// Reads the configuration `file` or, if none is named, [`DEFAULT_FILE`]; `conf.d/*.toml` beside it; and the environment. Builds
/// the plugins, which touches neither files nor network.
pub(crate) fn load(file: Option<&Path>, registry: &Registry, clock: Arc<dyn Clock>) -> Loaded {
    let table = table(registry);
    let layers = match layers::read(file, std::env::vars_os(), &table) {
        Ok(layers) => layers,
        Err(errors) => {
            return Loaded {
                settings: Err(errors.into_iter().map(Fault::from).collect()),
                warnings: Vec::new(),
                files: Vec::new(),
                folder: PathBuf::new(),
            };
        }
    };
    let mut root = layers.root;
    let key_source = key_source(&root, &layers.folder);
    let paths: Vec<PathBuf> = layers.files.iter().map(|(path, _)| path.clone()).collect();
    let mut files = Files::default();
    files.look_for_secrets(&root, &paths);
    let origins = root.clone();
    files.resolve(&layers.folder, &mut root, "");
    let warnings = files.warnings();
    let mut reader = Reader {
        origins: Origins::new(origins, layers.files),
        table,
        faults: layers.faults,
        unread: files.unread,
        key_source,
        opened: Vec::new(),
        registry,
        context: BuildContext::new(clock).with_folder(&layers.folder),
    };
    if let Err(error) = files.faults.result() {
        reader.faults.push(error);
    }
    Loaded {
        settings: reader.read(root),
        warnings,
        files: paths,
        folder: layers.folder,
    }
}

fn key_source(root: &Map<String, Value>, folder: &Path) -> String {
    if let Some(file) = root.get("master_key_file") {
        let file = file.clone().into_string().unwrap_or_default();
        return format!("the file {}", folder.join(file).display());
    }
    match root.get("master_key").and_then(Value::origin) {
        Some(origin) if origin.starts_with(environment::PREFIX) => {
            format!("the environment variable {origin}")
        }
        Some(origin) => format!("`master_key` in the configuration ({origin})"),
        None => "`master_key` in the configuration".to_owned(),
    }
}

/// A file that a plugin opens.
struct OpenedFile {
    /// The key that names it, or the plugin's table if none does.
    key: String,
    path: PathBuf,
    /// Whether it is a file of a store or queue, which shares it with no other plugin.
    is_own: bool,
}

struct Reader<'a> {
    /// Where the values are from.
    origins: Origins,
    /// What the file looks like.
    table: Table,
    faults: Faults,
    /// Keys whose files could not be read.
    unread: Vec<String>,
    /// Where the master key is written, for errors about a key that is not the right one.
    key_source: String,
    /// The files of the plugins so far.
    opened: Vec<OpenedFile>,
    registry: &'a Registry,
    context: BuildContext,
}

impl Reader<'_> {
    fn read(mut self, mut root: Map<String, Value>) -> Result<Settings, Vec<Fault>> {
        let listen = self.listen(&mut root);
        let master_key = self
            .required::<Secret>(
                &mut root,
                "master_key",
                "write master_key_file = \"master.key\", with the output of `openssl rand -base64 32` in that file; if this store has credentials already, with the key they were uploaded under",
            )
            .and_then(|it| self.keep(MasterKey::parse(&it).map_err(|error| error.at("master_key"))))
            .map(|key| key.from_source(self.key_source.clone()));
        let store = self.plugin::<StoreKind>(&mut root, "store");
        let queue = self.plugin::<QueueKind>(&mut root, "queue");
        let ingresses = self.ingresses(&mut root);
        let layers = self.list::<LayerKind>(&mut root, "layer");
        let http = self.http(&mut root);
        let gateway = match root.remove("gateway") {
            Some(value) => self.table("gateway", value, GatewaySettings::check),
            None => Some(GatewaySettings::default()),
        };
        let mut unknown: Vec<_> = root.keys().collect();
        unknown.sort();
        for key in unknown {
            let advice = "`offline-push plugins --example` shows all keys";
            self.faults.push(self.table.unknown_key(key).advise(advice));
        }
        let folder = self.context.folder.path().to_owned();
        self.errors()?;
        let settings = (|| {
            let layers = layers?;
            Some(Settings {
                layer_names: layers.iter().map(|it| it.name.clone()).collect(),
                layers: layers.into_iter().map(|it| it.plugin).collect(),
                listen: listen?,
                master_key: master_key?,
                store: store?,
                queue: queue?,
                ingresses: ingresses?,
                http: http?,
                gateway: gateway?.with_folder(folder),
            })
        })();
        // Whatever is absent was reported above.
        settings.ok_or_else(|| {
            let what = "the configuration cannot be read";
            vec![Error::new(ErrorKind::Internal, what).into()]
        })
    }

    /// What was noted, without what follows from a file that cannot be read, and with the file and line of each value.
    fn errors(self) -> Result<(), Vec<Fault>> {
        let Err(error) = self.faults.result() else {
            return Ok(());
        };
        let follows = |error: &Error| {
            let place = error.place().unwrap_or_default();
            self.unread.iter().any(|key| {
                place
                    .strip_prefix(key.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            })
        };
        let errors = error.each().into_iter().filter(|error| !follows(error));
        let faults: Vec<Fault> = errors.map(|error| self.origins.found(error)).collect();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults)
        }
    }

    fn listen(&mut self, root: &mut Map<String, Value>) -> Option<SocketAddr> {
        let behind_proxy = match root.remove("behind_proxy") {
            Some(value) => self.value("behind_proxy", value),
            None => Some(false),
        };
        let listen =
            self.required::<SocketAddr>(root, "listen", "write listen = \"127.0.0.1:8710\"");
        if let (Some(listen), Some(false)) = (listen, behind_proxy)
            && !listen.ip().is_loopback()
        {
            self.fail(
                "listen",
                format!("{listen} can be reached from other machines, and the gateway speaks no TLS itself"),
                "listen on 127.0.0.1, or say behind_proxy = true if only a proxy that speaks TLS can reach it",
            );
        }
        listen
    }

    fn http(&mut self, root: &mut Map<String, Value>) -> Option<HttpSettings> {
        const WRITE: &str = "write [[http.keys]] with name, app, scopes and key_file or sha256";
        let value = root
            .remove("http")
            .unwrap_or_else(|| Value::new(None, ValueKind::Table(Map::new())));
        if let ValueKind::Table(table) = &value.kind
            && !table.contains_key("keys")
        {
            let what = "there is no API key, so no server can call the gateway";
            self.fail("http.keys", what, WRITE);
        }
        if let Some(ValueKind::Array(keys)) = self.origins.value("http.keys").map(|it| &it.kind)
            && keys.is_empty()
        {
            let what = "is empty, so no server can call the gateway";
            self.fail("http.keys", what, WRITE);
        }
        self.table("http", value, HttpSettings::check)
    }

    fn keep<T>(&mut self, result: Result<T>) -> Option<T> {
        self.faults.keep(result)
    }

    fn fail(&mut self, key: &str, message: impl Into<String>, advice: impl Into<String>) {
        let error = Error::new(ErrorKind::Config, message);
        self.faults.push(error.at(key).advise(advice));
    }

    /// A value that is not a table.
    fn value<T: DeserializeOwned + Describe>(&mut self, key: &str, value: Value) -> Option<T> {
        let mut map = Map::new();
        map.insert("value".to_owned(), value);
        let table = Value::new(None, ValueKind::Table(map));
        let decoded: Decoded<Of<T>> = RawConfig::new(table).decode();
        match decoded.faults.first() {
            None => decoded.value.map(|it| it.value),
            Some(fault) => {
                self.fail(
                    key,
                    fault.message(),
                    "`offline-push plugins --example` shows it",
                );
                None
            }
        }
    }

    fn required<T: DeserializeOwned + Describe>(
        &mut self,
        root: &mut Map<String, Value>,
        key: &str,
        write: &str,
    ) -> Option<T> {
        match root.remove(key) {
            Some(value) => self.value(key, value),
            None => {
                self.fail(key, "is missing", write);
                None
            }
        }
    }

    /// A table, read and checked: the check sees defaults in place of what cannot be read.
    fn table<T: DeserializeOwned + Describe>(
        &mut self,
        key: &str,
        value: Value,
        check: impl FnOnce(&T) -> Result<()>,
    ) -> Option<T> {
        if !matches!(value.kind, ValueKind::Table(_)) {
            self.fail(key, "is not a table", format!("write [{key}]"));
            return None;
        }
        let mut decoded: Decoded<T> = RawConfig::new(value).decode();
        let advice = "`offline-push plugins --example` shows all keys";
        for fault in std::mem::take(&mut decoded.faults) {
            self.faults.push(fault.under(key).advise(advice));
        }
        let value = decoded.value.take()?;
        if let Err(error) = check(&value) {
            for error in error.each() {
                if !decoded.is_consequence(&error) {
                    self.faults.push(error.under(key));
                }
            }
        }
        Some(value)
    }

    fn plugin<K: Kind>(
        &mut self,
        root: &mut Map<String, Value>,
        key: &str,
    ) -> Option<Built<K::Object>> {
        match root.remove(key) {
            Some(value) => self.build::<K>(key, value),
            None => {
                self.fail(
                    key,
                    "is missing",
                    format!("write [{key}] with type = \"sqlite\" and path = \"{key}.db\""),
                );
                None
            }
        }
    }

    fn ingresses(&mut self, root: &mut Map<String, Value>) -> Option<Vec<Arc<dyn Ingress>>> {
        let built = self.list::<IngressKind>(root, "ingress")?;
        let ingresses: Vec<_> = built.into_iter().map(|it| it.plugin).collect();
        self.keep(check_prefixes(&ingresses).map_err(|error| error.under("ingress")))?;
        Some(ingresses)
    }

    /// The plugins of a list of tables; each is built, although one may be wrong.
    fn list<K: Kind>(
        &mut self,
        root: &mut Map<String, Value>,
        key: &str,
    ) -> Option<Vec<Built<K::Object>>> {
        let Some(value) = root.remove(key) else {
            return Some(Vec::new());
        };
        let ValueKind::Array(values) = value.kind else {
            self.fail(key, "is not a list", format!("write [[{key}]] with type"));
            return None;
        };
        let built: Vec<_> = values
            .into_iter()
            .enumerate()
            .map(|(n, it)| self.build::<K>(&format!("{key}[{n}]"), it))
            .collect();
        built.into_iter().collect()
    }

    fn build<K: Kind>(&mut self, key: &str, value: Value) -> Option<Built<K::Object>> {
        let origin = value.origin().map(str::to_owned);
        let ValueKind::Table(mut table) = value.kind else {
            self.fail(key, "is not a table", format!("write [{key}] with type"));
            return None;
        };
        let of = format!("{key}.type");
        let Some(name) = table.remove("type") else {
            let advice = "`offline-push plugins` lists what can stand here";
            self.fail(&of, "is missing", advice);
            return None;
        };
        let name: String = self.value(&of, name)?;
        // Of an unknown plugin no other key can be judged.
        self.keep(self.registry.find(K::LABEL, &name).map_err(|it| it.at(&of)))?;
        let raw = RawConfig::new(Value::new(origin.as_ref(), ValueKind::Table(table)));
        // A folder of its own, which lists the paths of this plugin alone.
        let folder = self.context.folder.path().to_owned();
        let context = self.context.clone().with_folder(folder).with_table(key);
        let built = self.registry.build::<K>(&name, raw, &context);
        let plugin = self.keep(built)?;
        let files = context.folder.resolved();
        let is_own = [StoreKind::LABEL, QueueKind::LABEL].contains(&K::LABEL);
        for path in &files {
            self.open(key, path, is_own);
        }
        Some(Built {
            name,
            plugin,
            files,
        })
    }

    /// Notes a file that a plugin opens, and refuses it if another plugin has it and one of the two is a store or queue.
    fn open(&mut self, table: &str, path: &Path, is_own: bool) {
        let file = OpenedFile {
            key: self.key_of(table, path),
            path: path.to_owned(),
            is_own,
        };
        let identity = Identity::of(path);
        let same = self
            .opened
            .iter()
            .find(|other| (other.is_own || is_own) && Identity::of(&other.path) == identity);
        if let Some(other) = same {
            let message = format!(
                "is the same file as {}: {} ({})",
                other.key,
                path.display(),
                other.path.display(),
            );
            let advice = format!("give {} and {} a file of its own each", file.key, other.key);
            self.fail(&file.key, message, advice);
        }
        self.opened.push(file);
    }

    /// The key in `table` whose value is that path; the table itself for a path that follows from another key.
    fn key_of(&self, table: &str, path: &Path) -> String {
        let keys = self
            .origins
            .value(table)
            .and_then(|value| match &value.kind {
                ValueKind::Table(keys) => Some(keys),
                _ => None,
            });
        let folder = self.context.folder.path();
        let named = keys
            .into_iter()
            .flatten()
            .find(|(_, value)| match &value.kind {
                ValueKind::String(text) => folder.join(text) == path,
                _ => false,
            });
        match named {
            Some((key, _)) => format!("{table}.{key}"),
            None => table.to_owned(),
        }
    }
}

#[derive(serde::Deserialize)]
struct Of<T> {
    value: T,
}

impl<T: Describe> Describe for Of<T> {
    fn shape() -> Shape {
        let field = Field::new("value", "", T::shape());
        Shape::Table(Table::new("", vec![field]))
    }
}
