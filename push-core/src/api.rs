//! What the app half and the gateway say to each other over HTTP: paths, bodies and stable codes of `/v1`.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `PUT /v1/devices/{device}/registrations/{slot}` | [`RegistrationBody`] | 200 [`RegistrationAnswer`] |
//! | `DELETE /v1/devices/{device}/registrations` | – | 204, also if there was nothing: the user logged out |
//! | `DELETE /v1/devices/{device}/registrations?because=switched-off` | – | the same: the user switched push off |
//! | `DELETE /v1/devices/{device}/registrations/{slot}` | – | 204, also if there was nothing |
//! | `PUT /v1/devices/{device}/presence` | [`PresenceBody`] | 204; 404 [`code::DEVICE_UNKNOWN`] |
//! | `PUT /v1/devices/{device}/presence?registered={slots}` | [`PresenceBody`] | the same; 200 [`PresenceAnswer`] if a token needs care |
//! | `POST /v1/apps/{app}/devices/{device}/receipts` | [`ReceiptsBody`] | 204; 403 [`code::RECEIPT_KEY_REFUSED`] |
//!
//! Every request but the last carries `authorization: Bearer <ticket>`: [`Account::credential`](crate::Account::credential), an
//! opaque text that names app and user, issued by the IM's own server for one login: it is good for the first device that shows
//! it, until that user logs out there or is kicked. Receipts are signed with the device's
//! [`ReceiptKey`] instead, in the header [`RECEIPT_SIGNATURE`]. `{app}` and `{device}` are a percent-encoded
//! [`AppId`] and [`DeviceId`], `{slot}` a [`Slot`]'s word and `{slots}` several, with commas in between. An answer outside 2xx is a [`Problem`].
//!
//! Unknown members are ignored by both sides, so that either may be the newer one.
use serde::{Deserialize, Serialize};

use crate::{
    AppId, CertificateId, Channel, DeviceFacts, DeviceId, DeviceToken, Environment, Instance,
    Permission, Platform, Presence, Receipt, ReceiptKey, Slot, Timestamp, message::null_as_default,
};

/// The top-level key beside `ext` under which a payload carries its [`DeliveryId`](crate::DeliveryId), for receipts.
pub const DELIVERY_KEY: &str = "delivery";

/// The top-level key beside `ext` under which a payload names the user it is for, so that a click never opens in another
/// account's session. Absent where one payload goes to several users, or the sender addressed a token.
pub const RECEIVER_KEY: &str = "receiver";

/// The header that signs receipts: `v1.<digest>.<tag>`. The digest is the SHA-256 of the body, the tag the HMAC-SHA-256 of
/// [`receipts_to_sign`] under the bytes of the [`ReceiptKey`]; both in 64 lower-case hexadecimal digits.
///
/// Because the digest is signed and not the body, a gateway knows from the head alone whether to read on. There is no time or
/// number in it: the same receipts sent again change nothing.
pub const RECEIPT_SIGNATURE: &str = "receipt-signature";

/// What the tag of [`RECEIPT_SIGNATURE`] is computed of: what the request is, for which device of which app, and the digest of
/// its body, one on a line. Ids have no line breaks. The path is not in it as such, because proxies rewrite paths.
pub fn receipts_to_sign(app: &AppId, device: &DeviceId, digest: &str) -> String {
    format!("POST receipts v1\n{app}\n{device}\n{digest}")
}

/// A token of the device in the path, for the slot in the path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "RegistrationJson")]
#[non_exhaustive]
pub struct RegistrationBody {
    /// The channel to the device.
    pub channel: Channel,
    /// Which instance of the slot the token is for; empty for the slots that a device has once.
    #[serde(skip_serializing_if = "Instance::is_only")]
    pub instance: Instance,
    /// The order in which the channels of the slot are tried, smallest first.
    #[serde(skip_serializing_if = "is_zero")]
    pub rank: u8,
    /// The credential that sends to it.
    pub certificate_id: CertificateId,
    /// The token's environment.
    pub environment: Environment,
    /// The token.
    pub token: DeviceToken,
    /// What the app reports of the device. The members stand beside the others.
    #[serde(flatten)]
    pub facts: DeviceFacts,
}

/// A registration as it is read: all members in one struct, so that an error names the member.
#[derive(Deserialize)]
struct RegistrationJson {
    channel: Channel,
    #[serde(default, deserialize_with = "null_as_default")]
    instance: Instance,
    #[serde(default, deserialize_with = "null_as_default")]
    rank: u8,
    certificate_id: CertificateId,
    environment: Environment,
    token: DeviceToken,
    platform: Option<Platform>,
    language: Option<String>,
    time_zone: Option<String>,
    permission: Option<Permission>,
    brand: Option<String>,
    app_version: Option<String>,
}

