//! Columns as values.
use push_core::{Error, Timestamp};
use push_sqlite::rusqlite::{
    self, Row,
    types::{FromSql, Type},
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

pub(crate) fn damaged(column: usize, error: Error) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}
