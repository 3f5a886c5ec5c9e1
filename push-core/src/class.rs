//! The class of a message, by which queues, quotas and vendor parameters are kept apart.
use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// The class of a message: `call`, `chat`, `notice`, `marketing`, or a word of the operator's own.
///
/// Deliveries of different classes never wait for each other, a vendor's quota for one class does not stop the others, and
/// vendor parameters (category, channel id, importance) are configured for each class (S100).
///
/// 1 to 32 lower-case letters, digits and single hyphens, beginning with a letter.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Class(Cow<'static, str>);

impl Class {
    /// Incoming calls.
    pub const CALL: Self = Self(Cow::Borrowed("call"));
    /// Messages that people write to each other.
    pub const CHAT: Self = Self(Cow::Borrowed("chat"));
    /// Messages from a service to its users: orders, reminders, security.
    pub const NOTICE: Self = Self(Cow::Borrowed("notice"));
    /// Advertising, which vendors limit most.
    pub const MARKETING: Self = Self(Cow::Borrowed("marketing"));

    const KNOWN: [Self; 4] = [Self::CALL, Self::CHAT, Self::NOTICE, Self::MARKETING];

    /// Checks `word`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if `word` is not of the form above.
    pub fn new(word: impl AsRef<str> + Into<String>) -> Result<Self> {
        let known = Self::KNOWN
            .into_iter()
            .find(|class| class.0 == word.as_ref());
        if let Some(class) = known {
            return Ok(class);
        }
        if is_word(word.as_ref()) {
            Ok(Self(Cow::Owned(word.into())))
        } else {
            Err(Error::new(
                ErrorKind::Invalid,
                "a message class is 1 to 32 lower-case letters, digits and single hyphens, beginning with a letter",
            )
            .advise("use `call`, `chat`, `notice`, `marketing`, or a word of that form"))
        }
    }

    /// The class as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether `word` is 1 to 32 lower-case letters, digits and single hyphens, beginning with a letter.
pub(crate) const fn is_word(word: &str) -> bool {
    let bytes = word.as_bytes();
    if bytes.is_empty() || bytes.len() > 32 || !bytes[0].is_ascii_lowercase() {
        return false;
    }
    let mut before = b'-';
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'a'..=b'z' | b'0'..=b'9' => {}
            b'-' if before != b'-' => {}
            _ => return false,
        }
        before = bytes[at];
        at += 1;
    }
    before != b'-'
}

impl Default for Class {
    fn default() -> Self {
        Self::CHAT
    }
}

impl fmt::Debug for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Class {
    type Error = Error;
    fn try_from(word: String) -> Result<Self> {
        Self::new(word)
    }
}

impl FromStr for Class {
    type Err = Error;
    fn from_str(word: &str) -> Result<Self> {
        Self::new(word)
    }
}

impl From<Class> for String {
    fn from(class: Class) -> Self {
        class.0.into_owned()
    }
}
