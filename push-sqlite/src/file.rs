//! Opening a file: whose it is, which version it has, who may use it.
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use push_core::{Error, ErrorKind, Result};
use rusqlite::{Connection, OpenFlags, TransactionBehavior, config::DbConfig};

use crate::{failure::Failure, options::Options};

/// What a file holds.
#[derive(Debug)]
#[non_exhaustive]
pub struct Schema {
    /// What the file is, as in `queue`: for error messages.
    pub what: &'static str,
    /// Stored in the file, so that it is not mistaken for another kind.
    pub application_id: u32,
    /// SQL that brings a file from each version to the next. An empty file is version 0.
    pub migrations: &'static [&'static str],
    /// SQL that runs each time the file is opened; empty for none.
    pub on_open: &'static str,
}

impl Schema {
    /// The schema of a file of this kind, without a statement that runs at opening.
    pub const fn new(
        what: &'static str,
        application_id: u32,
        migrations: &'static [&'static str],
    ) -> Self {
        Self {
            what,
            application_id,
            migrations,
            on_open: "",
        }
    }

    /// Sets the statement that runs at opening.
    #[must_use]
    pub const fn with_on_open(mut self, on_open: &'static str) -> Self {
        self.on_open = on_open;
        self
    }

    /// The version that this program writes.
    pub fn version(&self) -> usize {
        self.migrations.len()
    }
}

/// How long a call waits for another process that writes to the same file.
const BUSY: Duration = Duration::from_secs(5);

/// The write-ahead log's size in pages at which the writer itself moves it into the file. The checkpoint thread comes
/// long before that; this is the bound if it cannot keep up.
const LARGEST_LOG: i64 = 65_536;

/// The write-ahead log's file is cut down to this when it starts again.
const LOG_BYTES_KEPT: i64 = 64 * 1024 * 1024;

/// The writer's connection, and the locks on the file if only one process may have it.
pub(crate) struct Opened {
    pub(crate) connection: Connection,
    pub(crate) locks: Option<Locks>,
}

/// What keeps other processes off a file, until it is dropped or the process ends, however it ends.
pub(crate) struct Locks {
    _beside: File,
    /// On the file itself, so that it holds also if the file beside it is removed. Elsewhere than on Linux it would contradict
    /// the locks of SQLite.
    #[cfg(target_os = "linux")]
    _itself: File,
}

/// Opens the file for writing; creates and migrates it.
pub(crate) fn open(schema: &Schema, options: &Options) -> Result<Opened> {
    let path = &options.path;
    let unreachable = |source: io::Error| {
        Error::new(
            ErrorKind::Unavailable,
            format!("the {}'s file cannot be opened", schema.what),
        )
        .at(path.display())
        .advise("look at the path, and at who owns the directory")
        .because(source)
    };
    make_directory(path).map_err(unreachable)?;
    let beside = if options.exclusive {
        Some(lock(schema, path, &lock_path(path))?)
    } else {
        None
    };
    let created = create(path).map_err(unreachable)?;
    let locks = match beside {
        Some(beside) => Some(Locks {
            _beside: beside,
            #[cfg(target_os = "linux")]
            _itself: lock(schema, path, path)?,
        }),
        None => None,
    };
    look_at_header(schema, path)?;
    let connection = connect(schema, options).map_err(|it| it.into_error(path))?;
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let absolute = absolute.display();
    // A path that is wrong would otherwise look like a start with nothing in it.
    if created {
        tracing::info!(file = schema.what, path = %absolute, "the file did not exist and was created");
    } else {
        tracing::info!(file = schema.what, path = %absolute, "the file was opened");
    }
    Ok(Opened { connection, locks })
}

/// Opens the file for reading, after [`open`].
pub(crate) fn open_reader(options: &Options) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&options.path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    pragma(&connection, "query_only", 1)?;
    pragma(&connection, "cache_size", -16 * 1024)?;
    Ok(connection)
}

/// A connection that only moves the log into the file, after [`open`].
pub(crate) fn open_checkpointer(options: &Options) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&options.path, flags)?;
    connection.busy_timeout(Duration::ZERO)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

fn connect(schema: &Schema, options: &Options) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&options.path, flags)?;
    // Until the file is known to be ours: closing must not move a log into it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    pragma(&connection, "trusted_schema", 0)?;
    pragma(&connection, "cell_size_check", 1)?;
    pragma(&connection, "foreign_keys", 1)?;
    // What is deleted is overwritten wherever that costs no write of its own.
    connection.pragma_update(None, "secure_delete", "FAST")?;

    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let application = i64::from(number(&connection, "application_id")? as u32);
    let found = number(&connection, "user_version")?;
    judge(schema, &options.path, application, found, tables > 0)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;

    connection.pragma_update(None, "journal_mode", "WAL")?;
    let durable = if options.durable { "FULL" } else { "NORMAL" };
    connection.pragma_update(None, "synchronous", durable)?;
    pragma(&connection, "wal_autocheckpoint", LARGEST_LOG)?;
    pragma(&connection, "journal_size_limit", LOG_BYTES_KEPT)?;
    pragma(&connection, "cache_size", -64 * 1024)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    migrate(schema, &mut connection)?;
    if !schema.on_open.is_empty() {
        connection.execute_batch(&format!("BEGIN IMMEDIATE; {} ; COMMIT", schema.on_open))?;
    }
    Ok(connection)
}

