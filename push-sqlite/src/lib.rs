//! The SQLite files of offline push's plugins.
//!
//! A [`Database`] is one file, with
//!
//! - one thread that writes. Calls that come at the same time share a transaction and its one `fsync` (group commit);
//!   each is answered after the commit, and one that fails takes nothing of its neighbours with it;
//! - a few threads that read beside it, each from a consistent snapshot;
//! - one thread that moves what was written from the write-ahead log into the file, so that no call waits for it;
//! - a schema with a version: an older file is migrated when it is opened, and one that a newer program wrote, that
//!   belongs to another program or that is damaged is refused and left as it is.
//!
//! A file that is removed, replaced, cut off or overwritten while it is in use is noticed by the next operation, which then fails:
//! SQLite itself would go on with a file that has no name any more.
//!
//! Making a [`Database`] touches nothing. The file is opened, and created if it is missing, by the first call or by
//! [`Database::open`]. Files and the directories made for them belong to their owner alone (modes 0600 and 0700).
mod checkpoint;
mod database;
mod failure;
mod file;
mod options;
mod reader;
mod stats;
mod watch;
mod writer;

pub use rusqlite;

pub use crate::{
    database::Database,
    failure::{Failure, Outcome},
    file::Schema,
    options::Options,
    stats::Stats,
};
