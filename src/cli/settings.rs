//! The configuration of `serve`: a file, the folder `conf.d` beside it, and the environment, in this order.
//!
//! All errors are reported at once, each with its place and the value to write there.
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use config::{Config, Environment, File, FileFormat, Map, Value, ValueKind};
use offline_push::{
    BuildContext, Clock, Error, ErrorKind, IngressKind, QueueKind, RawConfig, Registry, Result,
    Secret, StoreKind,
    gateway::{
        Gateway, MasterKey, Parts, Settings as GatewaySettings,
        http::{HttpSettings, router},
    },
};
use push_kit::input::of_file;

/// The largest file that a `_file` key may name, in bytes.
const MAX_FILE: u64 = 1024 * 1024;
/// The prefix of environment variables: `OFFLINE_PUSH__LISTEN` is the key `listen`.
const PREFIX: &str = "OFFLINE_PUSH";

/// The configuration of `serve`.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) master_key: MasterKey,
    pub(crate) store: Plugin,
    pub(crate) queue: Plugin,
    pub(crate) ingresses: Vec<Plugin>,
    pub(crate) http: HttpSettings,
    pub(crate) gateway: GatewaySettings,
}

/// A plugin's table: its `type`, and the rest undecoded.
#[derive(Clone, Debug)]
pub(crate) struct Plugin {
    pub(crate) name: String,
    pub(crate) raw: RawConfig,
}

/// A complete example, which `check-config` accepts.
pub(crate) const EXAMPLE: &str = include_str!("example.toml");

/// Reads `file`, `conf.d/*.toml` beside it, and the environment.
///
/// # Errors
/// All errors, at once.
pub(crate) fn load(file: &Path) -> Result<Settings, Vec<Error>> {
    let root = layered(file).map_err(|error| vec![error])?;
    let folder = file.parent().unwrap_or(Path::new("."));
    Reader {
        folder: folder.to_owned(),
        errors: Vec::new(),
    }
    .read(root)
}

/// Builds all parts that `settings` describe, and drops them. Works offline: building needs no network.
///
/// # Errors
/// All errors, at once.
pub(crate) fn check(
    settings: &Settings,
    registry: Registry,
    clock: Arc<dyn Clock>,
) -> Result<(), Vec<Error>> {
    let context = BuildContext::new(Arc::clone(&clock));
    let mut errors = Vec::new();
    let store = registry
        .build::<StoreKind>(&settings.store.name, settings.store.raw.clone(), &context)
        .map_err(|error| errors.push(error.at("[store]")));
    let queue = registry
        .build::<QueueKind>(&settings.queue.name, settings.queue.raw.clone(), &context)
        .map_err(|error| errors.push(error.at("[queue]")));
    let mut ingresses = Vec::new();
    for it in &settings.ingresses {
        match registry.build::<IngressKind>(&it.name, it.raw.clone(), &context) {
            Ok(ingress) => ingresses.push(ingress),
            Err(error) => errors.push(error.at("[[ingress]]")),
        }
    }
    if let (Ok(store), Ok(queue)) = (store, queue) {
        let built = Gateway::new(Parts {
            store,
            queue,
            registry: Arc::new(registry),
            clock,
            master_key: settings.master_key.clone(),
            settings: settings.gateway.clone(),
        })
        .map_err(|error| error.at("[gateway]"))
        .and_then(|it| router(&it, &settings.http, &ingresses).map_err(|error| error.at("[http]")));
        errors.extend(built.err());
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors)
    }
}

fn layered(file: &Path) -> Result<Map<String, Value>> {
    let unreadable = |path: &Path, source: std::io::Error| {
        Error::new(ErrorKind::Config, "the configuration cannot be read")
            .at(path.display())
            .because(source)
            .advise(
                "`offline-push plugins --example` prints a complete configuration to start from",
            )
    };
    let mut builder = Config::builder();
    let text = fs::read_to_string(file).map_err(|source| unreadable(file, source))?;
    builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
    let conf_d = file.parent().unwrap_or(Path::new(".")).join("conf.d");
    if conf_d.is_dir() {
        let mut parts: Vec<PathBuf> = fs::read_dir(&conf_d)
            .map_err(|source| unreadable(&conf_d, source))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|it| it == "toml"))
            .collect();
        parts.sort();
        for part in parts {
            builder = builder.add_source(File::from(part));
        }
    }
    builder
        .add_source(
            Environment::with_prefix(PREFIX)
                .prefix_separator("__")
                .separator("__"),
        )
        .build()
        .map_err(|source| {
            let what = format!("the configuration is not well formed ({source})");
            Error::new(ErrorKind::Config, what).at(file.display())
        })?
        .cache
        .into_table()
        .map_err(|source| {
            let what = format!("the configuration is not a table ({source})");
            Error::new(ErrorKind::Config, what)
        })
}