fn migrate(schema: &Schema, connection: &mut Connection) -> Result<(), Failure> {
    if number(connection, "user_version")? == schema.version() as i64 {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been faster.
    let found = usize::try_from(number(&transaction, "user_version")?).unwrap_or(0);
    for (step, sql) in schema.migrations.iter().enumerate().skip(found) {
        transaction.execute_batch(sql)?;
        pragma(&transaction, "user_version", step as i64 + 1)?;
        tracing::info!(
            file = schema.what,
            version = step + 1,
            "the schema was migrated"
        );
    }
    pragma(&transaction, "application_id", schema.application_id.into())?;
    transaction.commit()?;
    Ok(())
}

fn pragma(connection: &Connection, name: &str, value: i64) -> rusqlite::Result<()> {
    connection.pragma_update(None, name, value)
}

fn number(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// Whether a file with this mark and version is one that this program may use.
fn judge(
    schema: &Schema,
    path: &Path,
    application: i64,
    version: i64,
    has_tables: bool,
) -> Result<()> {
    let ours = application == i64::from(schema.application_id);
    let error = if ours && version > schema.version() as i64 {
        Error::new(
            ErrorKind::Corrupt,
            format!(
                "the {} was written by a newer version of this program: its schema is {version}, and this one knows up to {}",
                schema.what,
                schema.version()
            ),
        )
        .advise("use the newer version again, or give another path; the file was not touched")
    } else if !ours && (application != 0 || version != 0 || has_tables) {
        Error::new(
            ErrorKind::Corrupt,
            format!(
                "the file is a database, but no {} of this program",
                schema.what
            ),
        )
        .advise("give another path; the file was not touched")
    } else {
        return Ok(());
    };
    Err(error.at(path.display()))
}

/// Judges by the file's first bytes, before SQLite touches anything.
fn look_at_header(schema: &Schema, path: &Path) -> Result<()> {
    let mut header = [0_u8; 100];
    let read = File::open(path)
        .and_then(|mut it| {
            let mut read = 0;
            while read < header.len() {
                match it.read(&mut header[read..])? {
                    0 => break,
                    more => read += more,
                }
            }
            Ok(read)
        })
        .map_err(|source| {
            Error::new(ErrorKind::Unavailable, "the file cannot be read")
                .at(path.display())
                .advise("look at who owns it")
                .because(source)
        })?;
    if read == 0 {
        return Ok(());
    }
    if read < header.len() || !header.starts_with(b"SQLite format 3\0") {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!("the file is no SQLite database, so no {}", schema.what),
        )
        .at(path.display())
        .advise("restore it from a backup, give another path, or move it away to start with an empty one"));
    }
    let number = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    // Offsets 60 and 68: https://www.sqlite.org/fileformat2.html#the_database_header
    judge(schema, path, number(68).into(), number(60).into(), false)
}

fn make_directory(path: &Path) -> io::Result<()> {
    let Some(directory) = path.parent().filter(|it| !it.as_os_str().is_empty()) else {
        return Ok(());
    };
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(directory)
}

/// Creates the file, for its owner alone, if it is missing. SQLite gives the files beside it the same mode. Returns `true` if
/// there is nothing in it.
fn create(path: &Path) -> io::Result<bool> {
    let file = private(OpenOptions::new().write(true).create(true)).open(path)?;
    Ok(file.metadata()?.len() == 0)
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Takes the file at `path` for this process alone, by a lock on the file `on`, which is created if it is missing.
fn lock(schema: &Schema, path: &Path, on: &Path) -> Result<File> {
    let failed = |source: io::Error| {
        Error::new(ErrorKind::Unavailable, "the lock cannot be taken")
            .at(on.display())
            .advise("look at who owns the directory")
            .because(source)
    };
    let file = private(OpenOptions::new().write(true).create(true))
        .open(on)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "another process has this {} open, and only one may",
                schema.what
            ),
        )
        .at(path.display())
        .advise("stop the other one, or give each a file of its own")),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn lock_path(path: &Path) -> PathBuf {
    beside(path, ".lock")
}

/// The path of the write-ahead log.
pub(crate) fn log_path(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

/// The path of the index of the write-ahead log.
pub(crate) fn index_path(path: &Path) -> PathBuf {
    beside(path, "-shm")
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
