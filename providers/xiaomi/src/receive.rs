//! Receipts that Xiaomi posts to the address in `extra.callback`.
//!
//! Their form is the one that two independent receivers read: JSON by message id, in the field `data` of a form; another server reads
//! it as the body itself. They are not signed: the address, which cannot be guessed, is what protects them. What a bit of
//! `callback.type` means is documented; an entry with another type is left out.
use bytes::Bytes;
use http::{Request, Response};
use push_core::{
    DeliveryId, DeviceToken, Error, ErrorKind, Late, Received, Result, Scope, Timestamp,
    TokenFault, VendorAnswer, VendorReceipt, Verdict, VerdictKind,
};
use push_kit::{
    answer::{json, number, past},
    form::field,
    scrub::identifier,
    token::trimmed,
};
use serde_json::{Map, Value};

use crate::classify::ids;

/// The most targets in one request. Xiaomi's own limit is not documented; a message has at most 1,000.
const MOST_TARGETS: usize = 10_000;

/// Reads what was posted and received at `now`.
///
/// # Errors
/// [`ErrorKind::Invalid`] if the body is neither a JSON object nor a form with one in the field `data`, or names more than 10,000
/// targets.
pub(crate) fn read(request: &Request<Bytes>, now: Timestamp) -> Result<Received> {
    let messages = posted(request.body()).ok_or_else(|| {
        let message = "the receipts are neither JSON nor a form with JSON in the field `data`";
        Error::new(ErrorKind::Invalid, message)
    })?;
    let mut receipts = Vec::new();
    for (id, entry) in &messages {
        receipts.extend(of_message(id, entry, now));
        if receipts.len() > MOST_TARGETS {
            let message = "the receipts name more than 10000 targets";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
    }
    Ok(Received::new(receipts, Response::new(Bytes::new())))
}

fn posted(body: &[u8]) -> Option<Map<String, Value>> {
    let read = match body.trim_ascii_start().first()? {
        b'{' => json(body),
        _ => json(field(body, "data")?.as_bytes()),
    };
    match read {
        Value::Object(messages) => Some(messages),
        _ => None,
    }
}

/// One receipt for each target of a message; none if the entry cannot be read, is not of this gateway, or has a type without a
/// meaning here. What is reported at a time that no clock can have shown is dated now, and costs no token.
fn of_message(id: &str, entry: &Value, now: Timestamp) -> Vec<VendorReceipt> {
    let tag: Option<DeliveryId> = entry["param"].as_str().and_then(|tag| tag.parse().ok());
    let Some((tag, kind)) = tag.zip(number(&entry["type"])) else {
        return Vec::new();
    };
    let time = ["timestamp", "timeStamp"].map(|key| number(&entry[key]));
    let since = time.into_iter().flatten().next();
    let since = since.and_then(|millis| past(millis, now));
    let Some(what) = meaning(kind, since, id) else {
        return Vec::new();
    };
    // In the order of their texts, so that a receipt read twice gives the same.
    let mut tokens: Vec<String> = ids(&entry["targets"]).into_iter().collect();
    tokens.sort_unstable();
    let tokens = tokens
        .into_iter()
        .filter_map(|token| DeviceToken::new(token).ok());
    tokens
        .filter_map(|token| trimmed(&token).ok())
        .map(|token| VendorReceipt::new(tag, Some(token), since.unwrap_or(now), what.clone()))
        .collect()
}

/// What a receipt of this type reports. `None` for a type that is not known, and for an invalid target without a time.
fn meaning(kind: i64, since: Option<Timestamp>, id: &str) -> Option<Late> {
    let (verdict, words) = match kind {
        1 => return Some(Late::Delivered),
        2 => return Some(Late::Clicked),
        // A token that was registered again since is valid.
        16 => (
            VerdictKind::TokenDead {
                since: Some(since?),
            },
            "the registration id is invalid: the app was removed, the phone has not connected for weeks, or it is of another region",
        ),
        32 => (
            VerdictKind::TokenUnusable(TokenFault::Muted),
            "the app switched push off",
        ),
        64 => (
            VerdictKind::TargetRefused,
            "the phone or the app does not meet a condition of the message",
        ),
        128 => (
            VerdictKind::RateLimited(Scope::Class),
            "the quota of the day is used up",
        ),
        1024 => (
            VerdictKind::TargetRefused,
            "the time to live ended before the phone connected",
        ),
        _ => return None,
    };
    let answer = VendorAnswer::none(words)
        .with_code(kind.to_string())
        .with_request_id(identifier(id, &[]));
    Some(Late::Verdict(Verdict::new(verdict, answer)))
}

#[cfg(test)]
mod tests {
    use push_testkit::sample;
    use serde_json::json;

    use super::*;

    const LATER: Timestamp = Timestamp::from_unix_seconds(1_700_000_100);

    fn received(body: impl Into<Bytes>) -> Result<Vec<VendorReceipt>> {
        read(&Request::new(body.into()), LATER).map(|received| received.receipts)
    }

    fn entry(tag: DeliveryId, fields: Value) -> String {
        let mut entry = json!({
            "param": tag.to_string(), "type": 16, "targets": "r1,r2", "jobkey": null,
            "barStatus": "Enable", "timestamp": 1_700_000_000_000_i64,
        });
        for (key, value) in fields.as_object().expect("an object") {
            entry[key] = value.clone();
        }
        json!({ "sdm01b11700000000000x": entry }).to_string()
    }

    #[test]
    fn each_target_of_a_message_has_its_receipt() {
        let tag = DeliveryId::new(sample::NOW);
        let receipts = received(entry(tag, json!({}))).expect("it is read");
        let tokens: Vec<_> = receipts
            .iter()
            .map(|receipt| receipt.token.as_ref().map(|token| token.expose()))
            .collect();
        assert_eq!(tokens, [Some("r1"), Some("r2")]);
        let since = Timestamp::from_unix_millis(1_700_000_000_000);
        for receipt in receipts {
            assert_eq!((receipt.tag, receipt.at), (tag, since));
            let Late::Verdict(verdict) = receipt.what else {
                panic!("{receipt:?}");
            };
            assert_eq!(verdict.kind, VerdictKind::TokenDead { since: Some(since) });
            assert_eq!(verdict.answer.request_id, "sdm01b11700000000000x");
        }
    }

    #[test]
    fn the_end_of_a_token_at_an_impossible_time_costs_no_token() {
        let tag = DeliveryId::new(sample::NOW);
        for time in [
            json!(null),
            json!(0),
            json!(-1),
            json!(1_700_000_000),
            json!(i64::MAX),
            json!(1e300),
            json!("soon"),
            json!({}),
        ] {
            let body = entry(tag, json!({ "timestamp": time }));
            assert_eq!(received(body).expect("it is read"), [], "{time}");
            let delivered = entry(
                tag,
                json!({ "timestamp": time, "type": 1, "targets": "r1" }),
            );
            let receipts = received(delivered).expect("it is read");
            assert_eq!(receipts[0].at, LATER, "{time}");
        }
    }

    #[test]
    fn a_receipt_is_read_in_either_spelling_and_however_it_is_posted() {
        let tag = DeliveryId::new(sample::NOW);
        let time = json!({ "timestamp": null, "timeStamp": "1700000000000", "type": "16" });
        let json = entry(tag, time);
        let form = push_kit::form::encode([("other", "1"), ("data", &json)]);
        let form = form.expose().to_owned();
        assert_eq!(received(json).expect("JSON").len(), 2);
        assert_eq!(received(form).expect("a form").len(), 2);
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let tag = DeliveryId::new(sample::NOW);
        for fields in [
            json!({ "type": 8 }),
            json!({ "type": 3 }),
            json!({ "type": 1_267 }),
            json!({ "type": null }),
            json!({ "type": 1e300 }),
            json!({ "param": "m1" }),
            json!({ "param": null }),
            json!({ "targets": null }),
            json!({ "targets": ",, ," }),
            json!({ "targets": 7 }),
        ] {
            let receipts = received(entry(tag, fields.clone())).expect("it is read");
            assert_eq!(receipts, [], "{fields}");
        }
        for body in [
            "", "data", "data=", "data=[]", "x={}", "[]", "null", "<html>",
        ] {
            let error = received(body).expect_err(body);
            assert_eq!(error.kind(), ErrorKind::Invalid);
        }
    }

    #[test]
    fn receipts_for_more_targets_than_anyone_sends_are_refused() {
        let tag = DeliveryId::new(sample::NOW);
        let targets: Vec<String> = (0..=MOST_TARGETS).map(|n| format!("r{n}")).collect();
        let body = entry(tag, json!({ "type": 1, "targets": targets.join(",") }));
        assert!(received(body).is_err());
    }
}
