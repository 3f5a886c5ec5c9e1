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
    /// Makes a secret of `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The secret itself. The caller must keep it out of logs and errors.
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

/// The key with which a device signs its receipts. The gateway returns it with a registration and can compute it again, so only
/// the phone stores it. 16 to 256 printable ASCII characters, opaque to the phone; the bytes of the text are the key.
///
/// `Debug` prints nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReceiptKey(Secret);

impl ReceiptKey {
    /// Checks `key`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if it is shorter than 16 bytes, longer than 256, or has a character that is not printable ASCII.
    pub fn new(key: impl Into<String>) -> Result<Self> {
        let key = Secret::new(key);
        let bytes = key.expose().as_bytes();
        let is_good = (16..=256).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
        if is_good {
            Ok(Self(key))
        } else {
            Err(Error::new(
                ErrorKind::Invalid,
                "this is not a receipt key: they are 16 to 256 printable ASCII characters",
            ))
        }
    }

    /// The key itself, to sign with.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for ReceiptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReceiptKey(…)")
    }
}

impl TryFrom<String> for ReceiptKey {
    type Error = Error;
    fn try_from(key: String) -> Result<Self> {
        Self::new(key)
    }
}

impl From<ReceiptKey> for String {
    fn from(key: ReceiptKey) -> Self {
        key.expose().to_owned()
    }
}

/// What a vendor gave a device so that it can be reached: 1 to 4,096 bytes of printable ASCII.
///
/// `Debug` shows its length and a fingerprint that distinguishes tokens without revealing them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceToken(Arc<str>);

impl DeviceToken {
    /// The longest token any channel uses, in bytes (a Web Push subscription).
    pub const MAX_BYTES: usize = 4096;

    /// Checks `token`.
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
        Err(
            Error::new(ErrorKind::Invalid, format!("the device token {wrong}"))
                .advise("pass it as the phone's system or the vendor's SDK returned it"),
        )
    }

    /// The token itself, for the wire only.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns eight hexadecimal digits that distinguish tokens in logs and traces, and from which no token can be recovered.
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
