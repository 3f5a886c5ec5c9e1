//! Receipts that Honor posts to the address that is entered in its console.
//!
//! Their form is the one that another server recorded (`statuses` with `biTag`, `token`, `status`); no signature is known, so the
//! address, which cannot be guessed, is what protects them. Only two codes are known (November 2026). An entry with another code
//! is left out, because it may mean anything, unless the configuration names its meaning.
use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use push_core::{
    DeliveryId, DeviceToken, Error, ErrorKind, Late, Received, Result, Timestamp, TokenFault,
    VendorAnswer, VendorReceipt, Verdict, VerdictKind,
};
use push_kit::{
    answer::{json, past},
    scrub::identifier,
    token::trimmed,
};
use serde::Deserialize;
use serde_json::Value;

use crate::{classify::number, config::ReceiptMeaning};

/// The most entries in one request. Honor's own limit is not documented.
const MOST_ENTRIES: usize = 1000;

/// What is answered: which of the two forms Honor expects is not documented, and each reads its own keys.
const THANKS: &str = r#"{"code":"0","message":"success","errno":"0","errmsg":"success"}"#;

/// The codes that are known.
const KNOWN: [(i64, ReceiptMeaning); 2] = [
    (40_000_002, ReceiptMeaning::Delivered),
    (40_000_015, ReceiptMeaning::NotShown),
];

#[derive(Deserialize)]
struct Posted {
    statuses: Vec<Value>,
}

/// Reads what was posted for the app `app_id` and received at `now`. `meanings` is the configured table, which goes before the known codes.
///
/// # Errors
/// [`ErrorKind::Invalid`] if the body is not JSON with an array `statuses` of at most 1,000 entries.
pub(crate) fn read(
    request: &Request<Bytes>,
    app_id: &str,
    meanings: &BTreeMap<String, ReceiptMeaning>,
    now: Timestamp,
) -> Result<Received> {
    let posted = serde_json::from_value::<Posted>(json(request.body()));
    let posted = posted
        .ok()
        .filter(|posted| posted.statuses.len() <= MOST_ENTRIES);
    let Some(Posted { statuses }) = posted else {
        let message = "the receipts are not JSON with an array `statuses` of at most 1000 entries";
        return Err(Error::new(ErrorKind::Invalid, message));
    };
    let meaning = |code: i64| {
        let known = KNOWN.into_iter().find(|(known, _)| *known == code);
        let configured = meanings.get(&code.to_string()).copied();
        configured.or(known.map(|(_, meaning)| meaning))
    };
    let receipts = statuses
        .iter()
        .filter(|entry| entry["appid"].is_null() || text(&entry["appid"]) == app_id)
        .filter_map(|entry| receipt(entry, meaning, now))
        .collect();
    let mut reply = Response::new(Bytes::from_static(THANKS.as_bytes()));
    let json = HeaderValue::from_static("application/json");
    reply.headers_mut().insert(CONTENT_TYPE, json);
    Ok(Received::new(receipts, reply))
}

/// One entry; `None` if it cannot be read or its code has no meaning. What it reports at a time that no clock can have shown is
/// dated now, and costs no token.
fn receipt(
    entry: &Value,
    meaning: impl Fn(i64) -> Option<ReceiptMeaning>,
    now: Timestamp,
) -> Option<VendorReceipt> {
    let tag: DeliveryId = entry["biTag"].as_str()?.parse().ok()?;
    let token = trimmed(&DeviceToken::new(entry["token"].as_str()?).ok()?).ok()?;
    let since = past(push_kit::answer::number(&entry["timestamp"])?, now);
    let at = since.unwrap_or(now);
    let code = number(&entry["status"])?;
    let (kind, words) = match meaning(code)? {
        ReceiptMeaning::Delivered => {
            return Some(VendorReceipt::new(tag, Some(token), at, Late::Delivered));
        }
        ReceiptMeaning::NotShown => (
            VerdictKind::PayloadRefused,
            "the phone did not show it; check that the intent names an activity of the app with the category BROWSABLE",
        ),
        ReceiptMeaning::Muted => (
            VerdictKind::TokenUnusable(TokenFault::Muted),
            "notifications of the app are switched off",
        ),
        ReceiptMeaning::Inactive => (
            VerdictKind::TokenUnusable(TokenFault::Inactive),
            "the phone has not connected for a long time",
        ),
        // A token that was registered again since is valid.
        ReceiptMeaning::Uninstalled => (
            VerdictKind::TokenDead {
                since: Some(since?),
            },
            "the app is not installed",
        ),
    };
    let id = text(&entry["requestId"]);
    let mut answer = VendorAnswer::none(words);
    answer.code = code.to_string();
    let answer = answer.with_request_id(identifier(&id, &[token.expose()]));
    let late = Late::Verdict(Verdict::new(kind, answer));
    Some(VendorReceipt::new(tag, Some(token), at, late))
}