impl From<RegistrationJson> for RegistrationBody {
    fn from(json: RegistrationJson) -> Self {
        Self {
            channel: json.channel,
            instance: json.instance,
            rank: json.rank,
            certificate_id: json.certificate_id,
            environment: json.environment,
            token: json.token,
            facts: DeviceFacts {
                platform: json.platform,
                language: json.language,
                time_zone: json.time_zone,
                permission: json.permission,
                brand: json.brand,
                app_version: json.app_version,
            },
        }
    }
}

impl RegistrationBody {
    /// A token of the only instance with rank 0, and no facts.
    pub fn new(
        channel: Channel,
        certificate_id: CertificateId,
        environment: Environment,
        token: DeviceToken,
    ) -> Self {
        Self {
            channel,
            instance: Instance::ONLY,
            rank: 0,
            certificate_id,
            environment,
            token,
            facts: DeviceFacts::default(),
        }
    }
}

// `skip_serializing_if` calls with a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
const fn is_zero(rank: &u8) -> bool {
    *rank == 0
}

/// What the gateway made of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RegistrationAnswer {
    /// Whether anything but the time changed.
    pub changed: bool,
    /// What is wrong with the registration although it was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<Warning>,
    /// What the device signs its receipts with. Always the same for a device of an app, until the gateway gets another master
    /// key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt_key: Option<ReceiptKey>,
}

impl RegistrationAnswer {
    crate::setters! {
        with_changed(changed: bool);
        with_warning(warning: impl Into<Option<Warning>>);
        with_receipt_key(receipt_key: impl Into<Option<ReceiptKey>>);
    }
}

/// Something that was accepted but will not work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Warning {
    /// A stable code, as in [`code`].
    pub code: String,
    /// What is wrong and what to do, for people.
    pub text: String,
}

impl Warning {
    /// A warning of this code, with a text for people.
    pub fn new(code: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            text: text.into(),
        }
    }
}

/// Where the device in the path is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PresenceBody {
    /// Foreground is [`Presence::Online`], background [`Presence::Background`].
    pub presence: Presence,
    /// Since when that is so, by the device's clock. Older than what is known already: ignored (S71).
    pub at: Timestamp,
    /// What the device's clock shows when this is sent. A gateway goes by the time between `at` and this and by its own clock,
    /// so that a wrong clock does no harm; without this it takes the time at which the report came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Timestamp>,
    /// The unread count, which becomes the base of the badge (S65); absent leaves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<u32>,
}

impl PresenceBody {
    /// A presence since `at`, without the device's time and without a badge.
    pub const fn new(presence: Presence, at: Timestamp) -> Self {
        Self {
            presence,
            at,
            now: None,
            unread: None,
        }
    }

    crate::setters! {
        with_now(now: impl Into<Option<Timestamp>>);
        with_unread(unread: impl Into<Option<u32>>);
    }
}

/// Problems of tokens that the device reported as registered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PresenceAnswer {
    /// Slots whose token the gateway has deleted because the vendor reported it as dead. The app half requests a new one from the
    /// phone, and registers it even if it is the old one.
    #[serde(default)]
    pub forgotten: Vec<Slot>,
    /// Slots whose token is quarantined, and why, with the code of a [`Reason`](crate::Reason): for instance another environment
    /// or app than the credential's. Earlier gateways call the field `set_aside`.
    #[serde(default, alias = "set_aside")]
    pub quarantined: Vec<QuarantinedToken>,
}

/// A token that the gateway keeps but does not push to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QuarantinedToken {
    /// The slot it is for.
    pub slot: Slot,
    /// Why.
    pub why: Warning,
}

impl QuarantinedToken {
    /// The token of `slot` is quarantined, and why.
    pub const fn new(slot: Slot, why: Warning) -> Self {
        Self { slot, why }
    }
}

impl PresenceAnswer {
    /// An answer with these forgotten slots and these quarantined tokens.
    pub const fn new(forgotten: Vec<Slot>, quarantined: Vec<QuarantinedToken>) -> Self {
        Self {
            forgotten,
            quarantined,
        }
    }

    /// Returns `true` if no token has a problem.
    pub const fn is_empty(&self) -> bool {
        self.forgotten.is_empty() && self.quarantined.is_empty()
    }
}

/// What happened to deliveries on the device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReceiptsBody {
    /// At most [`ReceiptsBody::MAX`] receipts. The same one twice is one.
    pub receipts: Vec<Receipt>,
    /// What the device's clock shows when this is sent, as in [`PresenceBody::now`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Timestamp>,
}

impl ReceiptsBody {
    /// The most receipts in one request.
    pub const MAX: usize = 100;
    /// The largest body of receipts that every gateway reads, in bytes: 100 receipts take some 10,000.
    pub const MAX_BYTES: usize = 16 * 1024;

    /// A body with these receipts, without the device's time.
    pub const fn new(receipts: Vec<Receipt>) -> Self {
        Self {
            receipts,
            now: None,
        }
    }

    crate::setters! {
        with_now(now: impl Into<Option<Timestamp>>);
    }
}

