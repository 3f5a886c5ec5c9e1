//! What goes wrong, on either side.
use std::fmt;

/// What the app can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum ErrorKind {
    /// The configuration is unusable: change the code or the settings.
    Config,
    /// An argument is not acceptable.
    Invalid,
    /// It contradicts what is there already, as a state file that a newer version wrote.
    Conflict,
    /// Something needed is not there now; the same call may succeed later.
    Unavailable,
    /// Stored data cannot be read.
    Corrupt,
    /// A fault of the library's own.
    Internal,
}

/// What happened, where, and what to do next. Holds no token and no ticket.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Error)]
#[uniffi::export(Display)]
pub enum PushError {
    /// The only kind of it: the fields tell everything.
    Failed {
        /// What the app can do about it.
        kind: ErrorKind,
        /// The IM SDK's number, where it has one, as 22003 for an empty token.
        code: Option<u32>,
        /// What happened.
        what: String,
        /// Where: a setting, a file.
        place: Option<String>,
        /// What to do next.
        advice: Option<String>,
    },
}

impl PushError {
    pub(crate) fn new(
        kind: ErrorKind,
        place: impl Into<String>,
        what: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::Failed {
            kind,
            code: None,
            what: what.into(),
            place: Some(place.into()),
            advice: Some(advice.into()),
        }
    }
}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Failed {
            what,
            place,
            advice,
            ..
        } = self;
        if let Some(place) = place {
            write!(f, "{place}: ")?;
        }
        f.write_str(what)?;
        match advice {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for PushError {}

impl From<push_core::Error> for PushError {
    fn from(error: push_core::Error) -> Self {
        use push_core::ErrorKind as Kind;
        let mut what = error.message().to_owned();
        if let Some(source) = std::error::Error::source(&error) {
            what = format!("{what} ({source})");
        }
        Self::Failed {
            kind: match error.kind() {
                Kind::Config | Kind::Unsupported => ErrorKind::Config,
                Kind::Invalid | Kind::NotFound | Kind::Denied => ErrorKind::Invalid,
                Kind::Conflict => ErrorKind::Conflict,
                Kind::Busy | Kind::Unavailable => ErrorKind::Unavailable,
                Kind::Corrupt => ErrorKind::Corrupt,
                _ => ErrorKind::Internal,
            },
            code: None,
            what,
            place: error.place().map(str::to_owned),
            advice: error.advice().map(str::to_owned),
        }
    }
}

impl From<push_client::TokenError> for PushError {
    fn from(error: push_client::TokenError) -> Self {
        Self::Failed {
            kind: ErrorKind::Invalid,
            code: error.code(),
            what: error.to_string(),
            place: None,
            advice: None,
        }
    }
}

/// What the app's callbacks may throw. Anything else that they throw counts the same.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Error)]
#[uniffi::export(Display)]
pub enum AppError {
    /// It failed, and why. Nothing secret: the words are told as an event.
    Failed {
        /// Why.
        why: String,
    },
}

impl AppError {
    pub(crate) fn into_words(self) -> String {
        let Self::Failed { why } = self;
        why
    }
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Failed { why } = self;
        f.write_str(why)
    }
}

impl std::error::Error for AppError {}

// Without this, what an app throws unexpectedly would be a panic here.
impl From<uniffi::UnexpectedUniFFICallbackError> for AppError {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed { why: error.reason }
    }
}
