//! A queue in an SQLite file: durable, for one machine.
//!
//! When [`Queue::put`] returns, the deliveries are on the disk, and survive a crash of the process or the machine. Calls
//! that come together share one `fsync`, so that a busy queue writes some hundred deliveries at a time (see
//! [`push_sqlite`]). The content of a message is stored once for all deliveries that share it.
//!
//! One process has the file at a time, by a lock on `<path>.lock` beside it: a second one is refused. Therefore what the
//! last process held when it ended, however it ended, is due at once when the file is opened again.
//!
//! The file holds the texts of notifications and the tokens of [`Address::Token`](push_core::Address::Token) as they are,
//! because they are needed for sending; both are deleted when a delivery is done. Only its owner may read it (mode 0600):
//! keep it on a disk that you trust.
//!
//! A delivery that cannot be read, or whose lane cannot be, is moved to the table `damaged`, without its token and text, logged
//! and counted (see [`SqliteQueue::damaged`]); the others go on.
//!
//! What was cancelled or moved aside is kept, without its token and text, in the table `removed` until the gateway has stored why
//! it ended ([`Queue::confirm`]).
mod cancel;
mod clock;
mod damaged;
mod identity;
mod lease;
mod prune;
mod put;
mod removed;
mod row;
mod schema;
mod upgrade;
mod walk;

use std::{fmt, sync::Arc, time::Duration};

use push_core::{
    AppId, BuildContext, Cancel, Cancelled, Clock, ConfigPath, CredentialRef, Delivery, DeliveryId,
    Describe, Faults, Lane, LaneState, Lease, LeaseId, MessageId, Plugin, Put, Queue, QueueKind,
    RemovalCause, Removed, Result, Return, Sought, async_trait,
};
use push_sqlite::{Database, Options, Stats};
use serde::Deserialize;
use tokio::sync::OnceCell;

use crate::{clock::Watch, prune::Pruning, put::Batch, schema::SCHEMA};

/// How long the deliveries of a message are remembered after one of them was put last, so that none is queued twice.
pub const REMEMBER: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a logout fences off deliveries of an earlier revision.
pub const KEEP_FENCE: Duration = Duration::from_secs(2 * 60 * 60);

/// How a [`SqliteQueue`] is kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Describe)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SqliteQueueConfig {
    /// The file. It and directories that are missing are made.
    #[describe(example = "data/queue.db", min_len = 1)]
    pub path: ConfigPath,
    /// The most deliveries it holds; more are refused.
    ///
    /// Beyond half of it apps and credentials share the room ([`push_core::Held`]).
    #[serde(default = "ten_million")]
    #[describe(min = 1)]
    pub max_deliveries: u64,
    /// The number of deliveries at which a transaction is committed.
    #[serde(default = "one_thousand")]
    #[describe(min = 1)]
    pub group_rows: usize,
    /// How long a transaction waits for more calls, in milliseconds. Only calls that keep coming are waited for.
    #[serde(default = "two")]
    #[describe(unit = "milliseconds")]
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
    pub fn new(path: impl Into<ConfigPath>) -> Self {
        Self {
            path: path.into(),
            max_deliveries: ten_million(),
            group_rows: one_thousand(),
            group_delay_ms: two(),
        }
    }

    push_core::setters! {
        with_max_deliveries(max_deliveries: u64);
        with_group_rows(group_rows: usize);
        with_group_delay_ms(group_delay_ms: u64);
    }
}

/// A queue in an SQLite file.
pub struct SqliteQueue {
    database: Database,
    clock: Arc<dyn Clock>,
    max_deliveries: i64,
    pruning: Arc<Pruning>,
    watch: Watch,
    upgraded: OnceCell<()>,
}

impl SqliteQueue {
    /// The queue in that file, which the first call opens.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](push_core::ErrorKind::Config) if a value is out of its range.
    pub fn new(config: SqliteQueueConfig, context: &BuildContext) -> Result<Self> {
        let mut faults = Faults::default();
        config.check_ranges(&mut faults);
        faults.result()?;
        Ok(Self {
            database: Database::new(
                &SCHEMA,
                Options::new(config.path.resolve(&context.folder))
                    .with_readers(1)
                    .with_group_rows(config.group_rows)
                    .with_group_delay(Duration::from_millis(config.group_delay_ms))
                    .with_exclusive(true),
            ),
            clock: Arc::clone(&context.clock),
            max_deliveries: i64::try_from(config.max_deliveries).unwrap_or(i64::MAX),
            pruning: Arc::default(),
            watch: Watch::default(),
            upgraded: OnceCell::new(),
        })
    }

