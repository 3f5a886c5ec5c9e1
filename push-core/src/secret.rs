//! Values that must never be printed.
use std::{fmt, hash::Hasher, sync::Arc};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{Error, ErrorKind, Result};

/// Something a vendor or an operator keeps secret. `Debug` prints nothing of it, and its memory is wiped when it drops.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes over `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The secret itself. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// What a vendor gave a device so that it can be reached: 1 to 4,096 bytes of printable ASCII.
///
/// `Debug` shows its length and a fingerprint that tells two tokens apart without giving either away.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceToken(Arc<str>);

impl DeviceToken {
    /// The longest token any channel uses, in bytes (a Web Push subscription).
    pub const MAX_BYTES: usize = 4096;

    /// Checks and takes over `token`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if it is empty, too long, or has a character that is not printable ASCII.
    pub fn new(token: impl Into<String>) -> Result<Self> {
        let token = token.into();
        let wrong = if token.is_empty() {
            "is empty"
        } else if token.len() > Self::MAX_BYTES {
            "is longer than 4096 bytes"
        } else if !token.bytes().all(|it| matches!(it, 0x20..=0x7e)) {
            "has a character that is not printable ASCII"
        } else {
            return Ok(Self(token.into()));
        };
        Err(Error::new(
            ErrorKind::Invalid,
            format!("the device token {wrong}"),
        ))
    }

    /// The token itself, for the wire only.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Eight hexadecimal digits that tell tokens apart in logs and traces, and from which no token can be recovered.
    pub fn fingerprint(&self) -> String {
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write(self.0.as_bytes());
        format!("{:08x}", hasher.finish() as u32)
    }
}

impl fmt::Debug for DeviceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "DeviceToken(#{}, {} bytes)",
            self.fingerprint(),
            self.0.len()
        )
    }
}

impl TryFrom<String> for DeviceToken {
    type Error = Error;
    fn try_from(token: String) -> Result<Self> {
        Self::new(token)
    }
}

impl From<DeviceToken> for String {
    fn from(token: DeviceToken) -> Self {
        token.0.as_ref().to_owned()
    }
}
