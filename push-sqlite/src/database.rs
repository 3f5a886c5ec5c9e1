//! One file and its threads.
use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use push_core::Result;
use rusqlite::Connection;
use tokio::sync::OnceCell;

use crate::{
    checkpoint::{Checkpointer, Checkpoints},
    failure::Outcome,
    file::Schema,
    reader::Readers,
    writer::Writer,
};

/// How a file is used.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it is. Directories that are missing are made.
    pub path: PathBuf,
    /// How many threads read.
    pub readers: usize,
    /// A transaction is committed when its calls have this many rows.
    pub group_rows: usize,
    /// How long a transaction waits for calls that are expected to come. A lone call does not wait.
    pub group_delay: Duration,
    /// How many rows may wait to be written, over all calls; further calls wait for room.
    pub waiting_rows: usize,
    /// Whether only one process may have the file, by a lock on a file `<path>.lock` beside it.
    pub exclusive: bool,
    /// Whether a commit is on the disk when it is answered. Otherwise it survives the end of the process, but not that
    /// of the machine.
    pub durable: bool,
    /// How often what was written is moved from the log into the file.
    pub checkpoint_every: Duration,
}

impl Options {
    /// The usual: two readers, groups of 1,000 rows and 2 ms, 100,000 rows waiting, shared, durable, a checkpoint each
    /// second.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            readers: 2,
            group_rows: 1000,
            group_delay: Duration::from_millis(2),
            waiting_rows: 100_000,
            exclusive: false,
            durable: true,
            checkpoint_every: Duration::from_secs(1),
        }
    }
}

/// What a [`Database`] has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Calls that wrote.
    pub calls: u64,
    /// Transactions they shared.
    pub commits: u64,
    /// Checkpoints beside them.
    pub checkpoints: u64,
    /// How often the log was written to the disk for [`Database::write_synced`].
    pub syncs: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    calls: AtomicU64,
    commits: AtomicU64,
    checkpoints: AtomicU64,
    syncs: AtomicU64,
}

impl Counters {
    pub(crate) fn committed(&self, calls: usize) {
        self.calls.fetch_add(calls as u64, Ordering::Relaxed);
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn synced(&self) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn checkpointed(&self) {
        self.checkpoints.fetch_add(1, Ordering::Relaxed);
    }
}

/// One file. Dropping it commits what is waiting, and closes it.
pub struct Database {
    schema: &'static Schema,
    options: Options,
    counters: Arc<Counters>,
    open: OnceCell<Open>,
}

// Dropped in this order: the writer is the last to have the file open, so that closing it tidies up.
struct Open {
    _checkpointer: Checkpointer,
    readers: Readers,
    writer: Writer,
}

impl Database {
    /// A file that is not opened yet.
    pub fn new(schema: &'static Schema, options: Options) -> Self {
        Self {
            schema,
            options,
            counters: Arc::default(),
            open: OnceCell::new(),
        }
    }

    /// Opens the file, and creates or migrates it. Without this call the first operation does so.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](push_core::ErrorKind::Unavailable) if it cannot be read or written,
    /// [`ErrorKind::Corrupt`](push_core::ErrorKind::Corrupt) if it is damaged, of a newer version or something else,
    /// [`ErrorKind::Conflict`](push_core::ErrorKind::Conflict) if another process has it and only one may. The next
    /// call tries again.
    pub async fn open(&self) -> Result<()> {
        self.opened().await.map(drop)
    }

    async fn opened(&self) -> Result<&Open> {
        self.open
            .get_or_try_init(|| async {
                let checkpoints = Arc::new(Checkpoints::new(Arc::clone(&self.counters)));
                let writer = Writer::start(
                    self.schema,
                    &self.options,
                    Arc::clone(&checkpoints),
                    Arc::clone(&self.counters),
                )
                .await?;
                Ok(Open {
                    readers: Readers::start(self.schema, &self.options)?,
                    _checkpointer: Checkpointer::start(self.schema, &self.options, checkpoints)?,
                    writer,
                })
            })
            .await
    }

    /// Runs an operation of about `rows` rows in a transaction that it shares with others, and returns when that is
    /// committed. What it does is undone if it fails. If the caller goes away before its turn, it does not run.
    ///
    /// It must use its connection for statements only: no transaction, no pragma.
    ///
    /// # Errors
    /// The operation's own, those of [`Database::open`], and what becomes of the transaction.
    pub async fn write<T: Send + 'static>(
        &self,
        rows: usize,
        work: impl FnOnce(&Connection) -> Outcome<T> + Send + 'static,
    ) -> Result<T> {
        self.opened().await?.writer.call(rows, false, work).await
    }

    /// As [`Database::write`], and returns only when what it did survives the end of the machine, also if the file is not
    /// [durable](Options::durable). Calls in one transaction share the write to the disk.
    ///
    /// # Errors
    /// As [`Database::write`]; after [`ErrorKind::Unavailable`](push_core::ErrorKind::Unavailable) it may be done nevertheless.
    pub async fn write_synced<T: Send + 'static>(
        &self,
        rows: usize,
        work: impl FnOnce(&Connection) -> Outcome<T> + Send + 'static,
    ) -> Result<T> {
        self.opened().await?.writer.call(rows, true, work).await
    }

    /// As [`Database::write`], but returns as soon as the operation is in the queue of the writer. A failure is only logged.
    ///
    /// # Errors
    /// Those of [`Database::open`].
    pub async fn write_later(
        &self,
        rows: usize,
        work: impl FnOnce(&Connection) -> Outcome<()> + Send + 'static,
    ) -> Result<()> {
        self.opened().await?.writer.call_later(rows, work).await
    }

    /// Runs a search beside the writer. It sees everything that was answered before, and one moment throughout.
    ///
    /// # Errors
    /// The search's own, and those of [`Database::open`].
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Outcome<T> + Send + 'static,
    ) -> Result<T> {
        let open = self.opened().await?;
        open.readers.call(&self.options, work).await
    }

    /// What it has done so far.
    pub fn stats(&self) -> Stats {
        Stats {
            calls: self.counters.calls.load(Ordering::Relaxed),
            commits: self.counters.commits.load(Ordering::Relaxed),
            checkpoints: self.counters.checkpoints.load(Ordering::Relaxed),
            syncs: self.counters.syncs.load(Ordering::Relaxed),
        }
    }

    /// How it is used.
    pub fn options(&self) -> &Options {
        &self.options
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("what", &self.schema.what)
            .field("path", &self.options.path)
            .field("open", &self.open.initialized())
            .finish_non_exhaustive()
    }
}
