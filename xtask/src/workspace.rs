//! The crates of the workspace, and their names.
//!
//! One mapping holds for every plugin: the folder `providers/huawei` is the package
//! `push-provider-huawei`, the feature `provider-huawei` and the registry name `provider/huawei`;
//! the folder `plugins/store-sqlite` is `push-store-sqlite`, `store-sqlite` and `store/sqlite`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Result, manifest::Manifest, names, run};

/// Plugins that wrap another project's client, with the TLS stack that it pins. They are off by
/// default, and the rules for the product's dependencies do not bind them.
pub(crate) const FOREIGN: &[&str] = &["provider-apns-a2"];

/// The kind of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ingress,
    Layer,
    Login,
    Provider,
    Queue,
    Store,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] = [
        Self::Ingress,
        Self::Layer,
        Self::Login,
        Self::Provider,
        Self::Queue,
        Self::Store,
    ];

    /// Returns the word in package, feature and registry name.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Layer => "layer",
            Self::Login => "login",
            Self::Provider => "provider",
            Self::Queue => "queue",
            Self::Store => "store",
        }
    }

    /// The variant of `push_core::AnyDescriptor`.
    pub(crate) fn variant(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::Layer => "Layer",
            Self::Login => "Login",
            Self::Provider => "Provider",
            Self::Queue => "Queue",
            Self::Store => "Store",
        }
    }

    /// Returns the macro of `push-testkit` that tests the contract of this kind.
    pub(crate) fn conformance(self) -> String {
        format!("{}_conformance", self.word())
    }
}

/// A plugin's kind and name, from which all its other names follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plugin {
    pub(crate) kind: Kind,
    pub(crate) name: String,
}

impl Plugin {
    /// Reads a folder such as `providers/huawei` or `plugins/store-sqlite`.
    pub(crate) fn from_folder(folder: &str) -> Result<Self, String> {
        let (kind, name) = match folder.split_once('/') {
            Some(("providers", name)) => (Kind::Provider, name),
            Some(("plugins", both)) => Self::parts(both)?,
            _ => return Err(format!("`{folder}` is not a folder for plugins")),
        };
        names::check(name)?;
        Ok(Self {
            kind,
            name: name.to_owned(),
        })
    }

    /// Reads `store-sqlite`.
    pub(crate) fn from_word(word: &str) -> Result<Self, String> {
        let (kind, name) = Self::parts(word)?;
        names::check(name)?;
        Ok(Self {
            kind,
            name: name.to_owned(),
        })
    }

    fn parts(both: &str) -> Result<(Kind, &str), String> {
        let kind = |word| {
            Kind::ALL
                .into_iter()
                .find(|it| it.word() == word && *it != Kind::Provider)
        };
        both.split_once('-')
            .and_then(|(word, name)| Some((kind(word)?, name)))
            .ok_or_else(|| {
                format!(
                    "`{both}` does not start with a kind of plugin: login-, store-, queue-, layer- or ingress-"
                )
            })
    }

    pub(crate) fn folder(&self) -> String {
        match self.kind {
            Kind::Provider => format!("providers/{}", self.name),
            _ => format!("plugins/{}", self.feature()),
        }
    }

    pub(crate) fn feature(&self) -> String {
        format!("{}-{}", self.kind.word(), self.name)
    }

    pub(crate) fn package(&self) -> String {
        format!("push-{}", self.feature())
    }

    /// The name in the registry, in configuration and in error messages.
    pub(crate) fn id(&self) -> String {
        format!("{}/{}", self.kind.word(), self.name)
    }

    /// Returns the name of the crate in Rust code.
    pub(crate) fn ident(&self) -> String {
        self.package().replace('-', "_")
    }
}

/// The role of a crate, which decides its imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Facade,
    Core,
    /// The derive macro that push-core exports.
    Derive,
    Http,
    /// The crate that providers share.
    Kit,
    Gateway,
    Client,
    /// The app half for other languages.
    Bindings,
    /// The generator of the bindings' sources.
    Generator,
    /// The crate that plugins on SQLite share.
    Sqlite,
    Testkit,
    Plugin(Plugin),
}

/// One crate of the workspace.
#[derive(Debug)]
pub(crate) struct Member {
    /// Relative to the root; empty for the facade.
    pub(crate) folder: String,
    pub(crate) role: Role,
    pub(crate) manifest: Manifest,
}

