//! What a database has done, counted.
use std::sync::atomic::{AtomicU64, Ordering};

/// What a [`Database`](crate::Database) has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Calls that wrote.
    pub calls: u64,
    /// Transactions they shared.
    pub commits: u64,
    /// Checkpoints beside them.
    pub checkpoints: u64,
    /// How often the log was written to the disk for [`Database::write_synced`](crate::Database::write_synced).
    pub syncs: u64,
}

/// The counters behind [`Stats`].
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

    /// The counts until now.
    pub(crate) fn stats(&self) -> Stats {
        Stats {
            calls: self.calls.load(Ordering::Relaxed),
            commits: self.commits.load(Ordering::Relaxed),
            checkpoints: self.checkpoints.load(Ordering::Relaxed),
            syncs: self.syncs.load(Ordering::Relaxed),
        }
    }
}
