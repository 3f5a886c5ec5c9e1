//! Searching lanes beside the writer, a portion at a time.
use push_core::Timestamp;
use push_sqlite::{
    Outcome,
    rusqlite::{Connection, params},
};

/// The most rows of one search, and of one transaction.
pub(crate) const PORTION: usize = 2000;

/// Waits for a later time without being scheduled for it. `?6` is now.
pub(crate) const POSTPONED: &str =
    "lease IS NULL AND due > ?6 AND (scheduled IS NULL OR scheduled <= ?6)";
/// Waits longer than the queue lets anything wait, if the search began after that time.
pub(crate) const LATE: &str = "lease IS NOT NULL OR due > max(coalesce(scheduled, ?6), ?6)";
/// Has expired, and is not leased.
pub(crate) const EXPIRED: &str =
    "lease IS NULL AND (SELECT expires_at FROM content WHERE id = d.content) <= ?6";

/// Where a search of a lane continues.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    lane: i64,
    due: i64,
    rank: i64,
    row: i64,
}

/// What a step found, and where the next one begins if there may be more.
pub(crate) struct Step {
    pub(crate) found: Vec<i64>,
    pub(crate) next: Option<Place>,
}

impl Place {
    /// The beginning of a lane.
    pub(crate) const fn start(lane: i64) -> Self {
        Self {
            lane,
            due: i64::MIN,
            rank: 0,
            row: 0,
        }
    }

    /// After what is due at `due`.
    pub(crate) const fn after(lane: i64, due: Timestamp) -> Self {
        Self {
            lane,
            due: due.unix_millis(),
            rank: i64::MAX,
            row: i64::MAX,
        }
    }

    /// Looks at the next [`PORTION`] rows for those that fulfil `condition`.
    pub(crate) fn step(self, db: &Connection, condition: &str, now: Timestamp) -> Outcome<Step> {
        let mut select = db.prepare_cached(&format!(
            "SELECT due, rank, id, coalesce({condition}, 0) FROM delivery d INDEXED BY delivery_by_due
             WHERE lane = ?1 AND (due, rank, id) > (?2, ?3, ?4) ORDER BY due, rank, id LIMIT ?5"
        ))?;
        let mut rows = select.query(params![
            self.lane,
            self.due,
            self.rank,
            self.row,
            PORTION as i64,
            now.unix_millis()
        ])?;
        let mut step = Step {
            found: Vec::new(),
            next: None,
        };
        let mut count = 0;
        while let Some(row) = rows.next()? {
            let place = Self {
                lane: self.lane,
                due: row.get(0)?,
                rank: row.get(1)?,
                row: row.get(2)?,
            };
            if row.get(3)? {
                step.found.push(place.row);
            }
            count += 1;
            step.next = (count == PORTION).then_some(place);
        }
        Ok(step)
    }
}
