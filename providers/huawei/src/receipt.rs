//! Delivery receipts: what Huawei posts to the URL that is configured in AppGallery Connect.
//!
//! Both functions are pure. A way in verifies the header `X-HUAWEI-CALLBACK-ID` first (if user name and key are configured
//! there), reads the body, and answers [`REPLY`].
use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use push_core::{DeliveryId, DeviceToken, Error, ErrorKind, Result, Secret, Timestamp};
use serde_json::Value;

use crate::classify::text;

/// The header that holds the signature.
pub const SIGNATURE_HEADER: &str = "x-huawei-callback-id";

/// What to answer, as `application/json`, when the receipts were taken.
pub const REPLY: &str = r#"{"errno":"0","errmsg":"success"}"#;

/// The most receipts that are read from one request. Huawei sends up to 100; an older page said 1,000.
pub const MAX_RECEIPTS: usize = 1000;

/// Who signed what, when. Neither protects against replay by itself: compare `timestamp` with the clock, and remember
/// the nonces of that window where a receipt twice would matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// When Huawei signed.
    pub timestamp: Timestamp,
    /// A value that Huawei uses once.
    pub nonce: String,
}

/// Verifies the value of [`SIGNATURE_HEADER`]: `timestamp=<ms>; nonce=<text>; value=<base64>`, where the value is the
/// HMAC-SHA-256 under `key` of timestamp, nonce and `user` put together. Blanks after `;` do not matter; the comparison
/// takes the same time wherever the difference is.
///
/// # Errors
/// [`ErrorKind::Denied`] if the header is not of that form or was not made with this user and key.
pub fn verify_signature(header: &str, user: &str, key: &Secret) -> Result<Signature> {
    let denied = |what: &str| {
        Error::new(ErrorKind::Denied, what)
            .at(SIGNATURE_HEADER)
            .advise("compare user name and key with the receipt settings in AppGallery Connect")
    };
    let mut fields = [("timestamp", ""), ("nonce", ""), ("value", "")];
    for part in header.split(';') {
        if let Some((name, value)) = part.split_once('=') {
            for field in &mut fields {
                if field.0 == name.trim() {
                    field.1 = value.trim();
                }
            }
        }
    }
    let [(_, timestamp), (_, nonce), (_, value)] = fields;
    let (Ok(millis), Ok(tag)) = (timestamp.parse(), STANDARD.decode(value)) else {
        return Err(denied("the receipt's signature is missing or unreadable"));
    };
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
    let signed = format!("{timestamp}{nonce}{user}");
    hmac::verify(&key, signed.as_bytes(), &tag)
        .map_err(|_| denied("the receipt's signature is not of this user and key"))?;
    Ok(Signature {
        timestamp: Timestamp::from_unix_millis(millis),
        nonce: nonce.to_owned(),
    })
}

/// What Huawei says of one message to one token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The `bi_tag` of the message; empty if it had none. For a batch of one it is the delivery, see
    /// [`Receipt::delivery`].
    pub bi_tag: String,
    /// The app.
    pub app_id: String,
    /// The token. Together with `request_id` it names the delivery: the latter is in the verdict's answer.
    pub token: DeviceToken,
    /// What happened.
    pub status: Status,
    /// When.
    pub at: Timestamp,
    /// Huawei's id of the request that sent it.
    pub request_id: String,
}

impl Receipt {
    /// The delivery, if the message went to one target only.
    pub fn delivery(&self) -> Option<DeliveryId> {
        self.bi_tag.parse().ok()
    }
}

/// The receipts of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipts {
    /// Those that could be read, in order.
    pub receipts: Vec<Receipt>,
    /// How many could not: without token or status.
    pub skipped: usize,
}

/// Reads the body of a receipt request.
///
/// Numbers may be written as text. An entry that cannot be read is counted and costs its neighbours nothing.
///
/// # Errors
/// [`ErrorKind::Invalid`] if it is no JSON object with an array `statuses`, or holds more than [`MAX_RECEIPTS`].
pub fn parse(body: &[u8]) -> Result<Receipts> {
    let invalid = |what: String| Error::new(ErrorKind::Invalid, what);
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| invalid("the receipts are not JSON".to_owned()).because(error))?;
    let statuses = body["statuses"]
        .as_array()
        .ok_or_else(|| invalid("the receipts have no array `statuses`".to_owned()))?;
    if statuses.len() > MAX_RECEIPTS {
        return Err(invalid(format!(
            "{} receipts in one request, more than {MAX_RECEIPTS}",
            statuses.len()
        )));
    }
    let receipts: Vec<_> = statuses.iter().filter_map(read).collect();
    Ok(Receipts {
        skipped: statuses.len() - receipts.len(),
        receipts,
    })
}

fn read(entry: &Value) -> Option<Receipt> {
    Some(Receipt {
        bi_tag: text(&entry["biTag"]),
        app_id: text(&entry["appid"]),
        token: DeviceToken::new(entry["token"].as_str()?).ok()?,
        status: Status(text(&entry["status"]).parse().ok()?),
        at: Timestamp::from_unix_millis(text(&entry["timestamp"]).parse().unwrap_or_default()),
        request_id: text(&entry["requestId"]),
    })
}

/// What happened to a message, as Huawei's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status(pub i32);

/// What a [`Status`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Meaning {
    /// It reached the phone.
    Delivered,
    /// It waits on the phone or was replaced by a later one: nothing to do.
    Superseded,
    /// The token is dead.
    TokenDead,
    /// The person switched notifications off: keep the token.
    Muted,
    /// Nothing for this phone for a while: inactive for 30 days, or held back by Huawei.
    Paused,
    /// The phone or the app cannot show such a message: its content is at fault.
    Refused,
    /// Huawei tries again by itself.
    Pending,
    /// Too many for this app and phone: not before midnight.
    RateLimited,
    /// Of no consequence, or unknown.
    Other,
}

impl Status {
    /// What it asks for.
    pub const fn meaning(self) -> Meaning {
        match self.0 {
            0 => Meaning::Delivered,
            15 | 27 => Meaning::Superseded,
            // Not installed; not valid on the device.
            2 | 5 => Meaning::TokenDead,
            6 => Meaning::Muted,
            10 | 201 => Meaning::Paused,
            // Not supported; profile unknown.
            31 | 144 => Meaning::Refused,
            51 => Meaning::Pending,
            // 3,000 a day for app and phone; the marketing limit.
            102 | 256 => Meaning::RateLimited,
            _ => Meaning::Other,
        }
    }
}
