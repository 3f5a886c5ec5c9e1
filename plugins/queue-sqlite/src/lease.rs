//! Leasing, acknowledging, returning.
use std::{collections::HashMap, time::Duration};

use push_core::{
    AppId, BatchRef, CertificateId, Class, CredentialRef, LONGEST_WAIT, Lane, LaneState, Lease,
    LeaseId, Return, Timestamp,
};
use push_sqlite::{
    Outcome,
    rusqlite::{self, Connection, OptionalExtension, Row, params},
};

use crate::{
    clock,
    damaged::{Damaged, DamagedLane},
    row::{COLUMNS, Contents, Ending, Reading, Stored, lane_row},
};

/// The most deliveries of one lease: it bounds how long one call keeps the writer busy.
pub(crate) const MOST: usize = 2000;

/// What was leased, not checked yet.
#[derive(Default)]
pub(crate) struct Leased {
    rows: Vec<(i64, rusqlite::Result<Stored>)>,
    contents: Contents,
    /// The first one's lease; the others follow.
    first: i64,
}

pub(crate) fn lease(
    db: &Connection,
    lane: &Lane,
    limit: usize,
    now: Timestamp,
    hold: Duration,
) -> Outcome<Leased> {
    let mut leased = Leased::default();
    let Some(lane) = lane_row(db, lane)? else {
        return Ok(leased);
    };
    leased.rows = db
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM delivery INDEXED BY delivery_by_due WHERE lane = ?1 AND due <= ?2 ORDER BY due, rank, id LIMIT ?3"
        ))?
        .query_map(params![lane, now.unix_millis(), limit as i64], |row| {
            Ok((row.get(0)?, Stored::read(row)))
        })?
        .collect::<Result<_, _>>()?;
    if leased.rows.is_empty() {
        return Ok(leased);
    }
    leased.first = db
        .prepare_cached(
            "UPDATE counter SET lease = lease + ?1, latest = max(latest, ?2) RETURNING lease - ?1",
        )?
        .query_row([leased.rows.len() as i64, now.unix_millis()], |row| {
            row.get(0)
        })?;
    let until = now + hold.min(LONGEST_WAIT);
    let mut take = db.prepare_cached(
        // A number of attempts that is damaged must not stop the lane.
        "UPDATE delivery SET lease = ?2, due = ?3, attempts = max(0, min(attempts, 4294967294)) + 1 WHERE id = ?1",
    )?;
    for ((row, stored), lease) in leased.rows.iter().zip(leased.first..) {
        if let Ok(stored) = stored {
            leased.contents.read(db, stored)?;
        }
        take.execute([*row, lease, until.unix_millis()])?;
    }
    Ok(leased)
}

/// Makes leases of rows, and returns those that cannot be read beside them.
pub(crate) fn read(lane: &Lane, leased: Leased) -> (Vec<Lease>, Vec<Damaged>) {
    let mut reading = Reading::new(lane, leased.contents);
    let mut leases = Vec::with_capacity(leased.rows.len());
    let mut damaged = Vec::new();
    for ((row, stored), lease) in leased.rows.into_iter().zip(leased.first..) {
        let read = stored
            .map_err(|source| format!("a column of a stored delivery cannot be read: {source}"))
            .and_then(|stored| {
                let delivery = reading.delivery(&stored);
                let delivery = delivery.map_err(|error| error.message().to_owned())?;
                Ok((stored, delivery))
            });
        match read {
            Ok((stored, delivery)) => leases.push(
                Lease::new(LeaseId::from(lease), delivery)
                    .with_attempt(stored.attempt())
                    .with_batch(stored.batch()),
            ),
            Err(reason) => damaged.push(Damaged { row, reason }),
        }
    }
    (leases, damaged)
}

