//! Forgetting deliveries that were done long ago, a little at a time.
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

use crate::{REMEMBER, SqliteQueue};

/// How often the search starts from the oldest message again.
const EVERY: Duration = Duration::from_secs(60);

/// The most messages looked at, and the most deliveries forgotten, in one go.
const MESSAGES: i64 = 200;
const DELIVERIES: usize = 2000;

/// Where the search is.
#[derive(Debug, Default)]
pub(crate) struct Pruning {
    /// When the next go is due; in the past while a search is not through.
    next: AtomicI64,
    /// The row of `message` after which it goes on.
    after: AtomicI64,
}

impl SqliteQueue {
    /// Asks the writer to forget a little, now and then.
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
                if pruning.go(db, now)? {
                    pruning.next.store(i64::MIN, Ordering::Relaxed);
                }
                Ok(())
            })
            .await
    }
}

impl Pruning {
    /// Answers whether there may be more to forget.
    fn go(&self, db: &Connection, now: Timestamp) -> Outcome<bool> {
        // Neither a clock set wrong nor one odd date must forget too early.
        let newest: i64 = db
            .prepare_cached("SELECT newest FROM counter")?
            .query_row([], |row| row.get(0))?;
        let before = now.min(Timestamp::from_unix_millis(newest)) - REMEMBER;
        let messages: Vec<(i64, i64)> = db
            .prepare_cached("SELECT id, newest FROM message WHERE id > ?1 ORDER BY id LIMIT ?2")?
            .query_map([self.after.load(Ordering::Relaxed), MESSAGES], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect::<Result<_, _>>()?;
        let old = messages
            .iter()
            .filter(|(_, newest)| *newest < before.unix_millis());
        let mut looked_at = 0;
        let mut any = false;
        for (message, _) in old {
            any = true;
            if looked_at >= DELIVERIES {
                break;
            }
            let portion = forget(db, *message)?;
            looked_at += portion.len;
            if portion.is_last {
                self.after.store(*message, Ordering::Relaxed);
            }
        }
        // Messages come by date, more or less: where none is old, none after it is.
        if !any {
            self.after.store(0, Ordering::Relaxed);
        }
        Ok(any)
    }
}

/// What was looked at of one message.
struct Portion {
    len: usize,
    /// Whether to go on with the next message.
    is_last: bool,
}

/// Forgets what is done among the first deliveries of a message, and the message with the last of them. One that still
/// has to be sent keeps the rest until the next search.
fn forget(db: &Connection, message: i64) -> Outcome<Portion> {
    type Seen = (String, String, String, bool);
    let seen: Vec<Seen> = db
        .prepare_cached(
            "SELECT user, device, slot, EXISTS (SELECT 1 FROM delivery d WHERE d.id = seen.delivery)
             FROM seen WHERE message = ?1 LIMIT ?2",
        )?
        .query_map([message, DELIVERIES as i64], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<Result<_, _>>()?;
    let mut delete = db.prepare_cached(
        "DELETE FROM seen WHERE message = ?1 AND user = ?2 AND device = ?3 AND slot = ?4",
    )?;
    let mut waiting = false;
    for (user, device, slot, waits) in &seen {
        if *waits {
            waiting = true;
        } else {
            delete.execute(params![message, user, device, slot])?;
        }
    }
    drop(delete);
    let is_last = waiting || seen.len() < DELIVERIES;
    if is_last && !waiting {
        db.prepare_cached("DELETE FROM message WHERE id = ?1")?
            .execute([message])?;
    }
    Ok(Portion {
        len: seen.len(),
        is_last,
    })
}
