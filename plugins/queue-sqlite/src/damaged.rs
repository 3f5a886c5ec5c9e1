//! Deliveries that cannot be read: they are moved out of the way of the others.
use push_core::Timestamp;
use push_sqlite::{
    Outcome,
    rusqlite::{Connection, OptionalExtension, params},
};

use crate::row::Ending;

/// The most rows that `damaged` keeps; the oldest ones are dropped.
const KEPT: i64 = 10_000;

/// A row of `delivery` that cannot be read.
#[derive(Debug)]
pub(crate) struct Damaged {
    pub(crate) row: i64,
    pub(crate) reason: String,
}

/// Moves rows of `delivery` to `damaged`, and logs each.
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
        let gone = db
            .prepare_cached("DELETE FROM delivery WHERE id = ?1 RETURNING lane, content")?
            .query_row([row], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if let Some((lane, content)) = gone {
            ending.add(lane, content);
        }
        tracing::error!(
            row,
            reason,
            number,
            "a stored delivery is damaged and will not be sent; it was moved to the table `damaged`"
        );
    }
    ending.end(db)?;
    counted(db, number)
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
