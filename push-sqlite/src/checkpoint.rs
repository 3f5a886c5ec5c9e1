//! Moving what was written from the write-ahead log into the file, beside the writer.
//!
//! The thread copies most of the log while the writer goes on. A log only starts again at its beginning when all of it
//! has been copied, which never happens while the writer is faster: then the writer is asked to copy the little rest
//! between two groups.
use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use push_core::{Error, ErrorKind, Result};
use rusqlite::Connection;

use crate::{
    failure::Failure,
    file::{self, Schema},
    options::Options,
    stats::Counters,
};

/// The log's size in pages from which on the writer is asked to copy the rest: 16 MiB.
const ASK_FROM: i64 = 4096;

/// The state that writer and checkpoint thread share.
pub(crate) struct Checkpoints {
    written: AtomicBool,
    wanted: AtomicBool,
    counters: Arc<Counters>,
}

impl Checkpoints {
    pub(crate) fn new(counters: Arc<Counters>) -> Self {
        Self {
            written: AtomicBool::new(false),
            wanted: AtomicBool::new(false),
            counters,
        }
    }

    /// Something was written.
    pub(crate) fn nudge(&self) {
        self.written.store(true, Ordering::Relaxed);
    }

    /// Whether the writer is asked to copy the rest of the log.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.swap(false, Ordering::Relaxed)
    }

    /// Copies what can be copied without waiting, and returns how many pages the log has and how many of them are left.
    pub(crate) fn run(&self, connection: &Connection) -> (i64, i64) {
        let done = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
            Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        });
        match done {
            Ok((log, copied)) => {
                self.counters.checkpointed();
                (log, log - copied)
            }
            Err(error) => {
                // The log keeps everything; only its size suffers.
                tracing::warn!(%error, "a checkpoint failed");
                (0, 0)
            }
        }
    }
}

/// The thread.
pub(crate) struct Checkpointer {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub(crate) fn start(
        schema: &Schema,
        options: &Options,
        checkpoints: Arc<Checkpoints>,
    ) -> Result<Self> {
        let connection = file::open_checkpointer(options)
            .map_err(|source| Failure::from(source).into_error(&options.path))?;
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let stopped = Arc::clone(&stop);
        let every = options.checkpoint_every;
        let thread = thread::Builder::new()
            .name(format!("{}-checkpoint", schema.what))
            .spawn(move || {
                let (stopped, woken) = &*stopped;
                loop {
                    let guard = stopped.lock().unwrap_or_else(PoisonError::into_inner);
                    let (guard, _) = woken
                        .wait_timeout_while(guard, every, |stopped| !*stopped)
                        .unwrap_or_else(PoisonError::into_inner);
                    if *guard {
                        break;
                    }
                    drop(guard);
                    if checkpoints.written.swap(false, Ordering::Relaxed) {
                        let (log, left) = checkpoints.run(&connection);
                        if log >= ASK_FROM && left > 0 {
                            checkpoints.wanted.store(true, Ordering::Relaxed);
                        }
                    }
                }
            })
            .map_err(|source| {
                Error::new(ErrorKind::Unavailable, "no thread can be started").because(source)
            })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        let (stop, wake) = &*self.stop;
        *stop.lock().unwrap_or_else(PoisonError::into_inner) = true;
        wake.notify_all();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
