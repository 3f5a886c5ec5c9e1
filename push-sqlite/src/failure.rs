//! What can go wrong with a file, in words for operators.
use std::path::Path;

use push_core::{Error, ErrorKind};
use rusqlite::{
    ErrorCode,
    ffi::{SQLITE_IOERR_FSYNC, SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_TRUNCATE, SQLITE_IOERR_WRITE},
};

/// What an operation on a database returns.
pub type Outcome<T> = Result<T, Failure>;

/// Why an operation on a database failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// SQLite says so.
    Sqlite(rusqlite::Error),
    /// The operation says so.
    Said(Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Said(error)
    }
}

impl Failure {
    /// As an error for callers. `path` says where.
    pub(crate) fn into_error(self, path: &Path) -> Error {
        let source = match self {
            Self::Said(error) => return error,
            Self::Sqlite(source) => source,
        };
        let (kind, message, advice) = match &source {
            rusqlite::Error::SqliteFailure(failure, _) => {
                let (kind, message, advice) = match failure.extended_code {
                    // SQLite says so if the system answers with anything else than "no space": a quota or a limit, for instance.
                    SQLITE_IOERR_WRITE
                    | SQLITE_IOERR_FSYNC
                    | SQLITE_IOERR_TRUNCATE
                    | SQLITE_IOERR_SHMSIZE => NOT_WRITTEN,
                    _ => by_code(failure.code),
                };
                let message = format!("{message} (SQLite error {})", failure.extended_code);
                return Error::new(kind, message)
                    .at(path.display())
                    .advise(advice)
                    .because(source);
            }
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..)
            | rusqlite::Error::InvalidColumnType(..) => DAMAGED,
            _ => INTERNAL,
        };
        Error::new(kind, message)
            .at(path.display())
            .advise(advice)
            .because(source)
    }
}

type Words = (ErrorKind, &'static str, &'static str);

const DAMAGED: Words = (
    ErrorKind::Corrupt,
    "the file is damaged",
    "stop the program and restore the file from a backup, or move it away to start with an empty one",
);

const NOT_WRITTEN: Words = (
    ErrorKind::Unavailable,
    "the file cannot be written to",
    "make room on its disk, and check the disk's health, quotas, and limits of the size of files; nothing that was acknowledged is lost",
);

const INTERNAL: Words = (
    ErrorKind::Internal,
    "the file refused an operation",
    "report this: it is a fault of the program",
);

fn by_code(code: ErrorCode) -> Words {
    match code {
        ErrorCode::DatabaseCorrupt => DAMAGED,
        ErrorCode::NotADatabase => (
            ErrorKind::Corrupt,
            "the file is no SQLite database",
            "give the path of another file, or move this one away",
        ),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => (
            ErrorKind::Busy,
            "another program holds the file",
            "try again when the other program has finished",
        ),
        ErrorCode::DiskFull => (
            ErrorKind::Unavailable,
            "the disk is full",
            "make room; nothing that was acknowledged is lost",
        ),
        ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => (
            ErrorKind::Unavailable,
            "the file cannot be read or written",
            "look at the disk, and at who owns the file and its directory",
        ),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => (
            ErrorKind::Unavailable,
            "the file may not be written to",
            "let the program's user own the file and its directory",
        ),
        _ => INTERNAL,
    }
}
