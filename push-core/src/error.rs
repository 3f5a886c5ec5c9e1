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
    also: Vec<Error>,
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
            also: Vec::new(),
        }))
    }

    /// Several errors as one, which has the kind, message, place and advice of the first; `None` if there are none. A
    /// configuration's mistakes are reported together. [`Error::each`] takes them apart again.
    pub fn all(errors: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut errors = errors.into_iter().flat_map(Self::each);
        let mut first = errors.next()?;
        first.0.also = errors.collect();
        Some(first)
    }

    /// Returns the errors that [`Error::all`] made one of; only this one if it did not.
    pub fn each(mut self) -> Vec<Self> {
        let also = std::mem::take(&mut self.0.also);
        std::iter::once(self).chain(also).collect()
    }

    /// Says where: a plugin, a file, a configuration key. A second place goes in front of the first.
    #[must_use]
    pub fn at(self, place: impl fmt::Display) -> Self {
        let place = place.to_string();
        self.placed(&|inner| match inner {
            Some(inner) => format!("{place}: {inner}"),
            None => place.clone(),
        })
    }

    /// Puts the key of a table or list in front of the place, which is a key in there: `path` under `store` is `store.path`, and
    /// `[0]` under `keys` is `keys[0]`.
    #[must_use]
    pub fn under(self, table: impl fmt::Display) -> Self {
        let table = table.to_string();
        self.placed(&|inner| match inner {
            Some(inner) if inner.starts_with('[') => format!("{table}{inner}"),
            Some(inner) => format!("{table}.{inner}"),
            None => table.clone(),
        })
    }

    fn placed(mut self, place: &dyn Fn(Option<String>) -> String) -> Self {
        self.0.place = Some(place(self.0.place.take()));
        let also = std::mem::take(&mut self.0.also);
        self.0.also = also.into_iter().map(|it| it.placed(place)).collect();
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        let advice = advice.into();
        let also = std::mem::take(&mut self.0.also);
        self.0.also = also.into_iter().map(|it| it.advise(&*advice)).collect();
        self.0.advice = Some(advice);
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

    /// Why it happened, as `Display` shows it; `None` if there is no cause, or only one that is not for operators
    /// ([`because`](Self::because)).
    pub fn cause(&self) -> Option<String> {
        let source = self.0.source.as_deref()?;
        match source.downcast_ref::<Self>() {
            Some(error) => Some(error.to_string()),
            None => cause::in_words(source),
        }
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
        if let Some(cause) = self.cause() {
            write!(f, " ({cause})")?;
        }
        if let Some(advice) = &self.0.advice {
            write!(f, "; {advice}")?;
        }
        for error in &self.0.also {
            write!(f, "; also {error}")?;
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
            .field("also", &self.0.also)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|it| it as _)
    }
}

/// What is wrong with a configuration, collected so that all of it is reported at once, each fault with its key.
///
/// ```
/// # use push_core::{Error, ErrorKind, Faults, Result};
/// # fn number(text: &str) -> Result<u8> { text.parse().map_err(|_| Error::new(ErrorKind::Config, "is not a number")) }
/// # fn f(app_id: &str, batch: &str) -> Result<u8> {
/// let mut faults = Faults::new();
/// faults.check(!app_id.is_empty(), "app_id", "is empty", "copy it from the console");
/// let batch = faults.take("batch", number(batch));
/// faults.finish(batch)
/// # }
/// # assert_eq!(f("", "x").unwrap_err().each().len(), 2);
/// ```
#[derive(Debug, Default)]
pub struct Faults(Vec<Error>);

impl Faults {
    /// No faults so far.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a fault of `key`: what is wrong, as in "is empty", and what to write instead.
    pub fn add(
        &mut self,
        key: impl fmt::Display,
        what: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.push(Error::new(ErrorKind::Config, what).at(key).advise(advice));
    }

    /// Adds a fault unless `ok`.
    pub fn check(
        &mut self,
        ok: bool,
        key: impl fmt::Display,
        what: impl Into<String>,
        advice: impl Into<String>,
    ) {
        if !ok {
            self.add(key, what, advice);
        }
    }

    /// Returns the value of `result`, or adds each of its errors, of whatever kind, as a fault of `key`.
    pub fn take<T>(&mut self, key: impl fmt::Display, result: Result<T>) -> Option<T> {
        let key = key.to_string();
        let add = |error: Error| {
            self.0.extend(error.each().into_iter().map(|mut error| {
                error.0.kind = ErrorKind::Config;
                // A part of the configuration may have named the key within it already.
                match error.place() {
                    Some(place) if place.starts_with(&key) => error,
                    _ => error.at(&key),
                }
            }));
        };
        result.map_err(add).ok()
    }

    /// Returns `value` if there are no faults. It is `None` only if a part of it was at fault.
    ///
    /// # Errors
    /// All faults as one [`Error`], in the order in which they were added.
    pub fn finish<T>(self, value: Option<T>) -> Result<T> {
        self.result()?;
        value.ok_or_else(|| {
            Error::new(
                ErrorKind::Internal,
                "the configuration could not be read, and no fault was found",
            )
        })
    }

    /// Notes that the value of `key` cannot work, if it `is_wrong`. What is said names other keys that it depends on in
    /// backquotes: it is not reported if one of them has a mistake of its own.
    pub fn refuse(&mut self, is_wrong: bool, key: &str, what: impl Into<String>) {
        if is_wrong {
            self.push(Error::new(ErrorKind::Config, what).at(key));
        }
    }

    /// Notes `error`, or each of those in it.
    pub fn push(&mut self, error: Error) {
        self.0.extend(error.each());
    }

    /// Notes the error of `result`, and returns its value.
    pub fn keep<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// # Errors
    /// All that was noted.
    pub fn result(self) -> Result<()> {
        match Error::all(self.0) {
            Some(error) => Err(error),
            None => Ok(()),
        }
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

    #[test]
    fn several_errors_are_one_and_keep_their_own_places() {
        let mut faults = Faults::default();
        faults.refuse(true, "path", "is empty");
        faults.refuse(false, "readers", "is 0");
        faults.refuse(true, "[1].app", "is missing");
        let error = faults.result().expect_err("two are wrong").under("keys");
        assert_eq!(
            error.to_string(),
            "keys.path: is empty; also keys[1].app: is missing"
        );
        let each = error.advise("see the example").at("file").each();
        let places: Vec<_> = each.iter().filter_map(Error::place).collect();
        assert_eq!(places, ["file: keys.path", "file: keys[1].app"]);
        assert_eq!(each[1].advice(), Some("see the example"));
        assert!(Faults::default().result().is_ok());
    }

    #[test]
    fn an_error_of_another_kind_is_a_fault_of_the_configuration() {
        let mut faults = Faults::new();
        faults.check(true, "b", "is empty", "fill it");
        let wrong = Error::new(ErrorKind::Invalid, "is odd").advise("make it even");
        let value: Option<u8> = faults.take("a", Err(wrong));
        let named = Error::new(ErrorKind::Config, "is empty").at("http.proxy");
        faults.take::<u8>("http", Err(named));
        let error = faults.finish(value).expect_err("two are wrong");
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(
            error.to_string(),
            "a: is odd; make it even; also http.proxy: is empty"
        );
    }

    #[test]
    fn without_faults_there_is_a_value() {
        let mut faults = Faults::new();
        let value = faults.take("a", Ok(7));
        assert_eq!(faults.finish(value).expect("a value"), 7);
    }
}
