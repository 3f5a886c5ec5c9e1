//! A queue in an SQLite file: durable, for one machine.
//!
//! What [`Queue::put`] has answered is on the disk, and comes back after a crash of the process or the machine. Calls
//! that come together share one `fsync`, so that a busy queue writes some hundred deliveries at a time (see
//! [`push_sqlite`]). The notification of a message is stored once for all deliveries that share it.
//!
//! One process has the file at a time, by a lock on `<path>.lock` beside it: a second one is refused. Therefore what the
//! last process held when it ended, however it ended, is due at once when the file is opened again.
//!
//! The file holds device tokens and the texts of notifications as they are, because they are needed for sending; both
//! are deleted when a delivery is done. It belongs to its owner alone (mode 0600): keep it on a disk that you trust.
mod cancel;
mod lease;
mod prune;
mod put;
mod row;
mod schema;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use push_core::{
    AppId, BuildContext, Cancel, Clock, Delivery, Error, ErrorKind, Lane, LaneState, Lease,
    LeaseId, Plugin, Put, Queue, QueueKind, Result, Return, Timestamp, async_trait,
};
use push_sqlite::{Database, Options, Stats};
use serde::Deserialize;

use crate::{prune::Pruning, schema::SCHEMA};

/// How long a delivery is remembered after it was decided, so that it is not put twice.
pub const REMEMBER: Duration = Duration::from_secs(24 * 60 * 60);

/// How a [`SqliteQueue`] is kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqliteQueueConfig {
    /// The file. It and directories that are missing are made.
    pub path: PathBuf,
    /// The most deliveries it holds; more are refused.
    #[serde(default = "ten_million")]
    pub max_deliveries: u64,
    /// A transaction is committed when it has so many deliveries.
    #[serde(default = "one_thousand")]
    pub group_rows: usize,
    /// How long a transaction waits for more calls, in milliseconds. Only calls that keep coming are waited for.
    #[serde(default = "two")]
    pub group_delay_ms: u64,
}

const fn ten_million() -> u64 {
    10_000_000
}

const fn one_thousand() -> usize {
    1000
}

const fn two() -> u64 {
    2
}

impl SqliteQueueConfig {
    /// The usual limits for the file at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            max_deliveries: ten_million(),
            group_rows: one_thousand(),
            group_delay_ms: two(),
        }
    }
}

/// A queue in an SQLite file.
pub struct SqliteQueue {
    database: Database,
    clock: Arc<dyn Clock>,
    max_deliveries: i64,
    pruning: Arc<Pruning>,
}

impl SqliteQueue {
    /// The queue in that file, which the first call opens.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if a limit is 0 or the path is empty.
    pub fn new(config: SqliteQueueConfig, context: &BuildContext) -> Result<Self> {
        for (key, wrong) in [
            ("path", config.path.as_os_str().is_empty()),
            ("max_deliveries", config.max_deliveries == 0),
            ("group_rows", config.group_rows == 0),
        ] {
            if wrong {
                return Err(
                    Error::new(ErrorKind::Config, format!("`{key}` is empty or 0"))
                        .advise("write another value, or leave it out if it has a default"),
                );
            }
        }
        Ok(Self {
            database: Database::new(
                &SCHEMA,
                Options {
                    readers: 1,
                    group_rows: config.group_rows,
                    group_delay: Duration::from_millis(config.group_delay_ms),
                    exclusive: true,
                    ..Options::new(config.path)
                },
            ),
            clock: Arc::clone(&context.clock),
            max_deliveries: i64::try_from(config.max_deliveries).unwrap_or(i64::MAX),
            pruning: Arc::default(),
        })
    }

    /// Opens the file now, so that what is wrong with it shows at start-up.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub async fn open(&self) -> Result<()> {
        self.database.open().await
    }

    /// How many calls shared how many transactions so far.
    pub fn stats(&self) -> Stats {
        self.database.stats()
    }
}

impl fmt::Debug for SqliteQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqliteQueue").field(&self.database).finish()
    }
}

#[async_trait]
impl Queue for SqliteQueue {
    async fn put(&self, deliveries: Vec<Delivery>) -> Result<Vec<Put>> {
        if deliveries.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let most = self.max_deliveries;
        let batch = put::Batch::new(deliveries)?;
        self.prune(now).await?;
        self.database
            .write(batch.len(), move |it| put::put(it, &batch, now, most))
            .await
    }

    async fn lease(
        &self,
        lane: &Lane,
        limit: usize,
        now: Timestamp,
        hold: Duration,
    ) -> Result<Vec<Lease>> {
        let limit = limit.min(lease::MOST);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let lane = lane.clone();
        let leased = {
            let lane = lane.clone();
            self.database
                .write(limit, move |it| {
                    lease::lease(it, &lane, limit, now, now + hold)
                })
                .await?
        };
        lease::read(&lane, leased)
    }

    async fn ack(&self, leases: Vec<LeaseId>) -> Result<u64> {
        if leases.is_empty() {
            return Ok(0);
        }
        self.database
            .write(leases.len(), move |it| lease::ack(it, &leases))
            .await
    }

    async fn nack(&self, returns: Vec<Return>) -> Result<u64> {
        if returns.is_empty() {
            return Ok(0);
        }
        self.database
            .write(returns.len(), move |it| lease::nack(it, &returns))
            .await
    }

    async fn hasten(&self, lane: &Lane, now: Timestamp) -> Result<u64> {
        // In portions, so that a long lane does not keep the others waiting.
        let mut moved = 0;
        loop {
            let lane = lane.clone();
            let portion = self
                .database
                .write(cancel::PORTION, move |it| cancel::hasten(it, &lane, now))
                .await?;
            moved += portion;
            if portion < cancel::PORTION as u64 {
                return Ok(moved);
            }
        }
    }

    async fn cancel(&self, app: &AppId, what: &Cancel) -> Result<Vec<Delivery>> {
        cancel::cancel(&self.database, app, what).await
    }

    async fn lanes(&self) -> Result<Vec<LaneState>> {
        self.database.read(lease::lanes).await
    }
}

/// Describes [`SqliteQueue`] to the linker and to the configuration.
#[derive(Debug)]
pub enum SqliteQueuePlugin {}

impl Plugin for SqliteQueuePlugin {
    type Kind = QueueKind;
    type Config = SqliteQueueConfig;
    const NAME: &'static str = "sqlite";
    const EXAMPLE: &'static str = "path = \"/var/lib/offline-push/queue.db\"\nmax_deliveries = 10000000\ngroup_rows = 1000\ngroup_delay_ms = 2\n";

    fn build(config: Self::Config, context: &BuildContext) -> Result<Arc<dyn Queue>> {
        Ok(Arc::new(SqliteQueue::new(config, context)?))
    }
}

push_core::register_plugin!(SqliteQueuePlugin);
