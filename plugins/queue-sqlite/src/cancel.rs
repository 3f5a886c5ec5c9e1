//! Removing what is not to be sent any more, and hastening what waits. In portions, so that a message to millions does
//! not keep the writer from everybody else's.
use push_core::{AppId, Cancel, CertificateId, Delivery, Lane, Result, Timestamp};
use push_sqlite::{
    Database, Outcome,
    rusqlite::{Connection, OptionalExtension, Row, params},
};

use crate::{
    lease::lane_row,
    row::{COLUMNS, Ending, Reading, Shared, Stored},
};

/// The most rows of one transaction.
pub(crate) const PORTION: usize = 2000;

/// Where the search goes on: after this user, device and slot.
type Cursor = (String, String, String);

/// What one transaction removed, and where the next one goes on if there may be more.
#[derive(Default)]
struct Portion {
    rows: Vec<(Stored, CertificateId)>,
    shared: Shared,
    next: Option<Cursor>,
}

pub(crate) async fn cancel(
    database: &Database,
    app: &AppId,
    what: &Cancel,
) -> Result<Vec<Delivery>> {
    let mut cancelled = Vec::new();
    let mut after = Some(Cursor::default());
    while let Some(cursor) = after {
        let (within, what) = (app.clone(), what.clone());
        let portion = database
            .write(PORTION, move |db| remove(db, &within, &what, &cursor))
            .await?;
        after = portion.next;
        let mut reading = Reading::new(portion.shared);
        for (it, certificate) in portion.rows {
            let lane = Lane {
                app: app.clone(),
                certificate,
            };
            match reading.delivery(&lane, it) {
                Ok(delivery) => cancelled.push(delivery),
                // It is gone from the queue, as was asked.
                Err(error) => tracing::error!(%error, "a cancelled delivery cannot be read"),
            }
        }
    }
    Ok(cancelled)
}

fn remove(db: &Connection, app: &AppId, what: &Cancel, after: &Cursor) -> Outcome<Portion> {
    let mut portion = Portion::default();
    let found = match what {
        Cancel::Message(message) => {
            let message: Option<i64> = db
                .prepare_cached("SELECT id FROM message WHERE app = ?1 AND message = ?2")?
                .query_row([app.as_str(), message.as_str()], |row| row.get(0))
                .optional()?;
            let Some(message) = message else {
                return Ok(portion);
            };
            let seen: Vec<(Cursor, i64)> = db
                .prepare_cached(
                    "SELECT user, device, slot, delivery FROM seen
                     WHERE message = ?1 AND (user, device, slot) > (?2, ?3, ?4)
                     ORDER BY user, device, slot LIMIT ?5",
                )?
                .query_map(
                    params![message, after.0, after.1, after.2, PORTION as i64],
                    |row| Ok(((row.get(0)?, row.get(1)?, row.get(2)?), row.get(3)?)),
                )?
                .collect::<Result<_, _>>()?;
            if seen.len() == PORTION {
                portion.next = seen.last().map(|(at, _)| at.clone());
            }
            let mut select = db.prepare_cached(&format!(
                "SELECT {COLUMNS}, d.lane, l.certificate FROM delivery d JOIN lane l ON l.id = d.lane
                 WHERE d.id = ?1"
            ))?;
            let mut found = Vec::new();
            for (_, row) in seen {
                found.extend(select.query_row([row], found_row).optional()?);
            }
            found
        }
        Cancel::Device(user, device) => {
            let found: Vec<_> = db
                .prepare_cached(&format!(
                    "SELECT {COLUMNS}, d.lane, l.certificate FROM delivery d INDEXED BY delivery_by_device JOIN lane l ON l.id = d.lane
                     WHERE d.user = ?1 AND d.device = ?2 AND l.app = ?3 LIMIT ?4"
                ))?
                .query_map(
                    params![user.as_str(), device.as_str(), app.as_str(), PORTION as i64],
                    found_row,
                )?
                .collect::<Result<_, _>>()?;
            if found.len() == PORTION {
                portion.next = Some(Cursor::default());
            }
            found
        }
    };
    let mut ending = Ending::default();
    let mut delete =
        db.prepare_cached("DELETE FROM delivery WHERE id = ?1 RETURNING notification")?;
    for (it, lane, certificate) in found {
        portion.shared.read(db, &it)?;
        let notification = delete.query_row([it.row], |row| row.get(0))?;
        ending.add(lane, notification);
        portion.rows.push((it, CertificateId::new(certificate)?));
    }
    drop(delete);
    ending.end(db)?;
    Ok(portion)
}

fn found_row(row: &Row<'_>) -> push_sqlite::rusqlite::Result<(Stored, i64, i64)> {
    Ok((Stored::read(row)?, row.get(14)?, row.get(15)?))
}

/// Makes a portion of what waits in `lane` due; answers how many those were.
pub(crate) fn hasten(db: &Connection, lane: &Lane, now: Timestamp) -> Outcome<u64> {
    let Some(lane) = lane_row(db, lane)? else {
        return Ok(0);
    };
    let moved = db
        .prepare_cached(
            "UPDATE delivery SET due = ?2 WHERE id IN (
                 SELECT id FROM delivery INDEXED BY delivery_by_due
                 WHERE lane = ?1 AND due > ?2 AND lease IS NULL LIMIT ?3)",
        )?
        .execute([lane, now.unix_millis(), PORTION as i64])?;
    Ok(moved as u64)
}
