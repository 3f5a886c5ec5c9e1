//! The configuration.
use push_client::HttpGateway;
use push_core::{
    AppId, CertificateIds, Channel, DeviceId, Environment,
    payload::{Payload, Shape},
};
use push_http::HttpConfig;
use serde_json::Value;

use crate::{ErrorKind, PushError};

/// The purpose of a device's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Slot {
    /// Visible notifications.
    Alert,
    /// Incoming calls (PushKit).
    Voip,
    /// Live Activities.
    LiveActivity,
}

/// The kind of client, on which the gateway's presence rules depend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum DeviceKind {
    /// An iPhone.
    Ios,
    /// An iPad.
    Ipad,
    /// An Android phone or tablet.
    Android,
    /// A HarmonyOS NEXT phone.
    Harmony,
    /// A browser.
    Web,
    /// A desktop program.
    Desktop,
}

/// The form in which the vendor delivers a push to the app, and so the form of a payload's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum PayloadShape {
    /// The notification's `userInfo` as JSON, with the string `ext` beside `aps`.
    Apns,
    /// The intent extra `ext` itself: Huawei, Honor, vivo, Meizu.
    Intent,
    /// All extras of the intent as JSON, with `ext` and the delivery id: FCM.
    IntentExtras,
    /// `MiPushMessage.getExtra()` as JSON.
    Xiaomi,
    /// The intent's extras as JSON.
    Oppo,
    /// The notification's `userInfo` from TPNS as JSON.
    Tpns,
}

/// The certificate ids of one channel and slot: the numbers that uploading the credentials to the gateway printed.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct CertificateId {
    /// The channel's name, such as `apns` or `fcm`.
    pub channel: String,
    /// The purpose of the tokens.
    pub slot: Slot,
    /// The id for debug builds, whose tokens belong to the sandbox.
    pub debug: i64,
    /// The id for release builds, whose tokens belong to production.
    pub release: i64,
}

/// The configuration of a client.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Config {
    /// The gateway's URL, such as `https://push.example.com`. Only a gateway on the same machine may be `http`.
    pub gateway_url: String,
    /// The app's id at the gateway.
    pub app_id: String,
    /// The file for the state that survives a restart, in the app's private folder, which must exist. It holds tokens and a ticket.
    pub state_path: String,
    /// The channel of this phone, such as `apns` or `fcm`.
    pub channel: String,
    /// The credentials that the tokens belong to. Every slot of `slots` needs one.
    pub certificate_ids: Vec<CertificateId>,
    /// Whether this is a debug build, which uses the ids `debug`.
    pub is_debug_build: bool,
    /// The slots whose tokens are requested at login; alert if the list is empty.
    #[uniffi(default = [])]
    pub slots: Vec<Slot>,
    /// The kind of client.
    #[uniffi(default = None)]
    pub device_kind: Option<DeviceKind>,
    /// The form of a payload's text; by default that of the channel.
    #[uniffi(default = None)]
    pub payload_shape: Option<PayloadShape>,
    /// The device's id, for an app that has one already. By default the first start generates one and stores it.
    #[uniffi(default = None)]
    pub device_id: Option<String>,
    /// The folder that the app shares with its notification service extension, on iOS that of an app group. The client stores
    /// there what a `NotificationExtension` needs.
    #[uniffi(default = None)]
    pub extension_folder: Option<String>,
    /// Certificates of authorities to trust besides the well-known ones, as PEM: for a gateway inside a company, and for tests.
    #[uniffi(default = None)]
    pub extra_ca_pem: Option<String>,
}

/// A configuration that has been checked.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) app: AppId,
    pub(crate) channel: Channel,
    pub(crate) slots: Vec<push_core::Slot>,
    pub(crate) shape: PayloadShape,
    pub(crate) certificates: CertificateIds,
    pub(crate) device_kind: Option<push_core::Platform>,
    pub(crate) device: Option<DeviceId>,
    pub(crate) gateway: HttpGateway,
}