pub(crate) fn ack(db: &Connection, leases: &[LeaseId]) -> Outcome<u64> {
    let mut ending = Ending::default();
    let mut delete = db.prepare_cached(
        "DELETE FROM delivery INDEXED BY delivery_by_lease WHERE lease = ?1 RETURNING lane, content",
    )?;
    for lease in leases.iter().filter_map(LeaseId::number) {
        let done = delete
            .query_row([lease], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if let Some((lane, content)) = done {
            ending.add(lane, Some(content));
        }
    }
    let count = ending.count.unsigned_abs();
    ending.end(db)?;
    Ok(count)
}

pub(crate) fn nack(db: &Connection, returns: &[Return], now: Timestamp) -> Outcome<u64> {
    clock::used(db, now)?;
    let ranks = ranks(db, returns)?;
    let mut give_back = db.prepare_cached(
        "UPDATE delivery INDEXED BY delivery_by_lease
         SET lease = NULL, due = ?2, attempts = attempts - ?3, rank = coalesce(?4, id), batch = ?5, batch_size = ?6
         WHERE lease = ?1",
    )?;
    let mut count = 0;
    for back in returns {
        let Some(lease) = back.lease.number() else {
            continue;
        };
        let after = back.after.min(LONGEST_WAIT);
        let batch = back.batch;
        count += give_back.execute(params![
            lease,
            (now + after).unix_millis(),
            i64::from(!back.attempted),
            batch.and_then(|batch| ranks.get(&(batch, after))),
            batch.map(|batch| batch.id.as_uuid().into_bytes()),
            batch.map(|batch| batch.size),
        ])?;
    }
    Ok(count as u64)
}

/// Of each batch and wait, the row that was put first: where all of them wait, next to each other.
fn ranks(db: &Connection, returns: &[Return]) -> Outcome<HashMap<(BatchRef, Duration), i64>> {
    let mut ranks = HashMap::new();
    let mut select =
        db.prepare_cached("SELECT id FROM delivery INDEXED BY delivery_by_lease WHERE lease = ?1")?;
    for back in returns {
        let (Some(batch), Some(lease)) = (back.batch, back.lease.number()) else {
            continue;
        };
        let row: Option<i64> = select.query_row([lease], |row| row.get(0)).optional()?;
        if let Some(row) = row {
            let rank = ranks
                .entry((batch, back.after.min(LONGEST_WAIT)))
                .or_insert(row);
            *rank = row.min(*rank);
        }
    }
    Ok(ranks)
}

/// The lanes that have deliveries, and those that cannot be read.
pub(crate) fn lanes(
    db: &Connection,
    now: Timestamp,
) -> Outcome<(Vec<LaneState>, Vec<DamagedLane>)> {
    let mut select = db.prepare_cached(
        "SELECT app, certificate, class, depth,
             (SELECT min(due) FROM delivery INDEXED BY delivery_by_due WHERE lane = lane.id) AS next,
             (SELECT min(created_at) FROM delivery INDEXED BY delivery_by_age WHERE lane = lane.id),
             id
         FROM lane WHERE next IS NOT NULL",
    )?;
    let mut rows = select.query([])?;
    let (mut lanes, mut damaged) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        match read_lane(row, now) {
            Ok(lane) => lanes.extend(lane),
            Err(_) => damaged.push(DamagedLane {
                row: row.get(6)?,
                reason: "its app, certificate or class cannot be read",
            }),
        }
    }
    Ok((lanes, damaged))
}

fn read_lane(row: &Row<'_>, now: Timestamp) -> Outcome<Option<LaneState>> {
    let lane = Lane::new(
        CredentialRef::new(
            AppId::new(row.get::<_, String>(0)?)?,
            CertificateId::new(row.get(1)?)?,
        ),
        Class::new(row.get::<_, String>(2)?)?,
    );
    let depth: i64 = row.get(3)?;
    let (Some(due), Some(created)) = (row.get(4)?, row.get(5)?) else {
        return Ok(None);
    };
    Ok(Some(LaneState::new(
        lane,
        // A damaged count must not hide what waits.
        depth.max(1).unsigned_abs(),
        Timestamp::from_unix_millis(due).since(now),
        now.since(Timestamp::from_unix_millis(created)),
    )))
}
