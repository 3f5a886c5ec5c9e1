//! Causes of errors in plain words. What a library says of itself names types, functions or pages of its documentation, and is
//! not for operators.
use std::{error::Error as StdError, io};

/// The words for `source`; `None` for an error of a library whose text is not for operators.
pub(crate) fn in_words(source: &(dyn StdError + Send + Sync + 'static)) -> Option<String> {
    if let Some(error) = source.downcast_ref::<io::Error>() {
        return Some(of_io(error));
    }
    source.downcast_ref().map(of_json)
}

/// Says why a file or a connection failed, in plain words: `there is no such file`.
pub fn of_io(error: &io::Error) -> String {
    let words = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file",
        io::ErrorKind::PermissionDenied => "permission is denied",
        io::ErrorKind::AlreadyExists => "it exists already",
        io::ErrorKind::IsADirectory => "it is a folder",
        io::ErrorKind::NotADirectory => "a part of the path is not a folder",
        io::ErrorKind::DirectoryNotEmpty => "the folder is not empty",
        io::ErrorKind::InvalidFilename => "the name of the file is not allowed",
        io::ErrorKind::InvalidData => "it is not text in UTF-8",
        io::ErrorKind::StorageFull => "the disk is full",
        io::ErrorKind::QuotaExceeded => "the disk quota is used up",
        io::ErrorKind::FileTooLarge => "the file is too large",
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only",
        io::ErrorKind::ResourceBusy => "it is in use",
        io::ErrorKind::OutOfMemory => "there is not enough memory",
        io::ErrorKind::AddrInUse => "the address is in use",
        io::ErrorKind::AddrNotAvailable => "this machine does not have the address",
        io::ErrorKind::ConnectionRefused => "the connection was refused",
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            "the connection was closed by the peer"
        }
        io::ErrorKind::NotConnected | io::ErrorKind::BrokenPipe => "the connection has ended",
        io::ErrorKind::HostUnreachable => "the host cannot be reached",
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            "the network cannot be reached"
        }
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "it took too long",
        io::ErrorKind::UnexpectedEof => "it ended too early",
        io::ErrorKind::Interrupted => "it was interrupted",
        _ => {
            return match error.raw_os_error() {
                Some(24) => "too many files are open".to_owned(),
                Some(code) => format!("error {code} of the operating system"),
                None => "reading or writing failed".to_owned(),
            };
        }
    };
    words.to_owned()
}

/// Says where a text is not the JSON that belongs there, without what it holds.
pub fn of_json(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let what = match error.classify() {
        Category::Io => "reading or writing failed",
        Category::Syntax => "it is not JSON",
        Category::Eof => "it ends too early",
        Category::Data => "a member is missing, unknown or of another type",
    };
    match (error.line(), error.column()) {
        (0, _) => what.to_owned(),
        (line, column) => format!("{what}, at line {line}, column {column}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: impl Into<Box<dyn StdError + Send + Sync>>) -> String {
        in_words(&*source.into()).unwrap_or_default()
    }

    #[test]
    fn files_and_connections_fail_in_plain_words() {
        let missing = std::fs::read("/nowhere/at/all").unwrap_err();
        assert_eq!(shown(missing), "there is no such file");
        let folder = std::fs::read(std::env::temp_dir()).unwrap_err();
        assert_eq!(shown(folder), "it is a folder");
        for (code, words) in [
            (13, "permission is denied"),
            (24, "too many files are open"),
            (28, "the disk is full"),
            (98, "the address is in use"),
            (111, "the connection was refused"),
        ] {
            let error = io::Error::from_raw_os_error(code);
            assert_eq!(of_io(&error), words);
        }
        for code in 1..=133 {
            let words = shown(io::Error::from_raw_os_error(code));
            assert!(!words.contains("os error"), "{words}");
        }
        let inner = io::Error::other("Kind(UnexpectedType { a: Some(1) })");
        assert_eq!(shown(inner), "reading or writing failed");
    }

    #[test]
    fn json_is_wrong_at_a_place_and_its_content_does_not_show() {
        let of = |text: &str| serde_json::from_str::<Vec<u8>>(text).unwrap_err();
        assert_eq!(
            shown(of("{\"secret\"")),
            "a member is missing, unknown or of another type, at line 1, column 0"
        );
        assert_eq!(shown(of("[1, x]")), "it is not JSON, at line 1, column 5");
        assert_eq!(shown(of("[1")), "it ends too early, at line 1, column 2");
    }
}
