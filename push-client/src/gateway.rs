//! The interface of the gateway to the app half.
use std::{fmt, time::Duration};

use push_core::{
    Account, AppId, DeviceId, ReceiptKey, Slot,
    api::{PresenceAnswer, PresenceBody, ReceiptsBody, RegistrationAnswer, RegistrationBody},
    async_trait,
};
use serde::{Deserialize, Serialize};

/// The gateway as the app half sees it: [`HttpGateway`](crate::HttpGateway), or
/// [`ScriptedGateway`](crate::testing::ScriptedGateway) in tests.
///
/// Each method sends one request; the client retries. The account is authenticated by [`Account::credential`], the device by the
/// receipt key that the answer to a registration contains.
#[async_trait]
pub trait GatewayApi: fmt::Debug + Send + Sync + 'static {
    /// Binds a token of `device` to `account`, and unbinds the device's earlier user (S61).
    async fn register(
        &self,
        account: &Account,
        device: &DeviceId,
        slot: Slot,
        body: &RegistrationBody,
    ) -> Result<RegistrationAnswer, GatewayError>;

    /// Unregisters the tokens of `device` from `account`, or only that of `slot`. Succeeds if there are none.
    async fn unregister(
        &self,
        account: &Account,
        device: &DeviceId,
        slot: Option<Slot>,
    ) -> Result<(), GatewayError>;

    /// Takes the tokens of `device` away from `account`, whose login goes on: push is switched off. The default is
    /// [`unregister`](Self::unregister), after which a gateway may ask for a new ticket.
    async fn switch_off(&self, account: &Account, device: &DeviceId) -> Result<(), GatewayError> {
        self.unregister(account, device, None).await
    }

    /// Reports the device's presence. The answer names the slots among `registered` whose token the gateway has forgotten or
    /// quarantined.
    async fn presence(
        &self,
        account: &Account,
        device: &DeviceId,
        body: &PresenceBody,
        registered: &[Slot],
    ) -> Result<PresenceAnswer, GatewayError>;

    /// Sends receipts of `device`, signed with its `key`. Needs no logged-in user.
    async fn receipts(
        &self,
        app: &AppId,
        device: &DeviceId,
        key: &ReceiptKey,
        body: &ReceiptsBody,
    ) -> Result<(), GatewayError>;

    /// Returns the address at which the app's notification service extension reaches this gateway; `None` if it cannot.
    fn address(&self) -> Option<GatewayAddress> {
        None
    }
}

/// The address of a gateway, for another process of the same app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GatewayAddress {
    /// The base URL, as in `https://push.example.com`.
    pub url: String,
    /// Certificates of authorities to trust besides the built-in ones, as PEM text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
    /// Whether only the authorities in `ca_pem` are trusted.
    #[serde(default)]
    pub only_ca: bool,
}

/// Why a request to the gateway failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GatewayError {
    /// The kind of error, by which the client decides how to continue.
    pub kind: GatewayErrorKind,
    /// The gateway's stable code (see [`api::code`](push_core::api::code)); empty if it did not answer.
    pub code: String,
    /// A description for people. Holds no token or ticket.
    pub text: String,
    /// The time that the gateway asked to wait before the next request.
    pub retry_after: Option<Duration>,
}

/// The kind of a [`GatewayError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GatewayErrorKind {
    /// There was no answer, or a server error. The client retries.
    Unavailable,
    /// Too many requests. The client retries later.
    TooFrequent,
    /// The ticket was refused. The client waits for a new one.
    TicketRefused,
    /// The gateway has no registration of this device for this user. The client uploads the tokens again.
    DeviceUnknown,
    /// The receipts were not signed with the device's key. The client registers the device again to get the key.
    ReceiptKeyRefused,
    /// The app has no credential with this certificate id.
    CertificateUnknown,
    /// Refused for good. The client does not repeat the request.
    Refused,
}

impl GatewayError {
    /// Returns an error without a time to wait.
    pub fn new(kind: GatewayErrorKind, code: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.into(),
            text: text.into(),
            retry_after: None,
        }
    }

    push_core::setters! {
        with_retry_after(retry_after: impl Into<Option<Duration>>);
    }
}

impl fmt::Display for GatewayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if !self.code.is_empty() {
            write!(f, " ({})", self.code)?;
        }
        Ok(())
    }
}

impl std::error::Error for GatewayError {}
