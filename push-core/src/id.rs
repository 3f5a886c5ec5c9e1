//! Names of things: apps, users, devices, messages, deliveries.
use std::{borrow::Borrow, fmt, num::NonZeroU32, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Error, ErrorKind, Result, Timestamp};

macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident: $what:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// 1 to 128 bytes of UTF-8 without control characters. Cheap to clone.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The longest id, in bytes.
            pub const MAX_BYTES: usize = 128;

            /// Checks `id`.
            ///
            /// # Errors
            /// [`ErrorKind::Invalid`] if it is empty, too long, or has a control character.
            pub fn new(id: impl Into<String>) -> Result<Self> {
                let id = id.into();
                let wrong = if id.is_empty() {
                    "is empty"
                } else if id.len() > Self::MAX_BYTES {
                    "is longer than 128 bytes"
                } else if id.chars().any(char::is_control) {
                    "has a control character"
                } else {
                    return Ok(Self(id.into()));
                };
                Err(Error::new(ErrorKind::Invalid, format!(concat!("the ", $what, " {}"), wrong)))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl TryFrom<String> for $name {
            type Error = Error;
            fn try_from(id: String) -> Result<Self> {
                Self::new(id)
            }
        }
        impl FromStr for $name {
            type Err = Error;
            fn from_str(id: &str) -> Result<Self> {
                Self::new(id)
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}

text_id! {
    /// One IM application, a tenant. Every stored row belongs to exactly one.
    AppId: "app id";
    /// A user of an IM application.
    UserId: "user id";
    /// A group chat.
    GroupId: "group id";
    /// One installation of the app on one phone. It survives token rotation.
    DeviceId: "device id";
    /// One IM message, as the IM server names it.
    MessageId: "message id";
}

/// The small integer that names an uploaded credential. It stays when the credential is rotated (S58).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct CertificateId(NonZeroU32);

impl CertificateId {
    /// Checks `id`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] unless `id` is from 1 to 4,294,967,295: zero is what a forgotten macro yields (S51).
    pub fn new(id: i64) -> Result<Self> {
        u32::try_from(id)
            .ok()
            .and_then(NonZeroU32::new)
            .map(Self)
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Invalid,
                    format!("{id} is not a certificate id: they are whole numbers from 1 up"),
                )
                .advise("use the id that the gateway gave the credential when it was uploaded")
            })
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Debug for CertificateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for CertificateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl TryFrom<i64> for CertificateId {
    type Error = Error;
    fn try_from(id: i64) -> Result<Self> {
        Self::new(id)
    }
}

impl From<CertificateId> for i64 {
    fn from(id: CertificateId) -> Self {
        id.get().into()
    }
}

macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident: $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id (UUIDv7), dated `now`.
            pub fn new(now: Timestamp) -> Self {
                let millis = now.unix_millis().max(0).unsigned_abs();
                let nanos = (millis % 1000) as u32 * 1_000_000;
                Self(Uuid::new_v7(uuid::Timestamp::from_unix(
                    uuid::NoContext,
                    millis / 1000,
                    nanos,
                )))
            }

            /// The id as a UUID.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }

            /// The id that `uuid` is: for stores that read it back.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(id: &str) -> Result<Self> {
                Uuid::parse_str(id).map(Self).map_err(|_| {
                    Error::new(ErrorKind::Invalid, concat!("the ", $what, " is not a UUID"))
                })
            }
        }
    )*};
}

uuid_id! {
    /// One delivery: a UUIDv7, the same on every attempt; APNs' `apns-id`.
    DeliveryId: "delivery id";
    /// One batch as it is sent: the same when exactly its deliveries are sent again after an unknown outcome.
    BatchId: "batch id";
    /// One content: 128 bits that are equal for equal content of one message, so that a rendered payload, a message saved at a
    /// vendor and a stored row are made once for all deliveries of it.
    ContentId: "content id";
}

/// Which instance of a device's slot a token is for: a Live Activity's id, or nothing for the slots that a device has once.
///
/// 0 to 128 bytes of UTF-8 without control characters.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Instance(Option<Arc<str>>);

impl Instance {
    /// The one instance of a slot that a device has once.
    pub const ONLY: Self = Self(None);
    /// The longest id, in bytes.
    pub const MAX_BYTES: usize = 128;
    /// How many instances a store keeps of one slot of a device. One more takes the place of the one that was reported longest
    /// ago.
    pub const MAX_PER_SLOT: usize = 32;

    /// Checks `id`; an empty one is [`Instance::ONLY`].
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if it is longer than 128 bytes or has a control character.
    pub fn new(id: impl Into<String>) -> Result<Self> {
        let id = id.into();
        if id.is_empty() {
            return Ok(Self::ONLY);
        }
        if id.len() > Self::MAX_BYTES || id.chars().any(char::is_control) {
            return Err(Error::new(
                ErrorKind::Invalid,
                "the instance is longer than 128 bytes or has a control character",
            ));
        }
        Ok(Self(Some(id.into())))
    }

    /// The id as text; empty for [`Instance::ONLY`].
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// Returns `true` for [`Instance::ONLY`].
    pub const fn is_only(&self) -> bool {
        self.0.is_none()
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl TryFrom<String> for Instance {
    type Error = Error;
    fn try_from(id: String) -> Result<Self> {
        Self::new(id)
    }
}

impl From<Instance> for String {
    fn from(instance: Instance) -> Self {
        instance.as_str().to_owned()
    }
}
