//! The one error type of every plugin operation but sending, whose outcome is a [`Verdict`](crate::Verdict).
use std::{error::Error as StdError, fmt};

use crate::cause;

/// The result of a plugin operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration is unusable: an operator must change it.
    Config,
    /// An argument is not acceptable: the caller must change it.
    Invalid,
    /// What the call names does not exist.
    NotFound,
    /// It contradicts stored data.
    Conflict,
    /// The caller may not do this.
    Denied,
    /// A bound was reached; the same call may succeed later.
    Busy,
    /// A store, vendor or other service is down or unreachable; the same call may succeed later.
    Unavailable,
    /// The plugin does not support the operation.
    Unsupported,
    /// Stored data cannot be read: damaged, or written by a newer version.
    Corrupt,
    /// A bug in this program.
    Internal,
}

impl ErrorKind {
    /// Its word, in output for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Invalid => "invalid",
            Self::NotFound => "not-found",
            Self::Conflict => "conflict",
            Self::Denied => "denied",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Unsupported => "unsupported",
            Self::Corrupt => "corrupt",
            Self::Internal => "internal",
        }
    }
}

/// What happened, where, and what to do next.
///
/// Holds no device token, secret or message text: `Display` and `Debug` print all that it holds.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    place: Option<String>,
    advice: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error that says what happened.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            place: None,
            advice: None,
            source: None,
        }))
    }

    /// Says where: a plugin, a file, a configuration key. A second place goes in front of the first.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.0.place = Some(match self.0.place.take() {
            Some(inner) => format!("{place}: {inner}"),
            None => place.to_string(),
        });
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.0.advice = Some(advice.into());
        self
    }

    /// Keeps the cause. It is shown if it is an [`Error`], or one of the operating system or of JSON, which are shown in plain
    /// words. The text of any other library is not for operators: what they must know belongs into the message.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What happened, without place and advice.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where it happened.
    pub fn place(&self) -> Option<&str> {
        self.0.place.as_deref()
    }

    /// What to do next.
    pub fn advice(&self) -> Option<&str> {
        self.0.advice.as_deref()
    }

    /// Returns `true` if the same call may succeed later without a change of its arguments or of the configuration.
    pub fn is_transient(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Busy | ErrorKind::Unavailable)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.0.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.0.message)?;
        let source = self.0.source.as_deref();
        if let Some(error) = source.and_then(|source| source.downcast_ref::<Self>()) {
            write!(f, " ({error})")?;
        } else if let Some(words) = source.and_then(cause::in_words) {
            write!(f, " ({words})")?;
        }
        if let Some(advice) = &self.0.advice {
            write!(f, "; {advice}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("place", &self.0.place)
            .field("advice", &self.0.advice)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|it| it as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_library_is_kept_and_not_shown() {
        let of = |source: Box<dyn StdError + Send + Sync>| {
            Error::new(ErrorKind::Config, "it failed").because(source)
        };
        let number = "x".parse::<u8>().unwrap_err();
        let error = of(Box::new(number));
        assert_eq!(error.to_string(), "it failed");
        assert!(error.source().is_some());
        let ours = of(Box::new(Error::new(ErrorKind::Busy, "try later")));
        assert_eq!(ours.to_string(), "it failed (try later)");
        let system = of(Box::new(std::io::Error::from_raw_os_error(28)));
        assert_eq!(system.to_string(), "it failed (the disk is full)");
    }
}