/// An error answer: a problem document of RFC 9457, `application/problem+json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Problem {
    /// `type`: a URI that names the kind of problem; `about:blank` says no more than the status.
    #[serde(rename = "type", default = "about_blank")]
    pub kind: String,
    /// The kind of problem in a few words.
    #[serde(default)]
    pub title: String,
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// What happened this time, and what to do. Holds no token or secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// A stable code for programs: those in [`code`], and others.
    #[serde(default)]
    pub code: String,
}

impl Problem {
    crate::setters! {
        with_kind(kind: impl Into<String>);
        with_title(title: impl Into<String>);
        with_status(status: u16);
        with_detail(detail: impl Into<Option<String>>);
        with_code(code: impl Into<String>);
    }
}

fn about_blank() -> String {
    "about:blank".to_owned()
}

/// The codes that the app half acts upon. The gateway may send others; those are passed to the app as they are.
pub mod code {
    /// A warning: the token's environment and the credential's differ (S57).
    pub const ENVIRONMENT_MISMATCH: &str = "environment-mismatch";
    /// 401: the ticket is missing, forged, expired, revoked by a kick or logout, or another device's. The app must get a new one
    /// and log in again.
    pub const TICKET_REFUSED: &str = "ticket-refused";
    /// 403: receipts are not signed with this device's key. Registering the device again yields the key.
    pub const RECEIPT_KEY_REFUSED: &str = "receipt-key-refused";
    /// The app has no credential of this id, or it is for another channel (S52: 22001).
    pub const CERTIFICATE_UNKNOWN: &str = "certificate-unknown";
    /// 404: the device has no registration of this user (any more). The app half uploads its tokens again.
    pub const DEVICE_UNKNOWN: &str = "device-unknown";
    /// 403: the user has as many devices as the gateway allows.
    pub const TOO_MANY_DEVICES: &str = "too-many-devices";
    /// 429: try again later, `retry-after` says when (S52: 22006).
    pub const TOO_FREQUENT: &str = "too-frequent";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DeliveryId, ReceiptKind};

    #[test]
    fn bodies_have_the_members_that_the_table_promises() {
        let mut body = RegistrationBody::new(
            Channel::known("sample"),
            CertificateId::new(31287).unwrap(),
            Environment::Sandbox,
            DeviceToken::new("00fc13").unwrap(),
        );
        assert_eq!(
            serde_json::to_string(&body).unwrap(),
            r#"{"channel":"sample","certificate_id":31287,"environment":"sandbox","token":"00fc13"}"#
        );
        body.rank = 1;
        body.facts.language = Some("zh-Hans".to_owned());
        assert_eq!(
            serde_json::to_string(&body).unwrap(),
            r#"{"channel":"sample","rank":1,"certificate_id":31287,"environment":"sandbox","token":"00fc13","language":"zh-Hans"}"#
        );
        let body = PresenceBody {
            presence: Presence::Background,
            at: Timestamp::from_unix_millis(7),
            now: Some(Timestamp::from_unix_millis(8)),
            unread: Some(3),
        };
        assert_eq!(
            serde_json::to_string(&body).unwrap(),
            r#"{"presence":"background","at":7,"now":8,"unread":3}"#
        );
        let delivery = "0190163d-8694-739b-aea5-966c26f8ad91";
        let body = ReceiptsBody {
            receipts: vec![Receipt {
                delivery: delivery.parse::<DeliveryId>().unwrap(),
                what: ReceiptKind::Clicked,
                at: Timestamp::from_unix_millis(9),
            }],
            now: None,
        };
        assert_eq!(
            serde_json::to_string(&body).unwrap(),
            format!(r#"{{"receipts":[{{"delivery":"{delivery}","what":"clicked","at":9}}]}}"#)
        );
    }

    #[test]
    fn the_signed_text_of_receipts_differs_by_app_device_and_body() {
        let over = |app: &str, device: &str, digest: &str| {
            let (app, device) = (AppId::new(app).unwrap(), DeviceId::new(device).unwrap());
            receipts_to_sign(&app, &device, digest)
        };
        assert_eq!(
            over("chat", "phone 1", "ab"),
            "POST receipts v1\nchat\nphone 1\nab"
        );
        assert_ne!(over("a", "bc", "d"), over("ab", "c", "d"));
        assert!(DeviceId::new("a\nb").is_err());
    }

    #[test]
    fn answers_are_read_whatever_a_newer_gateway_adds() {
        let answer: RegistrationAnswer =
            serde_json::from_str(r#"{"changed":true,"since":1}"#).unwrap();
        assert_eq!(
            answer,
            RegistrationAnswer {
                changed: true,
                warning: None,
                receipt_key: None,
            }
        );
        let key = "0123456789abcdef0123456789abcdef";
        let answer: RegistrationAnswer =
            serde_json::from_str(&format!(r#"{{"changed":true,"receipt_key":"{key}"}}"#)).unwrap();
        assert_eq!(answer.receipt_key.as_ref().unwrap().expose(), key);
        assert!(!format!("{answer:?}").contains(key));
        let problem: Problem = serde_json::from_str("{}").unwrap();
        assert_eq!(problem.kind, "about:blank");
    }
}
