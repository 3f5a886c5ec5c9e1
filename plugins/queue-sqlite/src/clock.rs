//! What follows from the time: noticing that the clock was set back, and making deliveries due.
use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use push_core::{CredentialRef, Result, Timestamp};
use push_sqlite::{Outcome, rusqlite::Connection};
use tokio::sync::Mutex;

use crate::{
    SqliteQueue,
    walk::{LATE, PORTION, POSTPONED, Place},
};

/// The clock was set back if it shows a time this much earlier than before.
const STEP: Duration = Duration::from_secs(1);

/// How long a lease lasts at least after the clock was set back: longer than an attempt.
const SHORTEST_HOLD: Duration = Duration::from_secs(120);

/// The latest time that the clock has shown since it was last set back.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    latest: AtomicI64,
    correcting: Mutex<()>,
}

impl Watch {
    pub(crate) fn set(&self, latest: i64) {
        self.latest.store(latest, Ordering::Relaxed);
    }

    fn was_set_back(&self, now: Timestamp) -> bool {
        (now + STEP).unix_millis() < self.latest.load(Ordering::Relaxed)
    }
}

/// The latest time that was stored.
pub(crate) fn latest(db: &Connection) -> Outcome<i64> {
    Ok(db
        .prepare_cached("SELECT latest FROM counter")?
        .query_row([], |row| row.get(0))?)
}

/// Stores that the clock showed `now`. Everything that makes a delivery wait until a time calls it, since what is stored shows
/// the next process by how much the clock was set back meanwhile.
pub(crate) fn used(db: &Connection, now: Timestamp) -> Outcome<()> {
    db.prepare_cached("UPDATE counter SET latest = ?1 WHERE latest < ?1")?
        .execute([now.unix_millis()])?;
    Ok(())
}

impl SqliteQueue {
    /// The time. If the clock was set back, shortens the waits that were computed from the later time first.
    pub(crate) async fn now(&self) -> Result<Timestamp> {
        self.open().await?;
        let now = self.clock.now();
        if self.watch.was_set_back(now) {
            self.correct().await?;
        }
        self.watch
            .latest
            .fetch_max(now.unix_millis(), Ordering::Relaxed);
        Ok(now)
    }

    async fn correct(&self) -> Result<()> {
        let _one_at_a_time = self.watch.correcting.lock().await;
        let now = self.clock.now();
        if !self.watch.was_set_back(now) {
            return Ok(());
        }
        let latest = Timestamp::from_unix_millis(self.watch.latest.load(Ordering::Relaxed));
        let step = latest.since(now);
        let mut moved = 0;
        let lanes: Vec<i64> = self
            .database
            .read(|db| {
                Ok(db
                    .prepare_cached("SELECT id FROM lane")?
                    .query_map([], |row| row.get(0))?
                    .collect::<Result<_, _>>()?)
            })
            .await?;
        for lane in lanes {
            moved += self
                .search(Place::after(lane, now), LATE, now, move |db, row| {
                    shorten(db, row, now, step)
                })
                .await?;
        }
        loop {
            let dated = self
                .database
                .write(PORTION, move |db| date_back(db, now))
                .await?;
            if dated < PORTION {
                break;
            }
        }
        self.watch.set(now.unix_millis());
        if moved > 0 {
            tracing::warn!(
                moved,
                "the clock is earlier than when deliveries were queued; their waits were shortened"
            );
        }
        Ok(())
    }

    /// Makes what waits in the lanes of `credential` due; returns how many deliveries those were.
    pub(crate) async fn make_due(&self, credential: &CredentialRef) -> Result<u64> {
        let now = self.now().await?;
        let mut moved = 0;
        for lane in self.lanes_of(credential).await? {
            moved += self
                .search(
                    Place::after(lane, now),
                    POSTPONED,
                    now,
                    move |db, row| {
                        used(db, now)?;
                        Ok(db
                            .prepare_cached("UPDATE delivery SET due = ?2 WHERE id = ?1 AND lease IS NULL AND due > ?2")?
                            .execute([row, now.unix_millis()])?)
                    },
                )
                .await?;
        }
        Ok(moved)
    }

    /// Changes the rows of a lane that fulfil `condition`; returns how many.
    async fn search(
        &self,
        from: Place,
        condition: &'static str,
        now: Timestamp,
        change: impl Fn(&Connection, i64) -> Outcome<usize> + Clone + Send + 'static,
    ) -> Result<u64> {
        let mut changed = 0;
        let mut place = Some(from);
        while let Some(here) = place {
            let step = self
                .database
                .read(move |db| here.step(db, condition, now))
                .await?;
            place = step.next;
            if step.found.is_empty() {
                continue;
            }
            let change = change.clone();
            changed += self
                .database
                .write(step.found.len(), move |db| {
                    let mut changed = 0;
                    for row in step.found {
                        changed += change(db, row)? as u64;
                    }
                    Ok(changed)
                })
                .await?;
        }
        Ok(changed)
    }
}

/// Shortens the wait of a row by the `step` by which the clock was set back. A lease that was taken at the right time must not
/// end early.
fn shorten(db: &Connection, row: i64, now: Timestamp, step: Duration) -> Outcome<usize> {
    let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
    Ok(db
        .prepare_cached(
            "UPDATE delivery SET due = iif(lease IS NULL, max(due - ?3, coalesce(scheduled, ?2), ?2), max(due - ?3, min(due, ?4)))
             WHERE id = ?1 AND due > ?2",
        )?
        .execute([
            row,
            now.unix_millis(),
            step,
            (now + SHORTEST_HOLD).unix_millis(),
        ])?)
}

/// Corrects the dates of up to [`PORTION`] messages, and of fences; returns how many messages those were.
fn date_back(db: &Connection, now: Timestamp) -> Outcome<usize> {
    let now = now.unix_millis();
    db.prepare_cached("UPDATE fence SET set_at = ?1 WHERE set_at > ?1")?
        .execute([now])?;
    db.prepare_cached("UPDATE counter SET latest = ?1")?
        .execute([now])?;
    Ok(db
        .prepare_cached(
            "UPDATE message SET newest = ?1 WHERE id IN (
                 SELECT id FROM message INDEXED BY message_by_newest WHERE newest > ?1 LIMIT ?2)",
        )?
        .execute([now, PORTION as i64])?)
}