impl Member {
    pub(crate) fn package(&self) -> String {
        match &self.role {
            Role::Facade => "offline-push".to_owned(),
            Role::Plugin(plugin) => plugin.package(),
            _ => self.folder.replace('/', "-"),
        }
    }

    /// Returns `true` unless the manifest has `publish = false`.
    pub(crate) fn is_published(&self) -> bool {
        self.manifest.get("package", "publish") != Some("false")
    }

    /// Returns a path inside the crate, relative to the root.
    pub(crate) fn path(&self, inside: &str) -> String {
        if self.folder.is_empty() {
            inside.to_owned()
        } else {
            format!("{}/{inside}", self.folder)
        }
    }
}

/// All crates but `xtask`, which is a workspace of its own.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) members: Vec<Member>,
    /// Folders among the plugins that cannot be one: folder and reason.
    pub(crate) misplaced: Vec<(String, String)>,
}

impl Workspace {
    pub(crate) fn at(root: &Path) -> Result<Self> {
        let mut it = Self {
            root: root.to_owned(),
            members: Vec::new(),
            misplaced: Vec::new(),
        };
        for (folder, role) in [
            ("", Role::Facade),
            ("push-core", Role::Core),
            ("push-core/derive", Role::Derive),
            ("push-http", Role::Http),
            ("push-kit", Role::Kit),
            ("push-gateway", Role::Gateway),
            ("push-client", Role::Client),
            ("push-bindings", Role::Bindings),
            ("push-bindings/generate", Role::Generator),
            ("push-sqlite", Role::Sqlite),
            ("push-testkit", Role::Testkit),
        ] {
            it.add(folder.to_owned(), role)?;
        }
        let mut plugins = Vec::new();
        for top in ["providers", "plugins"] {
            for folder in folders(&root.join(top))? {
                let folder = format!("{top}/{folder}");
                match Plugin::from_folder(&folder) {
                    Ok(plugin) if root.join(&folder).join("Cargo.toml").is_file() => {
                        plugins.push(plugin);
                    }
                    Ok(_) => it
                        .misplaced
                        .push((folder, "it has no Cargo.toml".to_owned())),
                    Err(reason) => it.misplaced.push((folder, reason)),
                }
            }
        }
        plugins.sort_by_key(Plugin::feature);
        for plugin in plugins {
            it.add(plugin.folder(), Role::Plugin(plugin))?;
        }
        Ok(it)
    }

    fn add(&mut self, folder: String, role: Role) -> Result {
        let manifest = Manifest::read(&self.root.join(&folder).join("Cargo.toml"))?;
        self.members.push(Member {
            folder,
            role,
            manifest,
        });
        Ok(())
    }

    pub(crate) fn facade(&self) -> &Member {
        &self.members[0]
    }

    /// Returns the plugins, sorted by feature.
    pub(crate) fn plugins(&self) -> impl Iterator<Item = (&Plugin, &Member)> {
        self.members.iter().filter_map(|it| match &it.role {
            Role::Plugin(plugin) => Some((plugin, it)),
            _ => None,
        })
    }

    pub(crate) fn read(&self, path: &str) -> Result<String> {
        fs::read_to_string(self.root.join(path))
            .map_err(|error| format!("{path} cannot be read: {error}").into())
    }

    /// Returns the files of the repository, tracked or not ignored, relative to the root and sorted.
    pub(crate) fn files(&self) -> Result<Vec<String>> {
        let git =
            |args: &[&str]| run::stdout_of(Command::new("git").current_dir(&self.root).args(args));
        // A source archive is not a checkout, and neither is a copy below the `target` of another checkout.
        let is_checkout = git(&["rev-parse", "--show-prefix"]).is_ok_and(|it| it.trim().is_empty());
        let mut files: Vec<String> = if is_checkout {
            let listed = git(&[
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])?;
            listed.split_terminator('\0').map(str::to_owned).collect()
        } else {
            walk(&self.root)?
        };
        files.retain(|it| self.root.join(it).is_file());
        files.sort();
        files.dedup();
        Ok(files)
    }
}