impl Config {
    /// Checks the configuration, except that the file is usable.
    pub(crate) fn check(&self) -> Result<Checked, PushError> {
        let at = |place: &'static str| {
            move |error: push_core::Error| PushError::from(error.at(format!("Config.{place}")))
        };
        let app = AppId::new(self.app_id.as_str()).map_err(at("app_id"))?;
        let channel = Channel::new(self.channel.as_str()).map_err(at("channel"))?;
        if self.state_path.is_empty() {
            return Err(PushError::new(
                ErrorKind::Config,
                "Config.state_path",
                "there is no file for the client's state, so every start would register a new device",
                "name a file in the app's private folder",
            ));
        }
        let device = match &self.device_id {
            None => None,
            Some(id) => Some(DeviceId::new(id.as_str()).map_err(at("device_id"))?),
        };
        let mut slots = Vec::new();
        for slot in &self.slots {
            let slot = push_core::Slot::from(*slot);
            if !slots.contains(&slot) {
                slots.push(slot);
            }
        }
        if slots.is_empty() {
            slots.push(push_core::Slot::Alert);
        }
        let mut http = HttpConfig::default();
        http.extra_ca_pem.clone_from(&self.extra_ca_pem);
        Ok(Checked {
            certificates: self.certificates(&slots)?,
            shape: self.payload_shape.unwrap_or_else(|| shape_of(&channel)),
            device_kind: self.device_kind.map(Into::into),
            gateway: HttpGateway::new(&self.gateway_url, http)?,
            app,
            channel,
            slots,
            device,
        })
    }

    /// Returns the certificate ids of this build. Without one, a token would be registered and never get a push (S51).
    fn certificates(&self, slots: &[push_core::Slot]) -> Result<CertificateIds, PushError> {
        let (build, environment) = if self.is_debug_build {
            ("debug", Environment::Sandbox)
        } else {
            ("release", Environment::Production)
        };
        let wrong = |slot: push_core::Slot, what: String| {
            PushError::new(
                ErrorKind::Config,
                "Config.certificate_ids",
                what,
                format!(
                    "write CertificateId(channel \"{}\", slot {slot}, debug 31287, release 31288) with the ids that \
                     the gateway gave the credentials",
                    self.channel
                ),
            )
        };
        let mut ids = CertificateIds::default();
        let mut known: Vec<(push_core::Slot, i64)> = Vec::new();
        for it in self
            .certificate_ids
            .iter()
            .filter(|it| it.channel == self.channel)
        {
            let slot = push_core::Slot::from(it.slot);
            let number = if self.is_debug_build {
                it.debug
            } else {
                it.release
            };
            let id = push_core::CertificateId::new(number).map_err(|_| {
                wrong(
                    slot,
                    format!(
                        "the {build} certificate id of channel {} and slot {slot} is {number}, which no credential has",
                        it.channel
                    ),
                )
            })?;
            if known
                .iter()
                .any(|(other, old)| *other == slot && *old != number)
            {
                return Err(wrong(
                    slot,
                    format!(
                        "two certificate ids for channel {} and slot {slot}",
                        it.channel
                    ),
                ));
            }
            known.push((slot, number));
            ids = ids.with(&it.channel, slot, id, environment);
        }
        for slot in slots {
            if !known.iter().any(|(it, _)| it == slot) {
                return Err(wrong(
                    *slot,
                    format!(
                        "no certificate id for channel {} and slot {slot}",
                        self.channel
                    ),
                ));
            }
        }
        Ok(ids)
    }
}

/// Returns the payload shape of a channel.
fn shape_of(channel: &Channel) -> PayloadShape {
    match channel.as_str() {
        "apns" => PayloadShape::Apns,
        "fcm" => PayloadShape::IntentExtras,
        "xiaomi" => PayloadShape::Xiaomi,
        "oppo" => PayloadShape::Oppo,
        _ => PayloadShape::Intent,
    }
}

impl PayloadShape {
    /// Parses `text` as a payload.
    pub(crate) fn parse(self, text: &str) -> Payload {
        let shape = match self {
            Self::Apns => Shape::Apns,
            Self::Intent => Shape::Intent,
            Self::IntentExtras => {
                // Text that is not JSON becomes a payload that is not an object, and reports that.
                return Payload::intent_extras(
                    serde_json::from_str::<Value>(text).unwrap_or_default(),
                );
            }
            Self::Xiaomi => Shape::Xiaomi,
            Self::Oppo => Shape::Oppo,
            Self::Tpns => Shape::Tpns,
        };
        Payload::parse(shape, text)
    }
}

impl From<Slot> for push_core::Slot {
    fn from(slot: Slot) -> Self {
        match slot {
            Slot::Alert => Self::Alert,
            Slot::Voip => Self::Voip,
            Slot::LiveActivity => Self::LiveActivity,
        }
    }
}

impl From<push_core::Slot> for Slot {
    fn from(slot: push_core::Slot) -> Self {
        match slot {
            push_core::Slot::Alert => Self::Alert,
            push_core::Slot::Voip => Self::Voip,
            push_core::Slot::LiveActivity => Self::LiveActivity,
            // A slot that this interface does not have, so no platform requests it.
            _ => Self::Alert,
        }
    }
}

impl From<DeviceKind> for push_core::Platform {
    fn from(kind: DeviceKind) -> Self {
        match kind {
            DeviceKind::Ios => Self::Ios,
            DeviceKind::Ipad => Self::Ipad,
            DeviceKind::Android => Self::Android,
            DeviceKind::Harmony => Self::Harmony,
            DeviceKind::Web => Self::Web,
            DeviceKind::Desktop => Self::Desktop,
        }
    }
}
