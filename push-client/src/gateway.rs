//! What the app half asks of the server half.
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
/// Each method asks once and never retries: the client does. The account proves itself by
/// [`Account::credential`], the device by the key that a registration was answered with.
#[async_trait]
pub trait GatewayApi: fmt::Debug + Send + Sync + 'static {
    /// Binds a token of `device` to `account`, and unbinds the user who held the device before (S61).
    async fn register(
        &self,
        account: &Account,
        device: &DeviceId,
        slot: Slot,
        body: &RegistrationBody,
    ) -> Result<RegistrationAnswer, GatewayError>;

    /// Takes the tokens of `device` away from `account`; with `slot` only that one. Fine if there are none.
    async fn unregister(
        &self,
        account: &Account,
        device: &DeviceId,
        slot: Option<Slot>,
    ) -> Result<(), GatewayError>;

    /// Says where the device is now, and asks whether the tokens of the slots that are believed to be `registered` are well.
    async fn presence(
        &self,
        account: &Account,
        device: &DeviceId,
        body: &PresenceBody,
        registered: &[Slot],
    ) -> Result<PresenceAnswer, GatewayError>;

    /// Says what happened to deliveries to `device`, signed with its `key`. Needs no logged-in user.
    async fn receipts(
        &self,
        app: &AppId,
        device: &DeviceId,
        key: &ReceiptKey,
        body: &ReceiptsBody,
    ) -> Result<(), GatewayError>;

    /// Where another process of the app, its notification service extension, finds this gateway; `None` if it cannot.
    fn address(&self) -> Option<GatewayAddress> {
        None
    }
}

/// Where a gateway is, for another process of the same app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayAddress {
    /// The base URL, as in `https://push.example.com`.
    pub url: String,
    /// Certificates of authorities to trust besides the built-in ones, as PEM text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
    /// Whether only those are trusted.
    #[serde(default)]
    pub only_ca: bool,
}

/// Why the gateway did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayError {
    /// What the client makes of it.
    pub kind: GatewayErrorKind,
    /// The gateway's stable code (see [`api::code`](push_core::api::code)); empty if it did not answer.
    pub code: String,
    /// What happened, for people. Holds no token or ticket.
    pub text: String,
    /// How long the gateway wants to be left alone, if it says so.
    pub retry_after: Option<Duration>,
}

/// What the client makes of a [`GatewayError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GatewayErrorKind {
    /// There was no answer, or one of a gateway in trouble: try again.
    Unavailable,
    /// Too many requests: try again later.
    TooFrequent,
    /// The ticket is not believed: wait for a new one.
    TicketRefused,
    /// The gateway has no registration of this device for this user: upload the tokens again.
    DeviceUnknown,
    /// Receipts were not signed with the device's key: registering it again yields the key.
    ReceiptKeyRefused,
    /// The app has no such credential.
    CertificateUnknown,
    /// Refused for good: the same request will be refused again.
    Refused,
}

impl GatewayError {
    /// An error of this kind.
    pub fn new(kind: GatewayErrorKind, code: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.into(),
            text: text.into(),
            retry_after: None,
        }
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
