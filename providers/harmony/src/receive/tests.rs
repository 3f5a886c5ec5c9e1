use push_core::DeliveryId;
use push_testkit::sample;
use serde_json::json;

use super::*;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../tests/fixtures/vectors.json")).expect("JSON")
}

fn signer(user: &str, key: &str) -> Signer {
    Signer {
        user: user.to_owned(),
        key: Secret::new(key),
    }
}

fn signed(header: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(
        CALLBACK_ID,
        HeaderValue::from_str(header).expect("a header"),
    );
    headers
}

/// What is read of one entry with this result.
fn read_one(result: &Value, timestamp: &Value, is_test: bool) -> Option<VendorReceipt> {
    let body = json!({ "statuses": [{
        "token": "t1", "pushType": 0, "appPackageName": "com.example.im",
        "biTag": DeliveryId::new(sample::NOW).to_string(), "requestId": "r1",
        "deliveryStatus": { "result": result, "timestamp": timestamp },
    }]});
    let request = Request::new(Bytes::from(body.to_string()));
    let mut received = read(&request, None, is_test, sample::NOW).expect("it is read");
    received.receipts.pop()
}

fn kind_of(result: u16, is_test: bool) -> Option<(VerdictKind, Retry)> {
    let timestamp = json!(sample::NOW.unix_millis());
    match read_one(&json!(result), &timestamp, is_test)?.what {
        Late::Verdict(verdict) => Some((verdict.kind, verdict.retry)),
        _ => None,
    }
}

#[test]
fn signatures_on_record_are_verified_in_every_spelling() {
    let vectors = vectors();
    let headers = vectors["hw_cb_header"].as_array().expect("an array");
    let at = Timestamp::from_unix_millis(1_563_105_451_261);
    assert_eq!(headers.len(), 7);
    for case in headers {
        let text = |key: &str| case[key].as_str().expect("text");
        let verified = signer(text("user"), text("key")).verify(&signed(text("header")), at);
        assert_eq!(verified.is_ok(), case["ok"] == true, "{case}: {verified:?}");
    }
    for case in vectors["hw_cb"].as_array().expect("an array") {
        let [timestamp, nonce, user, key, value] =
            [0, 1, 2, 3, 4].map(|at| case[at].as_str().expect("text"));
        let at = Timestamp::from_unix_millis(timestamp.parse().expect("a number"));
        let header = signed(&format!(
            "timestamp={timestamp};nonce={nonce};value={value}"
        ));
        assert_eq!(signer(user, key).verify(&header, at), Ok(()), "{case}");
        let late = at + Duration::from_secs(16 * 60);
        assert!(signer(user, key).verify(&header, late).is_err(), "{case}");
        assert!(
            signer(user, "another").verify(&header, at).is_err(),
            "{case}"
        );
    }
}

#[test]
fn each_result_has_its_meaning_and_unknown_ones_have_none() {
    let dead = VerdictKind::TokenDead {
        since: Some(sample::NOW),
    };
    let limited = VerdictKind::RateLimited(Scope::Token);
    // 2023-11-15, 06:13:20 in China: the day ends 17 h 46 min 40 s later.
    let midnight = Retry::After(Duration::from_secs(17 * 3600 + 46 * 60 + 40));
    for (result, wanted) in [
        (2, Some((dead, Retry::Never))),
        (5, Some((dead, Retry::Never))),
        (
            6,
            Some((VerdictKind::TokenUnusable(TokenFault::Muted), Retry::Never)),
        ),
        (
            10,
            Some((
                VerdictKind::TokenUnusable(TokenFault::Inactive),
                Retry::Never,
            )),
        ),
        (31, Some((VerdictKind::PayloadRefused, Retry::Never))),
        (102, Some((limited, midnight))),
        (144, Some((VerdictKind::PayloadRefused, Retry::Never))),
        (201, Some((limited, Retry::Backoff))),
        (256, Some((limited, midnight))),
        (14, None),
        (15, None),
        (22, None),
        (51, None),
        (999, None),
    ] {
        assert_eq!(kind_of(result, false), wanted, "{result}");
    }
    let of_project = VerdictKind::RateLimited(Scope::Credential);
    assert_eq!(kind_of(256, true), Some((of_project, midnight)));
    for delivered in [json!(0), json!("0"), json!(27)] {
        let receipt = read_one(&delivered, &json!(sample::NOW.unix_millis()), false);
        assert_eq!(receipt.map(|receipt| receipt.what), Some(Late::Delivered));
    }
}

#[test]
fn the_end_of_a_token_at_an_impossible_time_costs_no_token() {
    for time in [
        json!(i64::MAX),
        json!(1e300),
        json!(-1),
        json!(0),
        json!(1_700_000_000),
        json!(sample::NOW.unix_millis() + 600_000),
        json!(null),
        json!("soon"),
    ] {
        assert_eq!(read_one(&json!(5), &time, false), None, "{time}");
        let delivered = read_one(&json!(0), &time, false);
        assert!(
            delivered.is_none_or(|receipt| receipt.at == sample::NOW),
            "{time}"
        );
    }
}

#[test]
fn entries_of_forms_and_of_other_senders_are_left_out() {
    let tag = DeliveryId::new(sample::NOW).to_string();
    let status = json!({ "result": 5, "timestamp": sample::NOW.unix_millis() });
    for entry in [
        json!({ "token": "t1", "biTag": tag, "formStatus": { "formId": 1, "result": 5, "timestamp": 1 } }),
        json!({ "token": "t1", "biTag": "m1", "deliveryStatus": status }),
        json!({ "token": "t1", "biTag": "", "deliveryStatus": status }),
        json!({ "token": "", "biTag": tag, "deliveryStatus": status }),
        json!({ "token": ["t1"], "biTag": tag, "deliveryStatus": status }),
        json!({ "token": "t1", "biTag": tag, "deliveryStatus": [status] }),
        json!({ "token": "t1", "biTag": tag, "status": 5, "timestamp": sample::NOW.unix_millis() }),
        json!([]),
        json!(null),
    ] {
        let body = json!({ "statuses": [entry] }).to_string();
        let request = Request::new(Bytes::from(body));
        let received = read(&request, None, false, sample::NOW).expect("it is read");
        assert!(received.receipts.is_empty(), "{entry}");
        assert_eq!(received.reply.status(), 200);
    }
    let many = json!({ "statuses": vec![json!(null); 1001] }).to_string();
    for body in ["", "[]", "{}", r#"{"statuses":{}}"#, &many] {
        let request = Request::new(Bytes::from(body.to_owned()));
        let error = read(&request, None, false, sample::NOW).expect_err("it is refused");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}
