//! Leasing, acknowledging, giving back.
use push_core::{AppId, CertificateId, Lane, LaneState, Lease, LeaseId, Result, Return, Timestamp};
use push_sqlite::{
    Outcome,
    rusqlite::{Connection, OptionalExtension, params},
};

use crate::row::{COLUMNS, Ending, Reading, Shared, Stored};

/// The most deliveries of one lease: what one call may keep the writer busy with.
pub(crate) const MOST: usize = 2000;

/// What was leased, not understood yet.
pub(crate) struct Leased {
    rows: Vec<Stored>,
    shared: Shared,
    /// The first one's lease; the others follow.
    first: i64,
}

pub(crate) fn lane_row(db: &Connection, lane: &Lane) -> Outcome<Option<i64>> {
    Ok(db
        .prepare_cached("SELECT id FROM lane WHERE app = ?1 AND certificate = ?2")?
        .query_row(params![lane.app.as_str(), lane.certificate.get()], |row| {
            row.get(0)
        })
        .optional()?)
}

pub(crate) fn lease(
    db: &Connection,
    lane: &Lane,
    limit: usize,
    now: Timestamp,
    until: Timestamp,
) -> Outcome<Leased> {
    let mut leased = Leased {
        rows: Vec::new(),
        shared: Shared::default(),
        first: 0,
    };
    let Some(lane) = lane_row(db, lane)? else {
        return Ok(leased);
    };
    leased.rows = db
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM delivery d INDEXED BY delivery_by_due WHERE d.lane = ?1 AND d.due <= ?2 ORDER BY d.due, d.id LIMIT ?3"
        ))?
        .query_map(params![lane, now.unix_millis(), limit as i64], Stored::read)?
        .collect::<Result<_, _>>()?;
    if leased.rows.is_empty() {
        return Ok(leased);
    }
    leased.first = db
        .prepare_cached("UPDATE counter SET lease = lease + ?1 RETURNING lease - ?1")?
        .query_row([leased.rows.len() as i64], |row| row.get(0))?;
    let mut take = db.prepare_cached(
        "UPDATE delivery SET lease = ?2, due = ?3, attempts = attempts + 1 WHERE id = ?1",
    )?;
    for (it, lease) in leased.rows.iter().zip(leased.first..) {
        leased.shared.read(db, it)?;
        take.execute([it.row, lease, until.unix_millis()])?;
    }
    Ok(leased)
}

/// Makes leases of rows. One that cannot be read is left out and logged: it must not keep its lane from going on.
///
/// # Errors
/// If none can be read.
pub(crate) fn read(lane: &Lane, leased: Leased) -> Result<Vec<Lease>> {
    let mut reading = Reading::new(leased.shared);
    let mut leases = Vec::with_capacity(leased.rows.len());
    let mut failed = None;
    for (it, lease) in leased.rows.into_iter().zip(leased.first..) {
        let row = it.row;
        let attempt = u32::try_from(it.attempts + 1).unwrap_or(u32::MAX);
        match reading.delivery(lane, it) {
            Ok(delivery) => leases.push(Lease {
                id: LeaseId(lease),
                delivery,
                attempt,
            }),
            Err(error) => {
                tracing::error!(%error, row, "a queued delivery cannot be read and is skipped");
                failed = Some(error);
            }
        }
    }
    match failed {
        Some(error) if leases.is_empty() => Err(error),
        _ => Ok(leases),
    }
}

pub(crate) fn ack(db: &Connection, leases: &[LeaseId]) -> Outcome<u64> {
    let mut ending = Ending::default();
    let mut delete =
        db.prepare_cached("DELETE FROM delivery INDEXED BY delivery_by_lease WHERE lease = ?1 RETURNING lane, notification")?;
    for it in leases {
        let done = delete
            .query_row([it.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if let Some((lane, notification)) = done {
            ending.add(lane, notification);
        }
    }
    let count = ending.count.unsigned_abs();
    ending.end(db)?;
    Ok(count)
}

pub(crate) fn nack(db: &Connection, returns: &[Return]) -> Outcome<u64> {
    let mut give_back = db.prepare_cached(
        "UPDATE delivery INDEXED BY delivery_by_lease SET lease = NULL, due = ?2, attempts = attempts - ?3 WHERE lease = ?1",
    )?;
    let mut count = 0;
    for it in returns {
        let uncounted = i64::from(!it.attempted);
        count += give_back.execute([it.lease.0, it.due.unix_millis(), uncounted])?;
    }
    Ok(count as u64)
}

pub(crate) fn lanes(db: &Connection) -> Outcome<Vec<LaneState>> {
    let mut select = db.prepare_cached(
        "SELECT app, certificate, depth, (SELECT min(due) FROM delivery INDEXED BY delivery_by_due WHERE lane = lane.id)
         FROM lane WHERE depth > 0",
    )?;
    let rows = select.query_map([], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, i64>(1)?,
            row.get::<_, i64>(2)?,
            row.get::<_, Option<i64>>(3)?,
        ))
    })?;
    let mut lanes = Vec::new();
    for it in rows {
        let (app, certificate, depth, due) = it?;
        lanes.push(LaneState {
            lane: Lane {
                app: AppId::new(app)?,
                certificate: CertificateId::new(certificate)?,
            },
            depth: depth.unsigned_abs(),
            next_due: Timestamp::from_unix_millis(due.unwrap_or_default()),
        });
    }
    Ok(lanes)
}
