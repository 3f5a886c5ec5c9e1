//! Receipts: what Huawei posts to the URL that is configured in AppGallery Connect.
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use push_core::{
    DeviceToken, Error, ErrorKind, Late, Received, Result, Retry, Scope, Secret, Timestamp,
    TokenFault, VendorAnswer, VendorReceipt, Verdict, VerdictKind,
};
use push_kit::{
    answer::{json, number, past, text},
    quota::{CHINA, until_midnight},
    scrub::identifier,
    token::trimmed,
};
use serde_json::Value;

/// The header that holds the signature.
pub(crate) const SIGNATURE_HEADER: &str = "x-huawei-callback-id";

/// What Huawei expects as the answer.
const REPLY: &str = r#"{"errno":"0","errmsg":"success"}"#;

/// The most receipts that are read from one request. Huawei sends up to 100; an older page said 1,000.
const MAX_RECEIPTS: usize = 1000;

/// How far the time of a signature may be from now. It protects against replay, because the body is not signed.
const MAX_AGE: Duration = Duration::from_secs(15 * 60);

/// Who signs the receipts: user name and key of the receipt settings.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    pub(crate) user: String,
    pub(crate) key: Secret,
}

impl Signer {
    /// Verifies the header: `timestamp=<ms>; nonce=<text>; value=<base64>`, where the value is the HMAC-SHA-256 under the key
    /// of timestamp, nonce and user put together. Blanks after `;` do not matter.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] if the header is missing, is of another form, is not of this user and key, or too old.
    fn verify(&self, headers: &HeaderMap, now: Timestamp) -> Result<()> {
        let denied = |what: &str| {
            Error::new(ErrorKind::Denied, what)
                .at(SIGNATURE_HEADER)
                .advise("compare `receipt_user` and `receipt_key` with the receipt settings in AppGallery Connect, and the clock")
        };
        let text = headers
            .get(SIGNATURE_HEADER)
            .and_then(|value| value.to_str().ok());
        let text = text.ok_or_else(|| denied("the receipts are not signed"))?;
        let field = |name: &str| {
            text.split(';')
                .filter_map(|part| part.split_once('='))
                .find(|(key, _)| key.trim() == name)
                .map_or("", |(_, value)| value.trim())
        };
        let (timestamp, nonce) = (field("timestamp"), field("nonce"));
        let unreadable = || denied("the signature of the receipts cannot be read");
        let millis = timestamp.parse().map_err(|_| unreadable())?;
        let tag = STANDARD.decode(field("value")).map_err(|_| unreadable())?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.key.expose().as_bytes());
        let signed = format!("{timestamp}{nonce}{}", self.user);
        hmac::verify(&key, signed.as_bytes(), &tag)
            .map_err(|_| denied("the receipts are signed by another user or key"))?;
        let at = Timestamp::from_unix_millis(millis);
        if at.since(now).max(now.since(at)) > MAX_AGE {
            return Err(denied("the signature of the receipts is too old"));
        }
        Ok(())
    }
}

/// Reads receipts for the app `app_id`, posted at `now`. Entries that cannot be read, are of another app, or report nothing
/// that matters are left out.
///
/// # Errors
/// [`ErrorKind::Denied`] if there is a signer and the signature is not its own, [`ErrorKind::Invalid`] if the body is not a JSON
/// object with an array `statuses` of at most 1,000.
pub(crate) fn receive(
    request: &Request<Bytes>,
    app_id: &str,
    signer: Option<&Signer>,
    now: Timestamp,
) -> Result<Received> {
    if let Some(signer) = signer {
        signer.verify(request.headers(), now)?;
    }
    let invalid = |what: &str| Error::new(ErrorKind::Invalid, what);
    let body = json(request.body());
    if body.is_null() {
        return Err(invalid("the receipts are not JSON"));
    }
    let statuses = body["statuses"]
        .as_array()
        .ok_or_else(|| invalid("the receipts have no array `statuses`"))?;
    if statuses.len() > MAX_RECEIPTS {
        return Err(invalid("there are more than 1000 receipts in one request"));
    }
    let receipts = statuses
        .iter()
        .filter_map(|entry| read(entry, app_id, now))
        .collect();
    let mut reply = Response::new(Bytes::from_static(REPLY.as_bytes()));
    let json = HeaderValue::from_static("application/json");
    reply.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(Received::new(receipts, reply))
}

/// Numbers may be written as text. What an entry reports at a time that no clock can have shown is dated now, and costs no token.
fn read(entry: &Value, app_id: &str, now: Timestamp) -> Option<VendorReceipt> {
    let app = text(&entry["appid"]);
    if !app.is_empty() && app != app_id {
        return None;
    }
    let tag = entry["biTag"].as_str()?.parse().ok()?;
    let token = trimmed(&DeviceToken::new(entry["token"].as_str()?).ok()?).ok()?;
    let at = past(number(&entry["timestamp"])?, now);
    let status = text(&entry["status"]);
    let request_id = text(&entry["requestId"]);
    let answer = VendorAnswer::default()
        .with_code(identifier(&status, &[]))
        .with_request_id(identifier(&request_id, &[token.expose()]));
    let what = meaning(&status, at, now, answer)?;
    Some(VendorReceipt::new(
        tag,
        Some(token),
        at.unwrap_or(now),
        what,
    ))
}

/// What a status means; `None` for one that asks for nothing, or is unknown, and for the end of a token at an unknown time.
fn meaning(
    status: &str,
    at: Option<Timestamp>,
    now: Timestamp,
    answer: VendorAnswer,
) -> Option<Late> {
    let (kind, words) = match status {
        // 27: the app is not running, and the phone keeps the data message for it.
        "0" | "27" => return Some(Late::Delivered),
        "2" => (dead(at?), "the app is not installed"),
        "5" => (dead(at?), "the token is not valid on the device"),
        "6" => (
            VerdictKind::TokenUnusable(TokenFault::Muted),
            "notifications are switched off",
        ),
        "10" => (
            VerdictKind::TokenUnusable(TokenFault::Inactive),
            "the device was inactive for 30 days",
        ),
        "31" => (
            VerdictKind::PayloadRefused,
            "the phone or the app cannot show it; check the intent and that its activity is exported",
        ),
        "144" => (VerdictKind::PayloadRefused, "the profile is unknown"),
        "102" => (LIMITED, "more than 3000 a day for this app and device"),
        "201" => (LIMITED, "held back by Huawei"),
        "256" => (LIMITED, "the daily limit of marketing messages"),
        // 15 (replaced by a later one), 51 (waits until the phone is unlocked), 14 and 22 ask for nothing.
        _ => return None,
    };
    let verdict = Verdict::new(kind, answer.with_text(words));
    let is_daily = matches!(status, "102" | "256");
    Some(Late::Verdict(if is_daily {
        verdict.with_retry(Retry::After(until_midnight(now, CHINA)))
    } else {
        verdict
    }))
}

const LIMITED: VerdictKind = VerdictKind::RateLimited(Scope::Token);

/// A token registered again after the receipt is valid.
const fn dead(at: Timestamp) -> VerdictKind {
    VerdictKind::TokenDead { since: Some(at) }
}

#[cfg(test)]
mod tests;
