//! Forgetting messages and logouts of long ago, a portion at a time.
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use push_core::{Result, Timestamp};
use push_sqlite::{
    Outcome,
    rusqlite::{Connection, params},
};

use crate::{KEEP_FENCE, REMEMBER, SqliteQueue};

/// How often the search begins again when it has found nothing.
const EVERY: Duration = Duration::from_secs(60);

/// The most messages and fences looked at, and about the most deliveries forgotten, in one step.
const MESSAGES: usize = 200;
const DELIVERIES: usize = 2000;

/// When the next step is due; in the past while there is more to forget.
#[derive(Debug, Default)]
pub(crate) struct Pruning {
    next: AtomicI64,
}

impl SqliteQueue {
    /// Asks the writer to forget a portion if it is time.
    pub(crate) async fn prune(&self, now: Timestamp) -> Result<()> {
        let due = self.pruning.next.load(Ordering::Relaxed);
        let next = (now + EVERY).unix_millis();
        // A clock that was set back must not stop it.
        if (due > now.unix_millis() && due <= next)
            || self
                .pruning
                .next
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_err()
        {
            return Ok(());
        }
        let pruning = Arc::clone(&self.pruning);
        self.database
            .write_later(1, move |db| {
                if step(db, now)? {
                    pruning.next.store(i64::MIN, Ordering::Relaxed);
                }
                Ok(())
            })
            .await
    }
}

/// Returns `true` if there may be more to forget.
fn step(db: &Connection, now: Timestamp) -> Outcome<bool> {
    let messages: Vec<i64> = db
        .prepare_cached(
            "SELECT id FROM message INDEXED BY message_by_newest WHERE newest < ?1 ORDER BY newest LIMIT ?2",
        )?
        .query_map(
            params![(now - REMEMBER).unix_millis(), MESSAGES as i64],
            |row| row.get(0),
        )?
        .collect::<Result<_, _>>()?;
    let mut has_more = messages.len() == MESSAGES;
    let mut looked_at = 0;
    for message in messages {
        if looked_at >= DELIVERIES {
            has_more = true;
            break;
        }
        looked_at += forget(db, message, now)?;
    }
    has_more |= looked_at >= DELIVERIES;
    let fences = db
        .prepare_cached(
            "DELETE FROM fence WHERE (app, user, device, slot) IN (
                 SELECT app, user, device, slot FROM fence INDEXED BY fence_by_time WHERE set_at < ?1 LIMIT ?2)",
        )?
        .execute(params![
            (now - KEEP_FENCE).unix_millis(),
            MESSAGES as i64
        ])?;
    // A count that is damaged takes no lane away from its deliveries.
    db.prepare_cached(
        "DELETE FROM lane WHERE depth <= 0
         AND NOT EXISTS (SELECT 1 FROM delivery INDEXED BY delivery_by_due WHERE lane = lane.id)",
    )?
    .execute([])?;
    Ok(has_more || fences == MESSAGES)
}

/// Forgets a portion of the deliveries of a message, and the message with the last of them; returns how many rows it looked at.
/// A message that still has a delivery to send is remembered for as long again.
fn forget(db: &Connection, message: i64, now: Timestamp) -> Outcome<usize> {
    let kept = db
        .prepare_cached(
            "UPDATE message SET newest = ?2 WHERE id = ?1
             AND EXISTS (SELECT 1 FROM content INDEXED BY content_by_uuid WHERE message = ?1)",
        )?
        .execute([message, now.unix_millis()])?;
    if kept > 0 {
        return Ok(1);
    }
    // As bytes: an identity that is damaged is forgotten like any other.
    let seen: Vec<Vec<u8>> = db
        .prepare_cached("SELECT identity FROM seen WHERE message = ?1 LIMIT ?2")?
        .query_map([message, DELIVERIES as i64], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut delete = db.prepare_cached("DELETE FROM seen WHERE message = ?1 AND identity = ?2")?;
    for identity in &seen {
        delete.execute(params![message, identity])?;
    }
    if seen.len() < DELIVERIES {
        db.prepare_cached("DELETE FROM message WHERE id = ?1")?
            .execute([message])?;
    }
    Ok(seen.len().max(1))
}