    /// Opens the file now, so that what is wrong with it shows at start-up.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub async fn open(&self) -> Result<()> {
        self.upgraded
            .get_or_try_init(|| async {
                let now = self.clock.now();
                let (latest, missing) = self
                    .database
                    .write(1, move |db| {
                        damaged::restore_counter(db, now)?;
                        upgrade::run(db, now)?;
                        Ok((clock::latest(db)?, damaged::check(db)?))
                    })
                    .await?;
                self.clear(missing).await?;
                self.watch.set(latest);
                Ok(())
            })
            .await
            .copied()
    }

    /// Returns how many deliveries were found damaged since the file was made. The table `damaged` has the last 10,000.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub async fn damaged(&self) -> Result<u64> {
        self.open().await?;
        let count = self.database.read(damaged::count).await?;
        Ok(count.unsigned_abs())
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
        let batch = Batch::new(deliveries)?;
        self.prune(self.now().await?).await?;
        let most = self.max_deliveries;
        let clock = Arc::clone(&self.clock);
        self.database
            .write(batch.len(), move |db| {
                put::put(db, &batch, clock.now(), most)
            })
            .await
    }

    async fn lease(&self, lane: &Lane, limit: usize, hold: Duration) -> Result<Vec<Lease>> {
        let limit = limit.min(lease::MOST);
        if limit == 0 {
            return Ok(Vec::new());
        }
        loop {
            self.now().await?;
            let clock = Arc::clone(&self.clock);
            let within = lane.clone();
            let leased = self
                .database
                .write(limit, move |db| {
                    lease::lease(db, &within, limit, clock.now(), hold)
                })
                .await?;
            let (leases, damaged) = lease::read(lane, leased);
            let has_damaged = !damaged.is_empty();
            if has_damaged {
                let clock = Arc::clone(&self.clock);
                self.database
                    .write(damaged.len(), move |db| {
                        damaged::quarantine(db, &damaged, clock.now())
                    })
                    .await?;
            }
            if !leases.is_empty() || !has_damaged {
                return Ok(leases);
            }
        }
    }

    async fn ack(&self, leases: Vec<LeaseId>) -> Result<u64> {
        if leases.is_empty() {
            return Ok(0);
        }
        self.open().await?;
        self.database
            .write(leases.len(), move |db| lease::ack(db, &leases))
            .await
    }

    async fn nack(&self, returns: Vec<Return>) -> Result<u64> {
        if returns.is_empty() {
            return Ok(0);
        }
        self.now().await?;
        let clock = Arc::clone(&self.clock);
        self.database
            .write(returns.len(), move |db| {
                lease::nack(db, &returns, clock.now())
            })
            .await
    }

    async fn replace(&self, replacements: Vec<(LeaseId, Delivery)>) -> Result<u64> {
        if replacements.is_empty() {
            return Ok(0);
        }
        let (leases, deliveries): (Vec<_>, Vec<_>) = replacements.into_iter().unzip();
        let batch = Batch::new(deliveries)?;
        self.now().await?;
        let clock = Arc::clone(&self.clock);
        self.database
            .write(batch.len(), move |db| {
                put::replace(db, &leases, &batch, clock.now())
            })
            .await
    }

    async fn hasten(&self, credential: &CredentialRef) -> Result<u64> {
        self.make_due(credential).await
    }

    async fn cancel(&self, app: &AppId, what: &Cancel, limit: usize) -> Result<Vec<Cancelled>> {
        let now = self.now().await?;
        self.prune(now).await?;
        self.remove(app, what, limit, now).await
    }

    async fn lanes(&self) -> Result<Vec<LaneState>> {
        let now = self.now().await?;
        let (lanes, damaged) = self.database.read(move |db| lease::lanes(db, now)).await?;
        self.clear(damaged).await?;
        Ok(lanes)
    }

    async fn damaged(&self) -> Result<u64> {
        Self::damaged(self).await
    }

    async fn remembered(&self, app: &AppId, messages: Vec<MessageId>) -> Result<Option<Vec<bool>>> {
        self.open().await?;
        let app = app.clone();
        let known = self
            .database
            .read(move |db| row::remembered(db, &app, &messages))
            .await?;
        Ok(Some(known))
    }

    async fn holds(&self, app: &AppId, deliveries: Vec<Sought>) -> Result<Option<Vec<bool>>> {
        self.open().await?;
        let app = app.clone();
        let held = self
            .database
            .read(move |db| removed::holds(db, &app, &deliveries))
            .await?;
        Ok(Some(held))
    }

    async fn unconfirmed(&self, cause: RemovalCause, limit: usize) -> Result<Vec<Removed>> {
        self.open().await?;
        self.database
            .read(move |db| removed::unconfirmed(db, cause, limit))
            .await
    }

    async fn confirm(&self, deliveries: Vec<DeliveryId>) -> Result<()> {
        if deliveries.is_empty() {
            return Ok(());
        }
        self.open().await?;
        self.database
            .write(deliveries.len(), move |db| {
                removed::confirm(db, &deliveries)
            })
            .await
    }

    async fn check(&self) -> Result<()> {
        self.database.check().await
    }
}

/// Describes [`SqliteQueue`] to the linker and to the configuration.
#[derive(Debug)]
pub enum SqliteQueuePlugin {}

impl Plugin for SqliteQueuePlugin {
    type Kind = QueueKind;
    type Config = SqliteQueueConfig;
    const NAME: &'static str = "sqlite";

    fn build(config: Self::Config, context: &BuildContext) -> Result<Arc<dyn Queue>> {
        Ok(Arc::new(SqliteQueue::new(config, context)?))
    }
}

push_core::register_plugin!(SqliteQueuePlugin);
