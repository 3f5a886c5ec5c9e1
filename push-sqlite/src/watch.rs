//! Noticing that a file was removed, replaced, cut off or overwritten while it is in use.
//!
//! SQLite itself goes on with the file that it has open, also when that has no name any more: what is acknowledged then is gone
//! after the next start. Therefore each transaction, and from time to time a search, looks first.
//!
//! Every descriptor that is opened here stays open until all connections are closed: closing one would end the locks that
//! SQLite holds on the same file for this process.
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, Instant},
};

use push_core::{Error, ErrorKind};

use crate::file::{self, Schema};

/// How often searches look. Transactions look each time.
const SEARCHES_LOOK_EVERY: Duration = Duration::from_millis(200);

/// The files of an open database.
pub(crate) struct Watch {
    what: &'static str,
    application_id: u32,
    path: PathBuf,
    main: File,
    index: Option<File>,
    identities: Vec<(PathBuf, Identity)>,
    looked_at: Mutex<Option<Instant>>,
}

impl Watch {
    /// Watches the file at `path`, which is open.
    pub(crate) fn new(schema: &Schema, path: &Path) -> io::Result<Self> {
        let mut identities = Vec::new();
        for name in [
            path.to_owned(),
            file::log_path(path),
            file::index_path(path),
        ] {
            identities.push((name.clone(), Identity::of(&name)?));
        }
        Ok(Self {
            what: schema.what,
            application_id: schema.application_id,
            path: path.to_owned(),
            main: File::open(path)?,
            index: File::open(file::index_path(path)).ok(),
            identities,
            looked_at: Mutex::new(None),
        })
    }

    /// Looks at the files.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if one is not as it was: what is written now would be lost.
    pub(crate) fn look(&self) -> Result<(), Error> {
        for (name, identity) in &self.identities {
            match Identity::of(name) {
                Ok(now) if now == *identity => {}
                Ok(_) => return Err(self.error(name, "was replaced while it was in use")),
                Err(_) => return Err(self.error(name, "is gone, while it was in use")),
            }
        }
        if !self.is_ours() {
            return Err(self.error(&self.path, "was overwritten while it was in use"));
        }
        if !self.is_log_whole() {
            let log = file::log_path(&self.path);
            return Err(self.error(&log, "was cut off or overwritten while it was in use"));
        }
        Ok(())
    }

    /// Looks at the files if that was not done just now.
    ///
    /// # Errors
    /// As [`Watch::look`].
    pub(crate) fn look_sometimes(&self) -> Result<(), Error> {
        {
            let mut looked_at = self
                .looked_at
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let now = Instant::now();
            if looked_at.is_some_and(|last| now.duration_since(last) < SEARCHES_LOOK_EVERY) {
                return Ok(());
            }
            *looked_at = Some(now);
        }
        let looked = self.look();
        if looked.is_err() {
            *self
                .looked_at
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner) = None;
        }
        looked
    }

    fn error(&self, file: &Path, what: &str) -> Error {
        Error::new(
            ErrorKind::Unavailable,
            format!(
                "a file of the {} {what}; nothing is acknowledged any more",
                self.what
            ),
        )
        .at(file.display())
        .advise(
            "stop the program, put the file back from a backup if there is one, and start again",
        )
    }

    /// Whether the file begins as a database of this kind does.
    fn is_ours(&self) -> bool {
        let mut header = [0; 100];
        if read_at(&self.main, &mut header, 0).is_err() {
            // A database whose first page is in the log alone.
            return self.main.metadata().is_ok_and(|file| file.len() == 0);
        }
        header.starts_with(b"SQLite format 3\0")
            && [0, self.application_id].contains(&big_endian(&header, 68))
    }

    /// Whether the log still has the last frame that its index names.
    /// See <https://www.sqlite.org/walformat.html>.
    fn is_log_whole(&self) -> bool {
        let Some(index) = &self.index else {
            return true;
        };
        let Some(before) = LogEnd::read(index) else {
            return true;
        };
        if before.frames == 0 || before.has_frame(&file::log_path(&self.path)) {
            return true;
        }
        // Another process may have begun the log again meanwhile.
        LogEnd::read(index) != Some(before)
    }
}

/// Where the log ends, as its index has it.
#[derive(PartialEq, Eq)]
struct LogEnd {
    page_size: u64,
    frames: u64,
    checksum: [u32; 2],
    salts: [u8; 8],
}

impl LogEnd {
    /// `None` while it changes.
    fn read(index: &File) -> Option<Self> {
        let mut header = [0; 96];
        read_at(index, &mut header, 0).ok()?;
        let (first, second) = header.split_at(48);
        if first != second || first[12] == 0 {
            return None;
        }
        let native = |at: usize| {
            u32::from_ne_bytes([first[at], first[at + 1], first[at + 2], first[at + 3]])
        };
        let page_size = match u16::from_ne_bytes([first[14], first[15]]) {
            1 => 65_536,
            size => size.into(),
        };
        let mut salts = [0; 8];
        salts.copy_from_slice(&first[32..40]);
        Some(Self {
            page_size,
            frames: native(16).into(),
            checksum: [native(24), native(28)],
            salts,
        })
    }

    fn has_frame(&self, log: &Path) -> bool {
        // SQLite holds no locks on the log.
        let Ok(log) = File::open(log) else {
            return false;
        };
        let size = 24 + self.page_size;
        let last = 32 + (self.frames - 1) * size;
        let mut frame = [0; 24];
        log.metadata().is_ok_and(|file| file.len() >= last + size)
            && read_at(&log, &mut frame, last).is_ok()
            && frame[8..16] == self.salts
            && [big_endian(&frame, 16), big_endian(&frame, 20)] == self.checksum
    }
}

fn big_endian(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// What stays the same for as long as a name is that of the same file.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity(u64, u64);

#[cfg(unix)]
impl Identity {
    fn of(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        let file = fs::metadata(path)?;
        Ok(Self(file.dev(), file.ino()))
    }
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(not(unix))]
impl Identity {
    /// Where files have no numbers, only that the file exists.
    fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|_| Self(0, 0))
    }
}

#[cfg(not(unix))]
fn read_at(_: &File, _: &mut [u8], _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
