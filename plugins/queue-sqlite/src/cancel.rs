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
    if let Cancel::Expired(certificate, at) = what {
        let lane = Lane {
            app: app.clone(),
            certificate: *certificate,
        };
        return expire(database, &lane, *at).await;
    }
    let mut cancelled = Vec::new();
    let mut after = Some(Cursor::default());
    while let Some(cursor) = after {
        let (within, what) = (app.clone(), what.clone());
        let mut portion = database
            .write(PORTION, move |db| cancel_some(db, &within, &what, &cursor))
            .await?;
        after = portion.next.take();
        portion.read(app, &mut cancelled);
    }
    Ok(cancelled)
}

/// Searches beside the writer, and removes what was found unless somebody has leased it since.
async fn expire(database: &Database, lane: &Lane, at: Timestamp) -> Result<Vec<Delivery>> {
    let mut expired = Vec::new();
    let mut after = Some((i64::MIN, 0));
    while let Some((due, row)) = after
        && expired.len() < Cancel::MOST_EXPIRED
    {
        let of = lane.clone();
        let seen: Vec<(i64, i64)> = database
            .read(move |db| {
                let Some(lane) = lane_row(db, &of)? else {
                    return Ok(Vec::new());
                };
                Ok(db
                    .prepare_cached(
                        "SELECT due, id FROM delivery INDEXED BY delivery_by_due
                         WHERE lane = ?1 AND (due, id) > (?2, ?3) AND lease IS NULL AND expires_at <= ?4
                         ORDER BY due, id LIMIT ?5",
                    )?
                    .query_map(
                        [lane, due, row, at.unix_millis(), PORTION as i64],
                        |row| Ok((row.get(0)?, row.get(1)?)),
                    )?
                    .collect::<Result<_, _>>()?)
            })
            .await?;
        after = seen.last().copied().filter(|_| seen.len() == PORTION);
        let portion = database
            .write(PORTION, move |db| {
                let mut portion = Portion::default();
                let rows = seen.iter().map(|(_, row)| *row);
                let found = find(db, rows, "AND d.lease IS NULL")?;
                portion.take(db, found)?;
                Ok(portion)
            })
            .await?;
        portion.read(&lane.app, &mut expired);
    }
    Ok(expired)
}

type Found = (Stored, i64, i64);

fn find(db: &Connection, rows: impl Iterator<Item = i64>, condition: &str) -> Outcome<Vec<Found>> {
    let mut select = db.prepare_cached(&format!(
        "SELECT {COLUMNS}, d.lane, l.certificate FROM delivery d JOIN lane l ON l.id = d.lane
         WHERE d.id = ?1 {condition}"
    ))?;
    let mut found = Vec::new();
    for row in rows {
        found.extend(select.query_row([row], found_row).optional()?);
    }
    Ok(found)
}

impl Portion {
    /// Removes the rows from the queue.
    fn take(&mut self, db: &Connection, found: Vec<Found>) -> Outcome<()> {
        let mut ending = Ending::default();
        let mut delete =
            db.prepare_cached("DELETE FROM delivery WHERE id = ?1 RETURNING notification")?;
        for (it, lane, certificate) in found {
            self.shared.read(db, &it)?;
            let notification = delete.query_row([it.row], |row| row.get(0))?;
            ending.add(lane, notification);
            self.rows.push((it, CertificateId::new(certificate)?));
        }
        drop(delete);
        ending.end(db)
    }

    /// Makes deliveries of the rows.
    fn read(self, app: &AppId, deliveries: &mut Vec<Delivery>) {
        let mut reading = Reading::new(self.shared);
        for (it, certificate) in self.rows {
            let lane = Lane {
                app: app.clone(),
                certificate,
            };
            match reading.delivery(&lane, it) {
                Ok(delivery) => deliveries.push(delivery),
                // It is gone from the queue, as was asked.
                Err(error) => tracing::error!(%error, "a cancelled delivery cannot be read"),
            }
        }
    }
}

fn cancel_some(db: &Connection, app: &AppId, what: &Cancel, after: &Cursor) -> Outcome<Portion> {
    let mut portion = Portion::default();
    let found = match what {
        // Searched for beside the writer, by `expire`.
        Cancel::Expired(..) => Vec::new(),
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
            find(db, seen.iter().map(|(_, row)| *row), "")?
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
    portion.take(db, found)?;
    Ok(portion)
}

fn found_row(row: &Row<'_>) -> push_sqlite::rusqlite::Result<Found> {
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
