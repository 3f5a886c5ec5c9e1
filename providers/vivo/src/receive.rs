//! Receipts that vivo posts: to the address in each push (`extra.callback`), or to one that is registered in its console.
//!
//! Two receivers recorded their form: an object with one member for each task, `{"<task>": {"param", "targets"}}`, where `targets`
//! is a text with commas; the newer kind adds `ackType` and `ackTime`. No signature is known, so the address, which cannot be
//! guessed, is what protects them. Of the types only 0 is known (delivered, November 2026). A receipt of another type is left out,
//! because it may mean anything, unless the configuration names its meaning.
use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, Response};
use push_core::{
    DeliveryId, DeviceToken, Error, ErrorKind, Late, Received, Result, Retry, Scope, Timestamp,
    TokenFault, VendorAnswer, VendorReceipt, Verdict, VerdictKind,
};
use push_kit::{
    answer::{json, number, past, text},
    quota::{CHINA, until_midnight},
    scrub::identifier,
    token::trimmed,
};
use serde_json::Value;

use crate::config::ReceiptMeaning;

/// The most receipts in one request. vivo's own limit is not documented; a list push has 1,000 targets.
const MOST_RECEIPTS: usize = 10_000;

/// Reads what was posted and received at `now`. `meanings` is the configured table of types, which goes before what is known.
///
/// # Errors
/// [`ErrorKind::Invalid`] if the body is not a JSON object or array, or has more than 10,000 receipts.
pub(crate) fn read(
    request: &Request<Bytes>,
    meanings: &BTreeMap<String, ReceiptMeaning>,
    now: Timestamp,
) -> Result<Received> {
    let invalid = |what| Error::new(ErrorKind::Invalid, what);
    let body = json(request.body());
    if !(body.is_object() || body.is_array()) {
        return Err(invalid("the receipts are not a JSON object or array"));
    }
    let mut receipts = Vec::new();
    for (task, entry) in entries(&body) {
        let Some((tag, at, what)) = report(task, entry, meanings, now) else {
            continue;
        };
        let tokens = tokens(&entry["targets"]);
        receipts.extend(
            tokens
                .take(MOST_RECEIPTS + 1)
                .map(|token| VendorReceipt::new(tag, Some(token), at, what.clone())),
        );
        if receipts.len() > MOST_RECEIPTS {
            return Err(invalid("there are more than 10000 receipts in one request"));
        }
    }
    // What vivo expects beside the status is not documented.
    Ok(Received::new(receipts, Response::new(Bytes::new())))
}