struct Reader {
    folder: PathBuf,
    errors: Vec<Error>,
}

impl Reader {
    fn read(mut self, mut root: Map<String, Value>) -> Result<Settings, Vec<Error>> {
        let key_source = self.key_source(&root);
        self.resolve_files(&mut root, "");
        let listen =
            self.required::<SocketAddr>(&mut root, "listen", "listen = \"127.0.0.1:8710\"");
        let behind_proxy = self.optional(&mut root, "behind_proxy").unwrap_or(false);
        let master_key = self
            .required::<Secret>(
                &mut root,
                "master_key",
                "master_key_file = \"master.key\", with the output of `openssl rand -base64 32` in that file; if this store has credentials already, with the key they were uploaded under",
            )
            .and_then(|key| {
                let parsed = MasterKey::parse(&key).map_err(|error| error.at("master_key"));
                self.keep(parsed)
            })
            .map(|key| key.from_source(key_source));
        let store = self.plugin(&mut root, "store", "[store] type = \"sqlite\"");
        let queue = self.plugin(&mut root, "queue", "[queue] type = \"sqlite\"");
        let ingresses = self.plugins(&mut root, "ingress");
        let http = self.required::<HttpSettings>(
            &mut root,
            "http",
            "[[http.keys]] name = \"im-server\", app = \"demo\", scopes = [\"server\"], and a key_file",
        );
        if http.as_ref().is_some_and(|it| it.keys.is_empty()) {
            self.fail(
                "http.keys",
                "there is no API key, so no server can call the gateway",
                "write [[http.keys]] with name, app, scopes and key_file or sha256",
            );
        }
        let gateway = self
            .optional::<GatewaySettings>(&mut root, "gateway")
            .unwrap_or_default();
        self.keep(gateway.check().map_err(|error| error.at("[gateway]")));
        for (key, value) in &root {
            let at = value.origin().unwrap_or("the configuration").to_owned();
            self.errors.push(
                Error::new(ErrorKind::Config, format!("`{key}` is not a known key"))
                    .at(at)
                    .advise("known are: listen, behind_proxy, master_key, store, queue, ingress, http, gateway"),
            );
        }
        if let Some(listen) = listen
            && !listen.ip().is_loopback()
            && !behind_proxy
        {
            self.fail(
                "listen",
                format!("{listen} can be reached from other machines, and the gateway speaks no TLS itself"),
                "listen on 127.0.0.1, or say behind_proxy = true if only a proxy that speaks TLS can reach it",
            );
        }
        match (
            listen,
            master_key,
            store,
            queue,
            http,
            self.errors.is_empty(),
        ) {
            (Some(listen), Some(master_key), Some(store), Some(queue), Some(http), true) => {
                Ok(Settings {
                    listen,
                    master_key,
                    store,
                    queue,
                    ingresses,
                    http,
                    gateway,
                })
            }
            _ => Err(self.errors),
        }
    }

    /// Where the master key is written, for errors about a key that is not the right one.
    fn key_source(&self, root: &Map<String, Value>) -> String {
        let file = root
            .get("master_key_file")
            .map(|value| value.clone().into_string());
        match (
            root.get("master_key").and_then(|value| value.origin()),
            file,
        ) {
            (Some("the environment"), _) => {
                format!("the environment variable {PREFIX}__MASTER_KEY")
            }
            (_, Some(Ok(file))) => format!("the file {}", self.folder.join(file).display()),
            _ => "`master_key` in the configuration".to_owned(),
        }
    }

