//! Receipts of the second version, which Push Kit posts to the URL in AppGallery Connect.
//!
//! Source: the page "push-api-msg-receipt" (September 2026) for form and signature. The results are those of the table for
//! HMS phones, which one receiver of the second version uses; 102 and 256 are documented for HarmonyOS.
use std::time::Duration;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header::CONTENT_TYPE};
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
const CALLBACK_ID: &str = "x-huawei-callback-id";

/// What the receiver of the first version must answer. The page of the second names no body.
const REPLY: &[u8] = br#"{"errno":"0","errmsg":"success"}"#;

/// The most receipts that are read from one request. Push Kit sends up to 100.
const MAX_RECEIPTS: usize = 1000;

/// How far the time of a signature may be from now. It protects against replay, because the body is not signed.
const MAX_AGE: Duration = Duration::from_secs(15 * 60);

/// User name and key of the receipt settings.
pub(crate) struct Signer {
    pub(crate) user: String,
    pub(crate) key: Secret,
}

impl Signer {
    /// Verifies `timestamp=<ms>; nonce=<text>; value=<base64>`: the value is the HMAC-SHA-256 of timestamp, nonce and user, put
    /// together. Blanks behind `;` do not matter, and `=` may end the value.
    ///
    /// # Errors
    /// What is wrong with the header: it is missing, of another form, of another user or key, or too old.
    fn verify(&self, headers: &HeaderMap, now: Timestamp) -> Result<(), &'static str> {
        let header = headers
            .get(CALLBACK_ID)
            .ok_or("the receipts are not signed")?;
        let header = header.to_str().unwrap_or_default();
        let mut fields = [None; 3];
        for part in header.split(';') {
            let (name, value) = part.split_once('=').unwrap_or_default();
            let at = ["timestamp", "nonce", "value"]
                .iter()
                .position(|known| *known == name.trim());
            if let Some(field) = at.and_then(|at| fields.get_mut(at)) {
                *field = Some(value.trim());
            }
        }
        let [Some(timestamp), Some(nonce), Some(value)] = fields else {
            return Err("the signature of the receipts is not complete");
        };
        let tag = STANDARD.decode(value).unwrap_or_default();
        let key = hmac::Key::new(HMAC_SHA256, self.key.expose().as_bytes());
        let signed = [timestamp, nonce, &self.user].concat();
        hmac::verify(&key, signed.as_bytes(), &tag)
            .map_err(|_| "the receipts are signed by another user or key")?;
        let at = timestamp.parse().map(Timestamp::from_unix_millis);
        let is_fresh = at.is_ok_and(|at| at.since(now).max(now.since(at)) <= MAX_AGE);
        is_fresh
            .then_some(())
            .ok_or("the signature of the receipts is too old")
    }
}

/// Reads receipts that were posted at `now`. `is_test`: the credential sends test messages, whose limit is the project's. Entries
/// that cannot be read, or report nothing that matters, are left out.
///
/// # Errors
/// [`ErrorKind::Denied`] if there is a signer and the signature is not its own, [`ErrorKind::Invalid`] if the body is not a JSON
/// object with an array `statuses` of at most 1,000.
pub(crate) fn read(
    request: &Request<Bytes>,
    signer: Option<&Signer>,
    is_test: bool,
    now: Timestamp,
) -> Result<Received> {
    if let Some(signer) = signer {
        signer.verify(request.headers(), now).map_err(|what| {
            Error::new(ErrorKind::Denied, what).at(CALLBACK_ID).advise(
                "compare `receipt_user` and `receipt_key` with the receipt settings in AppGallery Connect, and the clock",
            )
        })?;
    }
    let body = json(request.body());
    let statuses = body["statuses"].as_array();
    let Some(statuses) = statuses.filter(|statuses| statuses.len() <= MAX_RECEIPTS) else {
        let what = "the receipts are not JSON with an array `statuses` of at most 1000 entries";
        return Err(Error::new(ErrorKind::Invalid, what));
    };
    let receipts = statuses
        .iter()
        .filter_map(|entry| receipt(entry, is_test, now));
    let mut reply = Response::new(Bytes::from_static(REPLY));
    let json = HeaderValue::from_static("application/json");
    reply.headers_mut().insert(CONTENT_TYPE, json);
    Ok(Received::new(receipts.collect(), reply))
}

/// What it reports at a time that no clock can have shown is dated now, and costs no token.
fn receipt(entry: &Value, is_test: bool, now: Timestamp) -> Option<VendorReceipt> {
    let tag = entry["biTag"].as_str()?.parse().ok()?;
    let token = trimmed(&DeviceToken::new(entry["token"].as_str()?).ok()?).ok()?;
    // Of forms, `formStatus` stands in its place; none is sent.
    let delivered = &entry["deliveryStatus"];
    let at = past(number(&delivered["timestamp"])?, now);
    let result = text(&delivered["result"]);
    let late = |kind, words: &str| {
        let answer = VendorAnswer::none(words)
            .with_code(identifier(&result, &[]))
            .with_request_id(identifier(&text(&entry["requestId"]), &[token.expose()]));
        let mut verdict = Verdict::new(kind, answer);
        if matches!(kind, VerdictKind::RateLimited(_)) && result != "201" {
            verdict = verdict.with_retry(Retry::After(until_midnight(now, CHINA)));
        }
        Late::Verdict(verdict)
    };
    let limited = VerdictKind::RateLimited(Scope::Token);
    let unusable = VerdictKind::TokenUnusable;
    // A token that was registered again since is valid.
    let dead = |at| VerdictKind::TokenDead { since: Some(at) };
    let what = match result.as_str() {
        // 27: the app is not running, and the phone keeps the data for it.
        "0" | "27" => Late::Delivered,
        "2" => late(dead(at?), "the app is not installed"),
        "5" => late(dead(at?), "the token is not valid on the phone"),
        "6" => late(
            unusable(TokenFault::Muted),
            "notifications are switched off",
        ),
        "10" => late(
            unusable(TokenFault::Inactive),
            "the phone was inactive for 30 days",
        ),
        "31" => late(
            VerdictKind::PayloadRefused,
            "the phone or the app does not support the message",
        ),
        "102" => late(limited, "the daily limit of this app and phone"),
        "144" => late(VerdictKind::PayloadRefused, "the profile is not known"),
        "201" => late(limited, "held back by Push Kit"),
        "256" if is_test => late(
            VerdictKind::RateLimited(Scope::Credential),
            "the daily limit of test messages",
        ),
        "256" => late(
            limited,
            "the daily limit of marketing messages, or a penalty",
        ),
        // 15 (replaced by a later one), 51 (waits until the phone is unlocked), 14 and 22 ask for nothing.
        _ => return None,
    };
    Some(VendorReceipt::new(
        tag,
        Some(token),
        at.unwrap_or(now),
        what,
    ))
}

#[cfg(test)]
mod tests;
