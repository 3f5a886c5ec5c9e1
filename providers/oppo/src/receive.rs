//! Receipts that OPPO posts to the `call_back_url` of a message, by its page "消息回执", read in copies in November 2026.
//!
//! They are not signed: the address, which cannot be guessed, is what protects them. `param` is the `call_back_parameter` of the
//! message, which names a delivery.
use bytes::Bytes;
use http::{Request, Response};
use push_core::{
    DeliveryId, DeviceToken, Error, ErrorKind, Late, Received, Result, Retry, Scope, Timestamp,
    VendorAnswer, VendorReceipt, Verdict, VerdictKind,
};
use push_kit::{
    answer::{json, number, past, text},
    quota::{CHINA, until_midnight},
    scrub::identifier,
    token::opaque,
};
use serde_json::Value;

use crate::classify::ids;

/// The most entries of one request, and the most registration ids in all of them. OPPO's own limits are not documented.
const MOST_ENTRIES: usize = 1000;
const MOST_IDS: usize = 10_000;

/// Reads receipts that were posted and received at `now`. Entries that cannot be read, or are of a type that is not known, are
/// left out.
///
/// # Errors
/// [`ErrorKind::Invalid`] if the body is not a JSON array of at most 1,000 entries with 10,000 registration ids.
pub(crate) fn read(request: &Request<Bytes>, now: Timestamp) -> Result<Received> {
    let invalid = |what: &str| Error::new(ErrorKind::Invalid, what);
    let posted = json(request.body());
    let entries = posted.as_array();
    let entries = entries.filter(|entries| entries.len() <= MOST_ENTRIES);
    let entries = entries
        .ok_or_else(|| invalid("the receipts are not a JSON array of at most 1000 entries"))?;
    let receipts = entries.iter().flat_map(|entry| of_entry(entry, now));
    let receipts: Vec<VendorReceipt> = receipts.take(MOST_IDS + 1).collect();
    if receipts.len() > MOST_IDS {
        return Err(invalid(
            "the receipts have more than 10000 registration ids",
        ));
    }
    Ok(Received::new(receipts, Response::new(Bytes::new())))
}

/// One receipt for each registration id of an entry.
fn of_entry(entry: &Value, now: Timestamp) -> impl Iterator<Item = VendorReceipt> {
    // A pause of the clock or another unit is no time of an event: dated now, and it costs no token.
    let at = number(&entry["eventTime"]).and_then(|millis| past(millis, now));
    let tag = entry["param"]
        .as_str()
        .and_then(|tag| tag.trim().parse::<DeliveryId>().ok());
    let tokens = entry["registrationIds"].as_str().unwrap_or_default();
    let found = tag.and_then(|tag| Some((tag, meaning(entry, at, now)?)));
    found.into_iter().flat_map(move |(tag, what)| {
        ids(tokens).filter_map(move |id| {
            let token = opaque(&DeviceToken::new(id).ok()?).ok()?;
            Some(VendorReceipt::new(
                tag,
                Some(token),
                at.unwrap_or(now),
                what.clone(),
            ))
        })
    })
}