/// What is reported of each task, with the task's id where it stands as a key.
fn entries(body: &Value) -> Vec<(&str, &Value)> {
    let mut found = Vec::new();
    let list = match body {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    for element in list {
        if !element["targets"].is_null() {
            found.push(("", element));
            continue;
        }
        for (task, entry) in element.as_object().into_iter().flatten() {
            match entry {
                Value::Array(several) => found.extend(several.iter().map(|it| (task.as_str(), it))),
                one => found.push((task, one)),
            }
        }
    }
    found
}

/// The targets: a text with commas, or an array of texts.
fn tokens(targets: &Value) -> impl Iterator<Item = DeviceToken> {
    let array = targets.as_array().into_iter().flatten();
    let texts = array.chain([targets]).filter_map(Value::as_str);
    texts
        .flat_map(|text| text.split(','))
        .filter_map(|token| trimmed(&DeviceToken::new(token).ok()?).ok())
}

/// What one entry reports, of which delivery, and when; `None` if it cannot be read or its type has no meaning. What it reports at
/// a time that no clock can have shown is dated now, and costs no token.
fn report(
    task: &str,
    entry: &Value,
    meanings: &BTreeMap<String, ReceiptMeaning>,
    now: Timestamp,
) -> Option<(DeliveryId, Timestamp, Late)> {
    let tag: DeliveryId = entry["param"].as_str()?.trim().parse().ok()?;
    let time = number(&entry["ackTime"]);
    // The unit is not documented: milliseconds, or else seconds.
    let since =
        time.and_then(|time| past(time, now).or_else(|| past(time.checked_mul(1000)?, now)));
    let at = since.unwrap_or(now);
    let kind = match &entry["ackType"] {
        // The older kind reports deliveries only.
        Value::Null => "0".to_owned(),
        kind => text(kind),
    };
    let configured = meanings.get(&kind).copied();
    let known = (kind == "0").then_some(ReceiptMeaning::Delivered);
    let (verdict, words) = match configured.or(known)? {
        ReceiptMeaning::Delivered => return Some((tag, at, Late::Delivered)),
        ReceiptMeaning::Shown => return Some((tag, at, Late::Shown)),
        ReceiptMeaning::Clicked => return Some((tag, at, Late::Clicked)),
        ReceiptMeaning::Muted => (
            VerdictKind::TokenUnusable(TokenFault::Muted),
            "notifications of the app are switched off",
        ),
        ReceiptMeaning::Limited => (
            VerdictKind::RateLimited(Scope::Token),
            "the limit of the phone for a day is reached",
        ),
        // A token that was registered again since is valid.
        ReceiptMeaning::Uninstalled => (
            VerdictKind::TokenDead {
                since: Some(since?),
            },
            "the app is not installed",
        ),
    };
    let answer = VendorAnswer::none(words)
        .with_code(identifier(&kind, &[]))
        .with_request_id(identifier(task, &[]));
    let verdict = Verdict::new(verdict, answer);
    let verdict = match verdict.kind {
        VerdictKind::RateLimited(_) => verdict.with_retry(Retry::After(until_midnight(now, CHINA))),
        _ => verdict,
    };
    Some((tag, at, Late::Verdict(verdict)))
}

#[cfg(test)]
mod tests {
    use push_testkit::sample;

    use super::*;

    const LATER: Timestamp = Timestamp::from_unix_seconds(1_700_000_100);

    fn meanings() -> BTreeMap<String, ReceiptMeaning> {
        [
            ("3", ReceiptMeaning::Uninstalled),
            ("4", ReceiptMeaning::Limited),
        ]
        .map(|(kind, meaning)| (kind.to_owned(), meaning))
        .into()
    }

    fn received(body: String) -> Vec<VendorReceipt> {
        let request = Request::new(Bytes::from(body));
        let received = read(&request, &meanings(), LATER).expect("it is read");
        assert_eq!(received.reply.status(), 200);
        received.receipts
    }

    #[test]
    fn receipts_in_every_form_name_their_delivery_and_targets() {
        let tag = DeliveryId::new(sample::NOW);
        for body in [
            format!(r#"{{"121":{{"param":"{tag}","targets":"t1,t2"}}}}"#),
            format!(
                r#"{{"121":{{"param":"{tag}","targets":" t1 , t2,"}},"122":{{"param":"m1","targets":"t3"}}}}"#
            ),
            format!(
                r#"{{"121":{{"param":"{tag}","targets":["t1","t2"],"ackType":"0","ackTime":1700000000123,"new":{{}}}}}}"#
            ),
            format!(
                r#"[{{"121":[{{"param":"{tag}","targets":"t1","ackType":0}},{{"param":"{tag}","targets":"t2"}}]}}]"#
            ),
            format!(r#"[{{"taskId":"121","param":"{tag}","targets":"t1,t2"}}]"#),
        ] {
            let receipts = received(body.clone());
            let tokens: Vec<_> = receipts
                .iter()
                .filter_map(|receipt| receipt.token.as_ref())
                .map(|token| token.expose().to_owned())
                .collect();
            assert_eq!(tokens, ["t1", "t2"], "{body}");
            for receipt in receipts {
                assert_eq!(
                    (receipt.tag, receipt.what),
                    (tag, Late::Delivered),
                    "{body}"
                );
            }
        }
    }

    #[test]
    fn a_type_is_ignored_unless_it_is_known_or_configured() {
        let tag = DeliveryId::new(sample::NOW);
        let of = |kind: &str, time: &str| {
            received(format!(
                r#"{{"121":{{"param":"{tag}","targets":"t1","ackType":{kind},"ackTime":{time}}}}}"#
            ))
            .pop()
        };
        for kind in ["1", "\"2\"", "-1", "{}", "\"\"", "true"] {
            assert_eq!(of(kind, "1700000000123"), None, "{kind}");
        }
        let dead = |receipt: Option<VendorReceipt>| match receipt?.what {
            Late::Verdict(verdict) => Some(verdict.kind),
            _ => None,
        };
        let since = Some(Timestamp::from_unix_millis(1_700_000_000_123));
        assert_eq!(
            dead(of("3", "1700000000123")),
            Some(VerdictKind::TokenDead { since })
        );
        let since = Some(sample::NOW);
        assert_eq!(
            dead(of("\"3\"", "\"1700000000\"")),
            Some(VerdictKind::TokenDead { since })
        );
        let Some(Late::Verdict(limited)) = of("4", "1700000000123").map(|receipt| receipt.what)
        else {
            panic!("a verdict");
        };
        assert_eq!(limited.kind, VerdictKind::RateLimited(Scope::Token));
        assert_eq!(
            (
                limited.answer.code.as_str(),
                limited.answer.request_id.as_str()
            ),
            ("4", "121")
        );
        // At an impossible time it costs no token.
        for time in [
            "9223372036854775807",
            "1e400",
            "-1",
            "0",
            "null",
            "1700000500000",
        ] {
            assert_eq!(of("3", time), None, "{time}");
            let delivered = of("0", time).expect("it is read");
            assert_eq!(delivered.at, LATER, "{time}");
        }
    }

    #[test]
    fn more_receipts_than_any_list_push_has_are_refused() {
        let tag = DeliveryId::new(sample::NOW);
        let targets = "t,".repeat(MOST_RECEIPTS + 1);
        let body = format!(r#"{{"121":{{"param":"{tag}","targets":"{targets}"}}}}"#);
        let request = Request::new(Bytes::from(body));
        let error = read(&request, &meanings(), LATER).expect_err("too many");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}