fn folders(dir: &Path) -> Result<Vec<String>> {
    let listed =
        fs::read_dir(dir).map_err(|error| format!("{} cannot be read: {error}", dir.display()))?;
    let mut names = Vec::new();
    for entry in listed {
        let entry = entry.map_err(|error| format!("{} cannot be read: {error}", dir.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn walk(root: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        let listed = fs::read_dir(&dir)
            .map_err(|error| format!("{} cannot be read: {error}", dir.display()))?;
        for entry in listed.flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() {
                if name != "target" && name != ".git" {
                    open.push(path);
                }
            } else if let Ok(inside) = path.strip_prefix(root) {
                files.push(inside.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    Ok(files)
}

/// A temporary workspace for tests.
#[cfg(test)]
pub(crate) mod fixture {
    use std::{
        env, fs,
        path::PathBuf,
        process,
        sync::atomic::{AtomicU32, Ordering},
    };

    use super::Workspace;

    /// A folder that is removed when the value is dropped.
    pub(crate) struct Fixture {
        pub(crate) root: PathBuf,
    }

    impl Fixture {
        /// The fixed crates, each with a manifest and an empty library.
        pub(crate) fn new() -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let it = Self {
                root: env::temp_dir().join(format!("xtask-{}-{count}", process::id())),
            };
            it.write(
                "Cargo.toml",
                "[workspace.package]\nversion = \"0.1.0\"\n[package]\nname = \"offline-push\"\n",
            );
            for folder in [
                "push-core",
                "push-core/derive",
                "push-http",
                "push-kit",
                "push-gateway",
                "push-client",
                "push-bindings",
                "push-bindings/generate",
                "push-sqlite",
                "push-testkit",
            ] {
                it.add(folder, &folder.replace('/', "-"), "");
            }
            for folder in ["src", "providers", "plugins"] {
                fs::create_dir_all(it.root.join(folder)).expect("a folder in the temporary one");
            }
            it
        }

        pub(crate) fn write(&self, path: &str, text: &str) {
            let path = self.root.join(path);
            fs::create_dir_all(path.parent().expect("a file has a folder"))
                .expect("a folder in the temporary one");
            fs::write(path, text).expect("a file in the temporary folder");
        }

        pub(crate) fn add(&self, folder: &str, package: &str, rest: &str) {
            self.write(
                &format!("{folder}/Cargo.toml"),
                &format!("[package]\nname = \"{package}\"\n{rest}"),
            );
            self.write(&format!("{folder}/src/lib.rs"), "//! A crate.\n");
        }

        pub(crate) fn workspace(&self) -> Workspace {
            Workspace::at(&self.root).expect("the fixture is a workspace")
        }
    }

    impl Drop for Fixture {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.root).expect("the temporary folder can be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Plugin, fixture::Fixture};

    #[test]
    fn a_folder_names_a_plugin_everywhere() {
        let it = Plugin::from_folder("plugins/store-sqlite").expect("a plugin");
        assert_eq!(it.kind, Kind::Store);
        assert_eq!(it.folder(), "plugins/store-sqlite");
        assert_eq!(it.package(), "push-store-sqlite");
        assert_eq!(it.feature(), "store-sqlite");
        assert_eq!(it.id(), "store/sqlite");
        let it = Plugin::from_folder("providers/apns-a2").expect("a provider");
        assert_eq!(it.kind, Kind::Provider);
        assert_eq!(it.folder(), "providers/apns-a2");
        assert_eq!(it.ident(), "push_provider_apns_a2");
        assert_eq!(it.id(), "provider/apns-a2");
    }

    #[test]
    fn only_the_five_other_kinds_lie_among_the_plugins() {
        for folder in [
            "plugins/sqlite",
            "plugins/provider-x",
            "plugins/cache-x",
            "plugins/store-",
            "elsewhere/store-x",
            "providers/Apns",
        ] {
            assert!(Plugin::from_folder(folder).is_err(), "{folder}");
        }
    }

    #[test]
    fn members_are_sorted_and_unknown_folders_are_reported() {
        let it = Fixture::new();
        it.add("providers/zed", "push-provider-zed", "");
        it.add("plugins/login-auto", "push-login-auto", "");
        it.write("plugins/oddity/Cargo.toml", "");
        it.write("providers/empty/README.md", "");
        let workspace = it.workspace();
        let features: Vec<_> = workspace.plugins().map(|(it, _)| it.feature()).collect();
        assert_eq!(features, ["login-auto", "provider-zed"]);
        let misplaced: Vec<_> = workspace
            .misplaced
            .iter()
            .map(|(folder, _)| folder)
            .collect();
        assert_eq!(misplaced, ["providers/empty", "plugins/oddity"]);
    }
}
