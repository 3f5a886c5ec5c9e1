//! A store in SQLite files: durable, for one machine.
//!
//! Registrations, presence, badges, tags and credentials are in one file; what a call returned is on the disk. Traces are in a
//! second one beside it, so that their number never delays a login; the last events appended may be missing after the machine
//! (not the process) crashed, but recorded marks are not. Calls that come together share one `fsync`, and searches run beside
//! them (see [`push_sqlite`]).
//!
//! One process has the files at a time, by a lock on `<path>.lock` beside each and, on Linux, on the file itself: a second server
//! with the same store is refused, whatever queue it has. Programs that only look, as `sqlite3` does, are not kept out.
//!
//! A row that cannot be read, because the file is damaged, is skipped, counted ([`SqliteStore::damaged_rows`]) and logged; it
//! never stops the others from being read.
//!
//! Device tokens are stored as they are, because they are needed for sending. Credentials are stored as they come:
//! sealed by the gateway, so that the file alone gives none away. The files belong to their owner alone (mode 0600).
mod badges;
mod credentials;
mod devices;
mod endings;
mod presence;
mod register;
mod registrations;
mod row;
mod scan;
mod schema;
mod tags;
mod tickets;
mod traces;

use std::{fmt, path::Path, sync::Arc, time::Duration};

use push_core::{
    BuildContext, Clock, ConfigPath, Describe, Faults, Plugin, Result, Store, StoreKind,
};
use push_sqlite::{Database, Options, Stats};
use serde::Deserialize;

use crate::row::Damage;

/// How a [`SqliteStore`] is kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Describe)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SqliteStoreConfig {
    /// The file of registrations and credentials. It and directories that are missing are made.
    #[describe(example = "data/store.db", min_len = 1)]
    pub path: ConfigPath,
    /// The file of traces; if not set, `store-traces.db` beside `store.db`.
    #[serde(default)]
    #[describe(example = "data/store-traces.db", min_len = 1)]
    pub traces_path: Option<ConfigPath>,
    /// How many threads search the first file.
    #[serde(default = "two")]
    #[describe(min = 1)]
    pub readers: usize,
    /// A transaction is committed when it has this many rows.
    #[serde(default = "two_hundred")]
    #[describe(min = 1)]
    pub group_rows: usize,
    /// How long a transaction waits for more calls, in milliseconds. Only calls that keep coming are waited for.
    #[serde(default = "two_ms")]
    #[describe(unit = "milliseconds")]
    pub group_delay_ms: u64,
}

const fn two() -> usize {
    2
}

// Registrations change at random places of the file: larger groups make some calls wait long and gain little.
const fn two_hundred() -> usize {
    200
}

const fn two_ms() -> u64 {
    2
}

impl SqliteStoreConfig {
    /// The usual settings for the file at `path`.
    pub fn new(path: impl Into<ConfigPath>) -> Self {
        Self {
            path: path.into(),
            traces_path: None,
            readers: two(),
            group_rows: two_hundred(),
            group_delay_ms: two_ms(),
        }
    }

    /// Where the traces are.
    pub fn traces_path(&self) -> ConfigPath {
        self.traces_path
            .clone()
            .unwrap_or_else(|| self.path.beside("-traces"))
    }

    push_core::setters! {
        with_traces_path(traces_path: impl Into<Option<ConfigPath>>);
        with_readers(readers: usize);
        with_group_rows(group_rows: usize);
        with_group_delay_ms(group_delay_ms: u64);
    }
}

/// A store in SQLite files.
pub struct SqliteStore {
    /// Registrations, presence, badges, tags, credentials.
    main: Database,
    traces: Database,
    clock: Arc<dyn Clock>,
    damage: Arc<Damage>,
}

impl SqliteStore {
    /// The store in those files, which the first call opens.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](push_core::ErrorKind::Config) if a value is out of its range, or both files are one.
    pub fn new(config: SqliteStoreConfig, context: &BuildContext) -> Result<Self> {
        let path = config.path.resolve(&context.folder);
        let traces_path = config.traces_path().resolve(&context.folder);
        let mut faults = Faults::default();
        config.check_ranges(&mut faults);
        faults.refuse(
            traces_path == path,
            "traces_path",
            "is the same file as `path`",
        );
        faults.result()?;
        let group_delay = Duration::from_millis(config.group_delay_ms);
        Ok(Self {
            main: Database::new(
                &schema::MAIN,
                Options::new(path)
                    .with_readers(config.readers)
                    .with_group_rows(config.group_rows)
                    .with_group_delay(group_delay)
                    .with_exclusive(true),
            ),
            traces: Database::new(
                &schema::TRACES,
                Options::new(traces_path)
                    .with_readers(1)
                    .with_group_delay(group_delay)
                    .with_durable(false)
                    .with_exclusive(true),
            ),
            clock: Arc::clone(&context.clock),
            damage: Arc::default(),
        })
    }

    /// Opens both files now, so that what is wrong with them shows at start-up.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub async fn open(&self) -> Result<()> {
        self.main.open().await?;
        self.traces.open().await
    }

    /// How many calls shared how many transactions so far, of registrations and credentials.
    pub fn stats(&self) -> Stats {
        self.main.stats()
    }

    /// The same of traces.
    pub fn trace_stats(&self) -> Stats {
        self.traces.stats()
    }

    /// How many rows of both files were skipped since the start because they cannot be read. A row counts each time.
    pub fn damaged_rows(&self) -> u64 {
        self.damage.count()
    }

    /// The file of registrations and credentials.
    pub fn path(&self) -> &Path {
        &self.main.options().path
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("main", &self.main)
            .field("traces", &self.traces)
            .finish_non_exhaustive()
    }
}

/// Describes [`SqliteStore`] to the linker and to the configuration.
#[derive(Debug)]
pub enum SqliteStorePlugin {}

impl Plugin for SqliteStorePlugin {
    type Kind = StoreKind;
    type Config = SqliteStoreConfig;
    const NAME: &'static str = "sqlite";

    fn build(config: Self::Config, context: &BuildContext) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(SqliteStore::new(config, context)?))
    }
}

push_core::register_plugin!(SqliteStorePlugin);
