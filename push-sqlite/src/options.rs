//! How a file is used.
use std::{path::PathBuf, time::Duration};

/// How a file is used.
#[derive(Clone, Debug)]
#[non_exhaustive]
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
    /// Whether only one process may have the file, by a lock on a file `<path>.lock` beside it and,
    /// on Linux, on the file itself.
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

    push_core::setters! {
        with_readers(readers: usize);
        with_group_rows(group_rows: usize);
        with_group_delay(group_delay: Duration);
        with_waiting_rows(waiting_rows: usize);
        with_exclusive(exclusive: bool);
        with_durable(durable: bool);
        with_checkpoint_every(checkpoint_every: Duration);
    }
}
