//! Columns as values, and rows that are damaged.
use std::sync::atomic::{AtomicU64, Ordering};

use push_core::{Error, Timestamp};
use push_sqlite::{
    Outcome,
    rusqlite::{
        self, Row,
        types::{FromSql, Type},
    },
};

/// Reads a column and makes a value of it that checks itself.
pub(crate) fn parsed<T>(
    row: &Row<'_>,
    column: usize,
    parse: impl FnOnce(String) -> Result<T, Error>,
) -> rusqlite::Result<T> {
    parse(row.get(column)?).map_err(|error| damaged(column, error))
}

/// The same, of a column that may be empty.
pub(crate) fn parsed_if_any<S: FromSql, T>(
    row: &Row<'_>,
    column: usize,
    parse: impl FnOnce(S) -> Result<T, Error>,
) -> rusqlite::Result<Option<T>> {
    let value: Option<S> = row.get(column)?;
    value
        .map(parse)
        .transpose()
        .map_err(|error| damaged(column, error))
}

/// A point in time.
pub(crate) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Ok(Timestamp::from_unix_millis(row.get(column)?))
}

/// A revision.
pub(crate) fn revision(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.unsigned_abs())
}

pub(crate) fn damaged(column: usize, error: Error) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

/// Whether a row was found whose values cannot be read.
pub(crate) const fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..)
            | rusqlite::Error::InvalidColumnType(..)
    )
}

/// How many rows were skipped because they cannot be read.
#[derive(Debug, Default)]
pub(crate) struct Damage(AtomicU64);

impl Damage {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Returns `None` for a row whose values are damaged, so that it does not stop the others from being read. Every such row
    /// is counted; the 1st, 2nd, 4th, 8th, … is logged, because the same row may be read for every push.
    pub(crate) fn skip<T>(
        &self,
        table: &'static str,
        row: rusqlite::Result<T>,
    ) -> Outcome<Option<T>> {
        let error = match row {
            Ok(row) => return Ok(Some(row)),
            Err(error) if is_damage(&error) => error,
            Err(error) => return Err(error.into()),
        };
        let skipped = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        if skipped.is_power_of_two() {
            tracing::warn!(table, skipped, %error, "a damaged row was skipped");
        }
        Ok(None)
    }
}