    fn keep<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.errors.push(error)).ok()
    }

    fn fail(&mut self, key: &str, message: impl Into<String>, advice: impl Into<String>) {
        self.errors.push(
            Error::new(ErrorKind::Config, message)
                .at(key)
                .advise(advice),
        );
    }

    fn optional<T: serde::de::DeserializeOwned>(
        &mut self,
        table: &mut Map<String, Value>,
        key: &str,
    ) -> Option<T> {
        match table.remove(key)?.try_deserialize() {
            Ok(value) => Some(value),
            Err(error) => {
                self.fail(
                    key,
                    error.to_string(),
                    "see `offline-push plugins --example`",
                );
                None
            }
        }
    }

    fn required<T: serde::de::DeserializeOwned>(
        &mut self,
        table: &mut Map<String, Value>,
        key: &str,
        write: &str,
    ) -> Option<T> {
        if !table.contains_key(key) {
            self.fail(key, "is missing", format!("write {write}"));
            return None;
        }
        self.optional(table, key)
    }

    fn plugin(&mut self, table: &mut Map<String, Value>, key: &str, write: &str) -> Option<Plugin> {
        let Some(value) = table.remove(key) else {
            self.fail(key, "is missing", format!("write {write}"));
            return None;
        };
        self.typed(key, value)
    }

    fn plugins(&mut self, table: &mut Map<String, Value>, key: &str) -> Vec<Plugin> {
        let Some(value) = table.remove(key) else {
            return Vec::new();
        };
        match value.kind {
            ValueKind::Array(values) => values
                .into_iter()
                .enumerate()
                .filter_map(|(n, it)| self.typed(&format!("{key}[{n}]"), it))
                .collect(),
            _ => {
                self.fail(key, "is not a list", format!("write [[{key}]] type = …"));
                Vec::new()
            }
        }
    }

    fn typed(&mut self, key: &str, value: Value) -> Option<Plugin> {
        let origin = value.origin().map(str::to_owned);
        let ValueKind::Table(mut table) = value.kind else {
            self.fail(key, "is not a table", format!("write [{key}] type = …"));
            return None;
        };
        let Some(name) = table.remove("type").and_then(|it| it.into_string().ok()) else {
            self.fail(
                &format!("{key}.type"),
                "is missing",
                "`offline-push plugins` lists what can stand here",
            );
            return None;
        };
        Some(Plugin {
            name,
            raw: RawConfig::new(Value::new(origin.as_ref(), ValueKind::Table(table))),
        })
    }

    /// Replaces every `x_file = "path"` by `x = "what is in the file"`, without byte order mark and final line break, so that
    /// no plugin reads a file. Bytes that are not text become base64. Relative paths start at the folder of the configuration.
    fn resolve_files(&mut self, table: &mut Map<String, Value>, place: &str) {
        for key in table.keys().cloned().collect::<Vec<_>>() {
            let here = if place.is_empty() {
                key.clone()
            } else {
                format!("{place}.{key}")
            };
            if let Some(plain) = key.strip_suffix("_file").filter(|it| !it.is_empty()) {
                let Some(value) = table.remove(&key) else {
                    continue;
                };
                if table.contains_key(plain) {
                    self.fail(
                        &here,
                        format!("`{plain}` is there, too"),
                        format!("keep {plain} or {key}"),
                    );
                    continue;
                }
                match self.read_file(value) {
                    Ok(value) => drop(table.insert(plain.to_owned(), value)),
                    Err(error) => self.errors.push(error.at(here)),
                }
                continue;
            }
            match table.get_mut(&key).map(|it| &mut it.kind) {
                Some(ValueKind::Table(inner)) => self.resolve_files(inner, &here),
                Some(ValueKind::Array(values)) => {
                    for (n, value) in values.iter_mut().enumerate() {
                        if let ValueKind::Table(inner) = &mut value.kind {
                            self.resolve_files(inner, &format!("{here}[{n}]"));
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn read_file(&self, value: Value) -> Result<Value> {
        let origin = value.origin().map(str::to_owned);
        let name = value
            .into_string()
            .map_err(|_| Error::new(ErrorKind::Config, "is not the name of a file"))?;
        let text = read_text(&self.folder.join(name))?;
        Ok(Value::new(origin.as_ref(), text))
    }
}

/// Returns the content of a file as the value of a key, as [`of_file`] reads it.
///
/// # Errors
/// The file cannot be read, or is larger than [`MAX_FILE`].
pub(crate) fn read_text(path: &Path) -> Result<String> {
    let unreadable = |source: std::io::Error| {
        Error::new(
            ErrorKind::Config,
            format!("{} cannot be read", path.display()),
        )
        .because(source)
        .advise("check the path and that this user may read it")
    };
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > MAX_FILE {
        return Err(Error::new(
            ErrorKind::Config,
            format!(
                "{} has {size} bytes; no key or certificate is that large",
                path.display()
            ),
        ));
    }
    fs::read(path).map(of_file).map_err(unreadable)
}
