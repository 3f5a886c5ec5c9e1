//! Paths in the configuration of plugins.
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use serde::Deserialize;

/// A path in a plugin's configuration. A relative one starts at the folder of the configuration file, so that it means the same
/// wherever the program was started.
///
/// Every path of a plugin's configuration has this type: only [`ConfigPath::resolve`] gives access to it, so that no plugin can
/// use a relative path as it is. `cargo xtask tidy` refuses `PathBuf` in the configuration of a plugin.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ConfigPath(PathBuf);

impl ConfigPath {
    /// The path as it is written in the configuration.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Returns `true` if nothing is written.
    pub fn is_empty(&self) -> bool {
        self.0.as_os_str().is_empty()
    }

    /// The number of bytes of what is written.
    pub(crate) fn len(&self) -> usize {
        self.0.as_os_str().len()
    }

    /// Returns the path to use, and adds it to [`ConfigFolder::resolved`]. It touches no file.
    pub fn resolve(&self, folder: &ConfigFolder) -> PathBuf {
        let path = folder.path.join(&self.0);
        folder.add(&path);
        path
    }

    /// Returns the path of a file beside this one, with `suffix` behind the stem of its name: `store.db` and `-traces` are
    /// `store-traces.db`.
    #[must_use]
    pub fn beside(&self, suffix: &str) -> Self {
        let mut name = self.0.file_stem().unwrap_or_default().to_owned();
        name.push(suffix);
        if let Some(extension) = self.0.extension() {
            name.push(".");
            name.push(extension);
        }
        Self(self.0.with_file_name(name))
    }
}

impl<P: Into<PathBuf>> From<P> for ConfigPath {
    fn from(path: P) -> Self {
        Self::new(path)
    }
}

impl fmt::Debug for ConfigPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The folder at which relative paths of a configuration start.
#[derive(Clone, Debug, Default)]
pub struct ConfigFolder {
    path: PathBuf,
    resolved: Arc<Mutex<Vec<PathBuf>>>,
}

impl ConfigFolder {
    /// This folder; empty for the working directory of the process.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            resolved: Arc::default(),
        }
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the paths that plugins took from their configurations with this folder or a clone of it.
    pub fn resolved(&self) -> Vec<PathBuf> {
        self.resolved
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn add(&self, path: &Path) {
        let mut paths = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        if !paths.iter().any(|known| known == path) {
            paths.push(path.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_start_at_the_folder_of_the_configuration() {
        let folder = ConfigFolder::new("/etc/offline-push");
        let resolve = |path: &str| ConfigPath::new(path).resolve(&folder.clone());
        assert_eq!(
            resolve("data/q.db"),
            Path::new("/etc/offline-push/data/q.db")
        );
        assert_eq!(resolve("/var/q.db"), Path::new("/var/q.db"));
        assert_eq!(resolve("/var/q.db"), Path::new("/var/q.db"));
        assert_eq!(
            folder.resolved(),
            [
                Path::new("/etc/offline-push/data/q.db"),
                Path::new("/var/q.db")
            ]
        );
    }
}
