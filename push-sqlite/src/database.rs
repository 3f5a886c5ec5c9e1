//! One file and its threads.
use std::{fmt, sync::Arc};

use push_core::Result;
use rusqlite::Connection;
use tokio::sync::OnceCell;

use crate::{
    checkpoint::{Checkpointer, Checkpoints},
    failure::Outcome,
    file::Schema,
    options::Options,
    reader::Readers,
    stats::{Counters, Stats},
    watch::Watch,
    writer::Writer,
};

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
    // After the writer: see there.
    watch: Arc<Watch>,
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
                let (writer, watch) = Writer::start(
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
                    watch,
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
        open.watch.look_sometimes()?;
        open.readers.call(&self.options, work).await
    }

    /// Looks whether the files are as they were when they were opened, as each transaction does: for a health check.
    ///
    /// # Errors
    /// Those of [`Database::open`], and [`ErrorKind::Unavailable`](push_core::ErrorKind::Unavailable) if a file was removed,
    /// replaced, cut off or overwritten.
    pub async fn check(&self) -> Result<()> {
        self.opened().await?.watch.look()
    }

    /// What it has done so far.
    pub fn stats(&self) -> Stats {
        self.counters.stats()
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
