//! Deliveries that cannot be read: they are moved out of the way of the others.
use std::sync::Arc;

use push_core::{Result, Timestamp};
use push_sqlite::{
    Outcome,
    rusqlite::{Connection, OptionalExtension, params},
};

use crate::{SqliteQueue, removed, row::Ending, walk::PORTION};

/// The most rows that `damaged` keeps; the oldest ones are dropped.
const KEPT: i64 = 10_000;

/// Up to this many damaged rows of one call are logged one by one.
const LOGGED: usize = 20;

/// A row of `delivery` that cannot be read.
#[derive(Debug)]
pub(crate) struct Damaged {
    pub(crate) row: i64,
    pub(crate) reason: String,
}

/// Moves rows of `delivery` to `damaged`, and logs them.
pub(crate) fn quarantine(db: &Connection, rows: &[Damaged], now: Timestamp) -> Outcome<()> {
    let mut ending = Ending::default();
    let mut number = count(db)?;
    for Damaged { row, reason } in rows {
        let copied = db
            .prepare_cached(
                "INSERT INTO damaged
                 SELECT ?2, ?3, ?4, id, lane, uuid, content, user, device, slot, channel FROM delivery WHERE id = ?1",
            )?
            .execute(params![row, number + 1, now.unix_millis(), reason])?;
        if copied == 0 {
            // It was cancelled meanwhile.
            continue;
        }
        number += 1;
        removed::add_damaged(db, *row)?;
        let gone = db
            .prepare_cached("DELETE FROM delivery WHERE id = ?1 RETURNING lane, content")?
            .query_row([row], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if let Some((lane, content)) = gone {
            ending.add(lane, content);
        }
        if rows.len() <= LOGGED {
            tracing::error!(
                row,
                reason,
                number,
                "a stored delivery is damaged and will not be sent; it was moved to the table `damaged`"
            );
        }
    }
    if rows.len() > LOGGED {
        let reason = rows.first().map_or("", |first| &*first.reason);
        tracing::error!(
            count = rows.len(),
            reason,
            number,
            "stored deliveries are damaged and will not be sent; they were moved to the table `damaged`"
        );
    }
    ending.end(db)?;
    counted(db, number)
}

/// A lane that cannot be read or is missing, so that its deliveries can be neither leased nor listed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DamagedLane {
    pub(crate) row: i64,
    pub(crate) reason: &'static str,
}

impl SqliteQueue {
    /// Moves the deliveries of lanes that cannot be read to `damaged`, a portion at a time, and forgets the lanes.
    pub(crate) async fn clear(&self, lanes: Vec<DamagedLane>) -> Result<()> {
        for lane in lanes {
            loop {
                let clock = Arc::clone(&self.clock);
                let moved = self
                    .database
                    .write(PORTION, move |db| clear(db, lane, clock.now()))
                    .await?;
                if moved < PORTION {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Moves a portion of a lane's deliveries, and removes the lane with the last of them; returns how many those were.
fn clear(db: &Connection, lane: DamagedLane, now: Timestamp) -> Outcome<usize> {
    let rows: Vec<Damaged> = db
        .prepare_cached(
            "SELECT id FROM delivery INDEXED BY delivery_by_due WHERE lane = ?1 LIMIT ?2",
        )?
        .query_map([lane.row, PORTION as i64], |row| {
            Ok(Damaged {
                row: row.get(0)?,
                reason: format!("the lane cannot be used: {}", lane.reason),
            })
        })?
        .collect::<Result<_, _>>()?;
    quarantine(db, &rows, now)?;
    if rows.len() < PORTION {
        db.prepare_cached("DELETE FROM lane WHERE id = ?1")?
            .execute([lane.row])?;
    }
    Ok(rows.len())
}

/// Makes the row of counters again if it is missing: without it nothing can be put, leased or moved aside.
pub(crate) fn restore_counter(db: &Connection, now: Timestamp) -> Outcome<()> {
    // The number of a lease must be one that was never used. None was used as often as microseconds have passed since 1970.
    let lease = now.unix_millis().saturating_mul(1000);
    let restored = db.execute(
        "INSERT INTO counter (delivery, message, content, lease, depth, latest, damaged, first_message)
         SELECT 1 + (SELECT coalesce(max(id), 0) FROM delivery), 1 + (SELECT coalesce(max(id), 0) FROM message),
             1 + (SELECT coalesce(max(id), 0) FROM content), ?1, (SELECT count(*) FROM delivery),
             (SELECT coalesce(max(newest), 0) FROM message), (SELECT coalesce(max(id), 0) FROM damaged),
             1 + (SELECT coalesce(max(id), 0) FROM message)
         WHERE NOT EXISTS (SELECT 1 FROM counter)",
        [lease],
    )?;
    if restored > 0 {
        tracing::error!(
            "the queue's row of counters was missing; it was made again from what is stored"
        );
    }
    Ok(())
}

/// Corrects counters that are behind what is stored, which would refuse everything new, and returns the lanes that are missing.
pub(crate) fn check(db: &Connection) -> Outcome<Vec<DamagedLane>> {
    db.execute(
        "UPDATE counter SET
             delivery = max(delivery, 1 + (SELECT coalesce(max(id), 0) FROM delivery)),
             message = max(message, 1 + (SELECT coalesce(max(id), 0) FROM message)),
             content = max(content, 1 + (SELECT coalesce(max(id), 0) FROM content))",
        [],
    )?;
    let mut next = db.prepare(
        "SELECT min(lane), EXISTS (SELECT 1 FROM lane WHERE id = (SELECT min(lane) FROM delivery INDEXED BY delivery_by_due WHERE lane > ?1))
         FROM delivery INDEXED BY delivery_by_due WHERE lane > ?1",
    )?;
    let mut missing = Vec::new();
    let mut after = i64::MIN;
    loop {
        let (lane, is_there): (Option<i64>, bool) =
            next.query_row([after], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let Some(row) = lane else {
            return Ok(missing);
        };
        if !is_there {
            missing.push(DamagedLane {
                row,
                reason: "it is missing",
            });
        }
        after = row;
    }
}

/// How many deliveries were found damaged so far.
pub(crate) fn count(db: &Connection) -> Outcome<i64> {
    Ok(db
        .prepare_cached("SELECT damaged FROM counter")?
        .query_row([], |row| row.get(0))?)
}

/// Stores that `number` deliveries were found damaged so far.
pub(crate) fn counted(db: &Connection, number: i64) -> Outcome<()> {
    db.prepare_cached("UPDATE counter SET damaged = ?1")?
        .execute([number])?;
    db.prepare_cached("DELETE FROM damaged WHERE id <= ?1")?
        .execute([number - KEPT])?;
    Ok(())
}
