//! Stores the part of the state that survives a restart.
use std::{
    fmt, fs,
    io::{self, Write},
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use push_core::{Error, ErrorKind, Result};

/// A store for one blob of bytes, at most about 100 KB. Called from a thread that may block.
///
/// The blob holds device tokens and the ticket of the account that the device is bound to, which is needed to unbind the device
/// after a logout without network and a restart. Keep it where only the app can read it.
pub trait StateStore: fmt::Debug + Send + Sync + 'static {
    /// Returns the blob that was saved last; `None` if none was saved.
    ///
    /// # Errors
    /// If there is a blob that cannot be read.
    fn load(&self) -> Result<Option<Vec<u8>>>;

    /// Replaces the saved blob atomically, even if the power fails.
    ///
    /// # Errors
    /// If the blob cannot be written; the earlier blob is kept then.
    fn save(&self, state: &[u8]) -> Result<()>;
}

/// A store in a file that only its owner may read. It is replaced atomically, by renaming.
#[derive(Clone, Debug)]
pub struct FileState {
    path: PathBuf,
}

impl FileState {
    /// Uses the file `path`. Its folder must exist; the file need not. One file belongs to one client.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn replace(&self, state: &[u8]) -> io::Result<()> {
        let mut next = self.path.clone().into_os_string();
        next.push(".next");
        let next = PathBuf::from(next);
        // A leftover may have other permissions.
        match fs::remove_file(&next) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&next)?;
        file.write_all(state)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&next, &self.path)?;
        // The new name is durable only once the folder is synced.
        #[cfg(unix)]
        if let Some(folder) = self.path.parent() {
            let folder = if folder.as_os_str().is_empty() {
                std::path::Path::new(".")
            } else {
                folder
            };
            fs::File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

impl StateStore for FileState {
    fn load(&self) -> Result<Option<Vec<u8>>> {
        match fs::read(&self.path) {
            Ok(state) => Ok(Some(state)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::new(
                ErrorKind::Unavailable,
                "the client's state cannot be read",
            )
            .at(self.path.display())
            .because(error)
            .advise("let the app read and write this file, or name another one")),
        }
    }

    fn save(&self, state: &[u8]) -> Result<()> {
        self.replace(state).map_err(|error| {
            Error::new(
                ErrorKind::Unavailable,
                "the client's state cannot be written",
            )
            .at(self.path.display())
            .because(error)
            .advise("let the app write in this folder, and leave some room on the disk")
        })
    }
}

/// A store in memory, for tests. The state survives a client, but not the process.
#[derive(Default)]
pub struct MemoryState(Mutex<Option<Vec<u8>>>);

impl MemoryState {
    /// Returns an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a store that holds `state`.
    pub fn with(state: impl Into<Vec<u8>>) -> Self {
        Self(Mutex::new(Some(state.into())))
    }
}

impl StateStore for MemoryState {
    fn load(&self) -> Result<Option<Vec<u8>>> {
        Ok(self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone())
    }

    fn save(&self, state: &[u8]) -> Result<()> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(state.to_vec());
        Ok(())
    }
}

impl fmt::Debug for MemoryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryState")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder =
                std::env::temp_dir().join(format!("push-client-{}-{name}", std::process::id()));
            fs::create_dir_all(&folder).expect("a temporary folder can be made");
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn a_file_is_replaced_atomically_and_read_back() {
        let folder = Folder::new("replace");
        let state = FileState::new(folder.0.join("push.json"));
        assert_eq!(state.load().unwrap(), None);
        state.save(b"a long first state").unwrap();
        fs::write(folder.0.join("push.json.next"), b"left by a crash").unwrap();
        state.save(b"second").unwrap();
        assert_eq!(state.load().unwrap().as_deref(), Some(&b"second"[..]));
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::new("mode");
        let state = FileState::new(folder.0.join("push.json"));
        state.save(b"x").unwrap();
        let mode = fs::metadata(folder.0.join("push.json"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let folder = Folder::new("missing");
        let state = FileState::new(folder.0.join("no/push.json"));
        let error = state.save(b"x").unwrap_err().to_string();
        assert!(error.contains("push.json"), "{error}");
    }
}
