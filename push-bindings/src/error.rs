//! Errors of the library and of the app.
use std::fmt;

/// The kind of an error, which determines the app's next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum ErrorKind {
    /// The configuration is unusable: change the code or the settings.
    Config,
    /// An argument is not acceptable.
    Invalid,
    /// The call contradicts existing data, such as a state file that a newer version wrote.
    Conflict,
    /// A required resource is not available now; the same call may succeed later.
    Unavailable,
    /// Stored data cannot be read.
    Corrupt,
    /// An internal error of the library.
    Internal,
}

/// An error with its place and the next step. Holds no token and no ticket.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Error)]
#[uniffi::export(Display)]
pub enum PushError {
    /// The only variant.
    Failed {
        /// The kind.
        kind: ErrorKind,
        /// The IM SDK's number, where it has one, such as 22003 for an empty token.
        code: Option<u32>,
        /// What failed.
        what: String,
        /// The setting or file that is concerned.
        place: Option<String>,
        /// The next step.
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

/// The error that the app's callbacks may throw. Other errors that they throw count the same.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Error)]
#[uniffi::export(Display)]
pub enum AppError {
    /// The callback failed, and why. Must hold no secret, because the text is reported as an event.
    Failed {
        /// Why.
        why: String,
    },
}

impl AppError {
    pub(crate) fn into_text(self) -> String {
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

// Without this, an unexpected error of the app would be a panic here.
impl From<uniffi::UnexpectedUniFFICallbackError> for AppError {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed { why: error.reason }
    }
}
