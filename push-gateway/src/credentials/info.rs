//! What is uploaded of a credential, and what operators see of it.
use std::{fmt, time::Duration};

use push_core::{
    CertificateId, Channel, Environment, Plugin, ProviderKind, Reason, Timestamp, TypedConfig,
};
use serde_json::Value;

use crate::lane_status::LaneStatus;

/// A credential to upload.
#[derive(Clone)]
#[non_exhaustive]
pub struct Upload {
    /// The provider plugin it is for, by its name in the registry.
    pub provider: String,
    /// The provider's configuration, as its plugin documents it. The uploader reads files: a key that ends in
    /// `_file` is refused here.
    pub config: Value,
    /// The id to take; `None` for a free one.
    pub id: Option<CertificateId>,
    /// A name for people; empty for none.
    pub label: String,
}

impl Upload {
    /// A configuration for `provider`, under the next free id and without a label.
    pub fn new(provider: impl Into<String>, config: Value) -> Self {
        Self {
            provider: provider.into(),
            config,
            id: None,
            label: String::new(),
        }
    }

    /// A configuration in the type of its plugin, which names the provider: a key that does not exist is an error of the
    /// compiler. The id is the next free one, and there is no label.
    pub fn of<C>(config: &C) -> Self
    where
        C: TypedConfig,
        C::Plugin: Plugin<Kind = ProviderKind>,
    {
        Self::new(
            <C::Plugin as Plugin>::NAME,
            config.to_value().unwrap_or_default(),
        )
    }

    push_core::setters! {
        with_id(id: impl Into<Option<CertificateId>>);
        with_label(label: impl Into<String>);
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("provider", &self.provider)
            .field("id", &self.id)
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}

/// A credential as operators see it: nothing secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CredentialInfo {
    /// Its id, which survives rotation (S58).
    pub id: CertificateId,
    /// The provider plugin.
    pub provider: String,
    /// The channel.
    pub channel: Channel,
    /// The environment it sends to; `None` if the vendor has only one.
    pub environment: Option<Environment>,
    /// A name for people.
    pub label: String,
    /// When it was uploaded.
    pub created_at: Timestamp,
    /// When it was last replaced.
    pub rotated_at: Timestamp,
    /// When it expires, if the vendor dates it.
    pub expires_at: Option<Timestamp>,
    /// Whether it has expired, or will soon.
    pub expiry: Expiry,
    /// Whether its deliveries are sent.
    pub lane: LaneStatus,
    /// Why it cannot be used at all: it does not open with the master key, or its provider does not accept it; `None` if it can.
    pub unusable: Option<UnusableCredential>,
    /// The address to which the vendor posts receipts, to be entered in the vendor's console where the vendor asks for it
    /// there; `None` without [`Settings::public_url`](crate::Settings::public_url). Anyone who knows it can post receipts.
    pub receipts: Option<String>,
}

/// Why a stored credential cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnusableCredential {
    /// `credential-unusable` or `no-provider`; `GET /v1/reasons` explains them.
    pub reason: Reason,
    /// What is wrong with it.
    pub evidence: String,
}

/// A credential that was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemovedCredential {
    /// What it was.
    pub info: CredentialInfo,
    /// How many deliveries wait for it.
    pub waiting: u64,
}

/// How near a credential's end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expiry {
    /// Far, or never.
    Fine,
    /// Nearer than [`Limits::expiry_warning`](crate::Limits::expiry_warning).
    Soon,
    /// Past.
    Expired,
}

impl Expiry {
    /// Of something that expires at `at`.
    pub fn of(at: Option<Timestamp>, now: Timestamp, warning: Duration) -> Self {
        match at {
            Some(at) if at <= now => Self::Expired,
            Some(at) if at <= now + warning => Self::Soon,
            _ => Self::Fine,
        }
    }

    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Soon => "soon",
            Self::Expired => "expired",
        }
    }
}