/// What an entry reports; `None` for a type that is not known, and for a dead id without the time since when.
fn meaning(entry: &Value, at: Option<Timestamp>, now: Timestamp) -> Option<Late> {
    let kind = text(&entry["eventType"]);
    let message = text(&entry["messageId"]);
    let answer = |words: &str| {
        let answer = VendorAnswer::none(words).with_code(&kind);
        answer.with_request_id(identifier(&message, &[]))
    };
    match kind.as_str() {
        "push_arrive" => Some(Late::Delivered),
        // An id that was registered again since is valid.
        "regid_invalid" => Some(Late::Verdict(Verdict::new(
            VerdictKind::TokenDead { since: Some(at?) },
            answer("the app is not installed, the phone was reset, or it was offline for 30 days"),
        ))),
        "user_daily_limit" => {
            let limited = VerdictKind::RateLimited(Scope::Token);
            let verdict = Verdict::new(
                limited,
                answer("the phone had its public messages of today"),
            );
            let midnight = Retry::After(until_midnight(now, CHINA));
            Some(Late::Verdict(verdict.with_retry(midnight)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use push_testkit::{json, sample};

    use super::*;

    const LATER: Timestamp = Timestamp::from_unix_seconds(1_700_000_100);
    const ID: &str = "CN_8fa0618f178145d8c2a44091a1326411";
    const OTHER: &str = "OPPO_CN_8fa0618f178145d8c2a44091a1326412";

    fn received(body: &Value) -> Received {
        let request = Request::new(Bytes::from(body.to_string()));
        read(&request, LATER).expect("it is read")
    }

    fn entry(kind: &str, tag: DeliveryId, ids: &str) -> Value {
        json!({
            "messageId": "3610865-1-1-5e3f0c5e8d1a2b0001c3d4e5", "appId": "3610865", "taskId": "t-1",
            "registrationIds": ids, "eventTime": "1700000000123", "param": tag.to_string(),
            "eventType": kind,
        })
    }

    #[test]
    fn every_type_of_receipt_is_read_for_each_of_its_ids() {
        let tag = DeliveryId::new(sample::NOW);
        let at = Timestamp::from_unix_millis(1_700_000_000_123);
        let posted = json!([
            entry("push_arrive", tag, &format!("{ID}, {OTHER}")),
            entry("regid_invalid", tag, ID),
            entry("user_daily_limit", tag, OTHER),
            entry("another_type", tag, ID),
        ]);
        let receipts = received(&posted).receipts;
        let tokens: Vec<_> = receipts
            .iter()
            .map(|receipt| receipt.token.as_ref().expect("a token").expose())
            .collect();
        assert_eq!(tokens, [ID, OTHER, ID, OTHER]);
        assert!(
            receipts
                .iter()
                .all(|receipt| receipt.tag == tag && receipt.at == at)
        );
        assert_eq!(receipts[0].what, Late::Delivered);
        assert_eq!(receipts[1].what, Late::Delivered);
        let Late::Verdict(dead) = &receipts[2].what else {
            panic!("{receipts:?}")
        };
        assert_eq!(dead.kind, VerdictKind::TokenDead { since: Some(at) });
        assert_eq!(dead.answer.code, "regid_invalid");
        assert_eq!(
            dead.answer.request_id,
            "3610865-1-1-5e3f0c5e8d1a2b0001c3d4e5"
        );
        let Late::Verdict(limit) = &receipts[3].what else {
            panic!("{receipts:?}")
        };
        assert_eq!(limit.kind, VerdictKind::RateLimited(Scope::Token));
        let midnight = Retry::After(until_midnight(LATER, CHINA));
        assert_eq!(limit.retry, midnight);
    }

    #[test]
    fn a_dead_id_at_an_impossible_time_costs_no_token() {
        let tag = DeliveryId::new(sample::NOW);
        for time in [
            json!(null),
            json!(0),
            json!(-1),
            json!(1_700_000_000),
            json!(1_700_000_500_000_i64),
            json!(1e300),
            json!("yesterday"),
            json!([1]),
        ] {
            let mut dead = entry("regid_invalid", tag, ID);
            dead["eventTime"] = time.clone();
            assert!(received(&json!([dead])).receipts.is_empty(), "{time}");
            let mut arrived = entry("push_arrive", tag, ID);
            arrived["eventTime"] = time.clone();
            let receipts = received(&json!([arrived])).receipts;
            assert_eq!(receipts.len(), 1, "{time}");
            assert_eq!(receipts[0].at, LATER, "{time}");
        }
    }

    #[test]
    fn an_entry_that_names_no_delivery_or_no_id_is_left_out() {
        let tag = DeliveryId::new(sample::NOW);
        for (key, value) in [
            ("param", json!("m1")),
            ("param", json!(null)),
            ("registrationIds", json!("")),
            ("registrationIds", json!(7)),
            ("registrationIds", json!(" , ;")),
            ("eventType", json!(null)),
        ] {
            let mut entry = entry("push_arrive", tag, ID);
            entry[key] = value;
            assert!(
                received(&json!([entry, 7, null, []])).receipts.is_empty(),
                "{key}"
            );
        }
    }

    #[test]
    fn more_receipts_than_can_be_meant_are_refused() {
        let tag = DeliveryId::new(sample::NOW);
        let many = format!("{ID},").repeat(MOST_IDS + 1);
        for body in [
            json!([entry("push_arrive", tag, &many)]),
            json!(vec![entry("push_arrive", tag, ID); MOST_ENTRIES + 1]),
            json!({ "messageId": "m" }),
        ] {
            let request = Request::new(Bytes::from(body.to_string()));
            let error = read(&request, LATER).expect_err("it is refused");
            assert_eq!(error.kind(), ErrorKind::Invalid);
        }
    }
}