/// Text, or a number as text.
fn text(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use push_testkit::sample;

    use super::*;

    const LATER: Timestamp = Timestamp::from_unix_seconds(1_700_000_100);

    #[test]
    fn the_end_of_a_token_at_an_impossible_time_costs_no_token() {
        let tag = DeliveryId::new(sample::NOW);
        let meanings = BTreeMap::from([("40000099".to_owned(), ReceiptMeaning::Uninstalled)]);
        for time in [
            "9223372036854775807",
            "1e400",
            "-1",
            "0",
            "1700000000",
            "1700000500000",
        ] {
            let entry = |status: &str| {
                let body = format!(
                    r#"{{"statuses":[{{"biTag":"{tag}","token":"t1","status":{status},"timestamp":{time}}}]}}"#
                );
                let request = Request::new(Bytes::from(body));
                read(&request, "1", &meanings, LATER).expect("it is read")
            };
            assert!(entry("40000099").receipts.is_empty(), "{time}");
            for receipt in entry("40000002").receipts {
                assert_eq!(receipt.at, LATER, "{time}");
            }
        }
    }

    #[test]
    fn receipts_on_record_are_read_and_unknown_codes_cost_no_token() {
        let vectors: Value = serde_json::from_str(include_str!("../tests/fixtures/vectors.json"))
            .expect("the vectors are JSON");
        let tag = DeliveryId::new(sample::NOW);
        let cases = vectors["receipts"].as_array().expect("an array");
        assert_eq!(cases.len(), 4);
        for case in cases {
            let body = case["body"].as_str().expect("text");
            let body = body.replace("\"m1\"", &format!("\"{tag}\""));
            let request = Request::new(Bytes::from(body));
            let received =
                read(&request, "104400000", &BTreeMap::new(), LATER).expect("it is read");
            let what = received.receipts.first().map(|receipt| &receipt.what);
            let right = match case["class"].as_str() {
                Some("delivered") => matches!(what, Some(Late::Delivered)),
                Some("request") => matches!(
                    what,
                    Some(Late::Verdict(verdict)) if verdict.kind == VerdictKind::PayloadRefused
                ),
                _ => what.is_none(),
            };
            assert!(right, "{case} is read as {what:?}");
            let of_another_app = read(&request, "1", &BTreeMap::new(), LATER).expect("it is read");
            assert!(of_another_app.receipts.is_empty(), "{of_another_app:?}");
        }
    }

    #[test]
    fn a_code_that_the_configuration_explains_is_reported() {
        let tag = DeliveryId::new(sample::NOW);
        let body = format!(
            r#"{{"statuses":[{{"biTag":"{tag}","token":"t1","status":"40000099","timestamp":"1700000000123"}}]}}"#
        );
        let request = Request::new(Bytes::from(body));
        let meanings = BTreeMap::from([("40000099".to_owned(), ReceiptMeaning::Uninstalled)]);
        let received = read(&request, "1", &meanings, LATER).expect("it is read");
        let Some(Late::Verdict(verdict)) = received.receipts.first().map(|receipt| &receipt.what)
        else {
            panic!("{received:?}");
        };
        let since = Some(Timestamp::from_unix_millis(1_700_000_000_123));
        assert_eq!(verdict.kind, VerdictKind::TokenDead { since });
        assert_eq!(verdict.answer.code, "40000099");
    }
}
